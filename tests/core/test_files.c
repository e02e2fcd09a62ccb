/* SPDX-License-Identifier: Apache-2.0
 *
 * test_files.c: directories, files replaced in one step, and locks. */
#include "core/files/files.h"

#include <fcntl.h>
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
static struct gantry_error err;

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/gantry-files-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static const char *in_folder(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void test_make_directory(void **state)
{
    struct stat status;

    (void)state;
    assert_int_equal(0, gantry_files_make_directory(in_folder("a/b/c"), 0700, &err));
    assert_int_equal(0, gantry_files_make_directory(in_folder("a/b/c"), 0700, &err));
    assert_int_equal(0, stat(in_folder("a/b/c"), &status));
    assert_true(S_ISDIR(status.st_mode));

    assert_int_equal(0, gantry_files_replace(in_folder("f"), "x", 1, 0600, &err));
    assert_int_equal(-1, gantry_files_make_directory(in_folder("f/g"), 0700, &err));
    assert_string_equal("DIRECTORY_FAILED", err.code);
}

static void count_entry(void *data, const char *name)
{
    int *count = data;

    assert_true(strcmp(name, "one") == 0 || strcmp(name, "two") == 0);
    (*count)++;
}

static void test_list(void **state)
{
    int count = 0;

    (void)state;
    assert_int_equal(0, gantry_files_replace(in_folder("one"), "", 0, 0600, &err));
    assert_int_equal(0, gantry_files_replace(in_folder("two"), "", 0, 0600, &err));
    assert_int_equal(0, gantry_files_list(folder, count_entry, &count, &err));
    assert_int_equal(2, count);
    assert_int_equal(-1, gantry_files_list(in_folder("none"), count_entry, &count, &err));
    assert_string_equal("DIRECTORY_FAILED", err.code);
}

static void test_replace(void **state)
{
    char content[8] = "";
    struct stat status;
    int fd;

    (void)state;
    assert_int_equal(0, gantry_files_replace(in_folder("f"), "old", 3, 0600, &err));
    assert_int_equal(0, gantry_files_replace(in_folder("f"), "new", 3, 0640, &err));
    fd = open(in_folder("f"), O_RDONLY);
    assert_int_equal(3, read(fd, content, sizeof content));
    close(fd);
    assert_string_equal("new", content);
    assert_int_equal(0, stat(in_folder("f"), &status));
    assert_int_equal(0640, status.st_mode & 07777);
    assert_int_equal(-1, access(in_folder("f.new"), F_OK));

    assert_int_equal(-1, gantry_files_replace("/dev/full/x", "x", 1, 0600, &err));
    assert_string_equal("WRITE_FAILED", err.code);
}

static void test_create(void **state)
{
    char content[8] = "";
    struct stat status;
    mode_t before = umask(027);
    int fd;

    (void)state;
    assert_int_equal(0, gantry_files_create(in_folder("c"), "first", 5, 0777, &err));
    umask(before);
    assert_int_equal(-1, gantry_files_create(in_folder("c"), "second", 6, 0777, &err));
    assert_string_equal("FILE_EXISTS", err.code);
    fd = open(in_folder("c"), O_RDONLY);
    assert_int_equal(5, read(fd, content, sizeof content));
    close(fd);
    assert_string_equal("first", content);
    assert_int_equal(0, stat(in_folder("c"), &status));
    assert_int_equal(0750, status.st_mode & 07777);

    assert_int_equal(-1, gantry_files_create(in_folder("none/c"), "x", 1, 0600, &err));
    assert_string_equal("WRITE_FAILED", err.code);
    /* The kernel's own file systems have no files without names, and none with this one. */
    assert_int_equal(-1, gantry_files_create("/proc/self/c", "x", 1, 0600, &err));
    assert_string_equal("WRITE_FAILED", err.code);
}

static void test_lock(void **state)
{
    int first;
    int second;

    (void)state;
    assert_int_equal(0, gantry_files_lock(in_folder("lock"), &first, &err));
    assert_int_equal(-1, gantry_files_lock(in_folder("lock"), &second, &err));
    assert_string_equal("LOCK_BUSY", err.code);
    close(first);
    assert_int_equal(0, gantry_files_lock(in_folder("lock"), &first, &err));
    assert_int_equal(0, gantry_files_lock(folder, &second, &err)); /* a directory has a lock of its own */
    close(first);
    close(second);
    assert_int_equal(-1, gantry_files_lock(in_folder("none/lock"), &second, &err));
    assert_string_equal("LOCK_FAILED", err.code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_make_directory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_replace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_create, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lock, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
