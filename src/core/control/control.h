/* SPDX-License-Identifier: Apache-2.0
 *
 * control.h: an HTTP server on a listening socket, in the loop: requests in, whole answers or streams out.
 *
 * libmicrohttpd speaks HTTP, with its epoll descriptor in the loop's set and no thread. A request that came is the
 * owner's, who answers it when it likes and frees it; its client may be gone by then, which is no failure. */
#ifndef GANTRY_CONTROL_H
#define GANTRY_CONTROL_H

#include "core/loop/loop.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct gantry_control;
struct gantry_control_request;

/* A request is there with its body. It is the owner's from now on. */
typedef void gantry_control_fn(void *data, struct gantry_control_request *request);

struct gantry_control_options {
    int fd;                  /* a listening stream socket, which the server takes over and closes */
    size_t body_limit;       /* bytes; a longer body is refused with 413 */
    unsigned connections;    /* at most so many at a time */
    unsigned idle_seconds;   /* a client that is slower with its whole request is dropped */
    const char *certificate; /* PEM, where clients speak TLS (1.2 or later); NULL where they do not */
    const char *key;         /* PEM, with the certificate */
    gantry_control_fn *on_request;
    void *data;
};

/* Makes a listening Unix socket at `path`, with this mode and, unless -1, group, both set before anyone can connect;
 * takes the place of a socket that nobody listens on. Fails with CONTROL_BUSY (somebody listens there),
 * SOCKET_PATH_TOO_LONG, GROUP_NOT_ALLOWED or CONTROL_FAILED. */
int gantry_control_listen(const char *path, mode_t mode, gid_t group, int *fd, struct gantry_error *err);

/* Makes a listening TCP socket at a numeric address; port 0 has the kernel choose. `bound` gets the port that it is.
 * Fails with CONTROL_ADDRESS (no numeric address), CONTROL_BUSY (the port is taken) or CONTROL_FAILED. */
int gantry_control_listen_tcp(const char *host, in_port_t port, int *fd, in_port_t *bound, struct gantry_error *err);

/* Serves. Fails with CONTROL_FAILED, CONTROL_CERTIFICATE or OUT_OF_MEMORY; the descriptor is closed then too. The
 * certificate and its key are not kept. */
int gantry_control_open(struct gantry_loop *loop, const struct gantry_control_options *options,
                        struct gantry_control **control, struct gantry_error *err);

/* Ends all connections and closes the socket. Requests that the owner still has are to be freed all the same. NULL is
 * allowed. */
void gantry_control_free(struct gantry_control *control);

const char *gantry_control_request_method(const struct gantry_control_request *request);

/* The decoded path without the query. */
const char *gantry_control_request_path(const struct gantry_control_request *request);

/* The value of a name in the query; NULL where it has none, or the client is gone. */
const char *gantry_control_request_argument(const struct gantry_control_request *request, const char *name);

/* The value of a header, whatever its name's case; NULL where it has none, or the client is gone. */
const char *gantry_control_request_header(const struct gantry_control_request *request, const char *name);

const char *gantry_control_request_body(const struct gantry_control_request *request, size_t *count);

/* Adds a header to the answer that is to come. */
void gantry_control_request_add_header(struct gantry_control_request *request, const char *name, const char *value);

/* Answers, once. */
void gantry_control_request_answer(struct gantry_control_request *request, unsigned status, const char *type,
                                   const char *bytes, size_t count);

/* Begins an answer that is written piece by piece. */
void gantry_control_request_stream(struct gantry_control_request *request, unsigned status, const char *type);

/* Adds a piece. Returns how many bytes wait for the client, or -1 where it is gone. */
ssize_t gantry_control_request_write(struct gantry_control_request *request, const char *bytes, size_t count);

/* Gives the request back: a stream ends once all is written; a request that was not answered gets a 500. NULL is
 * allowed. */
void gantry_control_request_free(struct gantry_control_request *request);

#endif
