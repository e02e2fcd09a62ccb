/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc.h: a gRPC client: calls of any kind on one HTTP/2 connection, over a Unix or TCP socket, with TLS where wanted.
 *
 * A connection is owned by whoever connected it, a call by whoever made it; both are freed by their owner, in any order
 * and also inside any callback. Callbacks come from gantry_loop_step alone, with no frame of a library beneath them,
 * and never for what has been freed. One send a step carries all that was written in it. */
#ifndef GANTRY_GRPC_H
#define GANTRY_GRPC_H

#include "core/grpc/grpc_answer.h"
#include "core/loop/loop.h"
#include "core/tls/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GANTRY_GRPC_DEFAULT_LIMIT (64UL * 1024 * 1024)
#define GANTRY_GRPC_DEFAULT_WINDOW (256UL * 1024)

struct gantry_grpc;
struct gantry_grpc_call;

/* The connection is usable: the peer has answered with its HTTP/2 settings. */
typedef void gantry_grpc_ready_fn(void *data);

/* The connection is at its end, for the reason in `why`; the ends of its calls came before, but for paused ones. Codes:
 * GRPC_CONNECT_FAILED (os_error kept), GRPC_TIMEOUT, TLS_FAILED, GRPC_CONNECTION_LOST (also where the peer closed it in
 * order), GRPC_PROTOCOL_FAILED. */
typedef void gantry_grpc_closed_fn(void *data, const struct gantry_error *why);

/* Nothing in it is kept but callbacks and data. Either `socket` or `host` and `port`. */
struct gantry_grpc_options {
    const char *socket; /* path of a Unix socket */
    const char *host;   /* a numeric address, or localhost: nothing here resolves names */
    uint16_t port;
    const struct gantry_tls_options *tls; /* NULL: none */
    int64_t connect_timeout_ns;           /* for all until on_ready; 0: none */
    gantry_grpc_ready_fn *on_ready;       /* NULL is allowed */
    gantry_grpc_closed_fn *on_closed;     /* NULL is allowed */
    void *data;
};

/* One message of the answer, valid during the call only. */
typedef void gantry_grpc_message_fn(void *data, const void *bytes, size_t length);

/* How a call ended. It is valid until the callback returns or frees the call. */
struct gantry_grpc_end {
    int status; /* 0 to 16 */
    const char *message;
    size_t message_length;
    const struct gantry_grpc_field *trailers;
    size_t trailer_count;
};

/* The end of a call, after all its messages. A connection lost or never made: UNAVAILABLE, with the reason. */
typedef void gantry_grpc_end_fn(void *data, const struct gantry_grpc_end *end);

/* A field of metadata. Values are printable ASCII: what is not goes, in base64, under a name that ends in `-bin`. */
struct gantry_grpc_metadata {
    const char *name;
    size_t name_length;
    const char *value;
    size_t value_length;
};

/* Nothing in it is kept but callbacks and data. */
struct gantry_grpc_call_options {
    const char *path; /* "/package.Service/Method" */
    const struct gantry_grpc_metadata *metadata;
    size_t metadata_count;
    int64_t timeout_ns; /* from now to the end of the call; 0: none. It goes to the peer as well. */
    size_t limit;       /* the longest message accepted; 0: GANTRY_GRPC_DEFAULT_LIMIT */
    size_t window;      /* bytes a paused call takes from the peer before it stops sending; 0: the default. A window
                           below the default holds only from the second filling on: HTTP/2 grants the first. */
    gantry_grpc_message_fn *on_message; /* NULL: messages are thrown away */
    gantry_grpc_end_fn *on_end;         /* NULL is allowed */
    void *data;
};

/* Begins to connect. Calls may be made at once: they go out once the connection is there. What fails on the way is told
 * by on_closed; here fails what can never work: SOCKET_PATH_TOO_LONG, ADDRESS_INVALID,
 * CERTIFICATE_INVALID, TLS_FAILED, GRPC_CONNECT_FAILED (no descriptor) or OUT_OF_MEMORY. */
int gantry_grpc_connect(struct gantry_loop *loop, const struct gantry_grpc_options *options,
                        struct gantry_grpc **connection, struct gantry_error *err);

/* Closes the connection and frees it, without further callbacks, also for its calls: those are inert from here on, and
 * their owners still free them. NULL is allowed. */
void gantry_grpc_free(struct gantry_grpc *connection);

/* Begins a call. On a connection that is closed or being closed by its peer, it ends in the next step, UNAVAILABLE.
 * Fails with METADATA_INVALID, ADDRESS_INVALID (the path) or OUT_OF_MEMORY. */
int gantry_grpc_call_new(struct gantry_grpc *connection, const struct gantry_grpc_call_options *options,
                         struct gantry_grpc_call **call, struct gantry_error *err);

/* Sends one message, which is copied and waits for the peer's window. Nothing happens on a call that has ended: its
 * on_end tells. Fails with GRPC_FINISHED (after gantry_grpc_call_finish), MESSAGE_TOO_LARGE (beyond 4 GiB) or
 * OUT_OF_MEMORY. */
int gantry_grpc_call_send(struct gantry_grpc_call *call, const void *bytes, size_t length, struct gantry_error *err);

/* How many bytes of our messages wait for the peer's window or the socket's; prefixes are counted. */
size_t gantry_grpc_call_waiting(const struct gantry_grpc_call *call);

/* No more messages of ours. A unary call is new, send, finish. */
void gantry_grpc_call_finish(struct gantry_grpc_call *call);

/* Holds back callbacks until gantry_grpc_call_resume. The peer may fill the call's window meanwhile; other calls do not
 * feel it. A deadline ends a paused call all the same, and its messages are lost. */
void gantry_grpc_call_pause(struct gantry_grpc_call *call);
void gantry_grpc_call_resume(struct gantry_grpc_call *call);

/* Frees the call, which is cancelled at the peer unless it has ended. No callback follows. NULL is allowed. */
void gantry_grpc_call_free(struct gantry_grpc_call *call);

#endif
