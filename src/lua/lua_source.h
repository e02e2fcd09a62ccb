/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_source.h: what hangs on a loop from Lua (timers, watches, processes, signals) and is at work although nobody
 * holds it.
 *
 * A source is the first member of a userdata. While it is at work, the registry holds the userdata and its callbacks,
 * and the loop lists it: closing the loop lets go of all. The userdata keeps its loop alive (user value 1). */
#ifndef LUA_SOURCE_H
#define LUA_SOURCE_H

#include "lua_gantry.h"

#define LUA_GANTRY_SOURCE_CALLBACKS 2

struct lua_gantry_source {
    struct lua_gantry_loop *loop;
    struct lua_gantry_source *next;
    struct lua_gantry_source **link; /* what points here, or NULL while not listed */
    int self;
    int callbacks[LUA_GANTRY_SOURCE_CALLBACKS];
};

/* The userdata of a loop: the part that all bindings see, then its list. */
struct lua_gantry_loop_userdata {
    struct lua_gantry_loop shared;
    struct lua_gantry_source *sources;
};

/* Makes the metatable `name` with its methods. [-0, +0, e] */
void lua_gantry_source_type(lua_State *L, const char *name, const luaL_Reg *methods);

/* Pushes a new userdata of `size` bytes, all zero but for the source it starts with, with the metatable `type`. It is
 * to hang on the open loop at stack index `loop`, and is not yet anchored. [-0, +1, e] */
void *lua_gantry_source_new(lua_State *L, size_t size, const char *type, int loop);

/* Anchors the source whose userdata is on top of the stack. [-0, +0, e] */
void lua_gantry_source_anchor(lua_State *L, struct lua_gantry_source *source);

/* Lets go of the userdata and its callbacks. The userdata may be collected from then on, so it must be on the stack,
 * or not be touched any more. Idempotent. */
void lua_gantry_source_release(lua_State *L, struct lua_gantry_source *source);

/* Lets go of all sources of a loop, which is being closed. */
void lua_gantry_source_release_all(lua_State *L, struct lua_gantry_loop *loop);

#endif
