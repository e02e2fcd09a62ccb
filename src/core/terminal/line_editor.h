/* SPDX-License-Identifier: Apache-2.0
 *
 * line_editor.h: a line being typed at the process's terminal, by GNU readline, one key at a time.
 *
 * It never waits and never calls back: whoever owns it watches standard input and calls gantry_line_editor_read when it
 * is readable. So the loop runs while a line is typed, and what happens meanwhile can be printed above the line,
 * between gantry_line_editor_hide and gantry_line_editor_show. Readline belongs to the process, so there is one editor
 * at a time. It catches no signals: their owner tells it of SIGWINCH, and drops the line on SIGINT. */
#ifndef GANTRY_LINE_EDITOR_H
#define GANTRY_LINE_EDITOR_H

#include "core/base/error.h"

#include <stddef.h>

struct gantry_line_editor;

enum gantry_line_event {
    GANTRY_LINE_TYPED,    /* a key; the line goes on */
    GANTRY_LINE_ENTERED,  /* the line is complete; no line is being typed any more */
    GANTRY_LINE_END,      /* Ctrl-D on an empty line, or no more input; no line is being typed any more */
    GANTRY_LINE_COMPLETE, /* Tab: the owner may insert something */
};

/* Makes the editor, with up to `history` remembered lines. Fails with LINE_EDITOR_BUSY or OUT_OF_MEMORY. */
int gantry_line_editor_new(int history, struct gantry_line_editor **editor, struct gantry_error *err);

/* Ends the editor; the terminal is as it was before. NULL is allowed. */
void gantry_line_editor_free(struct gantry_line_editor *editor);

/* Shows the prompt and begins an empty line. Does nothing where one is being typed. */
void gantry_line_editor_begin(struct gantry_line_editor *editor, const char *prompt);

/* Drops the line that is being typed; the terminal is as it was before. Does nothing where none is. */
void gantry_line_editor_stop(struct gantry_line_editor *editor);

/* Reads one key of standard input, which must be readable. With GANTRY_LINE_ENTERED, `*line` is the line, which the
 * caller frees; else NULL. Only to be called while a line is being typed. */
enum gantry_line_event gantry_line_editor_read(struct gantry_line_editor *editor, char **line);

/* The line as typed so far, and the place of the cursor in bytes. Valid until the next call of anything here. NULL
 * where none is being typed. */
const char *gantry_line_editor_line(const struct gantry_line_editor *editor, size_t *cursor);

/* Inserts text at the cursor and shows it. */
void gantry_line_editor_insert(struct gantry_line_editor *editor, const char *text);

/* Takes prompt and line off the screen; the cursor is at the start of an empty row. Nothing where none is typed. */
void gantry_line_editor_hide(struct gantry_line_editor *editor);

/* Shows them again, on the row of the cursor. */
void gantry_line_editor_show(struct gantry_line_editor *editor);

/* Columns of the terminal. */
int gantry_line_editor_width(const struct gantry_line_editor *editor);

/* The terminal has another size now. */
void gantry_line_editor_resize(struct gantry_line_editor *editor);

/* Remembers a line for the keys that go back to earlier ones; it may have more than one row. */
void gantry_line_editor_remember(struct gantry_line_editor *editor, const char *line);

#endif
