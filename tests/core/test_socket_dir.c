/* SPDX-License-Identifier: Apache-2.0
 *
 * test_socket_dir.c: the root, and a socket directory's life: made, locked, taken over, removed. */
#include "socket_dir_fixture.h"

#include <signal.h>

/* ---- the root ---- */

static void test_root_is_made(void **state)
{
    mode_t mask = umask(0777);

    (void)state;
    assert_int_equal(gantry_runtime_dir_make(below("new"), &err), 0);
    umask(mask);
    assert_int_equal(mode_of(below("new")), 0700);
    assert_int_equal(gantry_runtime_dir_make(below("new"), &err), 0);
    assert_int_equal(gantry_runtime_dir_make(below("new//"), &err), 0);
}

static void test_root_may_be_read_by_others(void **state)
{
    (void)state;
    chmod(root, 0755);
    assert_int_equal(gantry_runtime_dir_make(root, &err), 0);
    assert_int_equal(mode_of(root), 0755);
}

static void test_root_is_a_link(void **state)
{
    static const char *const spellings[] = {"link", "link/", "link///"};

    (void)state;
    mkdir(below("real"), 0700);
    assert_int_equal(symlink("real", below("link")), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_code(gantry_runtime_dir_make(below(spellings[i]), &err), "RUNTIME_DIR_UNSAFE");
        assert_message("symlink");
        assert_code(gantry_socket_dir_make(below(spellings[i]), "kv", 0700, KEEP_GROUP, &dir, &err),
                    "RUNTIME_DIR_UNSAFE");
    }
    assert_int_equal(symlink("missing", below("dangling")), 0);
    assert_code(gantry_runtime_dir_make(below("dangling"), &err), "RUNTIME_DIR_UNSAFE");
    assert_false(exists(below("missing")));
}

static void test_root_is_writable_by_others(void **state)
{
    (void)state;
    for (mode_t mode = 0720; mode >= 0702; mode -= 016) {
        chmod(root, mode);
        assert_code(gantry_runtime_dir_make(root, &err), "RUNTIME_DIR_UNSAFE");
        assert_message("chmod go-w");
        assert_code(gantry_socket_dir_make(root, "kv", 0700, KEEP_GROUP, &dir, &err), "RUNTIME_DIR_UNSAFE");
    }
}

static void test_root_is_no_directory(void **state)
{
    (void)state;
    write_file(below("file"));
    assert_code(gantry_runtime_dir_make(below("file"), &err), "RUNTIME_DIR_FAILED");
    assert_message("not a directory");
}

static void test_root_cannot_be_made(void **state)
{
    (void)state;
    assert_code(gantry_runtime_dir_make(below("no/parent"), &err), "RUNTIME_DIR_FAILED");
    assert_int_equal(err.os_error, ENOENT);
    assert_message("GANTRY_RUNTIME_DIR");
    assert_code(gantry_runtime_dir_make("/proc/gantry", &err), "RUNTIME_DIR_FAILED");
    assert_message("/proc/gantry");
}

static void test_root_must_be_absolute(void **state)
{
    static const char *const paths[] = {"", "relative", "./x", "/", "//"};

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_code(gantry_runtime_dir_make(paths[i], &err), "RUNTIME_DIR_FAILED");
}

static void check_foreign_root(void)
{
    CHECK(gantry_runtime_dir_make(root, &err) < 0);
    CHECK(strcmp(err.code, "RUNTIME_DIR_UNSAFE") == 0 && strstr(err.message, "belongs to user 0") != NULL);
}

static void test_root_of_another_owner(void **state)
{
    (void)state;
    chmod(root, 0755);
    run_as(54321, 54321, 54321, check_foreign_root);
}

static void check_unwritable_root(void)
{
    CHECK(gantry_runtime_dir_make(root, &err) < 0);
    CHECK(strcmp(err.code, "RUNTIME_DIR_FAILED") == 0 && err.os_error == EACCES);
}

static void test_root_that_cannot_be_written(void **state)
{
    (void)state;
    chmod(root, 0500);
    if (geteuid() == 0)
        assert_int_equal(chown(root, 54321, 54321), 0);
    run_as(54321, 54321, 54321, check_unwritable_root);
}

/* ---- names and lengths ---- */

static void test_names(void **state)
{
    static const char *const bad[] = {"", ".", "..", ".kv", "a/b", "a b", "a\nb", "k\303\244", "~", "a:b"};
    char name[80];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_code(gantry_socket_dir_make(root, bad[i], 0700, KEEP_GROUP, &dir, &err), "SOCKET_NAME_INVALID");
    memset(name, 'n', sizeof name);
    name[65] = '\0';
    assert_code(gantry_socket_dir_make(root, name, 0700, KEEP_GROUP, &dir, &err), "SOCKET_NAME_INVALID");
    assert_int_equal(entries(root), 0);
    make("Az09._-");
    remove_it();
}

/* 107 bytes are just enough for root, name and a socket of the longest name. */
static void test_the_longest_path(void **state)
{
    size_t room = 107 - strlen("/plugin0123456789") - strlen("/kv") - strlen(root) - 1;
    char long_root[PATH_MAX];
    char path[PATH_MAX];

    (void)state;
    snprintf(long_root, sizeof long_root, "%s/%0*d", root, (int)room, 0);
    assert_int_equal(gantry_runtime_dir_make(long_root, &err), 0);
    assert_int_equal(gantry_socket_dir_make(long_root, "kv", 0700, KEEP_GROUP, &dir, &err), 0);
    snprintf(path, sizeof path, "%s/plugin1234567890", gantry_socket_dir_path(dir));
    make_socket(path);
    remove_it();

    assert_code(gantry_socket_dir_make(long_root, "kvs", 0700, KEEP_GROUP, &dir, &err), "SOCKET_PATH_TOO_LONG");
    assert_message("108 bytes");
    assert_message("107");
    assert_message("1 bytes shorter");
    assert_message("GANTRY_RUNTIME_DIR");
    assert_int_equal(entries(long_root), 0);
}

static void test_an_absurd_path(void **state)
{
    char path[PATH_MAX + 10];

    (void)state;
    memset(path, '/', sizeof path);
    memset(path + 1, 'x', 3000);
    path[3001] = '\0';
    assert_code(gantry_socket_dir_make(path, "kv", 0700, KEEP_GROUP, &dir, &err), "SOCKET_PATH_TOO_LONG");
    assert_message("GANTRY_RUNTIME_DIR"); /* the remedy is not cut off */
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    assert_code(gantry_runtime_dir_make(path, &err), "RUNTIME_DIR_FAILED");
}

/* ---- life ---- */

static void test_it_is_made_and_removed(void **state)
{
    (void)state;
    make("kv");
    assert_string_equal(gantry_socket_dir_path(dir), below("kv"));
    assert_true(gantry_socket_dir_fresh(dir));
    assert_int_equal(mode_of(below("kv")), 0700);
    make_socket(below("kv/plugin123"));
    remove_it();
    assert_int_equal(entries(root), 0);
}

static void test_mode_and_umask(void **state)
{
    mode_t mask = umask(0777);
    int result = gantry_socket_dir_make(root, "kv", 02770, getegid(), &dir, &err);

    (void)state;
    umask(mask);
    assert_int_equal(result, 0);
    assert_int_equal(mode_of(below("kv")), 02770);
}

static void test_group(void **state)
{
    struct stat status;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(gantry_socket_dir_make(root, "kv", 02770, 54322, &dir, &err), 0);
    assert_int_equal(stat(below("kv"), &status), 0);
    assert_int_equal(status.st_gid, 54322);
    assert_int_equal(status.st_mode & 07777, 02770); /* not cleared by the change of group */
}

static void check_foreign_group(void)
{
    CHECK(gantry_socket_dir_make(root, "kv", 0770, 54399, &dir, &err) < 0);
    CHECK(strcmp(err.code, "GROUP_NOT_ALLOWED") == 0 && strstr(err.message, "54399") != NULL);
    CHECK(access(below("kv"), F_OK) < 0 && errno == ENOENT); /* nothing new is left */
    CHECK(gantry_socket_dir_make(root, "kv", 0770, 54322, &dir, &err) == 0);
    CHECK(gantry_socket_dir_remove(dir, &err) == 0);
}

static void test_a_group_that_is_not_ours(void **state)
{
    (void)state;
    if (geteuid() == 0)
        assert_int_equal(chown(root, 54321, 54321), 0);
    run_as(54321, 54321, 54322, check_foreign_group);
}

static void test_it_is_busy(void **state)
{
    struct gantry_socket_dir *second = NULL;

    (void)state;
    make("kv");
    write_file(below("kv/socket"));
    assert_code(gantry_socket_dir_make(root, "kv", 0777, KEEP_GROUP, &second, &err), "SOCKET_DIR_BUSY");
    assert_message(below("kv"));
    assert_message("another running gantry");
    assert_null(second);
    assert_true(exists(below("kv/socket")));
    assert_int_equal(mode_of(below("kv")), 0700);
}

static void test_a_killed_owner_leaves_it(void **state)
{
    int ends[2];
    char byte;
    pid_t owner;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    owner = fork();
    if (owner == 0) {
        CHECK(gantry_socket_dir_make(root, "kv", 0770, KEEP_GROUP, &dir, &err) == 0);
        write_file(below("kv/socket"));
        CHECK(gantry_socket_dir_link(dir, "kv.sock", "kv/socket", &err) == 0);
        CHECK(write(ends[1], "x", 1) == 1);
        pause();
        _exit(1);
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_code(gantry_socket_dir_make(root, "kv", 0700, KEEP_GROUP, &dir, &err), "SOCKET_DIR_BUSY");
    kill(owner, SIGKILL);
    assert_int_equal(waitpid(owner, NULL, 0), owner);
    close(ends[0]);
    close(ends[1]);

    make("kv");
    assert_false(gantry_socket_dir_fresh(dir));
    assert_int_equal(mode_of(below("kv")), 0700);
    assert_int_equal(entries(below("kv")), 0);
    assert_int_equal(entries(root), 2); /* it and its marker: the link is gone too */
    remove_it();
    assert_int_equal(entries(root), 0);
}

static void test_closing_leaves_it(void **state)
{
    (void)state;
    make("kv");
    write_file(below("kv/socket"));
    abandon();
    assert_true(exists(below("kv/socket")));
    make("kv");
    assert_false(exists(below("kv/socket")));
}

static void test_another_directory_of_its_name_is_left(void **state)
{
    (void)state;
    make("kv");
    write_file(below("kv/socket"));
    assert_int_equal(rename(below("kv"), below("moved")), 0);
    mkdir(below("kv"), 0700);
    write_file(below("kv/of-another"));
    remove_it();
    assert_true(exists(below("kv/of-another")));
    assert_int_equal(entries(below("moved")), 0);
}

static void test_it_was_removed_meanwhile(void **state)
{
    (void)state;
    make("kv");
    assert_int_equal(rmdir(below("kv")), 0);
    remove_it();
    assert_int_equal(entries(root), 0);
}

static void test_something_else_has_its_name(void **state)
{
    (void)state;
    mkdir(below("victim"), 0700);
    write_file(below("victim/precious"));
    assert_int_equal(symlink("victim", below("kv")), 0);
    assert_code(gantry_socket_dir_make(root, "kv", 0700, KEEP_GROUP, &dir, &err), "SOCKET_DIR_FAILED");
    assert_message(below("kv"));
    write_file(below("file"));
    assert_code(gantry_socket_dir_make(root, "file", 0700, KEEP_GROUP, &dir, &err), "SOCKET_DIR_FAILED");
    assert_true(exists(below("victim/precious")));
    assert_true(exists(below("kv")));
    assert_true(exists(below("file")));
}

static void test_a_foreign_directory_has_its_name(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    mkdir(below("kv"), 0755);
    write_file(below("kv/precious"));
    assert_int_equal(chown(below("kv"), 54321, 54321), 0);
    assert_code(gantry_socket_dir_make(root, "kv", 0700, KEEP_GROUP, &dir, &err), "SOCKET_DIR_FAILED");
    assert_message("belongs to user 54321");
    assert_true(exists(below("kv/precious")));
}

/* ---- many at once ---- */

static void make_and_remove(void)
{
    for (int i = 0; i < 200; i++) {
        if (gantry_socket_dir_make(root, "kv", 0700, KEEP_GROUP, &dir, &err) < 0) {
            CHECK(strcmp(err.code, "SOCKET_DIR_BUSY") == 0);
            continue;
        }
        CHECK(mkdirat(AT_FDCWD, below("kv/mine"), 0700) == 0); /* nobody else is in it */
        CHECK(gantry_socket_dir_remove(dir, &err) == 0);
    }
}

static void test_processes_take_turns(void **state)
{
    pid_t children[3];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            make_and_remove();
            _exit(0);
        }
    }
    for (size_t i = 0; i < 3; i++)
        wait_for_success(children[i]);
    assert_int_equal(entries(root), 0);
}

/* ---- what a killed process leaves ---- */

static void test_rest_is_taken_away(void **state)
{
    char marker[128];

    (void)state;
    snprintf(marker, sizeof marker, "%s", below(".kv.gantry"));
    assert_int_equal(mkdir(below("kv"), 0700), 0); /* not yet marked */
    gantry_socket_dir_remove_rest(root, "kv");
    assert_false(exists(below("kv")));
    close(open(marker, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)); /* of one that is gone */
    gantry_socket_dir_remove_rest(root, "kv");
    assert_false(exists(marker));
    gantry_socket_dir_remove_rest(root, "kv");
    gantry_socket_dir_remove_rest(below("nowhere"), "kv");
}

static void test_rest_is_nothing_with_content(void **state)
{
    (void)state;
    assert_int_equal(mkdir(below("kv"), 0700), 0);
    assert_int_equal(mkdir(below("kv/content"), 0700), 0);
    close(open(below(".kv.gantry"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    gantry_socket_dir_remove_rest(root, "kv");
    gantry_socket_dir_remove_rest(root, "kv/content");
    gantry_socket_dir_remove_rest(root, "..");
    assert_true(exists(below("kv/content")));
    assert_true(exists(below(".kv.gantry")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_root_is_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_root_may_be_read_by_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_root_is_a_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_root_is_writable_by_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_root_is_no_directory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_root_cannot_be_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_root_must_be_absolute, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_root_of_another_owner, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_root_that_cannot_be_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_longest_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_absurd_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_is_made_and_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mode_and_umask, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_group, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_group_that_is_not_ours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_is_busy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_killed_owner_leaves_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_closing_leaves_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_directory_of_its_name_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_was_removed_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_something_else_has_its_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_foreign_directory_has_its_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_processes_take_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rest_is_taken_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rest_is_nothing_with_content, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
