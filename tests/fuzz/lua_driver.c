/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_driver.c: searches for inputs on which Lua code raises or breaks what it promises. One Lua state runs one target,
 * tests/fuzz/lua/NAME.lua, which returns a function of bytes; a hook tells libFuzzer which parts of which functions
 * ran.
 *
 *     clang-14 -g -O2 -fsanitize=fuzzer -DGANTRY_LIBFUZZER -I/usr/include/lua5.4 tests/fuzz/lua_driver.c -llua5.4 \
 *         -rdynamic -o build/fuzz/lua_driver
 *     GANTRY_FUZZ_TARGET=json LUA_PATH=… LUA_CPATH=… build/fuzz/lua_driver tests/fuzz/corpus/json
 *
 * The search goes on from the corpus; libFuzzer prints the executions (-print_final_stats=1). */
#include "fuzz.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#define COUNTERS (1 << 15)
/* Instructions between two looks at where the code is: few enough to see each branch now and then, and odd, so that a
 * loop does not always show the same place. */
#define STRIDE 7

#ifdef GANTRY_LIBFUZZER
__attribute__((section("__libfuzzer_extra_counters")))
#endif
static uint8_t counters[COUNTERS];

static lua_State *lua;
static uint32_t previous;

/* A place is a line and the shape of its function, which tells files apart well enough: to ask for the file's name
 * would format it each time. An edge is two places in order. */
static void look(lua_State *state, lua_Debug *record)
{
    uint32_t place;

    if (!lua_getinfo(state, "lu", record) || record->currentline < 0)
        return;
    place = (uint32_t)record->currentline << 16 ^ (uint32_t)record->nups << 8 ^ record->nparams;
    place *= 0x85ebca6bU;
    place ^= place >> 15;
    counters[(place ^ previous) % COUNTERS]++;
    previous = place >> 1;
}

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, luaL_tolstring(lua, -1, NULL));
    abort();
}

/* Leaves the target's function alone on the stack. */
static void begin(void)
{
    const char *name = getenv("GANTRY_FUZZ_TARGET"), *root = getenv("GANTRY_SOURCE");
    char path[4096];

    HOLDS(name != NULL);
    snprintf(path, sizeof path, "%s/tests/fuzz/lua/%s.lua", root != NULL ? root : ".", name);
    lua = luaL_newstate();
    HOLDS(lua != NULL);
    luaL_openlibs(lua);
    if (luaL_dofile(lua, path) != LUA_OK)
        fail(path);
    HOLDS(lua_isfunction(lua, -1));
    lua_settop(lua, 1);
    lua_gc(lua, LUA_GCGEN, 0, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (lua == NULL)
        begin();
    previous = 0;
    lua_sethook(lua, look, LUA_MASKCOUNT, STRIDE); /* counts anew, so that an input shows the same each time */
    lua_pushvalue(lua, 1);
    lua_pushlstring(lua, (const char *)data, size);
    if (lua_pcall(lua, 1, 0, 0) != LUA_OK)
        fail("the target raised");
    return 0;
}
