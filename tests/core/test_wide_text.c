/* SPDX-License-Identifier: Apache-2.0
 *
 * test_wide_text.c: text of anybody's as a row of a screen. */
#include "core/terminal/wide_text.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int speak_utf8(void **state)
{
    (void)state;
    return setlocale(LC_CTYPE, "C.UTF-8") == NULL ? -1 : 0;
}

static void assert_taken(const char *text, int columns, bool unicode, const wchar_t *wanted, int width)
{
    struct gantry_wide_text wide;

    assert_int_equal(gantry_wide_text_take(&wide, text, strlen(text), columns, unicode), width);
    assert_int_equal(wide.count, (int)wcslen(wanted));
    assert_memory_equal(wide.characters, wanted, wcslen(wanted) * sizeof *wanted);
}

static void takes_what_fits(void **state)
{
    (void)state;
    assert_taken("", 5, true, L"", 0);
    assert_taken("grün", 5, true, L"grün", 4);
    assert_taken("grüne", 5, true, L"grüne", 5);
    assert_taken("grünes", 5, true, L"grün…", 5);
    assert_taken("日本日", 5, true, L"日本…", 5);
    assert_taken("日本日", 4, true, L"日…", 3);
    assert_taken("日本", 1, true, L"…", 1);
    assert_taken("x", 0, true, L"", 0);
    assert_taken("e\u0301x", 2, true, L"e\u0301x", 2);
    assert_taken("\u0301x", 2, true, L"x", 1);
}

static void takes_ascii_alone_where_that_is_all(void **state)
{
    (void)state;
    assert_taken("grün", 9, false, L"gr?n", 4);
    assert_taken("abcdef", 3, false, L"ab>", 3);
}

static void shows_nothing_to_act_on(void **state)
{
    (void)state;
    assert_taken("\033[2J\a\r\n\t\x7f", 99, true, L"?[2J?????", 9);
    assert_taken("\xc2\x9b"
                 "31m",
                 99, true, L"?31m", 4);
    assert_taken("\xff\xe2\x80\xc0\xaf", 99, true, L"?????", 5);
    assert_taken("\xed\xa0\x80", 99, true, L"???", 3);
    assert_taken("\xf4\x90\x80\x80", 99, true, L"????", 4);
}

static void takes_any_bytes(void **state)
{
    char bytes[64];
    struct gantry_wide_text wide;

    (void)state;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        int columns = rand() % 20;
        int width;

        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)(rand() % 256);
        width = gantry_wide_text_take(&wide, bytes, sizeof bytes, columns, true);
        assert_true(width <= columns && wide.count >= 0);
        for (int i = 0; i < wide.count; i++)
            assert_true(wcwidth(wide.characters[i]) >= 0 && wide.characters[i] >= 0x20);
    }
}

static void keeps_to_its_room(void **state)
{
    static char text[3 * 4096];
    struct gantry_wide_text wide;

    (void)state;
    for (size_t i = 0; i + 2 < sizeof text; i += 3)
        memcpy(text + i, "x\xcc\x81", 3);
    assert_int_equal(gantry_wide_text_take(&wide, text, sizeof text, GANTRY_WIDE_TEXT_COLUMNS, true),
                     GANTRY_WIDE_TEXT_COLUMNS);
    assert_true(wide.count <= GANTRY_WIDE_TEXT_COLUMNS + GANTRY_WIDE_TEXT_MARKS);
}

static void encodes_what_is_typed(void **state)
{
    char bytes[5];

    (void)state;
    assert_true(gantry_wide_text_encode('a', bytes));
    assert_string_equal(bytes, "a");
    assert_true(gantry_wide_text_encode(0xfc, bytes));
    assert_string_equal(bytes, "ü");
    assert_true(gantry_wide_text_encode(0x20ac, bytes));
    assert_string_equal(bytes, "€");
    assert_true(gantry_wide_text_encode(0x1f600, bytes));
    assert_string_equal(bytes, "\xf0\x9f\x98\x80");
    assert_false(gantry_wide_text_encode(0, bytes));
    assert_false(gantry_wide_text_encode(0x1b, bytes));
    assert_false(gantry_wide_text_encode(0xd800, bytes));
    assert_false(gantry_wide_text_encode(0x110000, bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_fits),         cmocka_unit_test(takes_ascii_alone_where_that_is_all),
        cmocka_unit_test(shows_nothing_to_act_on), cmocka_unit_test(takes_any_bytes),
        cmocka_unit_test(keeps_to_its_room),       cmocka_unit_test(encodes_what_is_typed),
    };

    return cmocka_run_group_tests(tests, speak_utf8, NULL);
}
