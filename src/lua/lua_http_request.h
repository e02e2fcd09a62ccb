/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_http_request.h: what requests need of their client, and it of them.
 *
 * A client owns its requests in flight: its user value is a table of the loop, at 1, and each of them under its
 * address. A request keeps its client and its callbacks as user values; once it has ended it is an empty shell. */
#ifndef LUA_HTTP_REQUEST_H
#define LUA_HTTP_REQUEST_H

#include "lua/lua_source.h"

struct gantry_http;

/* The userdata of a client. It is anchored while it has requests in flight. */
struct lua_gantry_http_client {
    struct lua_gantry_source source;
    struct gantry_http *http; /* NULL once closed */
    size_t in_flight;
};

/* Makes the metatable of requests. [-0, +0, e] */
void lua_gantry_http_make_request_type(lua_State *L);

/* Starts a request of the open client at stack index 1 with the options at 2: { method, path, headers, body, timeout,
 * connect_timeout, limit, on_headers, on_data, on_done }. Pushes it, or nil and an error, and returns how many values
 * that are. [-0, +n, e] */
int lua_gantry_http_request(lua_State *L, struct lua_gantry_http_client *client);

#endif
