/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_grpc.c: gantry.core.grpc: connections and their calls.
 *
 * A connection that is open and a call that has not ended are at work although nobody holds them (see lua_source.h). A
 * call keeps its connection alive (user value 1), which keeps the loop; a connection lists its calls, which are silent
 * and over when it is closed. What callbacks get is pushed inside the protected call: a message may be large, and
 * memory may be short. */
#include "core/grpc/grpc.h"

#include "lua/lua_options.h"
#include "lua/lua_source.h"

#include <math.h>

#define CONNECTION "gantry.grpc"
#define CALL "gantry.grpc.call"
#define NS_PER_S 1e9

enum { ON_READY, ON_CLOSED }; /* of a connection */
enum { ON_MESSAGE, ON_END };  /* of a call */

struct connection {
    struct lua_gantry_source source;
    struct gantry_grpc *grpc; /* NULL once closed here */
    struct gantry_list calls; /* those that have not ended */
};

struct call {
    struct lua_gantry_source source;
    struct gantry_grpc_call *call; /* NULL once ended or cancelled */
    bool is_cancelled;             /* by its owner, or with its connection */
    struct gantry_list in_calls;
};

/* ---- the end of objects ---- */

/* Ends what the core has of a call. */
static void drop_call(struct call *call)
{
    gantry_grpc_call_free(call->call);
    call->call = NULL;
}

static int call_cancel(lua_State *L)
{
    struct call *call = luaL_checkudata(L, 1, CALL);

    call->is_cancelled = true;
    drop_call(call);
    gantry_list_remove(&call->in_calls);
    lua_gantry_source_release(L, &call->source);
    return 0;
}

static int connection_close(lua_State *L)
{
    struct connection *connection = luaL_checkudata(L, 1, CONNECTION);

    gantry_grpc_free(connection->grpc);
    connection->grpc = NULL;
    while (!gantry_list_is_empty(&connection->calls)) {
        struct call *call = GANTRY_LIST_ENTRY(connection->calls.next, struct call, in_calls);

        call->is_cancelled = true;
        drop_call(call);
        gantry_list_remove(&call->in_calls);
        lua_gantry_source_release(L, &call->source); /* it may be collected from here on */
    }
    lua_gantry_source_release(L, &connection->source);
    return 0;
}

/* ---- callbacks ---- */

struct message {
    const void *bytes;
    size_t length;
};

static int push_message(lua_State *L, void *what)
{
    const struct message *message = what;

    lua_pushlstring(L, message->bytes, message->length);
    return 1;
}

static void message_came(void *data, const void *bytes, size_t length)
{
    struct call *call = data;
    struct message message = {bytes, length};

    lua_gantry_source_call(&call->source, ON_MESSAGE, push_message, &message);
}

/* A field that comes more than once is one field with all values, as in HTTP. [-0, +1, e] */
static void push_trailers(lua_State *L, const struct gantry_grpc_end *end)
{
    lua_createtable(L, 0, (int)end->trailer_count);
    for (size_t i = 0; i < end->trailer_count; i++) {
        const struct gantry_grpc_field *field = &end->trailers[i];

        if (lua_getfield(L, -1, field->name) == LUA_TSTRING) {
            lua_pushliteral(L, ", ");
            lua_pushlstring(L, field->value, field->value_length);
            lua_concat(L, 3);
        } else {
            lua_pop(L, 1);
            lua_pushlstring(L, field->value, field->value_length);
        }
        lua_setfield(L, -2, field->name);
    }
}

struct end {
    struct gantry_grpc_call *call; /* NULL once freed */
    struct gantry_grpc_end what;
};

static int grpc_push_end(lua_State *L, void *what)
{
    struct end *end = what;

    lua_pushinteger(L, end->what.status);
    lua_pushlstring(L, end->what.message, end->what.message_length);
    push_trailers(L, &end->what);
    gantry_grpc_call_free(end->call); /* and what the end points to */
    end->call = NULL;
    return 3;
}

static void call_ended(void *data, const struct gantry_grpc_end *end)
{
    struct call *call = data;
    struct end last = {call->call, *end};

    call->call = NULL;
    gantry_list_remove(&call->in_calls);
    lua_gantry_source_call_last(&call->source, ON_END, grpc_push_end, &last);
    gantry_grpc_call_free(last.call); /* where nobody was called */
}

static void connection_ready(void *data)
{
    struct connection *connection = data;

    lua_gantry_source_call(&connection->source, ON_READY, NULL, NULL);
}

static int push_why(lua_State *L, void *why)
{
    lua_gantry_push_error(L, why);
    return 1;
}

/* The connection may be collected from here on; until then, it answers calls with why it is closed. */
static void connection_closed(void *data, const struct gantry_error *why)
{
    struct connection *connection = data;
    struct gantry_error copy = *why;

    lua_gantry_source_call_last(&connection->source, ON_CLOSED, push_why, &copy);
}

/* ---- options ---- */

/* The seconds in field `name`, in nanoseconds; 0 where it is nil, and 1 where no time is left. [-0, +0, e] */
static int64_t get_nanoseconds(lua_State *L, int table, const char *name)
{
    double nanoseconds = 0;
    bool is_given = lua_getfield(L, table, name) != LUA_TNIL;

    if (is_given) {
        if (lua_type(L, -1) != LUA_TNUMBER || isnan(lua_tonumber(L, -1)))
            luaL_error(L, "%s must be a number of seconds", name);
        nanoseconds = fmax(lua_tonumber(L, -1) * NS_PER_S, 1);
    }
    lua_pop(L, 1);
    return nanoseconds < (double)INT64_MAX ? (int64_t)nanoseconds : INT64_MAX;
}

/* Reads the table in field `tls` and pushes what the options point to. [-0, +5, e] */
static const struct gantry_tls_options *push_tls(lua_State *L, int table, struct gantry_tls_options *tls)
{
    int type = lua_getfield(L, table, "tls");
    int from = lua_gettop(L);

    if (type == LUA_TNIL)
        return NULL;
    luaL_argcheck(L, type == LUA_TTABLE, table, "tls must be a table");
    tls->certificate = lua_gantry_push_bytes(L, from, "certificate", &tls->certificate_length);
    tls->key = lua_gantry_push_bytes(L, from, "key", &tls->key_length);
    tls->peer = (const unsigned char *)lua_gantry_push_bytes(L, from, "peer", &tls->peer_length);
    tls->server_name = lua_gantry_push_text(L, from, "server_name");
    return tls;
}

static int grpc_connect(lua_State *L) /* loop, options -> connection | nil, err */
{
    struct lua_gantry_loop *loop = lua_gantry_check_loop(L, 1);
    struct gantry_grpc_options options = {.on_ready = connection_ready, .on_closed = connection_closed};
    struct gantry_tls_options tls = {0};
    struct gantry_error err;
    struct connection *connection;

    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    options.socket = lua_gantry_push_text(L, 2, "socket");
    options.host = lua_gantry_push_text(L, 2, "host");
    options.port = (uint16_t)lua_gantry_get_integer(L, 2, "port", 0, UINT16_MAX, 0);
    options.connect_timeout_ns = get_nanoseconds(L, 2, "connect_timeout");
    options.tls = push_tls(L, 2, &tls);
    connection = lua_gantry_source_new(L, sizeof *connection, CONNECTION, 1);
    gantry_list_init(&connection->calls);
    connection->source.callbacks[ON_READY] = lua_gantry_ref_callback(L, 2, "on_ready");
    connection->source.callbacks[ON_CLOSED] = lua_gantry_ref_callback(L, 2, "on_closed");
    options.data = connection;
    if (gantry_grpc_connect(loop->loop, &options, &connection->grpc, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_gantry_source_anchor(L, &connection->source);
    return 1;
}

/* Reads one pair { name, value } on top of the stack, whose strings stay the pair's. [-1, +0, e] */
static void get_pair(lua_State *L, int number, struct gantry_grpc_metadata *metadata)
{
    if (!lua_istable(L, -1) || lua_rawgeti(L, -1, 1) != LUA_TSTRING || lua_rawgeti(L, -2, 2) != LUA_TSTRING)
        luaL_error(L, "metadata %d must be a pair of strings { name, value }", number);
    metadata->name = lua_tolstring(L, -2, &metadata->name_length);
    metadata->value = lua_tolstring(L, -1, &metadata->value_length);
    lua_pop(L, 3);
}

/* Reads the list in field `metadata` and pushes what the options point to. [-0, +2, e] */
static void push_metadata(lua_State *L, int table, struct gantry_grpc_call_options *options)
{
    int type = lua_getfield(L, table, "metadata");
    int list = lua_gettop(L);
    struct gantry_grpc_metadata *metadata;

    if (type == LUA_TNIL) {
        lua_pushnil(L);
        return;
    }
    luaL_argcheck(L, type == LUA_TTABLE, table, "metadata must be a list of pairs { name, value }");
    options->metadata_count = lua_rawlen(L, list);
    metadata = lua_newuserdatauv(L, (options->metadata_count + 1) * sizeof *metadata, 0);
    for (size_t i = 0; i < options->metadata_count; i++) {
        lua_rawgeti(L, list, (lua_Integer)i + 1);
        get_pair(L, (int)i + 1, &metadata[i]);
    }
    options->metadata = metadata;
}

/* Pushes a new call of the connection at index 1, with the callbacks of the options at index 2. [-0, +1, e] */
static struct call *push_call(lua_State *L)
{
    struct call *call;

    lua_getiuservalue(L, 1, 1);
    call = lua_gantry_source_new(L, sizeof *call, CALL, lua_gettop(L));
    gantry_list_init(&call->in_calls);
    call->source.callbacks[ON_MESSAGE] = lua_gantry_ref_callback(L, 2, "on_message");
    call->source.callbacks[ON_END] = lua_gantry_ref_callback(L, 2, "on_end");
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    return call;
}

static int connection_call(lua_State *L) /* connection, options -> call | nil, err */
{
    struct connection *connection = luaL_checkudata(L, 1, CONNECTION);
    struct gantry_grpc_call_options options = {.on_message = message_came, .on_end = call_ended};
    struct gantry_error err;
    struct call *call;

    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    if (connection->grpc == NULL)
        return luaL_error(L, "connection closed");
    options.path = lua_gantry_push_text(L, 2, "path");
    luaL_argcheck(L, options.path != NULL, 2, "a call needs a path: \"/package.Service/Method\"");
    push_metadata(L, 2, &options);
    options.timeout_ns = get_nanoseconds(L, 2, "timeout");
    options.limit = (size_t)lua_gantry_get_integer(L, 2, "limit", 0, UINT32_MAX, 0);
    options.window = (size_t)lua_gantry_get_integer(L, 2, "window", 0, INT32_MAX, 0);
    call = push_call(L);
    options.data = call;
    if (gantry_grpc_call_new(connection->grpc, &options, &call->call, &err) < 0)
        return lua_gantry_fail(L, &err);
    gantry_list_append(&connection->calls, &call->in_calls);
    lua_gantry_source_anchor(L, &call->source);
    return 1;
}

/* ---- methods of a call ---- */

/* The call, or NULL where it has ended by itself: then there is nothing left to do. */
static struct gantry_grpc_call *check_call(lua_State *L)
{
    struct call *call = luaL_checkudata(L, 1, CALL);

    if (call->is_cancelled)
        luaL_error(L, "call closed");
    return call->call;
}

static int call_send(lua_State *L) /* call, bytes -> bytes that wait | nil, err */
{
    struct gantry_grpc_call *call = check_call(L);
    size_t length;
    const char *bytes = luaL_checklstring(L, 2, &length);
    struct gantry_error err;

    if (call != NULL && gantry_grpc_call_send(call, bytes, length, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushinteger(L, call != NULL ? (lua_Integer)gantry_grpc_call_waiting(call) : 0);
    return 1;
}

static int call_finish(lua_State *L)
{
    struct gantry_grpc_call *call = check_call(L);

    if (call != NULL)
        gantry_grpc_call_finish(call);
    return 0;
}

static int call_pause(lua_State *L)
{
    struct gantry_grpc_call *call = check_call(L);

    if (call != NULL)
        gantry_grpc_call_pause(call);
    return 0;
}

static int call_resume(lua_State *L)
{
    struct gantry_grpc_call *call = check_call(L);

    if (call != NULL)
        gantry_grpc_call_resume(call);
    return 0;
}

/* ---- the module ---- */

static const luaL_Reg connection_methods[] = {
    {"call", connection_call},
    {"close", connection_close},
    {"__gc", connection_close},
    {"__close", connection_close},
    {NULL, NULL},
};
static const luaL_Reg call_methods[] = {
    {"send", call_send},     {"finish", call_finish}, {"pause", call_pause},    {"resume", call_resume},
    {"cancel", call_cancel}, {"__gc", call_cancel},   {"__close", call_cancel}, {NULL, NULL},
};
static const luaL_Reg functions[] = {{"connect", grpc_connect}, {NULL, NULL}};

int luaopen_gantry_core_grpc(lua_State *L)
{
    lua_gantry_make_type(L, CONNECTION, connection_methods);
    lua_gantry_make_type(L, CALL, call_methods);
    luaL_newlib(L, functions);
    return 1;
}
