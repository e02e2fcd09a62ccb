/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_lines.c: gantry.core.lines: bytes in, lines out. A splitter goes with the collector and needs no closing. */
#include "core/base/lines.h"
#include "lua/lua_gantry.h"

#define LINES "gantry.lines"
#define LONGEST_LIMIT ((lua_Integer)64 * 1024 * 1024)

/* Calls the function on top of the stack: fn(line, partial). The splitter's state is whole at each call and owns
 * nothing, so an error of the function may pass through; fn cannot yield. */
static void line_came(void *data, const char *line, size_t size, bool partial)
{
    lua_State *L = data;

    lua_pushvalue(L, -1);
    lua_pushlstring(L, line, size);
    lua_pushboolean(L, partial);
    lua_call(L, 2, 0);
}

static int lines_feed(lua_State *L) /* lines, bytes, fn(line, partial) */
{
    struct gantry_lines *lines = luaL_checkudata(L, 1, LINES);
    size_t size;
    const char *bytes = luaL_checklstring(L, 2, &size);

    luaL_checktype(L, 3, LUA_TFUNCTION);
    lua_settop(L, 3);
    gantry_lines_feed(lines, bytes, size, line_came, L);
    return 0;
}

static int lines_finish(lua_State *L) /* lines, fn(line, partial): what came without a newline */
{
    struct gantry_lines *lines = luaL_checkudata(L, 1, LINES);

    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    gantry_lines_finish(lines, line_came, L);
    return 0;
}

static int lines_new(lua_State *L) /* limit in bytes -> lines */
{
    lua_Integer limit = luaL_checkinteger(L, 1);
    struct gantry_lines *lines;

    luaL_argcheck(L, limit > 0 && limit <= LONGEST_LIMIT, 1, "1 byte to 64 MiB");
    lines = lua_newuserdatauv(L, sizeof *lines, 0);
    gantry_lines_init(lines, (size_t)limit);
    luaL_setmetatable(L, LINES);
    return 1;
}

static int lines_collect(lua_State *L)
{
    gantry_lines_free(luaL_checkudata(L, 1, LINES));
    return 0;
}

static const luaL_Reg methods[] = {
    {"feed", lines_feed}, {"finish", lines_finish}, {"__gc", lines_collect}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"new", lines_new}, {NULL, NULL}};

int lua_gantry_open_lines(lua_State *L)
{
    lua_gantry_make_type(L, LINES, methods);
    luaL_newlib(L, functions);
    return 1;
}
