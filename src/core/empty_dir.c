/* SPDX-License-Identifier: Apache-2.0 */
#include "empty_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Deeper than any directory that a plugin's socket directory could need; each level holds two descriptors. */
#define DEEPEST 16

/* A directory of the same file system can be mounted here too, so that comparing devices is not enough. */
static bool is_mount(int fd)
{
    struct statx status;

    return statx(fd, "", AT_EMPTY_PATH, 0, &status) == 0 && (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static int empty(int fd, int depth);

/* Empties the directory `name` of `fd`. Returns 0 or the errno of the first failure. */
static int empty_inner(int fd, const char *name, int depth)
{
    int inner;
    int failure;

    if (depth == DEEPEST)
        return ELOOP;
    inner = openat(fd, name, OPEN_DIRECTORY);
    if (inner < 0)
        return errno;
    failure = is_mount(inner) ? EBUSY : empty(inner, depth + 1);
    close(inner);
    return failure;
}

static int remove_entry(int fd, const char *name, int depth)
{
    int failure;

    if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR)
        return errno;
    failure = empty_inner(fd, name, depth);
    if (failure == 0 && unlinkat(fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        failure = errno;
    return failure;
}

/* Returns 0 or the errno of the first failure. */
static int empty(int fd, int depth)
{
    int listed = openat(fd, ".", OPEN_DIRECTORY); /* closedir closes it, and `fd` is the caller's */
    DIR *entries = listed >= 0 ? fdopendir(listed) : NULL;
    struct dirent *entry;
    int failure = 0;

    if (entries == NULL) {
        failure = errno;
        if (listed >= 0)
            close(listed);
        return failure;
    }
    while ((entry = readdir(entries)) != NULL) { /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        bool itself = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        int failed = itself ? 0 : remove_entry(fd, entry->d_name, depth);

        if (failure == 0)
            failure = failed;
    }
    closedir(entries);
    return failure;
}

int gantry_empty_dir(int fd, const char *path, struct gantry_error *err)
{
    int failure = empty(fd, 0);

    if (failure == 0)
        return 0;
    if (failure == ELOOP)
        return gantry_fail(err, "SOCKET_DIR_FAILED",
                           "empty directory %s: directories nest deeper than %d in it; remove it by hand", path,
                           DEEPEST);
    if (failure == EBUSY)
        return gantry_fail(err, "SOCKET_DIR_FAILED",
                           "empty directory %s: something is mounted in it; unmount that and try again", path);
    return gantry_fail_errno(err, failure, "SOCKET_DIR_FAILED",
                             "empty directory %s, which its owner or root may have to remove by hand", path);
}
