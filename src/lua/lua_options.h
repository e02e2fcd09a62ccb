/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_options.h: reads the fields of a table of options. A field of the wrong kind raises, and its name is in the
 * message. What is pushed stays on the stack for as long as C uses it.
 *
 * Stack effects are given as in lua_gantry.h. */
#ifndef LUA_OPTIONS_H
#define LUA_OPTIONS_H

#include "lua/lua_gantry.h"

#include <stddef.h>

/* Pushes field `name`: a string of any bytes, or nil for NULL. [-0, +1, e] */
GANTRY_API const char *lua_gantry_push_bytes(lua_State *L, int table, const char *name, size_t *length);

/* Pushes field `name`: a string without a NUL, or nil for NULL. [-0, +1, e] */
GANTRY_API const char *lua_gantry_push_text(lua_State *L, int table, const char *name);

/* The same for a field that must be there. [-0, +1, e] */
GANTRY_API const char *lua_gantry_push_needed_text(lua_State *L, int table, const char *name);

/* Pushes field `name`, a list of strings without a NUL or nil, and the NULL-terminated array made of it, which points
 * into the list. `what` names an entry in messages. Returns NULL for nil. [-0, +2, e] */
GANTRY_API const char *const *lua_gantry_push_texts(lua_State *L, int table, const char *name, const char *what);

/* Pushes the array made of the list at `list`, as above. [-0, +1, e] */
GANTRY_API const char *const *lua_gantry_push_array(lua_State *L, int list, const char *what);

/* The integer in field `name`, from `least` to `most`; `otherwise` where it is nil. [-0, +0, e] */
GANTRY_API lua_Integer lua_gantry_get_integer(lua_State *L, int table, const char *name, lua_Integer least,
                                              lua_Integer most, lua_Integer otherwise);

#endif
