/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin_tcp.h: a plugin that listens on TCP, as those do that are not written in Go. Its address means something here
 * only where its container has the network of this machine, and a plugin does not choose whom its host talks to: none
 * but this machine's loopback is dialled. */
#ifndef GANTRY_PLUGIN_TCP_H
#define GANTRY_PLUGIN_TCP_H

#include "core/base/api.h"
#include "core/base/error.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

union gantry_tcp_address {
    struct sockaddr any;
    struct sockaddr_in version4;
    struct sockaddr_in6 version6;
};

#define GANTRY_TCP_HOST_SIZE 64

/* Takes "HOST:PORT" or "[HOST]:PORT" apart, the host being a number or localhost; nothing is resolved. Fails with
 * HANDSHAKE_NETWORK where it is something else, or not of this machine's loopback. */
int gantry_plugin_tcp_split(const char *text, char host[GANTRY_TCP_HOST_SIZE], uint16_t *port,
                            struct gantry_error *err);

/* Reads a numeric host, or localhost, and its port. Returns the address's length, or 0 where it is none. */
GANTRY_API socklen_t gantry_tcp_address(const char *host, uint16_t port, union gantry_tcp_address *address);

/* Whether a plugin may listen there: `host_network` says that its container has the network of this machine. Fails with
 * HANDSHAKE_NETWORK, whose message goes on from the plugin's name. */
int gantry_plugin_tcp_check(const char *address, bool host_network, struct gantry_error *err);

/* Whether somebody listens there. Never waits; the connection is dropped at once. Fails with HANDSHAKE_NETWORK or
 * DIAL_FAILED, whose message goes on from the plugin's name. */
int gantry_plugin_tcp_dial(const char *text, struct gantry_error *err);

#endif
