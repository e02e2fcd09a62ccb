/* SPDX-License-Identifier: Apache-2.0
 *
 * program.h: this executable, started anew for what has to be asked of an engine: as it is on the disk now, with the
 * Lua files that belong to it. */
#ifndef GANTRY_PROGRAM_H
#define GANTRY_PROGRAM_H

#include <limits.h>
#include <sys/types.h>

/* The path of this executable: an upgrade may have replaced it meanwhile, and its Lua files with it. Returns `path`, or
 * the way to what runs here where the path leads nowhere. */
const char *gantry_program_path(char path[PATH_MAX]);

/* Starts a process of the verb GANTRY_EXEC_RETURNER with these arguments, in a session of its own and with none of this
 * process's descriptors but a channel and `face`, a pidfd of it. Returns 0 with the other end of that channel, which is
 * the caller's, and the number of the process, which it is to reap; or -1 with both -1. */
int gantry_program_start_returner(char *const arguments[], int face, int *channel, pid_t *pid);

#endif
