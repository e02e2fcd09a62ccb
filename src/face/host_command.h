/* SPDX-License-Identifier: Apache-2.0
 *
 * host_command.h: `gantry host -- COMMAND`: runs a go-plugin host with a temporary directory of its own, so that
 * policies with share_tmp can show the sockets that the host makes there to their plugins, and nothing of anybody
 * else's. */
#ifndef GANTRY_HOST_COMMAND_H
#define GANTRY_HOST_COMMAND_H

#include <stdbool.h>

/* Whether the command line is for gantry_host_command; another one with this verb asks for help, or is wrong. */
bool gantry_host_command_wanted(int argc, char **argv);

/* Runs the command with all that this process has, TMPDIR apart, and removes the directory after its end. Returns the
 * exit status: the command's, 128 and the signal that ended it, 126 or 127 where it cannot be run. */
int gantry_host_command(char **argv);

#endif
