/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c: the executable: a Lua state with gantry.core linked in, the Lua files found beside it, and a call of
 * gantry.cli. All else is Lua. */
#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int luaopen_gantry_core(lua_State *L);

/* Where the Lua files stand, relative to the executable: in the build tree, then installed. */
static const char *const lua_folders[] = {"lua", "../share/lua/5.4"};

/* Puts the first folder that holds gantry before package.path. Without one, Lua's own path has to serve. */
static void find_lua_files(lua_State *L)
{
    char executable[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", executable, sizeof executable - 1);

    if (length <= 0)
        return;
    executable[length] = '\0';
    *strrchr(executable, '/') = '\0';

    for (size_t i = 0; i < sizeof lua_folders / sizeof *lua_folders; i++) {
        const char *folder = lua_pushfstring(L, "%s/%s", executable, lua_folders[i]);
        const char *probe = lua_pushfstring(L, "%s/gantry/cli/init.lua", folder);

        if (access(probe, R_OK) == 0) {
            lua_getglobal(L, "package");
            lua_getfield(L, -1, "path");
            lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;%s", folder, folder, lua_tostring(L, -1));
            lua_setfield(L, -3, "path");
            lua_pop(L, 4);
            return;
        }
        lua_pop(L, 2);
    }
}

static int with_traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

/* require("gantry.cli").main(arg...) -> exit code */
static int run(lua_State *L)
{
    int arguments = lua_gettop(L);

    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_gantry_core);
    lua_setfield(L, -2, "gantry.core");
    lua_pop(L, 1);
    find_lua_files(L);

    lua_getglobal(L, "require");
    lua_pushstring(L, "gantry.cli");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    lua_insert(L, 1);
    lua_settop(L, arguments + 1);
    lua_call(L, arguments, 1);
    return 1;
}

int main(int argc, char **argv)
{
    lua_State *L = luaL_newstate();
    int status = 70; /* EX_SOFTWARE: a fault of gantry's own */

    if (L == NULL || !lua_checkstack(L, argc + LUA_MINSTACK)) {
        fputs("gantry: out of memory\n", stderr);
        return 71;
    }
    lua_pushcfunction(L, with_traceback);
    lua_pushcfunction(L, run);
    for (int i = 1; i < argc; i++)
        lua_pushstring(L, argv[i]);
    if (lua_pcall(L, argc > 0 ? argc - 1 : 0, 1, 1) == LUA_OK)
        status = (int)lua_tointeger(L, -1);
    else
        fprintf(stderr, "gantry: fault: %s\nThis is a defect of gantry: please report it.\n", lua_tostring(L, -1));
    lua_close(L);
    return status;
}
