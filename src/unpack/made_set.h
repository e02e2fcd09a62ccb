/* SPDX-License-Identifier: Apache-2.0
 *
 * made_set.h: which entries one layer has made: a whiteout takes away what lower layers have, never what its own has.
 * An entry is known by its directory's inode and its name, of which a hash of 64 bits is kept. */
#ifndef GANTRY_MADE_SET_H
#define GANTRY_MADE_SET_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Zeroed, it is an empty set; it owns its slots. */
struct gantry_made_set {
    uint64_t *slots; /* 0: free */
    size_t room;     /* a power of two, or 0 */
    size_t count;
};

/* Fails with OUT_OF_MEMORY. */
int gantry_made_set_add(struct gantry_made_set *set, ino_t directory, const char *name, struct gantry_error *err);

bool gantry_made_set_has(const struct gantry_made_set *set, ino_t directory, const char *name);

/* Empties the set and gives its memory back. */
void gantry_made_set_clear(struct gantry_made_set *set);

#endif
