/* SPDX-License-Identifier: Apache-2.0 */
#include "core/system/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define STEP 16
#define SMALL 512
#define SMALL_CLASSES (SMALL / STEP)
#define LARGEST ((size_t)SMALL << (GANTRY_ARENA_CLASSES - SMALL_CLASSES))

void gantry_arena_open(struct gantry_arena *arena, size_t size)
{
    char *made =
        mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    *arena = (struct gantry_arena){.start = NULL};
    if (made == MAP_FAILED)
        return;
    arena->start = made + (HUGE_PAGE - (uintptr_t)made % HUGE_PAGE) % HUGE_PAGE;
    arena->next = arena->start;
    arena->end = arena->start + size;
    madvise(arena->start, size, MADV_HUGEPAGE); /* small pages do as well */
}

static bool has(const struct gantry_arena *arena, const void *block)
{
    return (uintptr_t)block - (uintptr_t)arena->start < (uintptr_t)arena->end - (uintptr_t)arena->start;
}

/* The class of blocks of a size from 1 to LARGEST, and in `full` how many bytes they have. */
static int class_of(size_t size, size_t *full)
{
    int class = SMALL_CLASSES;

    if (size <= SMALL) {
        *full = (size + STEP - 1) / STEP * STEP;
        return (int)(*full / STEP) - 1;
    }
    for (*full = (size_t)SMALL * 2; *full < size; *full *= 2)
        class ++;
    return class;
}

static void *take(struct gantry_arena *arena, size_t size)
{
    size_t full;
    int class;
    void *block;

    if (size > LARGEST)
        return malloc(size);
    class = class_of(size, &full);
    block = arena->free[class];
    if (block != NULL) {
        memcpy(&arena->free[class], block, sizeof block);
        return block;
    }
    if ((size_t)(arena->end - arena->next) < full)
        return malloc(size);
    block = arena->next;
    arena->next += full;
    return block;
}

static void give_back(struct gantry_arena *arena, void *block, size_t size)
{
    size_t full;
    int class = class_of(size, &full);

    memcpy(block, &arena->free[class], sizeof block);
    arena->free[class] = block;
}

/* Another size for a block of the arena. It stays where it is for want of memory if it is to be smaller. */
static void *resize(struct gantry_arena *arena, void *block, size_t size, size_t wanted)
{
    size_t full, wanted_full = 0;
    void *other;

    class_of(size, &full);
    if (wanted <= LARGEST)
        class_of(wanted, &wanted_full);
    if (full == wanted_full)
        return block;
    other = take(arena, wanted);
    if (other == NULL)
        return wanted < size ? block : NULL;
    memcpy(other, block, wanted < size ? wanted : size);
    give_back(arena, block, size);
    return other;
}

void *gantry_arena_allocate(void *data, void *block, size_t size, size_t wanted)
{
    struct gantry_arena *arena = data;

    if (block == NULL)
        return wanted > 0 ? take(arena, wanted) : NULL;
    if (!has(arena, block)) {
        if (wanted > 0)
            return realloc(block, wanted);
        free(block);
        return NULL;
    }
    if (wanted > 0)
        return resize(arena, block, size, wanted);
    give_back(arena, block, size);
    return NULL;
}
