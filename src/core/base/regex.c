/* SPDX-License-Identifier: Apache-2.0
 *
 * regex.c: the C library's regular expressions, in a locale of their own. */
#include "core/base/regex.h"

int gantry_regex_open(struct gantry_regex *regex, const char *pattern, struct gantry_error *err)
{
    char reason[128];
    locale_t callers;
    int failure;

    regex->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
    if (regex->locale == NULL)
        return gantry_fail(err, "REGEX_INVALID", "this machine has no locale C.UTF-8");
    callers = uselocale(regex->locale);
    failure = regcomp(&regex->compiled, pattern, REG_EXTENDED);
    uselocale(callers);
    if (failure != 0) {
        regerror(failure, &regex->compiled, reason, sizeof reason);
        freelocale(regex->locale);
        *regex = (struct gantry_regex){0};
        return gantry_fail(err, "REGEX_INVALID", "is no extended regular expression: %s", reason);
    }
    regex->open = true;
    return 0;
}

bool gantry_regex_matches(const struct gantry_regex *regex, const char *bytes, size_t length)
{
    regmatch_t range = {.rm_so = 0, .rm_eo = (regoff_t)length};
    locale_t callers = uselocale(regex->locale);
    int failure = regexec(&regex->compiled, bytes, 1, &range, REG_STARTEND);

    uselocale(callers);
    return failure == 0;
}

void gantry_regex_close(struct gantry_regex *regex)
{
    if (!regex->open)
        return;
    regfree(&regex->compiled);
    freelocale(regex->locale);
    *regex = (struct gantry_regex){0};
}
