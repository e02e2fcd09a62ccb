/* SPDX-License-Identifier: Apache-2.0
 *
 * stdcopy.h: takes apart the engine's multiplexed output: frames of an 8-byte header (stream, three zeros, length as a
 * big-endian 32-bit number) and a payload, as in moby's api/pkg/stdcopy. Bytes may come in any chunks.
 *
 * The struct is the caller's and holds no memory. All zeros is the state before the first byte. */
#ifndef GANTRY_STDCOPY_H
#define GANTRY_STDCOPY_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gantry_stream {
    GANTRY_STDIN = 0, /* never sent by engines; shown as output where it is */
    GANTRY_STDOUT = 1,
    GANTRY_STDERR = 2,
    GANTRY_ENGINE = 3, /* an error of the engine's own, which ends the stream */
};

struct gantry_stdcopy {
    uint8_t header[8];
    unsigned header_size;
    uint32_t left; /* bytes of the payload still to come */
    bool corrupt;
};

/* `bytes` point into what was fed: nothing is copied. */
typedef void gantry_stdcopy_fn(void *data, enum gantry_stream stream, const char *bytes, size_t size);

/* Takes bytes and calls back for every piece of a payload in them; none is empty. Fails with STREAM_CORRUPT at an
 * impossible header, for good: nothing after it can be trusted. What came before it has been told. */
int gantry_stdcopy_feed(struct gantry_stdcopy *state, const char *bytes, size_t size, gantry_stdcopy_fn *callback,
                        void *data, struct gantry_error *err);

#endif
