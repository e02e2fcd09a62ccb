/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_connect.c: from an address to a socket that connects without blocking. */
#include "core/grpc/grpc_internal.h"
#include "core/plugin/plugin_socket.h"
#include "core/plugin/plugin_tcp.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_un local;
    union gantry_tcp_address network;
};

static int read_host(const char *host, uint16_t port, union address *address, socklen_t *length,
                     struct gantry_error *err)
{
    *length = gantry_tcp_address(host, port, &address->network);
    if (*length > 0)
        return 0;
    return gantry_fail(err, "ADDRESS_INVALID", "connect to '%s': not a numeric address; names are not resolved here",
                       host);
}

static int connect_read_address(struct gantry_grpc *connection, const struct gantry_grpc_options *options,
                                union address *address, socklen_t *length, int *inode, struct gantry_error *err)
{
    if (options->socket != NULL) {
        snprintf(connection->peer, sizeof connection->peer, "unix:%s", options->socket);
        *length = sizeof address->local;
        return gantry_plugin_socket_open(options->socket, inode, &address->local, err);
    }
    if (options->host == NULL)
        return gantry_fail(err, "ADDRESS_INVALID", "connect: no address; give a socket, or a host and a port");
    snprintf(connection->peer, sizeof connection->peer, "tcp:%s:%u", options->host, options->port);
    return read_host(options->host, options->port, address, length, err);
}

static int not_connected(const struct gantry_grpc *connection, int reason, struct gantry_error *err)
{
    gantry_fail_errno(err, reason, "GRPC_CONNECT_FAILED", "connect to %s", connection->peer);
    return 1;
}

static int begin_connect(struct gantry_grpc *connection, const union address *address, socklen_t length,
                         struct gantry_error *err)
{
    int on = 1;

    connection->fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connection->fd < 0)
        return gantry_fail_errno(err, errno, "GRPC_CONNECT_FAILED", "make a socket for %s", connection->peer);
    if (address->any.sa_family != AF_UNIX)
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(connection->fd, &address->any, length) < 0 && errno != EINPROGRESS)
        return not_connected(connection, errno, err);
    return 0;
}

int gantry_grpc_open_socket(struct gantry_grpc *connection, const struct gantry_grpc_options *options,
                            struct gantry_error *err)
{
    union address address = {0};
    socklen_t length = 0;
    int inode = -1;
    int result;

    if (connect_read_address(connection, options, &address, &length, &inode, err) < 0)
        return strcmp(err->code, "SOCKET_FAILED") == 0 ? not_connected(connection, err->os_error, err) : -1;
    result = begin_connect(connection, &address, length, err);
    if (inode >= 0)
        close(inode);
    return result;
}
