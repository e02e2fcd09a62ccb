/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_gantry.h: what the bindings share: the failure shape, the loop they hang on, and callbacks into Lua.
 *
 * Stack effects are given as [-popped, +pushed, e] where e marks functions that may raise. */
#ifndef LUA_GANTRY_H
#define LUA_GANTRY_H

#include "../core/error.h"
#include "../core/loop.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

/* Name in the registry of the metatable that all errors share, made in C as in Lua (see lua/gantry/errors.lua). */
#define LUA_GANTRY_ERROR "gantry.Error"
#define LUA_GANTRY_LOOP "gantry.loop"

/* The loop's userdata. Callbacks from the core run only inside loop:step, on the Lua thread that called it. */
struct lua_gantry_loop {
    struct gantry_loop *loop; /* NULL once closed */
    lua_State *running;       /* the thread inside loop:step, or NULL */
    int error_ref;            /* the first error a callback raised in this step, or LUA_NOREF */
};

/* Returns `nil, err` for a failed call of the core: pushes both, returns 2. [-0, +2, e] */
int lua_gantry_fail(lua_State *L, const struct gantry_error *err);

/* Pushes one error object: { code, message, os_error? } with the shared metatable. [-0, +1, e] */
void lua_gantry_push_error(lua_State *L, const struct gantry_error *err);

/* The open loop at `index`; raises where it is not a loop or is closed. */
struct lua_gantry_loop *lua_gantry_check_loop(lua_State *L, int index);

/* Anchors the function in field `name` of the table at `table` in the registry; LUA_NOREF where the field is nil.
 * Raises where it is something else than a function. [-0, +0, e] */
int lua_gantry_ref_callback(lua_State *L, int table, const char *name);

/* Begins a callback: returns the running thread with the function `ref` pushed, or NULL where there is no such
 * function or the loop is not in a step (a callback outside a step would be a fault of the core). */
lua_State *lua_gantry_begin_call(struct lua_gantry_loop *loop, int ref);

/* Calls the function under `arguments` values on top of the stack. An error never leaves this function: the first of
 * a step is parked and raised by loop:step once the core is off the stack. */
void lua_gantry_finish_call(struct lua_gantry_loop *loop, lua_State *L, int arguments);

/* Gives back a reference; sets it to LUA_NOREF. Safe on LUA_NOREF. */
void lua_gantry_unref(lua_State *L, int *ref);

/* The parts of gantry.core, each of which pushes its table of functions. A part opens on first use. */
int lua_gantry_open_loop(lua_State *L);
int lua_gantry_open_http(lua_State *L);
int lua_gantry_open_grpc(lua_State *L);
int lua_gantry_open_stdcopy(lua_State *L);
int lua_gantry_open_lines(lua_State *L);
int lua_gantry_open_handshake(lua_State *L);
int lua_gantry_open_socket_dir(lua_State *L);
int lua_gantry_open_group(lua_State *L);
int lua_gantry_open_certificate(lua_State *L);
int lua_gantry_open_process(lua_State *L);
int lua_gantry_open_signals(lua_State *L);
int lua_gantry_open_budget(lua_State *L);
int lua_gantry_open_system(lua_State *L);
int lua_gantry_open_inotify(lua_State *L);
int lua_gantry_open_files(lua_State *L);
int lua_gantry_open_control(lua_State *L);
int lua_gantry_open_notify(lua_State *L);
int lua_gantry_open_line_editor(lua_State *L);

#endif
