/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine's answer to a wait, in any pieces, and a gate's last word. */
#include "face/exit_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEAD                                                                                                           \
    "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

static const struct {
    const char *text;
    int code; /* -1: not known */
} cases[] = {
    {HEAD "1f\r\n{\"Error\":null,\"StatusCode\":137}\n\r\n0\r\n\r\n", 137},
    {HEAD "10\r\n{\"StatusCode\":0}\n\r\n0\r\n\r\n", 0},
    {HEAD "2e\r\n{\"StatusCode\": 7, \"Error\":{\"Message\":\"x\"}}\n\r\n", 7},
    {HEAD "13\r\n{\"StatusCodes\":1,\"\"StatusCode\":3}", 3},
    {HEAD "2e\r\n{\"StatusCode\":-1,\"Error\":{\"Message\":\"x\"}}\n\r\n", -1},
    {HEAD "2e\r\n{\"StatusCode\":null,\"a\":{\"StatusCode\":4}}\n\r\n", 4},
    {HEAD, -1},
    {HEAD "10\r\n{\"StatusCode\":12", -1},
    {HEAD "4000\r\n{\"StatusCode\":99999999999999999999}", 999999},
    {"HTTP/1.1 404 Not Found\r\n\r\n{\"message\":\"No such container\"}", -1},
};

static void check(const char *text, size_t piece, int code)
{
    struct gantry_exit_answer answer = {0};
    size_t size = strlen(text);

    for (size_t at = 0; at < size; at += piece)
        gantry_exit_answer_feed(&answer, text + at, size - at < piece ? size - at : piece);
    assert_int_equal(answer.known, code >= 0);
    if (code >= 0)
        assert_int_equal(answer.code, code);
}

static void test_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece < 200; piece++)
            check(cases[i].text, piece, cases[i].code);
}

static void test_words(void **state)
{
    static const struct {
        const char *word;
        int code; /* -1: it tells none */
    } words[] = {
        {"exit 3 0 0", 3}, {"exit 0 0 -", 0}, {"exit 0 9 1", 137}, {"exit 0 15", 143},
        {"started 7", -1}, {"exit", -1},      {"exits 1 0 0", -1}, {"", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct gantry_exit_answer answer = {0};

        assert_int_equal(gantry_exit_answer_take_word(&answer, words[i].word), words[i].code >= 0);
        assert_int_equal(answer.known, words[i].code >= 0);
        if (answer.known)
            assert_int_equal(answer.code, words[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pieces), cmocka_unit_test(test_words)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
