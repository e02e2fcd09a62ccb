/* SPDX-License-Identifier: Apache-2.0
 *
 * libssl.c: OpenSSL 3, loaded on first use. The table of pointers is the one thing here that a process has once: the
 * libraries themselves are. */
#include "libssl.h"

#include "library.h"

#define PACKAGE "OpenSSL 3 (libssl3)"

#define SYMBOL(name) {#name, offsetof(struct gantry_libssl, name)},
static const struct gantry_library_symbol crypto_symbols[] = {GANTRY_LIBCRYPTO_FUNCTIONS(SYMBOL)};
static const struct gantry_library_symbol ssl_symbols[] = {GANTRY_LIBSSL_FUNCTIONS(SYMBOL)};
#undef SYMBOL

static const struct gantry_library libraries[] = {
    {"libcrypto.so.3", PACKAGE, crypto_symbols, sizeof crypto_symbols / sizeof *crypto_symbols},
    {"libssl.so.3", PACKAGE, ssl_symbols, sizeof ssl_symbols / sizeof *ssl_symbols},
};

const struct gantry_libssl *gantry_libssl(struct gantry_error *err)
{
    static struct gantry_library_state state = {.lock = PTHREAD_MUTEX_INITIALIZER};
    static struct gantry_libssl table;

    return gantry_library_load(libraries, 2, &state, &table, NULL, err) == 0 ? &table : NULL;
}

const char *gantry_libssl_reason(const struct gantry_libssl *lib)
{
    unsigned long error = lib->ERR_peek_last_error();
    const char *reason = error != 0 ? lib->ERR_reason_error_string(error) : NULL;

    return reason != NULL ? reason : "no reason given";
}
