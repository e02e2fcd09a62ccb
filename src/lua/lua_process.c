/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_process.c: gantry.core.process.
 *
 * A process that runs is at work although nobody holds it (see lua_source.h); once on_exit was called, the object
 * belongs to the collector. */
#include "core/process/process.h"

#include "core/loop/signals.h"
#include "lua/lua_options.h"
#include "lua/lua_source.h"

#include <signal.h>
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

struct piece {
    int stream;
    const char *bytes;
    size_t length;
};

static int process_push_piece(lua_State *L, void *what)
{
    const struct piece *piece = what;

    lua_pushinteger(L, piece->stream);
    lua_pushlstring(L, piece->bytes, piece->length);
    return 2;
}

static void process_output(void *data, int stream, const char *bytes, size_t length)
{
    struct process *process = data;
    struct piece piece = {stream, bytes, length};

    lua_gantry_source_call(&process->source, ON_OUTPUT, process_push_piece, &piece);
}

static int push_exit(lua_State *L, void *what)
{
    const struct gantry_process_exit *how = what;

    lua_createtable(L, 0, 1);
    if (how->signal != 0) {
        lua_pushinteger(L, how->signal);
        lua_setfield(L, -2, "signal");
    } else if (how->code >= 0) {
        lua_pushinteger(L, how->code);
        lua_setfield(L, -2, "code");
    }
    return 1;
}

static void process_exit(void *data, const struct gantry_process_exit *how)
{
    struct process *process = data;
    struct gantry_process_exit copy = *how;

    lua_gantry_source_call_last(&process->source, ON_EXIT, push_exit, &copy);
}

/* ---- options ---- */

/* The stream in field `name`, "null" where it is nil. [-0, +0, e] */
static enum gantry_process_stream get_stream(lua_State *L, int table, const char *name)
{
    static const char *const names[] = {"null", "pipe", "inherit", NULL};
    static const enum gantry_process_stream streams[] = {GANTRY_PROCESS_NULL, GANTRY_PROCESS_PIPE,
                                                         GANTRY_PROCESS_INHERIT};
    const char *value = lua_gantry_push_text(L, table, name);
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
    options->argv = lua_gantry_push_array(L, table, "argument");
    if (options->argv[0] == NULL)
        luaL_error(L, "a process needs a command: { \"command\", \"argument\", ... }");
    options->environment = lua_gantry_push_texts(L, table, "environment", "environment entry");
    options->directory = lua_gantry_push_text(L, table, "directory");
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
    lua_Integer number =
        lua_isinteger(L, index) ? lua_tointeger(L, index) : gantry_signal_number(luaL_checkstring(L, index));

    luaL_argcheck(L, number > 0 && number < NSIG, index, "no such signal");
    return (int)number;
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
    lua_gantry_make_type(L, PROCESS, methods);
    luaL_newlib(L, functions);
    return 1;
}
