/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_grpc.c: gantry.core.grpc: connections and their calls.
 *
 * A connection that is open and a call that has not ended are at work although nobody holds them (see lua_source.h). A
 * call keeps its connection alive (user value 1), which keeps the loop; a connection lists its calls, which are silent
 * and over when it is closed. What callbacks get is pushed inside the protected call: a message may be large, and
 * memory may be short. */
#include "../core/grpc.h"

#include "lua_source.h"

#include <math.h>

#define CONNECTION "gantry.grpc"
#define CALL "gantry.grpc.call"
#define NS_PER_S 1e9

enum { ON_READY, ON_CLOSED }; /* of a connection */
enum { ON_MESSAGE, ON_END };  /* of a call */

struct connection {
    struct lua_gantry_source source;
    struct gantry_grpc *grpc; /* NULL once closed here */
    struct call *calls;       /* those that have not ended */
};

struct call {
    struct lua_gantry_source source;
    struct gantry_grpc_call *call; /* NULL once ended or cancelled */
    bool is_cancelled;             /* by its owner, or with its connection */
    struct call *next;             /* in the connection's list */
    struct call **link;
};

/* ---- the end of objects ---- */

/* Ends what the core has of a call. */
static void drop_call(struct call *call)
{
    gantry_grpc_call_free(call->call);
    call->call = NULL;
}

static void leave_connection(struct call *call)
{
    if (call->link == NULL)
        return;
    *call->link = call->next;
    if (call->next != NULL)
        call->next->link = call->link;
    call->link = NULL;
}

static int call_cancel(lua_State *L)
{
    struct call *call = luaL_checkudata(L, 1, CALL);

    call->is_cancelled = true;
    drop_call(call);
    leave_connection(call);
    lua_gantry_source_release(L, &call->source);
    return 0;
}

static int connection_close(lua_State *L)
{
    struct connection *connection = luaL_checkudata(L, 1, CONNECTION);

    gantry_grpc_free(connection->grpc);
    connection->grpc = NULL;
    while (connection->calls != NULL) {
        struct call *call = connection->calls;

        call->is_cancelled = true;
        drop_call(call);
        leave_connection(call);
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

static int tell_message(lua_State *L) /* fn, message */
{
    const struct message *message = lua_touserdata(L, 2);

    lua_settop(L, 1);
    lua_pushlstring(L, message->bytes, message->length);
    lua_call(L, 1, 0);
    return 0;
}

static void message_came(void *data, const void *bytes, size_t length)
{
    struct call *call = data;
    struct lua_gantry_loop *loop = call->source.loop;
    lua_State *L = lua_gantry_begin_call(loop, call->source.callbacks[ON_MESSAGE]);
    struct message message = {bytes, length};

    if (L == NULL)
        return;
    lua_pushcfunction(L, tell_message);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, &message);
    lua_gantry_finish_call(loop, L, 2);
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

static int tell_end(lua_State *L) /* fn, call, end */
{
    struct call *call = lua_touserdata(L, 2);
    const struct gantry_grpc_end *end = lua_touserdata(L, 3);

    lua_pushvalue(L, 1);
    lua_pushinteger(L, end->status);
    lua_pushlstring(L, end->message, end->message_length);
    push_trailers(L, end);
    drop_call(call); /* and what `end` points to */
    lua_call(L, 3, 0);
    return 0;
}

static void call_ended(void *data, const struct gantry_grpc_end *end)
{
    struct call *call = data;
    struct lua_gantry_loop *loop = call->source.loop;
    lua_State *L = lua_gantry_begin_call(loop, call->source.callbacks[ON_END]);
    struct gantry_grpc_end copy = *end;

    leave_connection(call);
    if (L == NULL) {
        drop_call(call);
        lua_gantry_source_release(loop->running, &call->source);
        return;
    }
    lua_pushcfunction(L, tell_end);
    lua_insert(L, -2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, call->source.self);
    lua_gantry_source_release(L, &call->source);
    lua_pushlightuserdata(L, &copy);
    lua_gantry_finish_call(loop, L, 3);
}

static void connection_ready(void *data)
{
    struct connection *connection = data;
    struct lua_gantry_loop *loop = connection->source.loop;
    lua_State *L = lua_gantry_begin_call(loop, connection->source.callbacks[ON_READY]);

    if (L != NULL)
        lua_gantry_finish_call(loop, L, 0);
}

static int tell_closed(lua_State *L) /* fn, why */
{
    const struct gantry_error *why = lua_touserdata(L, 2);

    lua_settop(L, 1);
    lua_gantry_push_error(L, why);
    lua_call(L, 1, 0);
    return 0;
}

/* The connection may be collected from here on; until then, it answers calls with why it is closed. */
static void connection_closed(void *data, const struct gantry_error *why)
{
    struct connection *connection = data;
    struct lua_gantry_loop *loop = connection->source.loop;
    lua_State *L = lua_gantry_begin_call(loop, connection->source.callbacks[ON_CLOSED]);
    struct gantry_error copy = *why;

    lua_gantry_source_release(loop->running, &connection->source);
    if (L == NULL)
        return;
    lua_pushcfunction(L, tell_closed);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, &copy);
    lua_gantry_finish_call(loop, L, 2);
}

/* ---- options ---- */

/* Pushes field `name`: a string, or nil for NULL. [-0, +1, e] */
static const char *push_string(lua_State *L, int table, const char *name, size_t *length)
{
    int type = lua_getfield(L, table, name);

    if (type == LUA_TNIL)
        return NULL;
    if (type != LUA_TSTRING)
        luaL_error(L, "%s must be a string, got %s", name, luaL_typename(L, -1));
    return lua_tolstring(L, -1, length);
}

/* The integer in field `name`, from 0 to `most`; 0 where it is nil. [-0, +0, e] */
static lua_Integer get_integer(lua_State *L, int table, const char *name, lua_Integer most)
{
    lua_Integer value = 0;
    int is_integer = 1;

    if (lua_getfield(L, table, name) != LUA_TNIL)
        value = lua_tointegerx(L, -1, &is_integer);
    lua_pop(L, 1);
    if (!is_integer || value < 0 || value > most)
        luaL_error(L, "%s must be an integer from 0 to %I", name, (LUAI_UACINT)most);
    return value;
}

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
    tls->certificate = push_string(L, from, "certificate", &tls->certificate_length);
    tls->key = push_string(L, from, "key", &tls->key_length);
    tls->peer = (const unsigned char *)push_string(L, from, "peer", &tls->peer_length);
    tls->server_name = push_string(L, from, "server_name", NULL);
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
    options.socket = push_string(L, 2, "socket", NULL);
    options.host = push_string(L, 2, "host", NULL);
    options.port = (uint16_t)get_integer(L, 2, "port", UINT16_MAX);
    options.connect_timeout_ns = get_nanoseconds(L, 2, "connect_timeout");
    options.tls = push_tls(L, 2, &tls);
    connection = lua_gantry_source_new(L, sizeof *connection, CONNECTION, 1);
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

static void enter_connection(struct connection *connection, struct call *call)
{
    call->next = connection->calls;
    call->link = &connection->calls;
    if (call->next != NULL)
        call->next->link = &call->next;
    connection->calls = call;
}

/* Pushes a new call of the connection at index 1, with the callbacks of the options at index 2. [-0, +1, e] */
static struct call *push_call(lua_State *L)
{
    struct call *call;

    lua_getiuservalue(L, 1, 1);
    call = lua_gantry_source_new(L, sizeof *call, CALL, lua_gettop(L));
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
    options.path = push_string(L, 2, "path", NULL);
    luaL_argcheck(L, options.path != NULL, 2, "a call needs a path: \"/package.Service/Method\"");
    push_metadata(L, 2, &options);
    options.timeout_ns = get_nanoseconds(L, 2, "timeout");
    options.limit = (size_t)get_integer(L, 2, "limit", UINT32_MAX);
    options.window = (size_t)get_integer(L, 2, "window", INT32_MAX);
    call = push_call(L);
    options.data = call;
    if (gantry_grpc_call_new(connection->grpc, &options, &call->call, &err) < 0)
        return lua_gantry_fail(L, &err);
    enter_connection(connection, call);
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

int lua_gantry_open_grpc(lua_State *L)
{
    lua_gantry_source_type(L, CONNECTION, connection_methods);
    lua_gantry_source_type(L, CALL, call_methods);
    luaL_newlib(L, functions);
    return 1;
}
