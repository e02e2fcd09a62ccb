/* SPDX-License-Identifier: Apache-2.0
 *
 * test_buffer.c: bytes go in at the end and out at the front, in order, whatever the pieces. */

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "core/base/buffer.h"

#include <string.h>

static void bytes_keep_their_order(void **state)
{
    struct gantry_buffer buffer = {0};
    uint8_t piece[97];
    uint8_t written = 0;
    uint8_t read = 0;

    (void)state;
    for (size_t turn = 0; turn < 500; turn++) {
        size_t length = turn * 31 % sizeof piece;

        for (size_t i = 0; i < length; i++)
            piece[i] = written++;
        assert_int_equal(gantry_buffer_append(&buffer, piece, length), 0);
        length = turn * 17 % (gantry_buffer_length(&buffer) + 1);
        for (size_t i = 0; i < length; i++)
            assert_int_equal(gantry_buffer_front(&buffer)[i], read++);
        gantry_buffer_consume(&buffer, length);
    }
    while (gantry_buffer_length(&buffer) > 0) {
        assert_int_equal(gantry_buffer_front(&buffer)[0], read++);
        gantry_buffer_consume(&buffer, 1);
    }
    assert_int_equal(read, written);
    gantry_buffer_free(&buffer);
}

/* Bytes are moved about once, however many wait: moving all 16 MiB for each piece would be 8 TiB here. */
static void much_that_waits_is_not_moved_for_each_piece(void **state)
{
    static uint8_t piece[1024];
    const size_t waiting = 16UL * 1024 * 1024;
    struct gantry_buffer buffer = {0};

    (void)state;
    while (gantry_buffer_length(&buffer) < waiting)
        assert_int_equal(gantry_buffer_append(&buffer, piece, sizeof piece), 0);
    for (int i = 0; i < 512 * 1024; i++) {
        gantry_buffer_consume(&buffer, sizeof piece);
        assert_int_equal(gantry_buffer_append(&buffer, piece, sizeof piece), 0);
    }
    assert_int_equal(gantry_buffer_length(&buffer), waiting);
    assert_true(buffer.size <= 4 * waiting);
    gantry_buffer_free(&buffer);
}

static void reserved_room_counts_once_it_is_grown(void **state)
{
    struct gantry_buffer buffer = {0};
    uint8_t *room = gantry_buffer_reserve(&buffer, 1000);

    (void)state;
    assert_non_null(room);
    memset(room, 'x', 1000);
    assert_int_equal(gantry_buffer_length(&buffer), 0);
    gantry_buffer_grow(&buffer, 700);
    assert_int_equal(gantry_buffer_length(&buffer), 700);
    gantry_buffer_free(&buffer);
    assert_int_equal(gantry_buffer_length(&buffer), 0);
}

static void what_cannot_be_is_refused(void **state)
{
    struct gantry_buffer buffer = {0};

    (void)state;
    assert_int_equal(gantry_buffer_append(&buffer, "abc", 3), 0);
    assert_null(gantry_buffer_reserve(&buffer, SIZE_MAX));
    assert_null(gantry_buffer_reserve(&buffer, SIZE_MAX / 2));
    assert_int_equal(gantry_buffer_length(&buffer), 3);
    gantry_buffer_free(&buffer);
}

static void a_large_buffer_gives_its_memory_back(void **state)
{
    struct gantry_buffer buffer = {0};
    uint8_t *room = gantry_buffer_reserve(&buffer, 4UL * 1024 * 1024);

    (void)state;
    assert_non_null(room);
    gantry_buffer_grow(&buffer, 4UL * 1024 * 1024);
    gantry_buffer_consume(&buffer, 4UL * 1024 * 1024);
    assert_int_equal(buffer.size, 0);
    gantry_buffer_free(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_keep_their_order),
        cmocka_unit_test(much_that_waits_is_not_moved_for_each_piece),
        cmocka_unit_test(reserved_room_counts_once_it_is_grown),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(a_large_buffer_gives_its_memory_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
