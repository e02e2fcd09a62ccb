/* SPDX-License-Identifier: Apache-2.0
 *
 * test_line_editor.c: keys typed at a terminal of the test's own become lines, completions and ends. */
#include "core/terminal/line_editor.h"

#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int keyboard; /* the terminal's other side */
static int saved_output;

/* Standard input and output become a terminal; cmocka's report goes to the saved output again afterwards. */
static int open_terminal(void **state)
{
    int terminal;
    const struct winsize size = {.ws_row = 24, .ws_col = 80};

    (void)state;
    setenv("TERM", "xterm", 1);
    setenv("INPUTRC", "/dev/null", 1);
    fflush(stdout);
    saved_output = dup(STDOUT_FILENO);
    if (openpty(&keyboard, &terminal, NULL, NULL, &size) < 0)
        return -1;
    dup2(terminal, STDIN_FILENO);
    dup2(terminal, STDOUT_FILENO);
    return close(terminal);
}

static int close_terminal(void **state)
{
    (void)state;
    fflush(stdout);
    dup2(saved_output, STDOUT_FILENO);
    close(saved_output);
    return close(keyboard);
}

static struct gantry_line_editor *open_editor(void)
{
    struct gantry_line_editor *editor;
    struct gantry_error err;

    assert_int_equal(0, gantry_line_editor_new(10, &editor, &err));
    return editor;
}

/* Types text and reads it key by key; gives what the last key came to. */
static enum gantry_line_event type(struct gantry_line_editor *editor, const char *text, char **line)
{
    enum gantry_line_event event = GANTRY_LINE_TYPED;

    for (; *text != '\0'; text++) {
        assert_int_equal(1, write(keyboard, text, 1));
        event = gantry_line_editor_read(editor, line);
    }
    return event;
}

static void lines_are_entered(void **state)
{
    struct gantry_line_editor *editor = open_editor();
    char *line;

    (void)state;
    gantry_line_editor_begin(editor, "> ");
    assert_int_equal(GANTRY_LINE_TYPED, type(editor, "print(1)", &line));
    assert_null(line);
    assert_int_equal(GANTRY_LINE_ENTERED, type(editor, "\r", &line));
    assert_string_equal("print(1)", line);
    free(line);
    assert_int_equal(GANTRY_LINE_END, gantry_line_editor_read(editor, &line)); /* no line is being typed */
    gantry_line_editor_begin(editor, "> ");
    assert_int_equal(GANTRY_LINE_END, type(editor, "\004", &line));
    assert_null(line);
    gantry_line_editor_free(editor);
}

static void tab_asks_for_a_completion(void **state)
{
    struct gantry_line_editor *editor = open_editor();
    size_t cursor;
    char *line;

    (void)state;
    gantry_line_editor_begin(editor, "> ");
    assert_int_equal(GANTRY_LINE_COMPLETE, type(editor, "lau\t", &line));
    assert_string_equal("lau", gantry_line_editor_line(editor, &cursor));
    assert_int_equal(3, cursor);
    gantry_line_editor_insert(editor, "nch");
    assert_int_equal(GANTRY_LINE_ENTERED, type(editor, "\r", &line));
    assert_string_equal("launch", line);
    free(line);
    gantry_line_editor_free(editor);
}

static void a_hidden_line_is_kept(void **state)
{
    struct gantry_line_editor *editor = open_editor();
    char *line;

    (void)state;
    gantry_line_editor_begin(editor, "> ");
    type(editor, "typed ", &line);
    gantry_line_editor_hide(editor);
    gantry_line_editor_hide(editor);
    gantry_line_editor_insert(editor, "and ");
    gantry_line_editor_show(editor);
    gantry_line_editor_show(editor);
    assert_int_equal(80, gantry_line_editor_width(editor));
    assert_int_equal(GANTRY_LINE_ENTERED, type(editor, "more\r", &line));
    assert_string_equal("typed and more", line);
    free(line);
    gantry_line_editor_free(editor);
}

static void earlier_lines_come_back(void **state)
{
    struct gantry_line_editor *editor = open_editor();
    char *line;

    (void)state;
    gantry_line_editor_remember(editor, "first\nof two rows");
    gantry_line_editor_begin(editor, "> ");
    assert_int_equal(GANTRY_LINE_ENTERED, type(editor, "\020\r", &line)); /* Ctrl-P */
    assert_string_equal("first\nof two rows", line);
    free(line);
    gantry_line_editor_free(editor);
}

static void a_line_can_be_dropped(void **state)
{
    struct gantry_line_editor *editor = open_editor();
    size_t cursor;
    char *line;

    (void)state;
    gantry_line_editor_begin(editor, "> ");
    type(editor, "no", &line);
    gantry_line_editor_stop(editor);
    gantry_line_editor_stop(editor);
    assert_null(gantry_line_editor_line(editor, &cursor));
    gantry_line_editor_begin(editor, "> ");
    assert_int_equal(GANTRY_LINE_ENTERED, type(editor, "yes\r", &line));
    assert_string_equal("yes", line);
    free(line);
    gantry_line_editor_free(editor);
}

static void there_is_one_editor(void **state)
{
    struct gantry_line_editor *editor = open_editor();
    struct gantry_line_editor *second;
    struct gantry_error err;

    (void)state;
    assert_int_equal(-1, gantry_line_editor_new(10, &second, &err));
    assert_string_equal("LINE_EDITOR_BUSY", err.code);
    gantry_line_editor_free(editor);
    gantry_line_editor_free(NULL);
    gantry_line_editor_free(open_editor());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_are_entered, open_terminal, close_terminal),
        cmocka_unit_test_setup_teardown(tab_asks_for_a_completion, open_terminal, close_terminal),
        cmocka_unit_test_setup_teardown(a_hidden_line_is_kept, open_terminal, close_terminal),
        cmocka_unit_test_setup_teardown(earlier_lines_come_back, open_terminal, close_terminal),
        cmocka_unit_test_setup_teardown(a_line_can_be_dropped, open_terminal, close_terminal),
        cmocka_unit_test_setup_teardown(there_is_one_editor, open_terminal, close_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
