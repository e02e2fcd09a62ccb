/* SPDX-License-Identifier: Apache-2.0 */
#include "bytecode/bytecode.h"

#include "bytecode/text_hash.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 65536

static int compare_names(const void *name, const void *module)
{
    return strcmp(name, ((const struct gantry_module *)module)->name);
}

const struct gantry_module *gantry_module_find(const char *name)
{
    return bsearch(name, gantry_compiled, gantry_compiled_count, sizeof *gantry_compiled, compare_names);
}

bool gantry_executable_is_replaced(void)
{
    static const char deleted[] = " (deleted)";
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    const ssize_t mark = sizeof deleted - 1;

    return length > mark && memcmp(path + length - mark, deleted, (size_t)mark) == 0;
}

static bool text_is(int fd, const struct gantry_module *module)
{
    char piece[PIECE];
    uint64_t hash = 0;
    size_t left = module->text_size;

    while (left > 0) {
        size_t wanted = left < sizeof piece ? left : sizeof piece;

        if (read(fd, piece, wanted) != (ssize_t)wanted)
            return false;
        hash = gantry_text_hash(hash, piece, wanted);
        left -= wanted;
    }
    return hash == module->text_hash;
}

/* When the executable came to be, from the texts that there were; the time of a change, which nobody can set back. */
static struct timespec time_of_executable(void)
{
    static struct timespec linked;
    struct stat file;

    if (linked.tv_sec == 0 && stat("/proc/self/exe", &file) == 0)
        linked = file.st_ctim;
    return linked;
}

static bool is_older(const struct stat *file, struct timespec than)
{
    return file->st_ctim.tv_sec < than.tv_sec ||
           (file->st_ctim.tv_sec == than.tv_sec && file->st_ctim.tv_nsec < than.tv_nsec);
}

bool gantry_module_is_of(const struct gantry_module *module, const char *path)
{
    struct stat file;
    int fd;
    bool same;

    if (stat(path, &file) < 0 || file.st_size != (off_t)module->text_size)
        return false;
    if (is_older(&file, time_of_executable()))
        return true;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM;
    same = text_is(fd, module);
    close(fd);
    return same;
}
