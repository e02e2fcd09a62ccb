/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_core.c: gantry.core, the module itself: parts that need no library but the system's. What does is a module of its
 * own, such as gantry.core.http, which the dynamic linker loads with its libraries when it is required. */
#include "lua/lua_gantry.h"

#include <string.h>

static const struct {
    const char *name;
    lua_CFunction open;
} parts[] = {
    {"loop", lua_gantry_open_loop},
    {"stdcopy", lua_gantry_open_stdcopy},
    {"lines", lua_gantry_open_lines},
    {"handshake", lua_gantry_open_handshake},
    {"socket_dir", lua_gantry_open_socket_dir},
    {"group", lua_gantry_open_group},
    {"process", lua_gantry_open_process},
    {"gate", lua_gantry_open_gate},
    {"channel", lua_gantry_open_channel},
    {"monitor", lua_gantry_open_monitor},
    {"signals", lua_gantry_open_signals},
    {"budget", lua_gantry_open_budget},
    {"confinement", lua_gantry_open_confinement},
    {"system", lua_gantry_open_system},
    {"inotify", lua_gantry_open_inotify},
    {"files", lua_gantry_open_files},
    {"notify", lua_gantry_open_notify},
    {"json_scan", lua_gantry_open_json_scan},
    {"regex", lua_gantry_open_regex},
    {"base64", lua_gantry_open_base64},
};

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

int luaopen_gantry_core(lua_State *L)
{
    lua_newtable(L);
    lua_gantry_push_error_metatable(L);
    lua_setfield(L, -2, "error_metatable");

    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, open_part);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    return 1;
}
