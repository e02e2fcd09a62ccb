/* SPDX-License-Identifier: Apache-2.0
 *
 * mounts.c: what /proc tells of the mounts of two processes. */
#include "core/system/mounts.h"

#include "core/system/unix_address.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A path of mountinfo as it is: blanks and the like stand there as \040. */
static void mounts_unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; to++) {
        if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
            *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + from[3] - '0');
            from += 4;
        } else {
            *to = *from;
            from++;
        }
    }
    *to = '\0';
}

/* The part of `path` below `folder`: "" or begins with a slash. NULL where it is not below. */
static const char *below(const char *path, const char *folder)
{
    size_t size = strcmp(folder, "/") == 0 ? 0 : strlen(folder);

    if (strncmp(path, folder, size) != 0 || (path[size] != '/' && path[size] != '\0'))
        return NULL;
    return path + size;
}

/* Takes a line of mountinfo, whose mount counts where none before lies deeper. `place` is its device and the path on
 * that. */
static void take_mount(char *line, const char *path, size_t *deepest, char **place)
{
    char *words[5]; /* id, parent, device, root, target */
    char *rest = line;
    const char *inside;
    char *text;

    for (size_t i = 0; i < 5; i++) {
        words[i] = strsep(&rest, " ");
        if (words[i] == NULL)
            return;
    }
    mounts_unescape(words[3]);
    mounts_unescape(words[4]);
    inside = below(path, words[4]);
    if (inside == NULL || strlen(words[4]) < *deepest)
        return;
    if (asprintf(&text, "%s %s%s", words[2], strcmp(words[3], "/") == 0 ? "" : words[3], inside) < 0)
        return;
    *deepest = strlen(words[4]);
    free(*place);
    *place = text;
}

/* Where a path lies for a process, for comparison; NULL where that cannot be read. Freed by the caller. */
static char *mount_place(const char *process, const char *path)
{
    char name[64];
    FILE *mounts;
    char *line = NULL;
    char *place = NULL;
    size_t room = 0;
    size_t deepest = 0;

    snprintf(name, sizeof name, "/proc/%s/mountinfo", process);
    mounts = fopen(name, "re");
    if (mounts == NULL)
        return NULL;
    while (getline(&line, &room, mounts) > 0)
        take_mount(line, path, &deepest, &place);
    free(line);
    fclose(mounts);
    return place;
}

static enum gantry_mounts compare_thread(const char *here, const char *process, const char *thread, const char *path)
{
    char name[64];
    char *there;
    enum gantry_mounts result;

    snprintf(name, sizeof name, "%.20s/task/%.20s", process, thread);
    there = mount_place(name, path);
    if (there == NULL)
        return GANTRY_MOUNTS_UNKNOWN;
    result = strcmp(here, there) == 0 ? GANTRY_MOUNTS_SAME : GANTRY_MOUNTS_OTHER;
    free(there);
    return result;
}

/* Engines read containers' files in threads that leave their mounts for that, and the first thread may be one of them:
 * one thread that sees the same is enough. */
static enum gantry_mounts compare_threads(const char *here, const char *process, const char *path)
{
    enum gantry_mounts result = GANTRY_MOUNTS_UNKNOWN;
    struct dirent *entry;
    char name[64];
    DIR *threads;

    snprintf(name, sizeof name, "/proc/%.20s/task", process);
    threads = opendir(name);
    if (threads == NULL)
        return result;
    while (result != GANTRY_MOUNTS_SAME && (entry = readdir(threads)) != NULL)
        if (entry->d_name[0] != '.') {
            enum gantry_mounts one = compare_thread(here, process, entry->d_name, path);

            result = one != GANTRY_MOUNTS_UNKNOWN ? one : result;
        }
    closedir(threads);
    return result;
}

enum gantry_mounts gantry_mounts_compare(pid_t other, const char *path)
{
    char process[32];
    char *here = mount_place("self", path);
    enum gantry_mounts result;

    if (here == NULL)
        return GANTRY_MOUNTS_UNKNOWN;
    snprintf(process, sizeof process, "%d", (int)other);
    result = compare_threads(here, process, path);
    free(here);
    return result;
}

pid_t gantry_mounts_listener(const char *socket_path)
{
    struct sockaddr_un address;
    struct gantry_error err;
    pid_t listener = 0;

    if (gantry_unix_address(socket_path, &address, &err) < 0)
        return 0;
    gantry_unix_probe(&address, &listener);
    return listener;
}
