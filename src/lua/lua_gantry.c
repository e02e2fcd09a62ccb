/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_gantry.c: gantry.core, the module itself, and what its bindings share. */
#include "lua_gantry.h"

#include <string.h>

static const struct {
    const char *name;
    lua_CFunction open;
} parts[] = {
    {"loop", lua_gantry_open_loop},
    {"http", lua_gantry_open_http},
    {"grpc", lua_gantry_open_grpc},
    {"stdcopy", lua_gantry_open_stdcopy},
    {"lines", lua_gantry_open_lines},
    {"handshake", lua_gantry_open_handshake},
    {"socket_dir", lua_gantry_open_socket_dir},
    {"group", lua_gantry_open_group},
    {"certificate", lua_gantry_open_certificate},
    {"process", lua_gantry_open_process},
    {"signals", lua_gantry_open_signals},
    {"budget", lua_gantry_open_budget},
    {"system", lua_gantry_open_system},
    {"inotify", lua_gantry_open_inotify},
    {"files", lua_gantry_open_files},
    {"control", lua_gantry_open_control},
    {"notify", lua_gantry_open_notify},
    {"line_editor", lua_gantry_open_line_editor},
};

void lua_gantry_push_error(lua_State *L, const struct gantry_error *err)
{
    lua_createtable(L, 0, 3);
    lua_pushstring(L, err->code);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, err->message);
    lua_setfield(L, -2, "message");
    if (err->os_error != 0) {
        lua_pushinteger(L, err->os_error);
        lua_setfield(L, -2, "os_error");
    }
    luaL_setmetatable(L, LUA_GANTRY_ERROR);
}

int lua_gantry_fail(lua_State *L, const struct gantry_error *err)
{
    lua_pushnil(L);
    lua_gantry_push_error(L, err);
    return 2;
}

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

    if (L == NULL || ref == LUA_NOREF || !lua_checkstack(L, LUA_MINSTACK))
        return NULL;
    lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
    return L;
}

static int with_traceback(lua_State *L)
{
    const char *text = lua_tostring(L, 1);

    /* An error object carries what it needs; a text that has a traceback was traced where it was raised. */
    if (text == NULL || strstr(text, "\nstack traceback:\n") != NULL)
        return 1;
    luaL_traceback(L, L, text, 1);
    return 1;
}

void lua_gantry_finish_call(struct lua_gantry_loop *loop, lua_State *L, int arguments)
{
    int handler = lua_gettop(L) - arguments;

    lua_pushcfunction(L, with_traceback);
    lua_insert(L, handler);
    if (lua_pcall(L, arguments, 0, handler) != LUA_OK) {
        if (loop->error_ref == LUA_NOREF)
            loop->error_ref = luaL_ref(L, LUA_REGISTRYINDEX);
        else
            lua_pop(L, 1);
    }
    lua_remove(L, handler);
}

void lua_gantry_unref(lua_State *L, int *ref)
{
    luaL_unref(L, LUA_REGISTRYINDEX, *ref);
    *ref = LUA_NOREF;
}

int luaopen_gantry_core(lua_State *L);

static int error_tostring(lua_State *L)
{
    lua_getfield(L, 1, "message");
    luaL_tolstring(L, -1, NULL);
    return 1;
}

static void make_error_metatable(lua_State *L)
{
    luaL_newmetatable(L, LUA_GANTRY_ERROR);
    lua_pushcfunction(L, error_tostring);
    lua_setfield(L, -2, "__tostring");
}

/* __index of gantry.core: opens a part and keeps it. */
static int open_part(lua_State *L)
{
    const char *name = luaL_checkstring(L, 2);

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strcmp(parts[i].name, name) == 0) {
            lua_pushcfunction(L, parts[i].open);
            lua_call(L, 0, 1);
            lua_pushvalue(L, 2);
            lua_pushvalue(L, -2);
            lua_rawset(L, 1);
            return 1;
        }
    }
    return luaL_error(L, "gantry.core has no part '%s'", name);
}

__attribute__((visibility("default"))) int luaopen_gantry_core(lua_State *L)
{
    lua_newtable(L);
    make_error_metatable(L);
    lua_setfield(L, -2, "error_metatable");

    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, open_part);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    return 1;
}
