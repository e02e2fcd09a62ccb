/* SPDX-License-Identifier: Apache-2.0
 *
 * screen.h: the process's terminal as a screen of cells, by ncurses.
 *
 * It never waits and never calls back: whoever owns it watches standard input and asks for keys when it is readable.
 * What is put there is shown by gantry_screen_show, which writes only what differs from what the terminal has. Ncurses
 * belongs to the process, so there is one screen at a time. It catches no signals: their owner asks for the size after
 * SIGWINCH, and suspends on SIGTSTP. Text comes in UTF-8; what the terminal could act on is not shown, whatever comes.
 */
#ifndef GANTRY_SCREEN_H
#define GANTRY_SCREEN_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct gantry_screen;

enum gantry_style {
    GANTRY_STYLE_PLAIN,
    GANTRY_STYLE_BOLD,
    GANTRY_STYLE_DIM,
    GANTRY_STYLE_REVERSE,
    GANTRY_STYLE_ACCENT,
    GANTRY_STYLE_GOOD,
    GANTRY_STYLE_WARNING,
    GANTRY_STYLE_ERROR,
    GANTRY_STYLES
};

enum gantry_screen_input {
    GANTRY_SCREEN_KEY,
    GANTRY_SCREEN_NOTHING, /* no whole key has come yet */
    GANTRY_SCREEN_END,     /* the terminal is gone */
};

/* Room for a key: its name, or the character that it types in UTF-8, with its NUL. */
#define GANTRY_SCREEN_KEY_SIZE 16

/* Takes the terminal of standard input and output, which `TERM` names; freed with gantry_screen_free. Fails with
 * SCREEN_BUSY, SCREEN_UNSUPPORTED (no terminal, one that is not known here, or one without addressable cells). */
int gantry_screen_open(bool color, struct gantry_screen **screen, struct gantry_error *err);

/* Gives the terminal back as it was. NULL is allowed. */
void gantry_screen_free(struct gantry_screen *screen);

/* Rows and columns, as the terminal has them now. */
void gantry_screen_size(struct gantry_screen *screen, int *rows, int *columns);

/* Whether the terminal shows other characters than those of ASCII. */
bool gantry_screen_has_unicode(const struct gantry_screen *screen);

/* Columns that a text takes. */
int gantry_screen_width(const struct gantry_screen *screen, const char *text, size_t length);

/* Empties all cells; nothing of that is seen before gantry_screen_show. */
void gantry_screen_erase(struct gantry_screen *screen);

/* Puts a text into `width` cells from the one at `row` and `column`, which count from 0: a longer one is cut, which
 * shows, and what a shorter one leaves is empty in its style. What lies outside is left out. */
void gantry_screen_put(struct gantry_screen *screen, int row, int column, int width, enum gantry_style style,
                       const char *text, size_t length);

/* Writes what differs from what the terminal shows; all of it where `anew`. */
void gantry_screen_show(struct gantry_screen *screen, bool anew);

/* The next key of standard input: a character, or a name as "up", "page_down", "enter", "escape", "ctrl-l". */
enum gantry_screen_input gantry_screen_key(struct gantry_screen *screen, char key[GANTRY_SCREEN_KEY_SIZE]);

/* Gives the terminal back and stops the process, as Ctrl-Z asks, until it goes on in the foreground. */
void gantry_screen_suspend(struct gantry_screen *screen);

#endif
