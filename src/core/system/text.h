/* SPDX-License-Identifier: Apache-2.0
 *
 * text.h: words and numbers with a space between them. Also part of the programs that wait in or beside each container,
 * a quarter of which the printf family would be. */
#ifndef GANTRY_TEXT_H
#define GANTRY_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define GANTRY_TEXT_SIZE 256

/* What does not fit is left out. */
struct gantry_text {
    size_t length;
    char bytes[GANTRY_TEXT_SIZE]; /* ended by a NUL */
};

/* A text of one word. */
struct gantry_text gantry_text_begin(const char *word);

/* Adds a space and a word or number. */
void gantry_text_word(struct gantry_text *text, const char *word);
void gantry_text_number(struct gantry_text *text, int64_t number);

/* Adds something as it is. */
void gantry_text_raw(struct gantry_text *text, const char *bytes);
void gantry_text_digits(struct gantry_text *text, int64_t number);

#endif
