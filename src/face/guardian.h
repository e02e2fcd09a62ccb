/* SPDX-License-Identifier: Apache-2.0
 *
 * guardian.h: processes that take away container and socket directory when the process that the host holds has ended,
 * whichever way. There are two of them, since one may be killed in the same moment; the face replaces one that is gone.
 *
 * A guardian has a session of its own and none of the host's descriptors. It waits for two things only, without memory
 * or libraries of its own; what has to be asked of the engine is done by a process that lives no longer than that. */
#ifndef GANTRY_GUARDIAN_H
#define GANTRY_GUARDIAN_H

#include "face/record.h"

struct gantry_guardian {
    pid_t pid;
    int pidfd; /* readable once it has ended */
};

/* Makes a guardian of the process that `face` is a pidfd of. Fails with SPAWN_FAILED. */
int gantry_guardian_start(struct gantry_guardian *guardian, struct gantry_record *record, int face,
                          struct gantry_error *err);

/* Reaps a guardian that has ended; false while it lives. */
bool gantry_guardian_ended(struct gantry_guardian *guardian);

#endif
