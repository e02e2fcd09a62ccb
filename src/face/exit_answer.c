/* SPDX-License-Identifier: Apache-2.0 */
#include "exit_answer.h"

/* The name of the number and its colon: in no header, and never in two chunks' bodies, which Go's encoder flushes
 * whole. A chunk's own framing (a size and line ends) never looks like it. */
static const char name[] = "\"StatusCode\":";

#define MOST_DIGITS_VALUE 100000

static void match(struct gantry_exit_answer *answer, char byte)
{
    if (byte == name[answer->matched])
        answer->matched++;
    else
        answer->matched = byte == name[0] ? 1 : 0;
    answer->in_value = answer->matched == sizeof name - 1;
}

static void add_digit(struct gantry_exit_answer *answer, char byte)
{
    if (byte == ' ')
        return;
    if (byte < '0' || byte > '9')
        answer->known = true;
    else if (answer->code < MOST_DIGITS_VALUE)
        answer->code = answer->code * 10 + (byte - '0');
}

bool gantry_exit_answer_feed(struct gantry_exit_answer *answer, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size && !answer->known; i++) {
        if (answer->in_value)
            add_digit(answer, bytes[i]);
        else
            match(answer, bytes[i]);
    }
    return answer->known;
}
