/* SPDX-License-Identifier: Apache-2.0
 *
 * confine.h: walls around a process that reads an archive which anybody may have made. There is no way back. */
#ifndef GANTRY_UNPACK_CONFINE_H
#define GANTRY_UNPACK_CONFINE_H

#include "core/base/error.h"

/* Ends this process with `parent`, the one that started it. Fails with CONFINEMENT_FAILED, also where that is gone. */
int gantry_unpack_tie(int parent, struct gantry_error *err);

/* From now on this process makes files below the directory behind `root` alone (nowhere where that is -1), with the
 * system calls that this takes and as root with the capabilities that it takes; its memory is bounded. The more of it
 * the kernel can do the better; what it cannot is left out, but for what is root's.
 * Fails with CONFINEMENT_FAILED. */
int gantry_unpack_confine(int root, struct gantry_error *err);

#endif
