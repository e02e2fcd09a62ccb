/* SPDX-License-Identifier: Apache-2.0
 *
 * arena.h: the memory of a Lua state that does not live long. It lies in huge pages where the system has them: of all
 * that a short process does, the faults for its first use of so many small pages take the most.
 *
 * The arena owns its memory until the process ends; what it cannot hold comes from malloc. Nothing of it is for two
 * threads. */
#ifndef GANTRY_CORE_ARENA_H
#define GANTRY_CORE_ARENA_H

#include <stddef.h>

/* Blocks of up to 512 bytes in steps of 16, then powers of two up to 64 KiB. */
#define GANTRY_ARENA_CLASSES 39

struct gantry_arena {
    char *start;
    char *next; /* all from here on was never used */
    char *end;
    void *free[GANTRY_ARENA_CLASSES]; /* lists of blocks that were given back */
};

/* Makes an arena of so many bytes. Where the system has none to spare it is empty: all comes from malloc then. */
void gantry_arena_open(struct gantry_arena *arena, size_t size);

/* lua_Alloc, with the arena as its data. A block that it got before itself has from malloc may be given back to it. */
void *gantry_arena_allocate(void *data, void *block, size_t size, size_t wanted);

#endif
