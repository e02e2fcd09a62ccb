/* SPDX-License-Identifier: Apache-2.0
 *
 * record.h: what the processes of one `gantry exec` know together, in memory that all of them share.
 *
 * The face makes it before it makes any other process; the memory lives as long as any of them. The launcher writes
 * down what it is going to make before it makes it, so that a guardian can take away what a launcher that was killed
 * was just creating. The two locks are given back by the kernel when their holder is killed. */
#ifndef GANTRY_RECORD_H
#define GANTRY_RECORD_H

#include "core/base/error.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

enum gantry_record_stage {
    GANTRY_RECORD_EMPTY,  /* nothing was made yet */
    GANTRY_RECORD_MAKING, /* the texts below hold; what they name may be there, or come to be at any moment */
    GANTRY_RECORD_MADE,   /* the container is there, and no request to make it is under way */
    GANTRY_RECORD_CLEAN,  /* all is taken away, or was left to somebody else */
};

enum gantry_record_left {
    GANTRY_RECORD_CLOSED, /* nothing: the plugin has ended, or did not serve yet */
    GANTRY_RECORD_LEFT,   /* the host ended and left its plugin running */
    GANTRY_RECORD_KILLED, /* the plugin was to outlive its host, but its process was killed */
};

struct gantry_record {
    atomic_int stage;
    atomic_int closed;   /* set by who takes away: a launch that has not begun by then never begins */
    atomic_int launcher; /* its number while it holds its lock */
    atomic_int left;     /* of enum gantry_record_left: what is to be told of the end to the next host */
    char engine[512];    /* the address that reaches the engine */
    char container[192]; /* its name */
    char root[PATH_MAX]; /* where the socket directory is made; empty where there is none of ours */
    char directory[128]; /* the socket directory's name */
    char keep[8];        /* not empty: the container is to be stopped, and stays */
};

/* Makes an empty record. It is not freed: it goes with the processes. Fails with OUT_OF_MEMORY. */
struct gantry_record *gantry_record_new(struct gantry_error *err);

/* For the launcher: holds the record from here to its end. False where it was closed: there is nobody to launch for. */
bool gantry_record_begin_launch(struct gantry_record *record);

/* For a guardian: waits until nobody else takes away and the launcher has ended, which is killed after `timeout_ms`.
 * From then on, nothing that the record names is made any more. Gives the stage; to be followed by end_clean. */
enum gantry_record_stage gantry_record_begin_clean(struct gantry_record *record, int timeout_ms);

void gantry_record_end_clean(struct gantry_record *record, bool clean);

#endif
