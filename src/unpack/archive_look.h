/* SPDX-License-Identifier: Apache-2.0
 *
 * archive_look.h: the small files by which an archive of images says what it is, and archives that come from elsewhere
 * put into files. */
#ifndef GANTRY_ARCHIVE_LOOK_H
#define GANTRY_ARCHIVE_LOOK_H

#include "core/base/error.h"

#include <stdint.h>

/* Writes to standard output, for each regular file of the archive behind `fd` that has one of these names (NULL ends
 * them), "NAME SIZE\n" and its bytes. Fails with IMAGE_CORRUPT: no archive, or one such file is too long. */
int gantry_archive_look(int fd, const char *const *names, struct gantry_error *err);

/* Copies what comes from `from` into `to`, plain where it is compressed, up to `most` bytes. Fails with IMAGE_CORRUPT,
 * IMAGE_TOO_LARGE, STORE_FULL, STORE_FAILED or READ_FAILED. */
int gantry_archive_keep(int from, int to, uint64_t most, struct gantry_error *err);

#endif
