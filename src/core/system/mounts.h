/* SPDX-License-Identifier: Apache-2.0
 *
 * mounts.h: whether two processes mean the same file by one path, as far as the mounts that each of them sees tell. A
 * service of systemd may have a /tmp of its own (PrivateTmp), and so may an engine. Nothing is kept. */
#ifndef GANTRY_MOUNTS_H
#define GANTRY_MOUNTS_H

#include "core/base/error.h"

#include <stdbool.h>
#include <sys/types.h>

enum gantry_mounts { GANTRY_MOUNTS_UNKNOWN, GANTRY_MOUNTS_SAME, GANTRY_MOUNTS_OTHER };

/* Whether this process and some thread of process `other` see the same at an absolute path without links. Unknown where
 * the other's mounts cannot be read. */
GANTRY_API enum gantry_mounts gantry_mounts_compare(pid_t other, const char *path);

/* The process that listens at a Unix socket, as it was when it began to; 0 where nobody does, or in no view of ours. */
GANTRY_API pid_t gantry_mounts_listener(const char *socket_path);

#endif
