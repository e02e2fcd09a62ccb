/* SPDX-License-Identifier: Apache-2.0
 *
 * test_lines.c: lines out of bytes, whole or in pieces, however the bytes are cut. */
#include "core/base/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT 4

static struct gantry_lines lines;
static char seen[256]; /* every line in brackets; one that goes on ends with '+' */

static void clear(void)
{
    memset(seen, 0, sizeof seen);
    gantry_lines_free(&lines);
    gantry_lines_init(&lines, LIMIT);
}

static int set_up(void **state)
{
    (void)state;
    clear();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gantry_lines_free(&lines);
    return 0;
}

static void line_came(void *data, const char *line, size_t size, bool partial)
{
    assert_ptr_equal(data, seen);
    assert_true(size <= LIMIT);
    strcat(seen, "[");
    strncat(seen, line, size);
    strcat(seen, partial ? "+]" : "]");
}

static void feed(const char *text, size_t size)
{
    gantry_lines_feed(&lines, text, size, line_came, seen);
}

static void finish(void)
{
    gantry_lines_finish(&lines, line_came, seen);
}

/* The lines of a text are these, cut anywhere in three. */
static void assert_lines(const char *text, const char *wanted)
{
    size_t size = strlen(text);

    for (size_t first = 0; first <= size; first++) {
        for (size_t second = first; second <= size; second++) {
            clear();
            feed(text, first);
            feed(text + first, second - first);
            feed(text + second, size - second);
            finish();
            assert_string_equal(seen, wanted);
        }
    }
}

static void test_lines(void **state)
{
    (void)state;
    assert_lines("", "");
    assert_lines("\n", "[]");
    assert_lines("a\nbc\n", "[a][bc]");
    assert_lines("\n\na\n\n", "[][][a][]");
    assert_lines("a", "[a]");
    assert_lines("a\nb", "[a][b]");
}

static void test_carriage_returns(void **state)
{
    (void)state;
    assert_lines("a\r\nb\r\n", "[a][b]");
    assert_lines("\r\n", "[]");
    assert_lines("a\r\r\n", "[a\r]");
    assert_lines("a\rb\n", "[a\rb]");
    assert_lines("a\r", "[a\r]");
}

static void test_the_limit(void **state)
{
    (void)state;
    assert_lines("abcd\n", "[abcd]");
    assert_lines("abcd", "[abcd]");
    assert_lines("abcde\n", "[abcd+][e]");
    assert_lines("abcdefgh\n", "[abcd+][efgh]");
    assert_lines("abcdefghi\nj", "[abcd+][efgh+][i][j]");
    assert_lines("abcdefghi", "[abcd+][efgh+][i]");
    assert_lines("abc\r\n", "[abc]");
    assert_lines("abcd\r\n", "[abcd+][]");
}

static void test_a_limit_of_one(void **state)
{
    (void)state;
    gantry_lines_init(&lines, 1);
    feed("a\nbc\n\n", 6);
    finish();
    assert_string_equal(seen, "[a][b+][c][]");
}

static void test_bytes_of_all_kinds(void **state)
{
    static const char bytes[] = "\0\377\n";

    (void)state;
    feed(bytes, 1);
    feed(bytes + 1, 1);
    assert_int_equal(lines.held, 2);
    assert_memory_equal(lines.bytes, bytes, 2);
    feed(bytes + 2, 1);
    assert_int_equal(lines.held, 0);
}

/* Whoever only ever sees short lines pays for short lines. */
static void test_memory_follows_what_is_held(void **state)
{
    static const char text[100 * 1024];

    (void)state;
    gantry_lines_init(&lines, sizeof text);
    feed("abc\nstart", 9);
    assert_true(lines.size < 1024);
    gantry_lines_feed(&lines, text, sizeof text - 5, line_came, seen);
    assert_int_equal(lines.held, sizeof text);
    assert_int_equal(lines.size, sizeof text);
    clear();
    assert_null(lines.bytes);
}

static void test_finish_leaves_it_ready(void **state)
{
    (void)state;
    feed("a", 1);
    finish();
    finish();
    feed("b\n", 2);
    assert_string_equal(seen, "[a][b]");
}

static jmp_buf away;

static void jump(void *data, const char *line, size_t size, bool partial)
{
    (void)data;
    (void)line;
    (void)size;
    (void)partial;
    longjmp(away, 1);
}

/* As a Lua error in the callback does. The line was told, and is not told again. */
static void test_a_callback_need_not_return(void **state)
{
    static const char *const texts[] = {"ab\n", "abcdef", "abcdef\n"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        clear();
        feed("x", 1);
        if (setjmp(away) == 0) {
            gantry_lines_feed(&lines, texts[i], strlen(texts[i]), jump, NULL);
            fail_msg("%s told no line", texts[i]);
        }
        feed("y\n", 2);
        assert_string_equal(seen, "[y]");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_carriage_returns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_limit_of_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bytes_of_all_kinds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_follows_what_is_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_finish_leaves_it_ready, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_callback_need_not_return, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
