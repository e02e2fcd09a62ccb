/* SPDX-License-Identifier: Apache-2.0 */
#include "face/host_command.h"

#include "core/files/empty_dir.h"
#include "core/files/runtime_dir.h"
#include "core/loop/signals.h"
#include "core/system/mounts.h"

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

/* Whether a folder can have the command's own in it. */
static bool is_fit(const char *folder)
{
    return folder != NULL && folder[0] == '/' && strlen(folder) <= LONGEST_FOLDER && access(folder, W_OK | X_OK) == 0;
}

/* The first of the folders that a service manager made for us. */
static const char *first_of_service(char first[PATH_MAX])
{
    const char *folders = getenv("RUNTIME_DIRECTORY");

    if (folders == NULL)
        return NULL;
    snprintf(first, PATH_MAX, "%.*s", (int)strcspn(folders, ":"), folders);
    return first;
}

/* The folder that the user named for gantry, made where it is missing. False, and told, where it is no use. */
static bool is_named_fit(const char *named)
{
    struct gantry_error err;

    if (gantry_runtime_dir_make(named, &err) < 0)
        fprintf(stderr, "gantry: %s\n", err.message); /* NOLINT */
    else if (!is_fit(named))
        fprintf(stderr, "gantry: GANTRY_RUNTIME_DIR %s is too long for sockets: name one of %d bytes at most\n", named,
                LONGEST_FOLDER); /* NOLINT */
    else
        return true;
    return false;
}

/* What is left where nothing better is there. A service's own is no use for sockets that containers are to see. */
static const char *last_folder(void)
{
    if (gantry_mounts_compare(1, "/tmp") == GANTRY_MOUNTS_OTHER)
        fprintf(stderr, "gantry: warning: /tmp is this service's own (PrivateTmp), and no plugin's container sees it; "
                        "set RuntimeDirectory=NAME in the unit, or GANTRY_RUNTIME_DIR below /run\n"); /* NOLINT */
    return "/tmp";
}

/* Below a folder that the engine sees as we do. */
static bool make_directory(char path[PATH_MAX])
{
    const char *named = getenv("GANTRY_RUNTIME_DIR");
    char of_service[PATH_MAX];
    const char *choices[] = {first_of_service(of_service), getenv("XDG_RUNTIME_DIR"), "/run"};
    const char *folder = named;

    if (named == NULL || named[0] == '\0') {
        folder = NULL;
        for (size_t i = 0; folder == NULL && i < sizeof choices / sizeof *choices; i++)
            folder = is_fit(choices[i]) ? choices[i] : NULL;
        if (folder == NULL)
            folder = last_folder();
    } else if (!is_named_fit(named)) {
        return false;
    }
    snprintf(path, PATH_MAX, "%s/gantry-host-XXXXXX", folder);
    if (mkdtemp(path) != NULL)
        return true;
    fprintf(stderr, "gantry: make a temporary directory %s: %s\n", path, strerror(errno)); /* NOLINT */
    return false;
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

/* What is for the command, too, is passed on; what the terminal sends goes to both of us, and is its business. What
 * whoever started us has ignored stays so: once blocked, it would come nevertheless. */
static void block_signals(sigset_t *taken, sigset_t *before)
{
    static const int numbers[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGCHLD};

    sigemptyset(taken);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!gantry_signal_ignored(numbers[i]))
            sigaddset(taken, numbers[i]);
    sigprocmask(SIG_BLOCK, taken, before);
}

/* Returns 0 or an errno. */
static int host_start(char **command, const sigset_t *mask, pid_t *pid)
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

    if (!make_directory(path))
        return 126;
    setenv("TMPDIR", path, 1);
    block_signals(&taken, &before);
    error = host_start(command, &before, &pid);
    if (error == 0) {
        status = follow(pid, &taken);
    } else {
        fprintf(stderr, "gantry: run '%s': %s\n", command[0], strerror(error)); /* NOLINT */
        status = error == ENOENT ? 127 : 126;
    }
    remove_directory(path);
    return status;
}
