/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_regex.c: gantry.core.regex: the userdata is the core's struct, closed by the collector. */
#include "core/base/regex.h"
#include "lua/lua_gantry.h"

#define REGEX "gantry.regex"

static int regex_matches(lua_State *L) /* regex, bytes -> boolean */
{
    const struct gantry_regex *regex = luaL_checkudata(L, 1, REGEX);
    size_t length;
    const char *bytes = luaL_checklstring(L, 2, &length);

    luaL_argcheck(L, regex->open, 1, "it is closed");
    lua_pushboolean(L, gantry_regex_matches(regex, bytes, length));
    return 1;
}

static int regex_close(lua_State *L) /* regex -> */
{
    gantry_regex_close(luaL_checkudata(L, 1, REGEX));
    return 0;
}

static int regex_new(lua_State *L) /* pattern -> regex | nil, err */
{
    const char *pattern = lua_gantry_check_text(L, 1);
    struct gantry_regex *regex = lua_newuserdatauv(L, sizeof *regex, 0);
    struct gantry_error err;

    *regex = (struct gantry_regex){0};
    luaL_setmetatable(L, REGEX);
    if (gantry_regex_open(regex, pattern, &err) < 0)
        return lua_gantry_fail(L, &err);
    return 1;
}

static const luaL_Reg methods[] = {
    {"matches", regex_matches}, {"close", regex_close}, {"__gc", regex_close}, {"__close", regex_close}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"new", regex_new}, {NULL, NULL}};

int lua_gantry_open_regex(lua_State *L)
{
    lua_gantry_make_type(L, REGEX, methods);
    luaL_newlib(L, functions);
    return 1;
}
