/* SPDX-License-Identifier: Apache-2.0
 *
 * test_loop_deferred.c: deferred calls, the turn of the loop's owner, and when a descriptor that nobody polls is armed.
 */
#include "loop_fixture.h"

#include <dirent.h>
#include <stdio.h>

enum { WATCH = 1, TIMER, TURN, FIRST, SECOND };

static void note(int name)
{
    fired.order[fired.count++] = name;
}

static void assert_order(const int *expected, int count)
{
    assert_int_equal(fired.count, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(fired.order[i], expected[i]);
    fired.count = 0;
}

/* A deferred call that notes its name, and what else it sets. */
struct late {
    struct gantry_deferred *deferred;
    int name;
    struct late *next;
};

static void late_call(void *data)
{
    struct late *late = data;

    note(late->name);
    if (late->next != NULL)
        gantry_deferred_set(late->next->deferred);
}

static void make_late(struct late *late, int name)
{
    *late = (struct late){.name = name};
    assert_int_equal(gantry_deferred_new(loop, late_call, late, &late->deferred, &err), 0);
}

static struct late first;
static struct late second;

static void spot_defers(struct spot *spot)
{
    char byte;

    note(WATCH);
    assert_int_equal(read(spot->ends[0], &byte, 1), 1);
    gantry_deferred_set(first.deferred);
    gantry_deferred_set(first.deferred);
}

static void turn_defers(void *data)
{
    (void)data;
    note(TURN);
    gantry_deferred_set(first.deferred);
    gantry_deferred_set(second.deferred);
}

static void test_deferred_calls_end_the_step(void **state)
{
    static const int with_all[] = {WATCH, TIMER, TURN, FIRST, SECOND};
    static const int again[] = {TURN, FIRST, SECOND};
    struct alarm alarm;
    struct spot spot;

    (void)state;
    make_late(&first, FIRST);
    make_late(&second, SECOND);
    make_alarm(&alarm, TIMER);
    open_spot(&spot);
    spot.action = spot_defers;
    fill_spot(&spot);
    gantry_timer_set(alarm.timer, 0);
    gantry_loop_on_turn(loop, turn_defers, NULL);
    assert_int_equal(step(-1), 4);
    assert_order(with_all, 5);
    assert_int_equal(step(0), 2);
    assert_order(again, 3);

    gantry_loop_on_turn(loop, NULL, NULL);
    assert_int_equal(step(0), 0);
    assert_order(NULL, 0);
    close_spot(&spot);
    gantry_timer_free(alarm.timer);
    gantry_deferred_free(first.deferred);
    gantry_deferred_free(second.deferred);
}

static void test_deferred_calls_set_outside_begin_the_step(void **state)
{
    static const int both[] = {FIRST, WATCH, FIRST};
    struct spot spot;

    (void)state;
    make_late(&first, FIRST);
    open_spot(&spot);
    spot.action = spot_defers;
    fill_spot(&spot);
    gantry_deferred_set(first.deferred);
    assert_int_equal(step(-1), 3);
    assert_order(both, 3);

    gantry_deferred_set(first.deferred);
    gantry_deferred_free(first.deferred);
    assert_int_equal(step(0), 0);
    close_spot(&spot);
}

static void test_deferred_calls_that_set_each_other_let_steps_end(void **state)
{
    static const int turns[] = {FIRST, SECOND, FIRST, SECOND};

    (void)state;
    make_late(&first, FIRST);
    make_late(&second, SECOND);
    first.next = &second;
    second.next = &first;
    gantry_deferred_set(first.deferred);
    assert_int_equal(step(-1), 2); /* at its beginning and at its end; it does not wait between them */
    assert_int_equal(step(-1), 2);
    assert_order(turns, 4);
    gantry_deferred_free(first.deferred);
    gantry_deferred_free(second.deferred);
}

static void test_a_host_is_told_of_deferred_calls(void **state)
{
    (void)state;
    make_late(&first, FIRST);
    assert_false(host_sees_work(0));
    gantry_deferred_set(first.deferred);
    assert_true(host_sees_work(5000));
    assert_int_equal(step(0), 1);
    step(0); /* the timerfd's word for it */
    assert_false(host_sees_work(20));
    gantry_deferred_free(first.deferred);
}

/* Whether the timerfd of this process stands at a time. */
static bool timerfd_is_set(void)
{
    DIR *directory = opendir("/proc/self/fdinfo");
    int found = 0;
    bool is_set = false;
    struct dirent *entry;

    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL) {
        char path[300];
        char line[128];
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/fdinfo/%s", entry->d_name);
        file = fopen(path, "re");
        while (file != NULL && fgets(line, sizeof line, file) != NULL) {
            if (strncmp(line, "it_value: ", 10) != 0)
                continue;
            found++;
            is_set = strcmp(line, "it_value: (0, 0)\n") != 0;
        }
        if (file != NULL)
            fclose(file);
    }
    closedir(directory);
    assert_int_equal(found, 1);
    return is_set;
}

static void test_nothing_is_armed_that_nobody_waits_for(void **state)
{
    struct alarm alarm;

    (void)state;
    make_alarm(&alarm, TIMER);
    gantry_timer_set(alarm.timer, HOUR);
    assert_int_equal(step(0), 0);
    assert_false(timerfd_is_set());
    assert_int_equal(step(1), 0); /* it waits */
    assert_true(timerfd_is_set());
    gantry_timer_free(alarm.timer);
}

static void test_the_first_who_polls_has_it_armed(void **state)
{
    struct alarm alarm;

    (void)state;
    make_alarm(&alarm, TIMER);
    gantry_timer_set(alarm.timer, HOUR);
    assert_false(timerfd_is_set());
    assert_false(host_sees_work(0));
    assert_true(timerfd_is_set());
    gantry_timer_set(alarm.timer, 5 * MS);
    assert_true(host_sees_work(5000));
    assert_int_equal(step(0), 1);
    gantry_timer_free(alarm.timer);
}

static void test_loop_freed_before_a_deferred_call(void **state)
{
    (void)state;
    make_late(&first, FIRST);
    gantry_deferred_set(first.deferred);
    gantry_loop_free(loop);
    loop = NULL;
    gantry_deferred_set(first.deferred);
    gantry_deferred_free(first.deferred);
    assert_order(NULL, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_deferred_calls_end_the_step),
        TEST(test_deferred_calls_set_outside_begin_the_step),
        TEST(test_deferred_calls_that_set_each_other_let_steps_end),
        TEST(test_a_host_is_told_of_deferred_calls),
        TEST(test_nothing_is_armed_that_nobody_waits_for),
        TEST(test_the_first_who_polls_has_it_armed),
        TEST(test_loop_freed_before_a_deferred_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
