/* SPDX-License-Identifier: Apache-2.0
 *
 * memory.h: whether the container's memory ran out. */
#ifndef GATE_MEMORY_H
#define GATE_MEMORY_H

/* How often the kernel killed for lack of memory in this container, or -1 where its control group tells nobody. */
long gate_memory_kills(void);

#endif
