/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_searcher.h: how `require` finds gantry's own modules in the executable's Lua states. */
#ifndef GANTRY_LUA_SEARCHER_H
#define GANTRY_LUA_SEARCHER_H

#include <lua.h>

/* Puts a searcher before those that go through package.path and package.cpath. It loads what was compiled with the
 * executable where that is of the present text, and gantry's C modules from the one place where they are; it leaves all
 * else to the others. `lua` and `c` are the folders of gantry's own modules. [-0, +0, e] */
void lua_gantry_add_searcher(lua_State *L, const char *lua, const char *c);

#endif
