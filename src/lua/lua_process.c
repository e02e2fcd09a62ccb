/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_process.c: gantry.core.process.
 *
 * A process that runs is at work although nobody holds it (see lua_source.h); once on_exit was called, the object
 * belongs to the collector. */
#include "../core/process.h"

#include "../core/signals.h"
#include "lua_source.h"

#include <string.h>

#define PROCESS "gantry.process"

enum { ON_OUTPUT, ON_EXIT };

struct process {
    struct lua_gantry_source source;
    struct gantry_process *process; /* NULL once closed */
};

static struct process *check_process(lua_State *L)
{
    struct process *process = luaL_checkudata(L, 1, PROCESS);

    if (process->process == NULL)
        luaL_error(L, "process closed");
    return process;
}

/* ---- callbacks ---- */

static void process_output(void *data, int stream, const char *bytes, size_t length)
{
    struct process *process = data;
    struct lua_gantry_loop *loop = process->source.loop;
    lua_State *L = lua_gantry_begin_call(loop, process->source.callbacks[ON_OUTPUT]);

    if (L == NULL)
        return;
    lua_pushinteger(L, stream);
    lua_pushlstring(L, bytes, length);
    lua_gantry_finish_call(loop, L, 2);
}

static void push_exit(lua_State *L, const struct gantry_process_exit *how)
{
    lua_createtable(L, 0, 1);
    if (how->signal != 0) {
        lua_pushinteger(L, how->signal);
        lua_setfield(L, -2, "signal");
    } else if (how->code >= 0) {
        lua_pushinteger(L, how->code);
        lua_setfield(L, -2, "code");
    }
}

static void process_exit(void *data, const struct gantry_process_exit *how)
{
    struct process *process = data;
    struct lua_gantry_loop *loop = process->source.loop;
    lua_State *L = lua_gantry_begin_call(loop, process->source.callbacks[ON_EXIT]);

    lua_gantry_source_release(loop->running, &process->source); /* it may be collected from here on */
    if (L == NULL)
        return;
    push_exit(L, how);
    lua_gantry_finish_call(loop, L, 1);
}

/* ---- options ---- */

/* Pushes a NULL-terminated array of the strings in the list at `list`, whose strings stay the list's: it must outlive
 * the array. Raises where an entry is no string or holds a NUL. [-0, +1, e] */
static const char *const *push_strings(lua_State *L, int list, const char *what)
{
    lua_Unsigned count = lua_rawlen(L, list);
    const char **strings = lua_newuserdatauv(L, (count + 1) * sizeof(char *), 0);

    for (lua_Unsigned i = 0; i < count; i++) {
        size_t length;

        if (lua_rawgeti(L, list, (lua_Integer)i + 1) != LUA_TSTRING)
            luaL_error(L, "%s %d must be a string, got %s", what, (int)i + 1, luaL_typename(L, -1));
        strings[i] = lua_tolstring(L, -1, &length);
        if (strlen(strings[i]) != length)
            luaL_error(L, "%s %d holds a NUL byte", what, (int)i + 1);
        lua_pop(L, 1);
    }
    strings[count] = NULL;
    return strings;
}

/* Pushes field `name`: a string, or nil for NULL. [-0, +1, e] */
static const char *push_string(lua_State *L, int table, const char *name)
{
    int type = lua_getfield(L, table, name);
    const char *value = type == LUA_TSTRING ? lua_tostring(L, -1) : NULL;

    if (value == NULL && type != LUA_TNIL)
        luaL_error(L, "%s must be a string, got %s", name, luaL_typename(L, -1));
    return value;
}

/* The stream in field `name`, "null" where it is nil. [-0, +0, e] */
static enum gantry_process_stream get_stream(lua_State *L, int table, const char *name)
{
    static const char *const names[] = {"null", "pipe", "inherit", NULL};
    static const enum gantry_process_stream streams[] = {GANTRY_PROCESS_NULL, GANTRY_PROCESS_PIPE,
                                                         GANTRY_PROCESS_INHERIT};
    const char *value = push_string(L, table, name);
    int chosen = 0;

    while (value != NULL && names[chosen] != NULL && strcmp(names[chosen], value) != 0)
        chosen++;
    lua_pop(L, 1);
    if (names[chosen] != NULL)
        return streams[chosen];
    luaL_error(L, "%s must be \"null\", \"pipe\" or \"inherit\", got \"%s\"", name, value);
    return GANTRY_PROCESS_NULL;
}

/* Reads the options at `table` and pushes what they point to. [-0, +4, e] */
static void get_options(lua_State *L, int table, struct gantry_process_options *options)
{
    options->argv = push_strings(L, table, "argument");
    if (options->argv[0] == NULL)
        luaL_error(L, "a process needs a command: { \"command\", \"argument\", ... }");
    if (lua_getfield(L, table, "environment") == LUA_TNIL) {
        lua_pushnil(L);
    } else {
        luaL_argcheck(L, lua_istable(L, -1), table, "environment must be a list of \"NAME=value\"");
        options->environment = push_strings(L, lua_gettop(L), "environment entry");
    }
    options->directory = push_string(L, table, "directory");
    lua_getfield(L, table, "new_session");
    options->new_session = lua_toboolean(L, -1);
    lua_pop(L, 1);
    options->input = get_stream(L, table, "input");
    options->output = get_stream(L, table, "output");
    options->error = get_stream(L, table, "error");
}

static int process_spawn(lua_State *L) /* loop, options -> process | nil, err */
{
    struct lua_gantry_loop *loop = lua_gantry_check_loop(L, 1);
    struct gantry_process_options options = {.on_output = process_output, .on_exit = process_exit};
    struct gantry_error err;
    struct process *process;

    luaL_checktype(L, 2, LUA_TTABLE);
    get_options(L, 2, &options);
    process = lua_gantry_source_new(L, sizeof *process, PROCESS, 1);
    process->source.callbacks[ON_OUTPUT] = lua_gantry_ref_callback(L, 2, "on_output");
    process->source.callbacks[ON_EXIT] = lua_gantry_ref_callback(L, 2, "on_exit");
    options.data = process;
    if (gantry_process_spawn(loop->loop, &options, &process->process, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_gantry_source_anchor(L, &process->source);
    return 1;
}

/* ---- methods ---- */

static int process_write(lua_State *L) /* process, bytes -> bytes that still wait | nil, err */
{
    struct process *process = check_process(L);
    size_t length;
    const char *bytes = luaL_checklstring(L, 2, &length);
    struct gantry_error err;

    if (gantry_process_write(process->process, bytes, length, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushinteger(L, (lua_Integer)gantry_process_waiting(process->process));
    return 1;
}

static int process_close_input(lua_State *L)
{
    gantry_process_close_input(check_process(L)->process);
    return 0;
}

static int check_signal(lua_State *L, int index)
{
    int number;

    if (lua_isinteger(L, index))
        return (int)lua_tointeger(L, index);
    number = gantry_signal_number(luaL_checkstring(L, index));
    luaL_argcheck(L, number > 0, index, "no such signal");
    return number;
}

static int process_signal(lua_State *L) /* process, number or name -> true | nil, err */
{
    struct process *process = check_process(L);
    struct gantry_error err;

    if (gantry_process_signal(process->process, check_signal(L, 2), &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static int process_pid(lua_State *L)
{
    lua_pushinteger(L, gantry_process_pid(check_process(L)->process));
    return 1;
}

static int process_close(lua_State *L)
{
    struct process *process = luaL_checkudata(L, 1, PROCESS);

    gantry_process_free(process->process);
    process->process = NULL;
    lua_gantry_source_release(L, &process->source);
    return 0;
}

/* ---- the module ---- */

static const luaL_Reg methods[] = {
    {"write", process_write},   {"close_input", process_close_input},
    {"signal", process_signal}, {"pid", process_pid},
    {"close", process_close},   {"__gc", process_close},
    {"__close", process_close}, {NULL, NULL},
};
static const luaL_Reg functions[] = {{"spawn", process_spawn}, {NULL, NULL}};

int lua_gantry_open_process(lua_State *L)
{
    lua_gantry_source_type(L, PROCESS, methods);
    luaL_newlib(L, functions);
    return 1;
}
