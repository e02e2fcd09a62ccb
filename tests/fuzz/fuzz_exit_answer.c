/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_exit_answer.c: any bytes as an engine's answer to a wait, in any chunks, give the same exit code, or none; and a
 * code is given only where a digit follows its name.
 *
 * Input: four bytes that choose the chunks, then the answer. */
#include "face/exit_answer.h"

#include "fuzz.h"

static struct gantry_exit_answer read_answer(const char *bytes, size_t size, size_t fixed, uint32_t seed)
{
    struct gantry_exit_answer answer = {0};

    for (size_t at = 0; at < size;) {
        size_t chunk = fixed > 0 ? fixed : next_chunk(&seed);
        bool known;
        char *copy;

        if (chunk > size - at)
            chunk = size - at;
        copy = exact_copy(bytes + at, chunk);
        known = gantry_exit_answer_feed(&answer, copy, chunk);
        free(copy);
        HOLDS(known == answer.known);
        at += chunk;
    }
    return answer;
}

/* Whether a digit follows the name anywhere, behind spaces. */
static bool has_number(const char *bytes, size_t size)
{
    static const char name[] = "\"StatusCode\":";
    const size_t length = sizeof name - 1;

    for (size_t at = 0; at + length < size; at++) {
        size_t end = at + length;

        if (memcmp(bytes + at, name, length) != 0)
            continue;
        while (end < size && bytes[end] == ' ')
            end++;
        if (end < size && bytes[end] >= '0' && bytes[end] <= '9')
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gantry_exit_answer whole;
    struct gantry_exit_answer chunked;
    const char *text = (const char *)data + sizeof(uint32_t);
    uint32_t seed;

    if (size < sizeof seed)
        return 0;
    memcpy(&seed, data, sizeof seed);
    size -= sizeof seed;
    whole = read_answer(text, size, size, seed);
    chunked = read_answer(text, size, 0, seed);
    HOLDS(whole.known == chunked.known && whole.code == chunked.code);
    HOLDS(!whole.known || has_number(text, size));
    HOLDS(whole.code >= 0);
    return 0;
}
