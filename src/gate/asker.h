/* SPDX-License-Identifier: Apache-2.0
 *
 * asker.h: who asks, from the first byte to the end of what was asked for, over a socket or standard input. */
#ifndef GATE_ASKER_H
#define GATE_ASKER_H

#include "gate/gate.h"
#include "gate/launch.h"
#include "gate/output.h"

#include <stdint.h>

/* Told: it knows how its plugin ended, and has not hung up yet. */
enum gate_stage { GATE_FREE, GATE_ASKING, GATE_STARTING, GATE_RUNNING, GATE_TOLD };

/* A struct of zeros is free. It owns its descriptors and its process, which the gate reaps. */
struct gate_asker {
    enum gate_stage stage;
    int fd; /* where requests come from, and answers go to; -1 once it has gone */
    int fds[GATE_DESCRIPTORS];
    size_t fd_count;
    struct gate_reader reader;
    int64_t deadline; /* of the request, then of a plugin that has been told to end, then of hanging up; 0: none */
    pid_t pid;
    int report;        /* of the launch; -1 once it was read */
    size_t to_tell;    /* the most bytes of its output that its asker is still told */
    long memory_kills; /* before it */
    struct gate_failure failure;
    struct gate_output output;
    bool is_stream;   /* standard input: nothing can be answered */
    bool is_outlived; /* the plugin goes on without it */
    bool follows;     /* what its plugin says goes through the gate */
};

/* Of an array that is not touched while a gate waits: it lies behind all other memory, so that what is touched needs no
 * page more. */
#define GATE_BEHIND_ALL __attribute__((common, visibility("hidden")))

int64_t gate_now_ms(void);

/* Says on standard error, for people, what could not be done, with which object (NULL: none), and why. */
void gate_complain(const char *what, const char *object, const char *reason);

void gate_asker_begin(struct gate_asker *asker, int fd, bool is_stream);

/* Gives up all that it holds and makes it free; its process is over by then. */
void gate_asker_drop(struct gate_asker *asker);

/* Reads what has come. GATE_COMPLETE once the request is there; false where the asker has gone. */
bool gate_asker_read(struct gate_asker *asker, enum gate_reading *reading);

/* After the request: passes on signals. False where the asker has gone. */
bool gate_asker_hear(struct gate_asker *asker);

/* The last word where there is no plugin; over a stream it goes to standard error, for people. */
void gate_asker_refuse(struct gate_asker *asker, const char *what, int error, const char *text);

/* Starts what was asked for. False where it was refused. */
bool gate_asker_launch(struct gate_asker *asker, const struct gate_options *options, const sigset_t *mask);

/* Passes the plugin's output on, once poll says so, and tells its beginning. */
void gate_asker_pass_output(struct gate_asker *asker);

/* Passes on what a plugin that has ended left of it. */
void gate_asker_drain_output(struct gate_asker *asker);

/* Reads how the launch went, once something has come or the process is over. */
void gate_asker_learn(struct gate_asker *asker);

/* Tells how the plugin ended, or why there was none. Returns the status for whoever exits with it. */
int gate_asker_tell_end(struct gate_asker *asker, int status);

/* Whether the gate is to stay until it hangs up, who has been told of the end. */
bool gate_asker_lingers(const struct gate_asker *asker);

#endif
