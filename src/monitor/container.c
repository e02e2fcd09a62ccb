/* SPDX-License-Identifier: Apache-2.0
 *
 * container.c: from the runtime's start to the container's end and removal. */
#include "monitor/children.h"
#include "monitor/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_ns(clockid_t which)
{
    struct timespec time;

    clock_gettime(which, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t monitor_now_ms(void)
{
    return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void monitor_container_fail(struct monitor *monitor, const char *reason, int code)
{
    monitor->stage = MONITOR_STAGE_FAILED;
    monitor->deadline = 0;
    close_fd(&monitor->writers[0]);
    close_fd(&monitor->writers[1]);
    monitor->failure = gantry_text_begin(MONITOR_FAILED);
    gantry_text_word(&monitor->failure, reason);
    gantry_text_number(&monitor->failure, code);
    monitor_directory_log(monitor->failure_text, sizeof monitor->failure_text);
    monitor->owner.outcome_due = true;
    if (monitor->owner.fd < 0)
        monitor_container_orphaned(monitor);
}

void monitor_container_prepare(struct monitor *monitor)
{
    for (int i = 0; i < 2; i++) {
        int ends[2];

        /* Whether reading blocks belongs to the open file, which gantry has as well: both expect that it does not. */
        if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
            monitor_container_fail(monitor, "pipes", errno);
            return;
        }
        monitor->pipes[i] = ends[0];
        monitor->writers[i] = ends[1];
    }
    monitor->owner.pipes_due = true;
}

/* ---- its end ---- */

static uint64_t seen_by(const struct monitor_ring *ring)
{
    return ring->lost + ring->length;
}

/* All that the container has written is in the pipes by now; whoever else holds a writing end is not waited for. */
static void keep_rest(struct monitor *monitor)
{
    for (int i = 0; i < 2; i++) {
        struct monitor_ring *ring = &monitor->rings[i];
        uint64_t goal;
        int rest = 0;

        if (monitor->pipes[i] < 0 || ioctl(monitor->pipes[i], FIONREAD, &rest) < 0)
            continue;
        goal = seen_by(ring) + (uint64_t)rest;
        while (seen_by(ring) < goal && monitor_ring_read(ring, monitor->pipes[i]) == MONITOR_READ_SOME)
            continue;
    }
}

static void container_finish(struct monitor *monitor)
{
    monitor_directory_remove(&monitor->options);
    monitor->stage = MONITOR_STAGE_OVER;
}

static void container_clean(struct monitor *monitor)
{
    const struct monitor_child child = {
        .arguments = monitor->options.remove_container,
        .fds = {monitor->null, monitor->null, monitor->null},
        .count = 3,
    };

    monitor->before_cleaning = monitor->stage;
    monitor->stage = MONITOR_STAGE_CLEANING;
    monitor->deadline = monitor_now_ms() + monitor->options.deadline_ms;
    if (monitor_run(&child, &monitor->runtime) == 0)
        return;
    monitor->runtime = 0;
    monitor->stage = MONITOR_STAGE_OVER; /* for gantry's gc */
}

static void container_end(struct monitor *monitor, int status)
{
    monitor->how = (struct monitor_exit){
        .code = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
        .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
        .wall_ns = clock_ns(CLOCK_REALTIME),
        .monotonic_ns = clock_ns(CLOCK_MONOTONIC),
    };
    monitor->init = 0;
    monitor->stage = MONITOR_STAGE_EXITED;
    monitor->deadline = 0;
    monitor->owner.outcome_due = true;
    monitor_helper_kill_all(monitor);
    if (monitor->owner.fd < 0) {
        keep_rest(monitor);
        monitor_directory_write_tail(monitor->rings);
    }
    monitor_directory_write_exit(&monitor->how);
    if (monitor->owner.fd < 0)
        monitor_container_orphaned(monitor);
}

static int signal_container(const struct monitor *monitor, int number)
{
    return (int)syscall(SYS_pidfd_send_signal, monitor->pidfd, number, NULL, 0);
}

static void begin_to_die(struct monitor *monitor)
{
    monitor->dying = true;
    monitor->deadline = monitor_now_ms() + monitor->options.grace_ms;
    signal_container(monitor, SIGTERM);
}

void monitor_container_orphaned(struct monitor *monitor)
{
    bool dies = monitor->options.dies_with_owner;

    switch (monitor->stage) {
    case MONITOR_STAGE_PREPARED:
        if (dies)
            container_finish(monitor);
        else
            unlink(MONITOR_FILE_LOCK);
        monitor->stage = MONITOR_STAGE_OVER;
        break;
    case MONITOR_STAGE_RUNNING:
        if (dies && !monitor->dying)
            begin_to_die(monitor);
        break;
    case MONITOR_STAGE_EXITED:
    case MONITOR_STAGE_FAILED:
        if (monitor->purging)
            break; /* the delete command would be killed with them */
        if (dies) {
            container_clean(monitor);
        } else {
            keep_rest(monitor);
            monitor_directory_write_tail(monitor->rings);
            monitor->stage = MONITOR_STAGE_OVER;
        }
        break;
    default:
        break;
    }
}

/* ---- its start ---- */

static void created(struct monitor *monitor, pid_t pid)
{
    monitor->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (monitor->pidfd < 0) {
        monitor_container_fail(monitor, "pid", errno);
        return;
    }
    monitor->init = pid;
    monitor->container = pid;
    monitor->stage = MONITOR_STAGE_RUNNING;
    monitor->deadline = 0;
    monitor->owner.created_due = true;
    if (monitor->owner.fd < 0)
        monitor_container_orphaned(monitor);
}

/* A runtime whose monitor is killed creates no container that nobody knows of. */
static void run(struct monitor *monitor)
{
    const int input = monitor->options.input >= 0 ? monitor->options.input : monitor->null;
    const struct monitor_child child = {.arguments = monitor->options.run,
                                        .fds = {input, monitor->writers[0], monitor->writers[1]},
                                        .count = 3,
                                        .dies_with_us = !monitor->options.foreground};
    pid_t pid = 0;
    int error = monitor_run(&child, &pid);

    close_fd(&monitor->writers[0]);
    close_fd(&monitor->writers[1]);
    close_fd(&monitor->options.input);
    if (error != 0) {
        monitor_container_fail(monitor, "exec", error);
    } else if (monitor->options.foreground) {
        created(monitor, pid);
    } else {
        monitor->runtime = pid;
        monitor->deadline = monitor_now_ms() + monitor->options.deadline_ms;
    }
}

void monitor_container_start(struct monitor *monitor)
{
    monitor->stage = MONITOR_STAGE_STARTING;
    monitor->listener = monitor_directory_listen();
    if (monitor->listener < 0)
        monitor_container_fail(monitor, "listen", errno);
    else
        run(monitor);
}

/* A child of this process that has ended or not: the container's first process may have, and is reaped later. */
static bool is_child(pid_t pid)
{
    siginfo_t info;

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void runtime_ended(struct monitor *monitor, int status)
{
    monitor->runtime = 0;
    if (WIFSIGNALED(status))
        monitor_container_fail(monitor, "exited", 128 + WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        monitor_container_fail(monitor, "exited", WEXITSTATUS(status));
    else
        monitor->awaited = monitor_directory_pid();
}

/* The runtime has ended well, and yet its own child may live that is the parent of the container's first process: crun
 * ends before the one that it has left to work. Only with that one's end does the container become a child of this
 * process. */
static void await_container(struct monitor *monitor)
{
    siginfo_t ended;

    do {
        if (monitor->awaited > 0 && is_child(monitor->awaited)) {
            created(monitor, monitor->awaited);
            return;
        }
        ended.si_pid = 0;
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) < 0) {
            monitor_container_fail(monitor, "pid", 0);
            return;
        }
        if (ended.si_pid > 0 && ended.si_pid != monitor->awaited)
            waitpid(ended.si_pid, NULL, 0);
    } while (ended.si_pid > 0);
}

static void delete_ended(struct monitor *monitor, int status)
{
    bool gone = WIFEXITED(status) && WEXITSTATUS(status) == 0;

    monitor->runtime = 0;
    monitor->deadline = 0;
    /* A runtime that has created nothing need not know of it; else what it could not delete is left to gantry's gc. */
    if (gone || monitor->before_cleaning == MONITOR_STAGE_FAILED)
        container_finish(monitor);
    else
        monitor->stage = MONITOR_STAGE_OVER;
}

/* ---- what children do ---- */

/* While the runtime is at work, only that one is reaped: the container's first process, whose number is not known yet,
 * may have ended already. */
static void reap_runtime(struct monitor *monitor)
{
    int status;

    if (monitor->runtime > 0 && waitpid(monitor->runtime, &status, WNOHANG) == monitor->runtime)
        runtime_ended(monitor, status);
    if (monitor->stage == MONITOR_STAGE_STARTING && monitor->runtime == 0)
        await_container(monitor);
}

/* Whose parent was killed is a child of this process by then, and killed in its turn. */
static void purge(struct monitor *monitor, bool all_gone)
{
    monitor->purging = !all_gone;
    if (!all_gone)
        monitor_kill_children();
    else if (monitor->owner.fd < 0)
        monitor_container_orphaned(monitor);
}

void monitor_container_reap(struct monitor *monitor)
{
    int status;
    pid_t pid;

    if (monitor->stage == MONITOR_STAGE_STARTING)
        reap_runtime(monitor);
    if (monitor->stage == MONITOR_STAGE_STARTING)
        return;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == monitor->init && monitor->stage == MONITOR_STAGE_RUNNING)
            container_end(monitor, status);
        else if (pid == monitor->runtime && monitor->stage == MONITOR_STAGE_CLEANING)
            delete_ended(monitor, status);
        else if (monitor_helper_ended(monitor, pid, status) && monitor->stage == MONITOR_STAGE_RUNNING)
            signal_container(monitor, SIGKILL); /* which would go on half dead, and perhaps with nobody to see it */
    }
    if (monitor->purging)
        purge(monitor, pid < 0);
}

void monitor_container_late(struct monitor *monitor)
{
    monitor->deadline = 0;
    switch (monitor->stage) {
    case MONITOR_STAGE_STARTING:
        monitor->runtime = 0;
        monitor->purging = true;
        monitor_kill_children();
        monitor_container_fail(monitor, "deadline", 0);
        break;
    case MONITOR_STAGE_RUNNING:
        signal_container(monitor, SIGKILL);
        if (monitor->options.foreground)
            monitor_kill_children();
        break;
    case MONITOR_STAGE_CLEANING:
        monitor_kill_children();
        monitor->stage = MONITOR_STAGE_OVER; /* for gantry's gc */
        break;
    default:
        break;
    }
}
