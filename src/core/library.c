/* SPDX-License-Identifier: Apache-2.0 */
#include "library.h"

#include <dlfcn.h>
#include <string.h>

static int fill(void *handle, const struct gantry_library *library, char *table, struct gantry_error *err)
{
    for (size_t i = 0; i < library->symbol_count; i++) {
        void *symbol = dlsym(handle, library->symbols[i].name);

        if (symbol == NULL)
            return gantry_fail(err, "LIBRARY_MISSING", "load %s: it has no %s; install %s", library->file,
                               library->symbols[i].name, library->install);
        memcpy(table + library->symbols[i].offset, &symbol, sizeof symbol);
    }
    return 0;
}

static int open_library(const struct gantry_library *library, void *table, struct gantry_error *err)
{
    void *handle = dlopen(library->file, RTLD_NOW | RTLD_LOCAL);

    if (handle == NULL) {
        const char *reason = dlerror(); /* NOLINT(concurrency-mt-unsafe): this thread's own in glibc */

        return gantry_fail(err, "LIBRARY_MISSING", "load %s: %s; install %s", library->file,
                           reason != NULL ? reason : "not found", library->install);
    }
    if (fill(handle, library, table, err) == 0)
        return 0;
    dlclose(handle);
    return -1;
}

static int open_all(const struct gantry_library *libraries, size_t count, void *table,
                    int (*begin)(const void *table, struct gantry_error *err), struct gantry_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (open_library(&libraries[i], table, err) < 0)
            return -1;
    }
    return begin != NULL ? begin(table, err) : 0;
}

int gantry_library_load(const struct gantry_library *libraries, size_t count, struct gantry_library_state *state,
                        void *table, int (*begin)(const void *table, struct gantry_error *err),
                        struct gantry_error *err)
{
    int result = 0;

    pthread_mutex_lock(&state->lock);
    if (!state->loaded) {
        result = open_all(libraries, count, table, begin, err);
        state->loaded = result == 0;
    }
    pthread_mutex_unlock(&state->lock);
    return result;
}
