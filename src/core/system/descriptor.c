/* SPDX-License-Identifier: Apache-2.0 */
#include "core/system/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

void gantry_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

bool gantry_descriptor_is_writable(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLOUT};

    return poll(&entry, 1, 0) == 1 && (entry.revents & POLLOUT) != 0;
}

ssize_t gantry_descriptor_write(int fd, const char *bytes, size_t count, struct gantry_error *err)
{
    ssize_t taken;

    if (count > GANTRY_DESCRIPTOR_WRITE_SIZE)
        count = GANTRY_DESCRIPTOR_WRITE_SIZE;
    do {
        taken = write(fd, bytes, count);
    } while (taken < 0 && errno == EINTR);
    if (taken < 0)
        gantry_fail_errno(err, errno, "WRITE_FAILED", "write to descriptor %d", fd);
    return taken;
}

int gantry_descriptor_pair(int ends[2], struct gantry_error *err)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return gantry_fail_errno(err, errno, "WRITE_FAILED", "make a pair of sockets");
    return 0;
}

int gantry_descriptor_pipe(int ends[2], struct gantry_error *err)
{
    if (pipe2(ends, O_CLOEXEC) < 0)
        return gantry_fail_errno(err, errno, "READ_FAILED", "make a pipe");
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return 0;
}

ssize_t gantry_descriptor_read(int fd, char *bytes, size_t size, struct gantry_error *err)
{
    ssize_t got;

    do {
        got = read(fd, bytes, size);
    } while (got < 0 && errno == EINTR);
    if (got >= 0)
        return got;
    return errno == EAGAIN ? -2 : gantry_fail_errno(err, errno, "READ_FAILED", "read from descriptor %d", fd);
}

int gantry_descriptor_process(pid_t pid, struct gantry_error *err)
{
    int fd = pidfd_open(pid, 0);

    return fd >= 0 ? fd : gantry_fail_errno(err, errno, "NO_PROCESS", "watch process %ld", (long)pid);
}
