/* SPDX-License-Identifier: Apache-2.0
 *
 * http_request.c: the life of a request: its beginning, what its owner does with it, and its end. */
#include "core/http/http_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static void free_request(struct gantry_http_request *request)
{
    gantry_buffer_free(&request->header_text);
    gantry_buffer_free(&request->body);
    free(request->headers);
    free(request);
}

void gantry_http_cancel(struct gantry_http_request *request)
{
    request->cancelled = true;
    gantry_http_transfer_end(request, CURLE_OK);
    gantry_list_remove(&request->in_queue);
    if (request->http->delivering != request)
        free_request(request);
}

int gantry_http_request(struct gantry_http *http, const struct gantry_http_options *options,
                        struct gantry_http_request **request, struct gantry_error *err)
{
    struct gantry_http_request *made = calloc(1, sizeof *made);

    if (made == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "make an HTTP request: out of memory");
    made->http = http;
    made->fd = -1;
    made->on_headers = options->on_headers;
    made->on_data = options->on_data;
    made->on_done = options->on_done;
    made->data = options->data;
    made->source = options->source;
    made->limit = options->limit != 0 ? options->limit : GANTRY_HTTP_DEFAULT_LIMIT;
    gantry_list_init(&made->in_queue);
    gantry_list_append(&http->waiting, &made->in_queue);
    if (gantry_http_transfer_prepare(made, options, err) < 0) {
        gantry_http_cancel(made);
        return -1;
    }
    /* Nothing is sent yet: libcurl asks for its timer to fire at once. */
    if (curl_multi_add_handle(http->multi, made->easy) != CURLM_OK) {
        gantry_http_cancel(made);
        return gantry_fail(err, "OUT_OF_MEMORY", "start an HTTP request: out of memory");
    }
    *request = made;
    return 0;
}

int gantry_http_take_socket(struct gantry_http_request *request, struct gantry_error *err)
{
    int fd;

    if (strncmp(request->http->url, "https:", 6) == 0)
        return gantry_fail(err, "HTTP_NOT_PLAIN", "hand over a connection: it is encrypted");
    if (request->fd < 0 || !request->headers_complete || gantry_buffer_length(&request->body) > 0)
        return gantry_fail(err, "HTTP_FAILED", "hand over a connection: its stream is not at its beginning");
    /* libcurl closes its own descriptor, which is no word to the peer while there is another. */
    fd = fcntl(request->fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return gantry_fail_errno(err, errno, "HTTP_FAILED", "hand over a connection");
    gantry_http_cancel(request);
    return fd;
}

void gantry_http_pause(struct gantry_http_request *request, bool paused)
{
    if (request->paused == paused)
        return;
    request->paused = paused;
    if (!paused)
        gantry_http_make_ready(request);
}
