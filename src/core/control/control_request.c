/* SPDX-License-Identifier: Apache-2.0
 *
 * control_request.c: one request of the control server, and its answer. */
#include "core/control/control_internal.h"

#include <stdlib.h>
#include <string.h>

/* The client's piece of a stream: libmicrohttpd asks for so many bytes at a time. */
#define STREAM_BLOCK 16384U
#define GONE (-1)

struct gantry_control_request *gantry_control_request_new(struct gantry_control *control,
                                                          struct MHD_Connection *connection, const char *method,
                                                          const char *path)
{
    struct gantry_control_request *request = calloc(1, sizeof *request);

    if (request == NULL)
        return NULL;
    request->method = strdup(method);
    request->path = strdup(path);
    if (request->method == NULL || request->path == NULL) {
        free(request->method);
        free(request->path);
        free(request);
        return NULL;
    }
    gantry_list_init(&request->in_requests);
    request->control = control;
    request->connection = connection;
    gantry_list_append(&control->requests, &request->in_requests);
    return request;
}

static void destroy(struct gantry_control_request *request)
{
    gantry_buffer_free(&request->body);
    gantry_buffer_free(&request->headers);
    gantry_buffer_free(&request->out);
    free(request->method);
    free(request->path);
    free(request);
}

void gantry_control_request_gone(struct gantry_control_request *request)
{

    gantry_list_remove(&request->in_requests);
    if (request->response != NULL)
        MHD_destroy_response(request->response);
    request->response = NULL;
    request->control = NULL;
    request->connection = NULL;
    if (!request->owned)
        destroy(request);
}

void gantry_control_request_suspend(struct gantry_control_request *request)
{
    request->suspended = true;
    MHD_suspend_connection(request->connection);
}

void gantry_control_request_resume(struct gantry_control_request *request)
{
    if (!request->suspended)
        return;
    request->suspended = false;
    MHD_resume_connection(request->connection);
    request->control->resumed = true;
    gantry_timer_set(request->control->timer, 0);
}

const char *gantry_control_request_method(const struct gantry_control_request *request)
{
    return request->method;
}

const char *gantry_control_request_path(const struct gantry_control_request *request)
{
    return request->path;
}

const char *gantry_control_request_argument(const struct gantry_control_request *request, const char *name)
{
    if (request->control == NULL)
        return NULL;
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *gantry_control_request_header(const struct gantry_control_request *request, const char *name)
{
    if (request->control == NULL)
        return NULL;
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *gantry_control_request_body(const struct gantry_control_request *request, size_t *count)
{
    *count = gantry_buffer_length(&request->body);
    return *count > 0 ? (const char *)gantry_buffer_front(&request->body) : "";
}

void gantry_control_request_add_header(struct gantry_control_request *request, const char *name, const char *value)
{
    if (gantry_buffer_append(&request->headers, name, strlen(name) + 1) < 0 ||
        gantry_buffer_append(&request->headers, value, strlen(value) + 1) < 0)
        request->headers_lost = true;
}

static bool add_headers(const struct gantry_control_request *request, struct MHD_Response *response)
{
    size_t count = gantry_buffer_length(&request->headers);
    const char *name = count > 0 ? (const char *)gantry_buffer_front(&request->headers) : "";
    const char *value;

    for (const char *end = name + count; name < end; name = value + strlen(value) + 1) {
        value = name + strlen(name) + 1;
        if (MHD_add_response_header(response, name, value) != MHD_YES)
            return false;
    }
    return !request->headers_lost;
}

/* The answer is queued when the library calls for it, which it does once the connection is resumed. */
static void answer_with(struct gantry_control_request *request, unsigned status, const char *type,
                        struct MHD_Response *response)
{
    if (response == NULL)
        return; /* the owner gives the request back some time, which then ends the connection */
    /* One without the headers that the owner wants is none. */
    if (!add_headers(request, response) ||
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) != MHD_YES) {
        MHD_destroy_response(response);
        return;
    }
    request->response = response;
    request->status = status;
    gantry_control_request_resume(request);
}

void gantry_control_request_answer(struct gantry_control_request *request, unsigned status, const char *type,
                                   const char *bytes, size_t count)
{
    char *copy;

    if (request->control == NULL || request->status != 0)
        return;
    copy = malloc(count + 1);
    if (copy == NULL)
        return;
    memcpy(copy, bytes, count);
    answer_with(request, status, type, MHD_create_response_from_buffer(count, copy, MHD_RESPMEM_MUST_FREE));
}

/* Asked for the next piece of a stream. Without one the connection is held, or the library would ask again at once. */
static ssize_t read_stream(void *data, uint64_t position, char *bytes, size_t room)
{
    struct gantry_control_request *request = data;
    size_t count = gantry_buffer_length(&request->out);

    (void)position;
    if (count > room)
        count = room;
    if (count > 0) {
        memcpy(bytes, gantry_buffer_front(&request->out), count);
        gantry_buffer_consume(&request->out, count);
        return (ssize_t)count;
    }
    if (request->finished)
        return MHD_CONTENT_READER_END_OF_STREAM;
    gantry_control_request_suspend(request);
    return 0;
}

void gantry_control_request_stream(struct gantry_control_request *request, unsigned status, const char *type)
{
    if (request->control == NULL || request->status != 0)
        return;
    answer_with(request, status, type,
                MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, request, NULL));
    request->streaming = request->status != 0;
}

ssize_t gantry_control_request_write(struct gantry_control_request *request, const char *bytes, size_t count)
{
    if (request->control == NULL || !request->streaming)
        return GONE;
    if (count > 0 && gantry_buffer_append(&request->out, bytes, count) < 0)
        return GONE;
    gantry_control_request_resume(request);
    return (ssize_t)gantry_buffer_length(&request->out);
}

void gantry_control_request_free(struct gantry_control_request *request)
{
    static const char fault[] = "{\"code\":\"FAULT\",\"message\":\"the request was not answered\"}\n";

    if (request == NULL)
        return;
    if (request->control == NULL) {
        destroy(request);
        return;
    }
    request->owned = false; /* what follows may end the connection, and the request with it */
    request->finished = true;
    gantry_control_request_answer(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "application/json", fault, sizeof fault - 1);
    gantry_control_request_resume(request);
}
