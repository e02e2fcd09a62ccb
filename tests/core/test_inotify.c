/* SPDX-License-Identifier: Apache-2.0
 *
 * test_inotify.c: changes in directories, as events of the loop. */
#include "core/loop/inotify.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static struct gantry_loop *loop;
static struct gantry_error err;

static struct {
    struct gantry_inotify *inotify;
    int watch;
    char name[64];
    int calls;
    bool gone;
    bool free_at_once;
} seen;

static int set_up(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    snprintf(folder, sizeof folder, "/tmp/gantry-inotify-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    return gantry_loop_new(&loop, &err);
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    gantry_inotify_free(seen.inotify);
    gantry_loop_free(loop);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void changed(void *data, int watch, const char *name)
{
    (void)data;
    seen.calls++;
    seen.watch = watch;
    seen.gone = name == NULL;
    snprintf(seen.name, sizeof seen.name, "%s", name != NULL ? name : "");
    if (seen.free_at_once) {
        gantry_inotify_free(seen.inotify);
        seen.inotify = NULL;
    }
}

static void touch(const char *name)
{
    char path[128];
    int fd;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void test_tells_names(void **state)
{
    int watch;

    (void)state;
    assert_int_equal(0, gantry_inotify_new(loop, changed, NULL, &seen.inotify, &err));
    assert_int_equal(0, gantry_inotify_add(seen.inotify, folder, &watch, &err));
    touch("p.lua");
    assert_true(gantry_loop_step(loop, 20000, &err) > 0);
    assert_string_equal("p.lua", seen.name);
    assert_int_equal(watch, seen.watch);

    assert_int_equal(-1, gantry_inotify_add(seen.inotify, "/nonexistent", &watch, &err));
    assert_string_equal("INOTIFY_FAILED", err.code);
}

static void test_tells_the_end(void **state)
{
    int watch;

    (void)state;
    assert_int_equal(0, gantry_inotify_new(loop, changed, NULL, &seen.inotify, &err));
    assert_int_equal(0, gantry_inotify_add(seen.inotify, folder, &watch, &err));
    assert_int_equal(0, rmdir(folder));
    assert_true(gantry_loop_step(loop, 20000, &err) > 0);
    assert_true(seen.gone);
}

static void test_freed_by_its_callback(void **state)
{
    int watch;

    (void)state;
    assert_int_equal(0, gantry_inotify_new(loop, changed, NULL, &seen.inotify, &err));
    assert_int_equal(0, gantry_inotify_add(seen.inotify, folder, &watch, &err));
    seen.free_at_once = true;
    touch("a");
    touch("b");
    assert_true(gantry_loop_step(loop, 20000, &err) > 0);
    assert_int_equal(1, seen.calls);
    assert_null(seen.inotify);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tells_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tells_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_freed_by_its_callback, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
