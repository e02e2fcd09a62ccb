/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_certificate.c: gantry.core.certificate: the pair for AutoMTLS. */
#include "core/tls/certificate.h"

#include "lua/lua_gantry.h"

#define CERTIFICATE "gantry.certificate"

/* A pair on its way into strings is held by a userdata, so that a raise leaks neither memory nor the key. */
static int certificate_free(lua_State *L)
{
    gantry_certificate_free(lua_touserdata(L, 1));
    return 0;
}

static int certificate_generate(lua_State *L) /* -> { certificate = pem, key = pem } | nil, err */
{
    struct gantry_certificate *pair = lua_newuserdatauv(L, sizeof *pair, 0);
    struct gantry_error err;

    *pair = (struct gantry_certificate){NULL, NULL};
    luaL_setmetatable(L, CERTIFICATE);
    if (gantry_certificate_generate(pair, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_createtable(L, 0, 2);
    lua_pushstring(L, pair->certificate);
    lua_setfield(L, -2, "certificate");
    lua_pushstring(L, pair->key);
    lua_setfield(L, -2, "key");
    gantry_certificate_free(pair);
    return 1;
}

static const luaL_Reg functions[] = {{"generate", certificate_generate}, {NULL, NULL}};

int luaopen_gantry_core_certificate(lua_State *L)
{
    luaL_newmetatable(L, CERTIFICATE);
    lua_pushcfunction(L, certificate_free);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
