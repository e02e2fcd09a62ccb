/* SPDX-License-Identifier: Apache-2.0
 *
 * arm64.c: the first process of an emulated machine, and the gate's plugin there: /gate stands beside it. Says one line
 * a case and switches the machine off. */
#include "gate/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SELF "/init"
#define GATE "/gate"
#define ADDRESS "/volume/kv.gate"

/* ---- the plugin ---- */

static int error_of(long result)
{
    return result < 0 ? errno : 0;
}

static int expect(const char *what, int error, int expected)
{
    if (error == expected)
        return 0;
    printf("# %s: %s instead of %s\n", what, strerror(error), strerror(expected));
    return 1;
}

/* How many of these calls do not end as they should where only Unix sockets may be made, or all. */
static int try_sockets(int refusal)
{
    static const struct {
        const char *name;
        int family;
        int type;
    } families[] = {{"inet", AF_INET, SOCK_STREAM},
                    {"inet6", AF_INET6, SOCK_DGRAM},
                    {"netlink", AF_NETLINK, SOCK_RAW},
                    {"packet", 17, SOCK_RAW}};
    int wrong = expect("unix", error_of(socket(AF_UNIX, SOCK_STREAM, 0)), 0);

    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (refusal != 0 || i == 0 || i == 2) /* the others are modules, which this machine has not */
            wrong += expect(families[i].name, error_of(socket(families[i].family, families[i].type, 0)), refusal);
    /* No parameters: it is looked at before them. */
    wrong += expect("io_uring", error_of(syscall(SYS_io_uring_setup, 1, NULL)), refusal != 0 ? ENOSYS : EFAULT);
    fflush(stdout);
    return wrong;
}

/* ---- the machine ---- */

static void report(const char *what, int status, int expected)
{
    printf("%s %s (%d)\n", status == expected ? "ok" : "not ok", what, status);
    fflush(stdout);
}

static pid_t start(int input, const char *const *arguments)
{
    pid_t child = fork();

    if (child == 0) {
        dup2(input, STDIN_FILENO);
        execv(arguments[0], (char *const *)(unsigned long)arguments);
        _exit(99);
    }
    return child;
}

static int status_of(pid_t child)
{
    int status = -1;

    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* The status of a gate that is asked over its standard input. */
static int asked(const char *request, size_t length, const char *const *arguments)
{
    int ends[2];
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) < 0 || write(ends[1], request, length) != (ssize_t)length)
        return -1;
    child = start(ends[0], arguments);
    close(ends[0]);
    close(ends[1]);
    return status_of(child);
}

#define ASKED(request, ...) asked(request, sizeof(request) - 1, (const char *const[]){GATE, __VA_ARGS__, NULL})
#define RUN(...) status_of(start(STDIN_FILENO, (const char *const[]){GATE, __VA_ARGS__, NULL}))

/* A request over the socket: its plugin's exit status, or -1. */
static int ask_serving(void)
{
    static const char request[] = "gate 1 9\nasockets\0";
    struct sockaddr_un where = {.sun_family = AF_UNIX, .sun_path = ADDRESS};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    char word[256] = "";
    int code = -1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&where, sizeof where) < 0)
        return -1;
    send(fd, request, sizeof request - 1, 0);
    while (code < 0 && recv(fd, word, sizeof word - 1, 0) > 0) {
        if (sscanf(word, GATE_EXIT " %d", &code) != 1 && strncmp(word, GATE_FAILED, sizeof GATE_FAILED - 1) == 0)
            printf("# %s\n", word);
        memset(word, 0, sizeof word);
    }
    close(fd);
    return code;
}

static void try_serving(void)
{
    pid_t serving = start(
        STDIN_FILENO, (const char *const[]){GATE, "--socket", ADDRESS, "--serve", "--no-network", "--", SELF, NULL});

    while (access(ADDRESS, F_OK) < 0 && waitpid(serving, NULL, WNOHANG) == 0)
        usleep(1000);
    report("a probe finds the gate", RUN("--probe", ADDRESS), 0);
    report("no network, asked over a socket", ask_serving(), 0);
    kill(serving, SIGTERM);
    report("the gate ends when told to", status_of(serving), 0);
}

static void run_machine(void)
{
    int console;

    mkdir("/dev", 0755);
    mkdir("/proc", 0755);
    mkdir("/volume", 0777);
    mount("none", "/dev", "devtmpfs", 0, NULL);
    mount("none", "/proc", "proc", 0, NULL);
    mount("none", "/volume", "tmpfs", 0, "mode=2777");
    console = open("/dev/console", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        dup2(console, fd);
    report("its version", RUN("--version"), 0);
    report("environment over standard input", ASKED("gate 1 6\neA=47\0", SELF, "environment"), 47);
    report("no such program", ASKED("gate 1 0\n", "/no/such"), GATE_EXIT_MISSING);
    report("a network where nobody took it", ASKED("gate 1 0\n", SELF, "open"), 0);
    report("no network", ASKED("gate 1 0\n", "--no-network", SELF, "sockets"), 0);
    report("a copy of itself", RUN("--install", "/volume"), 0);
    try_serving();
    printf("end of the trial\n");
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
}

int main(int argc, char **argv)
{
    if (getpid() == 1)
        run_machine();
    if (argc < 2)
        return 98;
    if (strcmp(argv[1], "environment") == 0)
        return atoi(getenv("A") != NULL ? getenv("A") : "0");
    return try_sockets(strcmp(argv[1], "sockets") == 0 ? EACCES : 0);
}
