/* SPDX-License-Identifier: Apache-2.0
 *
 * test_file_body.c: SHA-256 of files, and files that are sent as they were hashed or not to their end. */
#include "core/files/digest.h"
#include "core/files/file_body.h"
#include "core/files/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static FILE *file;
static struct gantry_error err;

static int set_up(void **state)
{
    (void)state;
    file = tmpfile();
    return file != NULL && fputs("abc", file) >= 0 && fflush(file) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return fclose(file);
}

static void test_digest(void **state)
{
    struct gantry_digest *digest;
    char hex[GANTRY_DIGEST_SIZE];
    size_t count;

    (void)state;
    assert_int_equal(0, gantry_digest_new(&digest, &err));
    gantry_digest_hex(digest, hex);
    assert_string_equal(NOTHING, hex);
    gantry_digest_add(digest, "a", 1);
    gantry_digest_hex(digest, hex); /* more may come */
    assert_int_equal(0, gantry_digest_add_file(digest, fileno(file), 1, 100, &count, &err));
    assert_int_equal(2, count);
    gantry_digest_hex(digest, hex);
    assert_string_equal(ABC, hex);
    gantry_digest_reset(digest);
    gantry_digest_hex(digest, hex);
    assert_string_equal(NOTHING, hex);
    assert_int_equal(-1, gantry_digest_add_file(digest, -1, 0, 1, &count, &err));
    assert_string_equal("READ_FAILED", err.code);
    gantry_digest_free(digest);
}

static struct gantry_file_body *body_of(const char *sha256, uint64_t size)
{
    struct gantry_file_body_options options = {.before = "<",
                                               .before_size = 1,
                                               .fd = fileno(file),
                                               .size = size,
                                               .sha256 = sha256,
                                               .after = "/>",
                                               .after_size = 2};
    struct gantry_file_body *body;

    assert_int_equal(0, gantry_file_body_new(&options, &body, &err));
    return body;
}

/* All that it gives, in pieces of at most `piece` bytes; the result of the last read. */
static ssize_t read_all(struct gantry_file_body *body, char *bytes, size_t piece)
{
    size_t done = 0;
    ssize_t got;

    while ((got = gantry_file_body_read(body, bytes + done, piece, &err)) > 0)
        done += (size_t)got;
    bytes[done] = '\0';
    return got;
}

static void test_body_is_whole(void **state)
{
    struct gantry_file_body *body = body_of(ABC, 3);
    char bytes[16];

    (void)state;
    assert_int_equal(6, gantry_file_body_size(body));
    for (size_t piece = 1; piece < 9; piece++) {
        assert_int_equal(0, read_all(body, bytes, piece));
        assert_string_equal("<abc/>", bytes);
        gantry_file_body_rewind(body); /* also in the middle, where a connection was lost */
        assert_int_equal(1, gantry_file_body_read(body, bytes, 1, &err));
        assert_true(gantry_file_body_read(body, bytes, 1, &err) > 0);
        gantry_file_body_rewind(body);
    }
    gantry_file_body_free(body);
    gantry_file_body_free(NULL);
}

static void assert_changed(struct gantry_file_body *body)
{
    char bytes[16];

    assert_int_equal(-1, read_all(body, bytes, 1));
    assert_string_equal("FILE_CHANGED", err.code);
    assert_null(strchr(bytes, '/')); /* nobody gets the end */
    gantry_file_body_free(body);
}

static void test_changed_file_has_no_end(void **state)
{
    (void)state;
    assert_changed(body_of(NOTHING, 3));
    assert_changed(body_of(ABC, 2));
    assert_changed(body_of(ABC, 4)); /* it became shorter */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_digest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_body_is_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changed_file_has_no_end, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
