/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_json_scan.c: gantry.core.json_scan: numbers in a text of JSON that need more than a double, and plain parts of
 * its strings. */
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

static int json_scan_plain(lua_State *L) /* text, from -> the place of the byte behind the plain part */
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    lua_Integer from = luaL_checkinteger(L, 2);

    luaL_argcheck(L, from >= 1, 2, "positions begin with 1");
    lua_pushinteger(L, (lua_Integer)gantry_json_scan_plain(text, length, (size_t)from - 1) + 1);
    return 1;
}

int lua_gantry_open_json_scan(lua_State *L)
{
    static const luaL_Reg functions[] = {{"number", json_scan_number}, {"plain", json_scan_plain}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
