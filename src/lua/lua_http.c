/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_http.c: gantry.core.http: clients and their requests.
 *
 * A client with requests in flight is at work although nobody holds it (see lua_source.h). It owns them: its user value
 * is a table of the loop, at 1, and each request in flight under its address. A request keeps its client and its
 * callbacks as user values; once it has ended it is an empty shell. */
#include "../core/http.h"

#include "lua_source.h"

#include <math.h>
#include <string.h>

#define CLIENT "gantry.http_client"
#define REQUEST "gantry.http_request"

struct client {
    struct lua_gantry_source source;
    struct gantry_http *http; /* NULL once closed */
    size_t in_flight;
};

struct request {
    struct client *client;
    struct gantry_http_request *request; /* NULL once ended */
};

/* The user values of a request; the callbacks are functions where the core calls for them. */
enum { OWNER = 1, ON_HEADERS, ON_DATA, ON_DONE, USER_VALUES = ON_DONE };

/* ---- the life of a request ---- */

/* Anchors the request on top of the stack in its client at index `client`. [-0, +0, e] */
static void anchor_request(lua_State *L, struct request *request, int client)
{
    lua_getiuservalue(L, client, 1);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, request);
    lua_pop(L, 1);
    if (request->client->source.link == NULL) {
        lua_pushvalue(L, client);
        lua_gantry_source_anchor(L, &request->client->source);
        lua_pop(L, 1);
    }
    request->client->in_flight++;
}

/* Lets go of a request that has ended; its client is on top of the stack, and is popped. [-1, +0, -] */
static void release_request(lua_State *L, struct request *request)
{
    struct client *client = request->client;

    request->request = NULL;
    lua_getiuservalue(L, -1, 1);
    lua_pushnil(L);
    lua_rawsetp(L, -2, request);
    if (--client->in_flight == 0)
        lua_gantry_source_release(L, &client->source);
    lua_pop(L, 2);
}

/* ---- callbacks ----
 *
 * The arguments of a callback are made by a C function that is called in its place: where memory is short it raises,
 * and a raise must not cross the core. */

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

/* Calls `call`, a function of (function, pointer), for the function on top of the stack. */
static void finish_call(lua_State *L, struct lua_gantry_loop *loop, lua_CFunction call, const void *what)
{
    union { /* Lua's pointers are not const; this one is again in `call` */
        const void *given;
        void *pushed;
    } pointer = {.given = what};

    lua_pushcfunction(L, call);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, pointer.pushed);
    lua_gantry_finish_call(loop, L, 2);
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

static int call_on_headers(lua_State *L)
{
    const struct gantry_http_response *response = lua_touserdata(L, 2);

    lua_settop(L, 1);
    lua_pushinteger(L, response->status);
    push_headers(L, response);
    lua_call(L, 2, 0);
    return 0;
}

static void headers_came(void *data, const struct gantry_http_response *response)
{
    const struct request *request = data;
    struct lua_gantry_loop *loop = request->client->source.loop;
    lua_State *L = begin_call(request, ON_HEADERS);

    if (L != NULL)
        finish_call(L, loop, call_on_headers, response);
}

struct piece {
    const char *bytes;
    size_t size;
};

static int call_on_data(lua_State *L)
{
    const struct piece *piece = lua_touserdata(L, 2);

    lua_settop(L, 1);
    lua_pushlstring(L, piece->bytes, piece->size);
    lua_call(L, 1, 0);
    return 0;
}

static void data_came(void *data, const char *bytes, size_t size)
{
    const struct request *request = data;
    struct lua_gantry_loop *loop = request->client->source.loop;
    struct piece piece = {.bytes = bytes, .size = size};
    lua_State *L = begin_call(request, ON_DATA);

    if (L != NULL)
        finish_call(L, loop, call_on_data, &piece);
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

static int call_on_done(lua_State *L)
{
    const struct end *end = lua_touserdata(L, 2);

    lua_settop(L, 1);
    if (end->err != NULL)
        lua_gantry_push_error(L, end->err);
    else
        lua_pushnil(L);
    if (end->response->status != 0)
        push_response(L, end->response);
    else
        lua_pushnil(L);
    lua_call(L, 2, 0);
    return 0;
}

static void request_done(void *data, const struct gantry_error *err, const struct gantry_http_response *response)
{
    struct request *request = data;
    struct client *client = request->client;
    struct lua_gantry_loop *loop = client->source.loop;
    struct end end = {.err = err, .response = response};
    lua_State *L = begin_call(request, ON_DONE);

    request->request = NULL;
    if (L == NULL)
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, client->source.self);
    release_request(L, request); /* both may be collected from here on */
    finish_call(L, loop, call_on_done, &end);
}

/* ---- methods of a request: none does anything once it has ended ---- */

static struct request *check_request(lua_State *L)
{
    struct request *request = luaL_checkudata(L, 1, REQUEST);

    if (request->client == NULL || request->client->http == NULL)
        request->request = NULL; /* the client has ended it */
    return request;
}

static int request_cancel(lua_State *L)
{
    struct request *request = check_request(L);

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
    struct request *request = check_request(L);
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
    struct request *request = check_request(L);

    if (request->request != NULL)
        gantry_http_pause(request->request, true);
    return 0;
}

static int request_resume(lua_State *L)
{
    struct request *request = check_request(L);

    if (request->request != NULL)
        gantry_http_pause(request->request, false);
    return 0;
}

/* ---- options ---- */

/* Pushes field `name`: a string without a NUL, or nil for NULL. [-0, +1, e] */
static const char *push_text(lua_State *L, int table, const char *name)
{
    int type = lua_getfield(L, table, name);
    const char *value = type == LUA_TSTRING ? lua_tostring(L, -1) : NULL;

    if (value == NULL && type != LUA_TNIL)
        luaL_error(L, "%s must be a string, got %s", name, luaL_typename(L, -1));
    if (value != NULL && strlen(value) != lua_rawlen(L, -1))
        luaL_error(L, "%s holds a NUL byte", name);
    return value;
}

static const char *push_needed_text(lua_State *L, int table, const char *name)
{
    const char *value = push_text(L, table, name);

    if (value == NULL)
        luaL_error(L, "%s is needed", name);
    return value;
}

/* Pushes the list in field `headers` and the array made of it, which the list must outlive. [-0, +2, e] */
static const char *const *push_sent_headers(lua_State *L, int table)
{
    int type = lua_getfield(L, table, "headers");
    lua_Unsigned count = lua_rawlen(L, -1);
    const char **headers;

    if (type != LUA_TTABLE && type != LUA_TNIL)
        luaL_error(L, "headers must be a list of \"Name: value\", got %s", luaL_typename(L, -1));
    headers = lua_newuserdatauv(L, (count + 1) * sizeof(char *), 0);
    for (lua_Unsigned i = 0; i < count; i++) {
        if (lua_rawgeti(L, -2, (lua_Integer)i + 1) != LUA_TSTRING)
            luaL_error(L, "header %d must be a string, got %s", (int)i + 1, luaL_typename(L, -1));
        headers[i] = lua_tostring(L, -1);
        if (strlen(headers[i]) != lua_rawlen(L, -1))
            luaL_error(L, "header %d holds a NUL byte", (int)i + 1);
        lua_pop(L, 1);
    }
    headers[count] = NULL;
    return headers;
}

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

static size_t get_limit(lua_State *L, int table)
{
    int is_number = 1;
    lua_Integer limit = 0;

    if (lua_getfield(L, table, "limit") != LUA_TNIL)
        limit = lua_tointegerx(L, -1, &is_number);
    lua_pop(L, 1);
    if (!is_number || limit < 0)
        luaL_error(L, "limit must be a number of bytes");
    return (size_t)limit;
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

/* Reads the options at `table` and pushes what they point to, and then the new request. [-0, +6, e] */
static struct request *push_request(lua_State *L, int table, struct gantry_http_options *options)
{
    struct request *request;

    options->method = push_needed_text(L, table, "method");
    options->path = push_needed_text(L, table, "path");
    options->headers = push_sent_headers(L, table);
    if (lua_getfield(L, table, "body") != LUA_TNIL && lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "body must be a string, got %s", luaL_typename(L, -1));
    options->body = lua_tolstring(L, -1, &options->body_size);
    options->timeout_ms = get_milliseconds(L, table, "timeout");
    options->connect_timeout_ms = get_milliseconds(L, table, "connect_timeout");
    options->limit = get_limit(L, table);

    request = lua_newuserdatauv(L, sizeof *request, USER_VALUES);
    *request = (struct request){0};
    luaL_setmetatable(L, REQUEST);
    options->on_headers = take_callback(L, table, "on_headers", ON_HEADERS) ? headers_came : NULL;
    options->on_data = take_callback(L, table, "on_data", ON_DATA) ? data_came : NULL;
    if (!take_callback(L, table, "on_done", ON_DONE))
        luaL_error(L, "on_done is needed");
    options->on_done = request_done;
    options->data = request;
    return request;
}

/* ---- clients ---- */

static struct client *check_client(lua_State *L)
{
    struct client *client = luaL_checkudata(L, 1, CLIENT);

    if (client->http == NULL)
        luaL_error(L, "http client closed");
    if (client->source.loop->loop == NULL)
        luaL_error(L, "loop closed");
    return client;
}

/* client, { method, path, headers, body, timeout, connect_timeout, limit, on_headers, on_data, on_done }
 * -> request | nil, err */
static int client_request(lua_State *L)
{
    struct client *client = check_client(L);
    struct gantry_http_options options = {0};
    struct gantry_error err;
    struct request *request;

    luaL_checktype(L, 2, LUA_TTABLE);
    request = push_request(L, 2, &options);
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

static int client_close(lua_State *L)
{
    struct client *client = luaL_checkudata(L, 1, CLIENT);

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
    struct client *client;

    luaL_checktype(L, 2, LUA_TTABLE);
    endpoint.url = push_needed_text(L, 2, "url");
    endpoint.unix_socket = push_text(L, 2, "unix_socket");
    endpoint.ca_file = push_text(L, 2, "ca_file");
    endpoint.cert_file = push_text(L, 2, "cert_file");
    endpoint.key_file = push_text(L, 2, "key_file");
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

static const luaL_Reg request_methods[] = {
    {"cancel", request_cancel}, {"take_socket", request_take_socket}, {"pause", request_pause},
    {"resume", request_resume}, {"__close", request_cancel},          {NULL, NULL},
};
static const luaL_Reg client_methods[] = {
    {"request", client_request},
    {"close", client_close},
    {"__gc", client_close},
    {"__close", client_close},
    {NULL, NULL},
};
static const luaL_Reg functions[] = {{"new", http_new}, {NULL, NULL}};

int lua_gantry_open_http(lua_State *L)
{
    lua_gantry_source_type(L, REQUEST, request_methods);
    lua_gantry_source_type(L, CLIENT, client_methods);
    luaL_newlib(L, functions);
    return 1;
}
