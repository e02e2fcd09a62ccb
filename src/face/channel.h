/* SPDX-License-Identifier: Apache-2.0
 *
 * channel.h: what the process that makes the launch tells the one that the host holds: packets of a kind, a text and
 * up to two descriptors, on a socket pair. Whoever makes the launch, in this process tree or elsewhere, the face needs
 * no more than these. */
#ifndef GANTRY_CHANNEL_H
#define GANTRY_CHANNEL_H

#include "../core/error.h"

#include <stddef.h>
#include <sys/types.h>

#define GANTRY_CHANNEL_SIZE 16384 /* most bytes of a packet's text */

enum gantry_channel_kind {
    GANTRY_CHANNEL_LOG = 'L',      /* text: lines for standard error, as they are */
    GANTRY_CHANNEL_PLUGIN = 'P',   /* text: the plugin's name; then the socket directory's path, after a zero byte */
    GANTRY_CHANNEL_PATIENCE = 'T', /* text: milliseconds from the face's start to the handshake */
    GANTRY_CHANNEL_SHARED = 'S',   /* the plugin sees the host's temporary directory */
    GANTRY_CHANNEL_OUTPUT = 'O',   /* descriptors: the attached stream; the lock on the socket directory, if any */
    GANTRY_CHANNEL_STARTED = 'R',  /* the plugin runs, and the launcher stays to tell of its end */
    GANTRY_CHANNEL_EXIT = 'E',     /* descriptor: the engine's answer, to come, to a wait for the container's end; or
                                      text: the exit code, where it has ended already */
    GANTRY_CHANNEL_FAILED = 'F',   /* text: why there is no plugin, in one line */
};

struct gantry_packet {
    int kind; /* 0 where the other side is gone */
    size_t size;
    int fds[2]; /* -1 where there is none; the receiver's */
    char text[GANTRY_CHANNEL_SIZE + 1];
};

/* Makes a pair of ends, close-on-exec. Returns 0, or -1 with errno. */
int gantry_channel_pair(int ends[2]);

/* Sends one packet; a text that is too long is cut. Fails with CHANNEL_FAILED where nobody receives any more. */
int gantry_channel_send(int end, enum gantry_channel_kind kind, const char *text, size_t size, const int fds[2],
                        struct gantry_error *err);

/* Takes the next packet, without waiting. Returns 1, or 0 where there is none yet. */
int gantry_channel_receive(int end, struct gantry_packet *packet);

#endif
