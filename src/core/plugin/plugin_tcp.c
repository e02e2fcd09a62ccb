/* SPDX-License-Identifier: Apache-2.0 */
#include "core/plugin/plugin_tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

socklen_t gantry_tcp_address(const char *host, uint16_t port, union gantry_tcp_address *address)
{
    const char *numeric = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;

    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, numeric, &address->version4.sin_addr) == 1) {
        address->version4.sin_family = AF_INET;
        address->version4.sin_port = htons(port);
        return sizeof address->version4;
    }
    if (inet_pton(AF_INET6, numeric, &address->version6.sin6_addr) == 1) {
        address->version6.sin6_family = AF_INET6;
        address->version6.sin6_port = htons(port);
        return sizeof address->version6;
    }
    return 0;
}

static bool is_loopback(const union gantry_tcp_address *address)
{
    if (address->any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&address->version6.sin6_addr);
    return ntohl(address->version4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* The parts of HOST:PORT, without brackets; false where there are none. */
static bool split_address(const char *address, char host[GANTRY_TCP_HOST_SIZE], uint16_t *port)
{
    const char *colon = strrchr(address, ':');
    size_t size = colon != NULL ? (size_t)(colon - address) : 0;
    char *end = NULL;
    long number;

    if (colon == NULL || colon[1] < '0' || colon[1] > '9')
        return false;
    number = strtol(colon + 1, &end, 10);
    if (*end != '\0' || number <= 0 || number > UINT16_MAX)
        return false;
    if (size > 2 && address[0] == '[' && address[size - 1] == ']') {
        address++;
        size -= 2;
    }
    if (size == 0 || size >= GANTRY_TCP_HOST_SIZE)
        return false;
    memcpy(host, address, size);
    host[size] = '\0';
    *port = (uint16_t)number;
    return true;
}

int gantry_plugin_tcp_split(const char *text, char host[GANTRY_TCP_HOST_SIZE], uint16_t *port, struct gantry_error *err)
{
    union gantry_tcp_address address;

    if (split_address(text, host, port) && gantry_tcp_address(host, *port, &address) > 0 && is_loopback(&address))
        return 0;
    return gantry_fail(err, "HANDSHAKE_NETWORK",
                       "listens on tcp %.128s, and a plugin does not choose whom its host talks to: of TCP it is to "
                       "listen on 127.0.0.1 (with networks = { \"host\" } in the policy), or else on a Unix socket in "
                       "PLUGIN_UNIX_SOCKET_DIR",
                       text);
}

int gantry_plugin_tcp_check(const char *address, bool host_network, struct gantry_error *err)
{
    char host[GANTRY_TCP_HOST_SIZE];
    uint16_t port;

    if (host_network)
        return gantry_plugin_tcp_split(address, host, &port, err);
    return gantry_fail(err, "HANDSHAKE_NETWORK",
                       "listens on tcp %.128s in its container's own network, where its host cannot reach it: set "
                       "networks = { \"host\" } in the policy, in place of other networks and of disable_network, or "
                       "have it listen on a Unix socket in PLUGIN_UNIX_SOCKET_DIR",
                       address);
}

/* Why a connection cannot be made: the kernel answers for this machine's loopback before connect returns. Where there
 * is no answer, the listener's queue is full: it has an owner. Returns 0 or an errno. */
static int probe(const union gantry_tcp_address *address, socklen_t length)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t size = sizeof(int);
    struct pollfd polled = {.fd = fd, .events = POLLOUT};
    int reason = fd < 0 ? errno : 0;

    if (fd < 0)
        return reason;
    if (connect(fd, &address->any, length) < 0) {
        reason = errno == EINPROGRESS ? 0 : errno;
        if (reason == 0 && poll(&polled, 1, 0) > 0)
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &size);
    }
    close(fd);
    return reason;
}

int gantry_plugin_tcp_dial(const char *text, struct gantry_error *err)
{
    char host[GANTRY_TCP_HOST_SIZE];
    union gantry_tcp_address address;
    uint16_t port = 0;
    socklen_t length;
    int reason;

    if (gantry_plugin_tcp_split(text, host, &port, err) < 0)
        return -1;
    length = gantry_tcp_address(host, port, &address);
    reason = probe(&address, length);
    if (reason == 0)
        return 0;
    return gantry_fail_errno(err, reason, "DIAL_FAILED",
                             "listens on tcp %.128s, and nothing is there on this machine: it ended, or the engine's "
                             "network \"host\" is another than ours (rootless Docker, gVisor, an engine in a "
                             "machine of its own), where a Unix socket in PLUGIN_UNIX_SOCKET_DIR is the way",
                             text);
}
