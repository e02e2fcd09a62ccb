/* SPDX-License-Identifier: Apache-2.0
 *
 * test_grpc_message.c: gRPC's messages out of a stream in any pieces. */

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "core/grpc/grpc_message.h"

#include <stdlib.h>
#include <string.h>

/* Three messages: "ab", "", "c". */
static const uint8_t stream[] = {0, 0, 0, 0, 2, 'a', 'b', 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'c'};

static void assert_next(struct gantry_grpc_reader *reader, const char *text)
{
    struct gantry_grpc_message *message = gantry_grpc_reader_take(reader);

    assert_non_null(message);
    assert_int_equal(message->length, strlen(text));
    assert_memory_equal(message->bytes, text, strlen(text));
    free(message);
}

static void assert_three_messages(struct gantry_grpc_reader *reader)
{
    assert_next(reader, "ab");
    assert_next(reader, "");
    assert_next(reader, "c");
    assert_null(gantry_grpc_reader_take(reader));
    assert_false(gantry_grpc_reader_is_inside(reader));
}

static void any_split_gives_the_same_messages(void **state)
{
    struct gantry_grpc_reader reader = {.limit = 100};
    struct gantry_error err;

    (void)state;
    for (size_t first = 0; first <= sizeof stream; first++) {
        for (size_t second = first; second <= sizeof stream; second++) {
            assert_int_equal(gantry_grpc_reader_feed(&reader, stream, first, &err), 0);
            assert_int_equal(gantry_grpc_reader_feed(&reader, stream + first, second - first, &err), 0);
            assert_int_equal(gantry_grpc_reader_feed(&reader, stream + second, sizeof stream - second, &err), 0);
            assert_three_messages(&reader);
        }
    }
    for (size_t i = 0; i < sizeof stream; i++)
        assert_int_equal(gantry_grpc_reader_feed(&reader, stream + i, 1, &err), 0);
    assert_three_messages(&reader);
    gantry_grpc_reader_clear(&reader);
}

static void a_large_message_grows_with_what_arrives(void **state)
{
    size_t length = 3UL * 1024 * 1024 + 7;
    struct gantry_grpc_reader reader = {.limit = length};
    struct gantry_grpc_message *message;
    uint8_t prefix[GANTRY_GRPC_PREFIX_SIZE];
    uint8_t piece[10007];
    struct gantry_error err;

    (void)state;
    gantry_grpc_write_prefix(prefix, (uint32_t)length);
    assert_int_equal(gantry_grpc_reader_feed(&reader, prefix, sizeof prefix, &err), 0);
    assert_true(reader.room < length);
    for (size_t sent = 0; sent < length;) {
        size_t count = length - sent < sizeof piece ? length - sent : sizeof piece;

        for (size_t i = 0; i < count; i++)
            piece[i] = (uint8_t)((sent + i) % 251);
        assert_int_equal(gantry_grpc_reader_feed(&reader, piece, count, &err), 0);
        sent += count;
    }
    message = gantry_grpc_reader_take(&reader);
    assert_non_null(message);
    assert_int_equal(message->length, length);
    for (size_t i = 0; i < length; i++) {
        if (message->bytes[i] != i % 251)
            fail_msg("byte %zu is wrong", i);
    }
    free(message);
    gantry_grpc_reader_clear(&reader);
}

static void a_message_beyond_the_limit_is_refused_by_its_prefix(void **state)
{
    struct gantry_grpc_reader reader = {.limit = 10};
    uint8_t prefix[GANTRY_GRPC_PREFIX_SIZE];
    struct gantry_error err;

    (void)state;
    gantry_grpc_write_prefix(prefix, 11);
    assert_true(gantry_grpc_reader_feed(&reader, prefix, sizeof prefix, &err) < 0);
    assert_string_equal(err.code, "MESSAGE_TOO_LARGE");
    assert_non_null(strstr(err.message, "11 bytes"));
    assert_null(reader.partial);
    gantry_grpc_reader_clear(&reader);
}

static void compression_is_refused(void **state)
{
    static const uint8_t compressed[] = {1, 0, 0, 0, 1, 'x'};
    struct gantry_grpc_reader reader = {.limit = 10};
    struct gantry_error err;

    (void)state;
    assert_true(gantry_grpc_reader_feed(&reader, compressed, sizeof compressed, &err) < 0);
    assert_string_equal(err.code, "MESSAGE_COMPRESSED");
    gantry_grpc_reader_clear(&reader);
}

static void an_end_inside_a_message_is_seen(void **state)
{
    struct gantry_grpc_reader reader = {.limit = 10};
    struct gantry_error err;

    (void)state;
    for (size_t cut = 1; cut < 7; cut++) {
        assert_false(gantry_grpc_reader_is_inside(&reader));
        assert_int_equal(gantry_grpc_reader_feed(&reader, stream, cut, &err), 0);
        assert_true(gantry_grpc_reader_is_inside(&reader));
        gantry_grpc_reader_clear(&reader);
    }
}

static void messages_that_wait_can_be_thrown_away(void **state)
{
    struct gantry_grpc_reader reader = {.limit = 10};
    struct gantry_error err;

    (void)state;
    assert_int_equal(gantry_grpc_reader_feed(&reader, stream, sizeof stream - 1, &err), 0);
    gantry_grpc_reader_clear(&reader);
    assert_null(gantry_grpc_reader_take(&reader));
    assert_int_equal(gantry_grpc_reader_feed(&reader, stream, sizeof stream, &err), 0);
    assert_three_messages(&reader);
    gantry_grpc_reader_clear(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_gives_the_same_messages),
        cmocka_unit_test(a_large_message_grows_with_what_arrives),
        cmocka_unit_test(a_message_beyond_the_limit_is_refused_by_its_prefix),
        cmocka_unit_test(compression_is_refused),
        cmocka_unit_test(an_end_inside_a_message_is_seen),
        cmocka_unit_test(messages_that_wait_can_be_thrown_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
