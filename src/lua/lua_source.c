/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_source.c: the anchors of what hangs on a loop. */
#include "lua_source.h"

#include <string.h>

void lua_gantry_source_type(lua_State *L, const char *name, const luaL_Reg *methods)
{
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

void *lua_gantry_source_new(lua_State *L, size_t size, const char *type, int loop)
{
    struct lua_gantry_loop *on = lua_gantry_check_loop(L, loop);
    struct lua_gantry_source *source = lua_newuserdatauv(L, size, 1);

    memset(source, 0, size);
    source->loop = on;
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
    struct lua_gantry_loop_userdata *loop = (struct lua_gantry_loop_userdata *)source->loop;

    lua_pushvalue(L, -1);
    source->self = luaL_ref(L, LUA_REGISTRYINDEX);
    source->next = loop->sources;
    source->link = &loop->sources;
    if (source->next != NULL)
        source->next->link = &source->next;
    loop->sources = source;
}

void lua_gantry_source_release(lua_State *L, struct lua_gantry_source *source)
{
    if (source->link != NULL) {
        *source->link = source->next;
        if (source->next != NULL)
            source->next->link = source->link;
        source->link = NULL;
    }
    for (int i = 0; i < LUA_GANTRY_SOURCE_CALLBACKS; i++)
        lua_gantry_unref(L, &source->callbacks[i]);
    lua_gantry_unref(L, &source->self);
}

void lua_gantry_source_release_all(lua_State *L, struct lua_gantry_loop *loop)
{
    struct lua_gantry_loop_userdata *owner = (struct lua_gantry_loop_userdata *)loop;

    while (owner->sources != NULL)
        lua_gantry_source_release(L, owner->sources);
}
