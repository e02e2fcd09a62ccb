/* SPDX-License-Identifier: Apache-2.0
 *
 * test_timer_heap.c: deadlines in a heap, against a list that is searched from end to end. */
#include "core/loop/timer_heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define NODES 64
#define ROUNDS 20000

struct model {
    struct gantry_timer_node node;
    int64_t deadline;
    uint64_t order;
    bool is_set;
};

static struct gantry_timer_heap heap;
static struct model models[NODES];

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < NODES; i++)
        models[i] = (struct model){.node = {GANTRY_TIMER_NOT_SET}};
    return gantry_timer_heap_reserve(&heap, NODES);
}

static int tear_down(void **state)
{
    (void)state;
    gantry_timer_heap_free(&heap);
    return heap.entries == NULL && heap.count == 0 ? 0 : -1;
}

static void set(struct model *model, int64_t deadline)
{
    model->deadline = deadline;
    model->order = heap.next_order;
    model->is_set = true;
    gantry_timer_heap_set(&heap, &model->node, deadline);
}

static struct model *first_of_models(void)
{
    struct model *first = NULL;

    for (int i = 0; i < NODES; i++) {
        struct model *model = &models[i];

        if (model->is_set && (first == NULL || model->deadline < first->deadline ||
                              (model->deadline == first->deadline && model->order < first->order)))
            first = model;
    }
    return first;
}

static void an_empty_heap_has_nothing_due(void **state)
{
    (void)state;
    assert_true(gantry_timer_heap_earliest(&heap) == GANTRY_TIMER_NEVER);
    assert_null(gantry_timer_heap_take_due(&heap, INT64_MAX, UINT64_MAX));
}

static void equal_deadlines_come_as_they_were_set(void **state)
{
    (void)state;
    for (int i = 0; i < NODES; i++)
        set(&models[i], 7);
    for (int i = 0; i < NODES; i++)
        assert_ptr_equal(gantry_timer_heap_take_due(&heap, 7, UINT64_MAX), &models[i].node);
}

static void what_is_set_anew_has_one_place(void **state)
{
    (void)state;
    set(&models[0], 5);
    set(&models[1], 6);
    set(&models[0], 9);
    assert_int_equal(heap.count, 2);
    assert_ptr_equal(gantry_timer_heap_take_due(&heap, 100, UINT64_MAX), &models[1].node);
    assert_ptr_equal(gantry_timer_heap_take_due(&heap, 100, UINT64_MAX), &models[0].node);
    assert_int_equal(models[0].node.position, GANTRY_TIMER_NOT_SET);
}

static void what_was_set_too_late_is_not_due(void **state)
{
    uint64_t order;

    (void)state;
    set(&models[0], 5);
    order = heap.next_order;
    set(&models[1], 5);
    assert_ptr_equal(gantry_timer_heap_take_due(&heap, 5, order), &models[0].node);
    assert_null(gantry_timer_heap_take_due(&heap, 5, order));
    assert_null(gantry_timer_heap_take_due(&heap, 4, UINT64_MAX));
    assert_ptr_equal(gantry_timer_heap_take_due(&heap, 5, order + 1), &models[1].node);
}

static void removing_twice_does_nothing(void **state)
{
    (void)state;
    set(&models[0], 5);
    set(&models[1], 6);
    gantry_timer_heap_remove(&heap, &models[0].node);
    gantry_timer_heap_remove(&heap, &models[0].node);
    assert_int_equal(heap.count, 1);
    assert_true(gantry_timer_heap_earliest(&heap) == 6);
}

static void any_order_of_work_agrees_with_a_search(void **state)
{
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct model *model = &models[rand_r(&seed) % NODES];
        const struct model *first;

        switch (rand_r(&seed) % 4) {
        case 0:
        case 1:
            set(model, rand_r(&seed) % 32);
            break;
        case 2:
            gantry_timer_heap_remove(&heap, &model->node);
            model->is_set = false;
            break;
        default:
            model = first_of_models();
            assert_ptr_equal(gantry_timer_heap_take_due(&heap, INT64_MAX, UINT64_MAX),
                             model != NULL ? &model->node : NULL);
            if (model != NULL)
                model->is_set = false;
            break;
        }
        first = first_of_models();
        assert_true(gantry_timer_heap_earliest(&heap) == (first != NULL ? first->deadline : GANTRY_TIMER_NEVER));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_heap_has_nothing_due, set_up, tear_down),
        cmocka_unit_test_setup_teardown(equal_deadlines_come_as_they_were_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_set_anew_has_one_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_set_too_late_is_not_due, set_up, tear_down),
        cmocka_unit_test_setup_teardown(removing_twice_does_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_order_of_work_agrees_with_a_search, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
