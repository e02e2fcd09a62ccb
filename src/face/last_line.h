/* SPDX-License-Identifier: Apache-2.0
 *
 * last_line.h: the last line that a plugin wrote to standard error, for a host that asks why there is no plugin: of a
 * line of hclog's JSON its message, of a crash of Go's the line that says what it was and not the last of its traces.
 */
#ifndef GANTRY_LAST_LINE_H
#define GANTRY_LAST_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* Made of zeros. What is longer than the fields is cut. */
struct gantry_last_line {
    char line[1024]; /* that has not ended */
    size_t held;
    char text[512]; /* of the last that was not empty, one line, ended by a NUL; empty while there is none */
    bool is_crash;  /* and that is how the process went down: what follows are traces */
};

/* Takes bytes of standard error, in any chunks. */
void gantry_last_line_feed(struct gantry_last_line *last, const char *bytes, size_t size);

/* Takes what was begun and not ended for a line. */
void gantry_last_line_finish(struct gantry_last_line *last);

#endif
