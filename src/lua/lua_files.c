/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_files.c: gantry.core.files: directories, files replaced in one step, and locks. */
#include "core/files/copy.h"
#include "core/files/durable.h"
#include "core/files/files.h"
#include "core/files/in_root.h"
#include "lua/lua_file.h"
#include "lua/lua_options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
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

    if (gantry_files_make_directory(lua_gantry_check_text(L, 1), check_mode(L, 2, 0700), &err) < 0)
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

static void names_add(void *data, const char *name)
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
    const char *path = lua_gantry_check_text(L, 1);
    struct names names = {.bytes = NULL};
    struct gantry_error err;
    int failed;

    lua_pushcfunction(L, push_names);
    lua_pushlightuserdata(L, &names);
    failed = gantry_files_list(path, names_add, &names, &err);
    if (failed == 0 && names.failed)
        failed = gantry_fail(&err, "OUT_OF_MEMORY", "list directory %s: out of memory", path);
    if (failed == 0)
        failed = lua_pcall(L, 1, 1, 0) == LUA_OK ? 0 : 1;
    free(names.bytes);
    if (failed < 0)
        return lua_gantry_fail(L, &err);
    return failed == 0 ? 1 : lua_error(L);
}

typedef int write_fn(const char *path, const char *bytes, size_t count, mode_t mode, struct gantry_error *err);

static int write_file(lua_State *L, write_fn *write, mode_t otherwise)
{
    const char *path = lua_gantry_check_text(L, 1);
    size_t count;
    const char *bytes = luaL_checklstring(L, 2, &count);
    struct gantry_error err;

    if (write(path, bytes, count, check_mode(L, 3, otherwise), &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

static int files_replace(lua_State *L) /* path, bytes, mode|nil -> true | nil, err */
{
    return write_file(L, gantry_files_replace, 0600);
}

static int files_create(lua_State *L) /* path, bytes, mode|nil -> true | nil, err */
{
    return write_file(L, gantry_files_create, 0666);
}

/* Reads up to `limit` bytes into a buffer on the stack of Lua, which frees it. The descriptor is in a userdata
 * meanwhile, since that may raise. */
static int read_bytes(lua_State *L, const char *path, int fd, size_t limit, struct gantry_error *err)
{
    luaL_Buffer buffer;
    size_t size = 0;
    ssize_t got = 0;

    luaL_buffinit(L, &buffer);
    do {
        size_t wanted = limit - size < LUAL_BUFFERSIZE ? limit - size : LUAL_BUFFERSIZE;

        got = wanted > 0 ? read(fd, luaL_prepbuffsize(&buffer, LUAL_BUFFERSIZE), wanted) : 0;
        if (got > 0) {
            luaL_addsize(&buffer, (size_t)got);
            size += (size_t)got;
        }
    } while (got > 0 || (got < 0 && errno == EINTR));
    if (got < 0)
        return gantry_fail_errno(err, errno, "READ_FAILED", "read %s", path);
    luaL_pushresult(&buffer);
    return 0;
}

/* A descriptor that the collector closes, should something raise. [-0, +1, e] */
static int *push_descriptor(lua_State *L)
{
    struct lock *opened = lua_newuserdatauv(L, sizeof *opened, 0);

    opened->fd = -1;
    luaL_setmetatable(L, LOCK);
    return &opened->fd;
}

/* Pushes the first `limit` bytes of an open file, and what it is; closes it. [-0, +2, e] | [-0, +2] nil, err */
static int push_content(lua_State *L, const char *path, int *fd, lua_Integer limit, const struct stat *status)
{
    struct gantry_error err;

    if (!S_ISREG(status->st_mode))
        lua_pushliteral(L, "");
    else if (read_bytes(L, path, *fd, (size_t)limit, &err) < 0)
        return lua_gantry_fail(L, &err);
    close(*fd);
    *fd = -1;
    lua_gantry_push_status(L, status);
    return 2;
}

/* files.read(path, limit, no_links|nil) -> bytes, status | nil, err: the first `limit` bytes of a file, and what it is,
 * as system.stat says it; "" for what is no regular file. Nothing can be exchanged between the look and the reading. */
static int files_read(lua_State *L)
{
    const char *path = lua_gantry_check_text(L, 1);
    lua_Integer limit = luaL_checkinteger(L, 2);
    int flags = lua_toboolean(L, 3) ? O_NOFOLLOW : 0;
    int *fd;
    struct stat status;
    struct gantry_error err;

    luaL_argcheck(L, limit >= 0, 2, "no number of bytes");
    fd = push_descriptor(L);
    if (gantry_files_open(path, flags, fd, &status, &err) < 0)
        return lua_gantry_fail(L, &err);
    return push_content(L, path, fd, limit, &status);
}

/* files.read_in_root(root, path, limit) -> bytes, status | nil, err: as files.read, of an image: see in_root.h */
static int files_read_in_root(lua_State *L)
{
    const char *root = lua_gantry_check_text(L, 1);
    const char *path = lua_gantry_check_text(L, 2);
    lua_Integer limit = luaL_checkinteger(L, 3);
    int *fd;
    struct stat status;
    struct gantry_error err;

    luaL_argcheck(L, limit >= 0, 3, "no number of bytes");
    fd = push_descriptor(L);
    if (gantry_in_root_open(root, path, fd, &status, &err) < 0)
        return lua_gantry_fail(L, &err);
    return push_content(L, path, fd, limit, &status);
}

/* files.stat_in_root(root, path) -> as system.stat | nil, err: see in_root.h */
static int files_stat_in_root(lua_State *L)
{
    struct gantry_error err;
    struct stat status;

    if (gantry_in_root_stat(lua_gantry_check_text(L, 1), lua_gantry_check_text(L, 2), &status, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_gantry_push_status(L, &status);
    return 1;
}

/* files.make_in_root(root, path, "directory"|"file", mode) -> whether it was made | nil, err: see in_root.h */
static int files_make_in_root(lua_State *L)
{
    static const char *const kinds[] = {"directory", "file", NULL};
    const char *root = lua_gantry_check_text(L, 1);
    const char *path = lua_gantry_check_text(L, 2);
    bool is_file = luaL_checkoption(L, 3, NULL, kinds) == 1;
    struct gantry_error err;
    int made = gantry_in_root_make(root, path, is_file, check_mode(L, 4, is_file ? 0644 : 0755), &err);

    if (made < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, made);
    return 1;
}

/* files.copy(from, to, { limit, mode, user, group }) -> status of the first | nil, err: see copy.h */
static int files_copy(lua_State *L)
{
    const char *from = lua_gantry_check_text(L, 1);
    struct gantry_copy_target to = {.path = lua_gantry_check_text(L, 2)};
    struct stat status;
    struct gantry_error err;
    size_t limit;

    luaL_checktype(L, 3, LUA_TTABLE);
    limit = (size_t)lua_gantry_get_integer(L, 3, "limit", 0, LUA_MAXINTEGER, 0);
    to.mode = (mode_t)lua_gantry_get_integer(L, 3, "mode", 0, 07777, 0600);
    to.user = (uid_t)lua_gantry_get_integer(L, 3, "user", 0, (uid_t)-2, -1);
    to.group = (gid_t)lua_gantry_get_integer(L, 3, "group", 0, (gid_t)-2, -1);
    if (gantry_copy_file(from, limit, &to, &status, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_gantry_push_status(L, &status);
    return 1;
}

static int files_give(lua_State *L) /* path, { mode, user, group } -> true | nil, err: see durable.h */
{
    const char *path = lua_gantry_check_text(L, 1);
    struct gantry_durable_owner owner;
    struct gantry_error err;

    luaL_checktype(L, 2, LUA_TTABLE);
    owner.mode = (mode_t)lua_gantry_get_integer(L, 2, "mode", 0, 07777, 0600);
    owner.user = (uid_t)lua_gantry_get_integer(L, 2, "user", 0, (uid_t)-2, -1);
    owner.group = (gid_t)lua_gantry_get_integer(L, 2, "group", 0, (gid_t)-2, -1);
    if (gantry_durable_give(path, &owner, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

static int files_link(lua_State *L) /* from, to -> true | nil, err: see durable.h */
{
    struct gantry_error err;

    if (gantry_durable_link(lua_gantry_check_text(L, 1), lua_gantry_check_text(L, 2), &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

static int files_rename(lua_State *L) /* from, to -> true | nil, err: see durable.h */
{
    struct gantry_error err;

    if (gantry_durable_rename(lua_gantry_check_text(L, 1), lua_gantry_check_text(L, 2), &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

static int files_lock(lua_State *L) /* path -> lock | nil, err */
{
    const char *path = lua_gantry_check_text(L, 1);
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
                                     {"open", lua_gantry_files_open},
                                     {"read", files_read},
                                     {"read_in_root", files_read_in_root},
                                     {"stat_in_root", files_stat_in_root},
                                     {"make_in_root", files_make_in_root},
                                     {"replace", files_replace},
                                     {"create", files_create},
                                     {"copy", files_copy},
                                     {"give", files_give},
                                     {"link", files_link},
                                     {"rename", files_rename},
                                     {"lock", files_lock},
                                     {NULL, NULL}};

int lua_gantry_open_files(lua_State *L)
{
    lua_gantry_make_type(L, LOCK, methods);
    lua_gantry_make_file_type(L);
    luaL_newlib(L, functions);
    return 1;
}
