/* SPDX-License-Identifier: Apache-2.0
 *
 * What the processes of a launch share: that a killed holder gives its lock back, and that nothing begins after the
 * end. */
#include "core/system/channel.h"
#include "face/record.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct gantry_record *new_record(void)
{
    struct gantry_error err;
    struct gantry_record *record = gantry_record_new(&err);

    assert_non_null(record);
    return record;
}

/* Forks a process that begins the launch, says so, and waits to be killed. */
static pid_t fork_launcher(struct gantry_record *record)
{
    int ends[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        byte = gantry_record_begin_launch(record) ? 'y' : 'n';
        atomic_store(&record->stage, GANTRY_RECORD_MAKING);
        if (write(ends[1], &byte, 1) == 1)
            pause();
        _exit(0);
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    close(ends[0]);
    close(ends[1]);
    return pid;
}

static void test_killed_launcher(void **state)
{
    struct gantry_record *record = new_record();
    pid_t pid = fork_launcher(record);

    (void)state;
    kill(pid, SIGKILL);
    assert_int_equal(gantry_record_begin_clean(record, 60000), GANTRY_RECORD_MAKING);
    gantry_record_end_clean(record, true);
    assert_int_equal(gantry_record_begin_clean(record, 60000), GANTRY_RECORD_CLEAN);
    gantry_record_end_clean(record, true);
    waitpid(pid, NULL, 0);
}

static void test_stuck_launcher(void **state)
{
    struct gantry_record *record = new_record();
    pid_t pid = fork_launcher(record);
    int status;

    (void)state;
    assert_int_equal(gantry_record_begin_clean(record, 0), GANTRY_RECORD_MAKING);
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    gantry_record_end_clean(record, true);
}

static void test_closed(void **state)
{
    struct gantry_record *record = new_record();

    (void)state;
    assert_int_equal(gantry_record_begin_clean(record, 0), GANTRY_RECORD_EMPTY);
    gantry_record_end_clean(record, true);
    assert_false(gantry_record_begin_launch(record));
}

static void test_killed_cleaner(void **state)
{
    struct gantry_record *record = new_record();
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        gantry_record_begin_clean(record, 0);
        raise(SIGKILL);
    }
    waitpid(pid, NULL, 0);
    assert_int_equal(gantry_record_begin_clean(record, 60000), GANTRY_RECORD_EMPTY);
    gantry_record_end_clean(record, true);
}

static void test_channel(void **state)
{
    static struct gantry_packet packet;
    static char longest[GANTRY_CHANNEL_SIZE + 100];
    struct gantry_error err;
    int none[] = {-1, -1};
    int ends[2];
    int pipes[2];
    char byte = 'x';

    (void)state;
    memset(longest, 'l', sizeof longest);
    assert_int_equal(gantry_channel_pair(ends), 0);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(gantry_channel_receive(ends[0], &packet), 0);
    assert_int_equal(gantry_channel_send(ends[1], GANTRY_CHANNEL_OUTPUT, "", 0, pipes, &err), 0);
    assert_int_equal(gantry_channel_send(ends[1], GANTRY_CHANNEL_LOG, longest, sizeof longest, none, &err), 0);
    close(ends[1]);

    assert_int_equal(gantry_channel_receive(ends[0], &packet), 1);
    assert_int_equal(packet.kind, GANTRY_CHANNEL_OUTPUT);
    assert_int_equal(packet.size, 0);
    assert_int_equal(write(packet.fds[1], &byte, 1), 1);
    byte = ' ';
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(packet.fds[0]);
    close(packet.fds[1]);

    assert_int_equal(gantry_channel_receive(ends[0], &packet), 1);
    assert_int_equal(packet.kind, GANTRY_CHANNEL_LOG);
    assert_int_equal(packet.size, GANTRY_CHANNEL_SIZE);
    assert_int_equal(packet.fds[0], -1);
    assert_int_equal(gantry_channel_receive(ends[0], &packet), 1);
    assert_int_equal(packet.kind, 0);
    close(ends[0]);
    close(pipes[0]);
    close(pipes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_launcher), cmocka_unit_test(test_stuck_launcher), cmocka_unit_test(test_closed),
        cmocka_unit_test(test_killed_cleaner),  cmocka_unit_test(test_channel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
