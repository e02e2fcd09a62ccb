/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_socket_dir.c: gantry.core.socket_dir. A directory that is collected without being removed stays, without its
 * lock: whoever makes it next finds it as left over. */
#include "core/files/runtime_dir.h"
#include "core/files/socket_dir.h"
#include "core/plugin/plugin_socket.h"
#include "lua/lua_options.h"

#include <limits.h>

#define SOCKET_DIR "gantry.socket_dir"

struct directory {
    struct gantry_socket_dir *dir; /* NULL once given back */
};

static int socket_dir_root(lua_State *L) /* path -> true | nil, err */
{
    struct gantry_error err;

    if (gantry_runtime_dir_make(lua_gantry_check_text(L, 1), &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

static int socket_dir_make(lua_State *L) /* root, name, { mode, group } | nil -> directory | nil, err */
{
    const char *root = lua_gantry_check_text(L, 1);
    const char *name = lua_gantry_check_text(L, 2);
    mode_t mode = 0700;
    gid_t group = (gid_t)-1;
    struct gantry_error err;
    struct directory *directory;

    if (!lua_isnoneornil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        mode = (mode_t)lua_gantry_get_integer(L, 3, "mode", 0, 07777, 0700);
        group = (gid_t)lua_gantry_get_integer(L, 3, "group", 0, (gid_t)-2, -1);
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
    const char *root = lua_gantry_check_text(L, 1);
    const char *name = lua_gantry_check_text(L, 2);
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

    if (gantry_socket_dir_link(check_directory(L), lua_gantry_check_text(L, 2), lua_gantry_check_text(L, 3), &err) < 0)
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

static int directory_group_acl(lua_State *L) /* directory, gid -> true | nil, err */
{
    lua_Integer gid = luaL_checkinteger(L, 2);
    struct gantry_error err;

    luaL_argcheck(L, gid >= 0 && gid < (gid_t)-1, 2, "not a group's number");
    if (gantry_socket_dir_group_acl(check_directory(L), (gid_t)gid, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

static int directory_empty_in_part(lua_State *L) /* directory, most entries -> whether some may be left */
{
    lua_Integer most = luaL_checkinteger(L, 2);

    luaL_argcheck(L, most > 0 && most <= UINT_MAX, 2, "not a number of entries");
    lua_pushboolean(L, gantry_socket_dir_empty_in_part(check_directory(L), (unsigned)most));
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

static int socket_dir_remove_rest(lua_State *L) /* root, name: see socket_dir.h */
{
    gantry_socket_dir_remove_rest(lua_gantry_check_text(L, 1), lua_gantry_check_text(L, 2));
    return 0;
}

/* socket_dir.check_socket(directory, path) -> true | nil, err: whether `path` is a socket in the directory, and no link
 */
static int socket_dir_check_socket(lua_State *L)
{
    struct gantry_error err;

    if (gantry_plugin_socket_check(lua_gantry_check_text(L, 1), lua_gantry_check_text(L, 2), &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

static const luaL_Reg methods[] = {
    {"path", directory_path},
    {"fresh", directory_fresh},
    {"lock", directory_lock},
    {"link", directory_link},
    {"default_acl", directory_default_acl},
    {"group_acl", directory_group_acl},
    {"empty_in_part", directory_empty_in_part},
    {"remove", directory_remove},
    {"close", directory_close},
    {"__gc", directory_close},
    {"__close", directory_close},
    {NULL, NULL},
};
static const luaL_Reg functions[] = {
    {"root", socket_dir_root},
    {"make", socket_dir_make},
    {"adopt", socket_dir_adopt},
    {"remove_rest", socket_dir_remove_rest},
    {"check_socket", socket_dir_check_socket},
    {NULL, NULL},
};

int lua_gantry_open_socket_dir(lua_State *L)
{
    lua_gantry_make_type(L, SOCKET_DIR, methods);
    luaL_newlib(L, functions);
    return 1;
}
