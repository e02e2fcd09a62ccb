/* SPDX-License-Identifier: Apache-2.0
 *
 * monitor.c: what a monitor's owner holds: the connection, the pipes, the end. */
#include "core/monitor/monitor_internal.h"
#include "core/system/descriptor.h"
#include "core/system/packet.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define READ_SIZE 65536

void gantry_monitor_tell(struct gantry_monitor *monitor, const struct gantry_monitor_event *event)
{
    if (monitor->callbacks.on_event != NULL)
        monitor->callbacks.on_event(monitor->callbacks.data, event);
}

/* ---- the container's output and end ---- */

static void close_stream(struct gantry_monitor_stream *stream)
{
    gantry_watch_free(stream->watch);
    stream->watch = NULL;
    gantry_close(&stream->fd);
}

static bool stream_is_done(const struct gantry_monitor *monitor, const struct gantry_monitor_stream *stream)
{
    return stream->fd < 0 || (monitor->is_drained && stream->unread <= 0);
}

static void tell_outcome(struct gantry_monitor *monitor)
{
    if (!monitor->is_over || monitor->is_told)
        return;
    for (int i = 0; i < 2; i++)
        if (!stream_is_done(monitor, &monitor->streams[i]))
            return;
    for (int i = 0; i < 2; i++)
        close_stream(&monitor->streams[i]);
    gantry_timer_cancel(monitor->drain_timer);
    monitor->is_told = true;
    gantry_monitor_tell(monitor, &monitor->outcome);
}

static void monitor_drain_time_over(void *data)
{
    struct gantry_monitor *monitor = data;

    monitor->is_drained = true;
    tell_outcome(monitor);
}

/* All that the container has written is in its pipes by now. Who paused its output until it is started would wait for
 * ever where it is not: what a runtime has said is read all the same, which is a pipe's size at most. */
void gantry_monitor_over(struct gantry_monitor *monitor, const struct gantry_monitor_event *outcome)
{
    struct gantry_error ignored;

    if (monitor->is_over)
        return;
    monitor->is_over = true;
    monitor->outcome = *outcome;
    if (outcome->kind == GANTRY_MONITOR_FAILED && monitor->is_paused)
        gantry_monitor_pause(monitor, false, &ignored);
    for (int i = 0; i < 2; i++) {
        int available = 0;

        if (monitor->streams[i].fd >= 0 && ioctl(monitor->streams[i].fd, FIONREAD, &available) == 0)
            monitor->streams[i].unread = available;
    }
    gantry_timer_set(monitor->drain_timer, GANTRY_PROCESS_DRAIN_NS);
    tell_outcome(monitor);
}

static void monitor_stream_ready(void *data, uint32_t events)
{
    struct gantry_monitor_stream *stream = data;
    struct gantry_monitor *monitor = stream->monitor;
    char buffer[READ_SIZE];
    ssize_t length = read(stream->fd, buffer, sizeof buffer);

    (void)events;
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length <= 0) {
        close_stream(stream);
        tell_outcome(monitor);
        return;
    }
    stream->unread -= length;
    if (monitor->is_drained && stream->unread <= 0)
        gantry_timer_set(monitor->drain_timer, 0); /* the callback below may free the object, so: later */
    if (monitor->callbacks.on_output != NULL)
        monitor->callbacks.on_output(monitor->callbacks.data, stream->number, buffer, (size_t)length);
}

/* What cannot be watched is as good as at its end: the container's own end is told all the same. */
static void watch_stream(struct gantry_monitor *monitor, struct gantry_monitor_stream *stream)
{
    struct gantry_error err;

    if (stream->fd >= 0 && stream->watch == NULL &&
        gantry_watch_new(monitor->loop, stream->fd, EPOLLIN, monitor_stream_ready, stream, &stream->watch, &err) < 0)
        close_stream(stream);
}

void gantry_monitor_read(struct gantry_monitor *monitor)
{
    for (int i = 0; i < 2 && !monitor->is_paused && !monitor->is_adopting; i++)
        watch_stream(monitor, &monitor->streams[i]);
}

void gantry_monitor_take_pipes(struct gantry_monitor *monitor, const int fds[2])
{
    for (int i = 0; i < 2; i++) {
        close_stream(&monitor->streams[i]);
        monitor->streams[i].fd = fds[i];
    }
    gantry_monitor_read(monitor);
}

void gantry_monitor_take_pidfd(struct gantry_monitor *monitor, int fd)
{
    gantry_close(&monitor->pidfd);
    monitor->pidfd = fd;
}

/* ---- the connection ---- */

void gantry_monitor_drop_connection(struct gantry_monitor *monitor)
{
    gantry_watch_free(monitor->connection_watch);
    monitor->connection_watch = NULL;
    gantry_close(&monitor->connection);
}

int gantry_monitor_send(struct gantry_monitor *monitor, const char *head, const void *payload, size_t length,
                        const int *fds, size_t count, struct gantry_error *err)
{
    int error = ENOTCONN;

    if (monitor->connection >= 0)
        error = gantry_packet_send(monitor->connection, head, payload, length, fds, count);
    if (error == EMSGSIZE || error == EBADF)
        return gantry_fail_errno(err, error, "MONITOR_REFUSED", "say '%s' to a container's monitor", head);
    if (error != 0)
        return gantry_fail_errno(err, error, "MONITOR_GONE", "say '%s' to a container's monitor", head);
    return 0;
}

int gantry_monitor_start(struct gantry_monitor *monitor, struct gantry_error *err)
{
    return gantry_monitor_send(monitor, MONITOR_START, NULL, 0, NULL, 0, err);
}

void gantry_monitor_done(struct gantry_monitor *monitor)
{
    struct gantry_error ignored;

    gantry_monitor_send(monitor, MONITOR_BYE, NULL, 0, NULL, 0, &ignored);
    gantry_monitor_drop_connection(monitor);
}

/* ---- what is asked of it ---- */

int gantry_monitor_signal(struct gantry_monitor *monitor, int number, struct gantry_error *err)
{
    if (monitor->pidfd < 0)
        return gantry_fail(err, "MONITOR_NOT_RUNNING", "send signal %d to a container: it is not created yet", number);
    if (pidfd_send_signal(monitor->pidfd, number, NULL, 0) == 0)
        return 0;
    if (errno == ESRCH)
        return gantry_fail(err, "PROCESS_ENDED", "signal process %d: it has ended", (int)monitor->pid);
    return gantry_fail_errno(err, errno, "SIGNAL_FAILED", "send signal %d to process %d", number, (int)monitor->pid);
}

/* Kept output comes over the connection, which is left alone for that time. */
int gantry_monitor_pause(struct gantry_monitor *monitor, bool paused, struct gantry_error *err)
{
    uint32_t events = paused && monitor->is_adopting ? 0 : EPOLLIN;

    monitor->is_paused = paused;
    for (int i = 0; i < 2; i++) {
        if (paused) {
            gantry_watch_free(monitor->streams[i].watch);
            monitor->streams[i].watch = NULL;
        }
    }
    gantry_monitor_read(monitor);
    return monitor->connection_watch != NULL ? gantry_watch_modify(monitor->connection_watch, events, err) : 0;
}

pid_t gantry_monitor_pid(const struct gantry_monitor *monitor)
{
    return monitor->pid;
}

void gantry_monitor_descriptors(const struct gantry_monitor *monitor, int fds[3])
{
    fds[0] = monitor->streams[0].fd;
    fds[1] = monitor->streams[1].fd;
    fds[2] = monitor->pidfd;
}

/* ---- the object ---- */

void gantry_monitor_drop_ready(struct gantry_monitor *monitor)
{
    gantry_watch_free(monitor->ready_watch);
    monitor->ready_watch = NULL;
    gantry_close(&monitor->ready);
}

struct gantry_monitor *gantry_monitor_new(struct gantry_loop *loop, const struct gantry_monitor_callbacks *callbacks,
                                          struct gantry_error *err)
{
    struct gantry_monitor *monitor = calloc(1, sizeof *monitor);

    if (monitor == NULL) {
        gantry_fail(err, "OUT_OF_MEMORY", "watch a container: out of memory");
        return NULL;
    }
    monitor->loop = loop;
    monitor->callbacks = *callbacks;
    monitor->connection = -1;
    monitor->pidfd = -1;
    monitor->gate = -1;
    monitor->ready = -1;
    for (int i = 0; i < 2; i++)
        monitor->streams[i] = (struct gantry_monitor_stream){.monitor = monitor, .fd = -1, .number = i + 1};
    if (gantry_timer_new(loop, monitor_drain_time_over, monitor, &monitor->drain_timer, err) < 0) {
        gantry_monitor_free(monitor);
        return NULL;
    }
    return monitor;
}

void gantry_monitor_free(struct gantry_monitor *monitor)
{
    if (monitor == NULL)
        return;
    gantry_monitor_drop_connection(monitor);
    gantry_process_free(monitor->starter);
    gantry_monitor_drop_ready(monitor);
    gantry_close(&monitor->gate);
    gantry_watch_free(monitor->end_watch);
    gantry_timer_free(monitor->drain_timer);
    for (int i = 0; i < 2; i++)
        close_stream(&monitor->streams[i]);
    gantry_close(&monitor->pidfd);
    free(monitor);
}
