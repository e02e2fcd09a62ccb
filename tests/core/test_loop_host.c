/* SPDX-License-Identifier: Apache-2.0
 *
 * test_loop_host.c: the loop inside a host: its descriptor, its waits, its end. */
#include "loop_fixture.h"

#include <signal.h>
#include <sys/time.h>

/* ---- the loop in a host's poll ---- */

static void test_host_polls_for_descriptors(void **state)
{
    struct spot spot;

    (void)state;
    open_spot(&spot);
    assert_false(host_sees_work(0));
    fill_spot(&spot);
    assert_true(host_sees_work(0));
    spot.action = free_watch;
    assert_int_equal(step(0), 1);
    assert_false(host_sees_work(0));
    close_spot(&spot);
}

static void test_host_polls_for_timers_and_is_let_sleep(void **state)
{
    struct alarm early;
    struct alarm late;

    (void)state;
    make_alarm(&early, 1);
    make_alarm(&late, 2);
    gantry_timer_set(late.timer, HOUR);
    assert_false(host_sees_work(0));
    gantry_timer_set(early.timer, 5 * MS);
    assert_true(host_sees_work(5000));
    assert_int_equal(step(0), 1);
    assert_false(host_sees_work(20)); /* nothing but the late one is left: no wake-up */

    gantry_timer_set(early.timer, 5 * MS);
    gantry_timer_cancel(early.timer);
    assert_true(host_sees_work(5000)); /* woken once, where the timer stood, which is what not to set it anew costs */
    assert_int_equal(step(0), 0);
    assert_false(host_sees_work(20));
    gantry_timer_free(late.timer);
    gantry_timer_free(early.timer);
}

static void test_loop_nests_in_a_loop(void **state)
{
    struct gantry_loop *inner = loop;
    struct gantry_loop *outer;
    struct gantry_watch *watch;
    struct alarm alarm;
    struct spot seen = {0};

    (void)state;
    make_alarm(&alarm, 1);
    assert_int_equal(gantry_loop_new(&outer, &err), 0);
    assert_int_equal(gantry_watch_new(outer, gantry_loop_fd(inner), EPOLLIN, spot_ready, &seen, &watch, &err), 0);
    assert_int_equal(gantry_loop_step(outer, 0, &err), 0);
    gantry_timer_set(alarm.timer, MS);
    assert_int_equal(gantry_loop_step(outer, 5000, &err), 1);
    assert_int_equal(step(0), 1);
    assert_int_equal(gantry_loop_step(outer, 0, &err), 0);
    gantry_watch_free(watch);
    gantry_loop_free(outer);
    gantry_timer_free(alarm.timer);
}

/* ---- waiting ---- */

static void test_step_waits_as_long_as_asked(void **state)
{
    int64_t begin = gantry_clock_ns();

    (void)state;
    assert_int_equal(step(20), 0);
    assert_true(gantry_clock_ns() - begin >= 19 * MS);
}

static void on_alarm(int number)
{
    (void)number;
}

#define EARLY_MS 200 /* more than this process may have to wait for the processor */

static void test_a_timer_taken_back_ends_no_wait(void **state)
{
    struct alarm early;
    struct alarm late;
    int64_t begin;

    (void)state;
    make_alarm(&early, 1);
    make_alarm(&late, 2);
    gantry_timer_set(early.timer, EARLY_MS * MS);
    assert_int_equal(step(1), 0); /* the timerfd stands at it from here on */
    gantry_timer_cancel(early.timer);
    begin = gantry_clock_ns();
    assert_int_equal(step(2 * EARLY_MS), 0);
    assert_true(gantry_clock_ns() - begin >= 2 * EARLY_MS * MS);

    gantry_timer_set(early.timer, EARLY_MS * MS);
    assert_int_equal(step(1), 0);
    gantry_timer_cancel(early.timer);
    gantry_timer_set(late.timer, 2 * EARLY_MS * MS);
    assert_int_equal(step(-1), 1);
    gantry_timer_free(late.timer);
    gantry_timer_free(early.timer);
}

static void test_signal_ends_the_wait(void **state)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct sigaction before;
    struct itimerval every_ten_ms = {{0, 10000}, {0, 10000}}; /* repeated, lest the first comes before the wait */
    struct itimerval none = {0};

    (void)state;
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &every_ten_ms, NULL);
    assert_int_equal(step(-1), 0);
    setitimer(ITIMER_REAL, &none, NULL);
    sigaction(SIGALRM, &before, NULL);
}

/* ---- the loop goes first ---- */

static void test_loop_freed_before_its_sources(void **state)
{
    struct alarm set;
    struct alarm unset;
    struct spot spot;

    (void)state;
    make_alarm(&set, 1);
    make_alarm(&unset, 2);
    gantry_timer_set(set.timer, 0);
    open_spot(&spot);
    fill_spot(&spot);
    gantry_loop_free(loop);
    loop = NULL;

    assert_int_equal(gantry_watch_modify(spot.watch, EPOLLOUT, &err), 0);
    gantry_timer_set(unset.timer, 0);
    gantry_timer_cancel(set.timer);
    close_spot(&spot);
    gantry_timer_free(set.timer);
    gantry_timer_free(unset.timer);
}

static void free_loop(struct spot *spot)
{
    gantry_loop_free(spot->loop);
    loop = NULL;
}

static void test_loop_freed_in_a_callback(void **state)
{
    struct spot pair[2];
    struct alarm alarm;

    (void)state;
    make_alarm(&alarm, 1);
    gantry_timer_set(alarm.timer, 0);
    open_ready_pair(pair, free_loop);
    assert_int_equal(step(0), 1);
    assert_int_equal(fired.count, 0);
    close_pair(pair);
    gantry_timer_free(alarm.timer);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_host_polls_for_descriptors),
        TEST(test_host_polls_for_timers_and_is_let_sleep),
        TEST(test_loop_nests_in_a_loop),
        TEST(test_step_waits_as_long_as_asked),
        TEST(test_a_timer_taken_back_ends_no_wait),
        TEST(test_signal_ends_the_wait),
        TEST(test_loop_freed_before_its_sources),
        TEST(test_loop_freed_in_a_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
