/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc.c: calls, and what their owners do with them. */
#include "core/grpc/grpc.h"

#include "core/grpc/grpc_internal.h"

#include <stdio.h>

/* ---- the life of a call ---- */

static void expire(void *data)
{
    struct gantry_grpc_call *call = data;

    gantry_grpc_enter(call->connection);
    gantry_grpc_session_reset(call, NGHTTP2_CANCEL);
    gantry_grpc_call_expire(call);
    gantry_grpc_run(call->connection);
}

static int call_begin(struct gantry_grpc_call *call, const struct gantry_grpc_call_options *options,
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
    gantry_grpc_has_output(connection);
    return gantry_grpc_call_set_deadline(call, options->timeout_ns, expire, err);
}

int gantry_grpc_call_new(struct gantry_grpc *connection, const struct gantry_grpc_call_options *options,
                         struct gantry_grpc_call **call, struct gantry_error *err)
{
    struct gantry_grpc_call *made;

    if (options->path[0] != '/')
        return gantry_fail(err, "ADDRESS_INVALID", "call '%s': the path must be /package.Service/Method",
                           options->path);
    made = gantry_grpc_call_make(connection, options);
    if (made == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "call %s: out of memory", options->path);
    if (call_begin(made, options, err) < 0) {
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
    if (call->stream != GANTRY_GRPC_NO_STREAM) {
        gantry_grpc_session_reset(call, NGHTTP2_CANCEL);
        gantry_grpc_has_output(call->connection);
    }
    gantry_grpc_call_destroy(call);
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
    gantry_grpc_has_output(call->connection);
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
    gantry_grpc_has_output(call->connection);
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
    if (call->connection != NULL && !call->end_delivered)
        gantry_grpc_call_is_ready(call);
}
