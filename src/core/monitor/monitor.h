/* SPDX-License-Identifier: Apache-2.0
 *
 * monitor.h: the owner's side of gantry-monitor, on the loop: the container's output, and what becomes of it.
 *
 * The object is owned by whoever made it, and owns the connection, the reading ends of the container's pipes and its
 * pidfd. Freeing it leaves the container to its monitor, which does as it was started to (src/monitor/README.md).
 * Everything may be freed inside any callback. */
#ifndef GANTRY_MONITOR_H
#define GANTRY_MONITOR_H

#include "core/loop/loop.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct gantry_monitor;

enum gantry_monitor_event_kind {
    GANTRY_MONITOR_PIPES,    /* it is there and waits for the start */
    GANTRY_MONITOR_CREATED,  /* `pid` */
    GANTRY_MONITOR_FAILED,   /* `reason`, `code`, `text`; after all output, paused or not. The last but LOST */
    GANTRY_MONITOR_STARTING, /* adopted while the runtime is at work: `lost` */
    GANTRY_MONITOR_RUNNING,  /* adopted: `pid`, `lost` */
    GANTRY_MONITOR_EXIT,     /* `code`, `signal`, times; `is_known` is false where the monitor was killed before. After
                                all output. The last but LOST */
    GANTRY_MONITOR_REPLACED, /* somebody else is the owner. The last */
    GANTRY_MONITOR_LOST,     /* the connection is, as the monitor was killed or did not start. EXIT follows where the
                                container was created and its end was not told */
    GANTRY_MONITOR_STATE,    /* of an inspection: `reason` is the stage, `pid`, `is_owned`. The last */
    GANTRY_MONITOR_HELPER,   /* `pid` */
    GANTRY_MONITOR_HELPER_FAILED, /* `code` is an errno */
    GANTRY_MONITOR_HELPER_READY,  /* it said so on its descriptor 3 */
    GANTRY_MONITOR_HELPER_ENDED,  /* `pid`, `code`, `signal` */
};

struct gantry_monitor_event {
    enum gantry_monitor_event_kind kind;
    pid_t pid;
    int code;
    int signal;
    bool is_known;
    bool is_owned;
    int64_t wall_ns;
    int64_t monotonic_ns;
    int64_t lost[2]; /* bytes of stdout and stderr that nobody will ever read, since the container began */
    const char *reason;
    const char *text;
};

typedef void gantry_monitor_event_fn(void *data, const struct gantry_monitor_event *event);

/* `stream` is 1 or 2; kept output and what comes later are one. The bytes are valid during the call only. */
typedef void gantry_monitor_output_fn(void *data, int stream, const char *bytes, size_t length);

struct gantry_monitor_callbacks {
    gantry_monitor_event_fn *on_event;   /* NULL is allowed */
    gantry_monitor_output_fn *on_output; /* NULL: what comes is thrown away */
    void *data;
};

/* Nothing in it is kept. */
struct gantry_monitor_options {
    const char *program;    /* absolute; NULL for the one that came with gantry */
    const char *directory;  /* the container's own */
    bool dies_with_owner;   /* else it outlives its owner */
    bool foreground;        /* the run command is the container */
    int64_t grace_ms;       /* from TERM to KILL, where it dies with its owner */
    int64_t deadline_ms;    /* of a call of the runtime; 0 for the program's own */
    int input;              /* the container's standard input, which stays the caller's; -1 for none */
    bool is_gated;          /* in its place: the object has the other end of it, for gantry_monitor_release */
    const char *const *run; /* the runtime's command lines, NULL-terminated, absolute */
    const char *const *delete_command;
    const char *own_cgroup;         /* cgroup.procs of the caller's cgroup, where it may write there; else NULL */
    const char *const *holds;       /* files to hold shared locks on; NULL for none */
    const char *const *removes;     /* names in the directory that go with it; NULL for none */
    const char *const *environment; /* of monitor and runtime, "K=V"; NULL for the caller's own */
};

/* Starts a monitor, whose owner the object is. Fails with PROGRAM_MISSING or SPAWN_FAILED. */
GANTRY_API int gantry_monitor_spawn(struct gantry_loop *loop, const struct gantry_monitor_options *options,
                                    const struct gantry_monitor_callbacks *callbacks, struct gantry_monitor **monitor,
                                    struct gantry_error *err);

/* Becomes the owner of the container in `directory`, or only asks how it is. Fails with MONITOR_GONE (nobody listens)
 * or MONITOR_UNREACHABLE (no such directory, or another user's; descriptors exhausted). */
GANTRY_API int gantry_monitor_connect(struct gantry_loop *loop, const char *directory, bool inspect,
                                      const struct gantry_monitor_callbacks *callbacks, struct gantry_monitor **monitor,
                                      struct gantry_error *err);

/* Whether a monitor lives in the directory. Fails with MONITOR_UNREACHABLE. */
GANTRY_API int gantry_monitor_is_alive(const char *directory, bool *is_alive, struct gantry_error *err);

/* Has the runtime run. Fails with MONITOR_GONE. */
GANTRY_API int gantry_monitor_start(struct gantry_monitor *monitor, struct gantry_error *err);

/* Has a helper started, with copies of these descriptors. Fails with MONITOR_GONE or MONITOR_REFUSED (too long). */
GANTRY_API int gantry_monitor_helper(struct gantry_monitor *monitor, const char *const *arguments, const int *fds,
                                     size_t count, struct gantry_error *err);

/* Has a helper started whose output goes to a new file at `log`, and which writes a byte to descriptor 3 once it is
 * ready: HELPER_READY. Fails as gantry_monitor_helper, and with HELPER_FAILED (no file, descriptors exhausted). */
GANTRY_API int gantry_monitor_ready_helper(struct gantry_monitor *monitor, const char *const *arguments,
                                           const char *log, struct gantry_error *err);

/* Gives a gated container these few bytes as its whole standard input: what its gate waits for. Once. Where the object
 * goes before, that input is at its end. Fails with GATE_GONE. */
GANTRY_API int gantry_monitor_release(struct gantry_monitor *monitor, const void *bytes, size_t length,
                                      struct gantry_error *err);

/* Sends the container's first process a signal. Fails with PROCESS_ENDED, SIGNAL_FAILED or MONITOR_NOT_RUNNING (not
 * created yet). */
GANTRY_API int gantry_monitor_signal(struct gantry_monitor *monitor, int number, struct gantry_error *err);

/* Leaves the output in the pipes, and reads it again. Fails with WATCH_FAILED. */
GANTRY_API int gantry_monitor_pause(struct gantry_monitor *monitor, bool paused, struct gantry_error *err);

/* After EXIT or FAILED: nothing is left to do, and the monitor ends. Idempotent. */
GANTRY_API void gantry_monitor_done(struct gantry_monitor *monitor);

/* The container's process, or 0. */
GANTRY_API pid_t gantry_monitor_pid(const struct gantry_monitor *monitor);

/* Stdout, stderr and pidfd, which stay the object's; -1 where there is none. */
GANTRY_API void gantry_monitor_descriptors(const struct gantry_monitor *monitor, int fds[3]);

/* NULL is allowed. */
GANTRY_API void gantry_monitor_free(struct gantry_monitor *monitor);

#endif
