/* SPDX-License-Identifier: Apache-2.0
 *
 * store_place.h: the place of one image in a store: STORE/images/DIGITS with its lock and, once it is unpacked, its
 * root. Whoever holds the lock alone makes the root or takes it away; whoever runs a container of it holds it with
 * others. The kernel gives it back with the process. */
#ifndef GANTRY_STORE_PLACE_H
#define GANTRY_STORE_PLACE_H

#include "core/base/error.h"

#include <stdbool.h>

struct gantry_store_place {
    int directory; /* STORE/images/DIGITS */
    int lock;      /* open and locked */
};

/* Takes the place of an image, which is made where it is missing, waiting for whoever has it; calls `waits` before it
 * does. An image that is unpacked already is held with whoever runs a container of it: nobody waits for those to end.
 * Close it with gantry_store_place_close. Fails with STORE_FAILED or STORE_FULL. */
int gantry_store_place_take(const char *store, const char *digits, void (*waits)(void),
                            struct gantry_store_place *place, struct gantry_error *err);

/* As above, of a place that is there, and without waiting. Fails with NOT_FOUND, or with IN_USE where somebody has the
 * lock. */
int gantry_store_place_try(const char *store, const char *digits, struct gantry_store_place *place,
                           struct gantry_error *err);

void gantry_store_place_close(struct gantry_store_place *place);

/* Whether the image is unpacked there. */
bool gantry_store_place_is_full(const struct gantry_store_place *place);

/* Fails with STORE_NOEXEC where programs that lie in the store cannot be executed. */
int gantry_store_check(const char *store, struct gantry_error *err);

#endif
