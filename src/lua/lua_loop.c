/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_loop.c: gantry.core.loop: the loop, its timers and its watches.
 *
 * A timer that is set and a watch that is open are at work although nobody holds them (see lua_source.h). */
#include "lua/lua_source.h"

#include <math.h>
#include <sys/epoll.h>

#define TIMER "gantry.timer"
#define WATCH "gantry.watch"
#define NS_PER_S 1e9
#define MS_PER_S 1e3

struct timer {
    struct lua_gantry_source source;
    struct gantry_timer *timer; /* NULL once fired or cancelled */
};

struct watch {
    struct lua_gantry_source source;
    struct gantry_watch *watch; /* NULL once closed */
};

/* ---- timers ---- */

static int64_t check_nanoseconds(lua_State *L, int index)
{
    double nanoseconds = luaL_checknumber(L, index) * NS_PER_S;

    luaL_argcheck(L, !isnan(nanoseconds), index, "seconds must be a number, got nan");
    return nanoseconds < (double)INT64_MAX ? (int64_t)fmax(nanoseconds, 0) : INT64_MAX;
}

static void loop_timer_fired(void *data)
{
    struct timer *timer = data;

    gantry_timer_free(timer->timer);
    timer->timer = NULL;
    lua_gantry_source_call_last(&timer->source, 0, NULL, NULL);
}

static int loop_timer(lua_State *L) /* loop, seconds, fn -> timer | nil, err */
{
    struct lua_gantry_loop *loop = lua_gantry_check_loop(L, 1);
    int64_t delay = check_nanoseconds(L, 2);
    struct gantry_error err;
    struct timer *timer;

    luaL_checktype(L, 3, LUA_TFUNCTION);
    timer = lua_gantry_source_new(L, sizeof *timer, TIMER, 1);
    if (gantry_timer_new(loop->loop, loop_timer_fired, timer, &timer->timer, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushvalue(L, 3);
    timer->source.callbacks[0] = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_gantry_source_anchor(L, &timer->source);
    gantry_timer_set(timer->timer, delay);
    return 1;
}

static int timer_cancel(lua_State *L)
{
    struct timer *timer = luaL_checkudata(L, 1, TIMER);

    gantry_timer_free(timer->timer);
    timer->timer = NULL;
    lua_gantry_source_release(L, &timer->source);
    return 0;
}

/* ---- watches ---- */

static uint32_t check_events(lua_State *L, int index)
{
    static const char *const names[] = {"r", "w", "rw", NULL};
    static const uint32_t events[] = {EPOLLIN | EPOLLRDHUP, EPOLLOUT, EPOLLIN | EPOLLRDHUP | EPOLLOUT};

    return events[luaL_checkoption(L, index, NULL, names)];
}

static int push_events(lua_State *L, void *what)
{
    const uint32_t *events = what;

    lua_pushboolean(L, (*events & EPOLLIN) != 0);
    lua_pushboolean(L, (*events & EPOLLOUT) != 0);
    lua_pushboolean(L, (*events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0);
    return 3;
}

static void watch_ready(void *data, uint32_t events)
{
    struct watch *watch = data;

    lua_gantry_source_call(&watch->source, 0, push_events, &events);
}

static int loop_watch(lua_State *L) /* loop, fd, "r"|"w"|"rw", fn(readable, writable, hangup) -> watch | nil, err */
{
    struct lua_gantry_loop *loop = lua_gantry_check_loop(L, 1);
    int fd = lua_gantry_check_descriptor(L, 2);
    uint32_t events = check_events(L, 3);
    struct gantry_error err;
    struct watch *watch;

    luaL_checktype(L, 4, LUA_TFUNCTION);
    watch = lua_gantry_source_new(L, sizeof *watch, WATCH, 1);
    if (gantry_watch_new(loop->loop, fd, events, watch_ready, watch, &watch->watch, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushvalue(L, 4);
    watch->source.callbacks[0] = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_gantry_source_anchor(L, &watch->source);
    return 1;
}

static int watch_close(lua_State *L)
{
    struct watch *watch = luaL_checkudata(L, 1, WATCH);

    gantry_watch_free(watch->watch);
    watch->watch = NULL;
    lua_gantry_source_release(L, &watch->source);
    return 0;
}

/* ---- the loop ---- */

/* Calls the function that loop:on_turn has left in the loop's user value: the loop is loop:step's first argument. */
static void take_turn(void *data)
{
    struct lua_gantry_loop *loop = data;
    lua_State *L = loop->running;

    if (L == NULL)
        return;
    if (lua_getiuservalue(L, 1, 1) == LUA_TFUNCTION)
        lua_gantry_finish_call(loop, L, NULL, NULL);
    else
        lua_pop(L, 1);
}

static int loop_new(lua_State *L) /* -> loop | nil, err */
{
    struct lua_gantry_loop *loop = lua_newuserdatauv(L, sizeof *loop, 1);
    struct gantry_error err;

    *loop = (struct lua_gantry_loop){0};
    gantry_list_init(&loop->sources);
    luaL_setmetatable(L, LUA_GANTRY_LOOP);
    if (gantry_loop_new(&loop->loop, &err) < 0)
        return lua_gantry_fail(L, &err);
    gantry_loop_on_turn(loop->loop, take_turn, loop);
    return 1;
}

static int loop_close(lua_State *L)
{
    struct lua_gantry_loop *loop = luaL_checkudata(L, 1, LUA_GANTRY_LOOP);

    gantry_loop_free(loop->loop);
    loop->loop = NULL;
    lua_gantry_source_release_all(L, loop);
    return 0;
}

/* Has a function called in each step, once all callbacks have run. */
static int loop_on_turn(lua_State *L) /* loop, fn */
{
    lua_gantry_check_loop(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    lua_setiuservalue(L, 1, 1);
    return 0;
}

static int loop_is_stepping(lua_State *L) /* loop -> boolean */
{
    lua_pushboolean(L, lua_gantry_check_loop(L, 1)->running != NULL);
    return 1;
}

static int loop_fd(lua_State *L)
{
    lua_pushinteger(L, gantry_loop_fd(lua_gantry_check_loop(L, 1)->loop));
    return 1;
}

/* Milliseconds, rounded up so that a short wait is no busy one; -1 for nil and for more than can be counted. */
static int64_t opt_milliseconds(lua_State *L, int index)
{
    double milliseconds;

    if (lua_isnoneornil(L, index))
        return -1;
    milliseconds = ceil(luaL_checknumber(L, index) * MS_PER_S);
    luaL_argcheck(L, milliseconds >= 0, index, "seconds must be 0 or more");
    return milliseconds < (double)INT64_MAX ? (int64_t)milliseconds : -1;
}

static int loop_step(lua_State *L) /* loop, seconds|nil -> count | nil, err */
{
    struct lua_gantry_loop *loop = lua_gantry_check_loop(L, 1);
    int64_t timeout = opt_milliseconds(L, 2);
    struct gantry_error err;
    int count;

    if (loop->running != NULL)
        return luaL_error(L, "loop:step inside a callback of the same loop; return from the callback first");
    lua_settop(L, LUA_GANTRY_ERROR_SLOT);
    loop->has_failed = false;
    loop->running = L;
    count = gantry_loop_step(loop->loop, timeout, &err);
    loop->running = NULL;
    if (loop->has_failed)
        return lua_error(L); /* at LUA_GANTRY_ERROR_SLOT, which is the top */
    if (count < 0)
        return lua_gantry_fail(L, &err);
    lua_pushinteger(L, count);
    return 1;
}

static int loop_clock(lua_State *L) /* -> monotonic seconds */
{
    lua_pushnumber(L, (double)gantry_clock_ns() / NS_PER_S);
    return 1;
}

/* ---- the module ---- */

static const luaL_Reg timer_methods[] = {
    {"cancel", timer_cancel}, {"__gc", timer_cancel}, {"__close", timer_cancel}, {NULL, NULL}};
static const luaL_Reg watch_methods[] = {
    {"close", watch_close}, {"__gc", watch_close}, {"__close", watch_close}, {NULL, NULL}};
static const luaL_Reg loop_methods[] = {
    {"timer", loop_timer},   {"watch", loop_watch}, {"on_turn", loop_on_turn}, {"is_stepping", loop_is_stepping},
    {"fd", loop_fd},         {"step", loop_step},   {"close", loop_close},     {"__gc", loop_close},
    {"__close", loop_close}, {NULL, NULL},
};
static const luaL_Reg functions[] = {{"new", loop_new}, {"clock", loop_clock}, {NULL, NULL}};

int lua_gantry_open_loop(lua_State *L)
{
    lua_gantry_make_type(L, TIMER, timer_methods);
    lua_gantry_make_type(L, WATCH, watch_methods);
    lua_gantry_make_type(L, LUA_GANTRY_LOOP, loop_methods);
    luaL_newlib(L, functions);
    return 1;
}
