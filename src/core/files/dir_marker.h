/* SPDX-License-Identifier: Apache-2.0
 *
 * dir_marker.h: the file beside a socket directory that says which inode it has. It is made by us, in a root that is
 * ours, where no container can write: what has no such file was not made here, and nothing of it is removed. The file
 * is there only while the directory is: made after it, removed before it. */
#ifndef GANTRY_DIR_MARKER_H
#define GANTRY_DIR_MARKER_H

#include <stdbool.h>

/* Writes the marker of the open directory `dir`, whose name in `root` is `name`. Fails with errno, and leaves none. */
int gantry_dir_marker_write(int root, const char *name, int dir);

/* Whether the directory that is open as `dir` is the one that the marker of `name` tells of. */
bool gantry_dir_marker_tells(int root, const char *name, int dir);

void gantry_dir_marker_remove(int root, const char *name);

#endif
