/* SPDX-License-Identifier: Apache-2.0
 *
 * control.c: the control server: its socket, and libmicrohttpd in the loop. */
#include "core/control/control_internal.h"
#include "core/system/unix_address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS_PER_MS 1000000LL
#define CONNECTION_MEMORY (32 * 1024)
#define BACKLOG 64

/* ---- the socket ---- */

static int control_set_access(const char *path, mode_t mode, gid_t group, struct gantry_error *err)
{
    if (group != (gid_t)-1 && chown(path, (uid_t)-1, group) < 0)
        return gantry_fail_errno(err, errno, "GROUP_NOT_ALLOWED", "give the control socket %s to group %u", path,
                                 group);
    if (chmod(path, mode) < 0)
        return gantry_fail_errno(err, errno, "CONTROL_FAILED", "set the mode of the control socket %s", path);
    return 0;
}

/* Binds beside the final name, and moves it there once it is as it should be. */
static int bind_and_move(int fd, const char *path, mode_t mode, gid_t group, struct gantry_error *err)
{
    struct sockaddr_un beside;
    char name[sizeof beside.sun_path + 8];

    snprintf(name, sizeof name, "%s.new", path);
    if (gantry_unix_address(name, &beside, err) < 0)
        return -1;
    unlink(name);
    if (bind(fd, (const struct sockaddr *)&beside, sizeof beside) < 0)
        return gantry_fail_errno(err, errno, "CONTROL_FAILED", "make the control socket %s", path);
    if (control_set_access(name, mode, group, err) == 0) {
        if (listen(fd, BACKLOG) == 0 && rename(name, path) == 0)
            return 0;
        gantry_fail_errno(err, errno, "CONTROL_FAILED", "listen on the control socket %s", path);
    }
    unlink(name);
    return -1;
}

int gantry_control_listen(const char *path, mode_t mode, gid_t group, int *fd, struct gantry_error *err)
{
    struct sockaddr_un address;
    int reason;
    int made;

    if (gantry_unix_address(path, &address, err) < 0)
        return -1;
    reason = gantry_unix_probe(&address, NULL);
    if (reason == 0 || reason == EAGAIN)
        return gantry_fail(err, "CONTROL_BUSY", "another gantry up serves the control socket %s; name another one",
                           path);
    made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0)
        return gantry_fail_errno(err, errno, "CONTROL_FAILED", "make the control socket %s", path);
    if (bind_and_move(made, path, mode, group, err) < 0) {
        close(made);
        return -1;
    }
    *fd = made;
    return 0;
}

/* ---- libmicrohttpd's callbacks ---- */

static enum MHD_Result queue(struct gantry_control_request *request)
{
    struct MHD_Response *response = request->response;
    enum MHD_Result result;

    request->response = NULL;
    result = MHD_queue_response(request->connection, request->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse_long_body(struct gantry_control_request *request)
{
    static char text[] = "{\"code\":\"REQUEST_TOO_LARGE\",\"message\":\"the request is too large\"}\n";

    request->status = MHD_HTTP_CONTENT_TOO_LARGE;
    request->response = MHD_create_response_from_buffer(sizeof text - 1, text, MHD_RESPMEM_PERSISTENT);
    return request->response != NULL ? queue(request) : MHD_NO;
}

static void control_take_body(struct gantry_control_request *request, const char *bytes, size_t count)
{
    if (gantry_buffer_length(&request->body) + count > request->control->options.body_limit ||
        gantry_buffer_append(&request->body, bytes, count) < 0)
        request->too_large = true;
}

/* Called with the headers, then for each piece of the body, then at its end, then again after each resume. */
static enum MHD_Result handle(void *data, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *bytes, size_t *count, void **state)
{
    struct gantry_control *control = data;
    struct gantry_control_request *request = *state;

    (void)version;
    if (request == NULL) {
        *state = gantry_control_request_new(control, connection, method, path);
        return *state != NULL ? MHD_YES : MHD_NO;
    }
    if (*count > 0) {
        control_take_body(request, bytes, *count);
        *count = 0;
        return MHD_YES;
    }
    if (request->response != NULL)
        return queue(request);
    if (request->too_large)
        return refuse_long_body(request);
    if (request->finished) /* given back, and memory was too short for an answer */
        return MHD_NO;
    if (!request->is_received) { /* once, however often the library asks */
        request->is_received = true;
        request->complete = true;
        gantry_control_connection_stop_deadline(control, connection);
    }
    gantry_control_request_suspend(request);
    return MHD_YES;
}

static void completed(void *data, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode how)
{
    (void)how;
    gantry_control_connection_start_deadline(data, connection);
    if (*state != NULL)
        gantry_control_request_gone(*state);
    *state = NULL;
}

/* ---- in the loop ---- */

static struct gantry_control_request *request_of(struct gantry_list *member)
{
    return GANTRY_LIST_ENTRY(member, struct gantry_control_request, in_requests);
}

static struct gantry_control_request *next_complete(const struct gantry_control *control)
{
    for (struct gantry_list *member = control->requests.next; member != &control->requests; member = member->next)
        if (request_of(member)->complete)
            return request_of(member);
    return NULL;
}

/* Hands over what came, with the library off the stack. False where the server was freed meanwhile. */
static bool control_deliver(struct gantry_control *control)
{
    struct gantry_control_request *request;
    bool freed = false;

    control->freed = &freed;
    while ((request = next_complete(control)) != NULL) {
        request->complete = false;
        request->owned = true;
        control->options.on_request(control->options.data, request);
        if (freed)
            return false;
    }
    control->freed = NULL;
    return true;
}

static void control_set_timer(struct gantry_control *control)
{
    MHD_UNSIGNED_LONG_LONG milliseconds;

    if (control->resumed)
        gantry_timer_set(control->timer, 0);
    else if (MHD_get_timeout(control->daemon, &milliseconds) == MHD_YES)
        gantry_timer_set(control->timer, (int64_t)milliseconds * NS_PER_MS);
    else
        gantry_timer_cancel(control->timer);
}

static void control_run(void *data)
{
    struct gantry_control *control = data;

    control->resumed = false;
    MHD_run(control->daemon);
    if (control_deliver(control))
        control_set_timer(control);
}

static void ready(void *data, uint32_t events)
{
    (void)events;
    control_run(data);
}

/* ---- life ---- */

static int control_start(struct gantry_control *control, struct gantry_loop *loop, struct gantry_error *err)
{
    const struct gantry_control_options *options = &control->options;
    const union MHD_DaemonInfo *info;

    control->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, control, MHD_OPTION_LISTEN_SOCKET, options->fd,
        MHD_OPTION_CONNECTION_LIMIT, options->connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, options->idle_seconds, MHD_OPTION_NOTIFY_COMPLETED,
        completed, control, MHD_OPTION_NOTIFY_CONNECTION, gantry_control_connection_changed, control, MHD_OPTION_END);
    if (control->daemon == NULL) {
        close(options->fd);
        return gantry_fail(err, "CONTROL_FAILED", "start the control server: libmicrohttpd refused");
    }
    info = MHD_get_daemon_info(control->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL)
        return gantry_fail(err, "CONTROL_FAILED", "start the control server: libmicrohttpd has no epoll here");
    if (gantry_timer_new(loop, control_run, control, &control->timer, err) < 0 ||
        gantry_timer_new(loop, gantry_control_connection_end_late, control, &control->request_timer, err) < 0)
        return -1;
    return gantry_watch_new(loop, info->epoll_fd, EPOLLIN, ready, control, &control->watch, err);
}

int gantry_control_open(struct gantry_loop *loop, const struct gantry_control_options *options,
                        struct gantry_control **control, struct gantry_error *err)
{
    struct gantry_control *made = calloc(1, sizeof *made);

    /* One that was handed over by a service manager has neither. */
    fcntl(options->fd, F_SETFD, FD_CLOEXEC);
    fcntl(options->fd, F_SETFL, fcntl(options->fd, F_GETFL) | O_NONBLOCK);
    if (made == NULL) {
        close(options->fd);
        return gantry_fail(err, "OUT_OF_MEMORY", "start the control server: out of memory");
    }
    made->options = *options;
    gantry_list_init(&made->connections);
    gantry_list_init(&made->requests);
    if (control_start(made, loop, err) < 0) {
        gantry_control_free(made);
        return -1;
    }
    *control = made;
    return 0;
}

void gantry_control_free(struct gantry_control *control)
{
    if (control == NULL)
        return;
    if (control->freed != NULL)
        *control->freed = true;
    gantry_watch_free(control->watch);
    /* The library must not be stopped with a connection on hold. Resuming ends none at once. */
    for (struct gantry_list *member = control->requests.next; member != &control->requests; member = member->next) {
        request_of(member)->finished = true;
        gantry_control_request_resume(request_of(member));
    }
    if (control->daemon != NULL)
        MHD_stop_daemon(control->daemon);
    gantry_timer_free(control->timer);
    gantry_timer_free(control->request_timer);
    free(control);
}
