/* SPDX-License-Identifier: Apache-2.0
 *
 * gate.h: a gate waits, starts what it is asked for, and tells how that ended. */
#ifndef GATE_GATE_H
#define GATE_GATE_H

#include <stdbool.h>
#include <sys/types.h>

struct gate_options {
    char *const *command; /* the image's own */
    const char *socket;   /* NULL: asked over standard input */
    bool serves;          /* one plugin after the other or side by side, instead of one in its life */
    bool is_owned;        /* who asks first is its owner, with whom it ends where nothing was asked for */
    bool closes_network;
    int grace_ms; /* from SIGTERM to SIGKILL, for a plugin whose asker has gone */
    uid_t asker;  /* who may ask besides its own user and root */
};

/* Returns the status to exit with: of the plugin, where it was to start one. */
int gate_run(const struct gate_options *options);

#endif
