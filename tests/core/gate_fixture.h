/* SPDX-License-Identifier: Apache-2.0
 *
 * gate_fixture.h: a gate at a socket or a pipe in a folder of each test's own, and askers on a loop.
 *
 * The test adopts what it orphans, so that nothing outlives it unseen. */
#ifndef GATE_FIXTURE_H
#define GATE_FIXTURE_H

#include "core/gate/gate_client.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 30000

struct asker {
    struct gantry_gate *gate;
    int count[GANTRY_GATE_LOST + 1];
    struct gantry_gate_event last;
    char what[32];
    char text[256];
    char output[512]; /* its beginning */
    size_t output_length;
};

static struct gantry_loop *loop;
static struct gantry_error err;
static char folder[64];
static char address[80];
static pid_t gate;
static int gate_output = -1; /* for the standard output of the next gate */

static inline void noted(void *data, const struct gantry_gate_event *event)
{
    struct asker *asker = data;

    asker->count[event->kind]++;
    asker->last = *event;
    snprintf(asker->what, sizeof asker->what, "%s", event->what != NULL ? event->what : "");
    snprintf(asker->text, sizeof asker->text, "%s", event->text != NULL ? event->text : "");
    for (size_t i = 0; i < event->length; i++)
        if (asker->output_length < sizeof asker->output)
            asker->output[asker->output_length++] = event->text[i];
}

static inline int64_t now_ms(void)
{
    return gantry_clock_ns() / 1000000;
}

static inline void wait_for(struct asker *asker, enum gantry_gate_event_kind kind)
{
    int64_t limit = now_ms() + PATIENCE_MS;

    while (asker->count[kind] == 0 && now_ms() < limit)
        assert_true(gantry_loop_step(loop, 100, &err) >= 0);
    if (asker->count[kind] == 0)
        print_message("instead: kind %d, %s %d %s\n", (int)asker->last.kind, asker->what, asker->last.code,
                      asker->text);
    assert_int_equal(asker->count[kind], 1);
}

/* Starts a gate with these arguments; its standard input is `input`. */
static inline void start_gate(int input, const char *const *arguments)
{
    gate = fork();
    if (gate == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(input, STDIN_FILENO);
        if (gate_output >= 0)
            dup2(gate_output, STDOUT_FILENO);
        execv(GATE_EXECUTABLE, (char *const *)(uintptr_t)arguments);
        _exit(1);
    }
    assert_true(gate > 0);
}

static inline void start_listening(const char *const *arguments)
{
    int64_t limit = now_ms() + PATIENCE_MS;
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

    start_gate(nothing, arguments);
    close(nothing);
    while (access(address, F_OK) < 0 && now_ms() < limit) /* it appears once it can be connected to */
        usleep(1000);
}

#define SERVE(...)                                                                                                     \
    start_listening((const char *const[]){"gate", "--socket", address, "--serve", "--grace", "300", __VA_ARGS__, NULL})
#define ONCE(...)                                                                                                      \
    start_listening((const char *const[]){"gate", "--socket", address, "--grace", "300", __VA_ARGS__, NULL})
#define SHELL(script) "/bin/sh", "-c", script

static inline void take(struct asker *asker)
{
    memset(asker, 0, sizeof *asker);
    if (gantry_gate_connect(loop, address, (uid_t)-1, noted, asker, &asker->gate, &err) < 0)
        fail_msg("%s", err.message);
}

static inline void ask(struct asker *asker, struct gantry_gate_request request)
{
    if (request.descriptors[0] == 0)
        request.descriptors[0] = request.descriptors[1] = -1;
    take(asker);
    if (gantry_gate_ask(asker->gate, &request, &err) < 0)
        fail_msg("%s", err.message);
}

static inline void let_go(struct asker *asker)
{
    gantry_gate_free(asker->gate);
    asker->gate = NULL;
}

static inline int gate_status(void)
{
    int status = -1;

    assert_int_equal(waitpid(gate, &status, 0), gate);
    gate = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static inline bool is_gone_soon(pid_t pid)
{
    int64_t limit = now_ms() + PATIENCE_MS;

    while (kill(pid, 0) == 0 && now_ms() < limit) {
        waitpid(pid, NULL, WNOHANG);
        usleep(1000);
    }
    return kill(pid, 0) < 0;
}

static inline int set_up(void **state)
{
    (void)state;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    snprintf(folder, sizeof folder, "/tmp/gantry-gate-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(address, sizeof address, "%s/plugin.gate", folder);
    return gantry_loop_new(&loop, &err);
}

static inline int tear_down(void **state)
{
    char command[128];

    (void)state;
    gantry_loop_free(loop);
    if (gate > 0) {
        kill(gate, SIGKILL);
        gate_status();
    }
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command); /* NOLINT(cert-env33-c): a name of our own */
}

#endif
