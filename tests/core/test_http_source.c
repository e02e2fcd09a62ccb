/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_source.c: bodies of requests that are read as they are sent. */
#include "http_fixture.h"

struct piecewise {
    size_t given;
    size_t fails_at; /* 0: never */
    int rewinds;
};

static ssize_t give_piece(void *data, char *bytes, size_t size, struct gantry_error *error)
{
    struct piecewise *piecewise = data;
    size_t left = 60000 - piecewise->given;
    size_t some = left < 7001 ? left : 7001;

    if (piecewise->fails_at > 0 && piecewise->given >= piecewise->fails_at)
        return gantry_fail(error, "FILE_CHANGED", "it was changed");
    some = some < size ? some : size;
    memset(bytes, 'y', some);
    piecewise->given += some;
    return (ssize_t)some;
}

static void give_again(void *data)
{
    struct piecewise *piecewise = data;

    piecewise->given = 0;
    piecewise->rewinds++;
}

static struct gantry_http_source source_of(struct piecewise *piecewise)
{
    return (struct gantry_http_source){.size = 60000, .read = give_piece, .rewind = give_again, .data = piecewise};
}

static void test_body_from_a_source(void **state)
{
    struct piecewise piecewise = {0};
    struct answer answer = {0};

    (void)state;
    for (int i = 0; i < 2; i++) { /* the second over the same connection */
        answer = (struct answer){0};
        piecewise.given = 0;
        start(&answer,
              (struct gantry_http_options){.method = "POST", .path = "/echo", .source = source_of(&piecewise)});
        finish(&answer);
        assert_fine(&answer);
        assert_non_null(strstr(answer.text, "Content-Length: 60000\r\n"));
        assert_null(strcasestr(answer.text, "Expect:"));
        assert_int_equal(60000, piecewise.given);
    }
}

static void test_source_that_fails(void **state)
{
    struct piecewise piecewise = {.fails_at = 14002};
    struct answer answer = {0};

    (void)state;
    start(&answer, (struct gantry_http_options){.method = "POST", .path = "/echo", .source = source_of(&piecewise)});
    finish(&answer);
    assert_failed(&answer, "FILE_CHANGED");
    assert_string_equal(answer.error.message, "it was changed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_body_from_a_source, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_source_that_fails, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
