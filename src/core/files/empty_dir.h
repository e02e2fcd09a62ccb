/* SPDX-License-Identifier: Apache-2.0
 *
 * empty_dir.h: removes what others put into a directory, whatever they put there.
 *
 * Everything is done on descriptors with *at() calls. A symbolic link is removed, never followed; what is mounted
 * inside is left alone; directories may nest as deep as they like. Owns nothing. */
#ifndef GANTRY_EMPTY_DIR_H
#define GANTRY_EMPTY_DIR_H

#include "core/base/error.h"

#include <stdbool.h>

/* Whether there is nothing in the directory behind `fd`; false also where that cannot be told. */
bool gantry_dir_is_empty(int fd);

/* Removes all that is in the directory behind `fd`, which stays the caller's; files of other users too, since that
 * takes rights to the directory alone. `path` is how messages call it. Goes on past what cannot be removed, then fails
 * for the first of it with SOCKET_DIR_FAILED. */
int gantry_empty_dir(int fd, const char *path, struct gantry_error *err);

/* Removes up to `most` entries of it, as gantry_empty_dir does, for one who has other things to do in between. Returns
 * whether some may be left that can be removed. */
bool gantry_empty_dir_in_part(int fd, unsigned most);

#endif
