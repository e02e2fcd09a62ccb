/* SPDX-License-Identifier: Apache-2.0
 *
 * certificate.h: the one-time pair by which plugin and host know each other under AutoMTLS.
 *
 * Each side makes a self-signed certificate and trusts exactly the other's; the private key never leaves its side. */
#ifndef GANTRY_CERTIFICATE_H
#define GANTRY_CERTIFICATE_H

#include "core/base/error.h"

/* Both are PEM texts, owned by whoever holds the struct. */
struct gantry_certificate {
    char *certificate;
    char *key;
};

/* Makes a new pair: ECDSA on P-256, for the name `localhost`, from 24 hours ago for 30 years, in the form that
 * go-plugin gives its own. The caller frees it with gantry_certificate_free.
 * Fails with CERTIFICATE_FAILED. */
int gantry_certificate_generate(struct gantry_certificate *pair, struct gantry_error *err);

/* Frees both texts and sets them to NULL; the key is overwritten first. */
void gantry_certificate_free(struct gantry_certificate *pair);

#endif
