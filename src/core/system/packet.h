/* SPDX-License-Identifier: Apache-2.0
 *
 * packet.h: packets of a SOCK_SEQPACKET socket, with descriptors. Also part of gantry-monitor, which has no
 * gantry_error, so that these two tell by errno why they failed. */
#ifndef GANTRY_PACKET_H
#define GANTRY_PACKET_H

#include <stddef.h>
#include <sys/types.h>

#define GANTRY_PACKET_FDS 4 /* the most descriptors of one packet */

/* Sends `head` and, where there is one, a newline and `payload`, with copies of `count` descriptors, as one packet.
 * Never waits, raises no SIGPIPE. Returns 0 or an errno; EAGAIN where the other end has to read first. */
int gantry_packet_send(int fd, const char *head, const void *payload, size_t length, const int *fds, size_t count);

/* Takes one packet without waiting, ends it with a NUL, and gives its descriptors (close-on-exec) to the caller.
 * Returns its length, 0 at the end, or -1 with errno; EMSGSIZE for what does not fit, which is dropped whole. */
ssize_t gantry_packet_receive(int fd, char *bytes, size_t size, int fds[GANTRY_PACKET_FDS], size_t *count);

#endif
