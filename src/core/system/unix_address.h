/* SPDX-License-Identifier: Apache-2.0
 *
 * unix_address.h: addresses of Unix sockets, and whether somebody listens at one. */
#ifndef GANTRY_UNIX_ADDRESS_H
#define GANTRY_UNIX_ADDRESS_H

#include "core/base/error.h"

#include <sys/un.h>

/* The most bytes of a socket's path. */
#define GANTRY_UNIX_PATH_SIZE (sizeof((struct sockaddr_un *)0)->sun_path - 1)

/* Fills `address` with a path. Fails with SOCKET_PATH_TOO_LONG. */
GANTRY_API int gantry_unix_address(const char *path, struct sockaddr_un *address, struct gantry_error *err);

/* Whether a stream socket listens there: connects to it, without waiting, and hangs up at once. Returns 0, or the errno
 * that says why not; EAGAIN where one does whose queue is full. */
GANTRY_API int gantry_unix_probe(const struct sockaddr_un *address);

#endif
