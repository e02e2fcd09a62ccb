/* SPDX-License-Identifier: Apache-2.0
 *
 * install.h: the gate puts a copy of itself where the containers of a pod find it. */
#ifndef GATE_INSTALL_H
#define GATE_INSTALL_H

/* Copies the running program to FOLDER/gantry-gate, mode 0755: whole or not at all. Returns 0 or an errno. */
int gate_install(const char *folder);

#endif
