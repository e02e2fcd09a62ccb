/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_gantry.h: what the bindings share: the failure shape, and values that several of them take or give.
 *
 * Stack effects are given as [-popped, +pushed, e] where e marks functions that may raise. */
#ifndef LUA_GANTRY_H
#define LUA_GANTRY_H

#include "core/base/error.h"

#include <lauxlib.h>
#include <lua.h>
#include <sys/stat.h>

/* Name in the registry of the metatable that all errors share, made in C as in Lua (see lua/gantry/base/errors.lua). */
#define LUA_GANTRY_ERROR "gantry.Error"

/* Returns `nil, err` for a failed call of the core: pushes both, returns 2. [-0, +2, e] */
GANTRY_API int lua_gantry_fail(lua_State *L, const struct gantry_error *err);

/* Pushes the metatable of errors, made where this state has none yet. [-0, +1, e] */
GANTRY_API void lua_gantry_push_error_metatable(lua_State *L);

/* Pushes one error object: { code, message, os_error? } with the shared metatable. [-0, +1, e] */
GANTRY_API void lua_gantry_push_error(lua_State *L, const struct gantry_error *err);

/* Pushes what stat tells of a file: { type, mode, uid, gid, size, mtime }, and of a device more. [-0, +1, e] */
void lua_gantry_push_status(lua_State *L, const struct stat *status);

/* The descriptor at `index`; raises where the number can be none, which a cast would turn into another's. */
GANTRY_API int lua_gantry_check_descriptor(lua_State *L, int index);

/* The string at `index`; raises where it holds a NUL, behind which C would see nothing. */
GANTRY_API const char *lua_gantry_check_text(lua_State *L, int index);

/* Makes the metatable `name` of a type of userdata, with its methods. [-0, +0, e] */
GANTRY_API void lua_gantry_make_type(lua_State *L, const char *name, const luaL_Reg *methods);

/* The parts of gantry.core, each of which pushes its table of functions. A part opens on first use. */
GANTRY_API int lua_gantry_open_loop(lua_State *L);
GANTRY_API int lua_gantry_open_stdcopy(lua_State *L);
GANTRY_API int lua_gantry_open_lines(lua_State *L);
GANTRY_API int lua_gantry_open_handshake(lua_State *L);
GANTRY_API int lua_gantry_open_socket_dir(lua_State *L);
GANTRY_API int lua_gantry_open_group(lua_State *L);
GANTRY_API int lua_gantry_open_process(lua_State *L);
GANTRY_API int lua_gantry_open_channel(lua_State *L);
GANTRY_API int lua_gantry_open_gate(lua_State *L);
GANTRY_API int lua_gantry_open_monitor(lua_State *L);
GANTRY_API int lua_gantry_open_signals(lua_State *L);
struct gantry_signals;

/* The signals that this state holds (see lua_signals.c), or NULL. They stay its own. [-0, +0, -] */
const struct gantry_signals *lua_gantry_signals_taken(lua_State *L);

GANTRY_API int lua_gantry_open_budget(lua_State *L);
GANTRY_API int lua_gantry_open_confinement(lua_State *L);
GANTRY_API int lua_gantry_open_system(lua_State *L);
GANTRY_API int lua_gantry_open_inotify(lua_State *L);
GANTRY_API int lua_gantry_open_files(lua_State *L);
GANTRY_API int lua_gantry_open_notify(lua_State *L);
GANTRY_API int lua_gantry_open_json_scan(lua_State *L);
GANTRY_API int lua_gantry_open_regex(lua_State *L);
GANTRY_API int lua_gantry_open_base64(lua_State *L);

/* The modules, for `require`: gantry.core, then those that need libraries of their own. Each pushes its table. */
GANTRY_API int luaopen_gantry_core(lua_State *L);
GANTRY_API int luaopen_gantry_core_certificate(lua_State *L);
GANTRY_API int luaopen_gantry_core_control(lua_State *L);
GANTRY_API int luaopen_gantry_core_digest(lua_State *L);
GANTRY_API int luaopen_gantry_core_grpc(lua_State *L);
GANTRY_API int luaopen_gantry_core_http(lua_State *L);
GANTRY_API int luaopen_gantry_core_line_editor(lua_State *L);
GANTRY_API int luaopen_gantry_core_screen(lua_State *L);

#endif
