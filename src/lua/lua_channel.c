/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_channel.c: gantry.core.channel: what a resident has of the faces that ask it (core/system/channel.h). Descriptors
 * are numbers, which the caller closes with system.close. */
#include "core/system/channel.h"

#include "lua/lua_gantry.h"
#include "lua/lua_options.h"

#include <lauxlib.h>

/* channel.listen(path) -> fd | nil, err */
static int channel_listen(lua_State *L)
{
    struct gantry_error err;
    int fd;

    if (gantry_channel_listen(lua_gantry_check_text(L, 1), &fd, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushinteger(L, fd);
    return 1;
}

/* channel.accept(fd) -> fd, pid, uid, gid | nil: pid 0 where that process is in another view */
static int channel_accept(lua_State *L)
{
    struct ucred peer;
    int fd = gantry_channel_accept((int)luaL_checkinteger(L, 1), &peer);

    if (fd < 0) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, fd);
    lua_pushinteger(L, peer.pid);
    lua_pushinteger(L, peer.uid);
    lua_pushinteger(L, peer.gid);
    return 4;
}

/* channel.tell(fd, kind, text, fd, fd) -> true | nil, err: descriptors are copied; does not wait */
static int channel_tell(lua_State *L)
{
    int kind = gantry_channel_kind_named(luaL_checkstring(L, 2));
    size_t size;
    const char *text = luaL_optlstring(L, 3, "", &size);
    int fds[] = {(int)luaL_optinteger(L, 4, -1), (int)luaL_optinteger(L, 5, -1)};
    struct gantry_error err;

    luaL_argcheck(L, kind != 0, 2, "no such kind of packet");
    if (gantry_channel_send((int)luaL_checkinteger(L, 1), (enum gantry_channel_kind)kind, text, size, fds, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static void push_given(lua_State *L, int fd)
{
    if (fd >= 0)
        lua_pushinteger(L, fd);
    else
        lua_pushnil(L);
}

/* channel.hear(fd) -> kind, text, fd|nil, fd|nil | false | nil: its letter; false where nobody is there any more; nil
 * where nothing has come */
static int channel_hear(lua_State *L)
{
    static struct gantry_packet packet;
    char kind;

    if (gantry_channel_receive((int)luaL_checkinteger(L, 1), &packet) == 0) {
        lua_pushnil(L);
        return 1;
    }
    if (packet.kind == 0) {
        lua_pushboolean(L, 0);
        return 1;
    }
    kind = (char)packet.kind;
    lua_pushlstring(L, &kind, 1);
    lua_pushlstring(L, packet.text, packet.size);
    push_given(L, packet.fds[0]);
    push_given(L, packet.fds[1]);
    return 4;
}

int lua_gantry_open_channel(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"listen", channel_listen},
        {"accept", channel_accept},
        {"tell", channel_tell},
        {"hear", channel_hear},
        {NULL, NULL},
    };

    luaL_newlib(L, functions);
    return 1;
}
