/* SPDX-License-Identifier: Apache-2.0
 *
 * monitor_helper.c: programs beside a container, and the container that waits for them. */
#include "core/monitor/monitor_internal.h"
#include "core/system/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOG_MODE 0600

int gantry_monitor_helper(struct gantry_monitor *monitor, const char *const *arguments, const int *fds, size_t count,
                          struct gantry_error *err)
{
    char payload[MONITOR_MESSAGE_SIZE - sizeof MONITOR_HELPER];
    size_t used = 0;

    for (size_t i = 0; arguments[i] != NULL; i++) {
        size_t size = strlen(arguments[i]) + 1;

        if (size > sizeof payload - used)
            return gantry_fail(err, "MONITOR_REFUSED", "start '%s' beside a container: its arguments are too long",
                               arguments[0]);
        memcpy(payload + used, arguments[i], size);
        used += size;
    }
    return gantry_monitor_send(monitor, MONITOR_HELPER, payload, used, fds, count, err);
}

/* ---- one that says when it is ready ---- */

/* Of one that ends without a word, its monitor tells. */
static void helper_ready(void *data, uint32_t events)
{
    const struct gantry_monitor_event event = {.kind = GANTRY_MONITOR_HELPER_READY};
    struct gantry_monitor *monitor = data;
    char byte;
    ssize_t length = read(monitor->ready, &byte, 1);

    (void)events;
    gantry_monitor_drop_ready(monitor);
    if (length > 0)
        gantry_monitor_tell(monitor, &event);
}

static int open_log(const char *path, struct gantry_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, LOG_MODE);

    if (fd < 0)
        gantry_fail_errno(err, errno, "HELPER_FAILED", "open '%.300s' for what a helper says", path);
    return fd;
}

static int await_ready(struct gantry_monitor *monitor, int end[2], struct gantry_error *err)
{
    gantry_monitor_drop_ready(monitor);
    if (pipe2(end, O_CLOEXEC) < 0)
        return gantry_fail_errno(err, errno, "HELPER_FAILED", "wait for a helper");
    monitor->ready = end[0];
    if (gantry_watch_new(monitor->loop, end[0], EPOLLIN, helper_ready, monitor, &monitor->ready_watch, err) == 0)
        return 0;
    gantry_monitor_drop_ready(monitor);
    close(end[1]);
    return -1;
}

int gantry_monitor_ready_helper(struct gantry_monitor *monitor, const char *const *arguments, const char *log,
                                struct gantry_error *err)
{
    int fds[2] = {open_log(log, err), -1};
    int end[2] = {-1, -1};
    int result = -1;

    if (fds[0] >= 0 && await_ready(monitor, end, err) == 0) {
        fds[1] = end[1];
        result = gantry_monitor_helper(monitor, arguments, fds, 2, err);
        if (result < 0)
            gantry_monitor_drop_ready(monitor);
    }
    gantry_close(&fds[0]);
    gantry_close(&fds[1]);
    return result;
}

/* ---- a container that waits ---- */

int gantry_monitor_release(struct gantry_monitor *monitor, const void *bytes, size_t length, struct gantry_error *err)
{
    ssize_t sent = -1;

    errno = ENOTCONN;
    if (monitor->gate >= 0)
        sent = send(monitor->gate, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent != (ssize_t)length)
        gantry_fail_errno(err, errno, "GATE_GONE", "let a container go on that waits");
    gantry_close(&monitor->gate);
    return sent == (ssize_t)length ? 0 : -1;
}
