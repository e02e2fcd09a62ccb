/* SPDX-License-Identifier: Apache-2.0
 *
 * files.h: files that outlive the process: directories made and listed, files replaced in one step, locks that end with
 * their holder. */
#ifndef GANTRY_FILES_H
#define GANTRY_FILES_H

#include "core/base/error.h"

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Makes a directory and those above it that are missing, with this mode. One that is there is a success, where it is
 * the caller's and nobody else may write to it, and nobody but the caller and root can put another in its place or
 * above it. Fails with DIRECTORY_FAILED or DIRECTORY_UNSAFE. */
int gantry_files_make_directory(const char *path, mode_t mode, struct gantry_error *err);

/* Whether nobody but the caller and root can put something else in the place of what is at `path`, by what is above it.
 * What is missing is not made, and no fault. Fails with DIRECTORY_UNSAFE. */
int gantry_files_check_above(const char *path, struct gantry_error *err);

/* Opens a file for reading and looks at what was opened, so that nobody can exchange it in between. `flags` are more of
 * open's, such as O_NOFOLLOW. A FIFO or device does not hold the caller up. The descriptor is the caller's. Fails with
 * READ_FAILED. */
int gantry_files_open(const char *path, int flags, int *fd, struct stat *status, struct gantry_error *err);

typedef void gantry_files_entry_fn(void *data, const char *name);

/* Calls back for each entry of a directory but "." and "..", in no order. Fails with DIRECTORY_FAILED. */
int gantry_files_list(const char *path, gantry_files_entry_fn *callback, void *data, struct gantry_error *err);

/* Replaces a file in one step: whoever reads it finds the old content or the new. A crash of the machine may lose the
 * new one; a crash of the process does not. Fails with WRITE_FAILED, the file being as before. */
int gantry_files_replace(const char *path, const char *bytes, size_t count, mode_t mode, struct gantry_error *err);

/* Makes a file in one step: it is there whole, or not at all. `mode` is subject to the umask. Fails with FILE_EXISTS
 * where something has that name, which is left as it is, else with WRITE_FAILED. */
int gantry_files_create(const char *path, const char *bytes, size_t count, mode_t mode, struct gantry_error *err);

/* Takes the lock of a file or directory, which is made as a file where it is missing; gives a descriptor that holds the
 * lock until it is closed. Fails with LOCK_BUSY (another process holds it) or LOCK_FAILED. */
int gantry_files_lock(const char *path, int *fd, struct gantry_error *err);

#endif
