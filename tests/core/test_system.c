/* SPDX-License-Identifier: Apache-2.0
 *
 * test_system.c: single system calls on files, descriptors and the machine. */
#include "core/system/descriptor.h"
#include "core/system/system.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct gantry_error err;
static char folder[PATH_MAX];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/gantry-system-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* ---- files ---- */

static void a_file_is_looked_at_through_links(void **state)
{
    char link[PATH_MAX + 8];
    struct stat status;

    (void)state;
    snprintf(link, sizeof link, "%s.link", folder);
    assert_int_equal(symlink(folder, link), 0);
    assert_int_equal(gantry_system_stat(link, &status, &err), 0);
    assert_true(S_ISDIR(status.st_mode));
    unlink(link);
}

static void what_is_missing_fails_with_its_errno(void **state)
{
    char resolved[PATH_MAX];
    struct stat status;

    (void)state;
    assert_true(gantry_system_stat("/nowhere/at/all", &status, &err) < 0);
    assert_string_equal(err.code, "STAT_FAILED");
    assert_int_equal(err.os_error, ENOENT);
    assert_true(gantry_system_real_path("/nowhere/at/all", resolved, &err) < 0);
    assert_string_equal(err.code, "PATH_UNRESOLVED");
    assert_int_equal(err.os_error, ENOENT);
    assert_false(gantry_system_may_access("/nowhere/at/all", R_OK));
}

static void a_real_path_has_no_links(void **state)
{
    char link[PATH_MAX + 8];
    char resolved[PATH_MAX];

    (void)state;
    snprintf(link, sizeof link, "%s.link", folder);
    assert_int_equal(symlink(folder, link), 0);
    assert_int_equal(gantry_system_real_path(link, resolved, &err), 0);
    assert_string_equal(resolved, folder);
    unlink(link);
}

static void the_current_directory_may_be_gone(void **state)
{
    char before[PATH_MAX];
    char path[PATH_MAX];
    char gone[PATH_MAX + 8];

    (void)state;
    assert_int_equal(gantry_system_current_directory(before, &err), 0);
    snprintf(gone, sizeof gone, "%s/gone", folder);
    assert_int_equal(mkdir(gone, 0700), 0);
    assert_int_equal(chdir(gone), 0);
    assert_int_equal(gantry_system_current_directory(path, &err), 0);
    assert_string_equal(path, gone);
    assert_int_equal(rmdir(gone), 0);
    assert_true(gantry_system_current_directory(path, &err) < 0);
    assert_string_equal(err.code, "PATH_UNRESOLVED");
    assert_int_equal(chdir(before), 0);
}

static void access_is_asked_for_by_kind(void **state)
{
    (void)state;
    assert_true(gantry_system_may_access(folder, R_OK));
    assert_true(gantry_system_may_access(folder, W_OK));
    assert_false(gantry_system_may_access("/proc/version", W_OK) && geteuid() != 0);
}

/* ---- descriptors ---- */

static void closing_leaves_no_number_behind(void **state)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int number = fd;

    (void)state;
    gantry_close(&fd);
    assert_int_equal(fd, -1);
    assert_int_equal(fcntl(number, F_GETFD), -1);
    gantry_close(&fd);
    assert_int_equal(fd, -1);
}

static void a_write_takes_no_more_than_its_size(void **state)
{
    static char bytes[2 * GANTRY_DESCRIPTOR_WRITE_SIZE];
    int ends[2];

    (void)state;
    assert_int_equal(gantry_descriptor_pair(ends, &err), 0);
    assert_int_equal(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(ends[1], F_GETFD), FD_CLOEXEC);
    assert_int_equal(gantry_descriptor_write(ends[0], bytes, sizeof bytes, &err), GANTRY_DESCRIPTOR_WRITE_SIZE);
    assert_int_equal(gantry_descriptor_write(ends[0], bytes, 3, &err), 3);
    assert_int_equal(gantry_descriptor_write(ends[0], bytes, 0, &err), 0);
    gantry_close(&ends[0]);
    gantry_close(&ends[1]);
    assert_true(gantry_descriptor_write(999, bytes, 1, &err) < 0);
    assert_string_equal(err.code, "WRITE_FAILED");
    assert_int_equal(err.os_error, EBADF);
}

static void a_full_pipe_is_not_writable(void **state)
{
    static char bytes[GANTRY_DESCRIPTOR_WRITE_SIZE];
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_true(gantry_descriptor_is_writable(ends[1]));
    while (gantry_descriptor_is_writable(ends[1]))
        assert_int_equal(gantry_descriptor_write(ends[1], bytes, sizeof bytes, &err), sizeof bytes);
    assert_true(gantry_descriptor_write(ends[1], bytes, sizeof bytes, &err) < 0);
    assert_int_equal(err.os_error, EAGAIN);
    assert_int_equal(read(ends[0], bytes, sizeof bytes), sizeof bytes);
    assert_true(gantry_descriptor_is_writable(ends[1]));
    gantry_close(&ends[0]);
    gantry_close(&ends[1]);
}

/* ---- the machine ---- */

static void random_texts_are_hexadecimal_and_differ(void **state)
{
    char one[2 * GANTRY_SYSTEM_RANDOM_SIZE + 1];
    char other[2 * GANTRY_SYSTEM_RANDOM_SIZE + 1];

    (void)state;
    assert_true(gantry_system_random(GANTRY_SYSTEM_RANDOM_SIZE, one));
    assert_true(gantry_system_random(GANTRY_SYSTEM_RANDOM_SIZE, other));
    assert_int_equal(strlen(one), 2 * GANTRY_SYSTEM_RANDOM_SIZE);
    assert_int_equal(strspn(one, "0123456789abcdef"), strlen(one));
    assert_string_not_equal(one, other);
    assert_true(gantry_system_random(1, one));
    assert_int_equal(strlen(one), 2);
}

static void the_machine_has_a_name_and_memory(void **state)
{
    char name[GANTRY_SYSTEM_HOSTNAME_SIZE];

    (void)state;
    gantry_system_hostname(name);
    assert_true(strlen(name) > 0);
    assert_true(gantry_system_memory() > 1024UL * 1024);
    gantry_system_trim_memory();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_looked_at_through_links, set_up, tear_down),
        cmocka_unit_test(what_is_missing_fails_with_its_errno),
        cmocka_unit_test_setup_teardown(a_real_path_has_no_links, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_current_directory_may_be_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(access_is_asked_for_by_kind, set_up, tear_down),
        cmocka_unit_test(closing_leaves_no_number_behind),
        cmocka_unit_test(a_write_takes_no_more_than_its_size),
        cmocka_unit_test(a_full_pipe_is_not_writable),
        cmocka_unit_test(random_texts_are_hexadecimal_and_differ),
        cmocka_unit_test(the_machine_has_a_name_and_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
