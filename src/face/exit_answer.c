/* SPDX-License-Identifier: Apache-2.0 */
#include "face/exit_answer.h"

#include "gate/protocol.h"

#include <stdlib.h>
#include <string.h>

/* The name of the number and its colon: in no header, and never in two chunks' bodies, which Go's encoder flushes
 * whole. A chunk's own framing (a size and line ends) never looks like it. */
static const char name[] = "\"StatusCode\":";

#define MOST_DIGITS_VALUE 100000
#define BY_SIGNAL 128 /* and its number: how shells and engines tell of one */

static void match(struct gantry_exit_answer *answer, char byte)
{
    if (byte == name[answer->matched])
        answer->matched++;
    else
        answer->matched = byte == name[0] ? 1 : 0;
    answer->in_value = answer->matched == sizeof name - 1;
}

/* What holds no number, such as the -1 of an engine that could not wait, is no exit code. */
static void take_value(struct gantry_exit_answer *answer, char byte)
{
    bool is_digit = byte >= '0' && byte <= '9';

    if (byte == ' ' && !answer->has_digits)
        return;
    if (is_digit && answer->code < MOST_DIGITS_VALUE)
        answer->code = answer->code * 10 + (byte - '0');
    answer->has_digits = answer->has_digits || is_digit;
    if (is_digit)
        return;
    answer->known = answer->has_digits;
    answer->matched = 0;
    match(answer, byte);
}

bool gantry_exit_answer_feed(struct gantry_exit_answer *answer, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size && !answer->known; i++) {
        if (answer->in_value)
            take_value(answer, bytes[i]);
        else
            match(answer, bytes[i]);
    }
    return answer->known;
}

bool gantry_exit_answer_take_word(struct gantry_exit_answer *answer, const char *word)
{
    const size_t length = sizeof GATE_EXIT; /* with the space behind it */
    char *rest;
    int number;

    if (strncmp(word, GATE_EXIT " ", length) != 0)
        return false;
    answer->code = (int)strtol(word + length, &rest, 10);
    number = (int)strtol(rest, NULL, 10);
    if (number != 0)
        answer->code = BY_SIGNAL + number;
    answer->known = true;
    return true;
}
