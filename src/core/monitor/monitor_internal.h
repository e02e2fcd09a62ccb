/* SPDX-License-Identifier: Apache-2.0
 *
 * monitor_internal.h: the object of monitor.h, for the files of this folder. */
#ifndef GANTRY_MONITOR_INTERNAL_H
#define GANTRY_MONITOR_INTERNAL_H

#include "core/monitor/monitor.h"
#include "core/process/process.h"
#include "monitor/protocol.h"

struct gantry_monitor_stream {
    struct gantry_monitor *monitor;
    struct gantry_watch *watch;
    int fd;
    int number;
    int64_t unread; /* what was in the pipe when the container ended and is not read yet */
};

struct gantry_monitor {
    struct gantry_loop *loop;
    struct gantry_monitor_callbacks callbacks;
    struct gantry_process *starter; /* the program until it has forked */
    int connection;
    struct gantry_watch *connection_watch;
    int pidfd;
    struct gantry_watch *end_watch; /* on the pidfd, once nobody else tells of the end */
    pid_t pid;
    struct gantry_monitor_stream streams[2];
    int gate;  /* the other end of a gated container's standard input; -1 once it was released */
    int ready; /* where a helper says that it is; -1 while none is waited for */
    struct gantry_watch *ready_watch;
    struct gantry_timer *drain_timer;
    bool is_paused;
    bool is_adopting; /* kept output comes first: the pipes are not read yet */
    bool is_drained;  /* the time for whoever else holds a writing end is over */
    bool is_over;     /* how it went is known, and told once the output is */
    bool is_told;
    struct gantry_monitor_event outcome;
    char reason[32];
    char text[1025];
    char bytes[MONITOR_MESSAGE_SIZE + 1];
};

/* An object of nothing yet. */
struct gantry_monitor *gantry_monitor_new(struct gantry_loop *loop, const struct gantry_monitor_callbacks *callbacks,
                                          struct gantry_error *err);

/* Takes over the connection. Fails with WATCH_FAILED; the connection is the object's all the same. */
int gantry_monitor_take_connection(struct gantry_monitor *monitor, int connection, struct gantry_error *err);

/* Sends one message. Fails with MONITOR_GONE. */
int gantry_monitor_send(struct gantry_monitor *monitor, const char *head, const void *payload, size_t length,
                        const int *fds, size_t count, struct gantry_error *err);

void gantry_monitor_drop_connection(struct gantry_monitor *monitor);

/* Nothing more is waited for from a helper. */
void gantry_monitor_drop_ready(struct gantry_monitor *monitor);

/* Takes over what a message brought; what is there already is closed. */
void gantry_monitor_take_pipes(struct gantry_monitor *monitor, const int fds[2]);
void gantry_monitor_take_pidfd(struct gantry_monitor *monitor, int fd);

/* Reads the pipes as far as it may. */
void gantry_monitor_read(struct gantry_monitor *monitor);

/* Notes the outcome, and tells it once all output was. The object may be gone when this returns; so with the others. */
void gantry_monitor_over(struct gantry_monitor *monitor, const struct gantry_monitor_event *outcome);
void gantry_monitor_tell(struct gantry_monitor *monitor, const struct gantry_monitor_event *event);

/* One message, with descriptors that it consumes. */
void gantry_monitor_hear(struct gantry_monitor *monitor, size_t length, const int *fds, size_t count);

#endif
