/* SPDX-License-Identifier: Apache-2.0
 *
 * error.h: the one way in which the C core fails.
 *
 * A function that can fail takes `struct gantry_error *err` as its last parameter and returns a negative number. The
 * struct is held by value with a message buffer of fixed size, so that failing never needs memory. It owns nothing and
 * is untouched on success. */
#ifndef GANTRY_ERROR_H
#define GANTRY_ERROR_H

#include "core/base/api.h"

#define GANTRY_ERROR_MESSAGE_SIZE 1024

struct gantry_error {
    const char *code; /* a stable upper-case name with static lifetime, such as SOCKET_PATH_TOO_LONG */
    int os_error;     /* the errno behind it, or 0 */
    char message[GANTRY_ERROR_MESSAGE_SIZE];
};

/* Fills `err` with `code` (a string literal) and a printf-style message that names the object and the remedy.
 * Returns -1, so that a caller can write `return gantry_fail(err, ...)`. */
GANTRY_API int gantry_fail(struct gantry_error *err, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As gantry_fail, with `: <text of os_error>` appended and os_error kept. */
GANTRY_API int gantry_fail_errno(struct gantry_error *err, int os_error, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts `<context>: ` before the message of an error that is passed on. Returns -1. */
GANTRY_API int gantry_error_wrap(struct gantry_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
