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

static int durable_write_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t done = write(fd, bytes, count);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        bytes += done;
        count -= (size_t)done;
    }
    return 0;
}

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

/* The owner first: changing it takes mode bits away. */
static int durable_fill(int fd, const struct gantry_durable_file *file, const char *bytes, size_t count)
{
    if (durable_write_all(fd, bytes, count) < 0 || fchown(fd, file->user, file->group) < 0 ||
        fchmod(fd, file->mode) < 0)
        return -1;
    return fsync(fd);
}

int gantry_durable_create(const struct gantry_durable_file *file, const char *bytes, size_t count,
                          struct gantry_error *err)
{
    int fd = open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int result = fd < 0 ? -1 : durable_fill(fd, file, bytes, count);

    if (result < 0) {
        gantry_fail_errno(err, errno, "WRITE_FAILED", "write %s", file->path);
        if (fd >= 0)
            unlink(file->path);
    }
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
