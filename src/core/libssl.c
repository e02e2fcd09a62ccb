/* SPDX-License-Identifier: Apache-2.0
 *
 * libssl.c: dlopen of OpenSSL 3.
 *
 * The table of pointers is the one thing here that a process has once: the libraries themselves are. A lock guards its
 * filling; after that it never changes. */
#include "libssl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define PACKAGE "libssl3" /* Debian's name, for the remedy */

struct function {
    const char *name;
    size_t offset; /* of its pointer in the table */
};

#define FUNCTION(name) {#name, offsetof(struct gantry_libssl, name)},
static const struct function ssl_functions[] = {GANTRY_LIBSSL_FUNCTIONS(FUNCTION)};
static const struct function crypto_functions[] = {GANTRY_LIBCRYPTO_FUNCTIONS(FUNCTION)};
#undef FUNCTION

static int load_functions(void *library, const char *file, const struct function *functions, size_t count,
                          struct gantry_libssl *table, struct gantry_error *err)
{
    for (size_t i = 0; i < count; i++) {
        void *symbol = dlsym(library, functions[i].name);

        if (symbol == NULL)
            return gantry_fail(err, "LIBRARY_MISSING", "load %s: it has no function %s; install OpenSSL 3 (%s)", file,
                               functions[i].name, PACKAGE);
        memcpy((char *)table + functions[i].offset, &symbol, sizeof symbol);
    }
    return 0;
}

static int load_library(const char *file, const struct function *functions, size_t count, struct gantry_libssl *table,
                        struct gantry_error *err)
{
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);

    if (library == NULL) {
        /* dlerror's text is this thread's own in glibc, and as long as it likes in a buffer of a fixed size. */
        const char *reason = dlerror(); /* NOLINT(concurrency-mt-unsafe) */

        return gantry_fail(err, "LIBRARY_MISSING", "load %s: %s; install OpenSSL 3 (%s)", file,
                           reason != NULL ? reason : "not found", PACKAGE);
    }
    if (load_functions(library, file, functions, count, table, err) < 0) {
        dlclose(library);
        return -1;
    }
    return 0;
}

static int load_both(struct gantry_libssl *table, struct gantry_error *err)
{
    if (load_library("libcrypto.so.3", crypto_functions, sizeof crypto_functions / sizeof *crypto_functions, table,
                     err) < 0)
        return -1;
    return load_library("libssl.so.3", ssl_functions, sizeof ssl_functions / sizeof *ssl_functions, table, err);
}

const struct gantry_libssl *gantry_libssl(struct gantry_error *err)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct gantry_libssl table;
    static bool is_loaded;
    bool usable;

    pthread_mutex_lock(&lock);
    is_loaded = is_loaded || load_both(&table, err) == 0;
    usable = is_loaded;
    pthread_mutex_unlock(&lock);
    return usable ? &table : NULL;
}

const char *gantry_libssl_reason(const struct gantry_libssl *lib)
{
    unsigned long error = lib->ERR_peek_last_error();
    const char *reason = error != 0 ? lib->ERR_reason_error_string(error) : NULL;

    return reason != NULL ? reason : "no reason given";
}
