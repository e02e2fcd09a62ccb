/* SPDX-License-Identifier: Apache-2.0 */
#include "host_command.h"

#include "../core/empty_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONGEST_FOLDER 60 /* a socket's path has room for little more than this and its own name */

bool gantry_host_command_wanted(int argc, char **argv)
{
    return argc >= 4 && strcmp(argv[1], "host") == 0 && strcmp(argv[2], "--") == 0;
}

static bool make_directory(char path[PATH_MAX])
{
    const char *folder = getenv("XDG_RUNTIME_DIR");

    if (folder == NULL || folder[0] != '/' || strlen(folder) > LONGEST_FOLDER || access(folder, W_OK) < 0)
        folder = "/tmp";
    snprintf(path, PATH_MAX, "%s/gantry-host-XXXXXX", folder);
    return mkdtemp(path) != NULL;
}

static void remove_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct gantry_error err;

    if (fd < 0)
        return;
    gantry_empty_dir(fd, path, &err);
    close(fd);
    rmdir(path);
}

/* What is for the command, too, is passed on; what the terminal sends goes to both of us, and is its business. */
static void block_signals(sigset_t *taken, sigset_t *before)
{
    sigemptyset(taken);
    sigaddset(taken, SIGTERM);
    sigaddset(taken, SIGHUP);
    sigaddset(taken, SIGINT);
    sigaddset(taken, SIGQUIT);
    sigaddset(taken, SIGCHLD);
    sigprocmask(SIG_BLOCK, taken, before);
}

/* Returns 0 or an errno. */
static int start(char **command, const sigset_t *mask, pid_t *pid)
{
    posix_spawnattr_t attributes;
    int error = posix_spawnattr_init(&attributes);

    if (error != 0)
        return error;
    posix_spawnattr_setsigmask(&attributes, mask);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    error = posix_spawnp(pid, command[0], NULL, &attributes, command, environ);
    posix_spawnattr_destroy(&attributes);
    return error;
}

static int follow(pid_t pid, const sigset_t *taken)
{
    int status = 0;

    for (;;) {
        int number = sigwaitinfo(taken, NULL);

        if (number == SIGTERM || number == SIGHUP)
            kill(pid, number);
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

int gantry_host_command(char **argv)
{
    char **command = argv + 3;
    char path[PATH_MAX];
    sigset_t taken;
    sigset_t before;
    pid_t pid;
    int error;
    int status;

    if (!make_directory(path)) {
        fprintf(stderr, "gantry: make a temporary directory %s: %s\n", path, strerror(errno)); /* NOLINT */
        return 126;
    }
    setenv("TMPDIR", path, 1);
    block_signals(&taken, &before);
    error = start(command, &before, &pid);
    if (error == 0) {
        status = follow(pid, &taken);
    } else {
        fprintf(stderr, "gantry: run '%s': %s\n", command[0], strerror(error)); /* NOLINT */
        status = error == ENOENT ? 127 : 126;
    }
    remove_directory(path);
    return status;
}
