/* SPDX-License-Identifier: Apache-2.0
 *
 * face.h: the process that the host holds, from the start of the launch to its own end. It knows no engine: it gets
 * connected sockets through a channel, and whoever makes the launch is exchangeable. */
#ifndef GANTRY_FACE_H
#define GANTRY_FACE_H

#include "broker_watch.h"
#include "exit_answer.h"
#include "guardian.h"
#include "relay.h"

#include <stdint.h>

#define GANTRY_FACE_GUARDIANS 2

struct gantry_face {
    struct gantry_record *record;
    struct gantry_guardian guardians[GANTRY_FACE_GUARDIANS];
    struct gantry_relay relay;
    struct gantry_exit_answer answer;
    struct gantry_broker_watch broker;
    int self;             /* a pidfd of this process, for guardians */
    int host;             /* a pidfd of the process that started this one, or -1 */
    int channel;          /* from the launcher; -1 once it has told all */
    int exit;             /* the engine's answer to a wait for the container's end; -1 while there is none */
    int lock;             /* on the socket directory: held to the end, never used */
    pid_t launcher;       /* to be reaped; -1 once it is */
    int64_t began_ms;     /* all times: CLOCK_MONOTONIC */
    int64_t start_by_ms;  /* the handshake must have come by then */
    int64_t settle_by_ms; /* the plugin is ending: what is not known by then never will be; 0 before that */
    int64_t flush_by_ms;  /* the end is decided: what is not written by then is lost; 0 before that */
    int status;           /* the exit status, once decided */
    bool resident;        /* the launcher stays, and tells of the plugin's exit itself */
    bool launched;        /* the launcher has handed over the plugin's exit as well */
    bool host_gone;       /* nobody to print to any more */
    char plugin[128];     /* its name, for messages */
    char directory[4096]; /* the shared one */
};

/* Makes the guardians. Fails with SPAWN_FAILED. */
int gantry_face_begin(struct gantry_face *face, struct gantry_record *record, struct gantry_error *err);

/* Runs until the plugin, the launch or the host has ended. Returns the exit status. */
int gantry_face_run(struct gantry_face *face);

#endif
