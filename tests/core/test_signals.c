/* SPDX-License-Identifier: Apache-2.0
 *
 * test_signals.c: signals as events, and the mask as it was. */
#include "core/loop/signals.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct gantry_loop *loop;
static struct gantry_error err;
static struct gantry_signals *signals;
static int seen[8];
static int count;
static bool free_at_once;

static int set_up(void **state)
{
    (void)state;
    count = 0;
    free_at_once = false;
    return gantry_loop_new(&loop, &err);
}

static int tear_down(void **state)
{
    (void)state;
    gantry_signals_free(signals);
    signals = NULL;
    gantry_loop_free(loop);
    return 0;
}

static void on_signal(void *data, int number)
{
    assert_ptr_equal(data, &count);
    seen[count++] = number;
    if (free_at_once) {
        gantry_signals_free(signals);
        signals = NULL;
    }
}

static void take(const int *numbers, size_t length)
{
    assert_int_equal(gantry_signals_new(loop, numbers, length, on_signal, &count, &signals, &err), 0);
}

static bool is_blocked(int number)
{
    sigset_t mask;

    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    return sigismember(&mask, number) == 1;
}

static const int both[] = {SIGUSR1, SIGTERM};

static void test_signals_come_as_events(void **state)
{
    (void)state;
    take(both, 2);
    assert_int_equal(gantry_loop_step(loop, 0, &err), 0);
    raise(SIGTERM);
    raise(SIGUSR1);
    assert_int_equal(count, 0);
    while (count < 2)
        assert_int_equal(gantry_loop_step(loop, 5000, &err), 1);
    assert_int_equal(seen[0] + seen[1], SIGTERM + SIGUSR1);
    assert_int_equal(gantry_loop_step(loop, 0, &err), 0);
}

static void test_free_restores_the_mask_and_drops_what_is_pending(void **state)
{
    sigset_t usr1;

    (void)state;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL); /* blocked before, so it must stay so */
    take(both, 2);
    assert_true(is_blocked(SIGTERM));
    raise(SIGTERM); /* would end this program, were it delivered */
    gantry_signals_free(signals);
    signals = NULL;
    assert_false(is_blocked(SIGTERM));
    assert_true(is_blocked(SIGUSR1));
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
}

static void test_freed_in_its_callback(void **state)
{
    (void)state;
    take(both, 2);
    free_at_once = true;
    raise(SIGTERM);
    raise(SIGUSR1);
    assert_int_equal(gantry_loop_step(loop, 5000, &err), 1);
    assert_int_equal(gantry_loop_step(loop, 0, &err), 0);
    assert_int_equal(count, 1);
}

static void test_what_cannot_be_taken(void **state)
{
    const int numbers[] = {SIGUSR1, SIGKILL};

    (void)state;
    assert_true(gantry_signals_new(loop, numbers, 2, on_signal, &count, &signals, &err) < 0);
    assert_string_equal(err.code, "SIGNALS_FAILED");
    assert_non_null(strstr(err.message, "KILL"));
    assert_null(signals);
    assert_false(is_blocked(SIGUSR1));
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(gantry_signal_number("HUP"), SIGHUP);
    assert_int_equal(gantry_signal_number("KILL"), SIGKILL);
    assert_int_equal(gantry_signal_number("SIGHUP"), -1);
    assert_int_equal(gantry_signal_number(""), -1);
    assert_string_equal(gantry_signal_name(SIGINT), "INT");
    assert_null(gantry_signal_name(9999));
}

static void test_ignored(void **state)
{
    void (*before)(int) = signal(SIGUSR2, SIG_IGN);

    (void)state;
    assert_true(gantry_signal_ignored(SIGUSR2));
    signal(SIGUSR2, before);
    assert_false(gantry_signal_ignored(SIGUSR2));
}

/* As under nohup. */
static void test_what_is_ignored_does_not_come(void **state)
{
    void (*before)(int) = signal(SIGUSR1, SIG_IGN);

    (void)state;
    take(both, 2);
    assert_false(is_blocked(SIGUSR1));
    raise(SIGUSR1);
    raise(SIGTERM);
    while (count == 0)
        assert_true(gantry_loop_step(loop, 20000, &err) >= 0);
    assert_int_equal(gantry_loop_step(loop, 0, &err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(seen[0], SIGTERM);
    signal(SIGUSR1, before);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_signals_come_as_events),
        TEST(test_what_is_ignored_does_not_come),
        TEST(test_free_restores_the_mask_and_drops_what_is_pending),
        TEST(test_freed_in_its_callback),
        TEST(test_what_cannot_be_taken),
        TEST(test_names),
        TEST(test_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
