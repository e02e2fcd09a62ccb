/* SPDX-License-Identifier: Apache-2.0
 *
 * tls.h: the client's end of a TLS connection, without a socket: bytes go in and out by function.
 *
 * TLS 1.2 or later. The peer is pinned to exactly one certificate: it must show that one and prove that it holds its
 * key, and nothing else about it counts. HTTP/2 (ALPN `h2`) is offered and required. */
#ifndef GANTRY_TLS_H
#define GANTRY_TLS_H

#include "core/base/buffer.h"
#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct gantry_tls;

/* Nothing in it is kept. */
struct gantry_tls_options {
    const char *certificate; /* PEM of our own, or NULL where we show none */
    size_t certificate_length;
    const char *key; /* PEM, with the certificate */
    size_t key_length;
    const unsigned char *peer; /* DER: the one certificate the peer may show */
    size_t peer_length;
    const char *server_name; /* NULL: localhost */
};

/* Makes one end, which the caller frees. Fails with CERTIFICATE_INVALID (names which of the three is
 * unreadable, or that the key is not the certificate's) or TLS_FAILED. */
int gantry_tls_new(const struct gantry_tls_options *options, struct gantry_tls **tls, struct gantry_error *err);

/* Frees it. NULL is allowed. */
void gantry_tls_free(struct gantry_tls *tls);

/* Takes bytes that came from the peer. Fails with TLS_FAILED (out of memory). */
int gantry_tls_feed(struct gantry_tls *tls, const void *bytes, size_t length, struct gantry_error *err);

/* Goes on with the handshake, from its first call. Sets `done` once it is complete. Fails with TLS_FAILED, naming what
 * is wrong; there may still be an alert to send then. */
int gantry_tls_handshake(struct gantry_tls *tls, bool *done, struct gantry_error *err);

/* Reads decrypted bytes: returns how many, 0 where no more are there for now, or -1 with TLS_FAILED. */
ssize_t gantry_tls_read(struct gantry_tls *tls, void *bytes, size_t size, struct gantry_error *err);

/* True once the peer has said, in TLS's own words, that it ends the connection. */
bool gantry_tls_has_ended(const struct gantry_tls *tls);

/* Encrypts bytes, all of them, once the handshake is done. Fails with TLS_FAILED. */
int gantry_tls_write(struct gantry_tls *tls, const void *bytes, size_t length, struct gantry_error *err);

/* Moves all bytes that are to go to the peer to the end of `output`. Fails with TLS_FAILED (out of memory). */
int gantry_tls_take(struct gantry_tls *tls, struct gantry_buffer *output, struct gantry_error *err);

#endif
