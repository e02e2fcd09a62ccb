/* SPDX-License-Identifier: Apache-2.0
 *
 * signals.h: signals as events of the loop, by a signalfd.
 *
 * For the executable alone, which owns its process: signals are blocked for the calling thread (and for threads made
 * later) while the object lives, and a library must not do that to its host. */
#ifndef GANTRY_SIGNALS_H
#define GANTRY_SIGNALS_H

#include "core/loop/loop.h"

#include <stdbool.h>
#include <stddef.h>

struct gantry_signals;

typedef void gantry_signals_fn(void *data, int number);

/* The number of a signal by its name without SIG ("TERM"), or -1. */
int gantry_signal_number(const char *name);

/* The name of a signal without SIG, or NULL. */
const char *gantry_signal_name(int number);

/* True where the process ignores the signal, as nohup and shells ask of what they start. */
bool gantry_signal_ignored(int number);

/* True where the signal has come and nobody has looked at it yet: for long work that does not return to the loop. */
bool gantry_signal_pending(int number);

/* Takes `count` signals: from now on they come as callbacks, but for those that the process ignores, which whoever
 * started it did not want it to see. Owned by the caller. Repeats of a signal that nobody has
 * looked at yet are one. Fails with SIGNALS_FAILED (a signal that cannot be taken, descriptors exhausted). */
int gantry_signals_new(struct gantry_loop *loop, const int *numbers, size_t count, gantry_signals_fn *callback,
                       void *data, struct gantry_signals **signals, struct gantry_error *err);

/* While `through`, SIGINT and SIGTERM take their default course where this object holds them and none has come yet: for
 * work that no signal could end otherwise, since it does not return to the loop. NULL is allowed. */
void gantry_signals_let_through(const struct gantry_signals *signals, bool through);

/* Gives the signals back: those that were not blocked before are unblocked; what is pending is dropped, for it was
 * meant for this object. NULL is allowed. */
void gantry_signals_free(struct gantry_signals *signals);

#endif
