/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl.c: libcurl, loaded on first use. The table of pointers is the one thing here that a process has once: the
 * library itself is. */
#include "libcurl.h"

#include "library.h"

static const struct gantry_library_symbol symbols[] = {
#define SYMBOL(name) {#name, offsetof(struct gantry_libcurl, name)},
    GANTRY_LIBCURL_FUNCTIONS(SYMBOL)
#undef SYMBOL
};

static const struct gantry_library library = {
    .file = "libcurl.so.4",
    .install = "libcurl4 7.88 or newer",
    .symbols = symbols,
    .symbol_count = sizeof symbols / sizeof *symbols,
};

static int begin(const void *table, struct gantry_error *err)
{
    const struct gantry_libcurl *curl = table;

    if (curl->curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        return 0;
    return gantry_fail(err, "LIBRARY_MISSING", "load %s: it could not initialise itself", library.file);
}

const struct gantry_libcurl *gantry_libcurl(struct gantry_error *err)
{
    static struct gantry_library_state state = {.lock = PTHREAD_MUTEX_INITIALIZER};
    static struct gantry_libcurl table;

    return gantry_library_load(&library, 1, &state, &table, begin, err) == 0 ? &table : NULL;
}
