/* SPDX-License-Identifier: Apache-2.0
 *
 * in_root.c: files of an unpacked image, as its own processes find them. */
#include "core/files/in_root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How often the kernel is asked again: it gives up where something is renamed on the way. */
#define TRIES 16

#define ABOVE_MODE 0755
#define NAME_SIZE 4096

/* Of Linux 5.6; the C library has no function for it. */
static int open_in_root(const char *root, const char *path, int flags)
{
    struct open_how how = {
        .flags = (unsigned)(flags | O_CLOEXEC),
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = -1;
    int reason;

    if (folder < 0)
        return -1;
    for (int i = 0; i < TRIES; i++) {
        fd = (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN)
            break;
    }
    reason = errno;
    close(folder);
    errno = reason;
    return fd;
}

/* Gives the descriptor of what was opened, and what it is; fails where `fd` is none. */
static int look_at_opened(int fd, struct stat *status)
{
    int reason;

    if (fd < 0 || fstat(fd, status) == 0)
        return fd;
    reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

int gantry_in_root_open(const char *root, const char *path, int *fd, struct stat *status, struct gantry_error *err)
{
    int opened = look_at_opened(open_in_root(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY), status);

    if (opened < 0)
        return gantry_fail_errno(err, errno, "READ_FAILED", "read %s of the file system %s", path, root);
    *fd = opened;
    return 0;
}

int gantry_in_root_stat(const char *root, const char *path, struct stat *status, struct gantry_error *err)
{
    int opened = look_at_opened(open_in_root(root, path, O_PATH), status);

    if (opened < 0)
        return gantry_fail_errno(err, errno, "STAT_FAILED", "look at %s of the file system %s", path, root);
    close(opened);
    return 0;
}

/* Gives what was just made its mode, and closes it. */
static int finish_making(int fd, mode_t mode)
{
    int error = fd < 0 || fchmod(fd, mode) < 0 ? errno : 0;

    if (fd >= 0)
        close(fd);
    errno = error;
    return error == 0 ? 0 : -1;
}

static int make_directory_in(int folder, const char *name, mode_t mode)
{
    if (mkdirat(folder, name, 0700) < 0)
        return -1;
    return finish_making(openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), mode);
}

static int make_file_in(int folder, const char *name, mode_t mode)
{
    return finish_making(openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), mode);
}

/* Makes what a path without a slash at its end names, in the directory that its front part leads to. */
static int make_last(const char *root, char *path, bool is_file, mode_t mode)
{
    char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    int folder;
    int result;

    if (slash != NULL)
        *slash = '\0';
    folder = open_in_root(root, slash != NULL && *path != '\0' ? path : ".", O_PATH | O_DIRECTORY);
    if (slash != NULL)
        *slash = '/';
    if (folder < 0)
        return -1;
    result = is_file ? make_file_in(folder, name, mode) : make_directory_in(folder, name, mode);
    close(folder);
    return result;
}

/* Makes one part of the way, if nothing is there. Returns 1 where it was made. */
static int make_part(const char *root, char *path, bool is_file, mode_t mode)
{
    int fd = open_in_root(root, path, O_PATH);

    if (fd >= 0)
        return close(fd);
    if (errno != ENOENT)
        return -1;
    return make_last(root, path, is_file, mode) < 0 ? -1 : 1;
}

static bool has_parent_part(const char *path)
{
    for (const char *at = strstr(path, ".."); at != NULL; at = strstr(at + 1, ".."))
        if ((at == path || at[-1] == '/') && (at[2] == '/' || at[2] == '\0'))
            return true;
    return false;
}

/* Copies a path without a slash at either end. False where it has no room. */
static bool copy_plain(const char *path, char plain[NAME_SIZE])
{
    size_t size;

    while (*path == '/')
        path++;
    size = strlen(path);
    while (size > 0 && path[size - 1] == '/')
        size--;
    if (size >= NAME_SIZE)
        return false;
    memcpy(plain, path, size);
    plain[size] = '\0';
    return true;
}

static int make_all(const char *root, char *path, bool is_file, mode_t mode)
{
    for (char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        int made;

        *slash = '\0';
        made = make_part(root, path, false, ABOVE_MODE);
        *slash = '/';
        if (made < 0)
            return -1;
    }
    return *path == '\0' ? 0 : make_part(root, path, is_file, mode);
}

int gantry_in_root_make(const char *root, const char *path, bool is_file, mode_t mode, struct gantry_error *err)
{
    char plain[NAME_SIZE];
    int made;

    if (has_parent_part(path) || !copy_plain(path, plain))
        return gantry_fail(err, "DIRECTORY_FAILED", "make mount point %s: the path has \"..\" in it, or is too long",
                           path);
    made = make_all(root, plain, is_file, mode);
    if (made < 0)
        return gantry_fail_errno(err, errno, "DIRECTORY_FAILED", "make mount point %s in the file system %s", path,
                                 root);
    return made;
}
