/* SPDX-License-Identifier: Apache-2.0
 *
 * digest.h: SHA-256 under way, of bytes and of parts of files. Whoever made one frees it. */
#ifndef GANTRY_DIGEST_H
#define GANTRY_DIGEST_H

#include "core/base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Digits of a digest, and the NUL behind them. */
#define GANTRY_DIGEST_SIZE 65

struct gantry_digest;

/* Begins one. Fails with OUT_OF_MEMORY. */
int gantry_digest_new(struct gantry_digest **digest, struct gantry_error *err);

/* NULL is allowed. */
void gantry_digest_free(struct gantry_digest *digest);

/* Begins anew. */
void gantry_digest_reset(struct gantry_digest *digest);

void gantry_digest_add(struct gantry_digest *digest, const void *bytes, size_t count);

/* Adds up to `limit` bytes of a file, from `at`; less at its end alone. Gives how many. Fails with READ_FAILED. */
int gantry_digest_add_file(struct gantry_digest *digest, int fd, uint64_t at, size_t limit, size_t *count,
                           struct gantry_error *err);

/* The digest of what was added by now, as hexadecimal digits in lower case. More may be added afterwards. */
void gantry_digest_hex(const struct gantry_digest *digest, char hex[GANTRY_DIGEST_SIZE]);

#endif
