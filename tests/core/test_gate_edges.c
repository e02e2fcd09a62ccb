/* SPDX-License-Identifier: Apache-2.0
 *
 * test_gate_edges.c: what reaches a gate from outside and is no ordinary request: signals, askers that are slow, too
 * many or of another version, plugins that go into the background, folders without room. */
#include "core/gate/gate_client.h"

#include "gate_fixture.h"

#include "gate/protocol.h"

#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MOST_ASKERS 64

/* ---- an asker without a client ---- */

static int connect_raw(void)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    snprintf(where.sun_path, sizeof where.sun_path, "%s", address);
    assert_int_equal(connect(fd, (struct sockaddr *)&where, sizeof where), 0);
    return fd;
}

/* The next message; "" where the gate has hung up. */
static const char *hear(int fd)
{
    static char word[256];
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    ssize_t length;

    assert_int_equal(poll(&entry, 1, PATIENCE_MS), 1);
    length = recv(fd, word, sizeof word - 1, 0);
    word[length > 0 ? length : 0] = '\0';
    return word;
}

static int greeted(void)
{
    int fd = connect_raw();

    assert_string_equal(hear(fd), "gate 1 1");
    return fd;
}

static void say_bytes(int fd, const char *bytes)
{
    assert_int_equal(send(fd, bytes, strlen(bytes), 0), (ssize_t)strlen(bytes));
}

static void expect_last(int fd, const char *message)
{
    assert_string_equal(hear(fd), message);
    assert_string_equal(hear(fd), "");
    close(fd);
}

/* ---- signals ---- */

static void read_line(int fd, char *line, size_t size)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    size_t length = 0;

    while (length + 1 < size && (length == 0 || line[length - 1] != '\n')) {
        assert_int_equal(poll(&entry, 1, PATIENCE_MS), 1);
        assert_int_equal(read(fd, line + length, 1), 1);
        length++;
    }
    line[length] = '\0';
}

static void test_forwards_signals(void **state)
{
    static const char script[] =
        "for s in HUP USR1 USR2; do trap \"echo $s\" $s; done; trap 'echo QUIT; exit 4' QUIT; echo; "
        "while :; do sleep 0.02; done";
    static const struct {
        int number;
        const char *line;
    } signals[] = {{SIGHUP, "HUP\n"}, {SIGUSR1, "USR1\n"}, {SIGUSR2, "USR2\n"}, {SIGHUP, "HUP\n"}, {SIGQUIT, "QUIT\n"}};
    struct asker asker;
    char line[16];
    int output[2];

    (void)state;
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    SERVE(SHELL(script));
    ask(&asker, (struct gantry_gate_request){.descriptors = {output[1], -1}});
    close(output[1]);
    wait_for(&asker, GANTRY_GATE_STARTED);
    read_line(output[0], line, sizeof line);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        assert_int_equal(kill(gate, signals[i].number), 0);
        read_line(output[0], line, sizeof line);
        assert_string_equal(line, signals[i].line);
    }
    wait_for(&asker, GANTRY_GATE_EXIT);
    assert_int_equal(asker.last.code, 4);
    close(output[0]);
    let_go(&asker);
    assert_int_equal(gate_status(), 0); /* QUIT is its end as well */
}

/* HUP, USR1 and USR2 end no gate that has no plugin. */
static void test_signals_without_a_plugin(void **state)
{
    (void)state;
    SERVE("/bin/true");
    kill(gate, SIGHUP);
    kill(gate, SIGUSR1);
    kill(gate, SIGUSR2);
    close(greeted());
    kill(gate, SIGINT);
    assert_int_equal(gate_status(), 0);
    ONCE("/bin/true");
    kill(gate, SIGQUIT);
    assert_int_equal(gate_status(), 128 + SIGQUIT);
}

/* ---- askers ---- */

static void test_slow_request(void **state)
{
    struct asker asker;
    int fd;

    (void)state;
    SERVE("/bin/true");
    fd = greeted();
    say_bytes(fd, "gate 1 400\neA=");
    ask(&asker, (struct gantry_gate_request){0}); /* others need not wait for it */
    wait_for(&asker, GANTRY_GATE_EXIT);
    let_go(&asker);
    expect_last(fd, "failed request 110 it did not come in time");
}

static void test_more_askers_than_it_looks_after(void **state)
{
    int askers[MOST_ASKERS];

    (void)state;
    SERVE("/bin/true");
    for (int i = 0; i < MOST_ASKERS; i++)
        askers[i] = greeted();
    expect_last(greeted(), "failed full 11");
    close(askers[0]);
    for (int tries = 0; tries < PATIENCE_MS; tries++) { /* its place is free once the gate has seen it go */
        askers[0] = greeted();
        say_bytes(askers[0], "gate 1 0\n");
        if (strncmp(hear(askers[0]), "started", 7) == 0)
            break;
        close(askers[0]);
        usleep(1000);
    }
    assert_string_equal(hear(askers[0]), "exit 0 0 0");
    for (int i = 0; i < MOST_ASKERS; i++)
        close(askers[i]);
}

static void test_newer_client(void **state)
{
    int fd;

    (void)state;
    SERVE("/bin/true");
    fd = greeted();
    say_bytes(fd, "gate 2 0\n");
    expect_last(fd, "failed version 93 this gate understands versions 1 to 1");
}

/* One more than a request may have. */
static void send_descriptors(int fd)
{
    const int descriptors[] = {STDERR_FILENO, STDERR_FILENO, STDERR_FILENO};
    char bytes[] = "gate 1 0\n";
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof descriptors)];
    } control = {.bytes = ""};
    struct iovec part = {bytes, sizeof bytes - 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = &control.header;

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptors);
    memcpy(CMSG_DATA(header), descriptors, sizeof descriptors);
    assert_true(sendmsg(fd, &message, 0) > 0);
}

static void test_descriptors_that_nobody_wants(void **state)
{
    int fd;

    (void)state;
    SERVE("/bin/true");
    fd = greeted();
    send_descriptors(fd);
    expect_last(fd, "failed request 71 this is no request");
    close(greeted()); /* it lives */
}

static void test_ends_with_askers(void **state)
{
    int fd;

    (void)state;
    SERVE("/bin/true");
    fd = greeted();
    kill(gate, SIGTERM);
    expect_last(fd, "failed ending 16");
    assert_int_equal(gate_status(), 0);
}

/* ---- plugins ---- */

static void expect_nothing_left(const char *script)
{
    struct asker asker;
    char line[32];
    int output[2];

    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    ask(&asker, (struct gantry_gate_request){.program = (const char *const[]){SHELL(script), NULL},
                                             .directory = folder,
                                             .descriptors = {output[1], -1}});
    close(output[1]);
    wait_for(&asker, GANTRY_GATE_STARTED);
    read_line(output[0], line, sizeof line);
    wait_for(&asker, GANTRY_GATE_EXIT);
    assert_int_equal(asker.last.code, 6);
    assert_true(is_gone_soon((pid_t)strtol(line, NULL, 10)));
    close(output[0]);
    let_go(&asker);
}

/* The plugin is the process that was started: what it leaves in the background ends with it. */
static void test_goes_into_the_background(void **state)
{
    (void)state;
    SERVE("/bin/true");
    expect_nothing_left("sleep 1000 & echo $!; exit 6");
    expect_nothing_left("(sh -c 'echo $$; : >a; sleep 1000; :' &); until [ -e a ]; do sleep 0.01; done; exit 6");
    expect_nothing_left("setsid sh -c 'setsid sleep 1000 & echo $!; : >b; wait' & "
                        "until [ -e b ]; do sleep 0.01; done; exit 6");
    close(greeted());
}

/* ---- its program ---- */

#define PROGRAM_SIZE (3L << 20)

/* How many of its pages are in memory. */
static size_t pages_in_memory(const char *path)
{
    static unsigned char pages[PROGRAM_SIZE / 4096 + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *mapped = mmap(NULL, PROGRAM_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    size_t count = 0;

    assert_true(fd >= 0 && mapped != MAP_FAILED);
    assert_int_equal(mincore(mapped, PROGRAM_SIZE, pages), 0);
    for (long i = 0; i < PROGRAM_SIZE / sysconf(_SC_PAGESIZE); i++)
        count += pages[i] & 1;
    munmap(mapped, PROGRAM_SIZE);
    close(fd);
    return count;
}

/* Written out, and forgotten by the kernel where its file system lets that be. */
static void make_cold_program(const char *path)
{
    static char bytes[PROGRAM_SIZE];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

    assert_int_equal(write(fd, bytes, sizeof bytes), (ssize_t)sizeof bytes);
    assert_int_equal(fsync(fd), 0);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

static void test_reads_its_program_ahead(void **state)
{
    const size_t all = (size_t)(PROGRAM_SIZE / sysconf(_SC_PAGESIZE));
    char path[96];
    char search[96];
    char usual[1024];

    (void)state;
    snprintf(path, sizeof path, "%s/program", folder);
    make_cold_program(path);
    SERVE(path);
    assert_int_equal(pages_in_memory(path), all);
    kill(gate, SIGTERM);
    gate_status();
    make_cold_program(path);
    snprintf(search, sizeof search, "/no/such:%s", folder);
    snprintf(usual, sizeof usual, "%s", getenv("PATH"));
    setenv("PATH", search, 1);
    SERVE("program");
    setenv("PATH", usual, 1);
    assert_int_equal(pages_in_memory(path), all);
}

/* A gate that can be asked tells what is wrong with its command then. */
static void test_cannot_read_its_program(void **state)
{
    char path[96];

    (void)state;
    snprintf(path, sizeof path, "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0755), 0);
    for (int i = 0; i < 3; i++) {
        SERVE(i == 0 ? path : i == 1 ? "/" : "no-such-program");
        close(greeted());
        kill(gate, SIGTERM);
        assert_int_equal(gate_status(), 0);
    }
}

/* ---- no room ---- */

/* In a file system of its own, which is full soon: 0 where the gate said so and left nothing. */
static int install_without_room(void)
{
    char command[256];
    struct dirent *entry;
    DIR *listed;
    int left = 0;

    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", folder, "tmpfs", 0, "size=16k") < 0)
        return 77;
    snprintf(command, sizeof command, "%s --install %s 2>&1 | grep -q 'No space left on device'", GATE_EXECUTABLE,
             folder);
    if (system(command) != 0) /* NOLINT(cert-env33-c): names of our own */
        return 1;
    listed = opendir(folder);
    if (listed == NULL)
        return 3;
    while ((entry = readdir(listed)) != NULL)
        left += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    closedir(listed);
    return left == 0 ? 0 : 2;
}

static void test_install_without_room(void **state)
{
    int status = -1;
    pid_t child;

    (void)state;
    if (geteuid() != 0)
        skip();
    child = fork();
    if (child == 0)
        _exit(install_without_room());
    waitpid(child, &status, 0);
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_forwards_signals),
        TEST(test_signals_without_a_plugin),
        TEST(test_slow_request),
        TEST(test_more_askers_than_it_looks_after),
        TEST(test_newer_client),
        TEST(test_descriptors_that_nobody_wants),
        TEST(test_ends_with_askers),
        TEST(test_goes_into_the_background),
        TEST(test_reads_its_program_ahead),
        TEST(test_cannot_read_its_program),
        TEST(test_install_without_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
