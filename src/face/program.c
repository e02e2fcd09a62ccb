/* SPDX-License-Identifier: Apache-2.0 */
#include "face/program.h"

#include "core/system/channel.h"
#include "core/system/descriptor.h"
#include "face/exec.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *gantry_program_path(char path[PATH_MAX])
{
    static const char self[] = "/proc/self/exe";
    static const char deleted[] = " (deleted)";
    const size_t mark = sizeof deleted - 1;
    ssize_t length = readlink(self, path, PATH_MAX - 1);

    if (length <= 0)
        return self;
    path[length] = '\0';
    if ((size_t)length > mark && strcmp(path + length - mark, deleted) == 0)
        path[(size_t)length - mark] = '\0';
    return access(path, X_OK) == 0 ? path : self;
}

/* A descriptor that is given its own number stays open across the start. */
static int add_returner_actions(posix_spawn_file_actions_t *actions, int channel, int face)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0) != 0)
            return -1;
    if (posix_spawn_file_actions_adddup2(actions, channel, channel) != 0)
        return -1;
    return posix_spawn_file_actions_adddup2(actions, face, face) == 0 ? 0 : -1;
}

static int spawn_detached(char *const arguments[], int channel, int face, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char path[PATH_MAX];
    int result = -1;

    if (posix_spawn_file_actions_init(&actions) != 0)
        return -1;
    if (posix_spawnattr_init(&attributes) == 0) {
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
        if (add_returner_actions(&actions, channel, face) == 0 &&
            posix_spawn(pid, gantry_program_path(path), &actions, &attributes, arguments, environ) == 0)
            result = 0;
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return result;
}

int gantry_program_start_returner(char *const arguments[], int face, int *channel, pid_t *pid)
{
    char name[] = "gantry";
    char verb[] = GANTRY_EXEC_RETURNER;
    char numbers[2][16];
    char *all[GANTRY_EXEC_RETURNER_ARGUMENTS + 3] = {name, verb, numbers[0], numbers[1]};
    int ends[2];
    int result;

    *channel = -1;
    *pid = -1;
    if (gantry_channel_pair(ends) < 0)
        return -1;
    snprintf(numbers[0], sizeof numbers[0], "%d", ends[1]);
    snprintf(numbers[1], sizeof numbers[1], "%d", face);
    for (size_t i = 0; arguments[i] != NULL && i + 4 < sizeof all / sizeof *all; i++)
        all[i + 4] = arguments[i];
    result = spawn_detached(all, ends[1], face, pid);
    gantry_close(&ends[1]);
    if (result < 0) {
        *pid = -1;
        gantry_close(&ends[0]);
    }
    *channel = ends[0];
    return result;
}
