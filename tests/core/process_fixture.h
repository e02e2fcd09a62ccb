/* SPDX-License-Identifier: Apache-2.0
 *
 * process_fixture.h: a loop and a view of one child for each test. Included once by each test program of processes. */
#ifndef PROCESS_FIXTURE_H
#define PROCESS_FIXTURE_H

#include "core/process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)
#define KEPT 4096 /* of each stream, as text; the rest is only counted */

/* What a test sees of its child. */
struct view {
    struct gantry_process *process;
    char text[2][KEPT + 1];
    size_t length[2];
    int exits;
    struct gantry_process_exit how;
    bool free_on_output;
    bool free_on_exit;
};

static struct gantry_loop *loop;
static struct gantry_error err;
static struct view view;

static inline int set_up(void **state)
{
    (void)state;
    memset(&view, 0, sizeof view);
    return gantry_loop_new(&loop, &err);
}

static inline int tear_down(void **state)
{
    (void)state;
    gantry_process_free(view.process);
    gantry_loop_free(loop);
    return 0;
}

static inline void free_process(void)
{
    gantry_process_free(view.process);
    view.process = NULL;
}

static inline void on_output(void *data, int stream, const char *bytes, size_t length)
{
    size_t used = view.length[stream - 1];

    assert_ptr_equal(data, &view);
    if (used < KEPT)
        memcpy(view.text[stream - 1] + used, bytes, length < KEPT - used ? length : KEPT - used);
    view.length[stream - 1] += length;
    if (view.free_on_output)
        free_process();
}

static inline void on_exit_of_child(void *data, const struct gantry_process_exit *how)
{
    assert_ptr_equal(data, &view);
    view.exits++;
    view.how = *how;
    if (view.free_on_exit)
        free_process();
}

/* Options for a shell script, with output and error through pipes. Skips the test where pidfds do not work: Debian 12's
 * valgrind knows none of their calls, Debian 13's not all. */
static inline struct gantry_process_options script(const char *const *argv)
{
    int pidfd = pidfd_open(getpid(), 0);

    if ((pidfd < 0 || pidfd_send_signal(pidfd, 0, NULL, 0) < 0) && errno == ENOSYS)
        skip();
    close(pidfd);
    return (struct gantry_process_options){.argv = argv,
                                           .output = GANTRY_PROCESS_PIPE,
                                           .error = GANTRY_PROCESS_PIPE,
                                           .on_output = on_output,
                                           .on_exit = on_exit_of_child,
                                           .data = &view};
}

#define SCRIPT(text) script((const char *const[]){"sh", "-c", text, NULL})

static inline void spawn(const struct gantry_process_options *options)
{
    assert_int_equal(gantry_process_spawn(loop, options, &view.process, &err), 0);
    assert_int_equal(view.exits, 0);
}

static inline void run_to_exit(void)
{
    while (view.exits == 0)
        assert_true(gantry_loop_step(loop, 20000, &err) > 0);
    assert_int_equal(gantry_loop_step(loop, 0, &err), 0);
    assert_int_equal(view.exits, 1);
}

static inline void run_until_output(size_t length)
{
    while (view.length[0] < length && view.exits == 0)
        assert_true(gantry_loop_step(loop, 20000, &err) > 0);
}

static inline void run(const struct gantry_process_options *options)
{
    spawn(options);
    run_to_exit();
}

static inline void assert_exited(int code)
{
    assert_int_equal(view.how.code, code);
    assert_int_equal(view.how.signal, 0);
}

#endif
