/* SPDX-License-Identifier: Apache-2.0 */
#include "core/files/runtime_dir.h"

#include "core/files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

int gantry_runtime_dir_name(const char *path, char root[PATH_MAX], struct gantry_error *err)
{
    size_t size = strlen(path);

    while (size > 0 && path[size - 1] == '/')
        size--;
    if (path[0] != '/' || size == 0 || size >= PATH_MAX) {
        return gantry_fail(err, "RUNTIME_DIR_FAILED",
                           "runtime directory '%.200s' must be an absolute path to a directory of its own; set "
                           "GANTRY_RUNTIME_DIR to one",
                           path);
    }
    memcpy(root, path, size);
    root[size] = '\0';
    return 0;
}

static int root_not_opened(const char *root, struct gantry_error *err)
{
    int failure = errno;
    struct stat status;

    if ((failure == ENOTDIR || failure == ELOOP) && lstat(root, &status) == 0) {
        if (S_ISLNK(status.st_mode)) {
            return gantry_fail(err, "RUNTIME_DIR_UNSAFE",
                               "runtime directory %s is a symlink, which could lead anywhere; name the real directory "
                               "(GANTRY_RUNTIME_DIR) or remove the symlink",
                               root);
        }
        return gantry_fail(err, "RUNTIME_DIR_FAILED", "runtime directory %s is not a directory; remove what is there",
                           root);
    }
    return gantry_fail_errno(err, failure, "RUNTIME_DIR_FAILED",
                             "open runtime directory %s (GANTRY_RUNTIME_DIR names another)", root);
}

static int check_root(int fd, const char *root, struct gantry_error *err)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return gantry_fail_errno(err, errno, "RUNTIME_DIR_FAILED", "look at runtime directory %s", root);
    if (status.st_uid != geteuid()) {
        return gantry_fail(err, "RUNTIME_DIR_UNSAFE",
                           "runtime directory %s belongs to user %u, not to you (%u); set GANTRY_RUNTIME_DIR to one of "
                           "your own",
                           root, status.st_uid, geteuid());
    }
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return gantry_fail(err, "RUNTIME_DIR_UNSAFE",
                           "runtime directory %s (mode %04o) may be written to by others; chmod go-w %s", root,
                           status.st_mode & 07777, root);
    if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
        return gantry_fail_errno(err, errno, "RUNTIME_DIR_FAILED",
                                 "write to runtime directory %s (GANTRY_RUNTIME_DIR names another)", root);
    return 0;
}

int gantry_runtime_dir_open(const char *root, struct gantry_error *err)
{
    int fd = open(root, OPEN_DIRECTORY);

    if (fd < 0)
        return root_not_opened(root, err);
    if (check_root(fd, root, err) == 0)
        return fd;
    close(fd);
    return -1;
}

int gantry_runtime_dir_make(const char *path, struct gantry_error *err)
{
    char root[PATH_MAX];
    int fd;

    if (gantry_runtime_dir_name(path, root, err) < 0)
        return -1;
    if (gantry_files_check_above(root, err) < 0) {
        err->code = "RUNTIME_DIR_UNSAFE";
        return -1;
    }
    /* The mode once more, since a umask may have taken bits that the owner needs. */
    if (mkdir(root, 0700) == 0)
        fchmodat(AT_FDCWD, root, 0700, AT_SYMLINK_NOFOLLOW);
    else if (errno != EEXIST)
        return gantry_fail_errno(err, errno, "RUNTIME_DIR_FAILED",
                                 "make runtime directory %s (GANTRY_RUNTIME_DIR names another)", root);
    fd = gantry_runtime_dir_open(root, err);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}
