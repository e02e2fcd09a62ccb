/* SPDX-License-Identifier: Apache-2.0
 *
 * resident.h: a `gantry up --serve-hosts` of this user, where there is one that has a container waiting for just this
 * plugin. It answers soon, or the launch is made here, as without one.
 *
 * The container is this process's from the moment that its name stands in the record: then it says so, and only then is
 * the plugin started. Before that a resident that hears nothing takes it away. */
#ifndef GANTRY_RESIDENT_H
#define GANTRY_RESIDENT_H

#include "face/record.h"

struct gantry_resident {
    int channel;  /* which tells what a launcher's does */
    int pipes[2]; /* the plugin's standard output and error, to be read */
};

/* Asks for the plugin of a policy, for a host that gave `arguments` of its own, and does not wait. Returns 0, or -1
 * where nobody can be asked. The descriptors are the caller's. */
int gantry_resident_ask(const char *policy, int arguments, struct gantry_resident *resident);

/* Takes what it answers. Returns 0 with the record filled; or -1, with nothing made, and no descriptor left. */
int gantry_resident_take(struct gantry_resident *resident, struct gantry_record *record);

#endif
