/* SPDX-License-Identifier: Apache-2.0
 *
 * durable.h: steps by which a file gets into another's place, each of which is on the disk before the next begins: a
 * crash at any time, of the process or of the machine, leaves what the steps before it made. */
#ifndef GANTRY_DURABLE_H
#define GANTRY_DURABLE_H

#include "core/base/error.h"

#include <stddef.h>
#include <sys/types.h>

struct gantry_durable_owner {
    mode_t mode;
    uid_t user;  /* -1: as it is */
    gid_t group; /* -1: as it is */
};

/* Gives a file its owner and mode, and brings it to the disk. Fails with WRITE_FAILED. */
int gantry_durable_give(const char *path, const struct gantry_durable_owner *owner, struct gantry_error *err);

/* Gives a file a second name, which must not be there. Fails with WRITE_FAILED. */
int gantry_durable_link(const char *from, const char *to, struct gantry_error *err);

/* Moves a file, in one step, to a name of the same folder, and over what is there; two names of one file become one.
 * Fails with WRITE_FAILED. */
int gantry_durable_rename(const char *from, const char *to, struct gantry_error *err);

#endif
