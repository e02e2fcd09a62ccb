/* SPDX-License-Identifier: Apache-2.0
 *
 * process_spawn.h: the start of a child, below process.h: descriptors made, handed over, and nothing else leaked into
 * it. */
#ifndef GANTRY_PROCESS_SPAWN_H
#define GANTRY_PROCESS_SPAWN_H

#include "core/process/process.h"

/* What the parent holds of a child; the descriptors are its owner's to close. */
struct gantry_spawned {
    pid_t pid;
    int pidfd;
    int pipes[3]; /* our ends, not blocking, by the child's number; -1 where there is no pipe */
};

/* Starts a child and fills `spawned`. Fails with SPAWN_FAILED, leaving nothing behind. */
int gantry_spawn(const struct gantry_process_options *options, struct gantry_spawned *spawned,
                 struct gantry_error *err);

#endif
