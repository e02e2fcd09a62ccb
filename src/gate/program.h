/* SPDX-License-Identifier: Apache-2.0
 *
 * program.h: the program that a command names. */
#ifndef GATE_PROGRAM_H
#define GATE_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

/* The value of a variable in such a list, or NULL. */
const char *gate_find_variable(char *const *environment, const char *name);

/* Where a name without a slash is looked for: a PATH, or engines' own where that is NULL. */
const char *gate_folders(const char *path);

/* The file of that name in the first of the folders at `at`, which moves on to the next, or to NULL behind the last.
 * False where there can be none, since its name is too long. */
bool gate_next_program(const char **at, const char *name, char path[PATH_MAX]);

/* Reads a command's program once, for the kernel to have it in memory when it is wanted: an image's file system may be
 * one that gives each container its own, or that nobody has read from yet. What cannot be read is passed over. */
void gate_read_ahead(const char *name);

#endif
