/* SPDX-License-Identifier: Apache-2.0
 *
 * exec.h: `gantry exec POLICY ARGUMENTS`: stands in for a plugin's binary that a go-plugin host starts.
 *
 * The process that the host holds is only a face: it relays the container's output, lives exactly as long as the
 * plugin's process, and ends with its status. Before anything else it makes two guardians (guardian.h), then a
 * launcher: a process that loads the policy, talks to the engine, hands over the connections (channel.h) and ends. */
#ifndef GANTRY_EXEC_H
#define GANTRY_EXEC_H

#include "face/host_kind.h"
#include "face/record.h"

/* What gantry_exec returns in the launcher's process, which has then to run `launcher`. */
#define GANTRY_EXEC_LAUNCHER (-1)

/* What the launcher has of the others. */
struct gantry_launcher {
    struct gantry_record *record; /* NULL for who makes nothing */
    int channel;                  /* to the face */
    int face;                     /* a pidfd of the face: readable once it has ended */
    pid_t face_pid;               /* whose parent is the host, or stands between */
    enum gantry_host_kind kind;
};

/* The verb of the processes that guardians start, for nobody else. */
#define GANTRY_EXEC_CLEANER "exec-clean"
#define GANTRY_EXEC_CLEANER_ARGUMENTS 5

/* The verb of the processes that the face starts to look for a plugin whose connections it has lost (comeback.h), for
 * nobody else: numbers of the channel and of the face's pidfd; what is missing, "output" with all else, "exit", or
 * "ask", which is nothing; the engine, the container, when it started, the plugin's name. */
#define GANTRY_EXEC_RETURNER "exec-return"
#define GANTRY_EXEC_RETURNER_ARGUMENTS 7

/* Whether the command line is of such a process. Fills `launcher` for it then. */
bool gantry_exec_returns(int argc, char **argv, struct gantry_launcher *launcher);

/* Whether the command line is for gantry_exec; another one with this verb asks for help, or is wrong. */
bool gantry_exec_wanted(int argc, char **argv);

/* Runs the face to its end. Returns the exit status, or GANTRY_EXEC_LAUNCHER. */
int gantry_exec(char **argv, struct gantry_launcher *launcher);

/* In the launcher's process: tells the face of a fault of gantry's own. */
void gantry_launcher_fault(struct gantry_launcher *launcher, const char *message);

#endif
