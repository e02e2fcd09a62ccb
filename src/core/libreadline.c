/* SPDX-License-Identifier: Apache-2.0
 *
 * libreadline.c: readline, loaded on first use. The table of pointers is the one thing here that a process has once:
 * the library itself is. */
#include "libreadline.h"

#include "library.h"

static const struct gantry_library_symbol symbols[] = {
#define SYMBOL(name) {#name, offsetof(struct gantry_libreadline, name)},
    GANTRY_LIBREADLINE_NAMES(SYMBOL)
#undef SYMBOL
};

static const struct gantry_library library = {
    .file = "libreadline.so.8",
    .install = "libreadline8 8.2 or newer",
    .symbols = symbols,
    .symbol_count = sizeof symbols / sizeof *symbols,
};

const struct gantry_libreadline *gantry_libreadline(struct gantry_error *err)
{
    static struct gantry_library_state state = {.lock = PTHREAD_MUTEX_INITIALIZER};
    static struct gantry_libreadline table;

    return gantry_library_load(&library, 1, &state, &table, NULL, err) == 0 ? &table : NULL;
}
