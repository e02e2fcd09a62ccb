/* SPDX-License-Identifier: Apache-2.0
 *
 * children.h: what a monitor starts, and what it has become the parent of. */
#ifndef MONITOR_CHILDREN_H
#define MONITOR_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define MONITOR_CHILD_FDS 8

/* What a child gets as its descriptors 0, 1, 2 and so on. */
struct monitor_child {
    char *const *arguments;
    int fds[MONITOR_CHILD_FDS];
    size_t count;
    bool dies_with_us; /* it is killed where this process ends */
};

/* Starts a program, for which no signal is held back. Returns 0 or an errno, also where it cannot be executed. */
int monitor_run(const struct monitor_child *child, pid_t *pid);

/* Sends SIGKILL to all children, none of which can have another's number: they are reaped by this process alone. */
void monitor_kill_children(void);

#endif
