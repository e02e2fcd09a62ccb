/* SPDX-License-Identifier: Apache-2.0
 *
 * test_loop_timers.c: timers, their order, and what their callbacks may do. */
#include "loop_fixture.h"

/* Numbers that look random and are the same in each run. */
static uint32_t next_number(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

/* Between which two instants the deadline of a timer lies: the machine may be elsewhere while it is set. */
struct bounds {
    int64_t low;
    int64_t high;
};

static void set_alarm(struct alarm *alarm, struct bounds *bounds, int64_t delay)
{
    int64_t after = delay > 0 ? delay : 0;

    bounds->low = gantry_clock_ns() + after;
    gantry_timer_set(alarm->timer, delay);
    bounds->high = gantry_clock_ns() + after;
}

static void assert_in_order(const struct bounds *bounds, int count)
{
    for (int i = 1; i < count; i++)
        assert_true(bounds[fired.order[i - 1]].low <= bounds[fired.order[i]].high);
}

static void test_timers_fire_in_order_of_their_deadlines(void **state)
{
    static const int delays[] = {30, 10, 20, 0, -5};
    struct alarm alarms[5];
    struct bounds bounds[5];
    int64_t begin = gantry_clock_ns();

    (void)state;
    for (int i = 0; i < 5; i++) {
        make_alarm(&alarms[i], i);
        set_alarm(&alarms[i], &bounds[i], delays[i] * MS);
    }
    while (fired.count < 5)
        assert_true(step(-1) >= 0);
    assert_true(gantry_clock_ns() - begin >= 30 * MS);
    assert_in_order(bounds, 5);
    for (int i = 0; i < 5; i++)
        gantry_timer_free(alarms[i].timer);
}

static void set_at_random(struct alarm *alarm, struct bounds *bounds, uint32_t *seed)
{
    set_alarm(alarm, bounds, (int64_t)(next_number(seed) % 20000) * 1000);
}

static void test_many_timers(void **state)
{
    static struct alarm alarms[MOST_TIMERS];
    static struct bounds bounds[MOST_TIMERS];
    uint32_t seed = 7;
    int expected = 0;

    (void)state;
    for (int i = 0; i < MOST_TIMERS; i++) {
        make_alarm(&alarms[i], i);
        set_at_random(&alarms[i], &bounds[i], &seed);
    }
    for (int i = 0; i < MOST_TIMERS; i++) { /* all move elsewhere in the heap, every third is taken out */
        set_at_random(&alarms[i], &bounds[i], &seed);
        if (i % 3 == 0)
            gantry_timer_cancel(alarms[i].timer);
        else
            expected++;
    }
    while (fired.count < expected)
        assert_true(step(5000) > 0);
    assert_int_equal(step(0), 0);
    assert_in_order(bounds, expected);
    for (int i = 0; i < MOST_TIMERS; i++)
        gantry_timer_free(alarms[i].timer);
}

static void test_timers_due_together_fire_as_they_were_set(void **state)
{
    static struct alarm alarms[MOST_TIMERS];

    (void)state;
    for (int i = 0; i < MOST_TIMERS; i++) {
        make_alarm(&alarms[i], i);
        gantry_timer_set(alarms[i].timer, HOUR);
    }
    for (int i = 0; i < MOST_TIMERS; i += 2)
        gantry_timer_set(alarms[i].timer, 0);
    assert_int_equal(step(0), MOST_TIMERS / 2);
    for (int i = 0; i < MOST_TIMERS / 2; i++)
        assert_int_equal(fired.order[i], 2 * i);
    for (int i = 0; i < MOST_TIMERS; i++)
        gantry_timer_free(alarms[i].timer);
}

static void test_timer_set_in_a_callback_is_for_the_next_step(void **state)
{
    struct alarm alarm;

    (void)state;
    make_alarm(&alarm, 1);
    alarm.again = 0;
    gantry_timer_set(alarm.timer, 0);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(step(0), 1);
        assert_int_equal(fired.count, i);
    }
    gantry_timer_free(alarm.timer);
}

static struct alarm from_watch;

static void set_from_watch(struct spot *spot)
{
    free_watch(spot);
    gantry_timer_set(from_watch.timer, 0);
}

static void test_timer_set_by_a_watch_is_for_the_next_step(void **state)
{
    struct spot spot;

    (void)state;
    make_alarm(&from_watch, 1);
    open_spot(&spot);
    fill_spot(&spot);
    spot.action = set_from_watch;
    assert_int_equal(step(0), 1);
    assert_int_equal(fired.count, 0);
    assert_true(host_sees_work(5000));
    assert_int_equal(step(0), 1);
    assert_int_equal(fired.count, 1);
    close_spot(&spot);
    gantry_timer_free(from_watch.timer);
}

static void test_setting_again_replaces(void **state)
{
    struct alarm alarm;

    (void)state;
    make_alarm(&alarm, 1);
    gantry_timer_set(alarm.timer, 0);
    gantry_timer_set(alarm.timer, HOUR);
    assert_int_equal(step(0), 0);
    gantry_timer_set(alarm.timer, INT64_MAX);
    assert_int_equal(step(0), 0);
    gantry_timer_set(alarm.timer, 0);
    assert_int_equal(step(0), 1);
    assert_int_equal(step(0), 0);
    gantry_timer_free(alarm.timer);
}

static void test_timer_frees_itself_and_another_that_is_due(void **state)
{
    struct alarm alarms[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        make_alarm(&alarms[i], i);
        gantry_timer_set(alarms[i].timer, 0);
    }
    alarms[0].victim = &alarms[1];
    alarms[2].victim = &alarms[2];
    assert_int_equal(step(0), 2);
    assert_int_equal(fired.order[0], 0);
    assert_int_equal(fired.order[1], 2);
    assert_null(alarms[1].timer);
    assert_null(alarms[2].timer);
    gantry_timer_free(alarms[0].timer);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_timers_fire_in_order_of_their_deadlines),    TEST(test_many_timers),
        TEST(test_timers_due_together_fire_as_they_were_set),  TEST(test_timer_set_in_a_callback_is_for_the_next_step),
        TEST(test_timer_set_by_a_watch_is_for_the_next_step),  TEST(test_setting_again_replaces),
        TEST(test_timer_frees_itself_and_another_that_is_due),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
