/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc.c: calls, and what their owners do with them. */
#include "grpc.h"

#include "grpc_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS INT64_C(1000000)
#define REASON_SIZE 96

/* So much before the deadline may the peer find it reached: timeouts travel in whole units. */
#define DEADLINE_SLACK_NS (10 * NS_PER_MS)

/* ---- the life of a call ---- */

void gantry_grpc_call_is_ready(struct gantry_grpc_call *call)
{
    if (!gantry_grpc_link_is_alone(&call->in_ready))
        return;
    gantry_grpc_link_join(&call->connection->ready, &call->in_ready);
    gantry_grpc_schedule(call->connection);
}

static void say_deadline(const struct gantry_grpc_call *call, char reason[REASON_SIZE])
{
    snprintf(reason, REASON_SIZE, "the call had no end within its deadline of %" PRId64 " ms",
             call->timeout_ns / NS_PER_MS);
}

/* The peer runs by our deadline as well, and cancels the call at it: by its clock that can be a moment before ours. */
static bool is_deadline(const struct gantry_grpc_call *call, int status)
{
    return status == GANTRY_GRPC_CANCELLED && call->timeout_ns > 0 &&
           gantry_clock_ns() >= call->due_ns - DEADLINE_SLACK_NS;
}

void gantry_grpc_call_end(struct gantry_grpc_call *call, int status, const char *reason)
{
    char deadline[REASON_SIZE];

    if (call->has_ended)
        return;
    if (is_deadline(call, status)) {
        say_deadline(call, deadline);
        status = GANTRY_GRPC_DEADLINE_EXCEEDED;
        reason = deadline;
    }
    call->has_ended = true;
    call->status = status;
    snprintf(call->reason, sizeof call->reason, "%s", reason);
    gantry_timer_free(call->deadline);
    call->deadline = NULL;
    gantry_buffer_free(&call->outgoing);
    gantry_grpc_call_is_ready(call);
}

static void expire(void *data)
{
    struct gantry_grpc_call *call = data;
    char reason[REASON_SIZE];

    gantry_grpc_enter(call->connection);
    say_deadline(call, reason);
    gantry_grpc_session_reset(call, NGHTTP2_CANCEL);
    gantry_grpc_reader_clear(&call->reader);
    call->is_paused = false;
    gantry_grpc_call_end(call, GANTRY_GRPC_DEADLINE_EXCEEDED, reason);
    gantry_grpc_run(call->connection);
}

static int set_deadline(struct gantry_grpc_call *call, int64_t timeout_ns, struct gantry_error *err)
{
    if (timeout_ns == 0)
        return 0;
    call->timeout_ns = timeout_ns;
    call->due_ns = gantry_clock_ns() + timeout_ns;
    if (gantry_timer_new(call->connection->loop, expire, call, &call->deadline, err) < 0)
        return -1;
    gantry_timer_set(call->deadline, timeout_ns);
    return 0;
}

static int begin(struct gantry_grpc_call *call, const struct gantry_grpc_call_options *options,
                 struct gantry_error *err)
{
    struct gantry_grpc *connection = call->connection;
    char reason[sizeof connection->complaint + 64];

    if (connection->state == GANTRY_GRPC_CLOSED) {
        gantry_grpc_call_end(call, GANTRY_GRPC_UNAVAILABLE, connection->closing.message);
        return 0;
    }
    if (connection->is_leaving) {
        snprintf(reason, sizeof reason, "the connection takes no more calls: %s", connection->complaint);
        gantry_grpc_call_end(call, GANTRY_GRPC_UNAVAILABLE, reason);
        return 0;
    }
    if (gantry_grpc_session_submit(call, options, err) < 0)
        return -1;
    gantry_grpc_schedule(connection);
    return set_deadline(call, options->timeout_ns, err);
}

static struct gantry_grpc_call *make_call(struct gantry_grpc *connection,
                                          const struct gantry_grpc_call_options *options)
{
    struct gantry_grpc_call *call = calloc(1, sizeof *call);

    if (call == NULL)
        return NULL;
    call->connection = connection;
    call->stream = GANTRY_GRPC_NO_STREAM;
    call->window = options->window != 0 ? options->window : GANTRY_GRPC_DEFAULT_WINDOW;
    if (call->window > INT32_MAX)
        call->window = INT32_MAX;
    call->reader.limit = options->limit != 0 ? options->limit : GANTRY_GRPC_DEFAULT_LIMIT;
    call->on_message = options->on_message;
    call->on_end = options->on_end;
    call->data = options->data;
    gantry_grpc_answer_init(&call->answer);
    gantry_grpc_link_init(&call->in_calls);
    gantry_grpc_link_init(&call->in_ready);
    gantry_grpc_link_join(&connection->calls, &call->in_calls);
    return call;
}

int gantry_grpc_call_new(struct gantry_grpc *connection, const struct gantry_grpc_call_options *options,
                         struct gantry_grpc_call **call, struct gantry_error *err)
{
    struct gantry_grpc_call *made;

    if (options->path[0] != '/')
        return gantry_fail(err, "ADDRESS_INVALID", "call '%s': the path must be /package.Service/Method",
                           options->path);
    made = make_call(connection, options);
    if (made == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "call %s: out of memory", options->path);
    if (begin(made, options, err) < 0) {
        gantry_grpc_call_free(made);
        return -1;
    }
    *call = made;
    return 0;
}

void gantry_grpc_call_free(struct gantry_grpc_call *call)
{
    if (call == NULL)
        return;
    if (call->connection != NULL) {
        if (call->stream != GANTRY_GRPC_NO_STREAM) {
            gantry_grpc_session_reset(call, NGHTTP2_CANCEL);
            gantry_grpc_schedule(call->connection);
        }
        if (call->connection->told == call)
            call->connection->told = NULL;
    }
    gantry_grpc_link_leave(&call->in_calls);
    gantry_grpc_link_leave(&call->in_ready);
    gantry_timer_free(call->deadline);
    gantry_buffer_free(&call->outgoing);
    gantry_grpc_reader_clear(&call->reader);
    gantry_grpc_answer_free(&call->answer);
    free(call);
}

/* ---- our messages ---- */

int gantry_grpc_call_send(struct gantry_grpc_call *call, const void *bytes, size_t length, struct gantry_error *err)
{
    uint8_t prefix[GANTRY_GRPC_PREFIX_SIZE];

    if (call->is_finished)
        return gantry_fail(err, "GRPC_FINISHED", "send a message: the call has been finished");
    if (call->has_ended || call->connection == NULL)
        return 0;
    if (length > UINT32_MAX)
        return gantry_fail(err, "MESSAGE_TOO_LARGE", "send a message: %zu bytes are more than gRPC can carry", length);
    if (gantry_buffer_reserve(&call->outgoing, length + sizeof prefix) == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "send a message of %zu bytes: out of memory", length);
    gantry_grpc_write_prefix(prefix, (uint32_t)length);
    gantry_buffer_append(&call->outgoing, prefix, sizeof prefix);
    gantry_buffer_append(&call->outgoing, bytes, length);
    gantry_grpc_session_resume(call);
    gantry_grpc_schedule(call->connection);
    return 0;
}

size_t gantry_grpc_call_waiting(const struct gantry_grpc_call *call)
{
    return gantry_buffer_length(&call->outgoing);
}

void gantry_grpc_call_finish(struct gantry_grpc_call *call)
{
    call->is_finished = true;
    if (call->has_ended || call->connection == NULL)
        return;
    gantry_grpc_session_resume(call);
    gantry_grpc_schedule(call->connection);
}

/* ---- messages of the peer ---- */

void gantry_grpc_call_pause(struct gantry_grpc_call *call)
{
    call->is_paused = true;
}

void gantry_grpc_call_resume(struct gantry_grpc_call *call)
{
    if (!call->is_paused)
        return;
    call->is_paused = false;
    if (call->connection != NULL && !call->end_told)
        gantry_grpc_call_is_ready(call);
}

static void tell_message(struct gantry_grpc_call *call, struct gantry_grpc_message *message)
{
    if (call->on_message != NULL)
        call->on_message(call->data, message->bytes, message->length);
    free(message);
}

static void tell_end(struct gantry_grpc_call *call)
{
    bool has_own = call->reason[0] == '\0' && call->answer.message != NULL;
    struct gantry_grpc_end end = {
        .status = call->status,
        .message = has_own ? call->answer.message : call->reason,
        .message_length = has_own ? call->answer.message_length : strlen(call->reason),
        .trailers = call->answer.trailers,
        .trailer_count = call->answer.trailer_count,
    };

    call->end_told = true;
    if (call->on_end != NULL)
        call->on_end(call->data, &end);
}

void gantry_grpc_call_tell(struct gantry_grpc_call *call)
{
    struct gantry_grpc *connection = call->connection;
    struct gantry_grpc_message *message;

    connection->told = call;
    while (connection->told == call && !call->is_paused && (message = gantry_grpc_reader_take(&call->reader)) != NULL)
        tell_message(call, message);
    if (connection->told != call)
        return;
    connection->told = NULL;
    if (call->is_paused)
        return;
    gantry_grpc_session_return_window(call);
    if (call->has_ended && !call->end_told)
        tell_end(call);
}
