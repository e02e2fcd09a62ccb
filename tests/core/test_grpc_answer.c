/* SPDX-License-Identifier: Apache-2.0
 *
 * test_grpc_answer.c: what header fields say of a call, and gRPC's tables and texts. */

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "core/grpc/grpc_answer.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

static void put(struct gantry_grpc_answer *answer, const char *name, const char *value)
{
    assert_int_equal(gantry_grpc_answer_field(answer, name, strlen(name), value, strlen(value)), 0);
}

/* An answer that has begun well. */
static void begin(struct gantry_grpc_answer *answer, const char *http_status, const char *content_type)
{
    gantry_grpc_answer_init(answer);
    gantry_grpc_answer_begin(answer, false);
    put(answer, ":status", http_status);
    put(answer, "content-type", content_type);
}

static int status_of(const struct gantry_grpc_answer *answer, char reason[128])
{
    return gantry_grpc_answer_status(answer, reason, 128);
}

static void assert_decoded(const char *encoded, const char *decoded, size_t length)
{
    char text[64];

    snprintf(text, sizeof text, "%s", encoded);
    assert_int_equal(gantry_grpc_percent_decode(text, strlen(encoded)), length);
    assert_memory_equal(text, decoded, length);
}

static void percent_signs_are_decoded(void **state)
{
    (void)state;
    assert_decoded("", "", 0);
    assert_decoded("plain", "plain", 5);
    assert_decoded("50%25 done%0A", "50% done\n", 9);
    assert_decoded("%E2%9c%93", "\xe2\x9c\x93", 3);
    assert_decoded("a%00b", "a\0b", 3);
    assert_decoded("%", "%", 1);
    assert_decoded("%4", "%4", 2);
    assert_decoded("%4g%zz%%41", "%4g%zz%A", 8);
    assert_decoded("%41", "A", 1);
}

static void assert_timeout(int64_t nanoseconds, const char *expected)
{
    char text[GANTRY_GRPC_TIMEOUT_TEXT];

    gantry_grpc_timeout_text(nanoseconds, text);
    assert_string_equal(text, expected);
}

static void timeouts_have_at_most_eight_digits(void **state)
{
    (void)state;
    assert_timeout(1, "1n");
    assert_timeout(50000000, "50000000n");
    assert_timeout(99999999, "99999999n");
    assert_timeout(100000000, "100000u");
    assert_timeout(100000001, "100001u");
    assert_timeout(5000000000, "5000000u");
    assert_timeout(1000000000000, "1000000m");
    assert_timeout(INT64_C(200000) * 1000000000, "200000S");
    assert_timeout(INT64_MAX, "2562048H");
}

static void trailers_give_status_and_message(void **state)
{
    struct gantry_grpc_answer answer;
    char reason[128];

    (void)state;
    begin(&answer, "200", "application/grpc");
    put(&answer, "x-header", "is no trailer");
    put(&answer, "grpc-status", "3"); /* neither is this */
    assert_int_equal(answer.status, -1);
    gantry_grpc_answer_begin(&answer, true);
    put(&answer, "grpc-status", "9");
    put(&answer, "grpc-message", "so%20it is");
    put(&answer, "x-one", "1");
    put(&answer, "x-two", "");
    put(&answer, "x-three", "3");
    assert_int_equal(status_of(&answer, reason), 9);
    assert_string_equal(reason, "");
    assert_string_equal(answer.message, "so it is");
    assert_int_equal(answer.trailer_count, 3);
    assert_string_equal(answer.trailers[1].name, "x-two");
    assert_string_equal(answer.trailers[2].value, "3");
    gantry_grpc_answer_free(&answer);
}

static void headers_alone_can_be_an_answer(void **state)
{
    struct gantry_grpc_answer answer;
    char reason[128];

    (void)state;
    gantry_grpc_answer_init(&answer);
    gantry_grpc_answer_begin(&answer, true);
    put(&answer, ":status", "200");
    put(&answer, "content-type", "application/grpc+proto");
    put(&answer, "grpc-status", "12");
    assert_true(gantry_grpc_answer_is_grpc(&answer));
    assert_int_equal(status_of(&answer, reason), GANTRY_GRPC_UNIMPLEMENTED);
    gantry_grpc_answer_free(&answer);
}

static void without_a_status_there_is_a_reason(void **state)
{
    static const struct {
        const char *http_status;
        const char *content_type;
        int status;
        const char *reason;
    } cases[] = {
        {"200", "application/grpc", GANTRY_GRPC_INTERNAL, "without a grpc-status"},
        {"200", "application/grpcish", GANTRY_GRPC_INTERNAL, "of type 'application/grpcish'"},
        {"200", "text/html", GANTRY_GRPC_INTERNAL, "of type 'text/html'"},
        {"404", "text/html", GANTRY_GRPC_UNIMPLEMENTED, "HTTP status 404"},
        {"503", "application/grpc", GANTRY_GRPC_UNAVAILABLE, "HTTP status 503"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gantry_grpc_answer answer;
        char reason[128];

        begin(&answer, cases[i].http_status, cases[i].content_type);
        assert_int_equal(status_of(&answer, reason), cases[i].status);
        assert_non_null(strstr(reason, cases[i].reason));
        gantry_grpc_answer_free(&answer);
    }
}

static void odd_statuses_are_unknown(void **state)
{
    static const char *const odd[] = {"17", "4711", "", "-1", "0x0", "1 "};

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct gantry_grpc_answer answer;
        char reason[128];

        begin(&answer, "200", "application/grpc");
        gantry_grpc_answer_begin(&answer, true);
        put(&answer, "grpc-status", odd[i]);
        assert_int_equal(status_of(&answer, reason), GANTRY_GRPC_UNKNOWN);
        gantry_grpc_answer_free(&answer);
    }
}

static void trailers_are_bounded(void **state)
{
    struct gantry_grpc_answer answer;
    char value[1000];
    char reason[128];

    (void)state;
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    begin(&answer, "200", "application/grpc");
    gantry_grpc_answer_begin(&answer, true);
    put(&answer, "grpc-status", "0");
    for (int i = 0; i < 1000; i++)
        put(&answer, "x-long", value);
    assert_true(answer.trailer_count < 70);
    assert_int_equal(status_of(&answer, reason), GANTRY_GRPC_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(reason, "longer than"));
    gantry_grpc_answer_free(&answer);
}

static void http_and_reset_codes_have_a_status(void **state)
{
    (void)state;
    assert_int_equal(gantry_grpc_status_of_http(400), GANTRY_GRPC_INTERNAL);
    assert_int_equal(gantry_grpc_status_of_http(401), GANTRY_GRPC_UNAUTHENTICATED);
    assert_int_equal(gantry_grpc_status_of_http(403), GANTRY_GRPC_PERMISSION_DENIED);
    assert_int_equal(gantry_grpc_status_of_http(429), GANTRY_GRPC_UNAVAILABLE);
    assert_int_equal(gantry_grpc_status_of_http(504), GANTRY_GRPC_UNAVAILABLE);
    assert_int_equal(gantry_grpc_status_of_http(500), GANTRY_GRPC_UNKNOWN);
    assert_int_equal(gantry_grpc_status_of_reset(NGHTTP2_NO_ERROR), GANTRY_GRPC_INTERNAL);
    assert_int_equal(gantry_grpc_status_of_reset(NGHTTP2_REFUSED_STREAM), GANTRY_GRPC_UNAVAILABLE);
    assert_int_equal(gantry_grpc_status_of_reset(NGHTTP2_CANCEL), GANTRY_GRPC_CANCELLED);
    assert_int_equal(gantry_grpc_status_of_reset(NGHTTP2_ENHANCE_YOUR_CALM), GANTRY_GRPC_RESOURCE_EXHAUSTED);
    assert_int_equal(gantry_grpc_status_of_reset(NGHTTP2_INADEQUATE_SECURITY), GANTRY_GRPC_PERMISSION_DENIED);
    assert_int_equal(gantry_grpc_status_of_reset(12345), GANTRY_GRPC_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percent_signs_are_decoded),
        cmocka_unit_test(timeouts_have_at_most_eight_digits),
        cmocka_unit_test(trailers_give_status_and_message),
        cmocka_unit_test(headers_alone_can_be_an_answer),
        cmocka_unit_test(without_a_status_there_is_a_reason),
        cmocka_unit_test(odd_statuses_are_unknown),
        cmocka_unit_test(trailers_are_bounded),
        cmocka_unit_test(http_and_reset_codes_have_a_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
