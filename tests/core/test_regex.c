/* SPDX-License-Identifier: Apache-2.0
 *
 * test_regex.c: extended regular expressions over any bytes, in UTF-8 whatever the locale is. */
#include "core/base/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool matches(const char *pattern, const char *bytes, size_t length)
{
    struct gantry_regex regex = {0};
    struct gantry_error err;
    bool found;

    assert_int_equal(gantry_regex_open(&regex, pattern, &err), 0);
    found = gantry_regex_matches(&regex, bytes, length);
    gantry_regex_close(&regex);
    gantry_regex_close(&regex);
    return found;
}

static bool matches_text(const char *pattern, const char *text)
{
    return matches(pattern, text, strlen(text));
}

static void test_is_extended(void **state)
{
    (void)state;
    assert_true(matches_text("time(out|r)s?$", "two timeouts"));
    assert_true(matches_text("^[[:digit:]]{3}", "503 from upstream"));
    assert_false(matches_text("^[[:digit:]]{3}", "50 from upstream"));
    assert_true(matches_text("", ""));
}

static void test_counts_letters_and_not_bytes(void **state)
{
    (void)state;
    assert_true(matches_text("^gr.n$", "gr\xc3\xbcn"));
    assert_true(matches_text("[\xc3\xa4\xc3\xb6]", "sch\xc3\xb6n"));
    assert_false(matches_text("[\xc3\xa4\xc3\xb6]", "gr\xc3\xbcn"));
}

static void test_takes_any_bytes(void **state)
{
    (void)state;
    assert_true(matches("end$", "a\0\xff end", 7));
    assert_false(matches("end", "a\0\xff en", 6));
    assert_true(matches("\\$", "a\0$", 3));
}

static void test_says_what_is_wrong(void **state)
{
    static const char *const patterns[] = {"(", "[a", "a{2,1}", "*{", "\\"};
    struct gantry_regex regex = {0};
    struct gantry_error err;

    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        if (gantry_regex_open(&regex, patterns[i], &err) == 0) {
            gantry_regex_close(&regex);
            fail_msg("'%s' was taken", patterns[i]);
        }
        assert_string_equal(err.code, "REGEX_INVALID");
        assert_false(regex.open);
        gantry_regex_close(&regex);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_extended),
        cmocka_unit_test(test_counts_letters_and_not_bytes),
        cmocka_unit_test(test_takes_any_bytes),
        cmocka_unit_test(test_says_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
