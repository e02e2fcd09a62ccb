/* SPDX-License-Identifier: Apache-2.0
 *
 * test_durable.c: a file that gets into another's place. */
#include "core/files/durable.h"
#include "core/files/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char start[4096];
static char folder[64];
static struct gantry_error err;

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/gantry-durable-XXXXXX");
    return mkdtemp(folder) != NULL && getcwd(start, sizeof start) != NULL && chdir(folder) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir(start) == 0 ? system(command) : -1;
}

static void create(const char *path, const char *text)
{
    assert_int_equal(0, gantry_files_create(path, text, strlen(text), 0600, &err));
}

static ino_t inode(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? status.st_ino : 0;
}

static void test_gives_owner_and_mode(void **state)
{
    struct gantry_durable_owner owner = {.mode = 0751, .user = (uid_t)-1, .group = getegid()};
    struct stat status;

    (void)state;
    create("one", "text");
    assert_int_equal(0, gantry_durable_give("one", &owner, &err));
    assert_int_equal(0, stat("one", &status));
    assert_int_equal(0751, status.st_mode & 07777);
    assert_int_equal(0, symlink("one", "link"));
    assert_int_equal(-1, gantry_durable_give("link", &owner, &err));
    assert_int_equal(-1, gantry_durable_give("missing", &owner, &err));
    assert_string_equal("WRITE_FAILED", err.code);
}

static void test_takes_a_place(void **state)
{
    ino_t first;
    ino_t second;

    (void)state;
    create("one", "1");
    create("two", "2");
    first = inode("one");
    second = inode("two");
    assert_int_equal(0, gantry_durable_link("one", "kept", &err));
    assert_int_equal(-1, gantry_durable_link("one", "two", &err));
    assert_int_equal(0, gantry_durable_rename("two", "one", &err));
    assert_int_equal(first, inode("kept"));
    assert_int_equal(second, inode("one"));
    assert_int_equal(0, inode("two"));
    assert_int_equal(0, gantry_durable_rename("kept", "one", &err)); /* and back */
    assert_int_equal(first, inode("one"));
    assert_int_equal(-1, gantry_durable_rename("kept", "one", &err));
    assert_string_equal("WRITE_FAILED", err.code);
}

static void test_two_names_become_one(void **state)
{
    ino_t first;

    (void)state;
    create("one", "1");
    first = inode("one");
    assert_int_equal(0, gantry_durable_link("one", "two", &err));
    assert_int_equal(0, gantry_durable_rename("two", "one", &err));
    assert_int_equal(first, inode("one"));
    assert_int_equal(0, inode("two"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_gives_owner_and_mode, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_takes_a_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_names_become_one, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
