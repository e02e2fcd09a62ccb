/* SPDX-License-Identifier: Apache-2.0
 *
 * test_monitor_owner.c: owners of a container that leave, come, and are not welcome. */
#include "monitor_fixture.h"

#include "child.h"
#include "core/system/packet.h"
#include "monitor/protocol.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Connects as an owner that the test plays itself, and says its first word. */
static int connect_by_hand(const char *word)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%.80s/monitor", dir);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    if (word != NULL)
        assert_int_equal(gantry_packet_send(fd, word, NULL, 0, NULL, 0), 0);
    return fd;
}

static void numbers_are_whole(const char *text, int least)
{
    int expected = 1;

    for (const char *at = text; *at != '\0'; expected++) {
        char *end;
        long number = strtol(at, &end, 10);

        if (number != expected || *end != '\n')
            fail_msg("line %d is '%.20s'", expected, at);
        at = end + 1;
    }
    if (expected <= least)
        fail_msg("%d lines, and not %d", expected - 1, least);
}

/* A thousand numbered lines a second, until the file `stop` is there. */
#define COUNTS DETACHED("i=1; while [ $i -le 3000 ]; do echo $i; i=$((i+1)); [ $((i % 10)) = 0 ] && sleep 0.01; done")

static void no_line_is_lost_in_adoptions(void **state)
{
    (void)state;
    spawn_script(COUNTS);
    WAIT_UNTIL(seen.length[0] > 500);
    for (int i = 0; i < 5; i++) {
        leave();
        usleep(200000);
        adopt();
        WAIT_FOR(RUNNING);
        assert_int_equal(seen.last[GANTRY_MONITOR_RUNNING].lost[0], 0);
        pass_ms(50);
    }
    WAIT_FOR(EXIT);
    numbers_are_whole(seen.output[0], 3000);
}

/* Hears all that a new owner is told, and dies before it says that it has it. */
static void adopt_and_die(void)
{
    char message[MONITOR_MESSAGE_SIZE + 1] = "";
    int fds[GANTRY_PACKET_FDS];
    size_t count = 0;
    int fd = connect_by_hand(MONITOR_OWN);
    struct pollfd entry = {.fd = fd, .events = POLLIN};

    while (strcmp(message, MONITOR_TAIL_END) != 0) {
        assert_int_equal(poll(&entry, 1, PATIENCE_MS), 1);
        assert_true(gantry_packet_receive(fd, message, sizeof message, fds, &count) > 0);
        while (count > 0)
            close(fds[--count]);
    }
    close(fd);
}

static void an_owner_killed_before_it_took_the_output_leaves_it_to_the_next(void **state)
{
    (void)state;
    spawn_script(DETACHED("echo first; sleep 0.3; echo second; exec sleep 1000"));
    WAIT_FOR(CREATED);
    WAIT_UNTIL(seen.length[0] == 6);
    leave();
    usleep(500000);
    for (int i = 0; i < 3; i++)
        adopt_and_die();
    adopt();
    WAIT_UNTIL(seen.length[0] >= 13);
    assert_string_equal(seen.output[0], "first\nsecond\n");
}

static void the_newest_output_is_kept_and_the_rest_counted(void **state)
{
    int64_t lost;

    (void)state;
    spawn_script(DETACHED("sleep 0.3; i=0; while [ $i -lt 30000 ]; do echo $i; i=$((i+1)); done; echo end >&2; "
                          "touch $1/written; exec sleep 1000"));
    WAIT_FOR(CREATED);
    leave();
    WAIT_UNTIL(exists("/", "written"));
    adopt();
    WAIT_FOR(RUNNING);
    WAIT_UNTIL(strstr(seen.output[0], "29999\n") != NULL && seen.length[1] == 4);
    lost = seen.last[GANTRY_MONITOR_RUNNING].lost[0];
    assert_true(lost > 0);
    assert_int_equal(lost + (int64_t)seen.length[0], 10 * 2 + 90 * 3 + 900 * 4 + 9000 * 5 + 20000 * 6);
    assert_int_equal(seen.last[GANTRY_MONITOR_RUNNING].lost[1], 0);
}

static void what_nobody_read_lies_beside_the_exit(void **state)
{
    (void)state;
    spawn_script(DETACHED("sleep 0.2; echo last words; echo and more >&2; exit 9"));
    WAIT_FOR(CREATED);
    leave();
    WAIT_UNTIL(!is_alive());
    assert_int_equal(strncmp(text_of("exit"), "exit 9 0 ", 9), 0);
    assert_string_equal(text_of("tail"), "tail 0 11 0 9\nlast words\nand more\n");
    assert_int_equal(gantry_monitor_connect(loop, dir, false, &callbacks, &monitor, &err), -1);
    assert_string_equal(err.code, "MONITOR_GONE");
}

static void an_owner_that_leaves_after_the_exit_leaves_the_output(void **state)
{
    (void)state;
    spawn_script(DETACHED("sleep 0.1; echo unread; exit 1"));
    WAIT_FOR(CREATED);
    assert_int_equal(gantry_monitor_pause(monitor, true, &err), 0);
    WAIT_UNTIL(exists("/", "exit"));
    pass_ms(700);
    assert_int_equal(seen.count[GANTRY_MONITOR_EXIT], 0);
    leave();
    WAIT_UNTIL(!is_alive());
    assert_string_equal(text_of("tail"), "tail 0 7 0 0\nunread\n");
}

static void a_pause_holds_the_output_and_the_exit(void **state)
{
    (void)state;
    spawn_script(DETACHED("sleep 0.1; echo late; exit 1"));
    WAIT_FOR(CREATED);
    assert_int_equal(gantry_monitor_pause(monitor, true, &err), 0);
    WAIT_UNTIL(exists("/", "exit"));
    pass_ms(700);
    assert_int_equal(seen.length[0], 0);
    assert_int_equal(gantry_monitor_pause(monitor, false, &err), 0);
    WAIT_FOR(EXIT);
    assert_string_equal(seen.output[0], "late\n");
}

static void the_newest_owner_wins(void **state)
{
    struct gantry_monitor *first;

    (void)state;
    spawn_script(LIVES);
    WAIT_FOR(CREATED);
    first = monitor;
    assert_int_equal(gantry_monitor_connect(loop, dir, false, &callbacks, &monitor, &err), 0);
    WAIT_FOR(RUNNING);
    WAIT_FOR(REPLACED);
    gantry_monitor_free(first);
    assert_int_equal(gantry_monitor_signal(monitor, SIGTERM, &err), 0);
    WAIT_FOR(EXIT);
    assert_int_equal(seen.last[GANTRY_MONITOR_EXIT].signal, SIGTERM);
}

static void to_ask_is_not_to_take_over(void **state)
{
    struct gantry_monitor *asking;

    (void)state;
    spawn_script(LIVES);
    WAIT_FOR(CREATED);
    assert_int_equal(gantry_monitor_connect(loop, dir, true, &callbacks, &asking, &err), 0);
    WAIT_FOR(STATE);
    assert_string_equal(seen.reason, "running");
    assert_int_equal(seen.last[GANTRY_MONITOR_STATE].pid, seen.last[GANTRY_MONITOR_CREATED].pid);
    assert_true(seen.last[GANTRY_MONITOR_STATE].is_owned);
    gantry_monitor_free(asking);
    assert_int_equal(seen.count[GANTRY_MONITOR_REPLACED], 0);
    for (int i = 0; i < 20; i++) /* guests that say nothing, or nonsense, make way */
        close(connect_by_hand(i % 2 == 0 ? NULL : "nonsense"));
    gantry_monitor_signal(monitor, SIGKILL, &err);
    WAIT_FOR(EXIT);
}

static void adopted_while_the_runtime_is_at_work(void **state)
{
    (void)state;
    spawn_script("sleep 0.5; " LIVES);
    WAIT_UNTIL(exists("/", "monitor"));
    adopt();
    WAIT_FOR(STARTING);
    WAIT_FOR(CREATED);
    assert_true(runs(gantry_monitor_pid(monitor)));
}

/* ---- owners whose end is the container's ---- */

static void dies_with_its_owner(void **state)
{
    const char *const removes[] = {"config.json", "empty", NULL};
    char path[600];
    pid_t pid;
    int64_t begun;

    (void)state;
    options.dies_with_owner = true;
    options.grace_ms = 10000;
    options.removes = removes;
    snprintf(path, sizeof path, "%s/config.json", dir);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    snprintf(path, sizeof path, "%s/empty", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    spawn_script(LIVES);
    WAIT_FOR(CREATED);
    pid = gantry_monitor_pid(monitor);
    begun = now_ms();
    leave();
    WAIT_UNTIL(!exists("", ""));
    print_message("gone after %d ms\n", (int)(now_ms() - begun));
    assert_true(now_ms() - begun < 5000);
    assert_false(runs(pid));
    assert_true(exists("", ".deleted"));
}

static void who_ignores_the_signal_is_killed(void **state)
{
    pid_t pid;
    int64_t begun;

    (void)state;
    options.dies_with_owner = true;
    options.grace_ms = 400;
    spawn_script(DETACHED("trap '' TERM; echo deaf; while :; do sleep 1000; done"));
    WAIT_UNTIL(seen.length[0] > 0 && seen.count[GANTRY_MONITOR_CREATED] > 0);
    pid = gantry_monitor_pid(monitor);
    begun = now_ms();
    leave();
    pass_ms(100);
    assert_true(runs(pid));
    WAIT_UNTIL(!runs(pid));
    assert_true(now_ms() - begun >= 400);
    WAIT_UNTIL(!exists("", ""));
}

static void what_others_put_there_is_not_removed(void **state)
{
    char path[600];

    (void)state;
    options.dies_with_owner = true;
    options.grace_ms = 1000;
    spawn_script(LIVES);
    WAIT_FOR(CREATED);
    snprintf(path, sizeof path, "%s/foreign", dir);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    leave();
    WAIT_UNTIL(!exists("/", "lock"));
    assert_true(exists("/", "foreign"));
}

static void without_a_start_nothing_is_left(void **state)
{
    (void)state;
    seen.start_at_once = false;
    spawn_script(LIVES);
    WAIT_FOR(PIPES);
    leave();
    WAIT_UNTIL(!is_alive());
    assert_false(exists("/", "lock"));
    assert_false(exists("/", "pid"));
    options.dies_with_owner = true;
    memset(seen.count, 0, sizeof seen.count);
    spawn_script(LIVES);
    WAIT_FOR(PIPES);
    leave();
    WAIT_UNTIL(!exists("", ""));
}

/* ---- strangers, and places that are hard to reach ---- */

static void strangers_are_hung_up_on(void **state)
{
    char path[600];

    (void)state;
    if (geteuid() != 0)
        skip();
    spawn_script(LIVES);
    WAIT_FOR(CREATED);
    snprintf(path, sizeof path, "%s/monitor", dir);
    chmod(top, 0755);
    chmod(dir, 0755);
    chmod(path, 0666);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.90s/monitor", dir);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        int fd;

        CHECK(setgid(65534) == 0 && setuid(65534) == 0);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        CHECK(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
        send(fd, MONITOR_OWN, strlen(MONITOR_OWN), MSG_NOSIGNAL);
        CHECK(recv(fd, &byte, 1, 0) <= 0);
        CHECK(gantry_monitor_connect(loop, dir, false, &callbacks, &monitor, &err) < 0);
        CHECK(strcmp(err.code, "MONITOR_UNREACHABLE") == 0);
        _exit(0);
    }
    wait_for_success(child);
    assert_int_equal(seen.count[GANTRY_MONITOR_REPLACED], 0);
}

static void a_long_path_is_no_matter(void **state)
{
    (void)state;
    rmdir(dir);
    for (int i = 0; i < 6; i++) {
        size_t used = strlen(dir);

        mkdir(dir, 0700);
        snprintf(dir + used, sizeof dir - used, "/a-folder-whose-name-is-longer-than-it-needs-to-be");
    }
    mkdir(dir, 0700);
    assert_true(strlen(dir) > 300);
    spawn_script(LIVES);
    WAIT_FOR(CREATED);
    adopt();
    WAIT_FOR(RUNNING);
    gantry_monitor_signal(monitor, SIGKILL, &err);
    WAIT_FOR(EXIT);
}

static void on_a_full_disk(void)
{
    char command[700];

    CHECK(mount("none", dir, "tmpfs", 0, "size=64k,mode=700") == 0);
    seen.start_at_once = true;
    options.dies_with_owner = false;
    spawn_script(DETACHED("sleep 0.3; echo bye; exit 6"));
    for (int i = 0; i < 3000 && seen.count[GANTRY_MONITOR_CREATED] == 0; i++)
        gantry_loop_step(loop, 2, &err);
    snprintf(command, sizeof command, "head -c 100000 /dev/zero >%s/filler 2>/dev/null", dir);
    CHECK(system(command) != 0);
    for (int i = 0; i < 3000 && seen.count[GANTRY_MONITOR_EXIT] == 0; i++)
        gantry_loop_step(loop, 2, &err);
    CHECK(seen.count[GANTRY_MONITOR_EXIT] == 1 && seen.last[GANTRY_MONITOR_EXIT].code == 6);
    CHECK(strcmp(seen.output[0], "bye\n") == 0);
    CHECK(!exists("/", "exit") && !exists("/", "exit.new"));
    gantry_monitor_done(monitor);
    for (int i = 0; i < 3000 && is_alive(); i++)
        gantry_loop_step(loop, 2, &err);
    CHECK(!is_alive());
}

static void a_full_disk_does_not_hide_the_exit(void **state)
{
    (void)state;
    skip_without_pidfds();
    run_with_own_mounts(on_a_full_disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_line_is_lost_in_adoptions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_owner_killed_before_it_took_the_output_leaves_it_to_the_next, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_newest_output_is_kept_and_the_rest_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_nobody_read_lies_beside_the_exit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_owner_that_leaves_after_the_exit_leaves_the_output, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pause_holds_the_output_and_the_exit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_newest_owner_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(to_ask_is_not_to_take_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(adopted_while_the_runtime_is_at_work, set_up, tear_down),
        cmocka_unit_test_setup_teardown(dies_with_its_owner, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_ignores_the_signal_is_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_others_put_there_is_not_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_start_nothing_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strangers_are_hung_up_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_path_is_no_matter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_does_not_hide_the_exit, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
