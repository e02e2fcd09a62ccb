/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/stdcopy.h"

#include <string.h>

static int corrupt(const uint8_t *header, struct gantry_error *err)
{
    return gantry_fail(
        err, "STREAM_CORRUPT",
        "read the plugin's output: the engine sent a frame header of %02x %02x %02x %02x, where the first "
        "is a stream from 0 to 3 and the others are 0; the container must be without a terminal",
        header[0], header[1], header[2], header[3]);
}

/* Takes what belongs to the header; returns how many bytes that was. */
static size_t take_header(struct gantry_stdcopy *state, const char *bytes, size_t size)
{
    const uint8_t *header = state->header;
    size_t wanted = sizeof state->header - state->header_size;
    size_t taken = size < wanted ? size : wanted;

    memcpy(state->header + state->header_size, bytes, taken);
    state->header_size += (unsigned)taken;
    if (taken == wanted) {
        state->corrupt = header[0] > GANTRY_ENGINE || header[1] != 0 || header[2] != 0 || header[3] != 0;
        state->left = (uint32_t)header[4] << 24 | (uint32_t)header[5] << 16 | (uint32_t)header[6] << 8 | header[7];
    }
    return taken;
}

/* Hands on what belongs to the payload; returns how many bytes that was. The state is whole at the call, so that a
 * callback need not return. */
static size_t stdcopy_take_payload(struct gantry_stdcopy *state, const char *bytes, size_t size,
                                   gantry_stdcopy_fn *callback, void *data)
{
    size_t taken = size < state->left ? size : state->left;
    enum gantry_stream stream = (enum gantry_stream)state->header[0];

    state->left -= (uint32_t)taken;
    if (state->left == 0)
        state->header_size = 0;
    if (taken > 0)
        callback(data, stream, bytes, taken);
    return taken;
}

int gantry_stdcopy_feed(struct gantry_stdcopy *state, const char *bytes, size_t size, gantry_stdcopy_fn *callback,
                        void *data, struct gantry_error *err)
{
    while (size > 0 && !state->corrupt) {
        size_t taken = state->header_size < sizeof state->header
                           ? take_header(state, bytes, size)
                           : stdcopy_take_payload(state, bytes, size, callback, data);

        bytes += taken;
        size -= taken;
    }
    return state->corrupt ? corrupt(state->header, err) : 0;
}
