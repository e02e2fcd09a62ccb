/* SPDX-License-Identifier: Apache-2.0
 *
 * test_list.c: lists of members that lie in other structs. */
#include "core/base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
    char name;
    struct gantry_list in_list;
};

#define COUNT 4

struct fixture {
    struct gantry_list list;
    struct item items[COUNT];
};

static void fill(struct fixture *fixture)
{
    gantry_list_init(&fixture->list);
    for (int i = 0; i < COUNT; i++) {
        fixture->items[i].name = (char)('a' + i);
        gantry_list_init(&fixture->items[i].in_list);
        gantry_list_append(&fixture->list, &fixture->items[i].in_list);
    }
}

/* The names in the list, in order; read backwards as well, which must give the same. */
static void assert_names(struct gantry_list *list, const char *names)
{
    struct gantry_list *member = list->next;
    size_t count = 0;

    for (; member != list; member = member->next)
        assert_int_equal(GANTRY_LIST_ENTRY(member, struct item, in_list)->name, names[count++]);
    assert_int_equal(names[count], '\0');
    for (member = list->previous; member != list; member = member->previous)
        assert_int_equal(GANTRY_LIST_ENTRY(member, struct item, in_list)->name, names[--count]);
    assert_int_equal(count, 0);
}

static void members_keep_their_order(void **state)
{
    struct fixture fixture;

    (void)state;
    fill(&fixture);
    assert_false(gantry_list_is_empty(&fixture.list));
    assert_names(&fixture.list, "abcd");
}

static void a_member_leaves_from_anywhere_and_may_come_back(void **state)
{
    struct fixture fixture;

    (void)state;
    fill(&fixture);
    gantry_list_remove(&fixture.items[1].in_list);
    assert_true(gantry_list_is_empty(&fixture.items[1].in_list));
    assert_names(&fixture.list, "acd");
    gantry_list_remove(&fixture.items[0].in_list);
    gantry_list_remove(&fixture.items[3].in_list);
    assert_names(&fixture.list, "c");
    gantry_list_append(&fixture.list, &fixture.items[1].in_list);
    assert_names(&fixture.list, "cb");
}

static void leaving_twice_does_nothing(void **state)
{
    struct fixture fixture;

    (void)state;
    fill(&fixture);
    gantry_list_remove(&fixture.items[2].in_list);
    gantry_list_remove(&fixture.items[2].in_list);
    assert_names(&fixture.list, "abd");
}

static void all_move_at_once(void **state)
{
    struct fixture fixture;
    struct gantry_list other;

    (void)state;
    fill(&fixture);
    gantry_list_init(&other);
    gantry_list_move_all(&fixture.list, &other);
    assert_true(gantry_list_is_empty(&fixture.list));
    assert_names(&other, "abcd");
    gantry_list_remove(&fixture.items[3].in_list);
    assert_names(&other, "abc");
}

static void of_an_empty_list_nothing_moves(void **state)
{
    struct gantry_list list;
    struct gantry_list other;

    (void)state;
    gantry_list_init(&list);
    gantry_list_init(&other);
    gantry_list_move_all(&list, &other);
    assert_true(gantry_list_is_empty(&list));
    assert_true(gantry_list_is_empty(&other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_keep_their_order),
        cmocka_unit_test(a_member_leaves_from_anywhere_and_may_come_back),
        cmocka_unit_test(leaving_twice_does_nothing),
        cmocka_unit_test(all_move_at_once),
        cmocka_unit_test(of_an_empty_list_nothing_moves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
