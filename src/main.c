/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c: the executable: a Lua state with gantry.core linked in, the Lua files found beside it, and a call of
 * gantry.cli. All else is Lua, but for `gantry exec`: what a host holds there has no Lua state (src/face). */
#include "face/exec.h"
#include "face/host_command.h"
#include "face/lua_face.h"

#include <fcntl.h>
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

/* module, arg... -> exit code: require(module).main(arg...) */
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
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    lua_replace(L, 1);
    lua_settop(L, arguments);
    lua_call(L, arguments - 1, 1);
    return 1;
}

/* Which module's main is to run with the arguments from `first` on. */
struct program {
    const char *module;
    int first;
    struct gantry_launcher *launcher; /* in the launcher's process alone */
};

static void report_fault(const struct program *program, const char *message)
{
    if (program->launcher != NULL)
        gantry_launcher_fault(program->launcher, message);
    else
        fprintf(stderr, "gantry: fault: %s\nThis is a defect of gantry: please report it.\n", message);
}

static int run_program(const struct program *program, int argc, char **argv)
{
    lua_State *L = luaL_newstate();
    int status = 70; /* EX_SOFTWARE: a fault of gantry's own */

    if (L == NULL || !lua_checkstack(L, argc + LUA_MINSTACK)) {
        fputs("gantry: out of memory\n", stderr);
        return 71;
    }
    lua_pushcfunction(L, with_traceback);
    if (program->launcher != NULL)
        lua_gantry_preload_face(L, program->launcher);
    lua_pushcfunction(L, run);
    lua_pushstring(L, program->module);
    for (int i = program->first; i < argc; i++)
        lua_pushstring(L, argv[i]);
    if (lua_pcall(L, lua_gettop(L) - 2, 1, 1) == LUA_OK)
        status = (int)lua_tointeger(L, -1);
    else
        report_fault(program, lua_tostring(L, -1));
    if (program->launcher != NULL)
        _exit(status); /* nothing of it outlives the process, and a host's patience is short */
    lua_close(L);
    return status;
}

/* A descriptor 0, 1 or 2 that the caller has closed would become one of ours, and what is printed would go there. */
static void keep_standard_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR); /* NOLINT(android-cloexec-open): children are to have it as well */
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    struct program program = {.module = "gantry.cli", .first = 1};
    struct gantry_launcher launcher;
    int status;

    keep_standard_descriptors();
    if (gantry_exec_wanted(argc, argv)) {
        status = gantry_exec(argc, argv, &launcher);
        if (status != GANTRY_EXEC_LAUNCHER)
            return status;
        program = (struct program){.module = "gantry.exec.launcher", .first = 2, .launcher = &launcher};
    } else if (gantry_host_command_wanted(argc, argv)) {
        return gantry_host_command(argv);
    } else if (argc == 2 + GANTRY_EXEC_CLEANER_ARGUMENTS && strcmp(argv[1], GANTRY_EXEC_CLEANER) == 0) {
        program = (struct program){.module = "gantry.exec.cleaner", .first = 2};
    }
    return run_program(&program, argc, argv);
}
