/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_source.h: what hangs on a loop from Lua (timers, watches, processes, signals) and is at work although nobody
 * holds it.
 *
 * A source is the first member of a userdata. While it is at work, the registry holds the userdata and its callbacks,
 * and the loop lists it: closing the loop lets go of all. The userdata keeps its loop alive (user value 1). */
#ifndef LUA_SOURCE_H
#define LUA_SOURCE_H

#include "core/base/list.h"
#include "core/loop/loop.h"
#include "lua/lua_gantry.h"

#include <stdbool.h>

#define LUA_GANTRY_LOOP "gantry.loop"
#define LUA_GANTRY_SOURCE_CALLBACKS 2

/* Where loop:step keeps the first error of its callbacks: a place on its own stack, so that keeping it needs no memory.
 */
#define LUA_GANTRY_ERROR_SLOT 3

/* The loop's userdata. Callbacks from the core run only inside loop:step, on the Lua thread that called it. */
struct lua_gantry_loop {
    struct gantry_loop *loop; /* NULL once closed */
    lua_State *running;       /* the thread inside loop:step, or NULL */
    bool has_failed;          /* a callback of this step raised: the first error lies at LUA_GANTRY_ERROR_SLOT */
    struct gantry_list sources;
};

struct lua_gantry_source {
    struct lua_gantry_loop *loop;
    struct gantry_list in_sources; /* while it is anchored */
    int self;
    int callbacks[LUA_GANTRY_SOURCE_CALLBACKS];
};

/* The open loop at `index`; raises where it is not a loop or is closed. */
GANTRY_API struct lua_gantry_loop *lua_gantry_check_loop(lua_State *L, int index);

/* Pushes a new userdata of `size` bytes, all zero but for the source it starts with, with the metatable `type`. It is
 * to hang on the open loop at stack index `loop`, and is not yet anchored. [-0, +1, e] */
GANTRY_API void *lua_gantry_source_new(lua_State *L, size_t size, const char *type, int loop);

/* Anchors the source whose userdata is on top of the stack. [-0, +0, e] */
GANTRY_API void lua_gantry_source_anchor(lua_State *L, struct lua_gantry_source *source);

/* Lets go of the userdata and its callbacks. The userdata may be collected from then on, so it must be on the stack,
 * or not be touched any more. Idempotent. */
GANTRY_API void lua_gantry_source_release(lua_State *L, struct lua_gantry_source *source);

/* Lets go of all sources of a loop, which is being closed. */
void lua_gantry_source_release_all(lua_State *L, struct lua_gantry_loop *loop);

/* Anchors the function in field `name` of the table at `table` in the registry; LUA_NOREF where the field is nil.
 * Raises where it is something else than a function. [-0, +0, e] */
GANTRY_API int lua_gantry_ref_callback(lua_State *L, int table, const char *name);

/* Pushes what a callback is called with and returns how many values that are. It runs inside the protected call, so it
 * may raise. [-0, +n, e] */
typedef int lua_gantry_push_fn(lua_State *L, void *what);

/* Calls the callback at `which` of a source, if there is one, with what `push` pushes; NULL is for no arguments. An
 * error, memory that is short among them, never leaves this function: the first of a step is parked and raised by
 * loop:step once the core is off the stack. [-0, +0, -] */
GANTRY_API void lua_gantry_source_call(struct lua_gantry_source *source, int which, lua_gantry_push_fn *push,
                                       void *what);

/* The same for the last call of a source, which is released before the callback runs, and also where there is none:
 * once this returns, it is not to be touched any more. [-0, +0, -] */
GANTRY_API void lua_gantry_source_call_last(struct lua_gantry_source *source, int which, lua_gantry_push_fn *push,
                                            void *what);

/* The two halves of such a call, for a function that is kept elsewhere than in a source. The first returns the running
 * thread with the function `ref` pushed, or NULL where there is no such function or the loop is not in a step (a
 * callback outside a step would be a fault of the core). It needs no memory, and neither does letting go of a source
 * before the call is finished. The second calls the function on top of the stack. [-0, +1, -], [-1, +0, -] */
GANTRY_API lua_State *lua_gantry_begin_call(struct lua_gantry_loop *loop, int ref);
GANTRY_API void lua_gantry_finish_call(struct lua_gantry_loop *loop, lua_State *L, lua_gantry_push_fn *push,
                                       void *what);

#endif
