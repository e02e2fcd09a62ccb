/* SPDX-License-Identifier: Apache-2.0
 *
 * timer_heap.h: deadlines in a binary heap, the earliest first; of equal ones that which was set first.
 *
 * A struct of zeros is an empty heap. The nodes lie in what has the deadlines, and are their owners'; the heap owns its
 * memory, which gantry_timer_heap_free gives back. */
#ifndef GANTRY_TIMER_HEAP_H
#define GANTRY_TIMER_HEAP_H

#include <stddef.h>
#include <stdint.h>

#define GANTRY_TIMER_NOT_SET SIZE_MAX
#define GANTRY_TIMER_NEVER INT64_MAX

struct gantry_timer_node {
    size_t position; /* in the heap, or GANTRY_TIMER_NOT_SET */
};

struct gantry_timer_entry {
    int64_t deadline;
    uint64_t order; /* counts the settings */
    struct gantry_timer_node *node;
};

struct gantry_timer_heap {
    struct gantry_timer_entry *entries; /* the first is the earliest */
    size_t count;
    size_t size; /* of the memory, in entries */
    uint64_t next_order;
};

/* Makes room for `count` entries in all. Returns 0, or -1 where memory is short. */
int gantry_timer_heap_reserve(struct gantry_timer_heap *heap, size_t count);

/* Sets the deadline of a node, anew where it has one. There must be room for as many entries as there are nodes. */
void gantry_timer_heap_set(struct gantry_timer_heap *heap, struct gantry_timer_node *node, int64_t deadline);

/* Takes a node out, if it is in. */
void gantry_timer_heap_remove(struct gantry_timer_heap *heap, struct gantry_timer_node *node);

/* The earliest deadline, or GANTRY_TIMER_NEVER. */
int64_t gantry_timer_heap_earliest(const struct gantry_timer_heap *heap);

/* Takes out and returns the first node if it is due at `now` and was set before `order`; otherwise returns NULL. */
struct gantry_timer_node *gantry_timer_heap_take_due(struct gantry_timer_heap *heap, int64_t now, uint64_t order);

/* Gives back the memory. */
void gantry_timer_heap_free(struct gantry_timer_heap *heap);

#endif
