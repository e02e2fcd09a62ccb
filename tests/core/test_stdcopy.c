/* SPDX-License-Identifier: Apache-2.0
 *
 * test_stdcopy.c: frames taken apart, however the bytes are cut. */
#include "core/base/stdcopy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gantry_stdcopy state;
static struct gantry_error err;
static char seen[4096]; /* "1:bytes" with adjacent pieces of a stream joined, then '\n' */
static size_t used;
static int last;

static int set_up(void **unused)
{
    (void)unused;
    state = (struct gantry_stdcopy){0};
    memset(seen, 0, sizeof seen);
    used = 0;
    last = -1;
    return 0;
}

static void piece_came(void *data, enum gantry_stream stream, const char *bytes, size_t size)
{
    assert_ptr_equal(data, &state);
    assert_true(size > 0);
    if (last != (int)stream)
        used += (size_t)snprintf(seen + used, sizeof seen - used, "%s%d:", last < 0 ? "" : "\n", (int)stream);
    assert_true(used + size < sizeof seen);
    memcpy(seen + used, bytes, size);
    used += size;
    last = (int)stream;
}

static int feed(const char *bytes, size_t size)
{
    return gantry_stdcopy_feed(&state, bytes, size, piece_came, &state, &err);
}

/* A string with NULs in it. */
#define FEED(literal) feed(literal, sizeof(literal) - 1)

#define THREE_STREAMS "\1\0\0\0\0\0\0\3out\2\0\0\0\0\0\0\4err\n\3\0\0\0\0\0\0\3bad"

static void test_streams_are_told_apart(void **unused)
{
    (void)unused;
    assert_int_equal(FEED(THREE_STREAMS), 0);
    assert_string_equal(seen, "1:out\n2:err\n\n3:bad");
}

static void test_every_way_to_cut_in_three(void **unused)
{
    const size_t size = sizeof(THREE_STREAMS) - 1;

    for (size_t first = 0; first <= size; first++) {
        for (size_t second = first; second <= size; second++) {
            set_up(unused);
            assert_int_equal(feed(THREE_STREAMS, first), 0);
            assert_int_equal(feed(&THREE_STREAMS[first], second - first), 0);
            assert_int_equal(feed(&THREE_STREAMS[second], size - second), 0);
            assert_string_equal(seen, "1:out\n2:err\n\n3:bad");
        }
    }
}

static void test_standard_input_is_a_stream(void **unused)
{
    (void)unused;
    assert_int_equal(FEED("\0\0\0\0\0\0\0\2in"), 0);
    assert_string_equal(seen, "0:in");
}

static void test_empty_frames_are_silent(void **unused)
{
    (void)unused;
    assert_int_equal(FEED("\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\1x\1\0\0\0\0\0\0\0"), 0);
    assert_string_equal(seen, "1:x");
    assert_int_equal(FEED(""), 0);
    assert_int_equal(FEED("\1\0\0\0\0\0\0\1y"), 0);
    assert_string_equal(seen, "1:xy");
}

static size_t counted;

static void count(void *data, enum gantry_stream stream, const char *bytes, size_t size)
{
    (void)data;
    (void)bytes;
    assert_int_equal(stream, GANTRY_STDOUT);
    counted += size;
}

/* The length has four bytes, in network order; a frame of 16 MiB and some passes without being held. */
static void test_a_frame_may_be_large(void **unused)
{
    const size_t wanted = 0x01020304;
    char *chunk = calloc(1, 65536);

    (void)unused;
    counted = 0;
    assert_int_equal(gantry_stdcopy_feed(&state, "\1\0\0\0\1\2\3\4", 8, count, NULL, &err), 0);
    for (size_t fed = 0; fed < wanted; fed += 65536) {
        size_t size = wanted - fed < 65536 ? wanted - fed : 65536;

        assert_int_equal(gantry_stdcopy_feed(&state, chunk, size, count, NULL, &err), 0);
    }
    free(chunk);
    assert_int_equal(counted, wanted);
    assert_int_equal(FEED("\2\0\0\0\0\0\0\1e"), 0);
    assert_string_equal(seen, "2:e");
}

static void assert_corrupt(const char *bytes)
{
    assert_true(feed(bytes, 8) < 0);
    assert_string_equal(err.code, "STREAM_CORRUPT");
    assert_non_null(strstr(err.message, "frame header"));
}

static void test_impossible_headers(void **unused)
{
    static const char headers[][9] = {"\4\0\0\0\0\0\0\1", "\377\0\0\0\0\0\0\1", "\1\1\0\0\0\0\0\1",
                                      "\1\0\1\0\0\0\0\1", "\1\0\0\1\0\0\0\1",   "1|1|unix"};

    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        set_up(unused);
        assert_corrupt(headers[i]);
    }
    assert_non_null(strstr(err.message, "31 7c 31 7c"));
    assert_string_equal(seen, "");
}

static void test_nothing_after_a_corrupt_header_is_trusted(void **unused)
{
    (void)unused;
    assert_true(FEED("\1\0\0\0\0\0\0\2ok\7\0\0\0\0\0\0\1x") < 0);
    assert_string_equal(seen, "1:ok");
    assert_true(FEED("\1\0\0\0\0\0\0\3bad") < 0);
    assert_true(FEED("") < 0);
    assert_string_equal(err.code, "STREAM_CORRUPT");
    assert_non_null(strstr(err.message, "07 00 00 00"));
    assert_string_equal(seen, "1:ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_streams_are_told_apart, set_up),
        cmocka_unit_test_setup(test_every_way_to_cut_in_three, set_up),
        cmocka_unit_test_setup(test_standard_input_is_a_stream, set_up),
        cmocka_unit_test_setup(test_empty_frames_are_silent, set_up),
        cmocka_unit_test_setup(test_a_frame_may_be_large, set_up),
        cmocka_unit_test_setup(test_impossible_headers, set_up),
        cmocka_unit_test_setup(test_nothing_after_a_corrupt_header_is_trusted, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
