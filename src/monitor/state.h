/* SPDX-License-Identifier: Apache-2.0
 *
 * state.h: all that a monitor knows. One process has one, for life: what it owns ends with the process. */
#ifndef MONITOR_STATE_H
#define MONITOR_STATE_H

#include "core/system/text.h"
#include "monitor/directory.h"
#include "monitor/options.h"
#include "monitor/protocol.h"
#include "monitor/ring.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MONITOR_MOST_GUESTS 4
#define MONITOR_MOST_HELPERS 4

enum monitor_stage {
    MONITOR_STAGE_PREPARED, /* waits for its owner's word */
    MONITOR_STAGE_STARTING, /* the runtime is at work */
    MONITOR_STAGE_RUNNING,
    MONITOR_STAGE_EXITED,
    MONITOR_STAGE_FAILED,
    MONITOR_STAGE_CLEANING, /* the delete command is at work */
    MONITOR_STAGE_OVER,     /* the process ends */
};

/* What the owner has yet to be told, in the order of these members. */
struct monitor_owner {
    int fd; /* -1: there is none */
    bool pipes_due;
    bool greeting_due;
    bool tails_due;
    size_t tails_sent[2];
    bool tail_end_due;
    bool created_due;
    bool outcome_due;
};

struct monitor {
    struct monitor_options options;
    enum monitor_stage stage;
    enum monitor_stage before_cleaning;
    int null;
    int signals;
    int listener;
    int pipes[2]; /* the reading ends, open for life */
    bool pipe_ended[2];
    int writers[2]; /* until the runtime has them */
    struct monitor_ring rings[2];
    struct monitor_owner owner;
    int guests[MONITOR_MOST_GUESTS]; /* connections that have said nothing yet; -1 where there is none */
    pid_t runtime;                   /* run or delete command at work, or 0 */
    pid_t awaited;                   /* what an ended runtime called the container's first process */
    pid_t init;                      /* the container's first process until it is reaped, else 0 */
    pid_t container;                 /* its number for good */
    int pidfd;
    bool dying;       /* its owner is gone and takes it along */
    bool purging;     /* children of a runtime that hung are killed as they appear */
    int64_t deadline; /* of the stage, by the monotonic clock in milliseconds; 0 for none */
    struct monitor_exit how;
    struct gantry_text failure; /* as it is told */
    char failure_text[1024];
    pid_t helpers[MONITOR_MOST_HELPERS];
};

/* ---- container.c ---- */

int64_t monitor_now_ms(void);

/* Makes the pipes. Fails into the stage FAILED. */
void monitor_container_prepare(struct monitor *monitor);

/* The owner's word: listens, and starts the runtime. */
void monitor_container_start(struct monitor *monitor);

/* Children have ended. */
void monitor_container_reap(struct monitor *monitor);

/* The deadline of the stage has passed. */
void monitor_container_late(struct monitor *monitor);

/* The owner is gone: whatever follows from that. */
void monitor_container_orphaned(struct monitor *monitor);

/* Notes a failure and tells the owner. */
void monitor_container_fail(struct monitor *monitor, const char *reason, int code);

/* ---- helper.c ---- */

/* The owner asks for one: the whole message, with its descriptors, which stay the caller's. */
void monitor_helper_ask(struct monitor *monitor, char *bytes, size_t length, const int *fds, size_t count);

/* A child has ended that may be one: true where it is, of which the owner is told. */
bool monitor_helper_ended(struct monitor *monitor, pid_t pid, int status);

void monitor_helper_kill_all(const struct monitor *monitor);

/* ---- owner.c ---- */

/* Sends what is due, as far as the owner takes it. */
void monitor_owner_tell(struct monitor *monitor);

/* Whether something is due that waits for the owner to read. */
bool monitor_owner_is_slow(const struct monitor *monitor);

/* The owner has said something, or is gone. */
void monitor_owner_ready(struct monitor *monitor);

/* Somebody connects; one of the guests says what it wants. */
void monitor_owner_accept(struct monitor *monitor);
void monitor_owner_guest(struct monitor *monitor, size_t which);

#endif
