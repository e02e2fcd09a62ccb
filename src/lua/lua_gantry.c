/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_gantry.c: errors, descriptors, texts, files and types of userdata as Lua has them. */
#include "lua/lua_gantry.h"

#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

static int error_tostring(lua_State *L)
{
    lua_getfield(L, 1, "message");
    luaL_tolstring(L, -1, NULL);
    return 1;
}

void lua_gantry_push_error_metatable(lua_State *L)
{
    luaL_newmetatable(L, LUA_GANTRY_ERROR);
    lua_pushcfunction(L, error_tostring);
    lua_setfield(L, -2, "__tostring");
}

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
    lua_gantry_push_error_metatable(L);
    lua_setmetatable(L, -2);
}

int lua_gantry_fail(lua_State *L, const struct gantry_error *err)
{
    lua_pushnil(L);
    lua_gantry_push_error(L, err);
    return 2;
}

void lua_gantry_push_status(lua_State *L, const struct stat *status)
{
    const char *type = "other";

    if (S_ISREG(status->st_mode))
        type = "file";
    else if (S_ISDIR(status->st_mode))
        type = "directory";
    else if (S_ISSOCK(status->st_mode))
        type = "socket";

    lua_createtable(L, 0, 6);
    lua_pushstring(L, type);
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, status->st_mode & 07777);
    lua_setfield(L, -2, "mode");
    lua_pushinteger(L, status->st_uid);
    lua_setfield(L, -2, "uid");
    lua_pushinteger(L, status->st_gid);
    lua_setfield(L, -2, "gid");
    lua_pushinteger(L, status->st_size);
    lua_setfield(L, -2, "size");
    lua_pushnumber(L, (lua_Number)status->st_mtim.tv_sec + (lua_Number)status->st_mtim.tv_nsec / 1e9);
    lua_setfield(L, -2, "mtime");
    if (S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode)) {
        lua_pushstring(L, S_ISCHR(status->st_mode) ? "c" : "b");
        lua_setfield(L, -2, "device");
        lua_pushinteger(L, major(status->st_rdev));
        lua_setfield(L, -2, "major");
        lua_pushinteger(L, minor(status->st_rdev));
        lua_setfield(L, -2, "minor");
    }
}

int lua_gantry_check_descriptor(lua_State *L, int index)
{
    lua_Integer fd = luaL_checkinteger(L, index);

    luaL_argcheck(L, fd >= 0 && fd <= INT_MAX, index, "not a descriptor");
    return (int)fd;
}

const char *lua_gantry_check_text(lua_State *L, int index)
{
    size_t size;
    const char *text = luaL_checklstring(L, index, &size);

    luaL_argcheck(L, strlen(text) == size, index, "contains a NUL");
    return text;
}

void lua_gantry_make_type(lua_State *L, const char *name, const luaL_Reg *methods)
{
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
