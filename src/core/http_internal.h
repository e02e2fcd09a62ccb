/* SPDX-License-Identifier: Apache-2.0
 *
 * http_internal.h: what the files of the HTTP client share.
 *
 * http.c joins libcurl with the loop, http_transfer.c is one request on libcurl's side, http_delivery.c one on the
 * caller's side, http_failure.c says why one failed. Callbacks of libcurl only take down what has come and put the
 * request into the queue `ready`; with libcurl off the stack, the delivery calls back for all that is in it. */
#ifndef GANTRY_HTTP_INTERNAL_H
#define GANTRY_HTTP_INTERNAL_H

#include "buffer.h"
#include "http.h"
#include "libcurl.h"

/* How much libcurl reads at once: of a stream, and of an answer that is collected, of which most are short. */
#define GANTRY_HTTP_STREAM_READ_SIZE (128L * 1024)
#define GANTRY_HTTP_READ_SIZE (16L * 1024)
/* How much of a streamed body may wait to be delivered before the sender is held back. */
#define GANTRY_HTTP_WAITING_SIZE (2UL * 1024 * 1024)

struct gantry_http_queue {
    struct gantry_http_request *first;
    struct gantry_http_request **end; /* the `next` of the last, or `first` */
};

struct gantry_http {
    struct gantry_loop *loop;
    const struct gantry_libcurl *curl;
    CURLM *multi;
    struct gantry_timer *timer; /* what libcurl waits for; at once where something is to be delivered */

    char *url;
    char *unix_socket;
    char *ca_file;
    char *cert_file;
    char *key_file;
    bool verify;

    struct gantry_http_queue waiting; /* each request is in one of the two */
    struct gantry_http_queue ready;
    struct gantry_http_request *delivering; /* whose callbacks run, or NULL */
    struct gantry_buffer spare;             /* the memory of the last body delivered, for the next */
    bool entered;                           /* by the loop; the memory must stay */
    bool closed;
};

struct gantry_http_request {
    struct gantry_http *http;
    struct gantry_http_request *next;
    struct gantry_http_request **link; /* what points here, or NULL in no queue */

    CURL *easy;       /* NULL once the transfer has ended */
    curl_socket_t fd; /* its connection; libcurl's, and -1 before there is one */
    struct curl_slist *sent_headers;
    char detail[CURL_ERROR_SIZE]; /* libcurl's own words about a failure */

    gantry_http_headers_fn *on_headers;
    gantry_http_data_fn *on_data;
    gantry_http_done_fn *on_done;
    void *data;
    size_t limit;

    int status;                         /* of the final answer, once its headers are complete */
    struct gantry_buffer header_text;   /* name NUL value NUL ... */
    struct gantry_http_header *headers; /* into header_text, once complete */
    size_t header_count;
    struct gantry_buffer body; /* collected, or waiting to be delivered */

    bool headers_complete;
    bool headers_delivered;
    bool paused;    /* by the caller */
    bool held;      /* libcurl holds back, because too much waits */
    bool failed;    /* for the reason in `error` */
    bool cancelled; /* inside its own callback: the memory is given back afterwards */
    struct gantry_error error;
};

/* ---- http_transfer.c ---- */

/* Sets the transfer up; it is not yet libcurl's. What was made is in the request, also where this fails. */
int gantry_http_transfer_prepare(struct gantry_http_request *request, const struct gantry_http_options *options,
                                 struct gantry_error *err);

/* Takes the transfer from libcurl; a `result` other than CURLE_OK makes the request fail. Idempotent. */
void gantry_http_transfer_end(struct gantry_http_request *request, CURLcode result);

/* ---- http_delivery.c ---- */

void gantry_http_queue_move(struct gantry_http_request *request, struct gantry_http_queue *queue);

/* Puts the request into the queue of those that have something to deliver. */
void gantry_http_make_ready(struct gantry_http_request *request);

/* Calls back for all that is ready. The client may be closed afterwards. */
void gantry_http_deliver(struct gantry_http *http);

/* ---- http_failure.c ---- */

/* Makes the request fail for what libcurl says, unless it has failed for a reason of its own. */
void gantry_http_describe(struct gantry_http_request *request, CURLcode result);

/* Makes the request fail, unless it has already. The message begins with what was asked for. */
void gantry_http_fail(struct gantry_http_request *request, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
