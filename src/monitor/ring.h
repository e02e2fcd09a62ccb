/* SPDX-License-Identifier: Apache-2.0
 *
 * ring.h: the newest bytes of one stream. Its memory is untouched until there are any, and given back once they are
 * dropped. */
#ifndef MONITOR_RING_H
#define MONITOR_RING_H

#include "monitor/protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct monitor_ring {
    size_t start;
    size_t length;
    uint64_t lost; /* bytes that newer ones have pushed out, ever */
    char *bytes;   /* MONITOR_RING_SIZE, NULL while there are none */
};

enum monitor_read { MONITOR_READ_SOME, MONITOR_READ_NOTHING, MONITOR_READ_END };

/* Reads once from a descriptor that does not block. */
enum monitor_read monitor_ring_read(struct monitor_ring *ring, int fd);

/* The bytes from the `offset`th on that lie in one piece; `length` is 0 at the end. */
const char *monitor_ring_piece(const struct monitor_ring *ring, size_t offset, size_t *length);

/* Drops the first `count` bytes, which are not lost: somebody has them. */
void monitor_ring_drop(struct monitor_ring *ring, size_t count);

#endif
