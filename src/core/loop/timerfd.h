/* SPDX-License-Identifier: Apache-2.0
 *
 * timerfd.h: the loop's timerfd, which wakes whoever polls the loop. It stands at the deadline that it was brought to,
 * or at an earlier one. */
#ifndef GANTRY_TIMERFD_H
#define GANTRY_TIMERFD_H

#include <stdint.h>

struct gantry_timerfd {
    int fd;
    int64_t armed; /* the deadline that it stands at, or GANTRY_TIMER_NEVER */
};

/* Makes the descriptor, which the caller closes. Returns it, or -1 with errno. */
int gantry_timerfd_open(struct gantry_timerfd *timerfd);

/* At the time `now`, brings it to `deadline`, or GANTRY_TIMER_NEVER, where that is earlier than the one it stands at:
 * one that stands too early costs one wake-up, and setting it for each deadline that moves later would cost a system
 * call a request. One that stands at a time gone by is readable, or about to be; setting it takes that back, so it need
 * never be read. */
void gantry_timerfd_arm(struct gantry_timerfd *timerfd, int64_t deadline, int64_t now);

#endif
