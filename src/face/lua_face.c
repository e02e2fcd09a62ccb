/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_face.c: gantry.face: what the launcher writes down, and what it tells the process that the host holds. */
#include "face/lua_face.h"

#include "core/system/channel.h"
#include "lua/lua_gantry.h"

#include <lauxlib.h>
#include <string.h>

static struct gantry_launcher *launcher_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* Copies a field of the table at 1. Fails where it is too long to be written down. */
static int copy_field(lua_State *L, const char *name, char *to, size_t size, struct gantry_error *err)
{
    size_t length;
    const char *text;

    lua_getfield(L, 1, name);
    text = luaL_checklstring(L, -1, &length);
    if (length >= size)
        return gantry_fail(err, "RECORD_TOO_LONG", "begin a launch: %s has %zu bytes, and %zu are possible", name,
                           length, size - 1);
    memcpy(to, text, length + 1);
    lua_pop(L, 1);
    return 0;
}

/* face.making{engine=, container=, root=, directory=, keep=} -> true | nil, err: before anything of it is made */
static int face_making(lua_State *L)
{
    struct gantry_record *record = launcher_of(L)->record;
    struct gantry_error err;

    luaL_checktype(L, 1, LUA_TTABLE);
    if (copy_field(L, "engine", record->engine, sizeof record->engine, &err) < 0 ||
        copy_field(L, "container", record->container, sizeof record->container, &err) < 0 ||
        copy_field(L, "root", record->root, sizeof record->root, &err) < 0 ||
        copy_field(L, "directory", record->directory, sizeof record->directory, &err) < 0 ||
        copy_field(L, "keep", record->keep, sizeof record->keep, &err) < 0)
        return lua_gantry_fail(L, &err);
    atomic_store(&record->stage, GANTRY_RECORD_MAKING);
    lua_pushboolean(L, 1);
    return 1;
}

/* face.made(): the engine has answered, the container is there */
static int face_made(lua_State *L)
{
    atomic_store(&launcher_of(L)->record->stage, GANTRY_RECORD_MADE);
    return 0;
}

/* face.clean(): all is taken away */
static int face_clean(lua_State *L)
{
    atomic_store(&launcher_of(L)->record->stage, GANTRY_RECORD_CLEAN);
    return 0;
}

/* face.tell(kind, text, fd, fd) -> true | nil, err: descriptors are copied, and stay the caller's */
static int face_tell(lua_State *L)
{
    int kind = gantry_channel_kind_named(luaL_checkstring(L, 1));
    size_t size;
    const char *text = luaL_optlstring(L, 2, "", &size);
    int fds[] = {(int)luaL_optinteger(L, 3, -1), (int)luaL_optinteger(L, 4, -1)};
    struct gantry_error err;

    luaL_argcheck(L, kind != 0, 1, "no such kind of packet");
    if (gantry_channel_send(launcher_of(L)->channel, kind, text, size, fds, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* face.hear() -> true | false | nil: whether the plugin is to be started again; nil while the face has not decided */
static int face_hear(lua_State *L)
{
    static struct gantry_packet packet;

    if (gantry_channel_receive(launcher_of(L)->channel, &packet) == 0)
        lua_pushnil(L);
    else
        lua_pushboolean(L, packet.kind == GANTRY_CHANNEL_AGAIN);
    return 1;
}

static const luaL_Reg functions[] = {
    {"making", face_making}, {"made", face_made}, {"clean", face_clean},
    {"tell", face_tell},     {"hear", face_hear}, {NULL, NULL},
};

static int open_face(lua_State *L)
{
    struct gantry_launcher *launcher = launcher_of(L);

    luaL_newlibtable(L, functions);
    lua_pushlightuserdata(L, launcher);
    luaL_setfuncs(L, functions, 1);
    lua_pushinteger(L, launcher->face);
    lua_setfield(L, -2, "descriptor"); /* readable once the face has ended */
    lua_pushinteger(L, launcher->channel);
    lua_setfield(L, -2, "channel"); /* readable once face.hear() has something to tell */
    lua_pushinteger(L, launcher->face_pid);
    lua_setfield(L, -2, "pid");
    lua_pushstring(L, gantry_host_kind_name(launcher->kind));
    lua_setfield(L, -2, "host");
    return 1;
}

void lua_gantry_preload_face(lua_State *L, struct gantry_launcher *launcher)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushlightuserdata(L, launcher);
    lua_pushcclosure(L, open_face, 1);
    lua_setfield(L, -2, "gantry.face");
    lua_pop(L, 1);
}
