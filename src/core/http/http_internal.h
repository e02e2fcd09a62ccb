/* SPDX-License-Identifier: Apache-2.0
 *
 * http_internal.h: what the files of the HTTP client share.
 *
 * Lowest first, each calling only what is below it: http_queue.c keeps requests in their queues, http_failure.c says
 * why one failed, http_transfer.c is one on libcurl's side, http_request.c its life, http_delivery.c one on the
 * caller's side, http.c joins libcurl with the loop. Callbacks of libcurl only take down what has come and put the
 * request into the queue `ready`; with libcurl off the stack, the delivery calls back for all that is in it. */
#ifndef GANTRY_HTTP_INTERNAL_H
#define GANTRY_HTTP_INTERNAL_H

#include "core/base/buffer.h"
#include "core/base/list.h"
#include "core/http/http.h"

#include <curl/curl.h>

/* How much libcurl reads at once: of a stream, and of an answer that is collected, of which most are short. */
#define GANTRY_HTTP_STREAM_READ_SIZE (128L * 1024)
#define GANTRY_HTTP_READ_SIZE (16L * 1024)
/* How much of a streamed body may wait to be delivered before the sender is held back. */
#define GANTRY_HTTP_WAITING_SIZE (2UL * 1024 * 1024)

struct gantry_http {
    struct gantry_loop *loop;
    CURLM *multi;
    struct gantry_timer *timer; /* what libcurl waits for; at once where something is to be delivered */

    char *url;
    char *unix_socket;
    char *ca_file;
    char *cert_file;
    char *key_file;
    bool verify;

    struct gantry_list waiting;             /* each request is in one of the two */
    struct gantry_list ready;               /* has something to deliver */
    struct gantry_http_request *delivering; /* whose callbacks run, or NULL */
    struct gantry_buffer spare;             /* the memory of the last body delivered, for the next */
    bool entered;                           /* by the loop; the memory must stay */
    bool closed;
};

/* The flags of a request:
 *
 * flag              | set when                             | cleared when      | while it is set
 * headers_complete  | the final answer's headers are here  | -                 | a body may come
 * headers_delivered | on_headers is called                 | -                 | it is not called again
 * paused            | its owner wants no callbacks         | its owner resumes | no body and no end is delivered
 * held              | too much of its body waits           | that is delivered | libcurl reads no more of it
 * failed            | `error` says why                     | -                 | the next delivery is its end
 * cancelled         | its owner ends it, or on_done has it | -                 | it is freed, with its last callback
 */
struct gantry_http_request {
    struct gantry_http *http;
    struct gantry_list in_queue;

    CURL *easy;       /* NULL once the transfer has ended */
    curl_socket_t fd; /* its connection; libcurl's, and -1 before there is one */
    struct curl_slist *sent_headers;
    char detail[CURL_ERROR_SIZE]; /* libcurl's own words about a failure */

    gantry_http_headers_fn *on_headers;
    gantry_http_data_fn *on_data;
    gantry_http_done_fn *on_done;
    void *data;
    struct gantry_http_source source; /* of its body */
    size_t limit;

    int status;                         /* of the final answer, once its headers are complete */
    struct gantry_buffer header_text;   /* name NUL value NUL ... */
    struct gantry_http_header *headers; /* into header_text, once complete */
    size_t header_count;
    size_t header_bytes;       /* received, of all kinds of headers */
    struct gantry_buffer body; /* collected, or waiting to be delivered */

    bool headers_complete;
    bool headers_delivered;
    bool paused;
    bool held;
    bool failed;
    bool cancelled;
    struct gantry_error error;
};

/* ---- http_queue.c ---- */

/* Puts the request into the queue of those that have something to deliver. */
void gantry_http_make_ready(struct gantry_http_request *request);

/* ---- http_failure.c ---- */

/* Makes the request fail for what libcurl says, unless it has failed for a reason of its own. */
void gantry_http_describe(struct gantry_http_request *request, CURLcode result);

/* Makes the request fail, unless it has already. The message begins with what was asked for. */
void gantry_http_fail(struct gantry_http_request *request, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- http_transfer.c ---- */

/* Sets the transfer up; it is not yet libcurl's. What was made is in the request, also where this fails. */
int gantry_http_transfer_prepare(struct gantry_http_request *request, const struct gantry_http_options *options,
                                 struct gantry_error *err);

/* Takes the transfer from libcurl; a `result` other than CURLE_OK makes the request fail. Idempotent. */
void gantry_http_transfer_end(struct gantry_http_request *request, CURLcode result);

/* ---- http_delivery.c ---- */

/* Calls back for all that is ready. The client may be closed afterwards. */
void gantry_http_deliver(struct gantry_http *http);

#endif
