/* SPDX-License-Identifier: Apache-2.0
 *
 * descriptors.h: what a process that outlives the one that the host holds may keep: nothing of the host's. */
#ifndef GANTRY_DESCRIPTORS_H
#define GANTRY_DESCRIPTORS_H

#include "core/base/error.h"

/* Closes all descriptors from 3 on but these two, of which either may be -1. */
void gantry_close_all_but(int one, int other);

/* Exchanges the standard descriptors for /dev/null. */
void gantry_let_standard_go(void);

/* Leaves the caller's session, terminal and standard descriptors (for /dev/null), keeps two others, and takes a name
 * for people who list processes. */
void gantry_detach(int one, int other, const char *name);

#endif
