/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include <string.h>

void gantry_lines_init(struct gantry_lines *lines, char *memory, size_t limit)
{
    lines->limit = limit;
    lines->held = 0;
    lines->bytes = memory;
}

/* Tells a line that ended, in pieces of at most `limit` bytes. */
static void tell(size_t limit, const char *line, size_t size, gantry_lines_fn *callback, void *data)
{
    while (size > limit) {
        callback(data, line, limit, true);
        line += limit;
        size -= limit;
    }
    if (size > 0 && line[size - 1] == '\r')
        size--;
    callback(data, line, size, false);
}

/* Appends to the held line. A full one is told as a piece once there is a byte that does not fit. */
static void hold(struct gantry_lines *lines, const char *bytes, size_t size, gantry_lines_fn *callback, void *data)
{
    while (size > 0) {
        size_t room = lines->limit - lines->held;
        size_t taken = size < room ? size : room;

        if (room == 0) {
            lines->held = 0;
            callback(data, lines->bytes, lines->limit, true);
            continue;
        }
        memcpy(lines->bytes + lines->held, bytes, taken);
        lines->held += taken;
        bytes += taken;
        size -= taken;
    }
}

static void end_held(struct gantry_lines *lines, gantry_lines_fn *callback, void *data)
{
    size_t size = lines->held;

    lines->held = 0;
    tell(lines->limit, lines->bytes, size, callback, data);
}

void gantry_lines_feed(struct gantry_lines *lines, const char *bytes, size_t size, gantry_lines_fn *callback,
                       void *data)
{
    const char *newline;

    while (size > 0 && (newline = memchr(bytes, '\n', size)) != NULL) {
        size_t length = (size_t)(newline - bytes);

        if (lines->held > 0) {
            hold(lines, bytes, length, callback, data);
            end_held(lines, callback, data);
        } else {
            tell(lines->limit, bytes, length, callback, data);
        }
        bytes = newline + 1;
        size -= length + 1;
    }
    hold(lines, bytes, size, callback, data);
}

void gantry_lines_finish(struct gantry_lines *lines, gantry_lines_fn *callback, void *data)
{
    size_t size = lines->held;

    lines->held = 0;
    if (size > 0)
        callback(data, lines->bytes, size, false);
}
