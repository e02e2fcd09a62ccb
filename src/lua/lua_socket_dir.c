/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_socket_dir.c: gantry.core.socket_dir. A directory that is collected without being removed stays, without its
 * lock: whoever makes it next finds it as left over. */
#include "../core/socket_dir.h"
#include "lua_gantry.h"

#include <string.h>

#define SOCKET_DIR "gantry.socket_dir"

struct directory {
    struct gantry_socket_dir *dir; /* NULL once given back */
};

static const char *check_text(lua_State *L, int index)
{
    size_t size;
    const char *text = luaL_checklstring(L, index, &size);

    luaL_argcheck(L, strlen(text) == size, index, "contains a NUL");
    return text;
}

static int socket_dir_root(lua_State *L) /* path -> true | nil, err */
{
    struct gantry_error err;

    if (gantry_socket_dir_root(check_text(L, 1), &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

/* An integer from 0 to `most` in a table; `otherwise` where it is nil. */
static lua_Integer integer_field(lua_State *L, int table, const char *name, lua_Integer most, lua_Integer otherwise)
{
    lua_Integer value = otherwise;
    int valid = 1;

    if (lua_getfield(L, table, name) != LUA_TNIL) {
        value = lua_tointegerx(L, -1, &valid);
        valid = valid && value >= 0 && value <= most;
    }
    if (!valid)
        luaL_error(L, "%s must be an integer from 0 to %I, got %s", name, most, luaL_tolstring(L, -1, NULL));
    lua_pop(L, 1);
    return value;
}

static int socket_dir_make(lua_State *L) /* root, name, { mode, group } | nil -> directory | nil, err */
{
    const char *root = check_text(L, 1);
    const char *name = check_text(L, 2);
    mode_t mode = 0700;
    gid_t group = (gid_t)-1;
    struct gantry_error err;
    struct directory *directory;

    if (!lua_isnoneornil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        mode = (mode_t)integer_field(L, 3, "mode", 07777, 0700);
        group = (gid_t)integer_field(L, 3, "group", (gid_t)-2, -1);
    }
    directory = lua_newuserdatauv(L, sizeof *directory, 0);
    directory->dir = NULL;
    luaL_setmetatable(L, SOCKET_DIR);
    if (gantry_socket_dir_make(root, name, mode, group, &directory->dir, &err) < 0)
        return lua_gantry_fail(L, &err);
    return 1;
}

static int socket_dir_adopt(lua_State *L) /* root, name -> directory | nil, err; as it is, with its content */
{
    const char *root = check_text(L, 1);
    const char *name = check_text(L, 2);
    struct directory *directory = lua_newuserdatauv(L, sizeof *directory, 0);
    struct gantry_error err;

    directory->dir = NULL;
    luaL_setmetatable(L, SOCKET_DIR);
    if (gantry_socket_dir_adopt(root, name, &directory->dir, &err) < 0)
        return lua_gantry_fail(L, &err);
    return 1;
}

static struct gantry_socket_dir *check_directory(lua_State *L)
{
    struct directory *directory = luaL_checkudata(L, 1, SOCKET_DIR);

    if (directory->dir == NULL)
        luaL_error(L, "socket directory closed");
    return directory->dir;
}

static int directory_path(lua_State *L)
{
    lua_pushstring(L, gantry_socket_dir_path(check_directory(L)));
    return 1;
}

static int directory_fresh(lua_State *L) /* -> false where it existed before */
{
    lua_pushboolean(L, gantry_socket_dir_fresh(check_directory(L)));
    return 1;
}

static int directory_lock(lua_State *L) /* -> descriptor, which the directory owns */
{
    lua_pushinteger(L, gantry_socket_dir_lock(check_directory(L)));
    return 1;
}

static int directory_link(lua_State *L) /* directory, name, target -> true | nil, err */
{
    struct gantry_error err;

    if (gantry_socket_dir_link(check_directory(L), check_text(L, 2), check_text(L, 3), &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

static int directory_default_acl(lua_State *L) /* directory, uid -> true | nil, err */
{
    lua_Integer uid = luaL_checkinteger(L, 2);
    struct gantry_error err;

    luaL_argcheck(L, uid >= 0 && uid < (uid_t)-1, 2, "not a user's number");
    if (gantry_socket_dir_default_acl(check_directory(L), (uid_t)uid, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

/* directory -> true | nil, err where something had to be left. Closes in any case; removing twice, and after close, is
 * allowed: there is nothing left to do. */
static int directory_remove(lua_State *L)
{
    struct directory *directory = luaL_checkudata(L, 1, SOCKET_DIR);
    struct gantry_socket_dir *dir = directory->dir;
    struct gantry_error err;

    directory->dir = NULL;
    if (dir != NULL && gantry_socket_dir_remove(dir, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

static int directory_close(lua_State *L)
{
    struct directory *directory = luaL_checkudata(L, 1, SOCKET_DIR);

    gantry_socket_dir_close(directory->dir);
    directory->dir = NULL;
    return 0;
}

static const luaL_Reg methods[] = {
    {"path", directory_path},
    {"fresh", directory_fresh},
    {"lock", directory_lock},
    {"link", directory_link},
    {"default_acl", directory_default_acl},
    {"remove", directory_remove},
    {"close", directory_close},
    {"__gc", directory_close},
    {"__close", directory_close},
    {NULL, NULL},
};
static const luaL_Reg functions[] = {
    {"root", socket_dir_root}, {"make", socket_dir_make}, {"adopt", socket_dir_adopt}, {NULL, NULL}};

int lua_gantry_open_socket_dir(lua_State *L)
{
    luaL_newmetatable(L, SOCKET_DIR);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}
