/* SPDX-License-Identifier: Apache-2.0 */
#include "core/system/unix_address.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int gantry_unix_address(const char *path, struct sockaddr_un *address, struct gantry_error *err)
{
    size_t size = strlen(path);

    if (size > GANTRY_UNIX_PATH_SIZE)
        return gantry_fail(err, "SOCKET_PATH_TOO_LONG",
                           "use socket %.300s: its path has %zu bytes, and %zu are possible; use a shorter directory",
                           path, size, GANTRY_UNIX_PATH_SIZE);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path, size);
    return 0;
}

int gantry_unix_probe(const struct sockaddr_un *address, pid_t *listener)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct ucred peer = {.pid = 0};
    socklen_t size = sizeof peer;
    int reason = 0;

    if (fd < 0)
        return errno;
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0)
        reason = errno;
    else if (listener != NULL && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        peer.pid = 0;
    if (listener != NULL)
        *listener = peer.pid;
    close(fd);
    return reason;
}
