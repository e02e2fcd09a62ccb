/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_notify.c: gantry.core.notify: messages to the service manager. */
#include "core/process/notify.h"
#include "lua/lua_gantry.h"

#include <stdbool.h>

static int notify_send(lua_State *L) /* socket, text -> true | nil, err */
{
    struct gantry_error err;

    if (gantry_notify_send(lua_gantry_check_text(L, 1), lua_gantry_check_text(L, 2), &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

static const luaL_Reg functions[] = {{"send", notify_send}, {NULL, NULL}};

int lua_gantry_open_notify(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
