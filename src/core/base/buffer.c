/* SPDX-License-Identifier: Apache-2.0
 *
 * buffer.c: bytes that wait, in one piece of memory that grows by doubling. */
#include "core/base/buffer.h"

#include <stdlib.h>
#include <string.h>

#define SMALLEST 256
#define KEPT (1024UL * 1024) /* an empty buffer larger than this gives its memory back */

static void move_to_start(struct gantry_buffer *buffer)
{
    size_t length = gantry_buffer_length(buffer);

    if (buffer->start > 0 && length > 0)
        memmove(buffer->bytes, buffer->bytes + buffer->start, length);
    buffer->start = 0;
    buffer->end = length;
}

/* The size that has room for `needed` bytes. What waits is moved only where no more waits than was taken since the last
 * time, so that a byte is moved about once however much waits; otherwise the memory grows. */
static size_t size_for(const struct gantry_buffer *buffer, size_t needed)
{
    size_t size = buffer->size > 0 ? buffer->size : SMALLEST;

    if (buffer->start > 0 && buffer->start < gantry_buffer_length(buffer))
        size *= 2;
    while (size < needed)
        size *= 2;
    return size;
}

uint8_t *gantry_buffer_reserve(struct gantry_buffer *buffer, size_t length)
{
    size_t needed = gantry_buffer_length(buffer) + length;
    size_t size;
    uint8_t *bytes;

    if (buffer->bytes != NULL && buffer->size - buffer->end >= length)
        return buffer->bytes + buffer->end;
    if (needed < length || needed > SIZE_MAX / 4)
        return NULL;
    size = size_for(buffer, needed);
    if (buffer->bytes != NULL)
        move_to_start(buffer);
    if (size > buffer->size) {
        bytes = realloc(buffer->bytes, size);
        if (bytes == NULL)
            return NULL;
        buffer->bytes = bytes;
        buffer->size = size;
    }
    return buffer->bytes + buffer->end;
}

void gantry_buffer_grow(struct gantry_buffer *buffer, size_t length)
{
    buffer->end += length;
}

int gantry_buffer_append(struct gantry_buffer *buffer, const void *bytes, size_t length)
{
    uint8_t *room;

    if (length == 0)
        return 0;
    room = gantry_buffer_reserve(buffer, length);
    if (room == NULL)
        return -1;
    memcpy(room, bytes, length);
    gantry_buffer_grow(buffer, length);
    return 0;
}

void gantry_buffer_consume(struct gantry_buffer *buffer, size_t length)
{
    buffer->start += length;
    if (buffer->start < buffer->end)
        return;
    buffer->start = 0;
    buffer->end = 0;
    if (buffer->size > KEPT)
        gantry_buffer_free(buffer);
}

void gantry_buffer_free(struct gantry_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct gantry_buffer){0};
}
