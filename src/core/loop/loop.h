/* SPDX-License-Identifier: Apache-2.0
 *
 * loop.h: everything that waits, in one epoll set.
 *
 * The loop is itself one pollable descriptor (an epoll descriptor is readable when something in it is ready), so it
 * sits in any host's poll. No threads, no process-wide state. A source (watch, timer or deferred call) is owned by
 * whoever made it, who frees it; freeing is safe inside any callback, its own included, and a freed source is never
 * called again, also not in the batch of events under way. Callbacks run only from gantry_loop_step: those of watches,
 * those of timers, the turn of the loop's owner, and at last the deferred calls. */
#ifndef GANTRY_LOOP_H
#define GANTRY_LOOP_H

#include "core/base/api.h"
#include "core/base/error.h"

#include <stdint.h>

struct gantry_loop;
struct gantry_watch;
struct gantry_timer;
struct gantry_deferred;

/* `events` is a set of EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP. */
typedef void gantry_watch_fn(void *data, uint32_t events);
typedef void gantry_timer_fn(void *data);
typedef void gantry_deferred_fn(void *data);

/* Makes a loop, which the caller frees with gantry_loop_free. Fails with LOOP_FAILED (descriptors exhausted). */
int gantry_loop_new(struct gantry_loop **loop, struct gantry_error *err);

/* Frees the loop. Sources still there become inert; their owners still free them. NULL is allowed. */
void gantry_loop_free(struct gantry_loop *loop);

/* The descriptor to poll for reading: readable means that gantry_loop_step has work. Owned by the loop, which sees to
 * it from the first time on that somebody asks: until then, steps alone wait, and they know of timers without it. */
int gantry_loop_fd(struct gantry_loop *loop);

/* Has `turn` called in each step, once all callbacks of watches and timers have run: what it starts still goes out with
 * the deferred calls of that step. NULL is for none. */
void gantry_loop_on_turn(struct gantry_loop *loop, gantry_deferred_fn *turn, void *data);

/* Makes the deferred calls that wait, waits up to `timeout_ms` (0: not at all, -1: for ever) and calls back for all
 * that is ready. Returns how many callbacks ran; 0 also where a signal interrupted the wait. Fails with LOOP_FAILED. */
int gantry_loop_step(struct gantry_loop *loop, int64_t timeout_ms, struct gantry_error *err);

/* The monotonic clock in nanoseconds, which all timers run by. */
GANTRY_API int64_t gantry_clock_ns(void);

/* Watches `fd`, which stays the caller's: free the watch before closing the descriptor. One watch a descriptor.
 * `events` as above; EPOLLERR and EPOLLHUP are reported with any. Fails with WATCH_FAILED. */
GANTRY_API int gantry_watch_new(struct gantry_loop *loop, int fd, uint32_t events, gantry_watch_fn *callback,
                                void *data, struct gantry_watch **watch, struct gantry_error *err);

/* Changes the set of events; 0 pauses: nothing is reported then, not even EPOLLERR and EPOLLHUP, which would come over
 * and over. Fails with WATCH_FAILED. */
GANTRY_API int gantry_watch_modify(struct gantry_watch *watch, uint32_t events, struct gantry_error *err);

/* Ends the watch. NULL is allowed. */
GANTRY_API void gantry_watch_free(struct gantry_watch *watch);

/* Makes a timer that is not yet set. Fails with OUT_OF_MEMORY. */
GANTRY_API int gantry_timer_new(struct gantry_loop *loop, gantry_timer_fn *callback, void *data,
                                struct gantry_timer **timer, struct gantry_error *err);

/* (Re)sets the timer to fire once, `delay_ns` from now (0 or less: at the next step). Never fails. */
GANTRY_API void gantry_timer_set(struct gantry_timer *timer, int64_t delay_ns);

/* Takes the timer back; it can be set again. */
GANTRY_API void gantry_timer_cancel(struct gantry_timer *timer);

/* Ends the timer. NULL is allowed. */
GANTRY_API void gantry_timer_free(struct gantry_timer *timer);

/* Makes a deferred call that is not yet set: for work that is done once for all that a step has brought, such as
 * sending. Its callback calls nobody else back. Fails with OUT_OF_MEMORY. */
GANTRY_API int gantry_deferred_new(struct gantry_loop *loop, gantry_deferred_fn *callback, void *data,
                                   struct gantry_deferred **deferred, struct gantry_error *err);

/* Has it called once, at the end of this step; outside of a step, and inside of a deferred call, at the beginning of
 * the next. Setting what is set changes nothing. Never fails. */
GANTRY_API void gantry_deferred_set(struct gantry_deferred *deferred);

/* Ends the deferred call. NULL is allowed. */
GANTRY_API void gantry_deferred_free(struct gantry_deferred *deferred);

#endif
