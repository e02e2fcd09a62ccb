/* SPDX-License-Identifier: Apache-2.0
 *
 * empty_dir.h: removes what others put into a directory, whatever they put there.
 *
 * Everything is done on descriptors with *at() calls. A symbolic link is removed, never followed; what is mounted
 * inside is left alone; how deep directories may nest is bounded. Owns nothing. */
#ifndef GANTRY_EMPTY_DIR_H
#define GANTRY_EMPTY_DIR_H

#include "error.h"

/* Removes all that is in the directory behind `fd`, which stays the caller's; files of other users too, since that
 * takes rights to the directory alone. `path` is how messages call it. Goes on past what cannot be removed, then fails
 * for the first of it with SOCKET_DIR_FAILED. */
int gantry_empty_dir(int fd, const char *path, struct gantry_error *err);

#endif
