/* SPDX-License-Identifier: Apache-2.0
 *
 * own_program.h: where the programs that came with gantry are, seen from the library that this is part of: a host that
 * has gantry in it need not have its executable. */
#ifndef GANTRY_OWN_PROGRAM_H
#define GANTRY_OWN_PROGRAM_H

#include "core/base/error.h"

#include <limits.h>

/* Finds a program such as "gantry-monitor": beside the library, where installing puts it, or in the folder of a build.
 * Stores its absolute path and returns 0. Fails with PROGRAM_MISSING. */
GANTRY_API int gantry_own_program(const char *name, char path[PATH_MAX], struct gantry_error *err);

#endif
