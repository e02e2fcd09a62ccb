/* SPDX-License-Identifier: Apache-2.0
 *
 * confinement.h: limits that a process puts on itself before it runs code that it does not trust. There is no way back
 * from them; nothing here owns anything. */
#ifndef GANTRY_CONFINEMENT_H
#define GANTRY_CONFINEMENT_H

#include "core/base/error.h"

#include <sys/resource.h>

/* Bounds the process's address space to so many bytes and its descriptors to so many; no file can be written to, no
 * core is left, no privilege is gained, and the kernel ends it with the thread that started it. Under the address
 * sanitizer, which maps terabytes, the address space is left alone.
 * Fails with CONFINEMENT_FAILED; what was bounded until then stays so. */
int gantry_confine(rlim_t bytes, rlim_t descriptors, struct gantry_error *err);

/* From now on, the process may use so many seconds of CPU time until it is ended; to be renewed before each piece of
 * work. Fails with CONFINEMENT_FAILED. */
int gantry_confine_cpu(rlim_t seconds, struct gantry_error *err);

#endif
