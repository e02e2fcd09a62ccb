/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c: gantry-monitor. It becomes a process of its own, and from then on does what one of its descriptors asks. */
#include "monitor/children.h"
#include "monitor/state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { SIGNALS, LISTENER, OWNER, PIPES, GUESTS = PIPES + 2, ALL = GUESTS + MONITOR_MOST_GUESTS };

/* A runtime moves processes into the container's cgroups, and the kernel has the first that does so after a pause wait
 * for all processors to have come by (synchronize_rcu, of cgroup_threadgroup_rwsem: about 10 ms). Moving this process
 * to where it is has the same wait, which is over by the time that the runtime has got so far. */
static void have_cgroups_ready(const struct monitor_options *options)
{
    int fd;

    close(MONITOR_CONNECTION);
    if (options->input >= 0)
        close(options->input);
    fd = open(options->own_cgroup, O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)!write(fd, "0", 1);
}

/* Two forks, so that whoever started it is told of the end of the first soon, and never of this one's. */
static int detach(const struct monitor_options *options)
{
    pid_t pid = fork();

    if (pid > 0 && options->own_cgroup != NULL)
        have_cgroups_ready(options);
    if (pid != 0)
        _exit(pid > 0 ? 0 : 1);
    if (setsid() < 0)
        return -1;
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

/* No signal does anything to it: a service manager that stops a service sends some to the monitor as well, which has
 * its work yet to do. */
static int hold_signals(void)
{
    sigset_t all;
    sigset_t child;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    return signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void take_monitor_signals(struct monitor *monitor)
{
    struct signalfd_siginfo information;

    while (read(monitor->signals, &information, sizeof information) > 0)
        continue;
    monitor_container_reap(monitor);
}

static void watch(struct pollfd *entry, int fd, short events)
{
    *entry = (struct pollfd){.fd = fd, .events = events};
}

static int remaining_ms(const struct monitor *monitor)
{
    int64_t left;

    if (monitor->deadline == 0)
        return -1;
    left = monitor->deadline - monitor_now_ms();
    return left > 0 ? (int)left : 0;
}

/* Pipes are read only where nobody else does, and not after their end, which would be told for ever. */
static void monitor_watch_all(const struct monitor *monitor, struct pollfd entries[ALL])
{
    const struct monitor_owner *owner = &monitor->owner;
    bool reads = owner->fd < 0 && monitor->stage < MONITOR_STAGE_EXITED;

    watch(&entries[SIGNALS], monitor->signals, POLLIN);
    watch(&entries[LISTENER], monitor->listener, POLLIN);
    watch(&entries[OWNER], owner->fd, monitor_owner_is_slow(monitor) ? POLLIN | POLLOUT : POLLIN);
    for (int i = 0; i < 2; i++)
        watch(&entries[PIPES + i], reads && !monitor->pipe_ended[i] ? monitor->pipes[i] : -1, POLLIN);
    for (int i = 0; i < MONITOR_MOST_GUESTS; i++)
        watch(&entries[GUESTS + i], monitor->guests[i], POLLIN);
}

static void read_pipe(struct monitor *monitor, int which)
{
    if (monitor_ring_read(&monitor->rings[which], monitor->pipes[which]) == MONITOR_READ_END)
        monitor->pipe_ended[which] = true;
}

/* One thing a turn changes what the others mean, so that each is held against the state as it is by then. Guests come
 * last, since seating one moves the others. */
static void do_what_is_ready(struct monitor *monitor, const struct pollfd entries[ALL])
{
    for (int i = 0; i < 2; i++)
        if (entries[PIPES + i].revents != 0)
            read_pipe(monitor, i);
    if (entries[SIGNALS].revents != 0)
        take_monitor_signals(monitor);
    if (entries[OWNER].revents & ~POLLOUT)
        monitor_owner_ready(monitor);
    for (size_t i = 0; i < MONITOR_MOST_GUESTS; i++)
        if (entries[GUESTS + i].revents != 0 && monitor->stage != MONITOR_STAGE_OVER)
            monitor_owner_guest(monitor, i);
    if (entries[LISTENER].revents != 0)
        monitor_owner_accept(monitor);
}

static void live(struct monitor *monitor)
{
    struct pollfd entries[ALL];

    while (monitor->stage != MONITOR_STAGE_OVER) {
        monitor_owner_tell(monitor);
        if (monitor->stage == MONITOR_STAGE_OVER)
            break;
        monitor_watch_all(monitor, entries);
        if (poll(entries, ALL, remaining_ms(monitor)) < 0)
            continue;
        do_what_is_ready(monitor, entries);
        if (monitor->stage != MONITOR_STAGE_OVER && monitor->deadline != 0 && remaining_ms(monitor) == 0)
            monitor_container_late(monitor);
    }
}

/* Standard descriptors that are closed would be given to something else, and that be printed to. */
static int open_null(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

static void set_up(struct monitor *monitor)
{
    const char *failed;
    int error;

    monitor->owner.fd = MONITOR_CONNECTION;
    fcntl(MONITOR_CONNECTION, F_SETFD, FD_CLOEXEC);
    if (monitor->options.input >= 0)
        fcntl(monitor->options.input, F_SETFD, FD_CLOEXEC);
    failed = chdir(monitor->options.directory) < 0 ? "lock" : monitor_directory_lock(&monitor->options);
    error = errno;
    monitor->signals = hold_signals();
    monitor->null = open_null();
    if (failed == NULL && (monitor->signals < 0 || monitor->null < 0))
        failed = "pipes", error = errno;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && monitor->null >= 0; fd++)
        dup2(monitor->null, fd);
    if (failed != NULL)
        monitor_container_fail(monitor, failed, error);
    else
        monitor_container_prepare(monitor);
}

int main(int argc, char **argv)
{
    static struct monitor monitor = {
        .signals = -1, .listener = -1, .pidfd = -1, .pipes = {-1, -1}, .writers = {-1, -1}};
    const char *wrong = monitor_options_read(&monitor.options, argc, argv);

    for (size_t i = 0; i < MONITOR_MOST_GUESTS; i++)
        monitor.guests[i] = -1;
    if (wrong != NULL) {
        struct gantry_text text = gantry_text_begin("gantry-monitor: it is started by gantry alone; what is wrong:");

        gantry_text_word(&text, wrong);
        gantry_text_raw(&text, "\n");
        (void)!write(STDERR_FILENO, text.bytes, text.length);
        return 2;
    }
    if (detach(&monitor.options) < 0)
        return 1;
    set_up(&monitor);
    live(&monitor);
    if (monitor.purging)
        monitor_kill_children();
    if (monitor.listener >= 0)
        unlink(MONITOR_FILE_SOCKET);
    return 0;
}
