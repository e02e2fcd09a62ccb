/* SPDX-License-Identifier: Apache-2.0
 *
 * directory.h: the container's directory, in which the monitor stands: what it writes there, reads and removes. */
#ifndef MONITOR_DIRECTORY_H
#define MONITOR_DIRECTORY_H

#include "core/system/text.h"
#include "monitor/options.h"
#include "monitor/ring.h"

#include <sys/types.h>

/* How a container ended: one of the first two is 0. */
struct monitor_exit {
    int code;
    int signal;
    int64_t wall_ns;
    int64_t monotonic_ns;
};

/* Takes the lock for as long as the descriptor is open, and shared ones on what is to be held. Waits for who looks
 * whether it is taken, some seconds at most. Returns the word for what failed, with errno, or NULL. */
const char *monitor_directory_lock(const struct monitor_options *options);

/* Listens at the directory's socket. Returns the descriptor, or -1 with errno. */
int monitor_directory_listen(void);

/* The number in the runtime's file, or 0. */
pid_t monitor_directory_pid(void);

/* The end of the runtime's log, ended by a NUL. Returns its length. */
size_t monitor_directory_log(char *text, size_t size);

/* Writes what was kept; nothing where there is nothing. */
void monitor_directory_write_tail(const struct monitor_ring rings[2]);

/* Writes how the container ended, as one step. */
void monitor_directory_write_exit(const struct monitor_exit *how);

/* The line that the file has and the owner is told. */
struct gantry_text monitor_exit_text(const struct monitor_exit *how);

/* Removes what the monitor, the runtime and gantry have made in the directory, then itself where nothing else is in
 * it. */
void monitor_directory_remove(const struct monitor_options *options);

#endif
