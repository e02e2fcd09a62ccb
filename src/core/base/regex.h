/* SPDX-License-Identifier: Apache-2.0
 *
 * regex.h: a POSIX extended regular expression, as of grep -E, over texts in UTF-8 whatever the caller's locale is.
 *
 * A match can take long, or much memory, where the expression is made for that: only who typed it may wait for it. */
#ifndef GANTRY_REGEX_H
#define GANTRY_REGEX_H

#include "core/base/error.h"

#include <locale.h>
#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

/* Zeroed, it is closed. */
struct gantry_regex {
    regex_t compiled;
    locale_t locale; /* which both need: compiling and matching */
    bool open;
};

/* Compiles `pattern` into a closed regex. Fails with REGEX_INVALID, and the regex stays closed. */
GANTRY_API int gantry_regex_open(struct gantry_regex *regex, const char *pattern, struct gantry_error *err);

/* True where the pattern matches some part of the bytes, which may hold any. */
GANTRY_API bool gantry_regex_matches(const struct gantry_regex *regex, const char *bytes, size_t length);

/* May be called twice. */
GANTRY_API void gantry_regex_close(struct gantry_regex *regex);

#endif
