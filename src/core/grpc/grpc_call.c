/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_call.c: a call as the rest of the client sees it: its memory, its deadline, its end, and what it has to tell. */
#include "core/grpc/grpc_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES_A_TURN 1024
#define NS_PER_MS INT64_C(1000000)
#define REASON_SIZE 96

/* So much before the deadline may the peer find it reached: timeouts travel in whole units. */
#define DEADLINE_SLACK_NS (10 * NS_PER_MS)

/* ---- its memory ---- */

struct gantry_grpc_call *gantry_grpc_call_make(struct gantry_grpc *connection,
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
    gantry_list_init(&call->in_calls);
    gantry_list_init(&call->in_ready);
    gantry_list_append(&connection->calls, &call->in_calls);
    return call;
}

void gantry_grpc_call_detach(struct gantry_grpc_call *call)
{
    if (call->connection != NULL && call->connection->delivering == call)
        call->connection->delivering = NULL;
    gantry_list_remove(&call->in_calls);
    gantry_list_remove(&call->in_ready);
    gantry_timer_free(call->deadline);
    call->deadline = NULL;
    call->stream = GANTRY_GRPC_NO_STREAM;
    call->connection = NULL;
}

void gantry_grpc_call_destroy(struct gantry_grpc_call *call)
{
    gantry_grpc_call_detach(call);
    gantry_buffer_free(&call->outgoing);
    gantry_grpc_reader_clear(&call->reader);
    gantry_grpc_answer_free(&call->answer);
    free(call->reason);
    free(call);
}

/* ---- its turn ---- */

void gantry_grpc_has_output(struct gantry_grpc *connection)
{
    gantry_deferred_set(connection->send_all);
}

void gantry_grpc_schedule(struct gantry_grpc *connection)
{
    if (connection->is_running || connection->is_scheduled)
        return;
    connection->is_scheduled = true;
    gantry_timer_set(connection->run_timer, 0);
}

void gantry_grpc_call_is_ready(struct gantry_grpc_call *call)
{
    if (!gantry_list_is_empty(&call->in_ready))
        return;
    gantry_list_append(&call->connection->ready, &call->in_ready);
    gantry_grpc_schedule(call->connection);
}

/* ---- its end ---- */

int gantry_grpc_call_set_deadline(struct gantry_grpc_call *call, int64_t timeout_ns, gantry_timer_fn *expired,
                                  struct gantry_error *err)
{
    if (timeout_ns == 0)
        return 0;
    call->timeout_ns = timeout_ns;
    call->due_ns = gantry_clock_ns() + timeout_ns;
    if (gantry_timer_new(call->connection->loop, expired, call, &call->deadline, err) < 0)
        return -1;
    gantry_timer_set(call->deadline, timeout_ns);
    return 0;
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
    call->reason = reason[0] != '\0' ? strdup(reason) : NULL;
    gantry_timer_free(call->deadline);
    call->deadline = NULL;
    gantry_buffer_free(&call->outgoing);
    gantry_grpc_call_is_ready(call);
}

void gantry_grpc_call_expire(struct gantry_grpc_call *call)
{
    char reason[REASON_SIZE];

    say_deadline(call, reason);
    gantry_grpc_reader_clear(&call->reader);
    call->is_paused = false;
    gantry_grpc_call_end(call, GANTRY_GRPC_DEADLINE_EXCEEDED, reason);
}

/* ---- its callbacks ---- */

static void deliver_message(struct gantry_grpc_call *call, struct gantry_grpc_message *message)
{
    if (call->on_message != NULL)
        call->on_message(call->data, message->bytes, message->length);
    free(message);
}

/* A message takes five bytes at least, so many of them may have come at once: what is over a turn has the next one, and
 * until all are told, the peer's window stays as it is. */
bool gantry_grpc_call_deliver_messages(struct gantry_grpc_call *call)
{
    struct gantry_grpc *connection = call->connection;
    struct gantry_grpc_message *message = NULL;
    int delivered = 0;

    connection->delivering = call;
    while (connection->delivering == call && !call->is_paused && delivered++ < MESSAGES_A_TURN &&
           (message = gantry_grpc_reader_take(&call->reader)) != NULL)
        deliver_message(call, message);
    if (connection->delivering != call)
        return false;
    connection->delivering = NULL;
    if (!call->is_paused && message != NULL)
        gantry_grpc_call_is_ready(call);
    return !call->is_paused && message == NULL;
}

void gantry_grpc_call_deliver_end(struct gantry_grpc_call *call)
{
    bool is_ours = call->reason != NULL || call->answer.message == NULL;
    const char *ours = call->reason != NULL ? call->reason : "";
    struct gantry_grpc_end end = {
        .status = call->status,
        .message = is_ours ? ours : call->answer.message,
        .message_length = is_ours ? strlen(ours) : call->answer.message_length,
        .trailers = call->answer.trailers,
        .trailer_count = call->answer.trailer_count,
    };

    if (!call->has_ended || call->end_delivered)
        return;
    call->end_delivered = true;
    if (call->on_end != NULL)
        call->on_end(call->data, &end);
}
