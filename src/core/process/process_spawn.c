/* SPDX-License-Identifier: Apache-2.0
 *
 * process_spawn.c: posix_spawn with pipes, for process.c. */
#include "core/process/process_spawn.h"

#include "core/system/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_OTHER 3 /* the first descriptor that is none of the standard three */

/* The ends that the child gets, by its number; -1 where there is no pipe. */
struct child_ends {
    int fds[3];
    int handed[GANTRY_PROCESS_HANDED]; /* copies above all numbers that the child is to have */
};

static void close_three(int fds[3])
{
    for (int i = 0; i < 3; i++)
        gantry_close(&fds[i]);
}

/* A caller may run with standard descriptors closed. A pipe that took such a number would be overwritten while the
 * child's descriptors are put in place, and whatever took it would get what others print, so it moves up. */
static int descriptor_move_up(int *fd)
{
    int moved;

    if (*fd >= FIRST_OTHER)
        return 0;
    moved = fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_OTHER);
    if (moved < 0)
        return -1;
    close(*fd);
    *fd = moved;
    return 0;
}

/* Makes the pipe for the child's descriptor `number`. On failure errno is set and what is made stays to be closed. */
static int make_pipe(int number, int *ours, int *theirs)
{
    int ends[2];
    int flags;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    *ours = ends[number == STDIN_FILENO ? 1 : 0];
    *theirs = ends[number == STDIN_FILENO ? 0 : 1];
    if (descriptor_move_up(ours) < 0 || descriptor_move_up(theirs) < 0)
        return -1;
    flags = fcntl(*ours, F_GETFL);
    return fcntl(*ours, F_SETFL, flags | O_NONBLOCK);
}

static int copy_handed(const struct gantry_process_options *options, struct child_ends *theirs)
{
    for (size_t i = 0; i < options->handed_count; i++) {
        theirs->handed[i] = fcntl(options->handed[i], F_DUPFD_CLOEXEC, FIRST_OTHER + GANTRY_PROCESS_HANDED);
        if (theirs->handed[i] < 0)
            return errno;
    }
    return 0;
}

static enum gantry_process_stream stream_of(const struct gantry_process_options *options, int number)
{
    const enum gantry_process_stream streams[] = {options->input, options->output, options->error};

    return streams[number];
}

static int make_pipes(const struct gantry_process_options *options, int ours[3], struct child_ends *theirs)
{
    for (int i = 0; i < 3; i++)
        if (stream_of(options, i) == GANTRY_PROCESS_PIPE && make_pipe(i, &ours[i], &theirs->fds[i]) < 0)
            return errno;
    return 0;
}

/* Fills the list of what the child does between fork and exec. Returns 0 or an errno. */
static int add_actions(posix_spawn_file_actions_t *actions, const struct gantry_process_options *options,
                       const struct child_ends *theirs)
{
    int error = 0;

    for (int i = 0; i < 3 && error == 0; i++) {
        enum gantry_process_stream stream = stream_of(options, i);

        if (stream == GANTRY_PROCESS_PIPE)
            error = posix_spawn_file_actions_adddup2(actions, theirs->fds[i], i);
        else if (stream == GANTRY_PROCESS_NULL)
            error =
                posix_spawn_file_actions_addopen(actions, i, "/dev/null", i == STDIN_FILENO ? O_RDONLY : O_WRONLY, 0);
    }
    if (error == 0 && options->directory != NULL)
        error = posix_spawn_file_actions_addchdir_np(actions, options->directory);
    for (size_t i = 0; i < options->handed_count && error == 0; i++)
        error = posix_spawn_file_actions_adddup2(actions, theirs->handed[i], FIRST_OTHER + (int)i);
    if (error == 0)
        error = posix_spawn_file_actions_addclosefrom_np(actions, FIRST_OTHER + (int)options->handed_count);
    return error;
}

static int set_attributes(posix_spawnattr_t *attributes, bool new_session)
{
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t none;
    sigset_t all;

    if (new_session)
        flags |= POSIX_SPAWN_SETSID;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    return posix_spawnattr_setflags(attributes, flags);
}

/* posix_spawn wants its strings writable, but does not write to them. */
static char *const *writable(const char *const *strings)
{
    union {
        const char *const *read_only;
        char *const *writable;
    } both = {.read_only = strings};

    return both.writable;
}

/* Returns 0 or an errno. */
static int spawn_with(const struct gantry_process_options *options, const struct child_ends *theirs, pid_t *pid)
{
    char *const *environment = options->environment != NULL ? writable(options->environment) : environ;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error;

    error = posix_spawn_file_actions_init(&actions);
    if (error != 0)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (error == 0) {
        error = add_actions(&actions, options, theirs);
        if (error == 0)
            error = set_attributes(&attributes, options->new_session);
        if (error == 0)
            error = posix_spawnp(pid, options->argv[0], &actions, &attributes, writable(options->argv), environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* Where the host ignores SIGCHLD, the kernel reaps the child at its end, which may have come already: its status is
 * lost then, as it is when the kernel comes later. A descriptor that is readable at once stands for the child. */
static int stand_in_for_child(struct gantry_spawned *spawned)
{
    spawned->pidfd = eventfd(1, EFD_CLOEXEC);
    return spawned->pidfd >= 0 && descriptor_move_up(&spawned->pidfd) == 0 ? 0 : errno;
}

static void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* The child cannot be anybody else by now: nobody but the kernel reaps it before it is known by its pidfd. */
static int open_pidfd(struct gantry_spawned *spawned)
{
    int error;

    spawned->pidfd = pidfd_open(spawned->pid, 0);
    if (spawned->pidfd >= 0 && descriptor_move_up(&spawned->pidfd) == 0)
        return 0;
    error = errno;
    if (spawned->pidfd < 0 && error == ESRCH)
        return stand_in_for_child(spawned);
    gantry_close(&spawned->pidfd);
    end_child(spawned->pid);
    return error;
}

int gantry_spawn(const struct gantry_process_options *options, struct gantry_spawned *spawned, struct gantry_error *err)
{
    struct child_ends theirs = {{-1, -1, -1}, {-1, -1, -1, -1}};
    int error;

    *spawned = (struct gantry_spawned){.pid = -1, .pidfd = -1, .pipes = {-1, -1, -1}};
    error = make_pipes(options, spawned->pipes, &theirs);
    if (error == 0)
        error = copy_handed(options, &theirs);
    if (error == 0)
        error = spawn_with(options, &theirs, &spawned->pid);
    if (error == 0)
        error = open_pidfd(spawned);
    close_three(theirs.fds);
    for (size_t i = 0; i < options->handed_count; i++)
        gantry_close(&theirs.handed[i]);
    if (error == 0)
        return 0;
    close_three(spawned->pipes);
    if (options->directory != NULL)
        return gantry_fail_errno(err, error, "SPAWN_FAILED", "start '%s' in directory '%s'", options->argv[0],
                                 options->directory);
    return gantry_fail_errno(err, error, "SPAWN_FAILED", "start '%s'", options->argv[0]);
}
