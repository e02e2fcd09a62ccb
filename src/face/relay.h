/* SPDX-License-Identifier: Apache-2.0
 *
 * relay.h: the plugin's output on its way to the host: an engine's stream, taken apart into standard output and error,
 * or a pipe of the plugin's own for each.
 *
 * Standard output goes first and whole until the handshake line is out: nothing of that line goes before it is complete
 * and was looked at. What follows it is thrown away where the host does not read it at once, since go-plugin hosts may
 * stop reading there. A first line that no host takes for a handshake is something else that the host wants to read:
 * then all goes on. Standard error waits for its reader, and so does the plugin once enough of it waits. Nothing here
 * ever blocks. gantry's own messages are lines on standard error, among the plugin's: of hclog's JSON, or with their
 * level in brackets. */
#ifndef GANTRY_RELAY_H
#define GANTRY_RELAY_H

#include "core/base/buffer.h"
#include "core/base/stdcopy.h"
#include "face/last_line.h"

#include <stdbool.h>

enum gantry_relay_state {
    GANTRY_RELAY_OPEN,
    GANTRY_RELAY_ENDED,  /* the stream is at its end, or both pipes are */
    GANTRY_RELAY_BROKEN, /* it cannot be read, or is not what engines send */
};

/* Descriptors are the relay's once they are there. */
struct gantry_relay {
    int input;    /* the attached stream; -1 before it is there and once it has ended */
    int pipes[2]; /* of standard output and error, where there is no stream; -1 likewise */
    enum gantry_relay_state state;
    struct gantry_stdcopy frames;
    struct gantry_buffer output; /* up to the end of the handshake line */
    struct gantry_buffer error;
    struct gantry_buffer own; /* messages of gantry's that wait for the end of a line of the plugin's */
    bool passes;              /* there is no handshake: standard output goes on as it is, and waits for its reader */
    bool plain;               /* the host does not read hclog's JSON */
    bool handshake_complete;  /* the first line of standard output is in `output`, or was, with its newline */
    bool handshake_held;      /* and is not to be written until the relay is told to */
    struct gantry_last_line last; /* of standard error */
    bool in_line;                 /* standard error stands in the middle of a line of the plugin's */
};

/* Makes an empty one, without descriptors. */
void gantry_relay_init(struct gantry_relay *relay);

/* Begins with the plugin's own pipes. */
void gantry_relay_take_pipes(struct gantry_relay *relay, const int pipes[2]);

/* Goes on with another stream of the same container's output, whatever came of the one before. What there was of a
 * handshake line is dropped: its rest is lost. */
void gantry_relay_attach(struct gantry_relay *relay, int input);

/* Lets go of a stream whose handshake line is not to be seen by the host: that of another container is to come. */
void gantry_relay_let_go(struct gantry_relay *relay);

/* Reads what has come of the stream and takes it apart. */
void gantry_relay_read(struct gantry_relay *relay);

/* Reads what has come by a pipe, 0 or 1. */
void gantry_relay_read_pipe(struct gantry_relay *relay, int which);

/* Whether there is room for more output: a relay without is not to be read. */
bool gantry_relay_has_room(const struct gantry_relay *relay);

/* Writes what descriptor 1 or 2 takes without blocking, once it polls as writable. False where nobody reads it. */
bool gantry_relay_write(struct gantry_relay *relay, int fd);

/* Whether something waits for descriptor 1 or 2. */
bool gantry_relay_waits(const struct gantry_relay *relay, int fd);

/* Whether a host could take a line for a handshake: it splits it at bars and needs four fields. */
bool gantry_relay_could_be_handshake(const struct gantry_relay *relay);

/* Adds a message of gantry's own. `level` is one of hclog's: "debug", "warn", "error". */
void gantry_relay_say(struct gantry_relay *relay, const char *level, const char *message);

/* Adds bytes of gantry's own to standard error as they are: whole lines. */
void gantry_relay_add_lines(struct gantry_relay *relay, const char *lines, size_t size);

#endif
