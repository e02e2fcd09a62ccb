/* SPDX-License-Identifier: Apache-2.0 */
#include "face/guardian.h"

#include "face/descriptors.h"
#include "face/exec.h"
#include "face/program.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAUNCHER_TIMEOUT_MS 150000 /* more than the engine gets for its slowest answer */
#define ATTEMPTS 8
#define RETRY_PAUSE_MS 50

enum outcome { CLEAN, LEFT, KILLED };

/* Has a process ask the engine, which waits for as long as it sees fit. */
static enum outcome run_cleaner(struct gantry_record *record, enum gantry_record_stage stage)
{
    char path[PATH_MAX];
    char name[] = "gantry";
    char verb[] = GANTRY_EXEC_CLEANER;
    char making[] = "making";
    char made[] = "made";
    char left[] = "left";
    char killed[] = "killed";
    char keep[] = "keep";
    char *const gone[] = {[GANTRY_RECORD_CLOSED] = made, [GANTRY_RECORD_LEFT] = left, [GANTRY_RECORD_KILLED] = killed};
    char *kept = record->keep[0] != '\0' ? keep : gone[atomic_load(&record->left)];
    char *what = stage == GANTRY_RECORD_MAKING ? making : kept;
    char *arguments[] = {name, verb, what, record->engine, record->container, record->root, record->directory, NULL};
    int status;
    pid_t pid;

    if (posix_spawn(&pid, gantry_program_path(path), NULL, NULL, arguments, environ) != 0)
        return KILLED; /* nothing was tried */
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return LEFT;
    if (WIFSIGNALED(status))
        return KILLED;
    return WEXITSTATUS(status) == 0 ? CLEAN : LEFT;
}

static void clean(struct gantry_record *record)
{
    enum gantry_record_stage stage = gantry_record_begin_clean(record, LAUNCHER_TIMEOUT_MS);
    bool nothing = stage == GANTRY_RECORD_EMPTY || stage == GANTRY_RECORD_CLEAN;
    enum outcome outcome = nothing ? CLEAN : KILLED;

    for (int attempt = 0; attempt < ATTEMPTS && outcome == KILLED; attempt++) {
        outcome = run_cleaner(record, stage);
        if (outcome == KILLED)
            poll(NULL, 0, RETRY_PAUSE_MS << attempt); /* a machine that is out of processes has some again later */
    }
    /* What is left then has outlasted the cleaner: the other guardian need not try as well. */
    gantry_record_end_clean(record, outcome != KILLED);
}

static void guard(struct gantry_record *record, int face) __attribute__((noreturn));

/* A service manager that stops a host sends these to all of its processes; a guardian has its work yet to do then. */
static void ignore_signals(void)
{
    static const int numbers[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        signal(numbers[i], SIG_IGN);
}

static void guard(struct gantry_record *record, int face)
{
    struct pollfd watched = {.fd = face, .events = POLLIN};

    gantry_detach(face, -1, "gantry-guardian");
    ignore_signals();
    if (chdir("/") < 0)
        _exit(1);
    while (poll(&watched, 1, -1) < 0)
        if (errno != EINTR)
            break;
    clean(record);
    _exit(0);
}

int gantry_guardian_start(struct gantry_guardian *guardian, struct gantry_record *record, int face,
                          struct gantry_error *err)
{
    *guardian = (struct gantry_guardian){.pid = fork(), .pidfd = -1};
    if (guardian->pid < 0)
        return gantry_fail_errno(err, errno, "SPAWN_FAILED", "start a guardian");
    if (guardian->pid == 0)
        guard(record, face);
    guardian->pidfd = pidfd_open(guardian->pid, 0);
    return 0;
}

bool gantry_guardian_ended(struct gantry_guardian *guardian)
{
    if (guardian->pid > 0 && waitpid(guardian->pid, NULL, WNOHANG) == 0)
        return false;
    if (guardian->pidfd >= 0)
        close(guardian->pidfd);
    *guardian = (struct gantry_guardian){.pid = -1, .pidfd = -1};
    return true;
}
