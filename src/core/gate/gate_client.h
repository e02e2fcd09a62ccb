/* SPDX-License-Identifier: Apache-2.0
 *
 * gate_client.h: a connection to a gate that listens at a socket: taken first, asked once, heard to the end.
 *
 * Owned by whoever made it. Freeing it ends the plugin that was asked for, unless that is to outlive its asker: the
 * gate sees it go. A gate that told of the handshake stays after the end it told of until then, for a second: freeing
 * it lets the container go. */
#ifndef GANTRY_GATE_CLIENT_H
#define GANTRY_GATE_CLIENT_H

#include "core/gate/gate_request.h"
#include "core/loop/loop.h"

#include <sys/types.h>

struct gantry_gate;

enum gantry_gate_event_kind {
    GANTRY_GATE_READY,   /* it greeted, and understands this client */
    GANTRY_GATE_STARTED, /* pid */
    GANTRY_GATE_OUTPUT,  /* text, length: of the plugin's standard output, from its beginning on */
    GANTRY_GATE_FAILED,  /* what, code (errno), text: there is no plugin; the last event */
    GANTRY_GATE_EXIT,    /* code, signal, memory: the last event */
    GANTRY_GATE_LOST,    /* the gate went without a word: killed, or not for us; the last event */
};

struct gantry_gate_event {
    enum gantry_gate_event_kind kind;
    int pid; /* as the container counts */
    int code;
    int signal;
    int memory;       /* 1: the container's memory ran out meanwhile, 0: not, -1: nobody knows */
    const char *what; /* one word: README.md of src/gate has them; valid during the call, as the next */
    const char *text;
    size_t length; /* of output, which may be any bytes */
};

/* May free the object. */
typedef void gantry_gate_event_fn(void *data, const struct gantry_gate_event *event);

/* Connects. Fails with GATE_UNREACHABLE (nobody listens, no such socket, not permitted), GATE_STRANGER (who listens is
 * neither this user, nor root, nor `gate_user`; -1 for nobody else), SOCKET_PATH_TOO_LONG, WATCH_FAILED. */
GANTRY_API int gantry_gate_connect(struct gantry_loop *loop, const char *path, uid_t gate_user,
                                   gantry_gate_event_fn *on_event, void *data, struct gantry_gate **gate,
                                   struct gantry_error *err);

/* Asks for the plugin; it goes out once the gate has greeted. Descriptors are copied. Once a connection: fails with
 * GATE_ASKED, GATE_GONE, GATE_REQUEST_TOO_LONG, OUT_OF_MEMORY. */
GANTRY_API int gantry_gate_ask(struct gantry_gate *gate, const struct gantry_gate_request *request,
                               struct gantry_error *err);

/* Has the gate send the plugin a signal. Fails with GATE_GONE. */
GANTRY_API int gantry_gate_signal(struct gantry_gate *gate, int number, struct gantry_error *err);

/* The connection's descriptor, which stays its own; -1 once the last event was told. Who has a copy of it is the asker
 * as well. */
GANTRY_API int gantry_gate_descriptor(const struct gantry_gate *gate);

/* NULL is allowed. */
GANTRY_API void gantry_gate_free(struct gantry_gate *gate);

#endif
