/* SPDX-License-Identifier: Apache-2.0
 *
 * listener.h: the socket of a gate, and who may ask there. */
#ifndef GATE_LISTENER_H
#define GATE_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

/* Listens at `path`, in place of a gate that is gone. The socket appears only once it can be connected to, for its
 * user alone, or for all where `asker` is somebody else, who is then looked at. Returns a descriptor, or -1 with errno,
 * and `*why` is a static text where that says too little: another gate listens there, something else has the name, or
 * others may write in the folder, which is no volume of its own. */
int gate_listen(const char *path, uid_t asker, const char **why);

/* Whether who connected is the gate's own user, root, or `asker`. */
bool gate_may_ask(int fd, uid_t asker);

/* Whether a gate answers at `path`: 0 or an errno. Waits for 2 seconds at most. */
int gate_probe(const char *path);

#endif
