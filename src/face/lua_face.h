/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_face.h: gantry.face, the module by which the launcher's Lua code reaches the record and the face. It is there in
 * the launcher's process alone. */
#ifndef GANTRY_LUA_FACE_H
#define GANTRY_LUA_FACE_H

#include "face/exec.h"

#include <lua.h>

/* Makes require("gantry.face") work in this state. `launcher` outlives it. */
void lua_gantry_preload_face(lua_State *L, struct gantry_launcher *launcher);

#endif
