/* SPDX-License-Identifier: Apache-2.0
 *
 * descriptor.h: single calls on descriptors, which stay the caller's. */
#ifndef GANTRY_DESCRIPTOR_H
#define GANTRY_DESCRIPTOR_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The most bytes of one write: what a pipe that polls as writable takes without blocking. */
#define GANTRY_DESCRIPTOR_WRITE_SIZE 4096

/* Closes *fd where it is open and sets it to -1. */
void gantry_close(int *fd);

/* Whether a write of up to GANTRY_DESCRIPTOR_WRITE_SIZE bytes would not block now. */
bool gantry_descriptor_is_writable(int fd);

/* Writes the first of these bytes, GANTRY_DESCRIPTOR_WRITE_SIZE at most, and returns how many were taken. Fails with
 * WRITE_FAILED. */
ssize_t gantry_descriptor_write(int fd, const char *bytes, size_t count, struct gantry_error *err);

/* Makes the two ends of a stream, close-on-exec; both are the caller's. Fails with WRITE_FAILED. */
int gantry_descriptor_pair(int ends[2], struct gantry_error *err);

/* Makes a pipe, close-on-exec: the end to read from, which never blocks, and the one to write to. Both are the
 * caller's. Fails with READ_FAILED. */
int gantry_descriptor_pipe(int ends[2], struct gantry_error *err);

/* Reads what is there, `size` bytes at most: how many, 0 at the end, -2 where there is nothing yet. Fails with
 * READ_FAILED. */
ssize_t gantry_descriptor_read(int fd, char *bytes, size_t size, struct gantry_error *err);

/* Opens a process of this machine, to be readable once it has ended; close-on-exec, and the caller's. Fails with
 * NO_PROCESS. */
int gantry_descriptor_process(pid_t pid, struct gantry_error *err);

#endif
