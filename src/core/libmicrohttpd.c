/* SPDX-License-Identifier: Apache-2.0
 *
 * libmicrohttpd.c: libmicrohttpd, loaded on first use. The table of pointers is the one thing here that a process has
 * once: the library itself is. */
#include "libmicrohttpd.h"

#include "library.h"

static const struct gantry_library_symbol symbols[] = {
#define SYMBOL(name) {#name, offsetof(struct gantry_libmicrohttpd, name)},
    GANTRY_LIBMICROHTTPD_FUNCTIONS(SYMBOL)
#undef SYMBOL
};

static const struct gantry_library library = {
    .file = "libmicrohttpd.so.12",
    .install = "libmicrohttpd12 0.9.75 or newer",
    .symbols = symbols,
    .symbol_count = sizeof symbols / sizeof *symbols,
};

const struct gantry_libmicrohttpd *gantry_libmicrohttpd(struct gantry_error *err)
{
    static struct gantry_library_state state = {.lock = PTHREAD_MUTEX_INITIALIZER};
    static struct gantry_libmicrohttpd table;

    return gantry_library_load(&library, 1, &state, &table, NULL, err) == 0 ? &table : NULL;
}
