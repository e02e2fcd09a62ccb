/* SPDX-License-Identifier: Apache-2.0
 *
 * list.h: circular lists of members that lie in other structs: joining needs no memory, and a member leaves without
 * knowing its list.
 *
 * Heads and members are of one type, and owned by the structs that hold them. Both are set with gantry_list_init before
 * all else, and neither is moved in memory while it is in a list. */
#ifndef GANTRY_LIST_H
#define GANTRY_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct gantry_list {
    struct gantry_list *previous;
    struct gantry_list *next;
};

/* The struct of `type` whose field `field` is the member `member`. */
#define GANTRY_LIST_ENTRY(member, type, field) ((type *)(void *)((char *)(member)-offsetof(type, field)))

/* Makes an empty list, or a member of none. */
static inline void gantry_list_init(struct gantry_list *list)
{
    list->previous = list;
    list->next = list;
}

/* True for a list without members, and for a member that is in no list. */
static inline bool gantry_list_is_empty(const struct gantry_list *list)
{
    return list->next == list;
}

/* Takes a member out of its list, if it is in one. */
static inline void gantry_list_remove(struct gantry_list *member)
{
    member->previous->next = member->next;
    member->next->previous = member->previous;
    gantry_list_init(member);
}

/* Puts a member that is in no list at the end of one. */
static inline void gantry_list_append(struct gantry_list *list, struct gantry_list *member)
{
    member->previous = list->previous;
    member->next = list;
    list->previous->next = member;
    list->previous = member;
}

/* Moves all members to `empty`, which has none. */
static inline void gantry_list_move_all(struct gantry_list *list, struct gantry_list *empty)
{
    if (gantry_list_is_empty(list))
        return;
    gantry_list_append(list, empty);
    gantry_list_remove(list);
}

#endif
