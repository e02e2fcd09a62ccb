/* SPDX-License-Identifier: Apache-2.0
 *
 * notify.c: datagrams to the service manager. */
#include "core/process/notify.h"

#include "core/system/unix_address.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int gantry_notify_send(const char *path, const char *text, struct gantry_error *err)
{
    struct sockaddr_un address;
    size_t length = strlen(path);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    ssize_t sent;
    int fd;

    if (length < 2 || (path[0] != '/' && path[0] != '@') || gantry_unix_address(path, &address, err) < 0)
        return gantry_fail(err, "NOTIFY_FAILED", "notify the service manager: %.120s is no socket's name", path);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return gantry_fail_errno(err, errno, "NOTIFY_FAILED", "notify the service manager");
    sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address, size);
    if (sent < 0)
        gantry_fail_errno(err, errno, "NOTIFY_FAILED", "notify the service manager at %s", path);
    close(fd);
    return sent < 0 ? -1 : 0;
}
