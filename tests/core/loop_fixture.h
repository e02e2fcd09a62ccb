/* SPDX-License-Identifier: Apache-2.0
 *
 * loop_fixture.h: a loop for each test, pipes that are watched, and timers that note when they fire.
 *
 * Included once by each test program of the loop. */
#ifndef LOOP_FIXTURE_H
#define LOOP_FIXTURE_H

#include "core/loop/loop.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#define MS 1000000LL
#define HOUR (3600000LL * MS)
#define MOST_TIMERS 5000

/* A pipe whose reading end is watched, and what its callback is to do. */
struct spot {
    struct gantry_loop *loop;
    int ends[2];
    struct gantry_watch *watch;
    int calls;
    uint32_t events;
    void (*action)(struct spot *spot);
    struct spot *other;
};

static struct {
    int order[MOST_TIMERS];
    int count;
} fired;

static struct gantry_loop *loop;
static struct gantry_error err;

static inline int set_up(void **state)
{
    (void)state;
    fired.count = 0;
    return gantry_loop_new(&loop, &err);
}

static inline int tear_down(void **state)
{
    (void)state;
    gantry_loop_free(loop);
    loop = NULL;
    return 0;
}

static inline int step(int64_t timeout_ms)
{
    return gantry_loop_step(loop, timeout_ms, &err);
}

static inline void spot_ready(void *data, uint32_t events)
{
    struct spot *spot = data;

    spot->calls++;
    spot->events = events;
    if (spot->action != NULL)
        spot->action(spot);
}

static inline void open_spot(struct spot *spot)
{
    memset(spot, 0, sizeof *spot);
    spot->loop = loop;
    assert_int_equal(pipe2(spot->ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(gantry_watch_new(loop, spot->ends[0], EPOLLIN, spot_ready, spot, &spot->watch, &err), 0);
}

static inline void fill_spot(const struct spot *spot)
{
    assert_int_equal(write(spot->ends[1], "x", 1), 1);
}

static inline void free_watch(struct spot *spot)
{
    gantry_watch_free(spot->watch);
    spot->watch = NULL;
}

static inline void close_spot(struct spot *spot)
{
    free_watch(spot);
    close(spot->ends[0]);
    close(spot->ends[1]);
}

static inline bool host_sees_work(int timeout_ms)
{
    struct pollfd entry = {.fd = gantry_loop_fd(loop), .events = POLLIN};

    return poll(&entry, 1, timeout_ms) == 1;
}

static inline void open_ready_pair(struct spot pair[2], void (*action)(struct spot *spot))
{
    for (int i = 0; i < 2; i++) {
        open_spot(&pair[i]);
        fill_spot(&pair[i]);
    }
    for (int i = 0; i < 2; i++) {
        pair[i].action = action;
        pair[i].other = &pair[1 - i];
    }
}

static inline void close_pair(struct spot pair[2])
{
    close_spot(&pair[0]);
    close_spot(&pair[1]);
}

/* A timer that notes that it fired, and what its callback is to do. */
struct alarm {
    struct gantry_timer *timer;
    int name;
    int64_t again; /* sets itself anew after so many nanoseconds, unless negative */
    struct alarm *victim;
};

static inline void alarm_fires(void *data)
{
    struct alarm *alarm = data;

    fired.order[fired.count++] = alarm->name;
    if (alarm->again >= 0)
        gantry_timer_set(alarm->timer, alarm->again);
    if (alarm->victim != NULL) {
        gantry_timer_free(alarm->victim->timer);
        alarm->victim->timer = NULL;
    }
}

static inline void make_alarm(struct alarm *alarm, int name)
{
    *alarm = (struct alarm){.name = name, .again = -1};
    assert_int_equal(gantry_timer_new(loop, alarm_fires, alarm, &alarm->timer, &err), 0);
}

#endif
