/* SPDX-License-Identifier: Apache-2.0
 *
 * line_editor.c: readline's callback interface as one object. Readline calls back without any data of ours, so the
 * editor of the process is a static. */
#include "core/terminal/line_editor.h"

#include <stdbool.h>
#include <stdio.h> /* which readline's header needs */
#include <stdlib.h>

#include <readline/history.h>
#include <readline/readline.h>

struct gantry_line_editor {
    bool typing;
    bool hidden;
    enum gantry_line_event event; /* what the key that is being read came to */
    char *line;                   /* with GANTRY_LINE_ENTERED */
};

static struct gantry_line_editor *the_editor;

/* Called by readline with a complete line, or NULL at the end of input. */
static void line_entered(char *line)
{
    struct gantry_line_editor *editor = the_editor;

    rl_callback_handler_remove(); /* else it would show the next prompt by itself */
    editor->typing = false;
    editor->line = line;
    editor->event = line != NULL ? GANTRY_LINE_ENTERED : GANTRY_LINE_END;
}

/* Bound to the Tab key. */
static int complete(int count, int key)
{
    (void)count;
    (void)key;
    the_editor->event = GANTRY_LINE_COMPLETE;
    return 0;
}

int gantry_line_editor_new(int history, struct gantry_line_editor **editor, struct gantry_error *err)
{
    if (the_editor != NULL)
        return gantry_fail(err, "LINE_EDITOR_BUSY", "open line editor: the process has one already; close that one");
    the_editor = calloc(1, sizeof *the_editor);
    if (the_editor == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "open line editor: out of memory");
    rl_catch_signals = 0;
    rl_catch_sigwinch = 0;
    rl_readline_name = "gantry"; /* for conditions in the user's inputrc */
    rl_initialize();
    rl_bind_key('\t', complete);
    using_history();
    stifle_history(history);
    *editor = the_editor;
    return 0;
}

void gantry_line_editor_free(struct gantry_line_editor *editor)
{
    if (editor == NULL)
        return;
    gantry_line_editor_stop(editor);
    free(editor);
    the_editor = NULL;
}

void gantry_line_editor_begin(struct gantry_line_editor *editor, const char *prompt)
{
    if (editor->typing)
        return;
    editor->typing = true;
    editor->hidden = false;
    rl_callback_handler_install(prompt, line_entered);
}

void gantry_line_editor_stop(struct gantry_line_editor *editor)
{
    if (!editor->typing)
        return;
    editor->typing = false;
    rl_callback_handler_remove();
}

enum gantry_line_event gantry_line_editor_read(struct gantry_line_editor *editor, char **line)
{
    *line = NULL;
    if (!editor->typing)
        return GANTRY_LINE_END;
    editor->event = GANTRY_LINE_TYPED;
    editor->line = NULL;
    rl_callback_read_char();
    *line = editor->line;
    return editor->event;
}

const char *gantry_line_editor_line(const struct gantry_line_editor *editor, size_t *cursor)
{
    if (!editor->typing)
        return NULL;
    *cursor = (size_t)rl_point;
    return rl_line_buffer;
}

void gantry_line_editor_insert(struct gantry_line_editor *editor, const char *text)
{
    if (!editor->typing)
        return;
    rl_insert_text(text);
    if (!editor->hidden)
        rl_redisplay();
}

void gantry_line_editor_hide(struct gantry_line_editor *editor)
{
    if (!editor->typing || editor->hidden)
        return;
    editor->hidden = true;
    rl_clear_visible_line();
}

void gantry_line_editor_show(struct gantry_line_editor *editor)
{
    if (!editor->typing || !editor->hidden)
        return;
    editor->hidden = false;
    rl_forced_update_display();
}

int gantry_line_editor_width(const struct gantry_line_editor *editor)
{
    int rows = 0;
    int columns = 0;

    (void)editor;
    rl_get_screen_size(&rows, &columns);
    return columns;
}

void gantry_line_editor_resize(struct gantry_line_editor *editor)
{
    (void)editor; /* as with all of readline, there is one terminal */
    rl_resize_terminal();
}

void gantry_line_editor_remember(struct gantry_line_editor *editor, const char *line)
{
    (void)editor;
    add_history(line);
}
