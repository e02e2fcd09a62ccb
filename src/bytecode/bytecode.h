/* SPDX-License-Identifier: Apache-2.0
 *
 * bytecode.h: the modules that were compiled with the executable, so that no start compiles them anew. compile.c writes
 * their list, which lies in the executable, never to be freed.
 *
 * Bytecode stands for one text alone. Whoever edits a file has it run as it is: bytecode of another text is not used,
 * but by a process whose executable and files were replaced meanwhile. */
#ifndef GANTRY_BYTECODE_H
#define GANTRY_BYTECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What lua_dump writes before the chunk's name: signature, version, format, a text that transfers spoil, three sizes,
 * an integer and a float, the number of upvalues. */
#define GANTRY_BYTECODE_HEAD (4 + 1 + 1 + 6 + 3 + sizeof(int64_t) + sizeof(double) + 1)

struct gantry_module {
    const char *name; /* as for `require` */
    const char *file; /* below the folder of the Lua files */
    size_t text_size;
    uint64_t text_hash;
    size_t size;
    const char *bytecode; /* without the chunk's name, which is the path of the file wherever it lies */
};

/* In the order of names. */
extern const struct gantry_module gantry_compiled[];
extern const size_t gantry_compiled_count;

/* NULL where there is none of that name. */
const struct gantry_module *gantry_module_find(const char *name);

/* Whether the executable that runs here is no longer the one at its path, as after an upgrade. */
bool gantry_executable_is_replaced(void);

/* Whether the module was compiled from what this file holds: it is read only where it was changed after the
 * executable, as by an edit or where it was installed so; of another the size tells. False for a file that is not there
 * or cannot be read; true where this process has no descriptor left to look, since a module that is loaded late must
 * not fail for that. */
bool gantry_module_is_of(const struct gantry_module *module, const char *path);

#endif
