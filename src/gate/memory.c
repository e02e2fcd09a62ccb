/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/memory.h"
#include "gate/request.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* In a container, its own group is the root of what is mounted there: of version 2, then of version 1. */
static const char *const files[] = {"/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"};

#define COUNT "oom_kill " /* at the beginning of a line */

static long read_kills(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[512];
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    const char *at = text;
    uint64_t kills;

    if (fd >= 0)
        close(fd);
    if (length < 0)
        return -1;
    text[length] = '\0';
    while (strncmp(at, COUNT, sizeof COUNT - 1) != 0) {
        at = strchr(at, '\n');
        if (at++ == NULL)
            return -1;
    }
    at += sizeof COUNT - 1;
    return gate_take_number(&at, &kills) ? (long)kills : -1;
}

long gate_memory_kills(void)
{
    long kills = -1;

    for (size_t i = 0; i < sizeof files / sizeof *files && kills < 0; i++)
        kills = read_kills(files[i]);
    return kills;
}
