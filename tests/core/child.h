/* SPDX-License-Identifier: Apache-2.0
 *
 * child.h: a part of a test as a child process: as another user, or with mounts of its own. */
#ifndef TEST_CHILD_H
#define TEST_CHILD_H

#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* cmocka's assertions would jump into the parent's code, so a child tells what failed and where by its exit. */
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: in the child: %s\n", __FILE__, __LINE__, #condition);                              \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

static inline void wait_for_success(pid_t child)
{
    int status = -1;

    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Runs `body` as this user and group, and in `more` besides. Skips the test where only root could. */
static inline void run_as(uid_t user, gid_t group, gid_t more, void (*body)(void))
{
    pid_t child;

    if (geteuid() != 0)
        skip();
    child = fork();
    if (child == 0) {
        CHECK(setgroups(1, &more) == 0 && setgid(group) == 0 && setuid(user) == 0);
        body();
        _exit(0);
    }
    wait_for_success(child);
}

/* Runs `body` where mounting is seen by nobody else. Skips the test where that is not allowed. */
static inline void run_with_own_mounts(void (*body)(void))
{
    const int not_allowed = 77;
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
            _exit(not_allowed);
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == not_allowed)
        skip();
    assert_int_equal(status, 0);
}

#endif
