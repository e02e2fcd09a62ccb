/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_inotify.c: gantry.core.inotify: changes in directories. Events come although nobody holds the object (see
 * lua_source.h), until it is closed. */
#include "core/loop/inotify.h"

#include "lua/lua_source.h"

#define INOTIFY "gantry.inotify"

struct inotify {
    struct lua_gantry_source source;
    struct gantry_inotify *inotify; /* NULL once closed */
};

struct change {
    int watch;
    const char *name;
};

static int push_change(lua_State *L, void *what)
{
    const struct change *change = what;

    lua_pushinteger(L, change->watch);
    lua_pushstring(L, change->name);
    return 2;
}

static void changed(void *data, int watch, const char *name)
{
    struct inotify *inotify = data;
    struct change change = {watch, name};

    lua_gantry_source_call(&inotify->source, 0, push_change, &change);
}

static int inotify_open(lua_State *L) /* loop, fn(watch, name|nil) -> inotify | nil, err */
{
    struct lua_gantry_loop *loop = lua_gantry_check_loop(L, 1);
    struct inotify *inotify;
    struct gantry_error err;

    luaL_checktype(L, 2, LUA_TFUNCTION);
    inotify = lua_gantry_source_new(L, sizeof *inotify, INOTIFY, 1);
    if (gantry_inotify_new(loop->loop, changed, inotify, &inotify->inotify, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushvalue(L, 2);
    inotify->source.callbacks[0] = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_gantry_source_anchor(L, &inotify->source);
    return 1;
}

static int inotify_add(lua_State *L) /* inotify, path -> watch | nil, err */
{
    struct inotify *inotify = luaL_checkudata(L, 1, INOTIFY);
    const char *path = lua_gantry_check_text(L, 2);
    struct gantry_error err;
    int watch;

    if (inotify->inotify == NULL)
        return luaL_error(L, "inotify closed");
    if (gantry_inotify_add(inotify->inotify, path, &watch, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushinteger(L, watch);
    return 1;
}

static int inotify_close(lua_State *L)
{
    struct inotify *inotify = luaL_checkudata(L, 1, INOTIFY);

    gantry_inotify_free(inotify->inotify);
    inotify->inotify = NULL;
    lua_gantry_source_release(L, &inotify->source);
    return 0;
}

static const luaL_Reg methods[] = {
    {"add", inotify_add}, {"close", inotify_close}, {"__gc", inotify_close}, {"__close", inotify_close}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"open", inotify_open}, {NULL, NULL}};

int lua_gantry_open_inotify(lua_State *L)
{
    lua_gantry_make_type(L, INOTIFY, methods);
    luaL_newlib(L, functions);
    return 1;
}
