/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_monitor.c: gantry.core.monitor. README.md beside this file shows it from Lua. */
#include "core/monitor/monitor.h"

#include "core/loop/signals.h"
#include "lua/lua_options.h"
#include "lua/lua_source.h"

#include <signal.h>
#include <string.h>

#define MONITOR "gantry.monitor"
#define LONGEST_MS 86400000
#define MOST_FDS 4

enum { ON_OUTPUT, ON_EVENT };

struct monitor {
    struct lua_gantry_source source;
    struct gantry_monitor *monitor; /* NULL once closed */
};

static struct gantry_monitor *check_monitor(lua_State *L)
{
    struct monitor *monitor = luaL_checkudata(L, 1, MONITOR);

    if (monitor->monitor == NULL)
        luaL_error(L, "monitor closed");
    return monitor->monitor;
}

/* ---- callbacks ---- */

struct output_piece {
    int stream;
    const char *bytes;
    size_t length;
};

static int push_output_piece(lua_State *L, void *what)
{
    const struct output_piece *piece = what;

    lua_pushinteger(L, piece->stream);
    lua_pushlstring(L, piece->bytes, piece->length);
    return 2;
}

static void monitor_output(void *data, int stream, const char *bytes, size_t length)
{
    struct monitor *monitor = data;
    struct output_piece piece = {stream, bytes, length};

    lua_gantry_source_call(&monitor->source, ON_OUTPUT, push_output_piece, &piece);
}

static const char *const kinds[] = {
    [GANTRY_MONITOR_PIPES] = "pipes",
    [GANTRY_MONITOR_CREATED] = "created",
    [GANTRY_MONITOR_FAILED] = "failed",
    [GANTRY_MONITOR_STARTING] = "starting",
    [GANTRY_MONITOR_RUNNING] = "running",
    [GANTRY_MONITOR_EXIT] = "exit",
    [GANTRY_MONITOR_REPLACED] = "replaced",
    [GANTRY_MONITOR_LOST] = "lost",
    [GANTRY_MONITOR_STATE] = "state",
    [GANTRY_MONITOR_HELPER] = "helper",
    [GANTRY_MONITOR_HELPER_FAILED] = "helper_failed",
    [GANTRY_MONITOR_HELPER_READY] = "helper_ready",
    [GANTRY_MONITOR_HELPER_ENDED] = "helper_ended",
};

static void set_integer(lua_State *L, const char *name, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static void set_lost(lua_State *L, const struct gantry_monitor_event *event)
{
    lua_createtable(L, 2, 0);
    for (int i = 0; i < 2; i++) {
        lua_pushinteger(L, event->lost[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "lost");
}

/* Code or signal, as a process's end has them; neither where nobody knows. */
static void set_end(lua_State *L, const struct gantry_monitor_event *event)
{
    if (event->signal != 0)
        set_integer(L, "signal", event->signal);
    else
        set_integer(L, "code", event->code);
}

static void set_exit(lua_State *L, const struct gantry_monitor_event *event)
{
    if (!event->is_known)
        return;
    set_end(L, event);
    set_integer(L, "wall_ns", event->wall_ns);
    set_integer(L, "monotonic_ns", event->monotonic_ns);
}

static int push_event(lua_State *L, void *what)
{
    const struct gantry_monitor_event *event = what;

    lua_createtable(L, 0, 6);
    set_text(L, "kind", kinds[event->kind]);
    if (event->pid != 0)
        set_integer(L, "pid", event->pid);
    if (event->kind == GANTRY_MONITOR_EXIT)
        set_exit(L, event);
    if (event->kind == GANTRY_MONITOR_HELPER_ENDED)
        set_end(L, event);
    if (event->kind == GANTRY_MONITOR_RUNNING || event->kind == GANTRY_MONITOR_STARTING)
        set_lost(L, event);
    if (event->kind == GANTRY_MONITOR_FAILED || event->kind == GANTRY_MONITOR_HELPER_FAILED)
        set_integer(L, "code", event->code);
    if (event->reason != NULL)
        set_text(L, event->kind == GANTRY_MONITOR_STATE ? "stage" : "reason", event->reason);
    if (event->text != NULL)
        set_text(L, "text", event->text);
    if (event->kind == GANTRY_MONITOR_STATE) {
        lua_pushboolean(L, event->is_owned);
        lua_setfield(L, -2, "is_owned");
    }
    return 1;
}

static void monitor_event(void *data, const struct gantry_monitor_event *event)
{
    struct monitor *monitor = data;
    struct gantry_monitor_event copy = *event;

    lua_gantry_source_call(&monitor->source, ON_EVENT, push_event, &copy);
}

/* ---- making one ---- */

static struct monitor *new_monitor(lua_State *L, int options, struct gantry_monitor_callbacks *callbacks)
{
    struct monitor *monitor = lua_gantry_source_new(L, sizeof *monitor, MONITOR, 1);

    monitor->source.callbacks[ON_OUTPUT] = lua_gantry_ref_callback(L, options, "on_output");
    monitor->source.callbacks[ON_EVENT] = lua_gantry_ref_callback(L, options, "on_event");
    *callbacks = (struct gantry_monitor_callbacks){monitor_event, monitor_output, monitor};
    return monitor;
}

static bool get_flag(lua_State *L, int table, const char *name)
{
    bool value;

    lua_getfield(L, table, name);
    value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static const char *const *push_command(lua_State *L, int table, const char *name)
{
    const char *const *command = lua_gantry_push_texts(L, table, name, "argument");

    if (command == NULL || command[0] == NULL || command[0][0] != '/')
        luaL_error(L, "%s must be a command line that begins with an absolute path", name);
    return command;
}

/* Reads the options at `table` and leaves what they point to on the stack. [-0, +n, e] */
static void get_monitor_options(lua_State *L, int table, struct gantry_monitor_options *options)
{
    luaL_checkstack(L, 16, NULL);
    options->program = lua_gantry_push_text(L, table, "program");
    options->directory = lua_gantry_push_needed_text(L, table, "directory");
    if (options->directory[0] != '/')
        luaL_error(L, "directory must be an absolute path");
    options->grace_ms = lua_gantry_get_integer(L, table, "die_with_owner_ms", 0, LONGEST_MS, -1);
    options->dies_with_owner = options->grace_ms >= 0;
    options->foreground = get_flag(L, table, "foreground");
    options->deadline_ms = lua_gantry_get_integer(L, table, "deadline_ms", 1, LONGEST_MS, 0);
    options->input = (int)lua_gantry_get_integer(L, table, "input", 0, INT_MAX, -1);
    options->is_gated = get_flag(L, table, "gated");
    options->run = push_command(L, table, "run");
    options->delete_command = push_command(L, table, "delete");
    options->own_cgroup = lua_gantry_push_text(L, table, "own_cgroup");
    options->holds = lua_gantry_push_texts(L, table, "holds", "file");
    options->removes = lua_gantry_push_texts(L, table, "removes", "name");
    options->environment = lua_gantry_push_texts(L, table, "environment", "environment entry");
}

static int monitor_spawn(lua_State *L) /* loop, options -> monitor | nil, err */
{
    struct lua_gantry_loop *loop = lua_gantry_check_loop(L, 1);
    struct gantry_monitor_callbacks callbacks;
    struct gantry_monitor_options options;
    struct gantry_error err;
    struct monitor *monitor;

    luaL_checktype(L, 2, LUA_TTABLE);
    get_monitor_options(L, 2, &options);
    monitor = new_monitor(L, 2, &callbacks);
    if (gantry_monitor_spawn(loop->loop, &options, &callbacks, &monitor->monitor, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_gantry_source_anchor(L, &monitor->source);
    return 1;
}

static int connect_monitor(lua_State *L, bool inspect) /* loop, directory, callbacks -> monitor | nil, err */
{
    struct lua_gantry_loop *loop = lua_gantry_check_loop(L, 1);
    const char *directory = lua_gantry_check_text(L, 2);
    struct gantry_monitor_callbacks callbacks;
    struct gantry_error err;
    struct monitor *monitor;

    luaL_checktype(L, 3, LUA_TTABLE);
    monitor = new_monitor(L, 3, &callbacks);
    if (gantry_monitor_connect(loop->loop, directory, inspect, &callbacks, &monitor->monitor, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_gantry_source_anchor(L, &monitor->source);
    return 1;
}

static int monitor_connect(lua_State *L)
{
    return connect_monitor(L, false);
}

static int monitor_inspect(lua_State *L)
{
    return connect_monitor(L, true);
}

static int monitor_is_alive(lua_State *L) /* directory -> boolean | nil, err */
{
    struct gantry_error err;
    bool is_alive;

    if (gantry_monitor_is_alive(lua_gantry_check_text(L, 1), &is_alive, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, is_alive);
    return 1;
}

/* ---- methods ---- */

static int monitor_result(lua_State *L, int result, const struct gantry_error *err)
{
    if (result < 0)
        return lua_gantry_fail(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

static int monitor_start(lua_State *L) /* monitor -> true | nil, err */
{
    struct gantry_error err;

    return monitor_result(L, gantry_monitor_start(check_monitor(L), &err), &err);
}

static int monitor_signal(lua_State *L) /* monitor, number or name -> true | nil, err */
{
    struct gantry_monitor *monitor = check_monitor(L);
    lua_Integer number = lua_isinteger(L, 2) ? lua_tointeger(L, 2) : gantry_signal_number(luaL_checkstring(L, 2));
    struct gantry_error err;

    luaL_argcheck(L, number > 0 && number < NSIG, 2, "no such signal");
    return monitor_result(L, gantry_monitor_signal(monitor, (int)number, &err), &err);
}

/* monitor, arguments, path of a log -> true | nil, err */
static int monitor_ready_helper(lua_State *L)
{
    struct gantry_monitor *monitor = check_monitor(L);
    const char *log = lua_gantry_check_text(L, 3);
    const char *const *arguments;
    struct gantry_error err;

    luaL_checktype(L, 2, LUA_TTABLE);
    arguments = lua_gantry_push_array(L, 2, "argument");
    luaL_argcheck(L, arguments[0] != NULL, 2, "a command line is needed");
    return monitor_result(L, gantry_monitor_ready_helper(monitor, arguments, log, &err), &err);
}

static int monitor_release(lua_State *L) /* monitor, bytes -> true | nil, err */
{
    struct gantry_monitor *monitor = check_monitor(L);
    struct gantry_error err;
    size_t length;
    const char *bytes = luaL_checklstring(L, 2, &length);

    return monitor_result(L, gantry_monitor_release(monitor, bytes, length, &err), &err);
}

static int monitor_helper(lua_State *L) /* monitor, arguments, descriptors|nil -> true | nil, err */
{
    struct gantry_monitor *monitor = check_monitor(L);
    lua_Integer count = lua_isnoneornil(L, 3) ? 0 : luaL_len(L, 3);
    const char *const *arguments;
    struct gantry_error err;
    int fds[MOST_FDS];

    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_argcheck(L, count <= MOST_FDS, 3, "4 descriptors at most");
    for (lua_Integer i = 0; i < count; i++) {
        lua_geti(L, 3, i + 1);
        fds[i] = lua_gantry_check_descriptor(L, -1);
        lua_pop(L, 1);
    }
    arguments = lua_gantry_push_array(L, 2, "argument");
    luaL_argcheck(L, arguments[0] != NULL, 2, "a command line is needed");
    return monitor_result(L, gantry_monitor_helper(monitor, arguments, fds, (size_t)count, &err), &err);
}

static int set_paused(lua_State *L, bool paused)
{
    struct gantry_error err;

    return monitor_result(L, gantry_monitor_pause(check_monitor(L), paused, &err), &err);
}

static int monitor_pause(lua_State *L)
{
    return set_paused(L, true);
}

static int monitor_resume(lua_State *L)
{
    return set_paused(L, false);
}

static int monitor_done(lua_State *L)
{
    gantry_monitor_done(check_monitor(L));
    return 0;
}

static int monitor_pid(lua_State *L) /* monitor -> pid|nil */
{
    pid_t pid = gantry_monitor_pid(check_monitor(L));

    if (pid != 0)
        lua_pushinteger(L, pid);
    else
        lua_pushnil(L);
    return 1;
}

static int monitor_descriptors(lua_State *L) /* monitor -> stdout|nil, stderr|nil, pidfd|nil, which stay its own */
{
    int fds[3];

    gantry_monitor_descriptors(check_monitor(L), fds);
    for (int i = 0; i < 3; i++) {
        if (fds[i] >= 0)
            lua_pushinteger(L, fds[i]);
        else
            lua_pushnil(L);
    }
    return 3;
}

static int monitor_close(lua_State *L)
{
    struct monitor *monitor = luaL_checkudata(L, 1, MONITOR);

    gantry_monitor_free(monitor->monitor);
    monitor->monitor = NULL;
    lua_gantry_source_release(L, &monitor->source);
    return 0;
}

/* ---- the module ---- */

static const luaL_Reg methods[] = {
    {"start", monitor_start},     {"signal", monitor_signal},
    {"helper", monitor_helper},   {"ready_helper", monitor_ready_helper},
    {"release", monitor_release}, {"pause", monitor_pause},
    {"resume", monitor_resume},   {"done", monitor_done},
    {"pid", monitor_pid},         {"descriptors", monitor_descriptors},
    {"close", monitor_close},     {"__gc", monitor_close},
    {"__close", monitor_close},   {NULL, NULL},
};
static const luaL_Reg functions[] = {{"spawn", monitor_spawn},
                                     {"connect", monitor_connect},
                                     {"inspect", monitor_inspect},
                                     {"is_alive", monitor_is_alive},
                                     {NULL, NULL}};

int lua_gantry_open_monitor(lua_State *L)
{
    lua_gantry_make_type(L, MONITOR, methods);
    luaL_newlib(L, functions);
    return 1;
}
