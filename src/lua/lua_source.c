/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_source.c: the anchors of what hangs on a loop, and its callbacks. */
#include "lua/lua_source.h"

#include <string.h>

static void drop_reference(lua_State *L, int *ref)
{
    luaL_unref(L, LUA_REGISTRYINDEX, *ref);
    *ref = LUA_NOREF;
}

struct lua_gantry_loop *lua_gantry_check_loop(lua_State *L, int index)
{
    struct lua_gantry_loop *loop = luaL_checkudata(L, index, LUA_GANTRY_LOOP);

    if (loop->loop == NULL)
        luaL_error(L, "loop closed");
    return loop;
}

void *lua_gantry_source_new(lua_State *L, size_t size, const char *type, int loop)
{
    struct lua_gantry_loop *on = lua_gantry_check_loop(L, loop);
    struct lua_gantry_source *source = lua_newuserdatauv(L, size, 1);

    memset(source, 0, size);
    source->loop = on;
    gantry_list_init(&source->in_sources);
    source->self = LUA_NOREF;
    for (int i = 0; i < LUA_GANTRY_SOURCE_CALLBACKS; i++)
        source->callbacks[i] = LUA_NOREF;
    luaL_setmetatable(L, type);
    lua_pushvalue(L, loop);
    lua_setiuservalue(L, -2, 1);
    return source;
}

void lua_gantry_source_anchor(lua_State *L, struct lua_gantry_source *source)
{
    lua_pushvalue(L, -1);
    source->self = luaL_ref(L, LUA_REGISTRYINDEX);
    gantry_list_append(&source->loop->sources, &source->in_sources);
}

void lua_gantry_source_release(lua_State *L, struct lua_gantry_source *source)
{
    gantry_list_remove(&source->in_sources);
    for (int i = 0; i < LUA_GANTRY_SOURCE_CALLBACKS; i++)
        drop_reference(L, &source->callbacks[i]);
    drop_reference(L, &source->self);
}

void lua_gantry_source_release_all(lua_State *L, struct lua_gantry_loop *loop)
{
    while (!gantry_list_is_empty(&loop->sources))
        lua_gantry_source_release(L, GANTRY_LIST_ENTRY(loop->sources.next, struct lua_gantry_source, in_sources));
}

/* ---- callbacks ---- */

int lua_gantry_ref_callback(lua_State *L, int table, const char *name)
{
    int type = lua_getfield(L, table, name);

    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        return LUA_NOREF;
    }
    if (type != LUA_TFUNCTION)
        luaL_error(L, "%s must be a function, got %s", name, luaL_typename(L, -1));
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

lua_State *lua_gantry_begin_call(struct lua_gantry_loop *loop, int ref)
{
    lua_State *L = loop->running;

    if (L == NULL || ref == LUA_NOREF)
        return NULL;
    lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
    return L;
}

static int callback_traceback(lua_State *L)
{
    const char *text = lua_tostring(L, 1);

    /* An error object carries what it needs; a text that has a traceback was traced where it was raised. */
    if (text == NULL || strstr(text, "\nstack traceback:\n") != NULL)
        return 1;
    luaL_traceback(L, L, text, 1);
    return 1;
}

struct callback {
    lua_gantry_push_fn *push;
    void *what;
};

static int run_callback(lua_State *L) /* fn, callback */
{
    const struct callback *callback = lua_touserdata(L, 2);

    lua_settop(L, 1);
    lua_call(L, callback->push != NULL ? callback->push(L, callback->what) : 0, 0);
    return 0;
}

/* Whatever is pushed here takes no memory: loop:step's own frame has room for a C function's usual few values. */
void lua_gantry_finish_call(struct lua_gantry_loop *loop, lua_State *L, lua_gantry_push_fn *push, void *what)
{
    struct callback callback = {push, what};
    int handler = lua_gettop(L);

    lua_pushcfunction(L, callback_traceback);
    lua_pushcfunction(L, run_callback);
    lua_rotate(L, handler, -1); /* handler, run_callback, fn */
    lua_pushlightuserdata(L, &callback);
    if (lua_pcall(L, 2, 0, handler) != LUA_OK) {
        if (loop->has_failed)
            lua_pop(L, 1);
        else
            lua_replace(L, LUA_GANTRY_ERROR_SLOT);
        loop->has_failed = true;
    }
    lua_remove(L, handler);
}

void lua_gantry_source_call(struct lua_gantry_source *source, int which, lua_gantry_push_fn *push, void *what)
{
    struct lua_gantry_loop *loop = source->loop;
    lua_State *L = lua_gantry_begin_call(loop, source->callbacks[which]);

    if (L != NULL)
        lua_gantry_finish_call(loop, L, push, what);
}

void lua_gantry_source_call_last(struct lua_gantry_source *source, int which, lua_gantry_push_fn *push, void *what)
{
    struct lua_gantry_loop *loop = source->loop;
    lua_State *L = loop->running;

    lua_rawgeti(L, LUA_REGISTRYINDEX, source->self); /* for as long as it is on the stack */
    if (lua_gantry_begin_call(loop, source->callbacks[which]) != NULL) {
        lua_gantry_source_release(L, source);
        lua_gantry_finish_call(loop, L, push, what);
    }
    lua_gantry_source_release(L, source);
    lua_pop(L, 1);
}
