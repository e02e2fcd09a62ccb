/* SPDX-License-Identifier: Apache-2.0
 *
 * test_copy.c: files that are copied without being read here. */
#include "core/files/copy.h"
#include "core/files/files.h"
#include "core/system/system.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static char from[96];
static char to[96];
static struct gantry_error err;

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/gantry-copy-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(from, sizeof from, "%s/from", folder);
    snprintf(to, sizeof to, "%s/to", folder);
    return gantry_files_replace(from, "content", 7, 0640, &err);
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static struct gantry_copy_target target(mode_t mode)
{
    return (struct gantry_copy_target){.path = to, .mode = mode, .user = (uid_t)-1, .group = (gid_t)-1};
}

static void test_copies(void **state)
{
    struct gantry_copy_target wanted = target(0400);
    struct stat status;
    char content[16] = "";
    FILE *file;

    (void)state;
    assert_int_equal(0, gantry_copy_file(from, 100, &wanted, &status, &err));
    assert_int_equal(7, status.st_size);
    assert_int_equal(0640, status.st_mode & 07777);
    assert_int_equal(0, stat(to, &status));
    assert_int_equal(0400, status.st_mode & 07777);
    file = fopen(to, "r");
    assert_non_null(file);
    assert_int_equal(7, fread(content, 1, sizeof content, file));
    fclose(file);
    assert_string_equal("content", content);
}

static void test_copies_no_more_than_asked_for(void **state)
{
    struct gantry_copy_target wanted = target(0600);
    struct stat status;

    (void)state;
    assert_int_equal(0, gantry_copy_file(from, 3, &wanted, &status, &err));
    assert_int_equal(7, status.st_size);
    assert_int_equal(0, stat(to, &status));
    assert_int_equal(3, status.st_size);
}

/* sendfile does not read from there. */
static void test_copies_from_any_file_system(void **state)
{
    struct gantry_copy_target wanted = target(0600);
    struct stat status;

    (void)state;
    assert_int_equal(0, gantry_copy_file("/proc/self/mountinfo", 10000, &wanted, &status, &err));
    assert_int_equal(0, stat(to, &status));
    assert_true(status.st_size > 0);
}

static void test_copies_nothing_of_what_is_no_file(void **state)
{
    struct gantry_copy_target wanted = target(0600);
    struct stat status;

    (void)state;
    assert_int_equal(0, gantry_copy_file(folder, 100, &wanted, &status, &err));
    assert_true(S_ISDIR(status.st_mode));
    assert_int_equal(0, stat(to, &status));
    assert_int_equal(0, status.st_size);
}

static void test_replaces_nothing(void **state)
{
    struct gantry_copy_target wanted = target(0600);
    struct stat status;

    (void)state;
    assert_int_equal(0, gantry_files_replace(to, "kept", 4, 0600, &err));
    assert_int_equal(-1, gantry_copy_file(from, 100, &wanted, &status, &err));
    assert_string_equal("WRITE_FAILED", err.code);
    assert_int_equal(0, stat(to, &status));
    assert_int_equal(4, status.st_size);
    assert_int_equal(-1, gantry_copy_file("/nowhere", 100, &wanted, &status, &err));
    assert_string_equal("READ_FAILED", err.code);
}

static void test_tells_memory(void **state)
{
    (void)state;
    assert_true(gantry_system_in_memory("/dev/shm"));
    assert_false(gantry_system_in_memory("/proc"));
    assert_false(gantry_system_in_memory("/nowhere"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_copies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_copies_no_more_than_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_copies_from_any_file_system, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_copies_nothing_of_what_is_no_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_replaces_nothing, set_up, tear_down),
        cmocka_unit_test(test_tells_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
