/* SPDX-License-Identifier: Apache-2.0
 *
 * relay.h: the plugin's output on its way to the host: the attached stream taken apart into standard output and error.
 *
 * Standard output goes first and whole until the handshake line is out; what follows it is thrown away where the host
 * does not read it at once, since go-plugin hosts may stop reading there. Standard error waits for its reader, and so
 * does the plugin once enough of it waits. Nothing here ever blocks. gantry's own messages are lines of hclog's JSON on
 * standard error, among the plugin's. */
#ifndef GANTRY_RELAY_H
#define GANTRY_RELAY_H

#include "../core/buffer.h"
#include "../core/stdcopy.h"

#include <stdbool.h>

enum gantry_relay_state {
    GANTRY_RELAY_OPEN,
    GANTRY_RELAY_ENDED,  /* the stream is at its end */
    GANTRY_RELAY_BROKEN, /* it cannot be read, or is not what engines send */
};

/* Made of zeros with `input` -1. The descriptor is the relay's once it is there. */
struct gantry_relay {
    int input; /* the attached stream; -1 before it is there and once it has ended */
    enum gantry_relay_state state;
    struct gantry_stdcopy frames;
    struct gantry_buffer output; /* up to the end of the handshake line */
    struct gantry_buffer error;
    struct gantry_buffer own; /* messages of gantry's that wait for the end of a line of the plugin's */
    bool handshake_complete;  /* the first line of standard output is in `output`, or was, with its newline */
    bool handshake_held;      /* and is not to be written until the relay is told to */
    bool in_line;             /* standard error stands in the middle of a line of the plugin's */
};

/* Reads what has come and takes it apart. */
void gantry_relay_read(struct gantry_relay *relay);

/* Whether there is room for more output: a relay without is not to be read. */
bool gantry_relay_has_room(const struct gantry_relay *relay);

/* Writes what descriptor 1 or 2 takes without blocking, once it polls as writable. False where nobody reads it. */
bool gantry_relay_write(struct gantry_relay *relay, int fd);

/* Whether something waits for descriptor 1 or 2. */
bool gantry_relay_waits(const struct gantry_relay *relay, int fd);

/* Adds a message of gantry's own, as a line of hclog's JSON. `level` is one of hclog's: "debug", "warn", "error". */
void gantry_relay_say(struct gantry_relay *relay, const char *level, const char *message);

/* Adds bytes of gantry's own to standard error as they are: whole lines. */
void gantry_relay_add_lines(struct gantry_relay *relay, const char *lines, size_t size);

#endif
