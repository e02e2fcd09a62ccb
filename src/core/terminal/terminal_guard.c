/* SPDX-License-Identifier: Apache-2.0
 *
 * terminal_guard.c: the parent's loop, which only waits for signals. */
#include "core/terminal/terminal_guard.h"

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <term.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* Seconds for the child to end after it was told to; milliseconds for the terminal to take what sets it right. */
#define GRACE 2
#define PATIENCE_MS 500

struct guard {
    pid_t child;
    bool has_modes;
    struct termios modes; /* of the terminal before the child */
};

static const int passed_on[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGUSR1, SIGUSR2};

static char restoring[512];
static size_t restoring_size;

static int keep_byte(int byte)
{
    if (restoring_size < sizeof restoring)
        restoring[restoring_size++] = (char)byte;
    return byte;
}

static void keep_capability(const char *capability)
{
    char *text = tigetstr(capability);

    if (text != NULL && (intptr_t)text != -1) /* as terminfo says that it is none */
        tputs(text, 1, keep_byte);
}

/* Leaves the screen that the child has drawn on: plain characters, a cursor, the keys and modes of before. */
static void put_in_order(const struct guard *guard)
{
    static const char *const capabilities[] = {"sgr0", "op", "cnorm", "rmkx", "rmcup"};
    struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};
    int found;

    if (setupterm(NULL, STDOUT_FILENO, &found) == OK) {
        for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++)
            keep_capability(capabilities[i]);
        if (tigetstr("rmcup") == NULL)
            keep_capability("clear");
        if (poll(&output, 1, PATIENCE_MS) > 0 && write(STDOUT_FILENO, restoring, restoring_size) < 0)
            return; /* the terminal is gone */
    }
    if (guard->has_modes)
        tcsetattr(STDIN_FILENO, TCSANOW, &guard->modes);
}

/* Ends as the child has ended. */
static _Noreturn void end_likewise(const struct guard *guard, int status)
{
    const struct rlimit no_core = {0, 0};
    sigset_t set;

    if (WIFEXITED(status))
        _exit(WEXITSTATUS(status));
    put_in_order(guard);
    setrlimit(RLIMIT_CORE, &no_core);
    signal(WTERMSIG(status), SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, WTERMSIG(status));
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(WTERMSIG(status));
    _exit(128 + WTERMSIG(status));
}

/* Stops where the child has, which waits until it is in the foreground again; ends where it has ended. */
static void look_at_child(const struct guard *guard)
{
    int status;

    while (waitpid(guard->child, &status, WNOHANG | WUNTRACED) > 0) {
        if (!WIFSTOPPED(status))
            end_likewise(guard, status);
        raise(SIGSTOP);
        kill(guard->child, SIGCONT);
    }
}

/* The terminal sends its signals to the child as well: only what came from a process is passed on. Returns whether the
 * child is to end by it. */
static bool pass_on(const struct guard *guard, const siginfo_t *info)
{
    if (info->si_signo == SIGHUP || info->si_code <= 0) /* a terminal that is gone tells only its first process */
        kill(guard->child, info->si_signo);
    return info->si_signo == SIGTERM || info->si_signo == SIGHUP || info->si_signo == SIGINT;
}

static _Noreturn void watch_child(const struct guard *guard, const sigset_t *set)
{
    const struct timespec grace = {.tv_sec = GRACE};
    bool ending = false;

    signal(SIGCHLD, SIG_DFL);
    look_at_child(guard); /* a child that has ended by now: what signal() sets anew has its pending signals discarded */
    for (;;) {
        siginfo_t info;
        int number = ending ? sigtimedwait(set, &info, &grace) : sigwaitinfo(set, &info);

        if (number == SIGCHLD)
            look_at_child(guard);
        else if (number > 0)
            ending = pass_on(guard, &info) || ending;
        else if (errno == EAGAIN)
            kill(guard->child, SIGKILL);
    }
}

int gantry_terminal_guard(struct gantry_error *err)
{
    struct guard guard = {.has_modes = tcgetattr(STDIN_FILENO, &guard.modes) == 0};
    sigset_t set, before;
    pid_t parent = getpid();

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++)
        sigaddset(&set, passed_on[i]);
    sigprocmask(SIG_BLOCK, &set, &before);
    fflush(NULL);
    guard.child = fork();
    if (guard.child < 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        return gantry_fail_errno(err, errno, "SPAWN_FAILED", "start the process that keeps the terminal in order");
    }
    if (guard.child > 0) {
        signal(SIGTTOU, SIG_IGN); /* what sets the terminal right may come after the shell has it back */
        watch_child(&guard, &set);
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGTTOU, SIG_IGN);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (getppid() != parent)
        raise(SIGTERM);
    return 0;
}
