/* SPDX-License-Identifier: Apache-2.0
 *
 * library.h: shared libraries that are loaded on first use, because loading them costs more than what most runs of a
 * process need of them. What is loaded stays for the life of the process and belongs to nobody. */
#ifndef GANTRY_LIBRARY_H
#define GANTRY_LIBRARY_H

#include "error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* A symbol of a library, and where its address goes in a table of pointers. */
struct gantry_library_symbol {
    const char *name;
    size_t offset;
};

struct gantry_library {
    const char *file;    /* such as libcurl.so.4 */
    const char *install; /* what to install, for messages */
    const struct gantry_library_symbol *symbols;
    size_t symbol_count;
};

/* What is known of a set of libraries that share a table: all zeros but for the lock, once a process. */
struct gantry_library_state {
    pthread_mutex_t lock;
    bool loaded;
};

/* Fills `table` with the addresses of all symbols of `count` libraries, unless that is done already, then calls `begin`
 * (NULL is allowed) once, which may fail. Returns 0, or -1 with LIBRARY_MISSING: a library, or a symbol in it, is not
 * there. Any thread may call it; once filled, the table never changes. */
int gantry_library_load(const struct gantry_library *libraries, size_t count, struct gantry_library_state *state,
                        void *table, int (*begin)(const void *table, struct gantry_error *err),
                        struct gantry_error *err);

#endif
