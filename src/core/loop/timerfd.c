/* SPDX-License-Identifier: Apache-2.0 */
#include "core/loop/timerfd.h"

#include "core/loop/timer_heap.h"

#include <sys/timerfd.h>
#include <time.h>

#define NS_PER_S 1000000000LL

int gantry_timerfd_open(struct gantry_timerfd *timerfd)
{
    timerfd->armed = GANTRY_TIMER_NEVER;
    timerfd->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return timerfd->fd;
}

void gantry_timerfd_arm(struct gantry_timerfd *timerfd, int64_t deadline, int64_t now)
{
    struct itimerspec at = {0};

    if (deadline >= timerfd->armed && timerfd->armed > now)
        return;
    if (deadline != GANTRY_TIMER_NEVER) {
        at.it_value.tv_sec = deadline / NS_PER_S;
        at.it_value.tv_nsec = deadline % NS_PER_S;
    }
    timerfd_settime(timerfd->fd, TFD_TIMER_ABSTIME, &at, NULL);
    timerfd->armed = deadline;
}
