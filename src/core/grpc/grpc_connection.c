/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_connection.c: the life of a connection: bytes between socket, TLS and session, and the turn to call back.
 *
 * Whatever happens in a step ends in gantry_grpc_run, which calls back. What there is to send goes out at the step's
 * end, so that one system call carries all that callbacks and tasks have started in it. */
#include "core/grpc/grpc_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUTPUT_ROUND (64UL * 1024) /* bytes collected before they are sent */
#define OUTPUT_ROUNDS 16           /* of those in one step, so that others have their turn */
#define INPUT_SIZE (16UL * 1024)   /* read at once, on the stack: most connections are at rest most of the time */
#define INPUT_ROUNDS 16            /* of those in one step, unless what they held was work enough */
#define DRAIN_STEPS 64             /* for what a peer has still said that takes no more */
#define DEFAULT_AUTHORITY "localhost"

/* ---- the end ---- */

static void close_transport(struct gantry_grpc *connection)
{
    gantry_watch_free(connection->watch);
    connection->watch = NULL;
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
    gantry_timer_free(connection->connect_timer);
    connection->connect_timer = NULL;
    nghttp2_session_del(connection->session);
    connection->session = NULL;
    gantry_tls_free(connection->tls);
    connection->tls = NULL;
    gantry_buffer_free(&connection->plain);
    gantry_buffer_free(&connection->output);
}

void gantry_grpc_lose(struct gantry_grpc *connection, const struct gantry_error *why)
{
    if (connection->state == GANTRY_GRPC_CLOSED)
        return;
    connection->state = GANTRY_GRPC_CLOSED;
    connection->closing = *why;
    connection->closed_pending = true;
    for (struct gantry_list *link = connection->calls.next; link != &connection->calls; link = link->next) {
        struct gantry_grpc_call *call = GANTRY_LIST_ENTRY(link, struct gantry_grpc_call, in_calls);

        call->stream = GANTRY_GRPC_NO_STREAM;
        call->is_deferred = false;
        gantry_grpc_call_end(call, GANTRY_GRPC_UNAVAILABLE, connection->closing.message);
    }
    close_transport(connection);
    gantry_grpc_schedule(connection);
}

static void release(struct gantry_grpc *connection)
{
    gantry_timer_free(connection->run_timer);
    gantry_deferred_free(connection->send_all);
    free(connection);
}

/* ---- sending ---- */

/* An error of TLS knows nothing of the connection. */
static int name_peer(const struct gantry_grpc *connection, struct gantry_error *err)
{
    return gantry_error_wrap(err, "connection to %s", connection->peer);
}

/* Returns 1 where all has gone, 0 where the socket takes no more for now, -1 where it is broken. */
static int send_output(struct gantry_grpc *connection, struct gantry_error *err)
{
    struct gantry_buffer *output = &connection->output;

    while (gantry_buffer_length(output) > 0) {
        ssize_t sent = send(connection->fd, gantry_buffer_front(output), gantry_buffer_length(output), MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (sent < 0)
            return gantry_fail_errno(err, errno, "GRPC_CONNECTION_LOST", "send to %s", connection->peer);
        gantry_buffer_consume(output, (size_t)sent);
    }
    return 1;
}

/* Collects the next bytes for the socket, through TLS where there is one. */
static int fill_output(struct gantry_grpc *connection, struct gantry_error *err)
{
    struct gantry_buffer *plain = &connection->plain;

    if (connection->tls == NULL)
        return gantry_grpc_session_fill(connection, &connection->output, OUTPUT_ROUND, err);
    if (connection->state == GANTRY_GRPC_OPEN) {
        if (gantry_grpc_session_fill(connection, plain, OUTPUT_ROUND, err) < 0)
            return -1;
        if (gantry_buffer_length(plain) > 0) {
            if (gantry_tls_write(connection->tls, gantry_buffer_front(plain), gantry_buffer_length(plain), err) < 0)
                return name_peer(connection, err);
            gantry_buffer_consume(plain, gantry_buffer_length(plain));
        }
    }
    return gantry_tls_take(connection->tls, &connection->output, err) < 0 ? name_peer(connection, err) : 0;
}

/* After the last round there is output left, which waits for the socket to be writable. */
static int flush(struct gantry_grpc *connection, struct gantry_error *err)
{
    for (int round = 0; round < OUTPUT_ROUNDS; round++) {
        int sent = send_output(connection, err);

        if (sent <= 0)
            return sent;
        if (fill_output(connection, err) < 0)
            return -1;
        if (gantry_buffer_length(&connection->output) == 0)
            break;
    }
    return 0;
}

/* ---- receiving ---- */

static int fail_at_end(const struct gantry_grpc *connection, struct gantry_error *err)
{
    if (connection->state == GANTRY_GRPC_SHAKING_HANDS)
        return gantry_fail(err, "TLS_FAILED",
                           "connection to %s: the peer closed it during the TLS handshake; does it speak TLS?",
                           connection->peer);
    return gantry_fail(err, "GRPC_CONNECTION_LOST", "receive from %s: the peer closed the connection%s%s",
                       connection->peer, connection->complaint[0] != '\0' ? "; before that: " : "",
                       connection->complaint);
}

static int shake_hands(struct gantry_grpc *connection, struct gantry_error *err)
{
    bool done = false;

    if (gantry_tls_handshake(connection->tls, &done, err) < 0)
        return name_peer(connection, err);
    if (done)
        connection->state = GANTRY_GRPC_OPEN;
    return 0;
}

static int receive_plain(struct gantry_grpc *connection, struct gantry_error *err)
{
    uint8_t bytes[INPUT_SIZE];
    ssize_t length;

    while ((length = gantry_tls_read(connection->tls, bytes, sizeof bytes, err)) > 0) {
        if (gantry_grpc_session_receive(connection, bytes, (size_t)length, err) < 0)
            return -1;
    }
    if (length < 0)
        return name_peer(connection, err);
    return gantry_tls_has_ended(connection->tls) ? fail_at_end(connection, err) : 0;
}

static int take_input(struct gantry_grpc *connection, const uint8_t *bytes, size_t length, struct gantry_error *err)
{
    if (connection->tls == NULL)
        return gantry_grpc_session_receive(connection, bytes, length, err);
    if (gantry_tls_feed(connection->tls, bytes, length, err) < 0)
        return name_peer(connection, err);
    if (connection->state == GANTRY_GRPC_SHAKING_HANDS && shake_hands(connection, err) < 0)
        return -1;
    return connection->state == GANTRY_GRPC_OPEN ? receive_plain(connection, err) : 0;
}

/* Reads what has come, as much as one step may. Returns 1 where more may be there, 0 where not, -1 at an end. */
static int receive(struct gantry_grpc *connection, struct gantry_error *err)
{
    uint8_t bytes[INPUT_SIZE];

    connection->work = 0;
    for (int round = 0; round < INPUT_ROUNDS && connection->work < GANTRY_GRPC_STEP_WORK; round++) {
        ssize_t length = recv(connection->fd, bytes, sizeof bytes, 0);

        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (length < 0)
            return gantry_fail_errno(err, errno, "GRPC_CONNECTION_LOST", "receive from %s", connection->peer);
        if (length == 0)
            return fail_at_end(connection, err);
        if (take_input(connection, bytes, (size_t)length, err) < 0)
            return -1;
        if ((size_t)length < sizeof bytes)
            break;
    }
    return 1;
}

/* ---- the turn ---- */

static void deliver_ready(struct gantry_grpc *connection)
{
    if (!connection->ready_pending)
        return;
    connection->ready_pending = false;
    gantry_timer_free(connection->connect_timer);
    connection->connect_timer = NULL;
    if (connection->on_ready != NULL)
        connection->on_ready(connection->data);
}

static void deliver_call(struct gantry_grpc_call *call)
{
    if (!gantry_grpc_call_deliver_messages(call))
        return;
    gantry_grpc_session_return_window(call);
    gantry_grpc_call_deliver_end(call);
}

/* Those that become ready meanwhile have their turn in the next step: a call that is made anew whenever it fails
 * would keep this one going for ever. */
static void deliver_calls(struct gantry_grpc *connection)
{
    struct gantry_list turn;

    gantry_list_init(&turn);
    gantry_list_move_all(&connection->ready, &turn);
    while (!gantry_list_is_empty(&turn)) {
        struct gantry_list *link = turn.next;

        gantry_list_remove(link);
        deliver_call(GANTRY_LIST_ENTRY(link, struct gantry_grpc_call, in_ready));
    }
}

static void deliver_closed(struct gantry_grpc *connection)
{
    if (!connection->closed_pending || connection->is_freed)
        return;
    connection->closed_pending = false;
    if (connection->on_closed != NULL)
        connection->on_closed(connection->data, &connection->closing);
}

/* A socket that takes no more may still hold what the peer has said, and that may say why. It takes several steps where
 * it is long, and has an end where the peer finds none. */
static void drain_input(struct gantry_grpc *connection)
{
    struct gantry_error why = connection->closing;
    struct gantry_error last;
    int result = receive(connection, &last);

    if (result > 0 && connection->drain_steps-- > 0)
        return;
    gantry_grpc_lose(connection, result < 0 ? &last : &why);
}

static void send_all(void *data)
{
    struct gantry_grpc *connection = data;
    struct gantry_error err;

    if (connection->state != GANTRY_GRPC_OPEN && connection->state != GANTRY_GRPC_SHAKING_HANDS)
        return;
    if (!connection->is_draining && flush(connection, &err) < 0) {
        connection->is_draining = true;
        connection->closing = err;
        connection->drain_steps = DRAIN_STEPS;
    }
    if (connection->is_draining) {
        drain_input(connection);
        if (connection->state != GANTRY_GRPC_CLOSED)
            gantry_grpc_has_output(connection); /* the next piece, in the next step */
        return;
    }
    if (gantry_grpc_session_is_over(connection)) {
        gantry_fail(&err, connection->is_leaving ? "GRPC_CONNECTION_LOST" : "GRPC_PROTOCOL_FAILED",
                    "connection to %s: %s", connection->peer,
                    connection->complaint[0] != '\0' ? connection->complaint : "the HTTP/2 session is over");
        gantry_grpc_lose(connection, &err);
        return;
    }
    if (gantry_watch_modify(connection->watch,
                            gantry_buffer_length(&connection->output) > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN, &err) < 0)
        gantry_grpc_lose(connection, &err);
}

void gantry_grpc_enter(struct gantry_grpc *connection)
{
    connection->is_running = true;
}

void gantry_grpc_run(struct gantry_grpc *connection)
{
    deliver_ready(connection);
    deliver_calls(connection);
    deliver_closed(connection);
    connection->is_running = false;
    if (connection->is_freed) {
        release(connection);
        return;
    }
    gantry_grpc_has_output(connection);
    if (connection->closed_pending || !gantry_list_is_empty(&connection->ready))
        gantry_grpc_schedule(connection);
}

static void run_scheduled(void *data)
{
    struct gantry_grpc *connection = data;

    connection->is_scheduled = false;
    gantry_grpc_enter(connection);
    gantry_grpc_run(connection);
}

/* ---- events ---- */

static int finish_connecting(struct gantry_grpc *connection, struct gantry_error *err)
{
    socklen_t size = sizeof(int);
    int os_error = 0;

    if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &os_error, &size) < 0)
        os_error = errno;
    if (os_error != 0)
        return gantry_fail_errno(err, os_error, "GRPC_CONNECT_FAILED", "connect to %s", connection->peer);
    connection->state = connection->tls != NULL ? GANTRY_GRPC_SHAKING_HANDS : GANTRY_GRPC_OPEN;
    return connection->tls != NULL ? shake_hands(connection, err) : 0;
}

/* What TLS still has to say when a handshake fails is the reason, for the peer's log. */
static void send_alert(struct gantry_grpc *connection)
{
    struct gantry_error ignored;

    if (connection->tls != NULL && gantry_tls_take(connection->tls, &connection->output, &ignored) == 0)
        send_output(connection, &ignored);
}

static void socket_is_ready(void *data, uint32_t events)
{
    struct gantry_grpc *connection = data;
    struct gantry_error err;
    int result = 0;

    gantry_grpc_enter(connection);
    if (connection->state == GANTRY_GRPC_CONNECTING)
        result = finish_connecting(connection, &err);
    else if ((events & ~(uint32_t)EPOLLOUT) != 0 && !connection->is_draining)
        result = receive(connection, &err);
    if (result < 0) {
        send_alert(connection);
        gantry_grpc_lose(connection, &err);
    }
    gantry_grpc_run(connection);
}

static void connecting_took_too_long(void *data)
{
    struct gantry_grpc *connection = data;
    static const char *const waited_for[] = {"the connection was not accepted", "the TLS handshake was not finished",
                                             "the peer did not answer in HTTP/2", ""};
    struct gantry_error err;

    gantry_grpc_enter(connection);
    gantry_fail(&err, "GRPC_TIMEOUT", "connect to %s: %s in time", connection->peer, waited_for[connection->state]);
    gantry_grpc_lose(connection, &err);
    gantry_grpc_run(connection);
}

/* ---- the beginning ---- */

static int connection_set_up(struct gantry_grpc *connection, const struct gantry_grpc_options *options,
                             struct gantry_error *err)
{
    if (gantry_timer_new(connection->loop, run_scheduled, connection, &connection->run_timer, err) < 0 ||
        gantry_deferred_new(connection->loop, send_all, connection, &connection->send_all, err) < 0 ||
        gantry_grpc_session_new(connection, err) < 0)
        return -1;
    if (options->tls != NULL && gantry_tls_new(options->tls, &connection->tls, err) < 0)
        return gantry_error_wrap(err, "connect to %s", connection->peer);
    if (options->connect_timeout_ns > 0) {
        if (gantry_timer_new(connection->loop, connecting_took_too_long, connection, &connection->connect_timer, err) <
            0)
            return -1;
        gantry_timer_set(connection->connect_timer, options->connect_timeout_ns);
    }
    return 0;
}

static int connection_start(struct gantry_grpc *connection, const struct gantry_grpc_options *options,
                            struct gantry_error *err)
{
    struct gantry_error refusal;
    int opened = gantry_grpc_open_socket(connection, options, &refusal);

    if (opened < 0) {
        *err = refusal;
        return -1;
    }
    if (connection_set_up(connection, options, err) < 0)
        return -1;
    if (opened > 0) {
        gantry_grpc_lose(connection, &refusal);
        return 0;
    }
    return gantry_watch_new(connection->loop, connection->fd, EPOLLIN | EPOLLOUT, socket_is_ready, connection,
                            &connection->watch, err);
}

static struct gantry_grpc *make_connection(struct gantry_loop *loop, const struct gantry_grpc_options *options)
{
    const char *name = options->tls != NULL ? options->tls->server_name : NULL;
    struct gantry_grpc *connection = calloc(1, sizeof *connection);

    if (connection == NULL)
        return NULL;
    connection->loop = loop;
    connection->fd = -1;
    connection->on_ready = options->on_ready;
    connection->on_closed = options->on_closed;
    connection->data = options->data;
    snprintf(connection->authority, sizeof connection->authority, "%s", name != NULL ? name : DEFAULT_AUTHORITY);
    gantry_list_init(&connection->calls);
    gantry_list_init(&connection->ready);
    return connection;
}

int gantry_grpc_connect(struct gantry_loop *loop, const struct gantry_grpc_options *options,
                        struct gantry_grpc **connection, struct gantry_error *err)
{
    struct gantry_grpc *made = make_connection(loop, options);

    if (made == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "connect: out of memory");
    if (connection_start(made, options, err) < 0) {
        gantry_grpc_free(made);
        return -1;
    }
    *connection = made;
    return 0;
}

void gantry_grpc_free(struct gantry_grpc *connection)
{
    if (connection == NULL)
        return;
    connection->state = GANTRY_GRPC_CLOSED;
    connection->ready_pending = false;
    while (!gantry_list_is_empty(&connection->calls))
        gantry_grpc_call_detach(GANTRY_LIST_ENTRY(connection->calls.next, struct gantry_grpc_call, in_calls));
    close_transport(connection);
    connection->is_freed = true;
    if (!connection->is_running)
        release(connection);
}
