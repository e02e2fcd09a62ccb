/* SPDX-License-Identifier: Apache-2.0
 *
 * launch.h: a request becomes a process, as the engine would have started it. */
#ifndef GATE_LAUNCH_H
#define GATE_LAUNCH_H

#include "gate/request.h"

#include <signal.h>
#include <sys/types.h>

/* Why there is no plugin. `what` is one word: descriptor, directory, exec, interpreter, limit, memory, missing. */
struct gate_failure {
    char what[16];
    int error;
};

struct gate_launch {
    const struct gate_request *request;
    char *const *command; /* the gate's own */
    const int *fds;       /* that came with the request, which stay the caller's */
    int output; /* its standard output, which stays the caller's; -1: what the request says, or the gate's own */
    const sigset_t *mask; /* of signals, for the plugin */
};

/* Starts the plugin, in a session of its own; it ends with the gate. `report` gets a descriptor of the caller's, from
 * which one struct gate_failure is read where the plugin could not be executed, and nothing where it was.
 * Returns its process, or -1 with errno. */
pid_t gate_launch(const struct gate_launch *launch, int *report);

#endif
