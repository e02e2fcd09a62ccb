/* SPDX-License-Identifier: Apache-2.0
 *
 * channel.h: what the process that makes the launch and the one that the host holds tell each other: packets of a kind,
 * a text and up to two descriptors, on a socket pair. Whoever makes the launch, in this process tree or elsewhere, the
 * face needs no more than these. */
#ifndef GANTRY_CHANNEL_H
#define GANTRY_CHANNEL_H

#include "core/base/error.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#define GANTRY_CHANNEL_SIZE 16384 /* most bytes of a packet's text */

enum gantry_channel_kind {
    GANTRY_CHANNEL_LOG = 'L',     /* text: lines for standard error, as they are */
    GANTRY_CHANNEL_PLUGIN = 'P',  /* text: the plugin's name; then the socket directory's path, after a zero byte */
    GANTRY_CHANNEL_PLACES = 'W',  /* text: the folder of the plugin's temporary files where a plugin that listens in it
                                     can  be started again; then, after a zero byte, "host" where it has the host's
                                     network. The  first of what is told of a container */
    GANTRY_CHANNEL_TIMEOUT = 'T', /* text: milliseconds from the face's start to the handshake, and after a space those
                                     that the engine may be away */
    GANTRY_CHANNEL_OUTLIVE = 'A', /* the plugin is to outlive its host */
    GANTRY_CHANNEL_SHARED = 'S',  /* the plugin sees the host's temporary directory */
    GANTRY_CHANNEL_OUTPUT = 'O',  /* descriptors: the attached stream; the lock on the socket directory, if any */
    GANTRY_CHANNEL_STARTED = 'R', /* the plugin runs, and the sender waits for its end until it has handed that over */
    GANTRY_CHANNEL_EXIT = 'E',    /* descriptor: the engine's answer, to come, to a wait for the container's end; or
                                     text: the exit code, where it has ended already */
    GANTRY_CHANNEL_PROCESS = 'C', /* text: the container's id; then, after a zero byte, when its process started, as the
                                     engine has it; descriptor: a pidfd of that process, where it is on this machine */
    GANTRY_CHANNEL_AWAY = 'G',    /* text: why the engine, which is asked on, does not answer */
    GANTRY_CHANNEL_AGAIN = 'N', /* from the face: the plugin listens in that folder. Where the face is content with what
                                    the plugin says of itself, it ends its side */
    GANTRY_CHANNEL_FAILED = 'F', /* text: why there is no plugin, or none any more, in one line */
    /* Between a face and a resident alone: */
    GANTRY_CHANNEL_REQUEST = 'Q', /* from the face, first. Text: gantry's version, the policy's path without links, the
                                     number of its host's arguments, each but the last followed by a zero byte.
                                     Descriptors: what the plugin's standard output and error are to be */
    GANTRY_CHANNEL_RECORD = 'M',  /* text: engine, container, root, directory, as of struct gantry_record */
    GANTRY_CHANNEL_TAKEN = 'K',   /* from the face: it has written that down, and takes it away from here on */
    GANTRY_CHANNEL_GATE = 'D',    /* the plugin runs. Descriptors: the connection to the gate that started it, which is
                                     the face's from here on; the lock on the socket directory */
    GANTRY_CHANNEL_REFUSED = 'X', /* there is no plugin, and nothing of one is left: the face is to launch it */
};

struct gantry_packet {
    int kind; /* 0 where the other side is gone */
    size_t size;
    int fds[2]; /* -1 where there is none; the receiver's */
    char text[GANTRY_CHANNEL_SIZE + 1];
};

/* The kind that Lua calls so; 0 where there is none. */
GANTRY_API int gantry_channel_kind_named(const char *name);

/* Makes a socket at a path that faces connect to, in place of one at which nobody listens. Fails with RESIDENT_BUSY,
 * RESIDENT_FAILED, SOCKET_PATH_TOO_LONG. */
GANTRY_API int gantry_channel_listen(const char *path, int *fd, struct gantry_error *err);

/* Connects to such a socket, without waiting. Returns 0, or -1 where nobody of this user listens. */
GANTRY_API int gantry_channel_connect(const char *path, int *fd);

/* Takes the next connection, without waiting. Returns its end, or -1; `peer` says who is at the other one. */
GANTRY_API int gantry_channel_accept(int fd, struct ucred *peer);

/* Makes a pair of ends, close-on-exec. Returns 0, or -1 with errno. */
GANTRY_API int gantry_channel_pair(int ends[2]);

/* Sends one packet; a text that is too long is cut. Fails with CHANNEL_FAILED where nobody receives any more. */
GANTRY_API int gantry_channel_send(int end, enum gantry_channel_kind kind, const char *text, size_t size,
                                   const int fds[2], struct gantry_error *err);

/* Takes the next packet, without waiting. Returns 1, or 0 where there is none yet. */
GANTRY_API int gantry_channel_receive(int end, struct gantry_packet *packet);

/* Copies a text of a packet, which ends at its first zero byte, or where there is no more room. */
GANTRY_API void gantry_channel_copy_text(char *to, size_t size, const char *text);

#endif
