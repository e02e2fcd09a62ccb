/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 0))) static void write_message(struct gantry_error *err, const char *format,
                                                                va_list arguments)
{
    vsnprintf(err->message, sizeof err->message, format, arguments);
}

int gantry_fail(struct gantry_error *err, const char *code, const char *format, ...)
{
    va_list arguments;

    err->code = code;
    err->os_error = 0;
    va_start(arguments, format);
    write_message(err, format, arguments);
    va_end(arguments);
    return -1;
}

int gantry_fail_errno(struct gantry_error *err, int os_error, const char *code, const char *format, ...)
{
    va_list arguments;
    char reason[128];
    size_t used;

    err->code = code;
    err->os_error = os_error;
    va_start(arguments, format);
    write_message(err, format, arguments);
    va_end(arguments);

    used = strlen(err->message);
    /* The GNU strerror_r: thread-safe, and it may return a constant instead of the buffer. */
    snprintf(err->message + used, sizeof err->message - used, ": %s", strerror_r(os_error, reason, sizeof reason));
    return -1;
}

int gantry_error_wrap(struct gantry_error *err, const char *format, ...)
{
    char inner[GANTRY_ERROR_MESSAGE_SIZE];
    va_list arguments;
    size_t used;

    memcpy(inner, err->message, sizeof inner);
    va_start(arguments, format);
    write_message(err, format, arguments);
    va_end(arguments);

    used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %s", inner);
    return -1;
}
