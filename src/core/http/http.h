/* SPDX-License-Identifier: Apache-2.0
 *
 * http.h: an HTTP/1.1 client for one endpoint, over libcurl's multi interface on the loop.
 *
 * A client is owned by whoever made it; it owns its connections and its requests in flight. Callbacks come only from
 * gantry_loop_step, never out of the call that started a request, and with no frame of libcurl beneath: they may cancel
 * any request and free the client. There is no bound on the number of requests in flight; each has a connection to
 * itself, and takes over an idle one where there is one. */
#ifndef GANTRY_HTTP_H
#define GANTRY_HTTP_H

#include "core/loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define GANTRY_HTTP_DEFAULT_LIMIT (64UL * 1024 * 1024)

struct gantry_http;
struct gantry_http_request;

/* Nothing in it is kept: all is copied. */
struct gantry_http_endpoint {
    const char *url;         /* scheme and host, such as http://engine or https://host:2376, without a path */
    const char *unix_socket; /* its path, or NULL for TCP */
    const char *ca_file;     /* PEM: the only authorities to trust, or NULL for the system's */
    const char *cert_file;   /* PEM: what the client shows of itself, or NULL */
    const char *key_file;    /* PEM: the key of cert_file, or NULL where that file holds both */
    bool verify;             /* whether the server must prove who it is */
};

struct gantry_http_header {
    const char *name; /* in lower case */
    const char *value;
};

/* Valid during the callback only. */
struct gantry_http_response {
    int status; /* 0 where no answer began */
    const struct gantry_http_header *headers;
    size_t header_count;
    const char *body; /* the whole of a collected body; NULL before the end, for a streamed one, and with an error */
    size_t body_size;
};

/* The final answer's status and headers are there; the body has yet to come. */
typedef void gantry_http_headers_fn(void *data, const struct gantry_http_response *response);

/* A piece of the body, as large as what has come since the last one. */
typedef void gantry_http_data_fn(void *data, const char *bytes, size_t size);

/* The end, once, after all else: `err` is NULL where a whole answer came, whatever its status. The request is gone when
 * the callback returns. Codes:
 * HTTP_CONNECT_FAILED  nobody answers there; os_error says why (ENOENT, ECONNREFUSED, EACCES, ...) where it is known
 * HTTP_TIMEOUT         timeout_ms or connect_timeout_ms ran out
 * HTTP_TLS_FILE        an own certificate, key or list of authorities cannot be used
 * HTTP_TLS_UNTRUSTED   the server's certificate is of nobody that is trusted here
 * HTTP_TLS_EXPIRED     the server's certificate has expired, or is not valid yet
 * HTTP_TLS_NAME        the server's certificate is for another host
 * HTTP_TLS_REFUSED     the server does not accept this client's certificate, or wants one
 * HTTP_TLS_FAILED      TLS did not come about otherwise: no TLS there, no common version; TLS 1.2's refusals too
 * HTTP_FAILED          the connection was lost, or what came is not HTTP
 * what the source of its body fails with
 * RESPONSE_TOO_LARGE   a collected body over the limit, or headers without end
 * OUT_OF_MEMORY, WATCH_FAILED */
typedef void gantry_http_done_fn(void *data, const struct gantry_error *err,
                                 const struct gantry_http_response *response);

/* Gives the next bytes of a body, at most `size` of them, and returns how many; 0 at its end. Fails with -1, which ends
 * the request with this error. It is called with libcurl beneath: it calls nothing of this client. */
typedef ssize_t gantry_http_read_fn(void *data, char *bytes, size_t size, struct gantry_error *err);

/* A body that is sent as it is read, and read again from its beginning where a connection was lost before. */
struct gantry_http_source {
    uint64_t size;
    gantry_http_read_fn *read; /* NULL for none */
    void (*rewind)(void *data);
    void *data; /* lives as long as the request */
};

/* Nothing in it is kept but callbacks and data. */
struct gantry_http_options {
    const char *method;
    const char *path;           /* with its query, percent-encoded; begins with a slash */
    const char *const *headers; /* "Name: value", ended by NULL; or NULL */
    const char *body;           /* NULL for none; a POST without one says so (Content-Length: 0) */
    size_t body_size;
    struct gantry_http_source source;   /* instead of a body */
    int64_t timeout_ms;                 /* for all of the request, pauses included; 0: none */
    int64_t connect_timeout_ms;         /* 0: that of libcurl, five minutes */
    size_t limit;                       /* most bytes of a collected body; 0: GANTRY_HTTP_DEFAULT_LIMIT */
    gantry_http_headers_fn *on_headers; /* NULL is allowed */
    gantry_http_data_fn *on_data;       /* NULL: the body is collected for on_done */
    gantry_http_done_fn *on_done;
    void *data;
};

/* Makes a client, which the caller frees. Connects to nothing yet. Fails with OUT_OF_MEMORY,
 * SOCKET_PATH_TOO_LONG. */
int gantry_http_new(struct gantry_loop *loop, const struct gantry_http_endpoint *endpoint, struct gantry_http **http,
                    struct gantry_error *err);

/* Ends all requests, which are not called back for, and closes all connections. NULL is allowed. */
void gantry_http_free(struct gantry_http *http);

/* Starts a request. It belongs to the client; the pointer serves to cancel and pause it until on_done has returned.
 * Fails with HTTP_REQUEST_INVALID (a method, path or header that cannot be sent), OUT_OF_MEMORY. */
int gantry_http_request(struct gantry_http *http, const struct gantry_http_options *options,
                        struct gantry_http_request **request, struct gantry_error *err);

/* Ends a request, which is not called back for any more. Its connection is closed. */
void gantry_http_cancel(struct gantry_http_request *request);

/* Takes the connection of a request whose headers have come and whose body has not begun: for streams that another
 * process is to read. Ends the request as gantry_http_cancel does, and returns the descriptor, which is the caller's,
 * not blocking and close-on-exec. Fails with HTTP_NOT_PLAIN (TLS: what comes needs its keys), HTTP_FAILED; then the
 * request goes on. */
int gantry_http_take_socket(struct gantry_http_request *request, struct gantry_error *err);

/* Holds back on_data and on_done, and soon the sender as well; or lets them go on. Before it notices the loss of a
 * connection, a paused request must go on. */
void gantry_http_pause(struct gantry_http_request *request, bool paused);

#endif
