/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack/made_set.h"

#include <stdlib.h>

#define FIRST_ROOM 1024

/* Mixes all bits of a number into each other, as MurmurHash3 ends. */
static uint64_t made_mix(uint64_t value)
{
    value = (value ^ (value >> 33)) * 0xff51afd7ed558ccdULL;
    value = (value ^ (value >> 33)) * 0xc4ceb9fe1a85ec53ULL;
    return value ^ (value >> 33);
}

/* FNV-1a of the name, begun with the directory; never 0. */
static uint64_t hash_of(ino_t directory, const char *name)
{
    uint64_t hash = made_mix((uint64_t)directory + 0xcbf29ce484222325ULL);

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3ULL;
    hash = made_mix(hash);
    return hash != 0 ? hash : 1;
}

/* The slot that holds a hash, or the free one where it belongs. The set has room. */
static uint64_t *slot_of(uint64_t *slots, size_t room, uint64_t hash)
{
    size_t at = (size_t)hash & (room - 1);

    while (slots[at] != 0 && slots[at] != hash)
        at = (at + 1) & (room - 1);
    return &slots[at];
}

static int grow(struct gantry_made_set *set, struct gantry_error *err)
{
    size_t room = set->room > 0 ? set->room * 2 : FIRST_ROOM;
    uint64_t *slots = calloc(room, sizeof *slots);

    if (slots == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "remember the entries of a layer: out of memory");
    for (size_t i = 0; i < set->room; i++) {
        if (set->slots[i] != 0)
            *slot_of(slots, room, set->slots[i]) = set->slots[i];
    }
    free(set->slots);
    set->slots = slots;
    set->room = room;
    return 0;
}

int gantry_made_set_add(struct gantry_made_set *set, ino_t directory, const char *name, struct gantry_error *err)
{
    uint64_t hash = hash_of(directory, name);
    uint64_t *slot;

    if (set->count * 2 >= set->room && grow(set, err) < 0)
        return -1;
    slot = slot_of(set->slots, set->room, hash);
    if (*slot == 0)
        set->count++;
    *slot = hash;
    return 0;
}

bool gantry_made_set_has(const struct gantry_made_set *set, ino_t directory, const char *name)
{
    return set->room > 0 && *slot_of(set->slots, set->room, hash_of(directory, name)) != 0;
}

void gantry_made_set_clear(struct gantry_made_set *set)
{
    free(set->slots);
    *set = (struct gantry_made_set){0};
}
