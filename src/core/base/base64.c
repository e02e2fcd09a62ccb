/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/base64.h"

#include <string.h>

#define GROUP 4 /* characters for three bytes */
#define NONE 64 /* the value of what is no character of base64 */
#define FIRST ' '

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* From FIRST on, a row for each column of the table of ASCII. */
static const uint8_t values[] = {
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 62, 64, 62, 64, 63, 52, 53, 54, 55, 56, 57, 58, 59,
    60, 61, 64, 64, 64, 64, 64, 64, 64, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 63, 64, 26, 27, 28, 29, 30, 31, 32,
    33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 64, 64, 64, 64, 64,
};

static uint32_t base64_value(char character)
{
    size_t place = (size_t)(unsigned char)character - FIRST;

    return place < sizeof values ? values[place] : NONE;
}

size_t gantry_base64_encoded_size(size_t length)
{
    return length <= SIZE_MAX / 2 ? (length + 2) / 3 * GROUP : 0;
}

/* The last one or two bytes. */
static void encode_rest(const uint8_t *bytes, size_t length, char *text)
{
    uint32_t group = (uint32_t)bytes[0] << 16 | (length > 1 ? (uint32_t)bytes[1] << 8 : 0);

    memset(text, '=', GROUP);
    for (size_t i = 0; i <= length; i++, group <<= 6)
        text[i] = alphabet[group >> 18 & 63];
}

void gantry_base64_encode(const uint8_t *bytes, size_t length, char *text)
{
    size_t at = 0;

    for (; length - at >= 3; at += 3) {
        uint32_t group = (uint32_t)bytes[at] << 16 | (uint32_t)bytes[at + 1] << 8 | bytes[at + 2];

        *text++ = alphabet[group >> 18];
        *text++ = alphabet[group >> 12 & 63];
        *text++ = alphabet[group >> 6 & 63];
        *text++ = alphabet[group & 63];
    }
    if (at < length)
        encode_rest(bytes + at, length - at, text);
}

size_t gantry_base64_decoded_room(size_t length)
{
    return length / GROUP * 3 + 3;
}

/* The length without the padding, or -1 where padding does not fit the length. */
static ptrdiff_t without_padding(const char *text, size_t length)
{
    size_t kept = length;

    while (kept > 0 && length - kept < 2 && text[kept - 1] == '=')
        kept--;
    return length > PTRDIFF_MAX || kept % GROUP == 1 || (kept < length && length % GROUP != 0) ? -1 : (ptrdiff_t)kept;
}

/* Reads up to four characters as a group of 24 bits; more than those where one is no character of base64. */
static uint32_t read_group(const char *text, size_t count)
{
    uint32_t group = 0;
    uint32_t seen = 0;

    for (size_t i = 0; i < GROUP; i++) {
        uint32_t value = i < count ? base64_value(text[i]) : 0;

        seen |= value;
        group = group << 6 | (value & 63);
    }
    return seen >= NONE ? UINT32_MAX : group;
}

ptrdiff_t gantry_base64_decode(const char *text, size_t length, uint8_t *bytes)
{
    ptrdiff_t kept = without_padding(text, length);
    uint8_t *out = bytes;

    for (ptrdiff_t at = 0; at < kept; at += GROUP) {
        size_t count = kept - at < GROUP ? (size_t)(kept - at) : GROUP;
        uint32_t group = read_group(text + at, count);

        if (group == UINT32_MAX)
            return -1;
        *out++ = (uint8_t)(group >> 16);
        if (count > 2)
            *out++ = (uint8_t)(group >> 8);
        if (count > 3)
            *out++ = (uint8_t)group;
    }
    return kept < 0 ? -1 : out - bytes;
}
