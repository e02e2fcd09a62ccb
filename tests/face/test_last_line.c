/* SPDX-License-Identifier: Apache-2.0
 *
 * The last line of a plugin's standard error, as a host's message ends with it. */
#include "face/last_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *last_of(const char *output, size_t piece)
{
    static struct gantry_last_line last;
    size_t size = strlen(output);

    last = (struct gantry_last_line){0};
    for (size_t at = 0; at < size; at += piece)
        gantry_last_line_feed(&last, output + at, size - at < piece ? size - at : piece);
    gantry_last_line_finish(&last);
    return last.text;
}

static void assert_last(const char *output, const char *expected)
{
    for (size_t piece = 1; piece <= strlen(output) + 1; piece++)
        assert_string_equal(last_of(output, piece), expected);
}

static void test_lines(void **state)
{
    (void)state;
    assert_last("", "");
    assert_last("one\ntwo\n", "two");
    assert_last("one\r\ntwo without an end", "two without an end");
    assert_last("said\n\n  \n\r\n", "said");
}

static void test_hclog(void **state)
{
    (void)state;
    assert_last("{\"@level\":\"error\",\"@message\":\"cannot open \\\"x\\\": a\\\\b\\nc\",\"@module\":\"m\"}\n",
                "cannot open \"x\": a\\b c");
    assert_last("{\"@message\":\"cut of", "cut of");
    assert_last("{\"@message\":\"\"}\n", "");
    assert_last("{\"@message\":\"ends in \\", "ends in \\");
    assert_last("{\"other\":1}\n", "{\"other\":1}");
}

static void test_crash(void **state)
{
    (void)state;
    assert_last("starting\npanic: no config\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:12 +0x1d\n",
                "panic: no config");
    assert_last("fatal error: out of memory\nruntime stack:\n", "fatal error: out of memory");
}

static void test_long(void **state)
{
    static char output[5000];
    struct gantry_last_line last = {0};

    (void)state;
    memset(output, 'x', sizeof output);
    gantry_last_line_feed(&last, output, sizeof output);
    gantry_last_line_finish(&last);
    assert_int_equal(strlen(last.text), sizeof last.text - 1);
    gantry_last_line_feed(&last, "\0a\0b\n", 5);
    assert_string_equal(last.text, "ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_hclog),
        cmocka_unit_test(test_crash),
        cmocka_unit_test(test_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
