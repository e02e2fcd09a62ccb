/* SPDX-License-Identifier: Apache-2.0
 *
 * test_confinement.c: what a process that confined itself can no longer do. Each test is a child of its own. */
#include "core/process/confinement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <valgrind/valgrind.h>

/* How a confined child that runs `fn` ends, as waitpid has it. */
static int run_confined(int (*fn)(void))
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        struct gantry_error err;

        _exit(gantry_confine((rlim_t)256 << 20, 16, &err) == 0 ? fn() : 99);
    }
    assert_true(pid > 0);
    assert_int_equal(pid, waitpid(pid, &status, 0));
    return status;
}

static int write_file(void)
{
    char path[] = "/tmp/gantry-confinement-XXXXXX";
    int fd = mkstemp(path);

    signal(SIGXFSZ, SIG_IGN);
    unlink(path);
    return fd >= 0 && write(fd, "x", 1) < 0 ? 0 : 1;
}

static int open_many(void)
{
    int opened = 0;

    while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
        if (++opened > 16)
            return 1;
    return 0;
}

static int know_the_parent(void)
{
    int number = 0;

    return prctl(PR_GET_PDEATHSIG, &number) == 0 && number == SIGKILL && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1
               ? 0
               : 1;
}

static int take_memory(void)
{
#ifdef __SANITIZE_ADDRESS__
    return 0;
#else
    volatile char *block = malloc((size_t)512 << 20);

    return block == NULL ? 0 : 1;
#endif
}

/* There the limits would be valgrind's own: of its memory, its files and its signals. */
static void skip_under_valgrind(void)
{
    if (RUNNING_ON_VALGRIND)
        skip();
}

static int loop_for_ever(void)
{
    struct gantry_error err;

    if (gantry_confine_cpu(1, &err) < 0)
        return 99;
    for (volatile unsigned count = 0;; count++)
        continue;
}

static void a_confined_process_has_no_more_than_it_was_given(void **state)
{
    (void)state;
    skip_under_valgrind();
    assert_int_equal(0, run_confined(write_file));
    assert_int_equal(0, run_confined(open_many));
    assert_int_equal(0, run_confined(know_the_parent));
    assert_int_equal(0, run_confined(take_memory));
}

static void its_cpu_time_ends(void **state)
{
    int status;

    (void)state;
    skip_under_valgrind();
    status = run_confined(loop_for_ever);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(SIGXCPU, WTERMSIG(status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_confined_process_has_no_more_than_it_was_given),
        cmocka_unit_test(its_cpu_time_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
