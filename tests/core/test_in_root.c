/* SPDX-License-Identifier: Apache-2.0
 *
 * test_in_root.c: files of an image, whose links lead nowhere else. */
#include "core/files/in_root.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static char root[96];
static struct gantry_error err;

static void run(const char *command)
{
    char line[512];

    snprintf(line, sizeof line, "cd %s && %s", folder, command);
    assert_int_equal(0, system(line));
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/gantry-in-root-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(root, sizeof root, "%s/root", folder);
    run("mkdir -p root/etc root/inner/etc && echo outside >secret && echo inside >root/secret && echo a "
        ">root/etc/passwd");
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static const char *text_of(const char *path)
{
    static char text[64];
    struct stat status;
    ssize_t count;
    int fd;

    if (gantry_in_root_open(root, path, &fd, &status, &err) < 0)
        return NULL;
    count = read(fd, text, sizeof text - 1);
    assert_true(count >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    text[count] = '\0';
    close(fd);
    return text;
}

/* valgrind before 3.22 knows no openat2. */
static void need_openat2(void)
{
    struct stat status;

    if (gantry_in_root_stat(root, "/", &status, &err) < 0 && err.os_error == ENOSYS)
        skip();
}

static void test_plain_file(void **state)
{
    struct stat status;

    (void)state;
    need_openat2();
    assert_string_equal("a\n", text_of("/etc/passwd"));
    assert_string_equal("a\n", text_of("etc/passwd"));
    assert_int_equal(0, gantry_in_root_stat(root, "/etc/passwd", &status, &err));
    assert_true(S_ISREG(status.st_mode));
}

static void test_links_stay_inside(void **state)
{
    (void)state;
    need_openat2();
    run("ln -s /secret root/absolute && ln -s ../../../../../../secret root/etc/upwards");
    assert_string_equal("inside\n", text_of("/absolute"));
    assert_string_equal("inside\n", text_of("/etc/upwards"));
    assert_string_equal("inside\n", text_of("/etc/../../../secret"));
    run("ln -s / root/top && ln -s ../.. root/inner/above");
    assert_string_equal("inside\n", text_of("/top/top/secret"));
    assert_string_equal("inside\n", text_of("/inner/above/secret"));
}

static void test_magic_links(void **state)
{
    struct stat status;

    (void)state;
    need_openat2();
    run("ln -s /proc/self/root/secret root/magic && mkdir root/proc");
    assert_null(text_of("/magic"));
    assert_int_equal(ENOENT, err.os_error);
    assert_int_equal(-1, gantry_in_root_stat("/", "/proc/self/root/etc", &status, &err));
    assert_int_equal(ELOOP, err.os_error);
}

static void test_missing(void **state)
{
    struct stat status;

    (void)state;
    need_openat2();
    assert_null(text_of("/etc/group"));
    assert_string_equal("READ_FAILED", err.code);
    assert_int_equal(ENOENT, err.os_error);
    assert_int_equal(-1, gantry_in_root_stat(root, "/etc/passwd/x", &status, &err));
    assert_string_equal("STAT_FAILED", err.code);
    assert_int_equal(ENOTDIR, err.os_error);
    run("ln -s loop root/loop");
    assert_null(text_of("/loop"));
    assert_int_equal(ELOOP, err.os_error);
    assert_int_equal(-1, gantry_in_root_stat("/no/such/root", "/", &status, &err));
    assert_int_equal(ENOENT, err.os_error);
}

static void test_fifo_does_not_wait(void **state)
{
    struct stat status;
    int fd;

    (void)state;
    need_openat2();
    run("mkfifo root/fifo");
    assert_int_equal(0, gantry_in_root_open(root, "/fifo", &fd, &status, &err));
    assert_true(S_ISFIFO(status.st_mode));
    close(fd);
}

static void test_make(void **state)
{
    struct stat status;

    (void)state;
    need_openat2();
    assert_int_equal(1, gantry_in_root_make(root, "/run/gantry/kv/", false, 01777, &err));
    assert_int_equal(0, gantry_in_root_make(root, "/run/gantry/kv", false, 0700, &err));
    assert_int_equal(0, gantry_in_root_stat(root, "/run/gantry/kv", &status, &err));
    assert_int_equal(S_IFDIR | 01777, status.st_mode);
    assert_int_equal(0, gantry_in_root_stat(root, "/run/gantry", &status, &err));
    assert_int_equal(S_IFDIR | 0755, status.st_mode);
    assert_int_equal(1, gantry_in_root_make(root, "/etc//hosts", true, 0644, &err));
    assert_int_equal(0, gantry_in_root_stat(root, "/etc/hosts", &status, &err));
    assert_int_equal(S_IFREG | 0644, status.st_mode);
    assert_int_equal(0, gantry_in_root_make(root, "/", false, 0755, &err));
    assert_int_equal(0, gantry_in_root_make(root, "/secret", true, 0600, &err));
    assert_string_equal("inside\n", text_of("/secret"));
}

static void test_make_stays_inside(void **state)
{
    struct stat status;

    (void)state;
    need_openat2();
    run("mkdir outside && ln -s ../../outside root/inner/out && ln -s /run root/var && mkdir root/run");
    run("ln -s ../../missing root/inner/dangling");
    assert_int_equal(1, gantry_in_root_make(root, "/var/x", false, 0755, &err));
    assert_int_equal(0, gantry_in_root_stat(root, "/run/x", &status, &err));
    /* What the link says is below the root: there is no such directory there, and a link in its place. */
    assert_int_equal(-1, gantry_in_root_make(root, "/inner/out/x", false, 0755, &err));
    assert_string_equal("DIRECTORY_FAILED", err.code);
    assert_int_equal(-1, gantry_in_root_make(root, "/inner/dangling", true, 0600, &err));
    assert_int_equal(EEXIST, err.os_error);
    assert_int_equal(-1, gantry_in_root_make(root, "/inner/../../outside/x", false, 0755, &err));
    assert_int_equal(-1, gantry_in_root_make(root, "..", false, 0755, &err));
    assert_int_equal(-1, gantry_in_root_make(root, "/secret/x", false, 0755, &err));
    assert_int_equal(ENOTDIR, err.os_error);
    run("test -z \"$(ls outside)\" && test ! -e missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plain_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links_stay_inside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_magic_links, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_missing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_make, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_make_stays_inside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fifo_does_not_wait, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
