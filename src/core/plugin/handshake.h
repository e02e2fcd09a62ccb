/* SPDX-License-Identifier: Apache-2.0
 *
 * handshake.h: the line with which a go-plugin plugin says how to reach it:
 *
 *     CORE|APP|NETWORK|ADDRESS|PROTOCOL|CERTIFICATE|MULTIPLEX
 *
 * as go-plugin's server.go prints and client.go reads it. Parsing is pure: it takes no memory, asks no locale, and the
 * result points into the line, which stays the caller's. */
#ifndef GANTRY_HANDSHAKE_H
#define GANTRY_HANDSHAKE_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gantry_slice {
    const char *bytes;
    size_t size;
};

struct gantry_handshake {
    int core_version; /* of go-plugin always 1: others are refused */
    int protocol_version;
    struct gantry_slice network;     /* "unix" or "tcp" */
    struct gantry_slice address;     /* a path of up to 107 bytes, or host:port; no control characters */
    struct gantry_slice protocol;    /* "grpc" or "netrpc"; netrpc where the plugin says none */
    struct gantry_slice certificate; /* base64 without padding; empty where there is none */
    bool has_multiplex;              /* whether the plugin says anything of it */
    bool multiplex;
};

/* Parses one line, with or without its newline. Fails with HANDSHAKE_INVALID, whose message names the field and shows
 * what it holds, or HANDSHAKE_CORE_VERSION. What follows the seventh field is left to later versions. */
int gantry_handshake_parse(const char *line, size_t size, struct gantry_handshake *handshake, struct gantry_error *err);

/* The same of a plugin for Packer, whose SDK is older than go-plugin: API_MAJOR|API_MINOR|NETWORK|ADDRESS, net/rpc. Its
 * versions are the host's to judge: `core_version` and `protocol_version` are what it says. */
int gantry_handshake_parse_packer(const char *line, size_t size, struct gantry_handshake *handshake,
                                  struct gantry_error *err);

/* Decodes the certificate into DER: `der` must have room for 3/4 of its size. Returns the size, or fails with
 * HANDSHAKE_INVALID. */
int gantry_handshake_certificate(const struct gantry_handshake *handshake, uint8_t *der, struct gantry_error *err);

#endif
