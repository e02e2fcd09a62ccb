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

bool gantry_module_is_of(const struct gantry_module *module, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat file;
    bool same;

    if (fd < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM;
    same = fstat(fd, &file) == 0 && file.st_size == (off_t)module->text_size && text_is(fd, module);
    close(fd);
    return same;
}
