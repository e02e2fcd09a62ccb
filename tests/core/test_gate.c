/* SPDX-License-Identifier: Apache-2.0
 *
 * test_gate.c: the gate as a process of its own: what it starts, how it tells the end, and who may not ask. */
#include "core/gate/gate_client.h"

#include "gate_fixture.h"

#include "gate/protocol.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

/* ---- over standard input ---- */

static int ask_by_stream(const char *const *arguments, const char *bytes, size_t length)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    start_gate(ends[0], arguments);
    close(ends[0]);
    assert_int_equal(write(ends[1], bytes, length), (ssize_t)length);
    close(ends[1]);
    return gate_status();
}

#define STREAM(bytes, ...) ask_by_stream((const char *const[]){"gate", __VA_ARGS__, NULL}, bytes, sizeof(bytes) - 1)

static void test_stream(void **state)
{
    (void)state;
    assert_int_equal(STREAM("gate 1 6\neA=47\0", SHELL("exit $A")), 47);
    assert_int_equal(STREAM("gate 1 0\n", "true"), 0); /* found by PATH */
    assert_int_equal(STREAM("gate 1 0\n", SHELL("kill -9 $$")), 128 + SIGKILL);
    assert_int_equal(STREAM("gate 1 0\n", "no-such-program"), GATE_EXIT_MISSING);
    assert_int_equal(STREAM("gate 1 0\n", "/etc/passwd"), GATE_EXIT_REFUSED);
    assert_int_equal(STREAM("gate 2 0\n", "/bin/true"), GATE_EXIT_CLOSED);
    assert_int_equal(STREAM("GET / HTTP/1.1\r\n", "/bin/true"), GATE_EXIT_CLOSED);
    assert_int_equal(STREAM("gate 1 99999999\n", "/bin/true"), GATE_EXIT_CLOSED);
    assert_int_equal(STREAM("gate 1 400\neA=", "/bin/true"), GATE_EXIT_CLOSED); /* went between taking and asking */
    assert_int_equal(STREAM("", "/bin/true"), GATE_EXIT_CLOSED);
    assert_int_equal(STREAM("gate 1 7\noinput\0", "sleep", "1000"), 128 + SIGTERM); /* ends with its stream */
}

/* ---- over a socket ---- */

static void test_all_that_a_request_carries(void **state)
{
    const char *const environment[] = {"A=1", "B=two words", NULL};
    const char *const arguments[] = {"x y", NULL};
    const char *const limits[] = {"nofile 77 88", NULL};
    struct asker asker;
    char text[256] = "";
    int output[2];
    int errors[2];

    (void)state;
    assert_int_equal(pipe2(output, O_CLOEXEC) + pipe2(errors, O_CLOEXEC), 0);
    ONCE(SHELL("echo $A,$B,$0,$PWD,$(ulimit -Sn),$(ulimit -Hn),$HOME; echo err >&2; exit 3"));
    ask(&asker, (struct gantry_gate_request){.environment = environment,
                                             .arguments = arguments,
                                             .limits = limits,
                                             .directory = "/usr",
                                             .clears_environment = true,
                                             .descriptors = {output[1], errors[1]}});
    close(output[1]);
    close(errors[1]);
    wait_for(&asker, GANTRY_GATE_EXIT);
    assert_int_equal(asker.count[GANTRY_GATE_READY], 1);
    assert_int_equal(asker.count[GANTRY_GATE_STARTED], 1);
    assert_int_equal(asker.last.code, 3);
    assert_true(read(output[0], text, sizeof text - 1) > 0);
    assert_string_equal(text, "1,two words,x y,/usr,77,88,\n");
    assert_int_equal(read(errors[0], text, sizeof text), 4);
    assert_int_equal(read(errors[0], text, sizeof text), 0); /* nobody else holds it */
    close(output[0]);
    close(errors[0]);
    let_go(&asker);
    assert_int_equal(gate_status(), 3);
    assert_int_equal(access(address, F_OK), -1);
}

static void expect_refusal(const char *const *program, struct gantry_gate_request request, const char *what, int error)
{
    struct asker asker;

    request.program = program;
    ask(&asker, request);
    wait_for(&asker, GANTRY_GATE_FAILED);
    assert_string_equal(asker.what, what);
    assert_int_equal(asker.last.code, error);
    assert_int_equal(asker.count[GANTRY_GATE_STARTED], 0);
    let_go(&asker);
}

static void write_program(const char *path, const char *bytes, mode_t mode)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fputs(bytes, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

#define PROGRAM(...)                                                                                                   \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__, NULL                                                                                              \
    }
#define LIST(...)                                                                                                      \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__, NULL                                                                                              \
    }

static void test_what_cannot_be_started(void **state)
{
    const struct gantry_gate_request plain = {0};
    char path[96];

    (void)state;
    SERVE("/bin/true");
    snprintf(path, sizeof path, "%s/program", folder);
    expect_refusal(PROGRAM("/no/such"), plain, "missing", ENOENT);
    expect_refusal(PROGRAM("no-such"), plain, "missing", ENOENT);
    expect_refusal(PROGRAM("/etc"), plain, "exec", EISDIR);
    write_program(path, "#!/bin/sh\n", 0644);
    expect_refusal(PROGRAM(path), plain, "exec", EACCES);
    write_program(path, "#!/no/such/interpreter\n", 0755);
    expect_refusal(PROGRAM(path), plain, "interpreter", ENOENT);
    write_program(path, "\177ELF of another machine", 0755);
    expect_refusal(PROGRAM(path), plain, "exec", ENOEXEC);
    expect_refusal(PROGRAM("true"), (struct gantry_gate_request){.directory = "/no/such"}, "directory", ENOENT);
    expect_refusal(PROGRAM("true"), (struct gantry_gate_request){.directory = "usr"}, "request", EINVAL);
    expect_refusal(PROGRAM("true"), (struct gantry_gate_request){.limits = LIST("nofiles 1 1")}, "request", EINVAL);
    expect_refusal(PROGRAM("true"), (struct gantry_gate_request){.limits = LIST("nofile 2 1")}, "limit", EINVAL);
}

static void test_large_environments(void **state)
{
    static char variable[100 * 1024] = "A0=";
    static char long_one[200 * 1024] = "A=";
    const char *many[61] = {NULL};
    struct asker asker;

    (void)state;
    memset(variable + 3, 'x', sizeof variable - 4);
    memset(long_one + 2, 'x', sizeof long_one - 3);
    SERVE(SHELL("[ ${#A0} = 102396 ]"));
    many[0] = many[1] = many[2] = variable;
    ask(&asker, (struct gantry_gate_request){.environment = many}); /* 300 KiB: many packets, and the kernel takes it */
    wait_for(&asker, GANTRY_GATE_EXIT);
    assert_int_equal(asker.last.code, 0);
    let_go(&asker);
    many[0] = long_one; /* of one string, it takes 128 KiB */
    expect_refusal(PROGRAM("/bin/true"), (struct gantry_gate_request){.environment = many}, "exec", E2BIG);
    for (int i = 0; i < 60; i++)
        many[i] = variable;
    expect_refusal(PROGRAM("/bin/true"), (struct gantry_gate_request){.environment = many}, "exec", E2BIG);
}

static void test_signals_and_lives_side_by_side(void **state)
{
    struct asker askers[2];

    (void)state;
    SERVE("/bin/true");
    for (int i = 0; i < 2; i++) {
        ask(&askers[i],
            (struct gantry_gate_request){
                .program = PROGRAM(SHELL("trap 'exit 9' USR1; trap 'exit 8' TERM; while :; do sleep 0.02; done"))});
        wait_for(&askers[i], GANTRY_GATE_STARTED);
    }
    assert_int_equal(gantry_gate_signal(askers[0].gate, SIGKILL, &err), 0); /* that one alone */
    wait_for(&askers[0], GANTRY_GATE_EXIT);
    assert_int_equal(askers[0].last.signal, SIGKILL);
    let_go(&askers[0]);
    assert_int_equal(kill(askers[1].last.pid, 0), 0);
    kill(gate, SIGTERM); /* forwarded, and the end of the gate */
    wait_for(&askers[1], GANTRY_GATE_EXIT);
    let_go(&askers[1]);
    assert_int_equal(gate_status(), 0);
}

static void test_what_a_plugin_leaves(void **state)
{
    struct asker asker;
    char text[32] = "";
    int output[2];

    (void)state;
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    SERVE(SHELL("setsid sleep 1000 & echo $!; exit 5"));
    ask(&asker, (struct gantry_gate_request){.descriptors = {output[1], output[1]}});
    close(output[1]);
    wait_for(&asker, GANTRY_GATE_EXIT);
    assert_int_equal(asker.last.code, 5);
    assert_true(read(output[0], text, sizeof text - 1) > 0);
    assert_true(is_gone_soon((pid_t)strtol(text, NULL, 10)));
    assert_int_equal(read(output[0], text, sizeof text), 0);
    close(output[0]);
    let_go(&asker);
}

/* ---- who goes, and who is killed ---- */

static void test_asker_goes(void **state)
{
    struct asker asker;
    pid_t plugin;

    (void)state;
    SERVE(SHELL("trap '' TERM; while :; do sleep 1; done"));
    ask(&asker, (struct gantry_gate_request){0});
    wait_for(&asker, GANTRY_GATE_STARTED);
    plugin = asker.last.pid;
    let_go(&asker);
    assert_true(is_gone_soon(plugin)); /* by KILL, after its grace */
    take(&asker);                      /* goes between taking and asking: the gate is as it was */
    wait_for(&asker, GANTRY_GATE_READY);
    let_go(&asker);
    ask(&asker, (struct gantry_gate_request){.program = PROGRAM("/bin/true")});
    wait_for(&asker, GANTRY_GATE_EXIT);
    let_go(&asker);
}

/* Who has a copy of the connection is the asker as well: the plugin goes on, and it hears of its end. */
static void test_asker_gives_its_connection_away(void **state)
{
    char word[64] = "";
    struct asker asker;
    pid_t plugin;
    int copy;

    (void)state;
    ONCE("/bin/sleep", "1000");
    ask(&asker, (struct gantry_gate_request){0});
    wait_for(&asker, GANTRY_GATE_STARTED);
    plugin = asker.last.pid;
    copy = dup(gantry_gate_descriptor(asker.gate));
    assert_true(copy >= 0);
    let_go(&asker);
    fcntl(copy, F_SETFL, 0);
    assert_int_equal(kill(plugin, SIGKILL), 0);
    assert_true(read(copy, word, sizeof word - 1) > 0);
    assert_int_equal(strncmp(word, "exit 0 9", 8), 0);
    close(copy);
    assert_int_equal(gate_status(), 128 + SIGKILL);
}

/* What is to outlive its asker ends by itself, and its gate with its status; meanwhile others find it taken. */
static void test_plugin_outlives_its_asker(void **state)
{
    struct asker asker;
    struct asker other;
    char path[96];

    (void)state;
    snprintf(path, sizeof path, "%s/go", folder);
    ONCE(SHELL("until test -e \"$0\"; do sleep 0.05; done; exit 7"));
    ask(&asker, (struct gantry_gate_request){.arguments = (const char *const[]){path, NULL}, .outlives_asker = true});
    wait_for(&asker, GANTRY_GATE_STARTED);
    let_go(&asker);
    ask(&other, (struct gantry_gate_request){0});
    wait_for(&other, GANTRY_GATE_FAILED);
    assert_string_equal(other.what, "busy");
    let_go(&other);
    write_program(path, "", 0600);
    assert_int_equal(gate_status(), 7);
}

static void test_owner_goes(void **state)
{
    const struct gantry_gate_request request = {.descriptors = {-1, -1}};
    struct asker owner;
    struct asker other;

    (void)state;
    ONCE("--owned", SHELL("sleep 100"));
    take(&owner);
    wait_for(&owner, GANTRY_GATE_READY);
    take(&other); /* who comes later may go */
    wait_for(&other, GANTRY_GATE_READY);
    let_go(&other);
    assert_int_equal(gantry_gate_ask(owner.gate, &request, &err), 0);
    wait_for(&owner, GANTRY_GATE_STARTED);
    let_go(&owner);
    assert_int_equal(gate_status(), 128 + SIGTERM);
    ONCE("--owned", SHELL("exit 3"));
    take(&owner);
    wait_for(&owner, GANTRY_GATE_READY);
    let_go(&owner);
    assert_int_equal(gate_status(), 125);
}

static void test_gate_is_killed(void **state)
{
    struct asker asker;
    pid_t plugin;

    (void)state;
    ONCE("sleep", "1000");
    take(&asker);
    kill(gate, SIGKILL); /* while it waits */
    wait_for(&asker, GANTRY_GATE_LOST);
    let_go(&asker);
    gate_status();
    assert_int_equal(gantry_gate_connect(loop, address, (uid_t)-1, noted, &asker, &asker.gate, &err), -1);
    assert_string_equal(err.code, "GATE_UNREACHABLE");
    unlink(address);
    ONCE("sleep", "1000");
    ask(&asker, (struct gantry_gate_request){0});
    wait_for(&asker, GANTRY_GATE_STARTED);
    plugin = asker.last.pid;
    kill(gate, SIGKILL);
    wait_for(&asker, GANTRY_GATE_LOST);
    assert_true(is_gone_soon(plugin));
    let_go(&asker);
}

static void test_takes_the_place_of_one_that_was_killed(void **state)
{
    struct asker asker;

    (void)state;
    SERVE("/bin/true");
    kill(gate, SIGKILL);
    gate_status();
    start_gate(0, (const char *const[]){"gate", "--socket", address, "/bin/true", NULL});
    for (int i = 0; i < PATIENCE_MS && gantry_gate_connect(loop, address, (uid_t)-1, NULL, NULL, &asker.gate, &err) < 0;
         i++)
        usleep(1000);
    let_go(&asker);
    assert_int_equal(kill(gate, SIGTERM), 0);
    assert_int_equal(gate_status(), 128 + SIGTERM);
}

static void test_two_ask_one(void **state)
{
    struct asker askers[2];

    (void)state;
    ONCE("sleep", "1000");
    for (int i = 0; i < 2; i++)
        take(&askers[i]);
    for (int i = 0; i < 2; i++)
        gantry_gate_ask(askers[i].gate, &(struct gantry_gate_request){.descriptors = {-1, -1}}, &err);
    wait_for(&askers[0], GANTRY_GATE_STARTED);
    wait_for(&askers[1], GANTRY_GATE_FAILED);
    assert_string_equal(askers[1].what, "busy");
    gantry_gate_signal(askers[0].gate, SIGINT, &err);
    wait_for(&askers[0], GANTRY_GATE_EXIT);
    assert_int_equal(askers[0].last.signal, SIGINT);
    assert_int_equal(gate_status(), 128 + SIGINT);
    for (int i = 0; i < 2; i++)
        let_go(&askers[i]);
}

/* ---- strangers, other versions, no network ---- */

static int connect_as(uid_t user)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    char word[16];
    pid_t child = fork();
    int status = -1;

    snprintf(where.sun_path, sizeof where.sun_path, "%s", address);
    if (child == 0) {
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        if (setuid(user) < 0 || connect(fd, (struct sockaddr *)&where, sizeof where) < 0)
            _exit(1);
        _exit(recv(fd, word, sizeof word, 0) > 0 ? 0 : 2);
    }
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

static void test_strangers(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    chmod(folder, 0755);
    SERVE("--asker", "4711", "/bin/true");
    assert_int_equal(connect_as(0), 0);
    assert_int_equal(connect_as(4711), 0);
    assert_int_equal(connect_as(4712), 2); /* not one word */
    kill(gate, SIGTERM);
    gate_status();
    SERVE("/bin/true");
    assert_int_equal(connect_as(4712), 1); /* the socket's mode */
}

/* In a volume of its own, as a pod's emptyDir is, which is open to all: 0 where it serves there. */
static int serve_in_volume(void)
{
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", folder, "tmpfs", 0, "mode=2777") < 0)
        return 77;
    SERVE("/bin/true");
    return connect_as(0);
}

static void test_folders_open_to_strangers(void **state)
{
    int status = -1;
    pid_t child;

    (void)state;
    chmod(folder, 0777);
    assert_int_equal(STREAM("", "--socket", address, "--serve", "/bin/true"), GATE_EXIT_CLOSED);
    assert_int_equal(access(address, F_OK), -1);
    chmod(folder, 01777);
    SERVE("/bin/true");
    assert_int_equal(connect_as(geteuid()), 0);
    kill(gate, SIGTERM);
    gate_status();
    if (geteuid() != 0)
        skip();
    chmod(folder, 0777);
    child = fork();
    if (child == 0)
        _exit(serve_in_volume());
    waitpid(child, &status, 0);
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_gate_of_another_version(void **state)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct asker asker;
    int fd;

    (void)state;
    snprintf(where.sun_path, sizeof where.sun_path, "%s", address);
    assert_int_equal(bind(listener, (struct sockaddr *)&where, sizeof where) + listen(listener, 1), 0);
    ask(&asker, (struct gantry_gate_request){0});
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_int_equal(send(fd, "gate 7 9", 8, 0), 8);
    wait_for(&asker, GANTRY_GATE_FAILED);
    assert_string_equal(asker.what, "version");
    assert_non_null(strstr(asker.text, "upgrade gantry"));
    let_go(&asker);
    close(fd);
    close(listener);
}

static void test_no_network(void **state)
{
    (void)state;
    assert_int_equal(STREAM("gate 1 0\n", "--no-network", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/1"), 1);
    assert_int_equal(STREAM("gate 1 0\n", "--no-network", "bash", "-c",
                            "exec 3<>/dev/tcp/127.0.0.1/1 2>&1 | grep -q 'Permission denied'; "
                            "(exec 3<>/dev/tcp/127.0.0.1/1) 2>&1 | grep -q 'Permission denied' && exit 21"),
                     21);
}

static void test_install(void **state)
{
    char program[96];
    struct stat status;
    pid_t serving;

    (void)state;
    assert_int_equal(STREAM("", "--install", folder), 0);
    snprintf(program, sizeof program, "%s/gantry-gate", folder);
    assert_int_equal(stat(program, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0755);
    assert_int_equal(STREAM("", "--install", "/no/such"), GATE_EXIT_CLOSED);
    assert_int_equal(STREAM("", "--probe", address), GATE_EXIT_CLOSED);
    SERVE("/bin/true");
    serving = gate;
    assert_int_equal(STREAM("", "--probe", address), 0);
    gate = serving;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_stream),
        TEST(test_all_that_a_request_carries),
        TEST(test_what_cannot_be_started),
        TEST(test_large_environments),
        TEST(test_signals_and_lives_side_by_side),
        TEST(test_what_a_plugin_leaves),
        TEST(test_asker_goes),
        TEST(test_asker_gives_its_connection_away),
        TEST(test_plugin_outlives_its_asker),
        TEST(test_owner_goes),
        TEST(test_gate_is_killed),
        TEST(test_takes_the_place_of_one_that_was_killed),
        TEST(test_two_ask_one),
        TEST(test_strangers),
        TEST(test_folders_open_to_strangers),
        TEST(test_gate_of_another_version),
        TEST(test_no_network),
        TEST(test_install),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
