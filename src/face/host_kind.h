/* SPDX-License-Identifier: Apache-2.0
 *
 * host_kind.h: what the program that executed a policy wants of it, by the environment and the arguments that it gave.
 *
 * Hosts start other programs as well, which inherit what the host meant for its plugin; a host that is itself a plugin
 * starts hosts. So one set of variables alone says little, and where both are there, the arguments decide. */
#ifndef GANTRY_HOST_KIND_H
#define GANTRY_HOST_KIND_H

enum gantry_host_kind {
    GANTRY_HOST_NONE,      /* a person, or somebody who gives no reason to start anything */
    GANTRY_HOST_ASKS,      /* arguments, and not at a terminal: the answer is what the program prints, and its status */
    GANTRY_HOST_GO_PLUGIN, /* a plugin by go-plugin's handshake */
    GANTRY_HOST_PACKER,    /* a plugin by the handshake of Packer's SDK, which comes from before go-plugin */
};

/* `arguments` are the host's for its plugin, with a NULL behind the last. */
enum gantry_host_kind gantry_host_kind_find(char **arguments);

/* The name by which Lua knows it. */
const char *gantry_host_kind_name(enum gantry_host_kind kind);

#endif
