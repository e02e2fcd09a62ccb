/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_internal.h: what the parts of the gRPC client share. Only src/core/grpc/grpc*.c include it.
 *
 * Lowest first, each calling only what is below it: grpc_call.c is a call with its deadline, its end and its callbacks,
 * grpc_session.c all that nghttp2 sees, grpc_connect.c makes the socket, grpc_connection.c moves bytes and calls back,
 * grpc.c is what owners do with their calls. Events are collected on the calls and told later by gantry_grpc_run, so no
 * callback has a library beneath it. */
#ifndef GANTRY_GRPC_INTERNAL_H
#define GANTRY_GRPC_INTERNAL_H

#include "core/base/buffer.h"
#include "core/base/list.h"
#include "core/grpc/grpc.h"
#include "core/grpc/grpc_message.h"

#include <nghttp2/nghttp2.h>

#define GANTRY_GRPC_NO_STREAM (-1)

enum gantry_grpc_state {
    GANTRY_GRPC_CONNECTING,
    GANTRY_GRPC_SHAKING_HANDS, /* TLS */
    GANTRY_GRPC_OPEN,
    GANTRY_GRPC_CLOSED,
};

/* The most that one step takes of a peer, in bytes of what comes out of frames: a frame counts as
 * GANTRY_GRPC_FRAME_WORK, a header field as what it stands for. What is over waits for the next step. */
#define GANTRY_GRPC_STEP_WORK (1024UL * 1024)
#define GANTRY_GRPC_FRAME_WORK 256UL

struct gantry_grpc {
    struct gantry_loop *loop;
    enum gantry_grpc_state state;
    char peer[160];      /* for messages */
    char authority[256]; /* the name the peer is called by */
    int fd;
    struct gantry_watch *watch;
    struct gantry_timer *connect_timer;
    struct gantry_timer *run_timer;   /* runs the connection in the next step */
    struct gantry_deferred *send_all; /* sends what the step has brought */
    struct gantry_tls *tls;           /* NULL without TLS */
    nghttp2_session *session;         /* NULL once closed */
    struct gantry_buffer plain;       /* to be encrypted; unused without TLS */
    struct gantry_buffer output;      /* for the socket */

    struct gantry_list calls;            /* all that have not been freed */
    struct gantry_list ready;            /* those with something to deliver */
    struct gantry_grpc_call *delivering; /* the one that is being called back; NULL once it is freed */

    size_t work;          /* what this step's input has cost so far: see GANTRY_GRPC_STEP_WORK */
    size_t continuations; /* frames of the header block under way */
    bool is_draining;     /* the peer takes no more; what it has said is read, and then it is closed for `closing` */
    size_t drain_steps;   /* how many steps more that may take */

    bool is_scheduled;           /* run_timer is set */
    bool is_running;             /* inside gantry_grpc_run, which needs no run_timer */
    bool is_freed;               /* during a run, which then gives back the memory */
    bool has_settings;           /* of the peer */
    bool ready_pending;          /* on_ready is to be called */
    bool closed_pending;         /* and on_closed */
    bool is_leaving;             /* the peer sent GOAWAY */
    char complaint[256];         /* the last thing nghttp2 or a GOAWAY said, or "" */
    struct gantry_error closing; /* why it is closed */

    gantry_grpc_ready_fn *on_ready;
    gantry_grpc_closed_fn *on_closed;
    void *data;
};

/* The flags of a call:
 *
 * flag          | set when                         | cleared when                    | while it is set
 * is_finished   | its owner has no more messages   | -                               | sending fails
 * has_sent_all  | nghttp2 has all, and their end   | -                               | its end needs no reset
 * is_deferred   | nghttp2 asked, and had no bytes  | there are; the connection ends  | it is to be told of more
 * is_paused     | its owner wants no callbacks     | its owner resumes; its deadline | nothing is delivered
 * has_ended     | its status is known              | -                               | on_end is to come
 * end_delivered | on_end is called                 | -                               | nothing is delivered
 */
struct gantry_grpc_call {
    struct gantry_grpc *connection; /* NULL once that is freed */
    struct gantry_list in_calls;
    struct gantry_list in_ready;
    struct gantry_timer *deadline; /* NULL without one, and once it has ended */
    int64_t timeout_ns;
    int64_t due_ns; /* when the deadline is, by the monotonic clock */
    int32_t stream; /* or GANTRY_GRPC_NO_STREAM */
    size_t window;

    struct gantry_buffer outgoing; /* messages with their prefixes */
    bool is_finished;
    bool has_sent_all;
    bool is_deferred;

    struct gantry_grpc_reader reader;
    struct gantry_grpc_answer answer;
    size_t held; /* bytes received, but not yet given back to the stream's window */
    bool is_paused;

    bool has_ended;
    bool end_delivered;
    int status;
    char *reason; /* our own message, or NULL: it is the peer's */

    gantry_grpc_message_fn *on_message;
    gantry_grpc_end_fn *on_end;
    void *data;
};

/* ---- grpc_call.c ---- */

/* Makes a call of the connection, without a stream and with nothing to tell; NULL where memory is short. It ends with
 * gantry_grpc_call_destroy. */
struct gantry_grpc_call *gantry_grpc_call_make(struct gantry_grpc *connection,
                                               const struct gantry_grpc_call_options *options);

/* Takes the call, which has no stream any more, from its connection: it is inert from here on. Idempotent. */
void gantry_grpc_call_detach(struct gantry_grpc_call *call);

/* Detaches the call and gives back its memory. */
void gantry_grpc_call_destroy(struct gantry_grpc_call *call);

/* There is something to send. */
void gantry_grpc_has_output(struct gantry_grpc *connection);

/* Runs the connection in the next step, unless it is running now. */
void gantry_grpc_schedule(struct gantry_grpc *connection);

/* Puts a call on the list of those with something to tell. */
void gantry_grpc_call_is_ready(struct gantry_grpc_call *call);

/* Has `expired` called with the call `timeout_ns` from now, unless it ends before; 0 is for no deadline. Fails with
 * OUT_OF_MEMORY. */
int gantry_grpc_call_set_deadline(struct gantry_grpc_call *call, int64_t timeout_ns, gantry_timer_fn *expired,
                                  struct gantry_error *err);

/* Ends a call: on_end follows. `reason` is the message, or "" where the answer has its own. It must have left its
 * stream, or be leaving it. Does nothing where it has ended. */
void gantry_grpc_call_end(struct gantry_grpc_call *call, int status, const char *reason);

/* Ends a call at its deadline, paused or not; its messages are lost. */
void gantry_grpc_call_expire(struct gantry_grpc_call *call);

/* Delivers the messages that have come, unless the call is paused. True where all are delivered and the call is still
 * its connection's; it and the connection may be freed meanwhile. */
bool gantry_grpc_call_deliver_messages(struct gantry_grpc_call *call);

/* Delivers the end of a call that has ended, once. Call and connection may be freed in it. */
void gantry_grpc_call_deliver_end(struct gantry_grpc_call *call);

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

/* ---- grpc_connect.c ---- */

/* Makes the socket and begins to connect it. Returns 0; 1 where the system refuses at once, which is to be told later
 * as any other refusal (`err` says why); or -1 for what can never work. */
int gantry_grpc_open_socket(struct gantry_grpc *connection, const struct gantry_grpc_options *options,
                            struct gantry_error *err);

/* ---- grpc_connection.c ---- */

/* Begins the work of an event of the loop, which gantry_grpc_run ends. */
void gantry_grpc_enter(struct gantry_grpc *connection);

/* Tells what there is to tell, and has sent what there is to send. The connection may be gone afterwards. */
void gantry_grpc_run(struct gantry_grpc *connection);

/* Closes the connection for the reason `why` and ends its calls. on_closed follows. */
void gantry_grpc_lose(struct gantry_grpc *connection, const struct gantry_error *why);

#endif
