/* SPDX-License-Identifier: Apache-2.0
 *
 * orphans.h: what a plugin that has ended left running. */
#ifndef GATE_ORPHANS_H
#define GATE_ORPHANS_H

#include <stdbool.h>
#include <sys/types.h>

/* Kills what is left of the session of a plugin (0: of none); where `all`, whatever else became the gate's child, since
 * no other plugin runs that it could belong to. What these leave in turn is met by the next call. Returns how many it
 * killed. */
int gate_kill_orphans(pid_t session, bool all);

#endif
