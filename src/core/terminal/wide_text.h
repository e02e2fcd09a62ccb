/* SPDX-License-Identifier: Apache-2.0
 *
 * wide_text.h: text of anybody's as the wide characters that a row of a screen takes. It owns nothing. */
#ifndef GANTRY_WIDE_TEXT_H
#define GANTRY_WIDE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <wchar.h>

/* The widest row. */
#define GANTRY_WIDE_TEXT_COLUMNS 1024
/* Marks that stand above or below the characters take no column: so many of them are kept, all in all. */
#define GANTRY_WIDE_TEXT_MARKS 256

struct gantry_wide_text {
    wchar_t characters[GANTRY_WIDE_TEXT_COLUMNS + GANTRY_WIDE_TEXT_MARKS];
    int count;
};

/* Takes as much of `length` bytes of UTF-8 as fits into `columns`, at most GANTRY_WIDE_TEXT_COLUMNS; the last column
 * tells where not all does. What cannot be shown, and what a terminal could act on, becomes a question mark; all that
 * is no ASCII where not `unicode`. Takes any bytes. Returns the columns that it takes. */
int gantry_wide_text_take(struct gantry_wide_text *wide, const char *text, size_t length, int columns, bool unicode);

/* Writes a character in UTF-8, with a NUL; `bytes` has room for five. False for what is none. */
bool gantry_wide_text_encode(wint_t character, char *bytes);

#endif
