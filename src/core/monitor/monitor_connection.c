/* SPDX-License-Identifier: Apache-2.0
 *
 * monitor_connection.c: hears from a monitor, and from the container's process once there is no monitor. */
#include "core/monitor/monitor_internal.h"
#include "core/system/descriptor.h"
#include "core/system/packet.h"

#include <errno.h>
#include <sys/epoll.h>

static void container_ended(void *data, uint32_t events)
{
    struct gantry_monitor *monitor = data;
    struct gantry_monitor_event outcome = {.kind = GANTRY_MONITOR_EXIT, .code = -1};

    (void)events;
    gantry_watch_free(monitor->end_watch);
    monitor->end_watch = NULL;
    gantry_monitor_over(monitor, &outcome);
}

/* Its end is still seen; how it ended is not. */
static void watch_orphan(struct gantry_monitor *monitor)
{
    struct gantry_error err;

    monitor->is_adopting = false; /* no more kept output comes */
    gantry_monitor_read(monitor);
    if (!monitor->is_over && monitor->pidfd >= 0)
        gantry_watch_new(monitor->loop, monitor->pidfd, EPOLLIN, container_ended, monitor, &monitor->end_watch, &err);
}

static void lose_connection(struct gantry_monitor *monitor)
{
    const struct gantry_monitor_event lost = {.kind = GANTRY_MONITOR_LOST};

    gantry_monitor_drop_connection(monitor);
    watch_orphan(monitor);
    gantry_monitor_tell(monitor, &lost);
}

static void monitor_connection_ready(void *data, uint32_t events)
{
    struct gantry_monitor *monitor = data;
    int fds[GANTRY_PACKET_FDS];
    size_t count;
    ssize_t length = gantry_packet_receive(monitor->connection, monitor->bytes, sizeof monitor->bytes, fds, &count);

    (void)events;
    if (length > 0)
        gantry_monitor_hear(monitor, (size_t)length, fds, count);
    else if (length == 0 || (errno != EAGAIN && errno != EMSGSIZE))
        lose_connection(monitor);
}

int gantry_monitor_take_connection(struct gantry_monitor *monitor, int connection, struct gantry_error *err)
{
    monitor->connection = connection;
    return gantry_watch_new(monitor->loop, connection, EPOLLIN, monitor_connection_ready, monitor,
                            &monitor->connection_watch, err);
}
