/* SPDX-License-Identifier: Apache-2.0
 *
 * test_base64.c: RFC 4648's vectors, every length and byte there and back, and what is no base64. */
#include "core/base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *bytes;
    const char *text;
} vectors[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+"},
};

/* In memory of exactly the sizes that the functions name, so that a byte too many is found. */
static char *encode(const void *bytes, size_t length)
{
    size_t size = gantry_base64_encoded_size(length);
    char *text = malloc(size + 1);

    assert_non_null(text);
    gantry_base64_encode(bytes, length, text);
    text[size] = '\0';
    return text;
}

static ptrdiff_t decode(const char *text, size_t length, uint8_t *bytes)
{
    uint8_t *room = malloc(gantry_base64_decoded_room(length));
    char *copy = malloc(length + 1);
    ptrdiff_t size;

    assert_non_null(room);
    assert_non_null(copy);
    memcpy(copy, text, length);
    size = gantry_base64_decode(copy, length, room);
    if (size > 0)
        memcpy(bytes, room, (size_t)size);
    free(room);
    free(copy);
    return size;
}

static void vectors_are_written_and_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        size_t length = strlen(vectors[i].bytes);
        char *text = encode(vectors[i].bytes, length);
        uint8_t bytes[64];

        assert_string_equal(text, vectors[i].text);
        assert_int_equal(decode(text, strlen(text), bytes), length);
        assert_memory_equal(bytes, vectors[i].bytes, length);
        length = strcspn(text, "=");
        assert_int_equal(decode(text, length, bytes), strlen(vectors[i].bytes)); /* without padding */
        free(text);
    }
}

static void all_bytes_and_lengths_come_back(void **state)
{
    static uint8_t bytes[1024];
    static uint8_t back[1024];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t length = 0; length <= sizeof bytes; length++) {
        char *text = encode(bytes, length);

        assert_int_equal(decode(text, strlen(text), back), length);
        assert_memory_equal(back, bytes, length);
        free(text);
    }
}

static void the_alphabet_for_urls_is_read(void **state)
{
    uint8_t bytes[8];

    (void)state;
    assert_int_equal(decode("-__-", 4, bytes), 3);
    assert_memory_equal(bytes, "\xfb\xff\xfe", 3);
}

static void what_is_no_base64_is_refused(void **state)
{
    static const char *const texts[] = {"A",     "AAAAA", "AA=",    "A===",    "====",    "=",      "==",    "AAAA=",
                                        "AA==A", "A A=",  "AA\nAA", "AAA\xc1", "AAA\x7f", "AAAA==", "AAA==", "A=AA"};
    uint8_t bytes[16];

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (decode(texts[i], strlen(texts[i]), bytes) >= 0)
            fail_msg("'%s' was taken for base64", texts[i]);
    assert_int_equal(decode("AA\0A", 4, bytes), -1);
    assert_int_equal(gantry_base64_encoded_size(SIZE_MAX), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_written_and_read),
        cmocka_unit_test(all_bytes_and_lengths_come_back),
        cmocka_unit_test(the_alphabet_for_urls_is_read),
        cmocka_unit_test(what_is_no_base64_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
