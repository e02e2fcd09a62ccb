/* SPDX-License-Identifier: Apache-2.0
 *
 * test_monitor.c: what becomes of a container under its monitor: output, ends, failures of the runtime, helpers. */
#include "monitor_fixture.h"

#include <sys/file.h>
#include <sys/resource.h>

static void output_and_code_come_in_order(void **state)
{
    int code = -1;

    (void)state;
    spawn_script(DETACHED("echo one; echo two >&2; exit 5"));
    WAIT_FOR(EXIT);
    assert_string_equal(seen.output[0], "one\n");
    assert_string_equal(seen.output[1], "two\n");
    assert_int_equal(seen.count[GANTRY_MONITOR_CREATED], 1);
    assert_int_equal(seen.last[GANTRY_MONITOR_EXIT].code, 5);
    assert_int_equal(seen.last[GANTRY_MONITOR_EXIT].signal, 0);
    assert_true(seen.last[GANTRY_MONITOR_EXIT].is_known);
    assert_true(llabs(seen.last[GANTRY_MONITOR_EXIT].monotonic_ns - gantry_clock_ns()) < 20000000000LL);
    assert_int_equal(strncmp(text_of("exit"), "exit 5 0 ", 9), 0);
    code = (int)strtol(text_of("exit") + 5, NULL, 10);
    assert_int_equal(code, 5);
    gantry_monitor_done(monitor);
    WAIT_UNTIL(!is_alive());
    assert_false(exists("/", "monitor"));
    assert_false(exists("/", "tail"));
}

static void a_signal_is_no_code(void **state)
{
    (void)state;
    spawn_script(LIVES);
    WAIT_FOR(CREATED);
    assert_int_equal(gantry_monitor_signal(monitor, SIGKILL, &err), 0);
    WAIT_FOR(EXIT);
    assert_int_equal(seen.last[GANTRY_MONITOR_EXIT].signal, SIGKILL);
    assert_int_equal(seen.last[GANTRY_MONITOR_EXIT].code, 0);
    assert_int_equal(gantry_monitor_signal(monitor, SIGKILL, &err), -1);
    assert_string_equal(err.code, "PROCESS_ENDED");
}

static void an_end_before_the_runtime_s_is_not_missed(void **state)
{
    (void)state;
    spawn_script("(sleep 0.1; exit 3) </dev/null & echo $! >$1/pid; exec sleep 0.4");
    WAIT_FOR(EXIT);
    assert_int_equal(seen.last[GANTRY_MONITOR_EXIT].code, 3);
}

static void nothing_is_held_back_from_the_container(void **state)
{
    (void)state;
    spawn_script(
        DETACHED("grep -E 'Sig(Blk|Ign)' /proc/self/status; ls -l /proc/self/fd | grep -c -E ' ([3-9]|[1-9][0-9]) ->'; "
                 "readlink /proc/self/fd/0"));
    WAIT_FOR(EXIT);
    assert_non_null(strstr(seen.output[0], "SigBlk:\t0000000000000000\n"));
    assert_null(strstr(seen.output[0], "SigIgn:\t0000000000001000\n"));
    assert_non_null(strstr(seen.output[0], "/dev/null\n"));
    assert_non_null(strstr(seen.output[0], "\n1\n")); /* ls's own, of the folder that it lists */
}

static void input_is_handed_over(void **state)
{
    int ends[2];

    (void)state;
    skip_without_pidfds();
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    options.input = ends[0];
    spawn_script("exec 9<&0; (read line <&9; echo got $line) 9<&9 & echo $! >$1/pid");
    close(ends[0]);
    WAIT_FOR(CREATED);
    assert_int_equal(write(ends[1], "word\n", 5), 5);
    close(ends[1]);
    WAIT_FOR(EXIT);
    assert_string_equal(seen.output[0], "got word\n");
}

/* ---- the runtime fails ---- */

static void a_runtime_that_fails_is_told_with_its_log(void **state)
{
    (void)state;
    spawn_script("echo '{\"msg\":\"no such file\"}' >$1/runtime.log; echo aside >&2; exit 4");
    WAIT_FOR(FAILED);
    assert_string_equal(seen.reason, "exited");
    assert_int_equal(seen.last[GANTRY_MONITOR_FAILED].code, 4);
    assert_string_equal(seen.text, "{\"msg\":\"no such file\"}\n");
    assert_string_equal(seen.output[1], "aside\n");
    assert_true(is_alive());
    gantry_monitor_done(monitor);
    WAIT_UNTIL(!is_alive());
}

static void a_runtime_that_is_killed_or_silent_fails_too(void **state)
{
    (void)state;
    spawn_script("kill -9 $$");
    WAIT_FOR(FAILED);
    assert_int_equal(seen.last[GANTRY_MONITOR_FAILED].code, 128 + SIGKILL);
    gantry_monitor_done(monitor);
    leave();
    memset(seen.count, 0, sizeof seen.count);
    WAIT_UNTIL(!is_alive());
    spawn_script("exit 0");
    WAIT_FOR(FAILED);
    assert_string_equal(seen.reason, "pid");
}

static void a_number_of_nobody_s_is_no_container(void **state)
{
    (void)state;
    spawn_script("echo 1 >$1/pid");
    WAIT_FOR(FAILED);
    assert_string_equal(seen.reason, "pid");
    gantry_monitor_done(monitor);
    leave();
    memset(seen.count, 0, sizeof seen.count);
    WAIT_UNTIL(!is_alive());
    spawn_script("echo $PPID >$1/pid");
    WAIT_FOR(FAILED);
    assert_string_equal(seen.reason, "pid");
}

/* As crun does: what it has left to work is the container's parent, and ends after it. */
static void a_runtime_may_end_before_its_own_child(void **state)
{
    (void)state;
    spawn_script("(sh -c 'exec sleep 1000' </dev/null & echo $! >$1/pid; sleep 0.3) & "
                 "until test -s $1/pid; do sleep 0.01; done");
    WAIT_FOR(CREATED);
    assert_int_equal(gantry_monitor_signal(monitor, SIGKILL, &err), 0);
    WAIT_FOR(EXIT);
    assert_int_equal(seen.last[GANTRY_MONITOR_EXIT].signal, SIGKILL);
    gantry_monitor_done(monitor);
    leave();
    memset(seen.count, 0, sizeof seen.count);
    WAIT_UNTIL(!is_alive());
    spawn_script("echo 1 >$1/pid; sleep 0.3 &");
    WAIT_FOR(FAILED);
    assert_string_equal(seen.reason, "pid");
}

/* As gVisor does for an ordinary user: its own process is the container's. */
static void a_runtime_may_stay_as_the_container(void **state)
{
    (void)state;
    options.foreground = true;
    spawn_script("echo said; echo aside >&2; exit 5");
    WAIT_FOR(EXIT);
    assert_int_equal(seen.count[GANTRY_MONITOR_CREATED], 1);
    assert_int_equal(seen.last[GANTRY_MONITOR_EXIT].code, 5);
    assert_string_equal(seen.output[0], "said\n");
    assert_string_equal(seen.output[1], "aside\n");
    gantry_monitor_done(monitor);
    leave();
    memset(seen.count, 0, sizeof seen.count);
    WAIT_UNTIL(!is_alive());
    spawn_script("exec sleep 1000");
    WAIT_FOR(CREATED);
    assert_true(runs(seen.last[GANTRY_MONITOR_CREATED].pid));
    assert_int_equal(gantry_monitor_signal(monitor, SIGKILL, &err), 0);
    WAIT_FOR(EXIT);
    assert_int_equal(seen.last[GANTRY_MONITOR_EXIT].signal, SIGKILL);
}

static void one_that_stays_dies_with_its_owner(void **state)
{
    pid_t pid;

    (void)state;
    options.foreground = true;
    options.dies_with_owner = true;
    options.grace_ms = 100;
    spawn_script("trap '' TERM; while :; do sleep 1; done");
    WAIT_FOR(CREATED);
    pid = seen.last[GANTRY_MONITOR_CREATED].pid;
    leave();
    WAIT_UNTIL(!runs(pid));
    WAIT_UNTIL(access(dir, F_OK) != 0);
}

static void a_runtime_that_is_missing_fails(void **state)
{
    const char *const nothing[] = {"/nonexistent/runtime", NULL};

    (void)state;
    skip_without_pidfds();
    options.run = nothing;
    options.delete_command = nothing;
    assert_int_equal(gantry_monitor_spawn(loop, &options, &callbacks, &monitor, &err), 0);
    WAIT_FOR(FAILED);
    assert_string_equal(seen.reason, "exec");
    assert_int_equal(seen.last[GANTRY_MONITOR_FAILED].code, ENOENT);
}

static void a_runtime_that_hangs_is_killed_with_all_it_started(void **state)
{
    pid_t pids[3];
    char *at = NULL;

    (void)state;
    options.deadline_ms = 300;
    spawn_script(
        "trap '' TERM; (trap '' TERM; sleep 1000 & echo $! >>$1/all; wait) & echo $! >>$1/all; echo $$ >>$1/all; "
        "wait");
    WAIT_FOR(FAILED);
    assert_string_equal(seen.reason, "deadline");
    strtok_r((char *)(uintptr_t)text_of("all"), "\n", &at);
    for (int i = 0; i < 3; i++)
        pids[i] = (pid_t)strtol(i == 0 ? text_of("all") : strtok_r(NULL, "\n", &at), NULL, 10);
    for (int i = 0; i < 3; i++)
        WAIT_UNTIL(!runs(pids[i]));
    gantry_monitor_done(monitor);
    WAIT_UNTIL(!is_alive());
}

static void a_missing_program_says_so(void **state)
{
    (void)state;
    skip_without_pidfds();
    options.program = "/nonexistent/gantry-monitor";
    options.run = options.delete_command = (const char *const[]){"/bin/true", NULL};
    assert_int_equal(gantry_monitor_spawn(loop, &options, &callbacks, &monitor, &err), -1);
    assert_string_equal(err.code, "SPAWN_FAILED");
    options.program = "/bin/false";
    assert_int_equal(gantry_monitor_spawn(loop, &options, &callbacks, &monitor, &err), 0);
    WAIT_FOR(LOST);
}

static void a_directory_that_is_locked_is_left_alone(void **state)
{
    char path[600];
    int fd;

    (void)state;
    skip_without_pidfds();
    snprintf(path, sizeof path, "%s/lock", dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    spawn_script(LIVES);
    WAIT_FOR(LOST);
    assert_false(exists("/", "pid"));
    close(fd);
}

/* ---- helpers ---- */

static void a_helper_ends_with_the_container(void **state)
{
    const char *const arguments[] = {"/bin/sh", "-c", "echo ready >&3; exec sleep 1000", NULL};
    const char *const missing[] = {"/nonexistent/helper", NULL};
    char text[16] = "";
    int output[2];
    int ready[2];
    pid_t helper;

    (void)state;
    spawn_script(LIVES);
    WAIT_FOR(CREATED);
    assert_int_equal(gantry_monitor_helper(monitor, missing, NULL, 0, &err), 0);
    WAIT_FOR(HELPER_FAILED);
    assert_int_equal(seen.last[GANTRY_MONITOR_HELPER_FAILED].code, ENOENT);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(gantry_monitor_helper(monitor, arguments, (int[]){output[1], ready[1]}, 2, &err), 0);
    close(output[1]);
    close(ready[1]);
    WAIT_FOR(HELPER);
    helper = seen.last[GANTRY_MONITOR_HELPER].pid;
    assert_int_equal(read(ready[0], text, sizeof text - 1), 6);
    assert_true(runs(helper));
    assert_int_equal(gantry_monitor_signal(monitor, SIGKILL, &err), 0);
    WAIT_FOR(EXIT);
    WAIT_FOR(HELPER_ENDED);
    assert_false(runs(helper));
    assert_int_equal(read(output[0], text, sizeof text), 0);
    close(output[0]);
    close(ready[0]);
}

static void a_helper_ends_with_the_monitor(void **state)
{
    const char *const arguments[] = {"/bin/sleep", "1000", NULL};
    pid_t helper;

    (void)state;
    spawn_script(LIVES);
    WAIT_FOR(CREATED);
    assert_int_equal(gantry_monitor_helper(monitor, arguments, NULL, 0, &err), 0);
    WAIT_FOR(HELPER);
    helper = seen.last[GANTRY_MONITOR_HELPER].pid;
    kill(monitor_pid(), SIGKILL);
    WAIT_UNTIL(!runs(helper));
}

static void a_container_ends_with_its_helper(void **state)
{
    const char *const arguments[] = {"/bin/sh", "-c", "echo words; echo ready >&3; exec sleep 1000", NULL};
    char log[600];

    (void)state;
    snprintf(log, sizeof log, "%s/log", dir);
    spawn_script(LIVES);
    WAIT_FOR(CREATED);
    assert_int_equal(gantry_monitor_ready_helper(monitor, arguments, "/nonexistent/log", &err), -1);
    assert_string_equal(err.code, "HELPER_FAILED");
    assert_int_equal(gantry_monitor_ready_helper(monitor, arguments, log, &err), 0);
    WAIT_FOR(HELPER_READY);
    WAIT_FOR(HELPER); /* which comes another way */
    assert_string_equal(text_of("log"), "words\n");
    assert_int_equal(seen.count[GANTRY_MONITOR_EXIT], 0);
    kill(seen.last[GANTRY_MONITOR_HELPER].pid, SIGTERM);
    WAIT_FOR(EXIT);
    assert_int_equal(seen.last[GANTRY_MONITOR_HELPER_ENDED].signal, SIGTERM);
    assert_int_equal(seen.last[GANTRY_MONITOR_EXIT].signal, SIGKILL);
}

/* ---- a container that waits ---- */

static void a_gated_container_waits_for_its_word(void **state)
{
    (void)state;
    options.is_gated = true;
    spawn_script("exec 4<&0; (cat; echo over) <&4 & echo $! >$1/pid");
    WAIT_FOR(CREATED);
    pass_ms(100);
    assert_string_equal(seen.output[0], "");
    assert_int_equal(gantry_monitor_release(monitor, "word\n", 5, &err), 0);
    WAIT_FOR(EXIT);
    assert_string_equal(seen.output[0], "word\nover\n");
    assert_int_equal(gantry_monitor_release(monitor, "word\n", 5, &err), -1);
    assert_string_equal(err.code, "GATE_GONE");
}

static void a_gated_container_sees_its_owner_go(void **state)
{
    (void)state;
    options.is_gated = true;
    spawn_script("exec 4<&0; (cat; exec touch $1/over) <&4 & echo $! >$1/pid");
    WAIT_FOR(CREATED);
    gantry_monitor_free(monitor);
    monitor = NULL;
    WAIT_UNTIL(exists("/", "over"));
}

/* ---- what it costs ---- */

static long pss_kib(pid_t pid)
{
    char path[64];
    char line[256];
    long size = -1;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "Pss:", 4) == 0)
            size = strtol(line + 4, NULL, 10);
    if (file != NULL)
        fclose(file);
    return size;
}

static void it_is_small(void **state)
{
    long size;

    (void)state;
    spawn_script(LIVES);
    WAIT_FOR(CREATED);
    size = pss_kib(monitor_pid());
    print_message("a monitor takes %ld KiB of memory (PSS)\n", size);
#ifndef MONITOR_IS_SANITIZED
    assert_in_range(size, 1, 60);
#endif
}

static uint64_t run_time_ns(pid_t pid)
{
    char path[64];
    char text[128] = "";
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    return strtoull(text, NULL, 10);
}

static void closed_pipes_do_not_keep_it_busy(void **state)
{
    pid_t pid;
    uint64_t before;

    (void)state;
    spawn_script("(exec sleep 1000) </dev/null >/dev/null 2>&1 & echo $! >$1/pid");
    WAIT_FOR(CREATED);
    pid = monitor_pid();
    leave();
    pass_ms(100);
    before = run_time_ns(pid);
    pass_ms(500);
    assert_true(run_time_ns(pid) - before < 20000000);
}

static void adoptions_leave_no_descriptor_behind(void **state)
{
    char path[64];
    int before;

    (void)state;
    spawn_script(LIVES);
    WAIT_FOR(CREATED);
    adopt();
    WAIT_FOR(RUNNING);
    snprintf(path, sizeof path, "/proc/%d/fd", (int)monitor_pid());
    before = count_descriptors(path);
    for (int i = 0; i < 50; i++) {
        adopt();
        WAIT_FOR(RUNNING);
    }
    WAIT_UNTIL(count_descriptors(path) == before);
}

static void a_held_file_is_locked_meanwhile(void **state)
{
    const char *const holds[] = {"/tmp/gantry-monitor-hold", NULL};
    int fd;

    (void)state;
    skip_without_pidfds();
    fd = open(holds[0], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    options.holds = holds;
    spawn_script(LIVES);
    WAIT_FOR(CREATED);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
    assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
    gantry_monitor_signal(monitor, SIGKILL, &err);
    WAIT_FOR(EXIT);
    gantry_monitor_done(monitor);
    WAIT_UNTIL(flock(fd, LOCK_EX | LOCK_NB) == 0);
    close(fd);
    unlink(holds[0]);
}

/* What it writes there is what the kernel takes for "this process". */
static void it_moves_itself_to_its_own_cgroup(void **state)
{
    char list[600];

    (void)state;
    snprintf(list, sizeof list, "%s/cgroup.procs", top);
    close(open(list, O_CREAT | O_CLOEXEC, 0600));
    options.own_cgroup = list;
    spawn_script(DETACHED("exit 3"));
    WAIT_FOR(EXIT);
    assert_int_equal(seen.last[GANTRY_MONITOR_EXIT].code, 3);
    WAIT_UNTIL(strcmp(text_of("../cgroup.procs"), "0") == 0);
}

static void a_cgroup_that_it_may_not_write_to_is_none(void **state)
{
    (void)state;
    options.own_cgroup = "/there/is/none";
    spawn_script(DETACHED("exit 3"));
    WAIT_FOR(EXIT);
    assert_int_equal(seen.last[GANTRY_MONITOR_EXIT].code, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(output_and_code_come_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_signal_is_no_code, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_end_before_the_runtime_s_is_not_missed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_held_back_from_the_container, set_up, tear_down),
        cmocka_unit_test_setup_teardown(input_is_handed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_runtime_that_fails_is_told_with_its_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_runtime_that_is_killed_or_silent_fails_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_number_of_nobody_s_is_no_container, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_runtime_may_end_before_its_own_child, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_runtime_may_stay_as_the_container, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_stays_dies_with_its_owner, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_runtime_that_is_missing_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_runtime_that_hangs_is_killed_with_all_it_started, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_program_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_directory_that_is_locked_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_helper_ends_with_the_container, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_helper_ends_with_the_monitor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_container_ends_with_its_helper, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_gated_container_waits_for_its_word, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_gated_container_sees_its_owner_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_is_small, set_up, tear_down),
        cmocka_unit_test_setup_teardown(closed_pipes_do_not_keep_it_busy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(adoptions_leave_no_descriptor_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_held_file_is_locked_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_moves_itself_to_its_own_cgroup, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cgroup_that_it_may_not_write_to_is_none, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
