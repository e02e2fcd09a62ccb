/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_connect.c: from an address to a socket that connects without blocking. */
#include "grpc_internal.h"

#include <arpa/inet.h>
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
    struct sockaddr_in version4;
    struct sockaddr_in6 version6;
};

static int read_path(const char *path, union address *address, socklen_t *length, struct gantry_error *err)
{
    size_t most = sizeof address->local.sun_path - 1;
    size_t needed = strlen(path);

    if (needed == 0)
        return gantry_fail(err, "ADDRESS_INVALID", "connect: the path of the socket is empty");
    if (needed > most)
        return gantry_fail(err, "SOCKET_PATH_TOO_LONG",
                           "connect to %s: the path has %zu bytes, a socket's may have %zu; use a shorter directory",
                           path, needed, most);
    address->local.sun_family = AF_UNIX;
    memcpy(address->local.sun_path, path, needed + 1);
    *length = sizeof address->local;
    return 0;
}

static int read_host(const char *host, uint16_t port, union address *address, socklen_t *length,
                     struct gantry_error *err)
{
    const char *numeric = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;

    if (inet_pton(AF_INET, numeric, &address->version4.sin_addr) == 1) {
        address->version4.sin_family = AF_INET;
        address->version4.sin_port = htons(port);
        *length = sizeof address->version4;
        return 0;
    }
    if (inet_pton(AF_INET6, numeric, &address->version6.sin6_addr) == 1) {
        address->version6.sin6_family = AF_INET6;
        address->version6.sin6_port = htons(port);
        *length = sizeof address->version6;
        return 0;
    }
    return gantry_fail(err, "ADDRESS_INVALID", "connect to '%s': not a numeric address; names are not resolved here",
                       host);
}

static int read_address(struct gantry_grpc *connection, const struct gantry_grpc_options *options,
                        union address *address, socklen_t *length, struct gantry_error *err)
{
    if (options->socket != NULL) {
        snprintf(connection->peer, sizeof connection->peer, "unix:%s", options->socket);
        return read_path(options->socket, address, length, err);
    }
    if (options->host == NULL)
        return gantry_fail(err, "ADDRESS_INVALID", "connect: no address; give a socket, or a host and a port");
    snprintf(connection->peer, sizeof connection->peer, "tcp:%s:%u", options->host, options->port);
    return read_host(options->host, options->port, address, length, err);
}

int gantry_grpc_open_socket(struct gantry_grpc *connection, const struct gantry_grpc_options *options,
                            struct gantry_error *err)
{
    union address address = {0};
    socklen_t length = 0;
    int on = 1;

    if (read_address(connection, options, &address, &length, err) < 0)
        return -1;
    connection->fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connection->fd < 0)
        return gantry_fail_errno(err, errno, "GRPC_CONNECT_FAILED", "make a socket for %s", connection->peer);
    if (address.any.sa_family != AF_UNIX)
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(connection->fd, &address.any, length) < 0 && errno != EINPROGRESS) {
        gantry_fail_errno(err, errno, "GRPC_CONNECT_FAILED", "connect to %s", connection->peer);
        return 1;
    }
    return 0;
}
