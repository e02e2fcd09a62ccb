/* SPDX-License-Identifier: Apache-2.0
 *
 * control_connection.c: the connections of the control server. The library drops one that is silent for too long; one
 * that sends a byte now and then would hold its place for ever, and there are only so many places. */
#include "core/control/control_internal.h"

#include <stdlib.h>
#include <sys/socket.h>

#define NS_PER_SECOND 1000000000LL
#define NEVER INT64_MAX

struct gantry_control_connection {
    struct gantry_list in_connections;
    int fd;
    int64_t due; /* when its request must be here, by the loop's clock */
};

static struct gantry_control_connection *connection_of(struct gantry_list *member)
{
    return GANTRY_LIST_ENTRY(member, struct gantry_control_connection, in_connections);
}

static void connections_set_timer(struct gantry_control *control)
{
    int64_t due = NEVER;

    for (struct gantry_list *member = control->connections.next; member != &control->connections; member = member->next)
        if (connection_of(member)->due < due)
            due = connection_of(member)->due;
    if (due == NEVER)
        gantry_timer_cancel(control->request_timer);
    else
        gantry_timer_set(control->request_timer, due - gantry_clock_ns());
}

static struct gantry_control_connection *find(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info != NULL ? info->socket_context : NULL;
}

static void set_due(struct gantry_control *control, struct gantry_control_connection *one, int64_t due)
{
    if (one == NULL)
        return;
    one->due = due;
    connections_set_timer(control);
}

void gantry_control_connection_start_deadline(struct gantry_control *control, struct MHD_Connection *connection)
{
    set_due(control, find(connection), gantry_clock_ns() + (int64_t)control->options.idle_seconds * NS_PER_SECOND);
}

void gantry_control_connection_stop_deadline(struct gantry_control *control, struct MHD_Connection *connection)
{
    set_due(control, find(connection), NEVER);
}

void gantry_control_connection_end_late(void *data)
{
    struct gantry_control *control = data;
    int64_t now = gantry_clock_ns();

    for (struct gantry_list *member = control->connections.next; member != &control->connections;
         member = member->next) {
        struct gantry_control_connection *one = connection_of(member);

        if (one->due > now)
            continue;
        shutdown(one->fd, SHUT_RDWR); /* the library sees its end, and closes it */
        one->due = NEVER;
    }
    connections_set_timer(control);
}

static struct gantry_control_connection *add(struct gantry_control *control, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct gantry_control_connection *one = info != NULL ? calloc(1, sizeof *one) : NULL;

    if (one == NULL)
        return NULL;
    one->fd = info->connect_fd;
    gantry_list_init(&one->in_connections);
    gantry_list_append(&control->connections, &one->in_connections);
    set_due(control, one, gantry_clock_ns() + (int64_t)control->options.idle_seconds * NS_PER_SECOND);
    return one;
}

static void drop(struct gantry_control *control, struct gantry_control_connection *one)
{
    /* Once the last place was taken the library does not look at new clients any more, until it is run with one free.
     */
    control->resumed = true;
    if (one == NULL)
        return;
    gantry_list_remove(&one->in_connections);
    free(one);
}

void gantry_control_connection_changed(void *data, struct MHD_Connection *connection, void **context,
                                       enum MHD_ConnectionNotificationCode how)
{
    if (how == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = add(data, connection);
        return;
    }
    drop(data, *context);
    *context = NULL;
}
