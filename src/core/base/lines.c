/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/lines.h"

#include <stdlib.h>
#include <string.h>

#define SMALLEST 256

void gantry_lines_init(struct gantry_lines *lines, size_t limit)
{
    *lines = (struct gantry_lines){.limit = limit};
}

void gantry_lines_free(struct gantry_lines *lines)
{
    free(lines->bytes);
    gantry_lines_init(lines, lines->limit);
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

/* Room for `more` bytes after those held, as far as the limit and the memory allow. Returns how many. */
static size_t lines_make_room(struct gantry_lines *lines, size_t more)
{
    size_t wanted = more < lines->limit - lines->held ? lines->held + more : lines->limit;
    size_t size = lines->size > 0 ? lines->size : SMALLEST;
    char *bytes;

    while (size < wanted)
        size *= 2;
    if (size > lines->limit)
        size = lines->limit;
    if (size > lines->size) {
        bytes = realloc(lines->bytes, size);
        if (bytes != NULL) {
            lines->bytes = bytes;
            lines->size = size;
        }
    }
    return wanted < lines->size ? wanted - lines->held : lines->size - lines->held;
}

/* Appends to the held line. A full one is told as a piece once there is a byte that does not fit. */
static void hold(struct gantry_lines *lines, const char *bytes, size_t size, gantry_lines_fn *callback, void *data)
{
    while (size > 0) {
        size_t taken = lines_make_room(lines, size);
        size_t held = lines->held;

        if (taken > 0) {
            memcpy(lines->bytes + held, bytes, taken);
            lines->held += taken;
        } else if (held > 0) {
            lines->held = 0;
            callback(data, lines->bytes, held, true);
        } else {
            taken = size < lines->limit ? size : lines->limit;
            callback(data, bytes, taken, true);
        }
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
