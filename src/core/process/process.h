/* SPDX-License-Identifier: Apache-2.0
 *
 * process.h: child processes, with pipes and a pidfd on the loop.
 *
 * No SIGCHLD, no process group of ours, no wait for just any child: a host's own children are left alone. The process
 * object is owned by whoever spawned it; freeing it ends the child. The child gets nothing but the three standard
 * descriptors, what it is handed, an empty signal mask and default signal dispositions. */
#ifndef GANTRY_PROCESS_H
#define GANTRY_PROCESS_H

#include "core/loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* How long on_exit waits, once the process has ended, for descendants that hold its output open. */
#define GANTRY_PROCESS_DRAIN_NS 500000000LL

#define GANTRY_PROCESS_HANDED 4

struct gantry_process;

enum gantry_process_stream {
    GANTRY_PROCESS_NULL,    /* /dev/null */
    GANTRY_PROCESS_PIPE,    /* a pipe to this object */
    GANTRY_PROCESS_INHERIT, /* the caller's own descriptor of that number */
};

/* How a process ended: `code` is -1 where a signal ended it, `signal` is 0 where it exited. Both at once mean that the
 * host took the status away (it ignores SIGCHLD, or waits for children that are not its own). */
struct gantry_process_exit {
    int code;
    int signal;
};

/* `stream` is 1 (output) or 2 (error). The bytes are valid during the call only. */
typedef void gantry_process_output_fn(void *data, int stream, const char *bytes, size_t length);
typedef void gantry_process_exit_fn(void *data, const struct gantry_process_exit *how);

/* Nothing in it is kept but callbacks and data. */
struct gantry_process_options {
    const char *const *argv;        /* NULL-terminated; argv[0] is searched for in PATH where it has no slash */
    const char *const *environment; /* NULL-terminated "K=V" strings, or NULL for the caller's own */
    const char *directory;          /* to start in, also for an argv[0] with a slash; NULL: the caller's */
    bool new_session;               /* setsid: away from the caller's terminal and its signals */
    enum gantry_process_stream input;
    enum gantry_process_stream output;
    enum gantry_process_stream error;
    const int *handed;   /* descriptors that it gets as 3, 4 and so on; the caller's own stay as they are */
    size_t handed_count; /* at most GANTRY_PROCESS_HANDED */
    gantry_process_output_fn *on_output; /* NULL: what comes through pipes is thrown away */
    gantry_process_exit_fn *on_exit;     /* NULL is allowed */
    void *data;
};

/* Starts a process, which the caller frees. on_exit comes once it has ended and its output is at its end: all that was
 * written before the end is delivered first, what a descendant writes afterwards for GANTRY_PROCESS_DRAIN_NS.
 * Fails with SPAWN_FAILED (no such command or directory, not executable, descriptors exhausted). */
int gantry_process_spawn(struct gantry_loop *loop, const struct gantry_process_options *options,
                         struct gantry_process **process, struct gantry_error *err);

/* Writes to the input pipe, in order; what the pipe does not take at once is copied and waits for the loop.
 * Fails with PROCESS_INPUT_CLOSED (no pipe, closed here or by its reader) or OUT_OF_MEMORY. Raises no SIGPIPE. */
int gantry_process_write(struct gantry_process *process, const char *bytes, size_t length, struct gantry_error *err);

/* How many bytes of input still wait, for callers that pace themselves. */
size_t gantry_process_waiting(const struct gantry_process *process);

/* Closes the input pipe once all that waits is written. Idempotent. */
void gantry_process_close_input(struct gantry_process *process);

/* Sends a signal to the process alone. Fails with PROCESS_ENDED, or SIGNAL_FAILED (no such signal, not permitted). */
int gantry_process_signal(struct gantry_process *process, int number, struct gantry_error *err);

/* The process's number, which stays its own until it is seen to have ended. */
pid_t gantry_process_pid(const struct gantry_process *process);

/* Ends the object without further callbacks. A process still running is killed by SIGKILL and reaped, for which this
 * waits, normally far below a millisecond. NULL is allowed. */
void gantry_process_free(struct gantry_process *process);

#endif
