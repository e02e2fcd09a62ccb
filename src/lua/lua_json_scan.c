/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_json_scan.c: gantry.core.json_scan: numbers in a text of JSON that need more than a double. */
#include "core/base/json_scan.h"

#include "lua/lua_gantry.h"

static int json_scan_number(lua_State *L) /* text, letters, from -> start, end | nothing; as string.find counts */
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    lua_Integer first = luaL_checkinteger(L, 3);
    size_t start = 0;
    size_t from;

    luaL_argcheck(L, first >= 1, 3, "positions begin with 1");
    from = (size_t)first - 1;
    if (!gantry_json_scan_number(text, length, lua_toboolean(L, 2), &from, &start))
        return 0;
    lua_pushinteger(L, (lua_Integer)start + 1);
    lua_pushinteger(L, (lua_Integer)from);
    return 2;
}

int lua_gantry_open_json_scan(lua_State *L)
{
    static const luaL_Reg functions[] = {{"number", json_scan_number}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
