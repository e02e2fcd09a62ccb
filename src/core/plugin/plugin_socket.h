/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin_socket.h: the socket of a plugin, which the plugin itself names. What is dialled is an inode that was looked
 * at, not a name: a plugin can put a link to any socket of the machine in the place of its own. */
#ifndef GANTRY_PLUGIN_SOCKET_H
#define GANTRY_PLUGIN_SOCKET_H

#include "core/base/api.h"
#include "core/base/error.h"

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

/* Opens the socket at `path` (O_PATH), where it is one and no link, and gives an address that leads to just that inode
 * for as long as the descriptor is open. The descriptor is the caller's. Fails with SOCKET_INVALID (a link, another
 * kind of file), ADDRESS_INVALID (no path), SOCKET_PATH_TOO_LONG or, where there is nothing or it may not be looked at,
 * SOCKET_FAILED. */
GANTRY_API int gantry_plugin_socket_open(const char *path, int *fd, struct sockaddr_un *address,
                                         struct gantry_error *err);

/* Whether `path` is an entry of the directory `directory` and a socket. Fails with HANDSHAKE_ADDRESS where it is
 * elsewhere, else as gantry_plugin_socket_open does. */
int gantry_plugin_socket_check(const char *directory, const char *path, struct gantry_error *err);

/* Whether somebody listens on the socket at `path`, and which process: `listener` is 0 where that is in another view of
 * processes, or has a full queue. Never waits; the connection is dropped at once. Fails with DIAL_FAILED, else as
 * gantry_plugin_socket_open does. */
int gantry_plugin_socket_dial(const char *path, pid_t *listener, struct gantry_error *err);

#endif
