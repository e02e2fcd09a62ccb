/* SPDX-License-Identifier: Apache-2.0
 *
 * test_mounts.c: what two processes see at one path, and who listens at a socket. A mount of one's own, which only root
 * can have, is tried by tests/engine/private_tmp_spec.lua. */
#include "core/system/mounts.h"

#include "core/system/unix_address.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_same(void **state)
{
    (void)state;
    assert_int_equal(gantry_mounts_compare(getpid(), "/"), GANTRY_MOUNTS_SAME);
    assert_int_equal(gantry_mounts_compare(getpid(), "/tmp"), GANTRY_MOUNTS_SAME);
    assert_int_equal(gantry_mounts_compare(getppid(), "/nothing/is/here"), GANTRY_MOUNTS_SAME);
}

static void *stay(void *nothing)
{
    pause();
    return nothing;
}

/* The first thread leaves the mounts of the process, and a tmpfs is what it has at /tmp; another one stays. */
static void be_an_engine(int told)
{
    pthread_t stays;

    if (pthread_create(&stays, NULL, stay, NULL) != 0 || unshare(CLONE_NEWNS) < 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("none", "/tmp", "tmpfs", 0, NULL) < 0)
        _exit(write(told, "-", 1) == 1);
    (void)!write(told, "+", 1);
    pause();
}

static void test_thread_elsewhere(void **state)
{
    int ends[2];
    char said = 0;
    pid_t engine;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    engine = fork();
    if (engine == 0)
        be_an_engine(ends[1]);
    assert_int_equal(read(ends[0], &said, 1), 1);
    if (said == '+') { /* root alone may have mounts of its own */
        assert_int_equal(gantry_mounts_compare(engine, "/tmp"), GANTRY_MOUNTS_SAME);
    } else {
        assert_int_not_equal(geteuid(), 0);
    }
    kill(engine, SIGKILL);
    waitpid(engine, NULL, 0);
    close(ends[0]);
    close(ends[1]);
}

static void test_unknown(void **state)
{
    (void)state;
    assert_int_equal(gantry_mounts_compare(0, "/tmp"), GANTRY_MOUNTS_UNKNOWN);
    assert_int_equal(gantry_mounts_compare(-1, "/tmp"), GANTRY_MOUNTS_UNKNOWN);
}

static void test_listener(void **state)
{
    struct sockaddr_un address;
    struct gantry_error err;
    char path[64];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    snprintf(path, sizeof path, "/tmp/gantry-test-mounts-%d", (int)getpid());
    assert_int_equal(gantry_mounts_listener(path), 0);
    assert_int_equal(gantry_unix_address(path, &address, &err), 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(gantry_mounts_listener(path), 0); /* nobody listens yet */
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(gantry_mounts_listener(path), getpid());
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same), cmocka_unit_test(test_thread_elsewhere),
                                       cmocka_unit_test(test_unknown), cmocka_unit_test(test_listener)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
