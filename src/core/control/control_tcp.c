/* SPDX-License-Identifier: Apache-2.0
 *
 * control_tcp.c: a listening TCP socket for the control server. Addresses are numbers: no name is resolved. */
#include "core/control/control.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 64

struct tcp_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } socket;
    socklen_t length;
};

static bool tcp_address_read(const char *host, in_port_t port, struct tcp_address *address)
{
    *address = (struct tcp_address){0};
    if (inet_pton(AF_INET, host, &address->socket.v4.sin_addr) == 1) {
        address->socket.v4.sin_family = AF_INET;
        address->socket.v4.sin_port = htons(port);
        address->length = sizeof address->socket.v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &address->socket.v6.sin6_addr) == 1) {
        address->socket.v6.sin6_family = AF_INET6;
        address->socket.v6.sin6_port = htons(port);
        address->length = sizeof address->socket.v6;
        return true;
    }
    return false;
}

static int tcp_fail(struct gantry_error *err, int reason, const char *host, in_port_t port)
{
    if (reason == EADDRINUSE)
        return gantry_fail_errno(err, reason, "CONTROL_BUSY",
                                 "listen on %s port %u: another program has it; name another port", host, port);
    return gantry_fail_errno(err, reason, "CONTROL_FAILED", "listen on %s port %u", host, port);
}

int gantry_control_listen_tcp(const char *host, in_port_t port, int *fd, in_port_t *bound, struct gantry_error *err)
{
    struct tcp_address address;
    int made;
    int on = 1;

    if (!tcp_address_read(host, port, &address))
        return gantry_fail(err, "CONTROL_ADDRESS", "listen on '%s': it is no numeric address", host);
    made = socket(address.socket.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0)
        return tcp_fail(err, errno, host, port);
    /* One that ended a moment ago leaves connections behind, which are no reason to refuse. */
    if (setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(made, &address.socket.any, address.length) < 0 || listen(made, BACKLOG) < 0 ||
        getsockname(made, &address.socket.any, &address.length) < 0) {
        tcp_fail(err, errno, host, port);
        close(made);
        return -1;
    }
    *bound = ntohs(address.socket.any.sa_family == AF_INET ? address.socket.v4.sin_port : address.socket.v6.sin6_port);
    *fd = made;
    return 0;
}
