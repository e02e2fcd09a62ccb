/* SPDX-License-Identifier: Apache-2.0
 *
 * A guardian whose cleaner cannot be started at first has it started later, and does not say that all is clean before.
 */
#include "face/guardian.h"

#include "face/record.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define REFUSED 3

static int *calls; /* shared with the guardians */

/* There is no process to spare for the first calls. */
int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[])
{
    int (*real)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const[],
                char *const[]);

    if (__atomic_add_fetch(calls, 1, __ATOMIC_SEQ_CST) <= REFUSED)
        return EAGAIN;
    *(void **)&real = dlsym(RTLD_NEXT, "posix_spawn");
    return real(pid, path, actions, attributes, arguments, environment);
}

static void test_a_cleaner_that_cannot_be_started_is_started_later(void **state)
{
    struct gantry_error err;
    struct gantry_record *record = gantry_record_new(&err);
    pid_t face;

    (void)state;
    assert_non_null(record);
    strcpy(record->engine, "unix:///nowhere");
    strcpy(record->container, "none");
    atomic_store(&record->stage, GANTRY_RECORD_MADE);
    face = fork();
    if (face == 0) {
        struct gantry_guardian guardian;
        int self = pidfd_open(getpid(), 0);

        _exit(gantry_guardian_start(&guardian, record, self, &err) < 0);
    }
    assert_int_equal(waitpid(face, NULL, 0), face);
    while (atomic_load(&record->stage) != GANTRY_RECORD_CLEAN) {
        assert_true(__atomic_load_n(calls, __ATOMIC_SEQ_CST) <= REFUSED + 1);
        usleep(1000);
    }
    assert_int_equal(*calls, REFUSED + 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cleaner_that_cannot_be_started_is_started_later),
    };

    (void)argv;
    if (argc > 1)
        return 0; /* the cleaner */
    calls = mmap(NULL, sizeof *calls, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return calls == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
