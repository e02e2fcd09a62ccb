/* SPDX-License-Identifier: Apache-2.0
 *
 * test_process_spawn.c: what a child gets from its parent, and what it does not. */
#include "process_fixture.h"

static void test_environment_and_directory(void **state)
{
    struct gantry_process_options options = SCRIPT("echo $GREETING; pwd; echo ${HOME-unset}");
    const char *const environment[] = {"GREETING=hello there", "PATH=/usr/bin:/bin", NULL};

    (void)state;
    options.environment = environment;
    options.directory = "/usr/share";
    run(&options);
    assert_string_equal(view.text[0], "hello there\n/usr/share\nunset\n");
}

static void test_no_descriptor_leaks_in(void **state)
{
    struct gantry_process_options options = SCRIPT("test ! -e /proc/self/fd/77 && ls /proc/self/fd | wc -l");

    (void)state;
    assert_int_equal(dup2(STDERR_FILENO, 77), 77); /* not CLOEXEC, as a careless host would have it */
    run(&options);
    close(77);
    assert_string_equal(view.text[0], "4\n"); /* the three, and the one ls reads the folder by */
}

/* The mask in the line of /proc/self/status that begins with `name`. */
static unsigned long long mask_named(const char *name)
{
    const char *line = strstr(view.text[0], name);

    assert_non_null(line);
    return strtoull(line + strlen(name), NULL, 16);
}

static void test_signals_are_as_in_a_fresh_process(void **state)
{
    struct gantry_process_options options = SCRIPT("grep -E 'SigBlk|SigIgn' /proc/self/status");
    void (*before)(int) = signal(SIGHUP, SIG_IGN);
    sigset_t blocked;
    sigset_t mask;

    (void)state;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &mask);
    run(&options);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    signal(SIGHUP, before);
    assert_int_equal(mask_named("SigBlk:"), 0);
    assert_int_equal(mask_named("SigIgn:") & 0x7fffffff, 0); /* glibc ignores two of the higher ones, its own */
}

static void test_new_session(void **state)
{
    struct gantry_process_options options = SCRIPT("set -- $(cat /proc/$$/stat); test $6 = $$");

    (void)state;
    run(&options);
    assert_exited(1);
    free_process();
    view.exits = 0;
    options.new_session = true;
    run(&options);
    assert_exited(0);
}

static void test_caller_without_standard_descriptors(void **state)
{
    struct gantry_process_options options = SCRIPT("cat; echo err >&2");
    int saved[3];

    (void)state;
    options.input = GANTRY_PROCESS_PIPE;
    for (int i = 0; i < 3; i++) {
        saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
        close(i);
    }
    int result = gantry_process_spawn(loop, &options, &view.process, &err);
    for (int i = 0; i < 3; i++) {
        if (saved[i] >= 0) {
            dup2(saved[i], i);
            close(saved[i]);
        }
    }
    assert_int_equal(result, 0);
    assert_int_equal(gantry_process_write(view.process, "in", 2, &err), 0);
    gantry_process_close_input(view.process);
    run_to_exit();
    assert_string_equal(view.text[0], "in");
    assert_string_equal(view.text[1], "err\n");
}

static void test_spawn_failures_name_the_command(void **state)
{
    const char *const missing[] = {"gantry-no-such-command", NULL};
    struct gantry_process_options options = script(missing);

    (void)state;
    assert_true(gantry_process_spawn(loop, &options, &view.process, &err) < 0);
    assert_string_equal(err.code, "SPAWN_FAILED");
    assert_int_equal(err.os_error, ENOENT);
    assert_non_null(strstr(err.message, "'gantry-no-such-command'"));

    options = SCRIPT("true");
    options.directory = "/no/such/directory";
    assert_true(gantry_process_spawn(loop, &options, &view.process, &err) < 0);
    assert_non_null(strstr(err.message, "/no/such/directory"));
    assert_null(view.process);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_environment_and_directory),           TEST(test_no_descriptor_leaks_in),
        TEST(test_signals_are_as_in_a_fresh_process),   TEST(test_new_session),
        TEST(test_caller_without_standard_descriptors), TEST(test_spawn_failures_name_the_command),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
