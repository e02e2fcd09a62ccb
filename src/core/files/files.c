/* SPDX-License-Identifier: Apache-2.0
 *
 * files.c: files that outlive the process. */
#include "core/files/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int unsafe(const char *part, const char *reason, struct gantry_error *err)
{
    return gantry_fail(err, "DIRECTORY_UNSAFE", "directory %s %s; name one that is yours alone", part, reason);
}

static bool is_trusted(uid_t user)
{
    return user == 0 || user == geteuid();
}

/* Whether nobody but the caller and root can put something else in the place of what is below `part`. */
static int check_above(const char *part, const struct stat *status, struct gantry_error *err)
{
    if (!is_trusted(status->st_uid))
        return unsafe(part, "belongs to another user, who could put anything in the place of what is in it", err);
    if ((status->st_mode & S_IWOTH) != 0 && (status->st_mode & S_ISVTX) == 0)
        return unsafe(part, "may be written to by everybody", err);
    return 0;
}

static int check_last(const char *path, const struct stat *status, struct gantry_error *err)
{
    if (status->st_uid != geteuid())
        return unsafe(path, "belongs to another user", err);
    if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return unsafe(path, "may be written to by others (chmod go-w)", err);
    return 0;
}

/* What a part of a path is, and whether it leads there on the word of somebody who is trusted. Fails with
 * DIRECTORY_FAILED, for `reason` where that is not 0, or DIRECTORY_UNSAFE. */
static int look_at(const char *part, int reason, struct stat *status, struct gantry_error *err)
{
    struct stat link;

    if (lstat(part, &link) < 0 || stat(part, status) < 0)
        return gantry_fail_errno(err, reason != 0 ? reason : errno, "DIRECTORY_FAILED", "make directory %s", part);
    if (S_ISLNK(link.st_mode) && !is_trusted(link.st_uid))
        return unsafe(part, "is a symlink of another user's, which could lead anywhere", err);
    return 0;
}

/* Makes one part of a path where it is missing, and looks at who could change what it is. */
static int make_one(const char *part, mode_t mode, bool last, struct gantry_error *err)
{
    struct stat status = {0};
    /* One that is there may be reported as what else stands in the way of making it. */
    int failure = mkdir(part, mode) < 0 ? errno : 0;

    if (look_at(part, failure, &status, err) < 0)
        return -1;
    if (!S_ISDIR(status.st_mode))
        return gantry_fail_errno(err, ENOTDIR, "DIRECTORY_FAILED", "make directory %s", part);
    return last ? check_last(part, &status, err) : check_above(part, &status, err);
}

/* Copies the next part above the whole of a path of `size` bytes; `*end` is where the one before ended, at first 0.
 * False where there is none any more. */
static bool next_part(const char *path, size_t size, size_t *end, char part[PATH_MAX])
{
    for (size_t at = *end + 1; at < size; at++) {
        if (path[at] == '/' && path[at - 1] != '/') {
            memcpy(part, path, at);
            part[at] = '\0';
            *end = at;
            return true;
        }
    }
    return false;
}

int gantry_files_make_directory(const char *path, mode_t mode, struct gantry_error *err)
{
    char part[PATH_MAX];
    size_t size = strlen(path);
    size_t end = 0;

    while (size > 1 && path[size - 1] == '/')
        size--;
    if (size == 0)
        return gantry_fail(err, "DIRECTORY_FAILED", "make a directory: its path is empty; name one");
    if (size >= sizeof part)
        return gantry_fail(err, "DIRECTORY_FAILED", "make directory %.100s...: the path is too long", path);
    while (next_part(path, size, &end, part))
        if (make_one(part, mode, false, err) < 0)
            return -1;
    memcpy(part, path, size);
    part[size] = '\0';
    return make_one(part, mode, true, err);
}

int gantry_files_check_above(const char *path, struct gantry_error *err)
{
    char part[PATH_MAX];
    size_t size = strnlen(path, sizeof part - 1);
    size_t end = 0;
    struct stat status = {0};

    while (next_part(path, size, &end, part)) {
        if (look_at(part, 0, &status, err) < 0)
            return strcmp(err->code, "DIRECTORY_FAILED") == 0 ? 0 : -1; /* missing: no fault here */
        if (check_above(part, &status, err) < 0)
            return -1;
    }
    return 0;
}

int gantry_files_open(const char *path, int flags, int *fd, struct stat *status, struct gantry_error *err)
{
    int opened = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);

    if (opened < 0)
        return gantry_fail_errno(err, errno, "READ_FAILED", "read %s", path);
    if (fstat(opened, status) < 0) {
        gantry_fail_errno(err, errno, "READ_FAILED", "look at %s", path);
        close(opened);
        return -1;
    }
    *fd = opened;
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
    while (errno = 0, (entry = readdir(entries)) != NULL) /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            callback(data, entry->d_name);
    if (errno != 0) {
        gantry_fail_errno(err, errno, "DIRECTORY_FAILED", "list directory %s", path);
        closedir(entries);
        return -1;
    }
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

/* Gives a file without a name one that nothing has. */
static int name_file(int fd, const char *path)
{
    char *unnamed;
    int named;

    if (asprintf(&unnamed, "/proc/self/fd/%d", fd) < 0)
        return -1;
    named = linkat(AT_FDCWD, unnamed, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
    free(unnamed);
    return named;
}

/* On file systems that have no files without names: whoever kills the process in between leaves a part of one. */
static int create_in_place(const char *path, const char *bytes, size_t count, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    int failure;

    if (fd < 0)
        return -1;
    if (write_all(fd, bytes, count) == 0)
        return close(fd);
    failure = errno;
    close(fd);
    unlink(path);
    errno = failure;
    return -1;
}

static int create(const char *path, const char *bytes, size_t count, mode_t mode)
{
    char *copy = strdup(path);
    int fd = copy != NULL ? open(dirname(copy), O_TMPFILE | O_WRONLY | O_CLOEXEC, mode) : -1;
    int made, failure = errno;

    free(copy);
    if (fd < 0 && (failure == EOPNOTSUPP || failure == EISDIR))
        return create_in_place(path, bytes, count, mode);
    errno = failure;
    if (fd < 0)
        return -1;
    made = write_all(fd, bytes, count) == 0 ? name_file(fd, path) : -1;
    failure = errno;
    close(fd);
    errno = failure;
    return made;
}

int gantry_files_create(const char *path, const char *bytes, size_t count, mode_t mode, struct gantry_error *err)
{
    if (create(path, bytes, count, mode) == 0)
        return 0;
    if (errno == EEXIST)
        return gantry_fail(err, "FILE_EXISTS", "write %s: it is there already", path);
    return gantry_fail_errno(err, errno, "WRITE_FAILED", "write %s", path);
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
