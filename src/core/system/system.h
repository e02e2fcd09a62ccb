/* SPDX-License-Identifier: Apache-2.0
 *
 * system.h: facts about files, process and machine, as the system tells them at one call. Nothing here waits. */
#ifndef GANTRY_SYSTEM_H
#define GANTRY_SYSTEM_H

#include "core/base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define GANTRY_SYSTEM_RANDOM_SIZE 64
#define GANTRY_SYSTEM_HOSTNAME_SIZE (HOST_NAME_MAX + 1)

/* Looks at a file; links are followed. Fails with STAT_FAILED. */
int gantry_system_stat(const char *path, struct stat *status, struct gantry_error *err);

/* Gives the absolute path without links of a file that is there. Fails with PATH_UNRESOLVED. */
int gantry_system_real_path(const char *path, char resolved[PATH_MAX], struct gantry_error *err);

/* Gives the absolute path of the current directory. Fails with PATH_UNRESOLVED. */
int gantry_system_current_directory(char path[PATH_MAX], struct gantry_error *err);

/* Whether the effective user may do `mode` (R_OK, W_OK) with a file. */
bool gantry_system_may_access(const char *path, int mode);

/* Whether what is at a path is kept in memory alone, and swap at most: a tmpfs or ramfs. */
bool gantry_system_in_memory(const char *path);

/* Gives the machine's name, cut where it is too long. */
void gantry_system_hostname(char name[GANTRY_SYSTEM_HOSTNAME_SIZE]);

/* The bytes of the machine's memory; 0 where it does not say. */
uint64_t gantry_system_memory(void);

/* Writes `count` random bytes, GANTRY_SYSTEM_RANDOM_SIZE at most, as twice as many hexadecimal digits and a NUL. False
 * where the kernel gave none. */
bool gantry_system_random(size_t count, char text[2 * GANTRY_SYSTEM_RANDOM_SIZE + 1]);

/* Gives freed memory back to the system, where the C library can. */
void gantry_system_trim_memory(void);

#endif
