/* SPDX-License-Identifier: Apache-2.0
 *
 * copy.h: a file that becomes another's, without its bytes ever being in this process: nothing of them is in a core
 * dump, nor in memory that was given back. */
#ifndef GANTRY_COPY_H
#define GANTRY_COPY_H

#include "core/base/error.h"

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

struct gantry_copy_target {
    const char *path; /* must not be there */
    mode_t mode;
    uid_t user;  /* -1: as it is made */
    gid_t group; /* -1: as it is made */
};

/* Copies the first `limit` bytes of a regular file, of others nothing, and tells what was opened. Fails with
 * READ_FAILED, for the file, or WRITE_FAILED, leaving nothing. */
int gantry_copy_file(const char *from, size_t limit, const struct gantry_copy_target *to, struct stat *status,
                     struct gantry_error *err);

#endif
