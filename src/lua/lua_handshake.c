/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_handshake.c: gantry.core.handshake: a plugin's first line. */
#include "core/plugin/handshake.h"
#include "core/plugin/plugin_tcp.h"
#include "lua/lua_gantry.h"

static void set_slice(lua_State *L, const char *name, struct gantry_slice slice)
{
    lua_pushlstring(L, slice.bytes, slice.size);
    lua_setfield(L, -2, name);
}

/* Sets field `certificate` of the table on top; -1 with `err` filled where it is no base64. */
static int set_certificate(lua_State *L, const struct gantry_handshake *handshake, struct gantry_error *err)
{
    luaL_Buffer buffer;
    uint8_t *der;
    int size;

    if (handshake->certificate.size == 0)
        return 0;
    der = (uint8_t *)luaL_buffinitsize(L, &buffer, handshake->certificate.size);
    size = gantry_handshake_certificate(handshake, der, err);
    luaL_pushresultsize(&buffer, size > 0 ? (size_t)size : 0);
    lua_setfield(L, -2, "certificate");
    return size < 0 ? -1 : 0;
}

/* handshake.parse(line) -> { core_version, protocol_version, network, address, protocol, certificate (DER) | nil,
 * multiplex | nil } | nil, err */
static int handshake_parse(lua_State *L)
{
    size_t size;
    const char *line = luaL_checklstring(L, 1, &size);
    struct gantry_handshake handshake;
    struct gantry_error err;

    if (gantry_handshake_parse(line, size, &handshake, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_createtable(L, 0, 7);
    lua_pushinteger(L, handshake.core_version);
    lua_setfield(L, -2, "core_version");
    lua_pushinteger(L, handshake.protocol_version);
    lua_setfield(L, -2, "protocol_version");
    set_slice(L, "network", handshake.network);
    set_slice(L, "address", handshake.address);
    set_slice(L, "protocol", handshake.protocol);
    if (handshake.has_multiplex) {
        lua_pushboolean(L, handshake.multiplex);
        lua_setfield(L, -2, "multiplex");
    }
    if (set_certificate(L, &handshake, &err) < 0)
        return lua_gantry_fail(L, &err);
    return 1;
}

static int answer_true(lua_State *L, int result, const struct gantry_error *err)
{
    if (result < 0)
        return lua_gantry_fail(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

/* handshake.check_tcp("host:port", host_network) -> true | nil, err: whether a plugin may listen there */
static int handshake_check_tcp(lua_State *L)
{
    struct gantry_error err;

    return answer_true(L, gantry_plugin_tcp_check(lua_gantry_check_text(L, 1), lua_toboolean(L, 2), &err), &err);
}

/* handshake.dial_tcp("host:port") -> true | nil, err: whether somebody listens there, on this machine's loopback */
static int handshake_dial_tcp(lua_State *L)
{
    struct gantry_error err;

    return answer_true(L, gantry_plugin_tcp_dial(lua_gantry_check_text(L, 1), &err), &err);
}

/* handshake.split_tcp("host:port") -> host, port | nil, err: of this machine's loopback */
static int handshake_split_tcp(lua_State *L)
{
    char host[GANTRY_TCP_HOST_SIZE];
    struct gantry_error err;
    uint16_t port;

    if (gantry_plugin_tcp_split(lua_gantry_check_text(L, 1), host, &port, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushstring(L, host);
    lua_pushinteger(L, port);
    return 2;
}

static const luaL_Reg functions[] = {{"parse", handshake_parse},
                                     {"check_tcp", handshake_check_tcp},
                                     {"dial_tcp", handshake_dial_tcp},
                                     {"split_tcp", handshake_split_tcp},
                                     {NULL, NULL}};

int lua_gantry_open_handshake(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
