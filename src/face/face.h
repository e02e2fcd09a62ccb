/* SPDX-License-Identifier: Apache-2.0
 *
 * face.h: the process that the host holds, from the start of the launch to its own end. It knows no engine: it gets
 * connected sockets through a channel, and whoever makes the launch is exchangeable. */
#ifndef GANTRY_FACE_H
#define GANTRY_FACE_H

#include "face/broker_watch.h"
#include "face/comeback.h"
#include "face/exit_answer.h"
#include "face/guardian.h"
#include "face/host_kind.h"
#include "face/relay.h"

#include <stdint.h>

#define GANTRY_FACE_GUARDIANS 2

struct gantry_face {
    enum gantry_host_kind kind;
    struct gantry_record *record;
    struct gantry_guardian guardians[GANTRY_FACE_GUARDIANS];
    struct gantry_relay relay;
    struct gantry_exit_answer answer;
    struct gantry_broker_watch broker;
    struct gantry_comeback comeback;
    int self;             /* a pidfd of this process, for guardians */
    int host;             /* a pidfd of the process that started this one, or -1 */
    int channel;          /* from the launcher, or a later process in its place; -1 once that has told all */
    int exit;             /* the engine's answer to a wait for the container's end; -1 while there is none, or once it
                             came, and so the next */
    int gate;             /* that which started the plugin, ends it where this is closed, and tells of its end */
    int lock;             /* on the socket directory: held to the end, never used */
    pid_t launcher;       /* who is at the channel's other end, to be reaped; -1 once it is */
    int64_t began_ms;     /* all times: CLOCK_MONOTONIC */
    int64_t start_by_ms;  /* the handshake must have come by then */
    int64_t settle_by_ms; /* the plugin has ended: what has not come of its output by then is lost; 0 before that */
    int64_t flush_by_ms;  /* the end is decided: what is not written by then is lost; 0 before that */
    int status;           /* the exit status, once decided */
    bool started;         /* the plugin runs, or has run */
    bool host_gone;       /* nobody to print to any more */
    bool outlives;        /* and then the plugin goes on, for another host to attach to */
    bool host_network;    /* the plugin's network is this machine's */
    bool refused;         /* the resident that made the launch has given it back: it is to be made anew */
    bool stale;           /* what is told of a container means one that another takes the place of */
    char temporary[64];   /* where a plugin listens that is to be started again; empty where that cannot be */
    char plugin[128];     /* its name, for messages */
    char directory[4096]; /* the shared one */
};

/* What follows from the kind of the host: how its plugin answers, and how gantry's messages are read. */
void gantry_face_begin_for(struct gantry_face *face, enum gantry_host_kind kind);

/* Makes the guardians. Fails with SPAWN_FAILED. */
int gantry_face_begin(struct gantry_face *face, struct gantry_record *record, struct gantry_error *err);

/* Runs until the plugin, the launch or the host has ended, or the launch was refused. Returns the exit status. */
int gantry_face_run(struct gantry_face *face);

#endif
