/* SPDX-License-Identifier: Apache-2.0
 *
 * in_root.h: files of an unpacked image, as its own processes find them: a link, absolute or with any number of "..",
 * leads to something below the image's root, whoever made the image. */
#ifndef GANTRY_IN_ROOT_H
#define GANTRY_IN_ROOT_H

#include "core/base/error.h"

#include <stdbool.h>
#include <sys/stat.h>

/* Opens a file below `root` for reading and looks at what was opened. A FIFO or device does not hold the caller up;
 * what /proc calls a link (/proc/self/root) is not followed. The descriptor is the caller's. Fails with READ_FAILED;
 * err->os_error is ENOENT or ENOTDIR where there is none. */
int gantry_in_root_open(const char *root, const char *path, int *fd, struct stat *status, struct gantry_error *err);

/* Looks at a file below `root`. Fails with STAT_FAILED, and os_error as above. */
int gantry_in_root_stat(const char *root, const char *path, struct stat *status, struct gantry_error *err);

/* Makes a mount point below `root` that is missing: a directory of this mode, or an empty file where `is_file`; and the
 * directories above it, of mode 0755. The umask does not matter. Returns 1 where it was made, 0 where something is
 * there, whatever it is. Fails with DIRECTORY_FAILED: so does a path with "..", and a link that leads to nothing. */
int gantry_in_root_make(const char *root, const char *path, bool is_file, mode_t mode, struct gantry_error *err);

#endif
