/* SPDX-License-Identifier: Apache-2.0 */
#include "bytecode/text_hash.h"

#include <string.h>

/* Each step is one to one in `hash` and in `word`: texts that differ in one word never meet. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 32);
}

uint64_t gantry_text_hash(uint64_t hash, const char *text, size_t size)
{
    uint64_t word;

    for (; size >= sizeof word; text += sizeof word, size -= sizeof word) {
        memcpy(&word, text, sizeof word);
        hash = mix(hash, word);
    }
    word = 0;
    memcpy(&word, text, size);
    return size > 0 ? mix(hash, word) : hash;
}
