/* SPDX-License-Identifier: Apache-2.0
 *
 * options.h: what the command line of gantry-monitor says. The strings are argv's own. */
#ifndef MONITOR_OPTIONS_H
#define MONITOR_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MONITOR_MOST_HOLDS 4
#define MONITOR_MOST_REMOVES 16

struct monitor_options {
    const char *directory;
    bool dies_with_owner;
    bool foreground;
    int64_t grace_ms;
    int64_t deadline_ms;
    int input;               /* the container's standard input, or -1 */
    const char *own_cgroup;  /* cgroup.procs of the cgroup that it starts in, or NULL */
    char **run;              /* NULL-terminated */
    char **remove_container; /* NULL-terminated: the runtime's delete */
    const char *holds[MONITOR_MOST_HOLDS];
    size_t hold_count;
    const char *removes[MONITOR_MOST_REMOVES];
    size_t remove_count;
};

/* Reads the command line; ends two vectors in it with NULL. Returns NULL, or what is wrong. */
const char *monitor_options_read(struct monitor_options *options, int argc, char **argv);

#endif
