/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_http.c: gantry.core.http: clients. One with requests in flight is at work although nobody holds it (see
 * lua_source.h). */
#include "core/http/http.h"

#include "lua/lua_http_request.h"
#include "lua/lua_options.h"

#define CLIENT "gantry.http_client"

static struct lua_gantry_http_client *check_client(lua_State *L)
{
    struct lua_gantry_http_client *client = luaL_checkudata(L, 1, CLIENT);

    if (client->http == NULL)
        luaL_error(L, "http client closed");
    if (client->source.loop->loop == NULL)
        luaL_error(L, "loop closed");
    return client;
}

/* client, options (see lua_http_request.h) -> request | nil, err */
static int client_request(lua_State *L)
{
    return lua_gantry_http_request(L, check_client(L));
}

static int client_close(lua_State *L)
{
    struct lua_gantry_http_client *client = luaL_checkudata(L, 1, CLIENT);

    gantry_http_free(client->http);
    client->http = NULL;
    lua_pushnil(L);
    lua_setiuservalue(L, 1, 1); /* its requests, which have ended */
    lua_gantry_source_release(L, &client->source);
    return 0;
}

/* loop, { url, unix_socket, ca_file, cert_file, key_file, verify } -> client | nil, err */
static int http_new(lua_State *L)
{
    struct lua_gantry_loop *loop = lua_gantry_check_loop(L, 1);
    struct gantry_http_endpoint endpoint = {0};
    struct gantry_error err;
    struct lua_gantry_http_client *client;

    luaL_checktype(L, 2, LUA_TTABLE);
    endpoint.url = lua_gantry_push_needed_text(L, 2, "url");
    endpoint.unix_socket = lua_gantry_push_text(L, 2, "unix_socket");
    endpoint.ca_file = lua_gantry_push_text(L, 2, "ca_file");
    endpoint.cert_file = lua_gantry_push_text(L, 2, "cert_file");
    endpoint.key_file = lua_gantry_push_text(L, 2, "key_file");
    endpoint.verify = lua_getfield(L, 2, "verify") == LUA_TNIL || lua_toboolean(L, -1);

    client = lua_gantry_source_new(L, sizeof *client, CLIENT, 1);
    lua_createtable(L, 1, 2);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    lua_setiuservalue(L, -2, 1);
    if (gantry_http_new(loop->loop, &endpoint, &client->http, &err) < 0)
        return lua_gantry_fail(L, &err);
    return 1;
}

/* ---- the module ---- */

static const luaL_Reg client_methods[] = {
    {"request", client_request},
    {"close", client_close},
    {"__gc", client_close},
    {"__close", client_close},
    {NULL, NULL},
};
static const luaL_Reg functions[] = {{"new", http_new}, {NULL, NULL}};

int luaopen_gantry_core_http(lua_State *L)
{
    lua_gantry_http_make_request_type(L);
    lua_gantry_make_type(L, CLIENT, client_methods);
    luaL_newlib(L, functions);
    return 1;
}
