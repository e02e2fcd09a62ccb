/* SPDX-License-Identifier: Apache-2.0
 *
 * face_plugin.h: what the face makes of what it hears: from the launcher, from the plugin, and of their silence. */
#ifndef GANTRY_FACE_PLUGIN_H
#define GANTRY_FACE_PLUGIN_H

#include "face/face.h"

/* Takes what has come through the channel. */
void gantry_face_take_packets(struct gantry_face *face);

/* Takes what has come of the engine's answer on the container's end. */
void gantry_face_take_exit(struct gantry_face *face);

/* Takes what the gate says of the plugin's end. */
void gantry_face_take_gate(struct gantry_face *face);

/* Looks at what was made in the host's temporary directory: the plugin may be about to look for it in vain. */
void gantry_face_take_socket(struct gantry_face *face);

/* Looks at the handshake line before the host gets it. */
void gantry_face_check_handshake(struct gantry_face *face);

/* Decides whether it is time to end, and with which status. */
void gantry_face_decide(struct gantry_face *face);

/* When gantry_face_decide is to be asked again at the latest; -1: when something has come. */
int gantry_face_timeout(const struct gantry_face *face);

#endif
