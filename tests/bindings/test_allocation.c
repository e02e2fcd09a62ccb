/* SPDX-License-Identifier: Apache-2.0
 *
 * test_allocation.c: memory that is short once, at any place, in every binding and in the core beneath: nothing is lost
 * and the loop goes on.
 *
 * For each scenario of allocation.lua, a new Lua state runs it with its first allocation failing, then its second, and
 * so on, until it comes to its end without a failure. Each round says by itself that its loop still steps; here it is
 * seen that no descriptor and no child is left. */
#include "lua/lua_gantry.h"

#include <dirent.h>
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define MOST_ROUNDS 5000

static long countdown; /* until an allocation fails; 0 where none will */
static bool has_failed;

static bool is_next(void)
{
    if (countdown == 0 || --countdown > 0)
        return false;
    has_failed = true;
    return true;
}

/* The linker puts these in front of the C library's for what the core calls (--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
    return is_next() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_next() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return is_next() ? NULL : __real_realloc(block, size);
}

char *__wrap_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = __wrap_malloc(size);

    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

/* Lua's: only growth fails, as Lua has it. */
static void *allocate(void *data, void *block, size_t old_size, size_t size)
{
    (void)data;
    if (size == 0) {
        free(block);
        return NULL;
    }
    if ((block == NULL || size > old_size) && is_next())
        return NULL;
    return __real_realloc(block, size);
}

/* fail_at(n): the n-th allocation from here on fails; 0 for none. Returns whether one has failed since the last call.
 */
static int fail_at(lua_State *L)
{
    bool had_failed = has_failed;

    countdown = (long)luaL_checkinteger(L, 1);
    has_failed = false;
    lua_pushboolean(L, had_failed);
    return 1;
}

static int raise_signal(lua_State *L)
{
    raise((int)luaL_checkinteger(L, 1));
    return 0;
}

static int count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;

    while (directory != NULL && readdir(directory) != NULL)
        count++;
    if (directory != NULL)
        closedir(directory);
    return count;
}

/* Linked into this program, whose allocations fail. */
static const luaL_Reg modules[] = {
    {"gantry.core", luaopen_gantry_core},
    {"gantry.core.certificate", luaopen_gantry_core_certificate},
    {"gantry.core.control", luaopen_gantry_core_control},
    {"gantry.core.digest", luaopen_gantry_core_digest},
    {"gantry.core.grpc", luaopen_gantry_core_grpc},
    {"gantry.core.http", luaopen_gantry_core_http},
    {NULL, NULL},
};

/* script, scenario, n -> whether an allocation failed */
static int run(lua_State *L)
{
    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    luaL_setfuncs(L, modules, 0);
    lua_pop(L, 1);
    lua_register(L, "fail_at", fail_at);
    lua_register(L, "raise_signal", raise_signal);
    if (luaL_loadfile(L, lua_tostring(L, 1)) != LUA_OK)
        return lua_error(L);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_call(L, 2, 1);
    return 1;
}

/* Returns 1 where an allocation failed, 0 where none did any more, -1 for a defect. */
static int run_round(const char *script, const char *scenario, int n)
{
    lua_State *L = lua_newstate(allocate, NULL);
    int result = -1;

    if (L == NULL)
        return -1;
    lua_pushcfunction(L, run);
    lua_pushstring(L, script);
    lua_pushstring(L, scenario);
    lua_pushinteger(L, n);
    if (lua_pcall(L, 3, 1, 0) == LUA_OK)
        result = lua_toboolean(L, -1);
    else
        fprintf(stderr, "%s, allocation %d: %s\n", scenario, n, lua_tostring(L, -1));
    countdown = 0;
    lua_close(L);
    return result;
}

static int run_scenario(const char *script, const char *scenario)
{
    int descriptors = -1; /* libraries keep what they open at first use */
    int result = 1;

    for (int n = 1; result == 1 && n < MOST_ROUNDS; n++) {
        result = run_round(script, scenario, n);
        if (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD) {
            fprintf(stderr, "%s, allocation %d: a child is left\n", scenario, n);
            return -1;
        }
        if (descriptors >= 0 && count_descriptors() != descriptors) {
            fprintf(stderr, "%s, allocation %d: %d descriptors, not %d\n", scenario, n, count_descriptors(),
                    descriptors);
            return -1;
        }
        descriptors = count_descriptors();
        if (result == 0)
            printf("%s: %d allocations\n", scenario, n - 1);
    }
    return result;
}

int main(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        /* once without a failure, so that libraries are loaded */
        if (run_round(argv[1], argv[i], MOST_ROUNDS) < 0 || run_scenario(argv[1], argv[i]) != 0)
            return 1;
    }
    return argc > 2 ? 0 : 2;
}
