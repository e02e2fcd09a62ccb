/* SPDX-License-Identifier: Apache-2.0
 *
 * test_loop.c: watches, and what a callback may do to others of its batch. */
#include "loop_fixture.h"

#include <errno.h>

#define PIPES 100 /* more than the loop takes at once */

/* ---- watches ---- */

static void test_watch_reports_while_ready(void **state)
{
    struct spot spot;

    (void)state;
    open_spot(&spot);
    assert_int_equal(step(0), 0);
    fill_spot(&spot);
    assert_int_equal(step(-1), 1);
    assert_int_equal(step(0), 1);
    assert_int_equal(spot.calls, 2);
    assert_int_equal(spot.events, EPOLLIN);
    close_spot(&spot);
}

static void test_paused_watch_is_silent(void **state)
{
    struct spot spot;

    (void)state;
    open_spot(&spot);
    fill_spot(&spot);
    close(spot.ends[1]);
    assert_int_equal(gantry_watch_modify(spot.watch, 0, &err), 0);
    assert_false(host_sees_work(0));
    assert_int_equal(step(0), 0);
    assert_int_equal(gantry_watch_modify(spot.watch, EPOLLIN, &err), 0);
    assert_int_equal(step(0), 1);
    assert_int_equal(spot.events, EPOLLIN | EPOLLHUP);
    free_watch(&spot);
    close(spot.ends[0]);
}

static void test_watch_that_begins_paused(void **state)
{
    struct spot spot;
    struct gantry_watch *writer;

    (void)state;
    open_spot(&spot);
    assert_int_equal(gantry_watch_new(loop, spot.ends[1], 0, spot_ready, &spot, &writer, &err), 0);
    assert_int_equal(step(0), 0);
    assert_int_equal(gantry_watch_modify(writer, EPOLLOUT, &err), 0);
    assert_int_equal(step(0), 1);
    assert_int_equal(spot.events, EPOLLOUT);
    gantry_watch_free(writer);
    close_spot(&spot);
}

static void test_watch_failures_name_the_descriptor(void **state)
{
    struct gantry_watch *watch = NULL;
    struct spot spot;

    (void)state;
    open_spot(&spot);
    assert_true(gantry_watch_new(loop, 987654, EPOLLIN, spot_ready, &spot, &watch, &err) < 0);
    assert_string_equal(err.code, "WATCH_FAILED");
    assert_non_null(strstr(err.message, "987654"));
    assert_int_equal(err.os_error, EBADF);
    assert_true(gantry_watch_new(loop, spot.ends[0], EPOLLIN, spot_ready, &spot, &watch, &err) < 0);
    assert_int_equal(err.os_error, EEXIST);
    assert_null(watch);
    close_spot(&spot);
}

static void test_more_ready_than_a_batch(void **state)
{
    static struct spot spots[PIPES];
    int calls = 0;

    (void)state;
    for (int i = 0; i < PIPES; i++) {
        open_spot(&spots[i]);
        fill_spot(&spots[i]);
        spots[i].action = free_watch;
    }
    for (int count = step(0); count > 0; count = step(0))
        calls += count;
    assert_int_equal(calls, PIPES);
    for (int i = 0; i < PIPES; i++) {
        assert_int_equal(spots[i].calls, 1);
        close_spot(&spots[i]);
    }
}

/* ---- what a callback may do in the batch under way ---- */

static void free_other(struct spot *spot)
{
    free_watch(spot->other);
}

static void test_callback_frees_itself(void **state)
{
    struct spot pair[2];

    (void)state;
    open_ready_pair(pair, free_watch);
    assert_int_equal(step(0), 2);
    assert_int_equal(step(0), 0);
    close_pair(pair);
}

static void test_callback_frees_another_of_the_batch(void **state)
{
    struct spot pair[2];

    (void)state;
    open_ready_pair(pair, free_other);
    assert_int_equal(step(0), 1);
    assert_int_equal(pair[0].calls + pair[1].calls, 1);
    close_pair(pair);
}

static void pause_other(struct spot *spot)
{
    assert_int_equal(gantry_watch_modify(spot->other->watch, 0, &err), 0);
}

static void test_callback_pauses_another_of_the_batch(void **state)
{
    struct spot pair[2];

    (void)state;
    open_ready_pair(pair, pause_other);
    assert_int_equal(step(0), 1);
    close_pair(pair);
}

static void turn_other_to_writing(struct spot *spot)
{
    assert_int_equal(gantry_watch_modify(spot->other->watch, EPOLLOUT, &err), 0);
}

static void test_callback_narrows_another_of_the_batch(void **state)
{
    struct spot pair[2];

    (void)state;
    open_ready_pair(pair, turn_other_to_writing);
    assert_int_equal(step(0), 1);
    close_pair(pair);
}

/* Closes the other pipe and opens one with the same numbers, which has nothing to read. */
static void replace_other(struct spot *spot)
{
    int was = spot->other->ends[0];

    close_spot(spot->other);
    open_spot(spot->other);
    assert_int_equal(spot->other->ends[0], was);
}

static void test_descriptor_reused_within_the_batch(void **state)
{
    struct spot pair[2];

    (void)state;
    open_ready_pair(pair, replace_other);
    assert_int_equal(step(0), 1);
    assert_int_equal(pair[0].calls + pair[1].calls, 1);
    for (int i = 0; i < 2; i++)
        if (pair[i].calls == 0)
            fill_spot(&pair[i]);
    for (int i = 0; i < 2; i++)
        pair[i].action = NULL;
    assert_int_equal(step(0), 2);
    close_pair(pair);
}

static void step_again(struct spot *spot)
{
    assert_true(gantry_loop_step(spot->loop, 0, &err) < 0);
    assert_string_equal(err.code, "LOOP_FAILED");
}

static void test_step_inside_a_step_fails(void **state)
{
    struct spot spot;

    (void)state;
    open_spot(&spot);
    fill_spot(&spot);
    spot.action = step_again;
    assert_int_equal(step(0), 1);
    assert_int_equal(step(0), 1);
    close_spot(&spot);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_watch_reports_while_ready),
        TEST(test_paused_watch_is_silent),
        TEST(test_watch_that_begins_paused),
        TEST(test_watch_failures_name_the_descriptor),
        TEST(test_more_ready_than_a_batch),
        TEST(test_callback_frees_itself),
        TEST(test_callback_frees_another_of_the_batch),
        TEST(test_callback_pauses_another_of_the_batch),
        TEST(test_callback_narrows_another_of_the_batch),
        TEST(test_descriptor_reused_within_the_batch),
        TEST(test_step_inside_a_step_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
