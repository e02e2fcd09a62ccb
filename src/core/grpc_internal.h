/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_internal.h: what the parts of the gRPC client share. Only src/core/grpc*.c include it.
 *
 * grpc.c holds calls and what their owners do with them, grpc_connect.c makes the socket, grpc_connection.c moves bytes
 * and calls back, grpc_session.c is all that nghttp2 sees. Events are collected on the calls and told later by
 * gantry_grpc_run, so no callback has a library beneath it. */
#ifndef GANTRY_GRPC_INTERNAL_H
#define GANTRY_GRPC_INTERNAL_H

#include "buffer.h"
#include "grpc.h"
#include "grpc_message.h"

#include <nghttp2/nghttp2.h>

#define GANTRY_GRPC_NO_STREAM (-1)

/* A place in a circular list, whose head is such a place too: a member leaves without knowing its list. */
struct gantry_grpc_link {
    struct gantry_grpc_link *previous;
    struct gantry_grpc_link *next;
};

static inline void gantry_grpc_link_init(struct gantry_grpc_link *link)
{
    link->previous = link;
    link->next = link;
}

static inline bool gantry_grpc_link_is_alone(const struct gantry_grpc_link *link)
{
    return link->next == link;
}

static inline void gantry_grpc_link_leave(struct gantry_grpc_link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    gantry_grpc_link_init(link);
}

/* Puts `link`, which is alone, at the end of the list of `head`. */
static inline void gantry_grpc_link_join(struct gantry_grpc_link *head, struct gantry_grpc_link *link)
{
    link->previous = head->previous;
    link->next = head;
    head->previous->next = link;
    head->previous = link;
}

enum gantry_grpc_state {
    GANTRY_GRPC_CONNECTING,
    GANTRY_GRPC_SHAKING_HANDS, /* TLS */
    GANTRY_GRPC_OPEN,
    GANTRY_GRPC_CLOSED,
};

struct gantry_grpc {
    struct gantry_loop *loop;
    enum gantry_grpc_state state;
    char peer[160];      /* for messages */
    char authority[256]; /* the name the peer is called by */
    int fd;
    struct gantry_watch *watch;
    struct gantry_timer *connect_timer;
    struct gantry_timer *run_timer; /* runs the connection in the next step */
    struct gantry_tls *tls;         /* NULL without TLS */
    nghttp2_session *session;       /* NULL once closed */
    struct gantry_buffer plain;     /* to be encrypted; unused without TLS */
    struct gantry_buffer output;    /* for the socket */

    struct gantry_grpc_link calls; /* all that have not been freed */
    struct gantry_grpc_link ready; /* those with something to tell */
    struct gantry_grpc_call *told; /* the one that is being called back; NULL once it is freed */

    bool is_scheduled; /* run_timer is set */
    bool is_running;   /* inside gantry_grpc_run */
    bool is_freed;     /* during a run, which then gives back the memory */
    bool has_settings; /* of the peer */
    bool tell_ready;
    bool tell_closed;
    bool is_leaving;             /* the peer sent GOAWAY */
    char complaint[256];         /* the last thing nghttp2 or a GOAWAY said, or "" */
    struct gantry_error closing; /* why it is closed */

    gantry_grpc_ready_fn *on_ready;
    gantry_grpc_closed_fn *on_closed;
    void *data;
};

struct gantry_grpc_call {
    struct gantry_grpc *connection; /* NULL once that is freed */
    struct gantry_grpc_link in_calls;
    struct gantry_grpc_link in_ready;
    struct gantry_timer *deadline; /* NULL without one, and once it has ended */
    int64_t timeout_ns;
    int64_t due_ns; /* when the deadline is, by the monotonic clock */
    int32_t stream; /* or GANTRY_GRPC_NO_STREAM */
    size_t window;

    struct gantry_buffer outgoing; /* messages with their prefixes */
    bool is_finished;              /* no more messages of ours */
    bool has_sent_all;             /* nghttp2 has them all, and that no more follow */
    bool is_deferred;              /* nghttp2 waits to be told of more */

    struct gantry_grpc_reader reader;
    struct gantry_grpc_answer answer;
    size_t held; /* bytes received, but not yet given back to the stream's window */
    bool is_paused;

    bool has_ended;
    bool end_told;
    int status;
    char reason[GANTRY_ERROR_MESSAGE_SIZE]; /* our own message, where the peer gave none */

    gantry_grpc_message_fn *on_message;
    gantry_grpc_end_fn *on_end;
    void *data;
};

/* ---- grpc.c ---- */

/* Puts a call on the list of those with something to tell. */
void gantry_grpc_call_is_ready(struct gantry_grpc_call *call);

/* Ends a call: on_end follows. `reason` is the message, or "" where the answer has its own. It must have left its
 * stream, or be leaving it. Does nothing where it has ended. */
void gantry_grpc_call_end(struct gantry_grpc_call *call, int status, const char *reason);

/* Tells what a call has to tell, unless it is paused. Call and connection may be freed in it. */
void gantry_grpc_call_tell(struct gantry_grpc_call *call);

/* ---- grpc_connect.c ---- */

/* Makes the socket and begins to connect it. Returns 0; 1 where the system refuses at once, which is to be told later
 * as any other refusal (`err` says why); or -1 for what can never work. */
int gantry_grpc_open_socket(struct gantry_grpc *connection, const struct gantry_grpc_options *options,
                            struct gantry_error *err);

/* ---- grpc_connection.c ---- */

/* Runs the connection in the next step, unless it is running now. */
void gantry_grpc_schedule(struct gantry_grpc *connection);

/* Begins the work of an event of the loop, which gantry_grpc_run ends. */
void gantry_grpc_enter(struct gantry_grpc *connection);

/* Tells what there is to tell, then sends what there is to send. The connection may be gone afterwards. */
void gantry_grpc_run(struct gantry_grpc *connection);

/* Closes the connection for the reason `why` and ends its calls. on_closed follows. */
void gantry_grpc_lose(struct gantry_grpc *connection, const struct gantry_error *why);

/* ---- grpc_session.c ---- */

/* Makes the HTTP/2 session, with our settings waiting to be sent. Fails with OUT_OF_MEMORY. */
int gantry_grpc_session_new(struct gantry_grpc *connection, struct gantry_error *err);

/* Gives bytes of the peer to the session. Fails with GRPC_PROTOCOL_FAILED or OUT_OF_MEMORY. */
int gantry_grpc_session_receive(struct gantry_grpc *connection, const uint8_t *bytes, size_t length,
                                struct gantry_error *err);

/* Moves up to about `most` bytes for the peer to `target`. Fails with GRPC_PROTOCOL_FAILED or OUT_OF_MEMORY. */
int gantry_grpc_session_fill(struct gantry_grpc *connection, struct gantry_buffer *target, size_t most,
                             struct gantry_error *err);

/* True where neither side has anything more to say, which is the session's end. */
bool gantry_grpc_session_is_over(const struct gantry_grpc *connection);

/* Opens the stream of a call. Fails with METADATA_INVALID or OUT_OF_MEMORY. */
int gantry_grpc_session_submit(struct gantry_grpc_call *call, const struct gantry_grpc_call_options *options,
                               struct gantry_error *err);

/* The call has more to send. */
void gantry_grpc_session_resume(struct gantry_grpc_call *call);

/* Gives the bytes that the call holds back to its window. */
void gantry_grpc_session_return_window(struct gantry_grpc_call *call);

/* Parts call and stream; a stream that has not ended is reset with `http2_error`. */
void gantry_grpc_session_reset(struct gantry_grpc_call *call, uint32_t http2_error);

#endif
