/* SPDX-License-Identifier: Apache-2.0
 *
 * test_process.c: children with pipes: what goes in, what comes out, how they end. */
#include "process_fixture.h"

/* ---- output and end ---- */

static void test_output_error_and_code(void **state)
{
    struct gantry_process_options options = SCRIPT("echo out; echo err >&2; exit 3");

    (void)state;
    run(&options);
    assert_string_equal(view.text[0], "out\n");
    assert_string_equal(view.text[1], "err\n");
    assert_exited(3);
}

static void test_death_by_signal(void **state)
{
    struct gantry_process_options options = SCRIPT("echo ready; exec sleep 100");

    (void)state;
    spawn(&options);
    run_until_output(6);
    assert_int_equal(gantry_process_signal(view.process, SIGTERM, &err), 0);
    run_to_exit();
    assert_int_equal(view.how.code, -1);
    assert_int_equal(view.how.signal, SIGTERM);
    assert_true(gantry_process_signal(view.process, SIGTERM, &err) < 0);
    assert_string_equal(err.code, "PROCESS_ENDED");
}

static void test_output_arrives_whole(void **state)
{
    struct gantry_process_options options = SCRIPT("head -c 8388608 /dev/zero");

    (void)state;
    run(&options);
    assert_int_equal(view.length[0], 8 * MIB);
    assert_exited(0);
}

static void test_streams_may_be_null(void **state)
{
    struct gantry_process_options options = SCRIPT("cat; echo out; echo err >&2");

    (void)state;
    options.output = GANTRY_PROCESS_NULL;
    options.error = GANTRY_PROCESS_NULL;
    run(&options);
    assert_int_equal(view.length[0] + view.length[1], 0);
    assert_exited(0);
}

static void test_error_may_be_inherited(void **state)
{
    struct gantry_process_options options = SCRIPT("echo here >&2");
    char text[16] = "";
    int ends[2];
    int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);

    (void)state;
    options.error = GANTRY_PROCESS_INHERIT;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    dup2(ends[1], STDERR_FILENO);
    spawn(&options);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    run_to_exit();
    assert_int_equal(read(ends[0], text, sizeof text - 1), 5);
    assert_string_equal(text, "here\n");
    close(ends[0]);
}

/* The first line of output is the number of the descendant, which the test ends. */
static void end_descendant(void)
{
    int pid = (int)strtol(view.text[0], NULL, 10);

    assert_true(pid > 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
}

static void test_descendant_with_the_pipe_delays_the_exit_a_little(void **state)
{
    struct gantry_process_options options = SCRIPT("sleep 1000 & echo $!; head -c 60000 /dev/zero");
    int64_t begin = gantry_clock_ns();

    (void)state;
    run(&options);
    end_descendant();
    assert_true(view.length[0] > 60000);
    assert_exited(0);
    assert_true(gantry_clock_ns() - begin >= GANTRY_PROCESS_DRAIN_NS);
    assert_true(gantry_clock_ns() - begin < 100 * GANTRY_PROCESS_DRAIN_NS);
}

static void test_descendant_that_floods_the_pipe_is_left_behind(void **state)
{
    struct gantry_process_options options = SCRIPT("(sleep 0.1; exec yes) & echo $!; sleep 0.3; exit 7");

    (void)state;
    run(&options);
    end_descendant();
    assert_exited(7);
}

static void test_host_that_ignores_its_children(void **state)
{
    struct gantry_process_options options = SCRIPT("exit 3");
    void (*before)(int) = signal(SIGCHLD, SIG_IGN);

    (void)state;
    run(&options);
    signal(SIGCHLD, before);
    assert_exited(-1);
}

/* ---- input ---- */

static void test_input_larger_than_the_pipe(void **state)
{
    struct gantry_process_options options = SCRIPT("cat");
    char *bytes = malloc(MIB);

    (void)state;
    memset(bytes, 'a', MIB);
    options.input = GANTRY_PROCESS_PIPE;
    spawn(&options);
    assert_int_equal(gantry_process_write(view.process, bytes, MIB, &err), 0);
    assert_true(gantry_process_waiting(view.process) > 0);
    assert_int_equal(gantry_process_write(view.process, bytes, MIB, &err), 0);
    free(bytes);
    gantry_process_close_input(view.process);
    assert_true(gantry_process_write(view.process, "x", 1, &err) < 0);
    run_to_exit();
    assert_int_equal(view.length[0], 2 * MIB);
    assert_exited(0);
}

static void tick(void *data)
{
    int *ticks = data;

    ++*ticks;
}

/* However much waits, and however fast its reader is, another timer has its turn in every step. */
static void test_input_without_end_leaves_time_for_others(void **state)
{
    struct gantry_process_options options = SCRIPT("cat > /dev/null");
    struct gantry_timer *timer;
    char *bytes = calloc(16, MIB);
    int ticks = 0;

    (void)state;
    options.input = GANTRY_PROCESS_PIPE;
    spawn(&options);
    assert_int_equal(gantry_timer_new(loop, tick, &ticks, &timer, &err), 0);
    assert_int_equal(gantry_process_write(view.process, bytes, 16 * MIB, &err), 0);
    free(bytes);
    while (gantry_process_waiting(view.process) > 0) {
        gantry_timer_set(timer, 0);
        assert_true(gantry_loop_step(loop, 20000, &err) > 0);
    }
    assert_true(ticks >= 20);
    gantry_timer_free(timer);
    gantry_process_close_input(view.process);
    run_to_exit();
}

static void test_input_in_turns(void **state)
{
    struct gantry_process_options options = SCRIPT("cat");

    (void)state;
    options.input = GANTRY_PROCESS_PIPE;
    spawn(&options);
    for (size_t i = 1; i <= 100; i++) {
        assert_int_equal(gantry_process_write(view.process, "turn ", 5, &err), 0);
        run_until_output(5 * i);
    }
    gantry_process_close_input(view.process);
    gantry_process_close_input(view.process);
    run_to_exit();
    assert_int_equal(view.length[0], 500);
}

/* Its SIGPIPE would end this program. */
static void test_input_whose_reader_is_gone(void **state)
{
    struct gantry_process_options options = SCRIPT("exec <&-; echo closed; exec sleep 100");

    (void)state;
    options.input = GANTRY_PROCESS_PIPE;
    spawn(&options);
    run_until_output(7);
    assert_true(gantry_process_write(view.process, "x", 1, &err) < 0);
    assert_string_equal(err.code, "PROCESS_INPUT_CLOSED");
    assert_true(gantry_process_write(view.process, "x", 1, &err) < 0);
}

static void test_reader_goes_while_input_waits(void **state)
{
    struct gantry_process_options options = SCRIPT("read line; exec <&-; echo closed; exec sleep 100");
    char *bytes = malloc(MIB);

    (void)state;
    memset(bytes, '\n', MIB);
    options.input = GANTRY_PROCESS_PIPE;
    spawn(&options);
    assert_int_equal(gantry_process_write(view.process, bytes, MIB, &err), 0);
    free(bytes);
    while (gantry_process_waiting(view.process) > 0)
        assert_true(gantry_loop_step(loop, 20000, &err) > 0);
    assert_true(gantry_process_write(view.process, "x", 1, &err) < 0);
    assert_string_equal(err.code, "PROCESS_INPUT_CLOSED");
}

/* ---- the object ---- */

static void test_free_kills_and_reaps(void **state)
{
    struct gantry_process_options options = SCRIPT("trap '' TERM; while :; do sleep 1000; done");
    pid_t pid;

    (void)state;
    options.new_session = true;
    options.output = GANTRY_PROCESS_NULL;
    options.error = GANTRY_PROCESS_NULL;
    spawn(&options);
    pid = gantry_process_pid(view.process);
    assert_int_equal(kill(pid, 0), 0);
    free_process();
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    kill(-pid, SIGKILL); /* its sleep, where it came that far */
    assert_int_equal(gantry_loop_step(loop, 0, &err), 0);
    assert_int_equal(view.exits, 0);
}

static void test_freed_in_its_output(void **state)
{
    struct gantry_process_options options = SCRIPT("echo out; echo err >&2; exec sleep 100");

    (void)state;
    view.free_on_output = true;
    spawn(&options);
    while (view.process != NULL)
        assert_true(gantry_loop_step(loop, 20000, &err) > 0);
    assert_int_equal(gantry_loop_step(loop, 0, &err), 0);
    assert_int_equal(view.exits, 0);
}

static void test_freed_at_its_exit(void **state)
{
    struct gantry_process_options options = SCRIPT("exit 1");

    (void)state;
    view.free_on_exit = true;
    run(&options);
    assert_exited(1);
    assert_null(view.process);
}

static void test_loop_freed_first(void **state)
{
    struct gantry_process_options options = SCRIPT("exec sleep 100");

    (void)state;
    options.input = GANTRY_PROCESS_PIPE;
    spawn(&options);
    gantry_loop_free(loop);
    loop = NULL;
    assert_int_equal(gantry_process_write(view.process, "x", 1, &err), 0);
    gantry_process_close_input(view.process);
    free_process();
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_output_error_and_code),
        TEST(test_death_by_signal),
        TEST(test_output_arrives_whole),
        TEST(test_streams_may_be_null),
        TEST(test_error_may_be_inherited),
        TEST(test_descendant_with_the_pipe_delays_the_exit_a_little),
        TEST(test_descendant_that_floods_the_pipe_is_left_behind),
        TEST(test_host_that_ignores_its_children),
        TEST(test_input_larger_than_the_pipe),
        TEST(test_input_without_end_leaves_time_for_others),
        TEST(test_input_in_turns),
        TEST(test_input_whose_reader_is_gone),
        TEST(test_reader_goes_while_input_waits),
        TEST(test_free_kills_and_reaps),
        TEST(test_freed_in_its_output),
        TEST(test_freed_at_its_exit),
        TEST(test_loop_freed_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
