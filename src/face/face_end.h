/* SPDX-License-Identifier: Apache-2.0
 *
 * face_end.h: the end of the process that the host holds: its status, and its reason where that is not the plugin's. */
#ifndef GANTRY_FACE_END_H
#define GANTRY_FACE_END_H

#include "face/face.h"

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t gantry_face_now(void);

/* Ends with a status, once what waits is written; what was decided before stays. */
void gantry_face_end(struct gantry_face *face, int status);

/* go-plugin hosts show their users the first line of standard output where it is no handshake, cut at bars: so that is
 * where the reason goes, besides the log. */
void gantry_face_show(struct gantry_face *face, const char *reason);

/* Ends without a plugin, or without more of it: a handshake that was held back is none any more. */
void gantry_face_fail(struct gantry_face *face, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
