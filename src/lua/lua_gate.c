/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_gate.c: gantry.core.gate. README.md beside this file shows it from Lua. */
#include "core/gate/gate_client.h"

#include "core/loop/signals.h"
#include "lua/lua_options.h"
#include "lua/lua_source.h"

#include <signal.h>

#define GATE "gantry.gate"
#define MOST_USER 4294967294LL

enum { ON_EVENT };

struct gate {
    struct lua_gantry_source source;
    struct gantry_gate *gate; /* NULL once closed */
};

static struct gantry_gate *check_gate(lua_State *L)
{
    struct gate *gate = luaL_checkudata(L, 1, GATE);

    if (gate->gate == NULL)
        luaL_error(L, "gate closed");
    return gate->gate;
}

static void set_number(lua_State *L, const char *name, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void set_string(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static void set_exit_fields(lua_State *L, const struct gantry_gate_event *event)
{
    if (event->signal != 0)
        set_number(L, "signal", event->signal);
    else
        set_number(L, "code", event->code);
    if (event->memory >= 0) {
        lua_pushboolean(L, event->memory);
        lua_setfield(L, -2, "memory_ran_out");
    }
}

static int push_gate_event(lua_State *L, void *what)
{
    static const char *const kinds[] = {"ready", "started", "output", "failed", "exit", "lost"};
    const struct gantry_gate_event *event = what;

    lua_createtable(L, 0, 4);
    set_string(L, "kind", kinds[event->kind]);
    if (event->kind == GANTRY_GATE_STARTED)
        set_number(L, "pid", event->pid);
    if (event->kind == GANTRY_GATE_OUTPUT) {
        lua_pushlstring(L, event->text, event->length);
        lua_setfield(L, -2, "bytes");
    }
    if (event->kind == GANTRY_GATE_EXIT)
        set_exit_fields(L, event);
    if (event->kind == GANTRY_GATE_FAILED) {
        set_string(L, "what", event->what);
        set_number(L, "code", event->code);
        set_string(L, "text", event->text);
    }
    return 1;
}

static void gate_event(void *data, const struct gantry_gate_event *event)
{
    struct gate *gate = data;
    struct gantry_gate_event copy = *event;

    lua_gantry_source_call(&gate->source, ON_EVENT, push_gate_event, &copy);
}

static bool is_set(lua_State *L, int table, const char *name)
{
    bool value;

    lua_getfield(L, table, name);
    value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

/* Reads the request at `table` and leaves what it points to on the stack. [-0, +n, e] */
static void get_request(lua_State *L, int table, struct gantry_gate_request *request)
{
    luaL_checktype(L, table, LUA_TTABLE);
    luaL_checkstack(L, 16, NULL);
    request->program = lua_gantry_push_texts(L, table, "program", "argument");
    luaL_argcheck(L, request->program == NULL || request->program[0] != NULL, table, "program is empty");
    request->arguments = lua_gantry_push_texts(L, table, "arguments", "argument");
    request->environment = lua_gantry_push_texts(L, table, "environment", "variable");
    request->limits = lua_gantry_push_texts(L, table, "limits", "limit");
    request->directory = lua_gantry_push_text(L, table, "directory");
    request->clears_environment = is_set(L, table, "clear_environment");
    request->is_owned_by_input = is_set(L, table, "owned_by_input");
    request->outlives_asker = is_set(L, table, "outlives_asker");
    request->tells_handshake = is_set(L, table, "tell_handshake");
    request->descriptors[0] = (int)lua_gantry_get_integer(L, table, "stdout", 0, INT_MAX, -1);
    request->descriptors[1] = (int)lua_gantry_get_integer(L, table, "stderr", 0, INT_MAX, -1);
}

static int gate_request(lua_State *L) /* request -> bytes | nil, err */
{
    struct gantry_gate_request request;
    struct gantry_buffer *bytes;
    struct gantry_error err;

    get_request(L, 1, &request);
    luaL_argcheck(L, request.descriptors[0] < 0 && request.descriptors[1] < 0, 1, "a stream carries no descriptors");
    bytes = lua_newuserdatauv(L, sizeof *bytes, 0);
    *bytes = (struct gantry_buffer){0};
    luaL_setmetatable(L, GATE ".bytes");
    if (gantry_gate_encode(&request, bytes, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushlstring(L, (const char *)gantry_buffer_front(bytes), gantry_buffer_length(bytes));
    gantry_buffer_free(bytes);
    return 1;
}

static int bytes_collect(lua_State *L)
{
    gantry_buffer_free(lua_touserdata(L, 1));
    return 0;
}

static int gate_connect(lua_State *L) /* loop, path, { on_event, gate_user } -> gate | nil, err */
{
    struct lua_gantry_loop *loop = lua_gantry_check_loop(L, 1);
    const char *path = lua_gantry_check_text(L, 2);
    struct gantry_error err;
    struct gate *gate;
    uid_t user;

    luaL_checktype(L, 3, LUA_TTABLE);
    user = (uid_t)lua_gantry_get_integer(L, 3, "gate_user", 0, MOST_USER, (uid_t)-1);
    gate = lua_gantry_source_new(L, sizeof *gate, GATE, 1);
    gate->source.callbacks[ON_EVENT] = lua_gantry_ref_callback(L, 3, "on_event");
    if (gantry_gate_connect(loop->loop, path, user, gate_event, gate, &gate->gate, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_gantry_source_anchor(L, &gate->source);
    return 1;
}

static int gate_result(lua_State *L, int result, const struct gantry_error *err)
{
    if (result < 0)
        return lua_gantry_fail(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

static int gate_ask(lua_State *L) /* gate, request -> true | nil, err */
{
    struct gantry_gate *gate = check_gate(L);
    struct gantry_gate_request request;
    struct gantry_error err;

    get_request(L, 2, &request);
    return gate_result(L, gantry_gate_ask(gate, &request, &err), &err);
}

static int gate_signal(lua_State *L) /* gate, number or name -> true | nil, err */
{
    struct gantry_gate *gate = check_gate(L);
    lua_Integer number = lua_isinteger(L, 2) ? lua_tointeger(L, 2) : gantry_signal_number(luaL_checkstring(L, 2));
    struct gantry_error err;

    luaL_argcheck(L, number > 0 && number < NSIG, 2, "no such signal");
    return gate_result(L, gantry_gate_signal(gate, (int)number, &err), &err);
}

static int gate_descriptor(lua_State *L) /* gate -> fd|nil, which stays its own */
{
    int fd = gantry_gate_descriptor(check_gate(L));

    if (fd >= 0)
        lua_pushinteger(L, fd);
    else
        lua_pushnil(L);
    return 1;
}

static int gate_close(lua_State *L)
{
    struct gate *gate = luaL_checkudata(L, 1, GATE);

    gantry_gate_free(gate->gate);
    gate->gate = NULL;
    lua_gantry_source_release(L, &gate->source);
    return 0;
}

static const luaL_Reg methods[] = {
    {"ask", gate_ask},     {"signal", gate_signal}, {"descriptor", gate_descriptor},
    {"close", gate_close}, {"__gc", gate_close},    {"__close", gate_close},
    {NULL, NULL},
};
static const luaL_Reg functions[] = {{"connect", gate_connect}, {"request", gate_request}, {NULL, NULL}};

int lua_gantry_open_gate(lua_State *L)
{
    lua_gantry_make_type(L, GATE, methods);
    luaL_newmetatable(L, GATE ".bytes");
    lua_pushcfunction(L, bytes_collect);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
