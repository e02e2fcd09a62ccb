/* SPDX-License-Identifier: Apache-2.0
 *
 * notify.h: tells the service manager how the process is, by the protocol of sd_notify: one datagram a message. */
#ifndef GANTRY_NOTIFY_H
#define GANTRY_NOTIFY_H

#include "core/base/error.h"

/* Sends `text` (lines such as "READY=1") to the socket at `path`, as NOTIFY_SOCKET names it: a path, or an abstract
 * name that begins with '@'. Never waits. Fails with NOTIFY_FAILED. */
int gantry_notify_send(const char *path, const char *text, struct gantry_error *err);

#endif
