/* SPDX-License-Identifier: Apache-2.0
 *
 * gate_request.h: a request to a gate, as bytes: for its standard input, or for gate_client.h. */
#ifndef GANTRY_GATE_REQUEST_H
#define GANTRY_GATE_REQUEST_H

#include "core/base/buffer.h"
#include "core/base/error.h"

#include <stdbool.h>

/* What a plugin is to be started with. Nothing in it is kept; lists end with NULL, and NULL is an empty one. */
struct gantry_gate_request {
    const char *const *program;     /* NULL: the gate's own command, which is the image's */
    const char *const *arguments;   /* behind that */
    const char *const *environment; /* "K=V", over the gate's own */
    const char *const *limits;      /* "nofile 1024 4096" */
    const char *directory;          /* absolute; NULL: the gate's own */
    bool clears_environment;        /* nothing of the gate's own */
    bool is_owned_by_input;         /* the plugin ends where the stream that this comes over does */
    bool outlives_asker;            /* over a socket: the plugin goes on where the connection ends */
    bool tells_handshake;           /* over a socket: the beginning of its output is told too, before the engine can */
    int descriptors[2];             /* for standard output and error, over a socket only; -1: the gate's own */
};

/* Appends the request. Fails with GATE_REQUEST_TOO_LONG or OUT_OF_MEMORY; then nothing was appended. */
GANTRY_API int gantry_gate_encode(const struct gantry_gate_request *request, struct gantry_buffer *bytes,
                                  struct gantry_error *err);

#endif
