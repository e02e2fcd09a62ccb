/* SPDX-License-Identifier: Apache-2.0
 *
 * files.c: files that outlive the process. */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_one(const char *path, mode_t mode)
{
    struct stat status;

    if (mkdir(path, mode) == 0)
        return 0;
    if (errno != EEXIST || stat(path, &status) < 0)
        return -1;
    if (S_ISDIR(status.st_mode))
        return 0;
    errno = ENOTDIR;
    return -1;
}

int gantry_files_make_directory(const char *path, mode_t mode, struct gantry_error *err)
{
    char part[PATH_MAX];

    if (strlen(path) >= sizeof part)
        return gantry_fail(err, "DIRECTORY_FAILED", "make directory %.100s...: the path is too long", path);
    for (const char *end = strchr(path + 1, '/'); end != NULL; end = strchr(end + 1, '/')) {
        memcpy(part, path, (size_t)(end - path));
        part[end - path] = '\0';
        if (make_one(part, mode) < 0)
            return gantry_fail_errno(err, errno, "DIRECTORY_FAILED", "make directory %s", part);
    }
    if (make_one(path, mode) < 0)
        return gantry_fail_errno(err, errno, "DIRECTORY_FAILED", "make directory %s", path);
    return 0;
}

int gantry_files_list(const char *path, gantry_files_entry_fn *callback, void *data, struct gantry_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    if (entries == NULL) {
        gantry_fail_errno(err, errno, "DIRECTORY_FAILED", "list directory %s", path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    while ((entry = readdir(entries)) != NULL) /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            callback(data, entry->d_name);
    closedir(entries);
    return 0;
}

static int write_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t taken = write(fd, bytes, count);

        if (taken < 0 && errno != EINTR)
            return -1;
        if (taken > 0) {
            bytes += taken;
            count -= (size_t)taken;
        }
    }
    return 0;
}

/* Writes a file beside the one to be replaced. */
static int write_beside(const char *beside, const char *bytes, size_t count, mode_t mode)
{
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    int failure;

    if (fd < 0)
        return -1;
    if (write_all(fd, bytes, count) == 0 && fchmod(fd, mode) == 0)
        return close(fd);
    failure = errno;
    close(fd);
    errno = failure;
    return -1;
}

int gantry_files_replace(const char *path, const char *bytes, size_t count, mode_t mode, struct gantry_error *err)
{
    char *beside;

    if (asprintf(&beside, "%s.new", path) < 0)
        return gantry_fail(err, "OUT_OF_MEMORY", "write %s: out of memory", path);
    if (write_beside(beside, bytes, count, mode) < 0 || rename(beside, path) < 0) {
        gantry_fail_errno(err, errno, "WRITE_FAILED", "write %s", path);
        unlink(beside);
        free(beside);
        return -1;
    }
    free(beside);
    return 0;
}

int gantry_files_lock(const char *path, int *fd, struct gantry_error *err)
{
    int locked = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (locked < 0 && (errno == ENOTDIR || errno == ENOENT))
        locked = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (locked < 0 && errno == EROFS) /* one that is there is locked all the same */
        locked = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (locked < 0)
        return gantry_fail_errno(err, errno, "LOCK_FAILED", "open %s", path);
    if (flock(locked, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            gantry_fail(err, "LOCK_BUSY", "lock %s: another process holds it", path);
        else
            gantry_fail_errno(err, errno, "LOCK_FAILED", "lock %s", path);
        close(locked);
        return -1;
    }
    *fd = locked;
    return 0;
}
