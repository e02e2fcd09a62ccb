/* SPDX-License-Identifier: Apache-2.0 */
#include "core/files/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Some file systems keep folders by themselves, and say that they cannot be told to. */
static int sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash != NULL ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int fd = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int result = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL) ? 0 : -1;
    int reason = errno;

    if (fd >= 0)
        close(fd);
    free(folder);
    errno = reason;
    return result;
}

int gantry_durable_give(const char *path, const struct gantry_durable_owner *owner, struct gantry_error *err)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int result = -1;

    /* The owner first: changing it takes mode bits away. */
    if (fd >= 0 && fchown(fd, owner->user, owner->group) == 0 && fchmod(fd, owner->mode) == 0)
        result = fsync(fd);
    if (result < 0)
        gantry_fail_errno(err, errno, "WRITE_FAILED", "give %s its owner and mode", path);
    if (fd >= 0)
        close(fd);
    return result;
}

int gantry_durable_link(const char *from, const char *to, struct gantry_error *err)
{
    if (link(from, to) < 0 || sync_folder_of(to) < 0)
        return gantry_fail_errno(err, errno, "WRITE_FAILED", "give %s the name %s as well", from, to);
    return 0;
}

static bool is_same_file(const char *one, const char *other)
{
    struct stat first;
    struct stat second;

    return lstat(one, &first) == 0 && lstat(other, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

int gantry_durable_rename(const char *from, const char *to, struct gantry_error *err)
{
    /* The system leaves both names of one file as they are. */
    int result = is_same_file(from, to) ? unlink(from) : rename(from, to);

    if (result < 0 || sync_folder_of(to) < 0)
        return gantry_fail_errno(err, errno, "WRITE_FAILED", "move %s to %s", from, to);
    return 0;
}
