/* SPDX-License-Identifier: Apache-2.0
 *
 * runtime_dir.h: the directory below which every plugin has its socket directory: the caller's alone. */
#ifndef GANTRY_RUNTIME_DIR_H
#define GANTRY_RUNTIME_DIR_H

#include "core/base/error.h"

#include <limits.h>

/* Makes sure that `path` is a directory of the caller's that nobody else may write to or exchange; makes it, 0700,
 * where it is missing and its parent is there. Fails with RUNTIME_DIR_FAILED, RUNTIME_DIR_UNSAFE (a symbolic link,
 * another owner, writable by others, something of the kind above it). */
int gantry_runtime_dir_make(const char *path, struct gantry_error *err);

/* Copies an absolute path without slashes at its end, which would have a link followed in spite of O_NOFOLLOW. Fails
 * with RUNTIME_DIR_FAILED. */
int gantry_runtime_dir_name(const char *path, char root[PATH_MAX], struct gantry_error *err);

/* Opens one that is there and fit for use, by its name as above. Returns a descriptor, which is the caller's, or fails
 * as gantry_runtime_dir_make does. */
int gantry_runtime_dir_open(const char *root, struct gantry_error *err);

#endif
