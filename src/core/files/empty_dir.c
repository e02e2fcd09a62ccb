/* SPDX-License-Identifier: Apache-2.0 */
#include "core/files/empty_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Directories that nest deeper are moved up to the first one, so that any depth takes as many descriptors as this. */
#define DEEPEST 16
#define MOST_MOVED 65536 /* one who still makes directories does not keep us for ever */

/* What is being emptied. */
struct top {
    int fd;
    unsigned moved;     /* gives each directory that is moved up a name of its own */
    unsigned remaining; /* entries that may be removed or moved still */
};

/* A directory of the same file system can be mounted here too, so that comparing devices is not enough. */
static bool is_mount(int fd)
{
    struct statx status;

    return statx(fd, "", AT_EMPTY_PATH, 0, &status) == 0 && (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static int empty(struct top *top, int fd, int depth);

/* Opens a directory that its maker may have barred to us. */
static int open_inner(int fd, const char *name)
{
    int inner = openat(fd, name, OPEN_DIRECTORY);

    if (inner < 0 && errno == EACCES && fchmodat(fd, name, 0700, AT_SYMLINK_NOFOLLOW) == 0)
        return openat(fd, name, OPEN_DIRECTORY);
    if (inner < 0 && errno == EPERM) /* of fchmodat: another user's, who barred it */
        errno = EACCES;
    return inner;
}

static bool is_mount_at(int fd, const char *name)
{
    int inner = open_inner(fd, name);
    bool mounted = inner >= 0 && is_mount(inner);

    if (inner >= 0)
        close(inner);
    return mounted;
}

/* Moves a directory that lies too deep up, where it is found and emptied in its turn. Returns 0 or an errno. */
static int entry_move_up(struct top *top, int fd, const char *name)
{
    char moved[32];

    if (is_mount_at(fd, name))
        return EBUSY;
    do {
        snprintf(moved, sizeof moved, ".deep.%u", top->moved++);
    } while (faccessat(top->fd, moved, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
    if (renameat(fd, name, top->fd, moved) < 0)
        return errno;
    top->remaining--;
    return 0;
}

/* Empties and removes the directory `name` of `fd`. Returns 0 or the errno of the first failure. */
static int remove_inner(struct top *top, int fd, const char *name, int depth)
{
    int inner;
    int failure;

    if (depth == DEEPEST)
        return entry_move_up(top, fd, name);
    inner = open_inner(fd, name);
    if (inner < 0)
        return errno;
    failure = is_mount(inner) ? EBUSY : empty(top, inner, depth + 1);
    close(inner);
    if (failure != 0 || top->remaining == 0)
        return failure;
    top->remaining--;
    return unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : errno;
}

static int remove_entry(struct top *top, int fd, const char *name, int depth)
{
    if (unlinkat(fd, name, 0) == 0) {
        top->remaining--;
        return 0;
    }
    if (errno == ENOENT)
        return 0;
    return errno == EISDIR ? remove_inner(top, fd, name, depth) : errno;
}

/* Returns 0 or the errno of the first failure. */
static int empty(struct top *top, int fd, int depth)
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
    while (errno = 0, top->remaining > 0 && (entry = readdir(entries)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        bool itself = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        int failed = itself ? 0 : remove_entry(top, fd, entry->d_name, depth);

        if (failure == 0)
            failure = failed;
    }
    if (failure == 0)
        failure = errno;
    closedir(entries);
    return failure;
}

bool gantry_dir_is_empty(int fd)
{
    int listed = openat(fd, ".", OPEN_DIRECTORY);
    DIR *entries = listed >= 0 ? fdopendir(listed) : NULL;
    const struct dirent *entry;
    bool found = false;

    if (entries == NULL) {
        if (listed >= 0)
            close(listed);
        return false;
    }
    while (errno = 0, !found && (entry = readdir(entries)) != NULL) /* NOLINT(concurrency-mt-unsafe): as above */
        found = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    found = found || errno != 0;
    closedir(entries);
    return !found;
}

bool gantry_empty_dir_in_part(int fd, unsigned most)
{
    struct top top = {.fd = fd, .remaining = most};

    empty(&top, fd, 0);
    return top.remaining == 0 || top.moved > 0;
}

int gantry_empty_dir(int fd, const char *path, struct gantry_error *err)
{
    struct top top = {.fd = fd, .remaining = UINT_MAX};
    unsigned moved;
    int failure;

    /* What was moved up came after its directory was read, and is met in the next round. */
    do {
        moved = top.moved;
        failure = empty(&top, fd, 0);
    } while (failure == 0 && top.moved > moved && top.moved < MOST_MOVED);
    if (failure == 0)
        return 0;
    if (failure == EBUSY)
        return gantry_fail(err, "SOCKET_DIR_FAILED",
                           "empty directory %s: something is mounted in it; unmount that and try again", path);
    return gantry_fail_errno(err, failure, "SOCKET_DIR_FAILED",
                             "empty directory %s, which its owner or root may have to remove by hand", path);
}
