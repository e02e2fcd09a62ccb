/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_handshake.c: gantry.core.handshake: a plugin's first line. */
#include "../core/handshake.h"
#include "lua_gantry.h"

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

static const luaL_Reg functions[] = {{"parse", handshake_parse}, {NULL, NULL}};

int lua_gantry_open_handshake(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
