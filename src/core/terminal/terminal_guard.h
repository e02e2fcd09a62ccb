/* SPDX-License-Identifier: Apache-2.0
 *
 * terminal_guard.h: a process that stands between the shell and what draws on its terminal, and puts the terminal in
 * order when that could not do it itself: it was killed, or it crashed. So the shell's prompt never comes onto a screen
 * that nobody draws on any more. */
#ifndef GANTRY_TERMINAL_GUARD_H
#define GANTRY_TERMINAL_GUARD_H

#include "core/base/error.h"

/* Forks. The child returns 0 from here and goes on; it is told to end (SIGTERM) where its parent dies. The parent stays
 * here: it passes on the signals that somebody sends it, stops and goes on with the child, kills one that does not heed
 * an end that was asked for, for it waits for a terminal that takes nothing, and ends as the child has ended. To be
 * called before anything else of the process is under way. Fails with SPAWN_FAILED. */
int gantry_terminal_guard(struct gantry_error *err);

#endif
