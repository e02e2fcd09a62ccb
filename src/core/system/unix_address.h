/* SPDX-License-Identifier: Apache-2.0
 *
 * unix_address.h: addresses of Unix sockets, and whether somebody listens at one. */
#ifndef GANTRY_UNIX_ADDRESS_H
#define GANTRY_UNIX_ADDRESS_H

#include "core/base/error.h"

#include <sys/types.h>
#include <sys/un.h>

/* The most bytes of a socket's path. */
#define GANTRY_UNIX_PATH_SIZE (sizeof((struct sockaddr_un *)0)->sun_path - 1)

/* Fills `address` with a path. Fails with SOCKET_PATH_TOO_LONG. */
GANTRY_API int gantry_unix_address(const char *path, struct sockaddr_un *address, struct gantry_error *err);

/* Whether a stream socket listens there: connects to it, without waiting, and hangs up at once. Returns 0, or the errno
 * that says why not; EAGAIN where one does whose queue is full. `listener`, which may be NULL, gets the process that
 * listens; 0 where that is in another view of processes, or was not learned. */
GANTRY_API int gantry_unix_probe(const struct sockaddr_un *address, pid_t *listener);

#endif
