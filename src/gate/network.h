/* SPDX-License-Identifier: Apache-2.0
 *
 * network.h: no network, without any privilege. */
#ifndef GATE_NETWORK_H
#define GATE_NETWORK_H

/* From now on, this process and all that come of it get EACCES for each socket that is not a Unix one, and ENOSYS for
 * io_uring, which would make them past the filter. The gate is under it itself: a plugin of the same user could
 * otherwise have the gate open sockets, by ptrace. Returns 0 or an errno; ENOTSUP on other machines. */
int gate_close_network(void);

#endif
