/* SPDX-License-Identifier: Apache-2.0
 *
 * test_group.c: names and numbers of groups, and to which ones the caller may give its files. */
#include "core/files/group.h"

#include "child.h"

#include <stdlib.h>
#include <string.h>

#define USER 54321
#define GROUP 54322
#define FURTHER_GROUP 54323

static struct gantry_error err;
static gid_t gid;

static void assert_not_found(const char *name)
{
    gid = 7;
    assert_true(gantry_group_resolve(name, &gid, &err) < 0);
    assert_string_equal(err.code, "GROUP_NOT_FOUND");
    assert_int_equal(gid, 7);
}

static void test_a_name(void **state)
{
    (void)state;
    assert_int_equal(gantry_group_resolve("root", &gid, &err), 0);
    assert_int_equal(gid, 0);
}

static void test_a_number_needs_no_entry(void **state)
{
    (void)state;
    assert_int_equal(gantry_group_resolve("0", &gid, &err), 0);
    assert_int_equal(gid, 0);
    assert_int_equal(gantry_group_resolve("3999999999", &gid, &err), 0);
    assert_int_equal(gid, 3999999999);
    assert_int_equal(gantry_group_resolve("4294967294", &gid, &err), 0);
}

static void test_neither(void **state)
{
    (void)state;
    assert_not_found("no-such-group-here");
    assert_non_null(strstr(err.message, "'no-such-group-here'"));
    assert_not_found("");
    assert_not_found("4294967295"); /* the number that means no group */
    assert_not_found("99999999999999999999999");
    assert_not_found("-1");
    assert_not_found("1x");
    assert_not_found(" 1");
}

static void test_a_long_name_is_bounded_in_the_message(void **state)
{
    char name[4096];

    (void)state;
    memset(name, 'g', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_not_found(name);
    assert_non_null(strstr(err.message, "use its number"));
}

static void test_names_of_numbers(void **state)
{
    char name[64] = "unchanged";
    char small[4] = "no";

    (void)state;
    assert_false(gantry_group_name(3999999999, name, sizeof name));
    assert_string_equal(name, "unchanged");
    assert_true(gantry_group_name(0, name, sizeof name));
    assert_string_equal(name, "root");
    assert_false(gantry_group_name(0, small, sizeof small)); /* four letters and a NUL */
    assert_string_equal(small, "no");
}

static void test_own_group_may_be_assigned(void **state)
{
    (void)state;
    assert_true(gantry_group_may_assign(getegid()));
}

static void check_member(void)
{
    CHECK(gantry_group_may_assign(GROUP));
    CHECK(gantry_group_may_assign(FURTHER_GROUP));
    CHECK(!gantry_group_may_assign(0));
    CHECK(!gantry_group_may_assign(GROUP + 5));
}

static void test_a_user_may_assign_its_groups(void **state)
{
    (void)state;
    run_as(USER, GROUP, FURTHER_GROUP, check_member);
}

static void test_root_may_assign_any(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_true(gantry_group_may_assign(GROUP));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name),
        cmocka_unit_test(test_a_number_needs_no_entry),
        cmocka_unit_test(test_neither),
        cmocka_unit_test(test_a_long_name_is_bounded_in_the_message),
        cmocka_unit_test(test_names_of_numbers),
        cmocka_unit_test(test_own_group_may_be_assigned),
        cmocka_unit_test(test_a_user_may_assign_its_groups),
        cmocka_unit_test(test_root_may_assign_any),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
