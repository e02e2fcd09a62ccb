/* SPDX-License-Identifier: Apache-2.0
 *
 * file_body.h: bytes, a file that was looked at before, and more bytes, to be sent in that order without ever being in
 * memory as a whole. Where the file is not the one any more that it was, what follows it is never given: its receiver
 * has nothing whole. Whoever made one frees it. */
#ifndef GANTRY_FILE_BODY_H
#define GANTRY_FILE_BODY_H

#include "core/base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Nothing in it is kept: all is copied, and the descriptor duplicated. */
struct gantry_file_body_options {
    const char *before;
    size_t before_size;
    int fd;
    uint64_t size;      /* of the file */
    const char *sha256; /* of the file: hexadecimal digits in lower case */
    const char *after;
    size_t after_size;
};

struct gantry_file_body;

/* Fails with OUT_OF_MEMORY, READ_FAILED (no descriptor more). */
int gantry_file_body_new(const struct gantry_file_body_options *options, struct gantry_file_body **body,
                         struct gantry_error *err);

/* NULL is allowed. */
void gantry_file_body_free(struct gantry_file_body *body);

/* Of all three. */
uint64_t gantry_file_body_size(const struct gantry_file_body *body);

/* Gives the next bytes, at most `size` of them, and returns how many; 0 at the end. Fails with FILE_CHANGED (its digest
 * or size is another by now), READ_FAILED. */
ssize_t gantry_file_body_read(struct gantry_file_body *body, char *bytes, size_t size, struct gantry_error *err);

/* Begins again. */
void gantry_file_body_rewind(struct gantry_file_body *body);

#endif
