/* SPDX-License-Identifier: Apache-2.0 */
#include "core/files/dir_marker.h"

#include "core/system/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *marker_of(const char *name, char marker[NAME_MAX + 1])
{
    snprintf(marker, NAME_MAX + 1, ".%s.gantry", name);
    return marker;
}

int gantry_dir_marker_write(int root, const char *name, int dir)
{
    char marker[NAME_MAX + 1];
    struct stat status;
    int failure;
    int fd;

    unlinkat(root, marker_of(name, marker), 0);
    fd = openat(root, marker, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(dir, &status) < 0 || dprintf(fd, "%ju\n", (uintmax_t)status.st_ino) < 0) {
        failure = errno;
        unlinkat(root, marker, 0);
        gantry_close(&fd);
        errno = failure;
        return -1;
    }
    close(fd);
    return 0;
}

bool gantry_dir_marker_tells(int root, const char *name, int dir)
{
    char marker[NAME_MAX + 1];
    char text[32] = "";
    struct stat file;
    struct stat status;
    int fd = openat(root, marker_of(name, marker), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool readable = fd >= 0 && fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_uid == geteuid() &&
                    read(fd, text, sizeof text - 1) > 0;

    gantry_close(&fd);
    return readable && fstat(dir, &status) == 0 && strtoull(text, NULL, 10) == status.st_ino;
}

void gantry_dir_marker_remove(int root, const char *name)
{
    char marker[NAME_MAX + 1];

    unlinkat(root, marker_of(name, marker), 0);
}
