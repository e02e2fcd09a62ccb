/* SPDX-License-Identifier: Apache-2.0
 *
 * loop.c: one epoll set and one timerfd, which is armed for the earliest deadline.
 *
 * Epoll knows a watch by a key (slot and generation), never by its address or descriptor number: an event that is still
 * in the batch when its watch is freed, or when its number serves another watch, finds no slot of its generation and is
 * dropped. The heap of timers has room for all of them, so that setting one cannot fail. The loop counts its sources
 * and lives on, closed, until the last of them is freed. */
#include "core/loop/loop.h"

#include "core/base/list.h"
#include "core/loop/timer_heap.h"
#include "core/loop/timerfd.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define BATCH_SIZE 64
#define NO_SLOT UINT32_MAX
#define TIMER_KEY UINT64_MAX /* no watch has it: its slot would be NO_SLOT */
#define NS_PER_S 1000000000LL
#define NS_PER_MS 1000000LL
#define LONG_AGO 1 /* a deadline that has passed: a timerfd takes 0 for none */

struct slot {
    struct gantry_watch *watch; /* NULL while the slot is free */
    uint32_t generation;        /* grows whenever the slot is given up */
    uint32_t next_free;
};

struct gantry_watch {
    struct gantry_loop *loop;
    gantry_watch_fn *callback;
    void *data;
    int fd;
    uint32_t slot;
    uint32_t events; /* 0 while paused: then the descriptor is not in the epoll set */
};

struct gantry_timer {
    struct gantry_timer_node node; /* comes first: a node is its timer */
    struct gantry_loop *loop;
    gantry_timer_fn *callback;
    void *data;
};

struct gantry_deferred {
    struct gantry_list in_deferred; /* while it is set */
    struct gantry_loop *loop;
    gantry_deferred_fn *callback;
    void *data;
};

struct gantry_loop {
    int epoll_fd;
    struct gantry_timerfd timerfd;
    bool closed;
    bool stepping;
    bool is_polled;    /* somebody has asked for the descriptor */
    size_t references; /* the owner, the step under way, and each source */

    struct slot *slots;
    uint32_t slot_count;
    uint32_t free_slot;

    struct gantry_timer_heap heap; /* of the timers that are set */
    size_t timer_count;            /* those that exist; the heap has room for all of them */

    struct gantry_list deferred; /* those that are set */
    gantry_deferred_fn *turn;    /* NULL without one */
    void *turn_data;
};

int64_t gantry_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* ---- the timerfd ---- */

static int64_t earliest(const struct gantry_loop *loop)
{
    return gantry_list_is_empty(&loop->deferred) ? gantry_timer_heap_earliest(&loop->heap) : LONG_AGO;
}

/* Something is due at another time. During a step the timerfd waits for its end, when all callbacks have had their say;
 * where nobody polls, it waits for the next step that does. */
static void due_has_changed(struct gantry_loop *loop)
{
    if (loop->is_polled && !loop->stepping && !loop->closed)
        gantry_timerfd_arm(&loop->timerfd, earliest(loop), gantry_clock_ns());
}

/* Calls back for the timers that are due at `now` and were set before `order`; those that these callbacks set are for
 * the next step. Nothing set later can hide one that is due, since its deadline is not before `now`. */
static int fire_timers(struct gantry_loop *loop, int64_t now, uint64_t order)
{
    struct gantry_timer_node *node;
    int count = 0;

    while (!loop->closed && (node = gantry_timer_heap_take_due(&loop->heap, now, order)) != NULL) {
        struct gantry_timer *timer = (struct gantry_timer *)node;

        count++;
        timer->callback(timer->data);
    }
    return count;
}

/* ---- the loop ---- */

static void unreference(struct gantry_loop *loop)
{
    if (--loop->references > 0)
        return;
    free(loop->slots);
    gantry_timer_heap_free(&loop->heap);
    free(loop);
}

static int open_descriptors(struct gantry_loop *loop, struct gantry_error *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = TIMER_KEY};

    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return gantry_fail_errno(err, errno, "LOOP_FAILED", "make the event loop's epoll descriptor");
    if (gantry_timerfd_open(&loop->timerfd) < 0)
        return gantry_fail_errno(err, errno, "LOOP_FAILED", "make the event loop's timer descriptor");
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->timerfd.fd, &event) < 0)
        return gantry_fail_errno(err, errno, "LOOP_FAILED", "watch the event loop's timer descriptor");
    return 0;
}

int gantry_loop_new(struct gantry_loop **loop, struct gantry_error *err)
{
    struct gantry_loop *made = calloc(1, sizeof *made);

    if (made == NULL)
        return gantry_fail(err, "LOOP_FAILED", "make the event loop: out of memory");
    made->epoll_fd = -1;
    made->timerfd.fd = -1;
    made->references = 1;
    made->free_slot = NO_SLOT;
    gantry_list_init(&made->deferred);
    if (open_descriptors(made, err) < 0) {
        gantry_loop_free(made);
        return -1;
    }
    *loop = made;
    return 0;
}

void gantry_loop_free(struct gantry_loop *loop)
{
    if (loop == NULL)
        return;
    loop->closed = true;
    if (loop->timerfd.fd >= 0)
        close(loop->timerfd.fd);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    loop->timerfd.fd = -1;
    loop->epoll_fd = -1;
    unreference(loop);
}

int gantry_loop_fd(struct gantry_loop *loop)
{
    loop->is_polled = true;
    due_has_changed(loop);
    return loop->epoll_fd;
}

void gantry_loop_on_turn(struct gantry_loop *loop, gantry_deferred_fn *turn, void *data)
{
    loop->turn = turn;
    loop->turn_data = data;
}

/* The watch that `key` still names, or NULL. */
static struct gantry_watch *find_watch(const struct gantry_loop *loop, uint64_t key)
{
    uint32_t slot = (uint32_t)key;

    if (slot >= loop->slot_count || loop->slots[slot].generation != (uint32_t)(key >> 32))
        return NULL;
    return loop->slots[slot].watch;
}

static int dispatch(struct gantry_loop *loop, const struct epoll_event *events, int ready)
{
    int count = 0;

    for (int i = 0; i < ready && !loop->closed; i++) {
        struct gantry_watch *watch = find_watch(loop, events[i].data.u64);
        uint32_t wanted;

        if (watch == NULL || watch->events == 0)
            continue;
        /* An earlier callback of the batch may have narrowed what the watch is for. */
        wanted = events[i].events & (watch->events | EPOLLERR | EPOLLHUP);
        if (wanted == 0)
            continue;
        count++;
        watch->callback(watch->data, wanted);
    }
    return count;
}

/* Makes the deferred calls that are set now; those set meanwhile are for the next step. */
static int run_deferred(struct gantry_loop *loop)
{
    struct gantry_list now;
    int count = 0;

    if (loop->closed)
        return 0;
    gantry_list_init(&now);
    gantry_list_move_all(&loop->deferred, &now);
    for (; !gantry_list_is_empty(&now); count++) {
        struct gantry_deferred *deferred = GANTRY_LIST_ENTRY(now.next, struct gantry_deferred, in_deferred);

        gantry_list_remove(&deferred->in_deferred);
        deferred->callback(deferred->data);
    }
    return count;
}

/* How long epoll may wait: not at all where something is due, since a timerfd set to a time gone by turns readable only
 * a moment later; otherwise as asked, for the timerfd ends the wait at its deadline. */
static int wait_time(struct gantry_loop *loop, int64_t timeout_ms)
{
    int64_t deadline = earliest(loop);
    int64_t now = gantry_clock_ns();

    if (timeout_ms == 0 || deadline <= now)
        return 0;
    gantry_timerfd_arm(&loop->timerfd, deadline, now);
    return timeout_ms < 0 ? -1 : (int)timeout_ms;
}

/* Waits for events. Where the timerfd alone has ended the wait, and has stood too early, it goes on. */
static int wait_for_events(struct gantry_loop *loop, struct epoll_event *events, int64_t timeout_ms)
{
    int64_t left_ms = timeout_ms < INT_MAX ? timeout_ms : INT_MAX;
    int64_t end_ms = left_ms > 0 ? gantry_clock_ns() / NS_PER_MS + 1 + left_ms : 0;

    for (;;) {
        int ready = epoll_wait(loop->epoll_fd, events, BATCH_SIZE, wait_time(loop, left_ms));
        int64_t now;

        if (ready != 1 || events[0].data.u64 != TIMER_KEY || left_ms == 0)
            return ready;
        now = gantry_clock_ns();
        if (earliest(loop) <= now)
            return ready;
        if (left_ms > 0)
            left_ms = end_ms > now / NS_PER_MS ? end_ms - now / NS_PER_MS : 0;
    }
}

/* All callbacks of a step whose wait has brought so many events. */
static int call_back(struct gantry_loop *loop, const struct epoll_event *events, int ready, uint64_t order)
{
    int64_t now = loop->heap.count > 0 ? gantry_clock_ns() : 0;
    int count = dispatch(loop, events, ready);

    count += fire_timers(loop, now, order);
    if (!loop->closed && loop->turn != NULL)
        loop->turn(loop->turn_data);
    return count;
}

int gantry_loop_step(struct gantry_loop *loop, int64_t timeout_ms, struct gantry_error *err)
{
    struct epoll_event events[BATCH_SIZE];
    uint64_t order;
    int ready;
    int count;
    int reason;

    if (loop->stepping)
        return gantry_fail(err, "LOOP_FAILED",
                           "step the event loop: it is inside a step; return from its callback first");
    loop->stepping = true;
    loop->references++;
    count = run_deferred(loop);
    order = loop->heap.next_order;
    ready = wait_for_events(loop, events, timeout_ms);
    reason = errno;
    if (ready >= 0) {
        count += call_back(loop, events, ready, order);
        count += run_deferred(loop);
    }
    loop->stepping = false;
    due_has_changed(loop);
    unreference(loop);
    return ready >= 0 || reason == EINTR ? count : gantry_fail_errno(err, reason, "LOOP_FAILED", "wait for events");
}

/* ---- watches ---- */

static int grow_slots(struct gantry_loop *loop)
{
    uint32_t count = loop->slot_count == 0 ? 16 : 2 * loop->slot_count;
    struct slot *slots = realloc(loop->slots, count * sizeof *slots);

    if (slots == NULL)
        return -1;
    for (uint32_t i = loop->slot_count; i < count; i++)
        slots[i] = (struct slot){.next_free = i + 1 < count ? i + 1 : NO_SLOT};
    loop->free_slot = loop->slot_count;
    loop->slots = slots;
    loop->slot_count = count;
    return 0;
}

static int take_slot(struct gantry_watch *watch)
{
    struct gantry_loop *loop = watch->loop;

    if (loop->free_slot == NO_SLOT && grow_slots(loop) < 0)
        return -1;
    watch->slot = loop->free_slot;
    loop->free_slot = loop->slots[watch->slot].next_free;
    loop->slots[watch->slot].watch = watch;
    return 0;
}

static void give_up_slot(const struct gantry_watch *watch)
{
    struct slot *slot = &watch->loop->slots[watch->slot];

    slot->watch = NULL;
    slot->generation++;
    slot->next_free = watch->loop->free_slot;
    watch->loop->free_slot = watch->slot;
}

/* Tells epoll what the watch is for now. A paused descriptor leaves the set: while it is in, epoll reports a hang-up
 * over and over, asked or not. */
static int change_epoll(struct gantry_watch *watch, uint32_t events)
{
    uint64_t generation = watch->loop->slots[watch->slot].generation;
    struct epoll_event event = {.events = events, .data.u64 = generation << 32 | watch->slot};
    int operation = EPOLL_CTL_MOD;

    if (events == watch->events)
        return 0;
    if (events == 0)
        operation = EPOLL_CTL_DEL;
    else if (watch->events == 0)
        operation = EPOLL_CTL_ADD;
    if (epoll_ctl(watch->loop->epoll_fd, operation, watch->fd, &event) < 0)
        return -1;
    watch->events = events;
    return 0;
}

int gantry_watch_new(struct gantry_loop *loop, int fd, uint32_t events, gantry_watch_fn *callback, void *data,
                     struct gantry_watch **watch, struct gantry_error *err)
{
    struct gantry_watch *made = calloc(1, sizeof *made);

    if (made == NULL)
        return gantry_fail(err, "WATCH_FAILED", "watch descriptor %d: out of memory", fd);
    *made = (struct gantry_watch){.loop = loop, .callback = callback, .data = data, .fd = fd};
    if (take_slot(made) < 0) {
        free(made);
        return gantry_fail(err, "WATCH_FAILED", "watch descriptor %d: out of memory", fd);
    }
    loop->references++;
    if (change_epoll(made, events) < 0) {
        gantry_fail_errno(err, errno, "WATCH_FAILED", "watch descriptor %d", fd);
        gantry_watch_free(made);
        return -1;
    }
    *watch = made;
    return 0;
}

int gantry_watch_modify(struct gantry_watch *watch, uint32_t events, struct gantry_error *err)
{
    if (watch->loop->closed)
        return 0;
    if (change_epoll(watch, events) < 0)
        return gantry_fail_errno(err, errno, "WATCH_FAILED", "change what descriptor %d is watched for", watch->fd);
    return 0;
}

void gantry_watch_free(struct gantry_watch *watch)
{
    if (watch == NULL)
        return;
    if (!watch->loop->closed)
        change_epoll(watch, 0);
    give_up_slot(watch);
    unreference(watch->loop);
    free(watch);
}

/* ---- timers ---- */

int gantry_timer_new(struct gantry_loop *loop, gantry_timer_fn *callback, void *data, struct gantry_timer **timer,
                     struct gantry_error *err)
{
    struct gantry_timer *made = calloc(1, sizeof *made);

    if (made == NULL || gantry_timer_heap_reserve(&loop->heap, loop->timer_count + 1) < 0) {
        free(made);
        return gantry_fail(err, "OUT_OF_MEMORY", "make a timer: out of memory");
    }
    *made = (struct gantry_timer){.loop = loop, .callback = callback, .data = data, .node = {GANTRY_TIMER_NOT_SET}};
    loop->timer_count++;
    loop->references++;
    *timer = made;
    return 0;
}

void gantry_timer_set(struct gantry_timer *timer, int64_t delay_ns)
{
    struct gantry_loop *loop = timer->loop;
    int64_t now = gantry_clock_ns();

    if (delay_ns < 0)
        delay_ns = 0;
    gantry_timer_heap_set(&loop->heap, &timer->node,
                          delay_ns < GANTRY_TIMER_NEVER - now ? now + delay_ns : GANTRY_TIMER_NEVER);
    due_has_changed(loop);
}

void gantry_timer_cancel(struct gantry_timer *timer)
{
    gantry_timer_heap_remove(&timer->loop->heap, &timer->node);
    due_has_changed(timer->loop);
}

void gantry_timer_free(struct gantry_timer *timer)
{
    if (timer == NULL)
        return;
    gantry_timer_cancel(timer);
    timer->loop->timer_count--;
    unreference(timer->loop);
    free(timer);
}

/* ---- deferred calls ---- */

int gantry_deferred_new(struct gantry_loop *loop, gantry_deferred_fn *callback, void *data,
                        struct gantry_deferred **deferred, struct gantry_error *err)
{
    struct gantry_deferred *made = calloc(1, sizeof *made);

    if (made == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "make a deferred call: out of memory");
    *made = (struct gantry_deferred){.loop = loop, .callback = callback, .data = data};
    gantry_list_init(&made->in_deferred);
    loop->references++;
    *deferred = made;
    return 0;
}

void gantry_deferred_set(struct gantry_deferred *deferred)
{
    struct gantry_loop *loop = deferred->loop;

    if (!gantry_list_is_empty(&deferred->in_deferred))
        return;
    gantry_list_append(&loop->deferred, &deferred->in_deferred);
    due_has_changed(loop);
}

void gantry_deferred_free(struct gantry_deferred *deferred)
{
    if (deferred == NULL)
        return;
    gantry_list_remove(&deferred->in_deferred);
    unreference(deferred->loop);
    free(deferred);
}
