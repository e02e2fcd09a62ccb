/* SPDX-License-Identifier: Apache-2.0 */
#include "core/system/system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdlib.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/vfs.h>
#include <unistd.h>

int gantry_system_stat(const char *path, struct stat *status, struct gantry_error *err)
{
    if (stat(path, status) < 0)
        return gantry_fail_errno(err, errno, "STAT_FAILED", "look at %s", path);
    return 0;
}

int gantry_system_real_path(const char *path, char resolved[PATH_MAX], struct gantry_error *err)
{
    if (realpath(path, resolved) == NULL)
        return gantry_fail_errno(err, errno, "PATH_UNRESOLVED", "resolve %s", path);
    return 0;
}

int gantry_system_current_directory(char path[PATH_MAX], struct gantry_error *err)
{
    if (getcwd(path, PATH_MAX) == NULL)
        return gantry_fail_errno(err, errno, "PATH_UNRESOLVED", "find the current directory");
    return 0;
}

bool gantry_system_may_access(const char *path, int mode)
{
    return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0;
}

bool gantry_system_in_memory(const char *path)
{
    struct statfs status;

    return statfs(path, &status) == 0 && (status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC);
}

void gantry_system_hostname(char name[GANTRY_SYSTEM_HOSTNAME_SIZE])
{
    name[0] = '\0';
    gethostname(name, GANTRY_SYSTEM_HOSTNAME_SIZE);
    name[GANTRY_SYSTEM_HOSTNAME_SIZE - 1] = '\0';
}

uint64_t gantry_system_memory(void)
{
    struct sysinfo info;

    return sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 0;
}

bool gantry_system_random(size_t count, char text[2 * GANTRY_SYSTEM_RANDOM_SIZE + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[GANTRY_SYSTEM_RANDOM_SIZE];

    if (getrandom(bytes, count, 0) != (ssize_t)count)
        return false;
    for (size_t i = 0; i < count; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * count] = '\0';
    return true;
}

void gantry_system_trim_memory(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
