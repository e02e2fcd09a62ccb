/* SPDX-License-Identifier: Apache-2.0
 *
 * test_arena.c: the memory of a short process: that blocks are whole and apart whatever is asked for, that what was
 * given back is used again, and that malloc's blocks do beside it. */
#include "core/system/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#define BLOCKS 500
#define STEPS 200000
#define MEBIBYTE ((size_t)1 << 20)

/* A block and what stands in all of its bytes. */
struct held {
    unsigned char *bytes;
    size_t size;
    unsigned char mark;
};

static void check_whole(const struct held *held, size_t size)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(held->bytes[i], held->mark);
}

/* Of all classes alike, and now and then more than the arena has a class for. */
static size_t any_size(void)
{
    return 1 + (size_t)rand() % ((size_t)1 << (1 + rand() % 17));
}

static void change(struct gantry_arena *arena, struct held *held)
{
    size_t size = rand() % 3 == 0 ? 0 : any_size();
    size_t kept = size < held->size ? size : held->size;

    check_whole(held, held->size);
    held->bytes = gantry_arena_allocate(arena, held->bytes, held->size, size);
    assert_true((held->bytes == NULL) == (size == 0));
    assert_int_equal((uintptr_t)held->bytes % 16, 0);
    check_whole(held, kept);
    held->size = size;
    held->mark++;
    if (size > 0)
        memset(held->bytes, held->mark, size);
}

static void exercise(size_t arena_size)
{
    struct gantry_arena arena;
    static struct held held[BLOCKS];

    gantry_arena_open(&arena, arena_size);
    srand(7);
    for (int i = 0; i < STEPS; i++)
        change(&arena, &held[rand() % BLOCKS]);
    for (int i = 0; i < BLOCKS; i++) {
        check_whole(&held[i], held[i].size);
        gantry_arena_allocate(&arena, held[i].bytes, held[i].size, 0);
        held[i] = (struct held){.bytes = NULL};
    }
}

static void blocks_stay_whole(void **state)
{
    (void)state;
    exercise(64 * MEBIBYTE);
}

static void a_full_arena_goes_on_with_malloc(void **state)
{
    (void)state;
    exercise(MEBIBYTE);
}

static void without_an_arena_malloc_does_it_all(void **state)
{
    struct rlimit before, none;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    none = (struct rlimit){.rlim_cur = MEBIBYTE, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
    struct gantry_arena arena;
    gantry_arena_open(&arena, 4 * MEBIBYTE);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_null(arena.start);
    void *block = gantry_arena_allocate(&arena, NULL, 0, 100);
    assert_non_null(block);
    block = gantry_arena_allocate(&arena, block, 100, 1000);
    assert_non_null(block);
    assert_null(gantry_arena_allocate(&arena, block, 1000, 0));
}

static void what_was_given_back_is_used_again(void **state)
{
    struct gantry_arena arena;
    char *first;

    (void)state;
    gantry_arena_open(&arena, MEBIBYTE);
    first = gantry_arena_allocate(&arena, NULL, 0, 40);
    assert_ptr_equal(gantry_arena_allocate(&arena, first, 40, 48), first);
    gantry_arena_allocate(&arena, first, 48, 0);
    assert_ptr_equal(gantry_arena_allocate(&arena, NULL, 0, 33), first);
    assert_ptr_not_equal(gantry_arena_allocate(&arena, NULL, 0, 33), first);
}

static void a_block_of_malloc_may_be_given_to_it(void **state)
{
    struct gantry_arena arena;
    char *block = malloc(10);

    (void)state;
    assert_non_null(block);
    gantry_arena_open(&arena, MEBIBYTE);
    strcpy(block, "123456789");
    block = gantry_arena_allocate(&arena, block, 10, 5000);
    assert_non_null(block);
    assert_string_equal(block, "123456789");
    gantry_arena_allocate(&arena, block, 5000, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_stay_whole),
        cmocka_unit_test(a_full_arena_goes_on_with_malloc),
        cmocka_unit_test(without_an_arena_malloc_does_it_all),
        cmocka_unit_test(what_was_given_back_is_used_again),
        cmocka_unit_test(a_block_of_malloc_may_be_given_to_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
