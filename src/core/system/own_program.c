/* SPDX-License-Identifier: Apache-2.0 */
#include "core/system/own_program.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* From the folder of the library: where it is installed, where a rock puts it, and in the folder of a build. */
static const char *const places[] = {GANTRY_PROGRAMS_INSTALLED, ".", "../../libexec/gantry"};

int gantry_own_program(const char *name, char path[PATH_MAX], struct gantry_error *err)
{
    static const char here = 0;
    char candidate[PATH_MAX];
    char library[PATH_MAX];
    Dl_info information;
    char *slash;

    if (dladdr(&here, &information) == 0 || realpath(information.dli_fname, library) == NULL)
        return gantry_fail(err, "PROGRAM_MISSING", "find %s: where gantry's own library lies is not known", name);
    slash = strrchr(library, '/');
    *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int length = snprintf(candidate, sizeof candidate, "%s/%s/%s", library, places[i], name);

        if (length < PATH_MAX && access(candidate, X_OK) == 0 && realpath(candidate, path) != NULL)
            return 0;
    }
    return gantry_fail(err, "PROGRAM_MISSING", "find %s beside %.300s; install gantry anew", name, library);
}
