/* SPDX-License-Identifier: Apache-2.0
 *
 * output.h: a plugin's standard output on its way through its gate, to the gate's own: so the gate sees it before the
 * engine does. A plugin never writes to anything that ends with its asker. */
#ifndef GATE_OUTPUT_H
#define GATE_OUTPUT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct gate_output {
    int fd;          /* the gate's end of the pipe; -1: there is none, or its output has ended */
    bool is_waiting; /* there is some, for which the gate's own output may lack room */
};

/* Returns the plugin's end, which is the caller's, or -1 with errno. */
int gate_output_open(struct gate_output *output);

/* What is to be polled for it. */
struct pollfd gate_output_entry(const struct gate_output *output);

/* Passes some on, once what was polled for has come, and leaves it in `bytes` too. Returns how much: 0 where there was
 * none after all. Blocks only while the gate's own output takes nothing where it said that it would. */
size_t gate_output_pass(struct gate_output *output, char *bytes, size_t size);

/* Passes on what there is, and waits for the gate's own output meanwhile; closes the gate's end. */
void gate_output_drain(struct gate_output *output, char *bytes, size_t size);

void gate_output_close(struct gate_output *output);

#endif
