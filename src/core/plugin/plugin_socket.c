/* SPDX-License-Identifier: Apache-2.0 */
#include "core/plugin/plugin_socket.h"

#include "core/system/unix_address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *kind_of(mode_t mode)
{
    if (S_ISLNK(mode))
        return "a symlink, which could lead to a socket of somebody else's";
    return S_ISDIR(mode) ? "a directory" : "no socket";
}

int gantry_plugin_socket_open(const char *path, int *fd, struct sockaddr_un *address, struct gantry_error *err)
{
    char inode[32];
    struct stat status;
    int opened;

    if (path[0] == '\0')
        return gantry_fail(err, "ADDRESS_INVALID", "connect: the path of the socket is empty");
    if (gantry_unix_address(path, address, err) < 0)
        return -1;
    opened = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (opened < 0 || fstat(opened, &status) < 0) {
        gantry_fail_errno(err, errno, "SOCKET_FAILED", "connect to %s", path);
        if (opened >= 0)
            close(opened);
        return -1;
    }
    if (!S_ISSOCK(status.st_mode)) {
        close(opened);
        return gantry_fail(err, "SOCKET_INVALID", "connect to %s: it is %s", path, kind_of(status.st_mode));
    }
    snprintf(inode, sizeof inode, "/proc/self/fd/%d", opened);
    *fd = opened;
    return gantry_unix_address(inode, address, err);
}

/* Whether `path` is directory/name. */
static bool is_entry(const char *directory, const char *path)
{
    size_t size = strlen(directory);
    const char *name;

    while (size > 0 && directory[size - 1] == '/')
        size--;
    if (size == 0 || strncmp(path, directory, size) != 0 || path[size] != '/')
        return false;
    name = path + size + 1;
    return *name != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int gantry_plugin_socket_check(const char *directory, const char *path, struct gantry_error *err)
{
    struct sockaddr_un address;
    int fd = -1;

    if (!is_entry(directory, path))
        return gantry_fail(err, "HANDSHAKE_ADDRESS", "%.128s is outside of the directory %s that is shared with it",
                           path, directory);
    if (gantry_plugin_socket_open(path, &fd, &address, err) < 0)
        return -1;
    close(fd);
    return 0;
}

int gantry_plugin_socket_dial(const char *path, pid_t *listener, struct gantry_error *err)
{
    struct sockaddr_un address;
    int fd = -1;
    int reason;

    if (gantry_plugin_socket_open(path, &fd, &address, err) < 0)
        return -1;
    reason = gantry_unix_probe(&address, listener);
    close(fd);
    if (reason != 0 && reason != EAGAIN) /* a full queue has an owner, too */
        return gantry_fail_errno(err, reason, "DIAL_FAILED", "connect to %s", path);
    return 0;
}
