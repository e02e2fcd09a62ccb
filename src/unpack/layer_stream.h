/* SPDX-License-Identifier: Apache-2.0
 *
 * layer_stream.h: a layer as its tar archive, out of the blob that it is kept in: plain, or compressed with gzip or
 * zstd. Both are hashed on the way. */
#ifndef GANTRY_LAYER_STREAM_H
#define GANTRY_LAYER_STREAM_H

#include "core/base/error.h"
#include "core/files/digest.h"

#include <stdint.h>
#include <sys/types.h>

struct gantry_layer_stream;

/* Says how much of the blob was read. */
typedef void gantry_layer_progress_fn(void *data, uint64_t bytes);

/* Begins with the blob behind `fd`, which stays the caller's; `most` bounds the tar archive. `progress` may be NULL.
 * Fails with IMAGE_CORRUPT or OUT_OF_MEMORY. */
int gantry_layer_stream_new(int fd, uint64_t most, gantry_layer_progress_fn *progress, void *data,
                            struct gantry_layer_stream **stream, struct gantry_error *err);

/* NULL is allowed. */
void gantry_layer_stream_free(struct gantry_layer_stream *stream);

/* The next bytes of the archive, valid until the next call. Returns how many, 0 at the end. Fails with IMAGE_CORRUPT,
 * IMAGE_TOO_LARGE or READ_FAILED. */
ssize_t gantry_layer_stream_read(struct gantry_layer_stream *stream, const void **bytes, struct gantry_error *err);

/* Reads what is left, and gives the digests of all: of the blob and of the archive. */
int gantry_layer_stream_finish(struct gantry_layer_stream *stream, char blob[GANTRY_DIGEST_SIZE],
                               char archive[GANTRY_DIGEST_SIZE], struct gantry_error *err);

/* The bytes of the archive that were read by now. */
uint64_t gantry_layer_stream_size(const struct gantry_layer_stream *stream);

#endif
