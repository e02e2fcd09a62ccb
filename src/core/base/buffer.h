/* SPDX-License-Identifier: Apache-2.0
 *
 * buffer.h: bytes that wait: appended at the end, taken from the front.
 *
 * A struct of zeros is an empty buffer. Whoever holds the struct owns the memory and gives it back with
 * gantry_buffer_free. */
#ifndef GANTRY_BUFFER_H
#define GANTRY_BUFFER_H

#include "core/base/api.h"

#include <stddef.h>
#include <stdint.h>

struct gantry_buffer {
    uint8_t *bytes;
    size_t start; /* of what waits */
    size_t end;
    size_t size; /* of the memory */
};

/* How many bytes wait. */
static inline size_t gantry_buffer_length(const struct gantry_buffer *buffer)
{
    return buffer->end - buffer->start;
}

/* The bytes that wait; valid until the buffer is changed. Not to be read where its length is 0. */
static inline const uint8_t *gantry_buffer_front(const struct gantry_buffer *buffer)
{
    static const uint8_t nothing[1];

    return buffer->bytes != NULL ? buffer->bytes + buffer->start : nothing;
}

/* Makes room for `length` more bytes and returns where they go, or NULL where memory is short. What is written there
 * counts once gantry_buffer_grow says so. */
GANTRY_API uint8_t *gantry_buffer_reserve(struct gantry_buffer *buffer, size_t length);

/* Counts `length` bytes that were written into reserved room. */
GANTRY_API void gantry_buffer_grow(struct gantry_buffer *buffer, size_t length);

/* Appends a copy. Returns 0, or -1 where memory is short; then nothing is appended. */
GANTRY_API int gantry_buffer_append(struct gantry_buffer *buffer, const void *bytes, size_t length);

/* Takes `length` bytes, which must be there, from the front. */
GANTRY_API void gantry_buffer_consume(struct gantry_buffer *buffer, size_t length);

/* Gives back the memory and leaves an empty buffer. */
GANTRY_API void gantry_buffer_free(struct gantry_buffer *buffer);

#endif
