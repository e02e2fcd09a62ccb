/* SPDX-License-Identifier: Apache-2.0 */
#include "core/system/text.h"

#include <stdbool.h>
#include <string.h>

#define DIGITS 24

void gantry_text_raw(struct gantry_text *text, const char *bytes)
{
    size_t length = strlen(bytes);

    if (length >= sizeof text->bytes - text->length)
        return;
    memcpy(text->bytes + text->length, bytes, length + 1);
    text->length += length;
}

struct gantry_text gantry_text_begin(const char *word)
{
    struct gantry_text text;

    text.length = 0;
    text.bytes[0] = '\0';
    gantry_text_raw(&text, word);
    return text;
}

void gantry_text_word(struct gantry_text *text, const char *word)
{
    gantry_text_raw(text, " ");
    gantry_text_raw(text, word);
}

void gantry_text_digits(struct gantry_text *text, int64_t number)
{
    bool is_negative = number < 0;
    uint64_t rest = is_negative ? 0 - (uint64_t)number : (uint64_t)number;
    char digits[DIGITS];
    char *at = digits + sizeof digits - 1;

    *at = '\0';
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (is_negative)
        *--at = '-';
    gantry_text_raw(text, at);
}

void gantry_text_number(struct gantry_text *text, int64_t number)
{
    gantry_text_raw(text, " ");
    gantry_text_digits(text, number);
}
