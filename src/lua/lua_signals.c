/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_signals.c: gantry.core.signals, for the executable alone.
 *
 * Signals that are taken come although nobody holds the object (see lua_source.h), until it is closed. */
#include "core/loop/signals.h"

#include "lua/lua_source.h"

#define SIGNALS "gantry.signals"

struct signals {
    struct lua_gantry_source source;
    struct gantry_signals *signals; /* NULL once closed */
};

/* The signals that this state holds, in its registry; weak knowledge: closing them forgets it. */
static const char taken_key;

static void note_taken(lua_State *L, struct gantry_signals *signals)
{
    lua_pushlightuserdata(L, signals);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &taken_key);
}

const struct gantry_signals *lua_gantry_signals_taken(lua_State *L)
{
    const struct gantry_signals *signals;

    lua_rawgetp(L, LUA_REGISTRYINDEX, &taken_key);
    signals = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return signals;
}

static int check_number(lua_State *L, int index, const char *name)
{
    int number = gantry_signal_number(name);

    if (number < 0)
        luaL_argerror(L, index, lua_pushfstring(L, "no signal '%s'; names are as in \"TERM\"", name));
    return number;
}

static int push_name(lua_State *L, void *number)
{
    lua_pushstring(L, gantry_signal_name(*(const int *)number));
    return 1;
}

static void signal_came(void *data, int number)
{
    struct signals *signals = data;

    lua_gantry_source_call(&signals->source, 0, push_name, &number);
}

/* Pushes the numbers of the names in the list at `list`. [-0, +1, e] */
static const int *push_numbers(lua_State *L, int list, size_t *count)
{
    lua_Unsigned length = lua_rawlen(L, list);
    int *numbers = lua_newuserdatauv(L, (length + 1) * sizeof *numbers, 0);

    for (lua_Unsigned i = 0; i < length; i++) {
        if (lua_rawgeti(L, list, (lua_Integer)i + 1) != LUA_TSTRING)
            luaL_argerror(L, list, "signals are given by their names");
        numbers[i] = check_number(L, list, lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    *count = length;
    return numbers;
}

static int signals_open(lua_State *L) /* loop, names, fn(name) -> signals | nil, err */
{
    struct lua_gantry_loop *loop = lua_gantry_check_loop(L, 1);
    struct signals *signals;
    struct gantry_error err;
    const int *numbers;
    size_t count;

    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checktype(L, 3, LUA_TFUNCTION);
    numbers = push_numbers(L, 2, &count);
    signals = lua_gantry_source_new(L, sizeof *signals, SIGNALS, 1);
    if (gantry_signals_new(loop->loop, numbers, count, signal_came, signals, &signals->signals, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushvalue(L, 3);
    signals->source.callbacks[0] = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_gantry_source_anchor(L, &signals->source);
    note_taken(L, signals->signals);
    return 1;
}

static int signals_ignored(lua_State *L) /* name -> boolean */
{
    lua_pushboolean(L, gantry_signal_ignored(check_number(L, 1, luaL_checkstring(L, 1))));
    return 1;
}

static int signals_pending(lua_State *L) /* name -> boolean */
{
    lua_pushboolean(L, gantry_signal_pending(check_number(L, 1, luaL_checkstring(L, 1))));
    return 1;
}

static int signals_close(lua_State *L)
{
    struct signals *signals = luaL_checkudata(L, 1, SIGNALS);

    if (signals->signals != NULL)
        note_taken(L, NULL);
    gantry_signals_free(signals->signals);
    signals->signals = NULL;
    lua_gantry_source_release(L, &signals->source);
    return 0;
}

static const luaL_Reg methods[] = {
    {"close", signals_close}, {"__gc", signals_close}, {"__close", signals_close}, {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"open", signals_open}, {"ignored", signals_ignored}, {"pending", signals_pending}, {NULL, NULL}};

int lua_gantry_open_signals(lua_State *L)
{
    lua_gantry_make_type(L, SIGNALS, methods);
    luaL_newlib(L, functions);
    return 1;
}
