/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_http_source.h: a userdata that an HTTP request takes its body from, piece by piece, with no Lua in between. One
 * module makes it and another uses it: what it begins with is all that they share. */
#ifndef LUA_HTTP_SOURCE_H
#define LUA_HTTP_SOURCE_H

#include "core/http/http.h"

#define LUA_GANTRY_HTTP_SOURCE "gantry.http_source"

/* The beginning of the userdata; its `data` lives as long as that. */
struct lua_gantry_http_source {
    struct gantry_http_source source;
};

#endif
