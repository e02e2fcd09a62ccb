/* SPDX-License-Identifier: Apache-2.0
 *
 * wide_text.c: UTF-8 to wide characters by columns. */
#include "core/terminal/wide_text.h"

#include <stdint.h>

#define UNKNOWN L'?'

/* The character at the start of `length` bytes, and how many it takes; one byte, as UNKNOWN, where they are no UTF-8.
 */
static wchar_t decode(const unsigned char *bytes, size_t length, size_t *taken)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    uint32_t character = bytes[0];
    size_t more = bytes[0] < 0x80 ? 0 : bytes[0] < 0xc2 ? 4 : bytes[0] < 0xe0 ? 1 : bytes[0] < 0xf0 ? 2 : 3;

    *taken = 1;
    if (more == 0)
        return (wchar_t)character;
    if (more > 3 || more >= length || bytes[0] > 0xf4)
        return UNKNOWN;
    character &= 0x3fU >> more;
    for (size_t i = 1; i <= more; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return UNKNOWN;
        character = character << 6 | (bytes[i] & 0x3f);
    }
    if (character < least[more] || character > 0x10ffff || (character >= 0xd800 && character < 0xe000))
        return UNKNOWN;
    *taken = more + 1;
    return (wchar_t)character;
}

/* The next character as it is shown, and its columns. */
static wchar_t shown_character(const char *text, size_t length, bool unicode, size_t *taken, int *columns)
{
    wchar_t character = decode((const unsigned char *)text, length, taken);

    *columns = character < 0x80 || unicode ? wcwidth(character) : -1;
    if (*columns >= 0 && character != L'\0')
        return character;
    *columns = 1;
    return UNKNOWN;
}

/* Takes characters off the end until a column is free for the sign that more would come. */
static int cut(struct gantry_wide_text *wide, int used, int columns, bool unicode)
{
    while (wide->count > 0 && used > columns - 1) {
        wide->count--;
        used -= wcwidth(wide->characters[wide->count]);
    }
    wide->characters[wide->count++] = unicode ? L'\u2026' : L'>';
    return used + 1;
}

int gantry_wide_text_take(struct gantry_wide_text *wide, const char *text, size_t length, int columns, bool unicode)
{
    int used = 0;
    int marks = 0;

    wide->count = 0;
    for (size_t place = 0, taken; place < length; place += taken) {
        int width;
        wchar_t character = shown_character(text + place, length - place, unicode, &taken, &width);

        if (width == 0 && (wide->count == 0 || ++marks >= GANTRY_WIDE_TEXT_MARKS))
            continue;
        if (used + width > columns)
            return columns > 0 ? cut(wide, used, columns, unicode) : 0;
        wide->characters[wide->count++] = character;
        used += width;
    }
    return used;
}

bool gantry_wide_text_encode(wint_t character, char *bytes)
{
    int more = character < 0x80 ? 0 : character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};

    if (character < 0x20 || character == 0x7f || character > 0x10ffff || (character >= 0xd800 && character < 0xe000))
        return false;
    bytes[0] = (char)(first[more] | (character >> (6 * more)));
    for (int i = 1; i <= more; i++)
        bytes[i] = (char)(0x80 | (character >> (6 * (more - i)) & 0x3f));
    bytes[more + 1] = '\0';
    return true;
}
