/* SPDX-License-Identifier: Apache-2.0
 *
 * test_unix_address.c: addresses of Unix sockets, and who listens there. */
#include "core/system/unix_address.h"

#include <errno.h>
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

static char folder[64];
static char path[96];
static struct gantry_error err;

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/gantry-address-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/socket", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static int bound(struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(gantry_unix_address(path, address, &err), 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)address, sizeof *address), 0);
    return fd;
}

static void a_path_may_have_107_bytes(void **state)
{
    char longest[109];
    struct sockaddr_un address;

    (void)state;
    memset(longest, 'a', sizeof longest);
    longest[107] = '\0';
    assert_int_equal(gantry_unix_address(longest, &address, &err), 0);
    assert_string_equal(address.sun_path, longest);
    assert_int_equal(address.sun_family, AF_UNIX);
    longest[107] = 'a';
    longest[108] = '\0';
    assert_true(gantry_unix_address(longest, &address, &err) < 0);
    assert_string_equal(err.code, "SOCKET_PATH_TOO_LONG");
    assert_non_null(strstr(err.message, "108 bytes"));
}

static void nobody_listens_where_nothing_is(void **state)
{
    struct sockaddr_un address;

    (void)state;
    assert_int_equal(gantry_unix_address(path, &address, &err), 0);
    assert_int_equal(gantry_unix_probe(&address, NULL), ENOENT);
}

static void nobody_listens_at_what_a_dead_owner_left(void **state)
{
    struct sockaddr_un address;
    int fd = bound(&address);
    pid_t listener = 1;

    (void)state;
    close(fd);
    assert_int_equal(gantry_unix_probe(&address, &listener), ECONNREFUSED);
    assert_int_equal(listener, 0);
}

static void a_listener_is_noticed_and_its_queue_given_back(void **state)
{
    struct sockaddr_un address;
    int fd = bound(&address);
    int client;
    pid_t listener = 0;

    (void)state;
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(gantry_unix_probe(&address, &listener), 0);
    assert_int_equal(listener, getpid());
    client = accept(fd, NULL, NULL);
    assert_int_equal(read(client, &(char){0}, 1), 0);
    close(client);
    close(fd);
}

static void a_full_queue_has_an_owner(void **state)
{
    struct sockaddr_un address;
    int fd = bound(&address);

    (void)state;
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(gantry_unix_probe(&address, NULL), 0);
    assert_int_equal(gantry_unix_probe(&address, NULL), EAGAIN);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_path_may_have_107_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_listens_where_nothing_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_listens_at_what_a_dead_owner_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_listener_is_noticed_and_its_queue_given_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_queue_has_an_owner, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
