/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_files.c: gantry.core.files: directories, files replaced in one step, and locks. */
#include "../core/files.h"
#include "lua_gantry.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCK "gantry.lock"

struct lock {
    int fd; /* -1 once given back */
};

static mode_t check_mode(lua_State *L, int index, lua_Integer otherwise)
{
    lua_Integer mode = luaL_optinteger(L, index, otherwise);

    luaL_argcheck(L, mode >= 0 && mode <= 07777, index, "no file mode");
    return (mode_t)mode;
}

static int files_make_directory(lua_State *L) /* path, mode|nil -> true | nil, err */
{
    struct gantry_error err;

    if (gantry_files_make_directory(luaL_checkstring(L, 1), check_mode(L, 2, 0700), &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

/* Names are collected in a buffer of C's own: nothing may raise while the directory is open. */
struct names {
    char *bytes;
    size_t size;
    size_t room;
    bool failed;
};

static void add_name(void *data, const char *name)
{
    struct names *names = data;
    size_t size = strlen(name) + 1;

    if (names->size + size > names->room) {
        size_t room = names->room * 2 + size + 1024;
        char *grown = realloc(names->bytes, room);

        if (grown == NULL) {
            names->failed = true;
            return;
        }
        names->bytes = grown;
        names->room = room;
    }
    memcpy(names->bytes + names->size, name, size);
    names->size += size;
}

static int push_names(lua_State *L) /* light userdata of names -> list */
{
    const struct names *names = lua_touserdata(L, 1);
    lua_Integer count = 0;

    lua_newtable(L);
    for (size_t at = 0; at < names->size; at += strlen(names->bytes + at) + 1) {
        lua_pushstring(L, names->bytes + at);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

static int files_list(lua_State *L) /* path -> names | nil, err */
{
    const char *path = luaL_checkstring(L, 1);
    struct names names = {.bytes = NULL};
    struct gantry_error err;
    int failed;

    lua_pushcfunction(L, push_names);
    lua_pushlightuserdata(L, &names);
    failed = gantry_files_list(path, add_name, &names, &err);
    if (failed == 0 && names.failed)
        failed = gantry_fail(&err, "OUT_OF_MEMORY", "list directory %s: out of memory", path);
    if (failed == 0)
        failed = lua_pcall(L, 1, 1, 0) == LUA_OK ? 0 : 1;
    free(names.bytes);
    if (failed < 0)
        return lua_gantry_fail(L, &err);
    return failed == 0 ? 1 : lua_error(L);
}

static int files_replace(lua_State *L) /* path, bytes, mode|nil -> true | nil, err */
{
    const char *path = luaL_checkstring(L, 1);
    size_t count;
    const char *bytes = luaL_checklstring(L, 2, &count);
    struct gantry_error err;

    if (gantry_files_replace(path, bytes, count, check_mode(L, 3, 0600), &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

static int files_lock(lua_State *L) /* path -> lock | nil, err */
{
    const char *path = luaL_checkstring(L, 1);
    struct lock *lock = lua_newuserdatauv(L, sizeof *lock, 0);
    struct gantry_error err;

    lock->fd = -1;
    luaL_setmetatable(L, LOCK);
    if (gantry_files_lock(path, &lock->fd, &err) < 0)
        return lua_gantry_fail(L, &err);
    return 1;
}

static int lock_close(lua_State *L)
{
    struct lock *lock = luaL_checkudata(L, 1, LOCK);

    if (lock->fd >= 0)
        close(lock->fd);
    lock->fd = -1;
    return 0;
}

static const luaL_Reg methods[] = {{"close", lock_close}, {"__gc", lock_close}, {"__close", lock_close}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"make_directory", files_make_directory},
                                     {"list", files_list},
                                     {"replace", files_replace},
                                     {"lock", files_lock},
                                     {NULL, NULL}};

int lua_gantry_open_files(lua_State *L)
{
    luaL_newmetatable(L, LOCK);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
