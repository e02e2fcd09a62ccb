/* SPDX-License-Identifier: Apache-2.0
 *
 * test_socket_dir_content.c: what plugins put into a socket directory and how it is emptied, the stable links to its
 * sockets, and its default ACL. */
#include "socket_dir_fixture.h"

#include <acl/libacl.h>
#include <sys/acl.h>

/* ---- emptying ---- */

static void make_victim(void)
{
    mkdir(below("victim"), 0700);
    write_file(below("victim/precious"));
}

static void test_links_are_not_followed(void **state)
{
    (void)state;
    make_victim();
    make("kv");
    assert_int_equal(symlink("../victim", below("kv/directory")), 0);
    assert_int_equal(symlink("../victim/precious", below("kv/file")), 0);
    assert_int_equal(symlink("loop", below("kv/loop")), 0);
    assert_int_equal(mkdir(below("kv/inner"), 0700), 0);
    assert_int_equal(symlink("../../victim", below("kv/inner/directory")), 0);
    abandon();
    make("kv");
    assert_int_equal(entries(below("kv")), 0);
    assert_true(exists(below("victim/precious")));
    remove_it();
    assert_int_equal(entries(root), 1);
}

static void test_all_kinds_of_entries(void **state)
{
    (void)state;
    make("kv");
    make_socket(below("kv/socket"));
    assert_int_equal(mkfifo(below("kv/fifo"), 0600), 0);
    write_file(below("kv/.hidden"));
    write_file(below("kv/odd\n\33[2J name"));
    assert_int_equal(mkdir(below("kv/a"), 0700), 0);
    assert_int_equal(mkdir(below("kv/a/b"), 0700), 0);
    write_file(below("kv/a/b/c"));
    for (int i = 0; i < 300; i++) {
        char name[32];

        snprintf(name, sizeof name, "kv/a/file-%d", i);
        write_file(below(name));
    }
    remove_it();
    assert_int_equal(entries(root), 0);
}

/* Makes `depth` directories, one in the other: deeper than any path could name. */
static void nest(int depth)
{
    int fd = open(below("kv"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (int i = 0; i < depth; i++) {
        int inner;

        assert_int_equal(mkdirat(fd, "d", 0700), 0);
        inner = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(inner >= 0);
        close(fd);
        fd = inner;
    }
    close(fd);
}

static void test_any_depth_is_removed(void **state)
{
    (void)state;
    for (int depth = 15; depth < 5000; depth = depth * 3 / 2) {
        make("kv");
        nest(depth);
        write_file(below("kv/socket"));
        remove_it();
        assert_int_equal(entries(root), 0);
    }
}

static void remove_what_was_closed(void)
{
    CHECK(gantry_socket_dir_make(root, "kv", 0700, KEEP_GROUP, &dir, &err) == 0);
    CHECK(mkdir(below("kv/closed"), 0700) == 0 && mkdir(below("kv/closed/inner"), 0700) == 0);
    CHECK(chmod(below("kv/closed/inner"), 0) == 0 && chmod(below("kv/closed"), 0) == 0);
    CHECK(gantry_socket_dir_remove(dir, &err) == 0);
    CHECK(access(below("kv"), F_OK) < 0);
}

static void test_what_its_maker_closed_is_removed(void **state)
{
    (void)state;
    assert_int_equal(chmod(root, 0700), 0);
    if (geteuid() == 0)
        assert_int_equal(chown(root, 54321, 54321), 0);
    run_as(54321, 54321, 54321, remove_what_was_closed);
}

static void test_what_gantry_did_not_make_is_left(void **state)
{
    (void)state;
    mkdir(below("docs"), 0700);
    write_file(below("docs/thesis"));
    assert_code(gantry_socket_dir_make(root, "docs", 0700, KEEP_GROUP, &dir, &err), "SOCKET_DIR_FOREIGN");
    assert_message(below("docs"));
    assert_code(gantry_socket_dir_adopt(root, "docs", &dir, &err), "SOCKET_DIR_FOREIGN");
    assert_true(exists(below("docs/thesis")));

    /* Its marker is of a directory that had the name before. */
    make("kv");
    write_file(below("kv/socket"));
    abandon();
    assert_int_equal(rename(below("kv"), below("aside")), 0);
    assert_int_equal(rename(below("docs"), below("kv")), 0);
    assert_code(gantry_socket_dir_make(root, "kv", 0700, KEEP_GROUP, &dir, &err), "SOCKET_DIR_FOREIGN");
    assert_true(exists(below("kv/thesis")));
}

static void test_an_empty_one_may_be_anybodys(void **state)
{
    (void)state;
    mkdir(below("kv"), 0700);
    make("kv");
    write_file(below("kv/socket"));
    abandon();
    make("kv");
    assert_false(exists(below("kv/socket")));
    remove_it();
    assert_int_equal(entries(root), 0);
}

static void empty_a_foreign_content(void)
{
    CHECK(gantry_socket_dir_make(root, "kv", 0700, KEEP_GROUP, &dir, &err) == 0);
    CHECK(!gantry_socket_dir_fresh(dir));
    CHECK(access(below("kv/socket"), F_OK) < 0 && access(below("kv/empty"), F_OK) < 0);
    CHECK(gantry_socket_dir_remove(dir, &err) == 0);
    CHECK(access(below("kv"), F_OK) < 0);
}

/* A container's user is another one than the directory's. */
static void test_content_of_another_user(void **state)
{
    static const char *const ours[] = {"", "kv", ".kv.gantry"};

    (void)state;
    mkdir(below("kv"), 0770);
    make_socket(below("kv/socket"));
    chmod(below("kv/socket"), 0600);
    mark("kv");
    for (size_t i = 0; i < 3 && geteuid() == 0; i++)
        assert_int_equal(chown(below(ours[i]), 54321, 54321), 0);
    if (geteuid() == 0)
        assert_int_equal(chown(below("kv/socket"), 12345, 12345), 0);
    run_as(54321, 54321, 54321, empty_a_foreign_content);
}

static void fail_at_a_foreign_directory(void)
{
    CHECK(gantry_socket_dir_make(root, "kv", 0700, KEEP_GROUP, &dir, &err) < 0);
    CHECK(strcmp(err.code, "SOCKET_DIR_FAILED") == 0 && err.os_error == EACCES);
    CHECK(strstr(err.message, below("kv")) != NULL && strstr(err.message, "root") != NULL);
}

static void test_a_directory_that_another_user_closed(void **state)
{
    static const char *const ours[] = {"", "kv", ".kv.gantry"};

    (void)state;
    mkdir(below("kv"), 0770);
    mkdir(below("kv/theirs"), 0700);
    write_file(below("kv/theirs/file"));
    mark("kv");
    for (size_t i = 0; i < 3 && geteuid() == 0; i++)
        assert_int_equal(chown(below(ours[i]), 54321, 54321), 0);
    run_as(54321, 54321, 54321, fail_at_a_foreign_directory);
}

static void fail_at_a_mount(void)
{
    CHECK(mkdir(below("kv/mounted"), 0700) == 0);
    CHECK(mount(below("victim"), below("kv/mounted"), "none", MS_BIND, NULL) == 0);
    CHECK(access(below("kv/mounted/precious"), F_OK) == 0);
    CHECK(gantry_socket_dir_remove(dir, &err) < 0);
    CHECK(strcmp(err.code, "SOCKET_DIR_FAILED") == 0 && strstr(err.message, "mounted") != NULL);
    CHECK(access(below("victim/precious"), F_OK) == 0);
}

static void test_mounts_are_not_entered(void **state)
{
    (void)state;
    make_victim();
    make("kv");
    run_with_own_mounts(fail_at_a_mount);
    assert_true(exists(below("victim/precious")));
}

/* ---- links ---- */

static void assert_link(const char *name, const char *target)
{
    char found[PATH_MAX] = "";

    assert_true(readlink(below(name), found, sizeof found - 1) > 0);
    assert_string_equal(found, target);
}

static void test_a_link_is_swapped_and_removed(void **state)
{
    (void)state;
    make("kv");
    assert_int_equal(gantry_socket_dir_link(dir, "kv.sock", "kv/plugin1", &err), 0);
    assert_link("kv.sock", "kv/plugin1");
    assert_int_equal(gantry_socket_dir_link(dir, "kv.sock", "kv/plugin2", &err), 0);
    assert_link("kv.sock", "kv/plugin2");
    assert_int_equal(gantry_socket_dir_link(dir, "other.sock", "kv/plugin2", &err), 0);
    assert_int_equal(entries(root), 4);
    remove_it();
    assert_int_equal(entries(root), 0);
}

static void test_a_socket_is_reached_through_its_link(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    make("kv");
    strcpy(address.sun_path, below("kv/plugin1"));
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(gantry_socket_dir_link(dir, "kv.sock", "kv/plugin1", &err), 0);
    strcpy(address.sun_path, below("kv.sock"));
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    close(client);
    close(listener);
}

static void test_what_was_left_half_way_is_no_obstacle(void **state)
{
    (void)state;
    make("kv");
    assert_int_equal(symlink("kv/old", below(".kv.kv.sock.new")), 0);
    assert_int_equal(gantry_socket_dir_link(dir, "kv.sock", "kv/plugin1", &err), 0);
    assert_link("kv.sock", "kv/plugin1");
    assert_int_equal(entries(root), 3);
}

static void test_links_elsewhere_are_left(void **state)
{
    (void)state;
    assert_int_equal(symlink("kvs/plugin1", below("kvs.sock")), 0);
    assert_int_equal(symlink("/kv/plugin1", below("absolute")), 0);
    assert_int_equal(symlink("kv", below("to-it")), 0);
    write_file(below("file"));
    make("kv");
    remove_it();
    assert_int_equal(entries(root), 4);
}

static void test_links_that_are_refused(void **state)
{
    static const char *const targets[] = {"",     "plugin1",     "/etc/passwd",  "kv",    "kv/",  "kv/..",
                                          "kv/.", "kv/a/plugin", "../kv/plugin", "kvs/p", "kv//p"};

    (void)state;
    make("kv");
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        assert_code(gantry_socket_dir_link(dir, "kv.sock", targets[i], &err), "SOCKET_NAME_INVALID");
    assert_code(gantry_socket_dir_link(dir, "../x", "kv/p", &err), "SOCKET_NAME_INVALID");
    assert_code(gantry_socket_dir_link(dir, ".x", "kv/p", &err), "SOCKET_NAME_INVALID");

    write_file(below("file.sock"));
    assert_code(gantry_socket_dir_link(dir, "file.sock", "kv/p", &err), "SOCKET_DIR_FAILED");
    assert_message("something else");
    assert_code(gantry_socket_dir_link(dir, "kv", "kv/p", &err), "SOCKET_DIR_FAILED");
    assert_int_equal(entries(root), 3);
}

static void test_the_longest_names(void **state)
{
    char name[65];
    char target[PATH_MAX];

    (void)state;
    assert_int_equal(rmdir(root), 0);
    strcpy(root, "/tmp/gXXXXXX"); /* leaves room for a name of 64 bytes in a socket's path */
    assert_non_null(mkdtemp(root));
    memset(name, 'n', 64);
    name[64] = '\0';
    make(name);
    snprintf(target, sizeof target, "%s/%0255d", name, 0);
    memset(name, 'l', 64);
    assert_int_equal(gantry_socket_dir_link(dir, name, target, &err), 0);
    remove_it();
    assert_int_equal(entries(root), 0);
}

/* ---- default ACL ---- */

static void assert_acl(acl_type_t type, const char *wanted)
{
    acl_t acl = acl_get_file(below("kv"), type);
    char *text = acl_to_any_text(acl, NULL, ',', TEXT_NUMERIC_IDS | TEXT_ABBREVIATE);

    assert_string_equal(text, wanted);
    acl_free(text);
    acl_free(acl);
}

/* Skips the test where the file system has no ACLs, which must have been said. */
static void give_access(uid_t user)
{
    if (gantry_socket_dir_default_acl(dir, user, &err) < 0) {
        assert_string_equal(err.code, "ACL_UNSUPPORTED");
        skip();
    }
}

static void test_default_acl(void **state)
{
    struct stat status;

    (void)state;
    make("kv");
    give_access(54321);
    assert_acl(ACL_TYPE_DEFAULT, "u::rwx,u:54321:rw-,g::rwx,m::rwx,o::---");
    make_socket(below("kv/socket"));
    assert_int_equal(stat(below("kv/socket"), &status), 0);
    assert_int_equal(status.st_mode & 0007, 0);
    give_access(12345);
    assert_acl(ACL_TYPE_DEFAULT, "u::rwx,u:12345:rw-,g::rwx,m::rwx,o::---");
    assert_int_equal(mode_of(below("kv")), 0700);
    abandon();
    make("kv");
    assert_acl(ACL_TYPE_DEFAULT, ""); /* a dead owner's does not stay */
}

static void test_acl_of_a_group(void **state)
{
    (void)state;
    make("kv");
    if (gantry_socket_dir_group_acl(dir, 54321, &err) < 0) {
        assert_string_equal(err.code, "ACL_UNSUPPORTED");
        skip();
    }
    assert_acl(ACL_TYPE_ACCESS, "u::rwx,g::---,g:54321:rwx,m::rwx,o::---");
    abandon();
    make("kv");
    assert_acl(ACL_TYPE_ACCESS, "u::rwx,g::---,o::---"); /* nor does this stay */
}

static void use_without_acls(void)
{
    CHECK(mkdir(below("plain"), 0700) == 0);
    CHECK(mount("none", below("plain"), "ramfs", 0, "mode=0700") == 0);
    CHECK(gantry_socket_dir_make(below("plain"), "kv", 0700, KEEP_GROUP, &dir, &err) == 0);
    CHECK(gantry_socket_dir_default_acl(dir, 54321, &err) < 0);
    CHECK(strcmp(err.code, "ACL_UNSUPPORTED") == 0 && strstr(err.message, "GANTRY_RUNTIME_DIR") != NULL);
    gantry_socket_dir_close(dir);
    CHECK(gantry_socket_dir_make(below("plain"), "kv", 0700, KEEP_GROUP, &dir, &err) == 0);
    CHECK(gantry_socket_dir_remove(dir, &err) == 0);
}

static void test_a_file_system_without_acls(void **state)
{
    (void)state;
    run_with_own_mounts(use_without_acls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_links_are_not_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_kinds_of_entries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_any_depth_is_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_its_maker_closed_is_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_gantry_did_not_make_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_empty_one_may_be_anybodys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_content_of_another_user, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_directory_that_another_user_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mounts_are_not_entered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_link_is_swapped_and_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_socket_is_reached_through_its_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_left_half_way_is_no_obstacle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links_elsewhere_are_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links_that_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_longest_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_default_acl, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_acl_of_a_group, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_system_without_acls, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
