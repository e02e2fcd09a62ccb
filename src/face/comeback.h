/* SPDX-License-Identifier: Apache-2.0
 *
 * comeback.h: what the face does about connections to the engine that are lost while the plugin runs on, or that say
 * nothing any more. An engine that is started anew, a proxy that cuts what is idle: neither is the plugin's end.
 *
 * The face knows no engine, so it starts a process that asks: a seeker, which hands over connections in place of the
 * lost ones, or the exit code, and tries again for as long as it lives. The plugin's own process is watched beside
 * them where it is on this machine: its end needs nobody to tell of it. Where it is not, a process that asks once is
 * started from time to time. */
#ifndef GANTRY_COMEBACK_H
#define GANTRY_COMEBACK_H

#include "core/system/channel.h"

#include <stdbool.h>
#include <stdint.h>

struct gantry_face;

/* Who is at the other end of the channel. */
enum gantry_comeback_sender {
    GANTRY_SENDER_LAUNCHER, /* whoever has handed over connections, or holds them */
    GANTRY_SENDER_SEEKER,
    GANTRY_SENDER_ASKER,
};

/* Made by gantry_comeback_init. All times: CLOCK_MONOTONIC, in milliseconds. */
struct gantry_comeback {
    enum gantry_comeback_sender sender;
    int process;         /* a pidfd of the plugin's process; -1 where there is none to be had, or it has ended */
    int64_t timeout_ms;  /* that the engine may be away */
    int64_t doubt_ms;    /* since when a connection is missing; 0 while there is nothing to doubt */
    int64_t gone_ms;     /* when the plugin's process was seen to have ended; 0 before that */
    int64_t whole_ms;    /* since when all connections are there; 0 while one is missing */
    int64_t next_ms;     /* no seeker before */
    int64_t ask_ms;      /* when to ask next; 0 before that is known */
    int64_t told_ms;     /* when it was last told that output may be missing */
    int pause_ms;        /* before the next seeker, where this one comes to nothing */
    int ask_pause_ms;    /* before the next asking */
    unsigned untold;     /* times that output may have been missing since then */
    bool away;           /* the engine does not answer */
    bool held_up;        /* by the host, which had not read what there was, when last looked at */
    char reason[512];    /* why */
    char container[128]; /* its id */
    char started[64];    /* when its process started, as the engine has it; empty where that is not known */
};

void gantry_comeback_init(struct gantry_comeback *comeback);

/* Another container is to take the plugin's place. */
void gantry_comeback_forget(struct gantry_comeback *comeback);

/* Takes what the launcher or a seeker tells of the plugin's process. */
void gantry_comeback_take_process(struct gantry_comeback *comeback, const struct gantry_packet *packet);

/* The plugin runs, and there are connections again or for the first time. */
void gantry_comeback_take_started(struct gantry_face *face);

/* The engine does not answer. */
void gantry_comeback_take_away(struct gantry_face *face, const char *reason);

/* The plugin's process has ended. */
void gantry_comeback_take_gone(struct gantry_face *face);

/* The process at the other end of the channel has ended. */
void gantry_comeback_end_channel(struct gantry_face *face);

/* Decides, for a plugin that has started and whose end is not known, what to do about its connections. */
void gantry_comeback_decide(struct gantry_face *face);

/* When gantry_comeback_decide is to be asked again at the latest; 0: when something has come. */
int64_t gantry_comeback_next(const struct gantry_face *face);

#endif
