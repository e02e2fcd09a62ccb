/* SPDX-License-Identifier: Apache-2.0
 *
 * lines.h: bytes in, lines out, with a bound. A line ends with "\n", and one "\r" before it goes too. What is longer
 * than the bound comes in pieces, and each but the last says that it goes on. How the bytes are cut into calls makes
 * no difference to what comes out.
 *
 * The struct is the caller's. It takes memory for a line that has not ended, as much as that needs, and gives it back
 * with gantry_lines_free. */
#ifndef GANTRY_LINES_H
#define GANTRY_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct gantry_lines {
    size_t limit;
    size_t held; /* bytes of a line that has not ended */
    size_t size; /* of the memory at `bytes` */
    char *bytes;
};

/* `line` is valid until the callback returns or feeds the splitter again, and is not ended by a NUL. `partial`: the
 * line goes on in the next call. The state is whole at each call, so a callback need not return. */
typedef void gantry_lines_fn(void *data, const char *line, size_t size, bool partial);

/* Sets up a splitter for lines of up to `limit` bytes (at least 1; a "\r" counts). */
void gantry_lines_init(struct gantry_lines *lines, size_t limit);

/* Gives back its memory, and what it held with it. */
void gantry_lines_free(struct gantry_lines *lines);

/* Takes bytes and calls back for every line that ends in them. Lines that lie whole in `bytes` are not copied. Where
 * there is no memory to hold what has not ended, it comes in pieces too. */
void gantry_lines_feed(struct gantry_lines *lines, const char *bytes, size_t size, gantry_lines_fn *callback,
                       void *data);

/* Calls back for what has come and was not ended by a newline, a "\r" at its end included, and is ready for more. */
void gantry_lines_finish(struct gantry_lines *lines, gantry_lines_fn *callback, void *data);

#endif
