/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_confinement.c: gantry.core.confinement, for the process that runs policies alone. */
#include "core/process/confinement.h"

#include "lua/lua_gantry.h"

static rlim_t check_amount(lua_State *L, int index)
{
    lua_Integer amount = luaL_checkinteger(L, index);

    luaL_argcheck(L, amount > 0, index, "must be above 0");
    return (rlim_t)amount;
}

/* confinement.enter(bytes, descriptors) -> true | nil, err: no way back. */
static int confinement_enter(lua_State *L)
{
    rlim_t bytes = check_amount(L, 1);
    rlim_t descriptors = check_amount(L, 2);
    struct gantry_error err;

    if (gantry_confine(bytes, descriptors, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* confinement.cpu(seconds) -> true | nil, err: from now on. */
static int confinement_cpu(lua_State *L)
{
    struct gantry_error err;

    if (gantry_confine_cpu(check_amount(L, 1), &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static const luaL_Reg functions[] = {{"enter", confinement_enter}, {"cpu", confinement_cpu}, {NULL, NULL}};

int lua_gantry_open_confinement(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
