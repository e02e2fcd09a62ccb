/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/install.h"
#include "core/system/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "gantry-gate"

static int write_whole(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);

        if (written < 0 && errno != EINTR)
            return errno;
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
    }
    return 0;
}

static int copy_self(int to)
{
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    char bytes[16384];
    int error = from < 0 ? errno : 0;

    while (error == 0) {
        ssize_t length = read(from, bytes, sizeof bytes);

        if (length == 0)
            break;
        error = length < 0 ? errno : write_whole(to, bytes, (size_t)length);
    }
    if (from >= 0)
        close(from);
    return error != 0 ? error : fchmod(to, 0755) < 0 ? errno : 0;
}

int gate_install(const char *folder)
{
    int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct gantry_text name = gantry_text_begin("." NAME ".");
    int error;
    int fd;

    if (directory < 0)
        return errno;
    gantry_text_digits(&name, getpid());
    unlinkat(directory, name.bytes, 0);
    fd = openat(directory, name.bytes, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0700);
    error = fd < 0 ? errno : copy_self(fd);
    if (fd >= 0 && close(fd) < 0 && error == 0)
        error = errno;
    if (error == 0 && renameat(directory, name.bytes, directory, NAME) < 0)
        error = errno;
    if (error != 0 && fd >= 0)
        unlinkat(directory, name.bytes, 0);
    close(directory);
    return error;
}
