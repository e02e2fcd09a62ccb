/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_options.c: reads the fields of a table of options. */
#include "lua/lua_options.h"

#include <string.h>

const char *lua_gantry_push_bytes(lua_State *L, int table, const char *name, size_t *length)
{
    int type = lua_getfield(L, table, name);

    if (type == LUA_TNIL)
        return NULL;
    if (type != LUA_TSTRING)
        luaL_error(L, "%s must be a string, got %s", name, luaL_typename(L, -1));
    return lua_tolstring(L, -1, length);
}

const char *lua_gantry_push_text(lua_State *L, int table, const char *name)
{
    size_t length = 0;
    const char *value = lua_gantry_push_bytes(L, table, name, &length);

    if (value != NULL && strlen(value) != length)
        luaL_error(L, "%s holds a NUL byte", name);
    return value;
}

const char *lua_gantry_push_needed_text(lua_State *L, int table, const char *name)
{
    const char *value = lua_gantry_push_text(L, table, name);

    if (value == NULL)
        luaL_error(L, "%s is needed", name);
    return value;
}

const char *const *lua_gantry_push_array(lua_State *L, int list, const char *what)
{
    lua_Unsigned count = lua_rawlen(L, list);
    const char **texts = lua_newuserdatauv(L, (count + 1) * sizeof(char *), 0);

    for (lua_Unsigned i = 0; i < count; i++) {
        size_t length;

        if (lua_rawgeti(L, list, (lua_Integer)i + 1) != LUA_TSTRING)
            luaL_error(L, "%s %d must be a string, got %s", what, (int)i + 1, luaL_typename(L, -1));
        texts[i] = lua_tolstring(L, -1, &length);
        if (strlen(texts[i]) != length)
            luaL_error(L, "%s %d holds a NUL byte", what, (int)i + 1);
        lua_pop(L, 1);
    }
    texts[count] = NULL;
    return texts;
}

const char *const *lua_gantry_push_texts(lua_State *L, int table, const char *name, const char *what)
{
    int type = lua_getfield(L, table, name);

    if (type == LUA_TNIL) {
        lua_pushnil(L);
        return NULL;
    }
    if (type != LUA_TTABLE)
        luaL_error(L, "%s must be a list of strings, got %s", name, luaL_typename(L, -1));
    return lua_gantry_push_array(L, lua_gettop(L), what);
}

lua_Integer lua_gantry_get_integer(lua_State *L, int table, const char *name, lua_Integer least, lua_Integer most,
                                   lua_Integer otherwise)
{
    lua_Integer value = otherwise;
    int valid = 1;

    if (lua_getfield(L, table, name) != LUA_TNIL) {
        value = lua_tointegerx(L, -1, &valid);
        valid = valid && value >= least && value <= most;
    }
    if (!valid)
        luaL_error(L, "%s must be an integer from %I to %I, got %s", name, (LUAI_UACINT)least, (LUAI_UACINT)most,
                   luaL_tolstring(L, -1, NULL));
    lua_pop(L, 1);
    return value;
}
