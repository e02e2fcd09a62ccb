/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_group.c: gantry.core.group. */
#include "core/files/group.h"
#include "lua/lua_gantry.h"

#include <string.h>
#include <unistd.h>

static gid_t check_gid(lua_State *L, int index)
{
    lua_Integer gid = luaL_checkinteger(L, index);

    luaL_argcheck(L, gid >= 0 && gid < (gid_t)-1, index, "not a group's number");
    return (gid_t)gid;
}

static int group_resolve(lua_State *L) /* name -> gid | nil, err */
{
    size_t size;
    const char *name = luaL_checklstring(L, 1, &size);
    struct gantry_error err;
    gid_t gid;

    luaL_argcheck(L, strlen(name) == size, 1, "contains a NUL");
    if (gantry_group_resolve(name, &gid, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushinteger(L, gid);
    return 1;
}

static int group_may_assign(lua_State *L) /* gid -> boolean */
{
    lua_pushboolean(L, gantry_group_may_assign(check_gid(L, 1)));
    return 1;
}

static int group_name(lua_State *L) /* gid -> name | nil */
{
    char name[256];

    lua_pushstring(L, gantry_group_name(check_gid(L, 1), name, sizeof name) ? name : NULL);
    return 1;
}

static int group_effective(lua_State *L) /* -> the caller's egid */
{
    lua_pushinteger(L, getegid());
    return 1;
}

static int group_supplementary(lua_State *L) /* -> the caller's supplementary groups, sorted as the kernel has them */
{
    int count = getgroups(0, NULL);
    gid_t *groups = lua_newuserdatauv(L, sizeof *groups * (size_t)(count > 0 ? count : 1), 0);

    count = getgroups(count, groups);
    lua_createtable(L, count > 0 ? count : 0, 0);
    for (int i = 0; i < count; i++) {
        lua_pushinteger(L, groups[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static const luaL_Reg functions[] = {
    {"resolve", group_resolve},     {"may_assign", group_may_assign},       {"name", group_name},
    {"effective", group_effective}, {"supplementary", group_supplementary}, {NULL, NULL},
};

int lua_gantry_open_group(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
