/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl.c: dlopen of libcurl.
 *
 * The table of pointers is the one thing here that a process has once: the library itself is. A lock guards its
 * filling; after that it never changes. */
#include "libcurl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY "libcurl.so.4"
#define PACKAGE "libcurl4" /* the name of Debian 12; a virtual one in Debian 13 */

static const struct {
    const char *name;
    size_t offset; /* of its pointer in the table */
} functions[] = {
#define FUNCTION(name) {#name, offsetof(struct gantry_libcurl, name)},
    GANTRY_LIBCURL_FUNCTIONS(FUNCTION)
#undef FUNCTION
};

static int load_functions(void *library, struct gantry_libcurl *table, struct gantry_error *err)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *symbol = dlsym(library, functions[i].name);

        if (symbol == NULL)
            return gantry_fail(err, "LIBRARY_MISSING", "load %s: it has no function %s; install libcurl 7.88 or newer",
                               LIBRARY, functions[i].name);
        memcpy((char *)table + functions[i].offset, &symbol, sizeof symbol);
    }
    if (table->curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return gantry_fail(err, "LIBRARY_MISSING", "load %s: it could not initialise itself", LIBRARY);
    return 0;
}

static int load(struct gantry_libcurl *table, struct gantry_error *err)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

    if (library == NULL) {
        const char *reason = dlerror(); /* NOLINT(concurrency-mt-unsafe): this thread's own in glibc */

        return gantry_fail(err, "LIBRARY_MISSING", "load %s: %s; install %s", LIBRARY,
                           reason != NULL ? reason : "not found", PACKAGE);
    }
    if (load_functions(library, table, err) < 0) {
        dlclose(library);
        return -1;
    }
    return 0;
}

const struct gantry_libcurl *gantry_libcurl(struct gantry_error *err)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct gantry_libcurl table;
    static bool loaded;
    bool usable;

    pthread_mutex_lock(&lock);
    if (!loaded)
        loaded = load(&table, err) == 0;
    usable = loaded;
    pthread_mutex_unlock(&lock);
    return usable ? &table : NULL;
}
