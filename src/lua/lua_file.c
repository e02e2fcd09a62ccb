/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_file.c: files.open of gantry.core.files: one regular file, read here and there. */
#include "lua/lua_file.h"

#include "core/files/files.h"
#include "lua/lua_gantry.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static int file_close(lua_State *L)
{
    struct lua_gantry_file *file = luaL_checkudata(L, 1, LUA_GANTRY_FILE);

    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
    return 0;
}

/* file:read(at, count) -> bytes, less of them at the end of the file | nil, err */
static int file_read(lua_State *L)
{
    const struct lua_gantry_file *file = luaL_checkudata(L, 1, LUA_GANTRY_FILE);
    lua_Integer at = luaL_checkinteger(L, 2);
    lua_Integer count = luaL_checkinteger(L, 3);
    struct gantry_error err;
    luaL_Buffer buffer;
    ssize_t got = 0;
    size_t done = 0;

    luaL_argcheck(L, file->fd >= 0, 1, "file closed");
    luaL_argcheck(L, at >= 0, 2, "no place in a file");
    luaL_argcheck(L, count >= 0 && count <= INT32_MAX, 3, "no number of bytes");
    luaL_buffinit(L, &buffer);
    do {
        size_t wanted = (size_t)count - done < LUAL_BUFFERSIZE ? (size_t)count - done : LUAL_BUFFERSIZE;

        got = wanted > 0 ? pread(file->fd, luaL_prepbuffer(&buffer), wanted, (off_t)at + (off_t)done) : 0;
        if (got > 0) {
            luaL_addsize(&buffer, (size_t)got);
            done += (size_t)got;
        }
    } while (got > 0 || (got < 0 && errno == EINTR));
    if (got < 0) {
        gantry_fail_errno(&err, errno, "READ_FAILED", "read a file");
        return lua_gantry_fail(L, &err);
    }
    luaL_pushresult(&buffer);
    return 1;
}

/* file:stamp() -> stamp, changed: a text that is another one after any change of the file, and the time (s) of the last
 * one | nil, err */
static int file_stamp(lua_State *L)
{
    const struct lua_gantry_file *file = luaL_checkudata(L, 1, LUA_GANTRY_FILE);
    struct gantry_error err;
    struct stat status;
    char stamp[160];

    luaL_argcheck(L, file->fd >= 0, 1, "file closed");
    if (fstat(file->fd, &status) < 0) {
        gantry_fail_errno(&err, errno, "READ_FAILED", "look at a file");
        return lua_gantry_fail(L, &err);
    }
    snprintf(stamp, sizeof stamp, "%ju %ju %jd %jd.%09ld %jd.%09ld", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino,
             (intmax_t)status.st_size, (intmax_t)status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
             (intmax_t)status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
    lua_pushstring(L, stamp);
    lua_pushinteger(L, status.st_ctim.tv_sec);
    return 2;
}

int lua_gantry_files_open(lua_State *L)
{
    const char *path = lua_gantry_check_text(L, 1);
    struct lua_gantry_file *file = lua_newuserdatauv(L, sizeof *file, 0);
    struct stat status;
    struct gantry_error err;

    file->fd = -1;
    luaL_setmetatable(L, LUA_GANTRY_FILE);
    if (gantry_files_open(path, 0, &file->fd, &status, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_gantry_push_status(L, &status);
    return 2;
}

static const luaL_Reg methods[] = {{"read", file_read},  {"stamp", file_stamp},   {"close", file_close},
                                   {"__gc", file_close}, {"__close", file_close}, {NULL, NULL}};

void lua_gantry_make_file_type(lua_State *L)
{
    lua_gantry_make_type(L, LUA_GANTRY_FILE, methods);
}
