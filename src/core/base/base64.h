/* SPDX-License-Identifier: Apache-2.0
 *
 * base64.h: bytes as text: written in the standard alphabet with padding; read in that or in the one for URLs, with
 * padding or without.
 *
 * Pure; owns nothing. */
#ifndef GANTRY_BASE64_H
#define GANTRY_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* How many characters so many bytes become; 0 where that is more than can be counted. */
size_t gantry_base64_encoded_size(size_t length);

/* Writes gantry_base64_encoded_size(length) characters and no NUL. */
void gantry_base64_encode(const uint8_t *bytes, size_t length, char *text);

/* The room that so many characters need once they are decoded. */
size_t gantry_base64_decoded_room(size_t length);

/* Writes what the text stands for. Returns how many bytes that is, or -1 where it is no base64. */
ptrdiff_t gantry_base64_decode(const char *text, size_t length, uint8_t *bytes);

#endif
