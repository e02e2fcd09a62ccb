/* SPDX-License-Identifier: Apache-2.0
 *
 * broker_watch.h: notices when the host makes a socket for its plugin to dial: go-plugin's broker does so in the host's
 * temporary directory, which the container does not see unless the policy shares it. The plugin's failure comes back to
 * the host by a way that only the two of them see, so it is noticed here, to name the remedy. */
#ifndef GANTRY_BROKER_WATCH_H
#define GANTRY_BROKER_WATCH_H

#include <limits.h>
#include <stdbool.h>

struct gantry_broker_watch {
    int fd; /* readable when something was made in the folder; -1 where nothing is watched */
    const char *folder;
};

/* Watches, unless host and plugin have agreed on a broker without sockets, or the system has no watch to spare. */
void gantry_broker_watch_open(struct gantry_broker_watch *watch);

/* Whether a process above this one has made a socket for a plugin; its path is then in `path`. */
bool gantry_broker_watch_read(struct gantry_broker_watch *watch, char path[PATH_MAX]);

void gantry_broker_watch_close(struct gantry_broker_watch *watch);

#endif
