/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/json_scan.h"

#include <string.h>

#define EXACT_DIGITS 15

/* From here on "%g" writes an exponent. */
#define SMALL_FRACTION "0.000"

static bool json_is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Whether an odd number of backslashes stands before `at`, none of them before `first`. */
static bool is_escaped(const char *text, size_t first, size_t at)
{
    size_t slashes = 0;

    while (at - slashes > first && text[at - slashes - 1] == '\\')
        slashes++;
    return slashes % 2 == 1;
}

/* The place behind the string whose first byte is at `first`. */
static size_t skip_string(const char *text, size_t length, size_t first)
{
    size_t at = first;

    while (at < length) {
        const char *quote = memchr(text + at, '"', length - at);

        if (quote == NULL)
            return length;
        at = (size_t)(quote - text) + 1;
        if (!is_escaped(text, first, at - 1))
            return at;
    }
    return length;
}

struct token {
    size_t end;
    bool has_point;
    bool has_exponent;
};

static struct token read_token(const char *text, size_t length, size_t at)
{
    struct token token = {.end = at};

    for (; token.end < length; token.end++) {
        char byte = text[token.end];

        if (byte == 'e' || byte == 'E')
            token.has_exponent = true;
        else if (byte == '.')
            token.has_point = true;
        else if (!json_is_digit(byte) && byte != '-' && byte != '+')
            break;
    }
    return token;
}

/* The parser takes a point that no digit precedes or follows, which JSON does not. */
static bool is_between_digits(const char *text, size_t length)
{
    size_t sign = text[0] == '-';

    return length > sign && json_is_digit(text[sign]) && json_is_digit(text[length - 1]);
}

/* Whether a number that a double holds may be written in another way than it is read: -0, 1.10, 0.00001. */
static bool has_other_letters(const char *text, size_t length, bool has_point)
{
    size_t sign = text[0] == '-';

    if (!has_point)
        return sign == 1 && length == 2 && text[1] == '0';
    return text[length - 1] == '0' ||
           (length - sign > strlen(SMALL_FRACTION) && memcmp(text + sign, SMALL_FRACTION, strlen(SMALL_FRACTION)) == 0);
}

static bool is_wanted(const char *text, size_t start, const struct token *token, bool letters)
{
    size_t length = token->end - start;

    if (token->has_exponent || length > EXACT_DIGITS || !is_between_digits(text + start, length))
        return true;
    return letters && has_other_letters(text + start, length, token->has_point);
}

bool gantry_json_scan_number(const char *text, size_t length, bool letters, size_t *from, size_t *start)
{
    size_t at = *from;

    while (at < length) {
        if (text[at] == '"') {
            at = skip_string(text, length, at + 1);
        } else if (json_is_digit(text[at]) || text[at] == '-') {
            struct token token = read_token(text, length, at);

            *start = at;
            at = token.end;
            if (is_wanted(text, *start, &token, letters)) {
                *from = at;
                return true;
            }
        } else {
            at++;
        }
    }
    *from = length;
    return false;
}

size_t gantry_json_scan_plain(const char *text, size_t length, size_t from)
{
    size_t at = from;

    while (at < length && text[at] != '"' && text[at] != '\\' && (unsigned char)text[at] >= ' ')
        at++;
    return at;
}
