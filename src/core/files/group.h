/* SPDX-License-Identifier: Apache-2.0
 *
 * group.h: numeric groups, so that a socket can be shared with a container.
 *
 * A container knows groups by number only, so names are resolved here, on the host. Nothing here owns anything. */
#ifndef GANTRY_GROUP_H
#define GANTRY_GROUP_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Resolves a group name or decimal number. On success stores the gid and returns 0. Fails with GROUP_NOT_FOUND when no
 * such name is known or it cannot be looked up; a number needs no entry, and is never taken for a name. */
int gantry_group_resolve(const char *name, gid_t *gid, struct gantry_error *err);

/* True when the caller could chgrp a file of its own to `gid`: root, its egid, or one of its groups. */
bool gantry_group_may_assign(gid_t gid);

/* Writes the name of a group into `name`; false where it has none, or a longer one. */
bool gantry_group_name(gid_t gid, char *name, size_t size);

#endif
