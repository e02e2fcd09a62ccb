/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/children.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_FREE 32 /* above all that a child is given */
#define LIST_SIZE 4096

/* Copies above all numbers that are given come first, so that none is overwritten before it is copied. */
static void be_child(const struct monitor_child *child, pid_t parent, int failed)
{
    int moved[MONITOR_CHILD_FDS];
    sigset_t none;
    int error;

    if (child->dies_with_us)
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (child->dies_with_us && getppid() != parent)
        return; /* it has ended already, without a signal to this one */
    failed = fcntl(failed, F_DUPFD_CLOEXEC, FIRST_FREE);
    for (size_t i = 0; i < child->count; i++)
        moved[i] = fcntl(child->fds[i], F_DUPFD_CLOEXEC, FIRST_FREE);
    for (size_t i = 0; i < child->count; i++)
        dup2(moved[i], (int)i);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(child->arguments[0], child->arguments, environ);
    error = errno;
    (void)!write(failed, &error, sizeof error);
}

/* The error that a child told of before it ended; 0 where its program has begun. */
static int told_error(int failed)
{
    int error = 0;

    while (read(failed, &error, sizeof error) < 0 && errno == EINTR)
        continue;
    return error;
}

/* A fork, and nothing of the C library that needs memory of the heap: this process is too small for it to matter. */
int monitor_run(const struct monitor_child *child, pid_t *pid)
{
    const pid_t parent = getpid();
    int failed[2];
    int error;

    if (pipe2(failed, O_CLOEXEC) < 0)
        return errno;
    *pid = fork();
    if (*pid == 0) {
        be_child(child, parent, failed[1]);
        _exit(127);
    }
    error = *pid < 0 ? errno : 0;
    close(failed[1]);
    if (*pid > 0) {
        error = told_error(failed[0]);
        if (error != 0)
            waitpid(*pid, NULL, 0);
    }
    close(failed[0]);
    return error;
}

void monitor_kill_children(void)
{
    char list[LIST_SIZE];
    char *at = list;
    char *end;
    int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, list, sizeof list - 1) : 0;

    if (fd >= 0)
        close(fd);
    list[length > 0 ? length : 0] = '\0';
    for (long pid = strtol(at, &end, 10); end != at && pid > 0; pid = strtol(at, &end, 10)) {
        kill((pid_t)pid, SIGKILL);
        at = end;
    }
}
