/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_http_request.c: the requests of a client: their options, their callbacks, and what their owners do with them. */
#include "lua/lua_http_request.h"

#include "core/http/http.h"
#include "lua/lua_http_source.h"
#include "lua/lua_options.h"

#include <math.h>

#define REQUEST "gantry.http_request"

struct request {
    struct lua_gantry_http_client *client;
    struct gantry_http_request *request; /* NULL once ended */
};

/* The user values of a request; the callbacks are functions where the core calls for them. */
enum { OWNER = 1, ON_HEADERS, ON_DATA, ON_DONE, SOURCE, USER_VALUES = SOURCE };

/* ---- the life of a request ---- */

/* Anchors the request on top of the stack in its client at index `client`. [-0, +0, e] */
static void anchor_request(lua_State *L, struct request *request, int client)
{
    lua_getiuservalue(L, client, 1);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, request);
    lua_pop(L, 1);
    if (gantry_list_is_empty(&request->client->source.in_sources)) {
        lua_pushvalue(L, client);
        lua_gantry_source_anchor(L, &request->client->source);
        lua_pop(L, 1);
    }
    request->client->in_flight++;
}

/* Lets go of a request that has ended; its client is on top of the stack, and is popped. [-1, +0, -] */
static void release_request(lua_State *L, struct request *request)
{
    struct lua_gantry_http_client *client = request->client;

    request->request = NULL;
    lua_getiuservalue(L, -1, 1);
    lua_pushnil(L);
    lua_rawsetp(L, -2, request);
    if (--client->in_flight == 0)
        lua_gantry_source_release(L, &client->source);
    lua_pop(L, 2);
}

/* ---- callbacks ---- */

/* Begins a callback, as lua_gantry_begin_call does, of the request's own function. */
static lua_State *begin_call(const struct request *request, int callback)
{
    lua_State *L = lua_gantry_begin_call(request->client->source.loop, request->client->source.self);

    if (L == NULL)
        return NULL;
    lua_getiuservalue(L, -1, 1);
    lua_rawgetp(L, -1, request);
    lua_getiuservalue(L, -1, callback);
    lua_replace(L, -4); /* the client */
    lua_pop(L, 2);
    return L;
}

/* Headers that come more than once are joined, as HTTP has it. [-0, +1, e] */
static void push_headers(lua_State *L, const struct gantry_http_response *response)
{
    lua_createtable(L, 0, (int)response->header_count);
    for (size_t i = 0; i < response->header_count; i++) {
        const struct gantry_http_header *header = &response->headers[i];

        if (lua_getfield(L, -1, header->name) == LUA_TSTRING)
            lua_pushfstring(L, "%s, %s", lua_tostring(L, -1), header->value);
        else
            lua_pushstring(L, header->value);
        lua_setfield(L, -3, header->name);
        lua_pop(L, 1);
    }
}

static int push_head(lua_State *L, void *what)
{
    const struct gantry_http_response *response = what;

    lua_pushinteger(L, response->status);
    push_headers(L, response);
    return 2;
}

static void headers_came(void *data, const struct gantry_http_response *response)
{
    const struct request *request = data;
    struct lua_gantry_loop *loop = request->client->source.loop;
    struct gantry_http_response copy = *response;
    lua_State *L = begin_call(request, ON_HEADERS);

    if (L != NULL)
        lua_gantry_finish_call(loop, L, push_head, &copy);
}

struct piece {
    const char *bytes;
    size_t size;
};

static int http_push_piece(lua_State *L, void *what)
{
    const struct piece *piece = what;

    lua_pushlstring(L, piece->bytes, piece->size);
    return 1;
}

static void data_came(void *data, const char *bytes, size_t size)
{
    const struct request *request = data;
    struct lua_gantry_loop *loop = request->client->source.loop;
    struct piece piece = {.bytes = bytes, .size = size};
    lua_State *L = begin_call(request, ON_DATA);

    if (L != NULL)
        lua_gantry_finish_call(loop, L, http_push_piece, &piece);
}

struct end {
    const struct gantry_error *err;
    const struct gantry_http_response *response;
};

static void push_response(lua_State *L, const struct gantry_http_response *response)
{
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, response->status);
    lua_setfield(L, -2, "status");
    push_headers(L, response);
    lua_setfield(L, -2, "headers");
    if (response->body != NULL) {
        lua_pushlstring(L, response->body, response->body_size);
        lua_setfield(L, -2, "body");
    }
}

static int http_push_end(lua_State *L, void *what)
{
    const struct end *end = what;

    if (end->err != NULL)
        lua_gantry_push_error(L, end->err);
    else
        lua_pushnil(L);
    if (end->response->status != 0)
        push_response(L, end->response);
    else
        lua_pushnil(L);
    return 2;
}

static void request_done(void *data, const struct gantry_error *err, const struct gantry_http_response *response)
{
    struct request *request = data;
    struct lua_gantry_http_client *client = request->client;
    struct lua_gantry_loop *loop = client->source.loop;
    struct end end = {.err = err, .response = response};
    lua_State *L = begin_call(request, ON_DONE);

    request->request = NULL;
    if (L == NULL)
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, client->source.self);
    release_request(L, request); /* both may be collected from here on */
    lua_gantry_finish_call(loop, L, http_push_end, &end);
}

/* ---- methods of a request: none does anything once it has ended ---- */

static struct request *http_check_request(lua_State *L)
{
    struct request *request = luaL_checkudata(L, 1, REQUEST);

    if (request->client == NULL || request->client->http == NULL)
        request->request = NULL; /* the client has ended it */
    return request;
}

static int request_cancel(lua_State *L)
{
    struct request *request = http_check_request(L);

    if (request->request == NULL)
        return 0;
    gantry_http_cancel(request->request);
    lua_getiuservalue(L, 1, OWNER);
    release_request(L, request);
    return 0;
}

/* request:take_socket() -> descriptor | nil, err: ends the request, and its connection is the caller's */
static int request_take_socket(lua_State *L)
{
    struct request *request = http_check_request(L);
    struct gantry_error err;
    int fd;

    if (request->request == NULL)
        return luaL_error(L, "request closed");
    fd = gantry_http_take_socket(request->request, &err);
    if (fd < 0)
        return lua_gantry_fail(L, &err);
    lua_getiuservalue(L, 1, OWNER);
    release_request(L, request);
    lua_pushinteger(L, fd);
    return 1;
}

static int request_pause(lua_State *L)
{
    struct request *request = http_check_request(L);

    if (request->request != NULL)
        gantry_http_pause(request->request, true);
    return 0;
}

static int request_resume(lua_State *L)
{
    struct request *request = http_check_request(L);

    if (request->request != NULL)
        gantry_http_pause(request->request, false);
    return 0;
}

/* ---- options ---- */

/* Field `name`, in seconds, as milliseconds rounded up; 0 for nil. [-0, +0, e] */
static int64_t get_milliseconds(lua_State *L, int table, const char *name)
{
    double milliseconds;
    int is_number = 1;

    if (lua_getfield(L, table, name) == LUA_TNIL)
        milliseconds = 0;
    else
        milliseconds = ceil(lua_tonumberx(L, -1, &is_number) * 1e3);
    lua_pop(L, 1);
    if (!is_number || !(milliseconds >= 0))
        luaL_error(L, "%s must be a number of seconds", name);
    return milliseconds < (double)INT64_MAX ? (int64_t)milliseconds : 0;
}

/* Sets user value `callback` of the request on top of the stack to the function in field `name`.
 * Returns whether there is one. [-0, +0, e] */
static bool take_callback(lua_State *L, int table, const char *name, int callback)
{
    int type = lua_getfield(L, table, name);

    if (type != LUA_TFUNCTION && type != LUA_TNIL)
        luaL_error(L, "%s must be a function, got %s", name, luaL_typename(L, -1));
    lua_setiuservalue(L, -2, callback);
    return type == LUA_TFUNCTION;
}

/* Keeps the source of its body, where it has one, with the request on top of the stack. [-0, +0, e] */
static void take_source(lua_State *L, int table, struct gantry_http_options *options)
{
    if (lua_getfield(L, table, "source") != LUA_TNIL) {
        const struct lua_gantry_http_source *source = luaL_checkudata(L, -1, LUA_GANTRY_HTTP_SOURCE);

        options->source = source->source;
    }
    lua_setiuservalue(L, -2, SOURCE);
}

/* Reads the options at `table` and pushes what they point to, and then the new request. [-0, +6, e] */
static struct request *http_push_request(lua_State *L, int table, struct gantry_http_options *options)
{
    struct request *request;

    options->method = lua_gantry_push_needed_text(L, table, "method");
    options->path = lua_gantry_push_needed_text(L, table, "path");
    options->headers = lua_gantry_push_texts(L, table, "headers", "header");
    options->body = lua_gantry_push_bytes(L, table, "body", &options->body_size);
    options->timeout_ms = get_milliseconds(L, table, "timeout");
    options->connect_timeout_ms = get_milliseconds(L, table, "connect_timeout");
    options->limit = (size_t)lua_gantry_get_integer(L, table, "limit", 0, LUA_MAXINTEGER, 0);

    request = lua_newuserdatauv(L, sizeof *request, USER_VALUES);
    *request = (struct request){0};
    luaL_setmetatable(L, REQUEST);
    take_source(L, table, options);
    options->on_headers = take_callback(L, table, "on_headers", ON_HEADERS) ? headers_came : NULL;
    options->on_data = take_callback(L, table, "on_data", ON_DATA) ? data_came : NULL;
    if (!take_callback(L, table, "on_done", ON_DONE))
        luaL_error(L, "on_done is needed");
    options->on_done = request_done;
    options->data = request;
    return request;
}

/* ---- the beginning of a request ---- */

int lua_gantry_http_request(lua_State *L, struct lua_gantry_http_client *client)
{
    struct gantry_http_options options = {0};
    struct gantry_error err;
    struct request *request;

    luaL_checktype(L, 2, LUA_TTABLE);
    request = http_push_request(L, 2, &options);
    request->client = client;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, OWNER);
    anchor_request(L, request, 1);
    if (gantry_http_request(client->http, &options, &request->request, &err) < 0) {
        lua_pushvalue(L, 1);
        release_request(L, request);
        return lua_gantry_fail(L, &err);
    }
    return 1;
}

static const luaL_Reg request_methods[] = {
    {"cancel", request_cancel}, {"take_socket", request_take_socket}, {"pause", request_pause},
    {"resume", request_resume}, {"__close", request_cancel},          {NULL, NULL},
};

void lua_gantry_http_make_request_type(lua_State *L)
{
    lua_gantry_make_type(L, REQUEST, request_methods);
}
