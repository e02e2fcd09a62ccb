/* SPDX-License-Identifier: Apache-2.0
 *
 * text_hash.h: a number that tells texts apart, though not where somebody wants to deceive. */
#ifndef GANTRY_TEXT_HASH_H
#define GANTRY_TEXT_HASH_H

#include <stddef.h>
#include <stdint.h>

/* A text may come in pieces, of which each but the last has a multiple of eight bytes; `hash` is that of the pieces
 * before, at first 0. */
uint64_t gantry_text_hash(uint64_t hash, const char *text, size_t size);

#endif
