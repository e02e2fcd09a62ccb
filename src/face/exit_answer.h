/* SPDX-License-Identifier: Apache-2.0
 *
 * exit_answer.h: the engine's answer to a wait for a container's end, read from its connection as it comes: HTTP/1.1
 * headers, then a JSON object in chunks, of which one number matters; or a gate's last word. Pure: no input or output
 * of its own.
 *
 * All zeros is the state before the first byte. */
#ifndef GANTRY_EXIT_ANSWER_H
#define GANTRY_EXIT_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

struct gantry_exit_answer {
    size_t matched; /* bytes of the number's name that were seen */
    bool in_value;
    bool has_digits;
    bool known;
    int code;
};

/* Takes bytes, in any pieces; true once the exit code is known. */
bool gantry_exit_answer_feed(struct gantry_exit_answer *answer, const char *bytes, size_t size);

/* Takes one message of a gate's (src/gate/protocol.h); true where it tells the exit code. */
bool gantry_exit_answer_take_word(struct gantry_exit_answer *answer, const char *word);

#endif
