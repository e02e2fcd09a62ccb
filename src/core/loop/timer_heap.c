/* SPDX-License-Identifier: Apache-2.0 */
#include "core/loop/timer_heap.h"

#include <stdbool.h>
#include <stdlib.h>

#define FIRST_SIZE 16

static bool is_before(const struct gantry_timer_entry *a, const struct gantry_timer_entry *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->order < b->order;
}

static void place(struct gantry_timer_heap *heap, struct gantry_timer_entry entry, size_t position)
{
    heap->entries[position] = entry;
    entry.node->position = position;
}

/* Finds the place of `entry` at or above `position`, which is a hole in the heap. */
static void rise(struct gantry_timer_heap *heap, struct gantry_timer_entry entry, size_t position)
{
    while (position > 0) {
        size_t parent = (position - 1) / 2;

        if (!is_before(&entry, &heap->entries[parent]))
            break;
        place(heap, heap->entries[parent], position);
        position = parent;
    }
    place(heap, entry, position);
}

/* Finds the place of `entry` at or below `position`, which is a hole in the heap. */
static void sink(struct gantry_timer_heap *heap, struct gantry_timer_entry entry, size_t position)
{
    for (;;) {
        size_t child = 2 * position + 1;

        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && is_before(&heap->entries[child + 1], &heap->entries[child]))
            child++;
        if (!is_before(&heap->entries[child], &entry))
            break;
        place(heap, heap->entries[child], position);
        position = child;
    }
    place(heap, entry, position);
}

void gantry_timer_heap_remove(struct gantry_timer_heap *heap, struct gantry_timer_node *node)
{
    size_t hole = node->position;
    struct gantry_timer_entry last;

    if (hole == GANTRY_TIMER_NOT_SET)
        return;
    node->position = GANTRY_TIMER_NOT_SET;
    last = heap->entries[--heap->count];
    if (last.node == node)
        return;
    if (hole > 0 && is_before(&last, &heap->entries[(hole - 1) / 2]))
        rise(heap, last, hole);
    else
        sink(heap, last, hole);
}

int gantry_timer_heap_reserve(struct gantry_timer_heap *heap, size_t count)
{
    size_t size = heap->size == 0 ? FIRST_SIZE : 2 * heap->size;
    struct gantry_timer_entry *entries;

    if (count <= heap->size)
        return 0;
    if (size < count)
        size = count;
    entries = realloc(heap->entries, size * sizeof *entries);
    if (entries == NULL)
        return -1;
    heap->entries = entries;
    heap->size = size;
    return 0;
}

void gantry_timer_heap_set(struct gantry_timer_heap *heap, struct gantry_timer_node *node, int64_t deadline)
{
    struct gantry_timer_entry entry = {.deadline = deadline, .order = heap->next_order++, .node = node};

    gantry_timer_heap_remove(heap, node);
    rise(heap, entry, heap->count++);
}

int64_t gantry_timer_heap_earliest(const struct gantry_timer_heap *heap)
{
    return heap->count > 0 ? heap->entries[0].deadline : GANTRY_TIMER_NEVER;
}

struct gantry_timer_node *gantry_timer_heap_take_due(struct gantry_timer_heap *heap, int64_t now, uint64_t order)
{
    struct gantry_timer_node *node;

    if (heap->count == 0 || heap->entries[0].deadline > now || heap->entries[0].order >= order)
        return NULL;
    node = heap->entries[0].node;
    gantry_timer_heap_remove(heap, node);
    return node;
}

void gantry_timer_heap_free(struct gantry_timer_heap *heap)
{
    free(heap->entries);
    *heap = (struct gantry_timer_heap){0};
}
