/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_session.c: gRPC in the terms of HTTP/2: all that nghttp2 sees and calls.
 *
 * Windows are ours: the connection's gets back every byte as it arrives, a stream's as its messages are told. So what
 * a paused call has not taken counts against its own window alone. A stream knows its call by its user data, which is
 * NULL once the two have parted. */
#include "core/grpc/grpc_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTION_WINDOW (8 * 1024 * 1024)
#define USER_AGENT "gantry/" GANTRY_VERSION
#define FIXED_FIELDS 8
#define MOST_CONTINUATIONS 256 /* frames of one header block; one of ours never needs any */

static struct gantry_grpc_call *find_call(nghttp2_session *session, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(session, stream);
}

static void leave_stream(struct gantry_grpc_call *call)
{
    nghttp2_session_set_stream_user_data(call->connection->session, call->stream, NULL);
    call->stream = GANTRY_GRPC_NO_STREAM;
}

void gantry_grpc_session_reset(struct gantry_grpc_call *call, uint32_t http2_error)
{
    int32_t stream = call->stream;

    if (stream == GANTRY_GRPC_NO_STREAM || call->connection->session == NULL)
        return;
    leave_stream(call);
    nghttp2_submit_rst_stream(call->connection->session, NGHTTP2_FLAG_NONE, stream, http2_error);
}

/* ---- what arrives ---- */

/* The peer has ended the stream: what its trailers say is the end of the call. */
static void conclude(struct gantry_grpc_call *call)
{
    char reason[sizeof call->answer.content_type + 128];
    int status = gantry_grpc_answer_status(&call->answer, reason, sizeof reason);

    if (status == GANTRY_GRPC_OK && gantry_grpc_reader_is_inside(&call->reader)) {
        status = GANTRY_GRPC_INTERNAL;
        snprintf(reason, sizeof reason, "the peer ended the call inside a message");
    }
    /* Nothing more of ours matters to the peer; a stream that both sides have ended is left alone. */
    if (call->has_sent_all)
        leave_stream(call);
    else
        gantry_grpc_session_reset(call, NGHTTP2_NO_ERROR);
    gantry_grpc_call_end(call, status, reason);
}

/* The words of a refusal that nghttp2 only knows as a failed callback. */
static int refuse(struct gantry_grpc *connection, const char *why)
{
    snprintf(connection->complaint, sizeof connection->complaint, "%s", why);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *frame, void *data)
{
    struct gantry_grpc *connection = data;

    (void)session;
    connection->work += GANTRY_GRPC_FRAME_WORK;
    connection->continuations = frame->type == NGHTTP2_CONTINUATION ? connection->continuations + 1 : 0;
    if (connection->continuations > MOST_CONTINUATIONS)
        return refuse(connection, "the peer sends headers without end");
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct gantry_grpc_call *call = find_call(session, frame->hd.stream_id);

    if (call != NULL && gantry_grpc_answer_begin(&call->answer, (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) < 0)
        return refuse(data, "the peer announces an answer over and over, and gives none");
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t value_length, uint8_t flags, void *data)
{
    struct gantry_grpc_call *call = find_call(session, frame->hd.stream_id);
    struct gantry_grpc *connection = data;

    (void)flags;
    connection->work += name_length + value_length;
    if (call == NULL || gantry_grpc_answer_field(&call->answer, (const char *)name, name_length, (const char *)value,
                                                 value_length) == 0)
        return 0;
    return refuse(connection, call->answer.block_size > GANTRY_GRPC_BLOCK_SIZE
                                  ? "the peer sends headers that are larger than 1 MiB"
                                  : "out of memory");
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t length,
                         void *data)
{
    struct gantry_grpc_call *call = find_call(session, stream);
    struct gantry_error err;

    (void)flags, (void)data;
    if (nghttp2_session_consume_connection(session, length) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (call == NULL)
        return 0;
    call->held += length;
    gantry_grpc_call_is_ready(call);
    if (!gantry_grpc_answer_is_grpc(&call->answer)) /* some page of a web server: the status says it */
        return 0;
    if (gantry_grpc_reader_feed(&call->reader, bytes, length, &err) < 0) {
        bool too_large = strcmp(err.code, "MESSAGE_TOO_LARGE") == 0;

        gantry_grpc_session_reset(call, NGHTTP2_CANCEL);
        gantry_grpc_call_end(call, too_large ? GANTRY_GRPC_RESOURCE_EXHAUSTED : GANTRY_GRPC_INTERNAL, err.message);
    }
    return 0;
}

static void note_leaving(struct gantry_grpc *connection, const nghttp2_goaway *goaway)
{
    connection->is_leaving = true;
    snprintf(connection->complaint, sizeof connection->complaint, "the peer is closing it (GOAWAY %s%s%.*s)",
             nghttp2_http2_strerror(goaway->error_code), goaway->opaque_data_len > 0 ? ": " : "",
             (int)(goaway->opaque_data_len < 128 ? goaway->opaque_data_len : 128),
             goaway->opaque_data_len > 0 ? (const char *)goaway->opaque_data : "");
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct gantry_grpc *connection = data;
    struct gantry_grpc_call *call;

    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        connection->ready_pending = connection->ready_pending || !connection->has_settings;
        connection->has_settings = true;
        break;
    case NGHTTP2_GOAWAY:
        note_leaving(connection, &frame->goaway);
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        call = find_call(session, frame->hd.stream_id);
        if (call != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
            conclude(call);
        break;
    default:
        break;
    }
    return 0;
}

/* A stream that still has its call has not come to its end in order. */
static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t http2_error, void *data)
{
    struct gantry_grpc *connection = data;
    struct gantry_grpc_call *call = find_call(session, stream);
    char reason[sizeof connection->complaint + 128];

    if (call == NULL)
        return 0;
    call->stream = GANTRY_GRPC_NO_STREAM;
    if (connection->is_leaving && http2_error == NGHTTP2_REFUSED_STREAM) {
        snprintf(reason, sizeof reason, "the call was refused: %s", connection->complaint);
        gantry_grpc_call_end(call, GANTRY_GRPC_UNAVAILABLE, reason);
        return 0;
    }
    snprintf(reason, sizeof reason, "the call's stream was reset (%s)", nghttp2_http2_strerror(http2_error));
    gantry_grpc_call_end(call, gantry_grpc_status_of_reset(http2_error), reason);
    return 0;
}

static int on_complaint(nghttp2_session *session, int code, const char *message, size_t length, void *data)
{
    struct gantry_grpc *connection = data;

    (void)session, (void)code;
    if (!connection->is_leaving)
        snprintf(connection->complaint, sizeof connection->complaint, "%.*s", (int)length, message);
    return 0;
}

int gantry_grpc_session_receive(struct gantry_grpc *connection, const uint8_t *bytes, size_t length,
                                struct gantry_error *err)
{
    ssize_t taken = nghttp2_session_mem_recv(connection->session, bytes, length);

    if (taken >= 0)
        return 0;
    if (taken == NGHTTP2_ERR_CALLBACK_FAILURE && connection->complaint[0] != '\0')
        return gantry_fail(err, "GRPC_PROTOCOL_FAILED", "receive from %s: %s", connection->peer, connection->complaint);
    return gantry_fail(err, taken == NGHTTP2_ERR_NOMEM ? "OUT_OF_MEMORY" : "GRPC_PROTOCOL_FAILED",
                       "receive from %s: %s%s%s", connection->peer, nghttp2_strerror((int)taken),
                       connection->complaint[0] != '\0' ? ": " : "", connection->complaint);
}

/* ---- what is sent ---- */

/* A call's own window is set once its stream is open, which is when its headers go out. */
static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct gantry_grpc_call *call;

    (void)data;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    call = find_call(session, frame->hd.stream_id);
    if (call != NULL && call->window != GANTRY_GRPC_DEFAULT_WINDOW)
        nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, call->stream, (int32_t)call->window);
    return 0;
}

/* A request that waited for its turn when the peer said that it takes no more. */
static int on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int code, void *data)
{
    struct gantry_grpc *connection = data;
    struct gantry_grpc_call *call;
    char reason[sizeof connection->complaint + 128];

    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    call = find_call(session, frame->hd.stream_id);
    if (call == NULL)
        return 0;
    leave_stream(call);
    snprintf(reason, sizeof reason, "the call could not be sent: %s",
             connection->is_leaving ? connection->complaint : nghttp2_strerror(code));
    gantry_grpc_call_end(call, GANTRY_GRPC_UNAVAILABLE, reason);
    return 0;
}

static ssize_t read_outgoing(nghttp2_session *session, int32_t stream, uint8_t *bytes, size_t size, uint32_t *flags,
                             nghttp2_data_source *source, void *data)
{
    struct gantry_grpc_call *call = find_call(session, stream);
    size_t length = call != NULL ? gantry_buffer_length(&call->outgoing) : 0;

    (void)source, (void)data;
    if (call == NULL || (length == 0 && !call->is_finished)) {
        if (call != NULL)
            call->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (length > size)
        length = size;
    if (length > 0) {
        memcpy(bytes, gantry_buffer_front(&call->outgoing), length);
        gantry_buffer_consume(&call->outgoing, length);
    }
    call->has_sent_all = call->is_finished && gantry_buffer_length(&call->outgoing) == 0;
    if (call->has_sent_all)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)length;
}

void gantry_grpc_session_resume(struct gantry_grpc_call *call)
{
    if (!call->is_deferred || call->stream == GANTRY_GRPC_NO_STREAM)
        return;
    call->is_deferred = false;
    nghttp2_session_resume_data(call->connection->session, call->stream);
}

void gantry_grpc_session_return_window(struct gantry_grpc_call *call)
{
    if (call->held > 0 && call->stream != GANTRY_GRPC_NO_STREAM)
        nghttp2_session_consume_stream(call->connection->session, call->stream, call->held);
    call->held = 0;
}

int gantry_grpc_session_fill(struct gantry_grpc *connection, struct gantry_buffer *target, size_t most,
                             struct gantry_error *err)
{
    while (gantry_buffer_length(target) < most) {
        const uint8_t *bytes = NULL;
        ssize_t length = nghttp2_session_mem_send(connection->session, &bytes);

        if (length == 0)
            break;
        if (length < 0)
            return gantry_fail(err, length == NGHTTP2_ERR_NOMEM ? "OUT_OF_MEMORY" : "GRPC_PROTOCOL_FAILED",
                               "send to %s: %s", connection->peer, nghttp2_strerror((int)length));
        if (gantry_buffer_append(target, bytes, (size_t)length) < 0)
            return gantry_fail(err, "OUT_OF_MEMORY", "send to %s: out of memory", connection->peer);
    }
    return 0;
}

bool gantry_grpc_session_is_over(const struct gantry_grpc *connection)
{
    return !nghttp2_session_want_read(connection->session) && !nghttp2_session_want_write(connection->session);
}

/* ---- requests ---- */

static nghttp2_nv field(const char *name, size_t name_length, const char *value, size_t value_length)
{
    nghttp2_nv made;

    /* nghttp2 copies both; that it takes them without const is history. */
    memset(&made, 0, sizeof made);
    memcpy(&made.name, &name, sizeof name);
    memcpy(&made.value, &value, sizeof value);
    made.namelen = name_length;
    made.valuelen = value_length;
    return made;
}

static nghttp2_nv text_field(const char *name, const char *value)
{
    return field(name, strlen(name), value, strlen(value));
}

static bool metadata_is_name(const char *name, size_t length)
{
    if (length == 0 || (length >= 5 && memcmp(name, "grpc-", 5) == 0))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", name[i]) == NULL || name[i] == '\0')
            return false;
    }
    return true;
}

static bool metadata_is_value(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (value[i] < ' ' || value[i] > '~')
            return false;
    }
    return true;
}

static int check_metadata(const struct gantry_grpc_metadata *metadata, struct gantry_error *err)
{
    int shown = (int)(metadata->name_length < 64 ? metadata->name_length : 64);

    if (!metadata_is_name(metadata->name, metadata->name_length)) {
        return gantry_fail(
            err, "METADATA_INVALID",
            "call: '%.*s' is no name for metadata; use a-z, 0-9, '-', '_', '.', and not 'grpc-' in front", shown,
            metadata->name);
    }
    if (!metadata_is_value(metadata->value, metadata->value_length)) {
        return gantry_fail(
            err, "METADATA_INVALID",
            "call: the value of metadata '%.*s' is not printable ASCII; send base64 under a name in -bin", shown,
            metadata->name);
    }
    return 0;
}

static size_t fill_fields(nghttp2_nv *fields, const struct gantry_grpc_call *call,
                          const struct gantry_grpc_call_options *options, const char *timeout)
{
    size_t count = 0;

    fields[count++] = text_field(":method", "POST");
    fields[count++] = text_field(":scheme", call->connection->tls != NULL ? "https" : "http");
    fields[count++] = text_field(":path", options->path);
    fields[count++] = text_field(":authority", call->connection->authority);
    fields[count++] = text_field("content-type", "application/grpc");
    fields[count++] = text_field("user-agent", USER_AGENT);
    fields[count++] = text_field("te", "trailers");
    if (timeout[0] != '\0')
        fields[count++] = text_field("grpc-timeout", timeout);
    for (size_t i = 0; i < options->metadata_count; i++) {
        const struct gantry_grpc_metadata *metadata = &options->metadata[i];

        fields[count++] = field(metadata->name, metadata->name_length, metadata->value, metadata->value_length);
    }
    return count;
}

int gantry_grpc_session_submit(struct gantry_grpc_call *call, const struct gantry_grpc_call_options *options,
                               struct gantry_error *err)
{
    nghttp2_data_provider outgoing = {.read_callback = read_outgoing};
    char timeout[GANTRY_GRPC_TIMEOUT_TEXT] = "";
    nghttp2_nv *fields;
    size_t count;

    for (size_t i = 0; i < options->metadata_count; i++) {
        if (check_metadata(&options->metadata[i], err) < 0)
            return -1;
    }
    fields = calloc(FIXED_FIELDS + options->metadata_count, sizeof *fields);
    if (fields == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "call %s: out of memory", options->path);
    if (options->timeout_ns > 0)
        gantry_grpc_timeout_text(options->timeout_ns, timeout);
    count = fill_fields(fields, call, options, timeout);
    call->stream = nghttp2_submit_request(call->connection->session, NULL, fields, count, &outgoing, call);
    free(fields);
    if (call->stream < 0) {
        int code = call->stream;

        call->stream = GANTRY_GRPC_NO_STREAM;
        return gantry_fail(err, "OUT_OF_MEMORY", "call %s: %s", options->path, nghttp2_strerror(code));
    }
    return 0;
}

/* ---- the session ---- */

static int session_set_callbacks(nghttp2_session_callbacks **callbacks)
{
    if (nghttp2_session_callbacks_new(callbacks) != 0)
        return -1;
    nghttp2_session_callbacks_set_on_begin_frame_callback(*callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(*callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(*callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(*callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(*callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(*callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(*callbacks, on_frame_not_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(*callbacks, on_stream_close);
    nghttp2_session_callbacks_set_error_callback2(*callbacks, on_complaint);
    return 0;
}

static int make_session(struct gantry_grpc *connection)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int result = -1;

    if (nghttp2_option_new(&option) == 0 && session_set_callbacks(&callbacks) == 0) {
        nghttp2_option_set_no_auto_window_update(option, 1);
        /* A grpc-message may end in a space: only %, controls and what is not ASCII are escaped in it. */
        nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1);
        result = nghttp2_session_client_new2(&connection->session, callbacks, connection, option);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return result;
}

int gantry_grpc_session_new(struct gantry_grpc *connection, struct gantry_error *err)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, GANTRY_GRPC_DEFAULT_WINDOW},
    };

    if (make_session(connection) != 0 ||
        nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings) !=
            0 ||
        nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) != 0)
        return gantry_fail(err, "OUT_OF_MEMORY", "connect to %s: out of memory", connection->peer);
    return 0;
}
