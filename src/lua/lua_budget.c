/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_budget.c: gantry.core.budget: a call into Lua that does not run or grow for ever by accident.
 *
 * A count hook charges instructions, and the state's allocator, wrapped for the length of the call, charges memory.
 * Hook and allocator are as before when the call is over, whichever way it ends. A C function is interrupted by
 * nothing but a signal that ends the process: against malice a policy is run in one of its own (gantry.policy.child).
 * How much policies may use stands in gantry.config.policy_limits. Calls do not nest. */
#include "core/loop/signals.h"

#include "lua/lua_options.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

/* Instructions between two looks at the budget. */
#define INTERVAL 1000
#define UNBOUNDED (INT64_MAX / 4) /* leaves room to count beyond it */
#define PLACES 8                  /* how deep to look for the policy's own line under functions that it was given */

/* The call under way; it lives in the frame of budget_call. */
struct budget {
    lua_Hook hook; /* what to go back to */
    int hook_mask;
    int hook_count;
    lua_Alloc allocate;
    void *allocate_data;

    int64_t instructions;
    int64_t instructions_spent;
    int64_t bytes;
    int64_t bytes_grown; /* above the least that the state held since the call began */

    int places_count; /* "file:line" of the instruction that was one too many, and of its callers */
    char places[PLACES][LUA_IDSIZE + 32];
};

/* One a state, in its registry: a hook gets no data of its own. */
struct current {
    struct budget *budget; /* NULL outside of calls */
};

static const char current_key;

static struct current *current_of(lua_State *L)
{
    struct current *current;

    lua_rawgetp(L, LUA_REGISTRYINDEX, &current_key);
    current = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return current;
}

static void note_places(lua_State *L, struct budget *budget)
{
    lua_Debug frame;

    if (budget->places_count > 0)
        return;
    for (int level = 0; level < PLACES && lua_getstack(L, level, &frame) != 0; level++) {
        if (lua_getinfo(L, "Sl", &frame) != 0 && frame.currentline > 0)
            snprintf(budget->places[budget->places_count++], sizeof budget->places[0], "%s:%d", frame.short_src,
                     frame.currentline);
    }
}

/* The hook. A policy may catch the error with pcall: from then on every instruction raises it again, so that the
 * first one outside the pcall unwinds the call. A coroutine may outlive the call that made it, with its hook. */
static void spend(lua_State *L, lua_Debug *ar)
{
    struct budget *budget = current_of(L)->budget;

    (void)ar;
    if (budget == NULL)
        return;
    budget->instructions_spent += lua_gethookcount(L);
    if (budget->instructions_spent <= budget->instructions)
        return;
    note_places(L, budget);
    lua_sethook(L, spend, LUA_MASKCOUNT, 1);
    lua_pushliteral(L, "budget spent");
    lua_error(L);
}

/* The allocator for the length of a call. Blocks come from the one beneath and go back to it, so that either may free
 * what the other gave. Lua answers a refusal with a full collection and one more try. */
static void *allocate_within(void *data, void *block, size_t old_size, size_t new_size)
{
    struct budget *budget = data;
    int64_t growth = (int64_t)new_size - (block != NULL ? (int64_t)old_size : 0);
    void *result;

    if (growth > budget->bytes - budget->bytes_grown)
        return NULL;
    result = budget->allocate(budget->allocate_data, block, old_size, new_size);
    if (result != NULL || new_size == 0)
        budget->bytes_grown += growth;
    if (budget->bytes_grown < 0)
        budget->bytes_grown = 0; /* older garbage that is collected meanwhile is no credit */
    return result;
}

/* ---- the call ---- */

static int64_t limit_of(lua_State *L, const char *name)
{
    int64_t limit = lua_gantry_get_integer(L, 1, name, 1, LUA_MAXINTEGER, UNBOUNDED);

    return limit < UNBOUNDED ? limit : UNBOUNDED;
}

/* From here to leave() nothing but the called function may raise. */
static void enter(lua_State *L, struct current *current, struct budget *budget)
{
    budget->hook = lua_gethook(L);
    budget->hook_mask = lua_gethookmask(L);
    budget->hook_count = lua_gethookcount(L);
    budget->allocate = lua_getallocf(L, &budget->allocate_data);
    current->budget = budget;
    lua_setallocf(L, allocate_within, budget);
    lua_sethook(L, spend, LUA_MASKCOUNT, budget->instructions < INTERVAL ? (int)budget->instructions : INTERVAL);
}

static void leave(lua_State *L, struct current *current, const struct budget *budget)
{
    lua_setallocf(L, budget->allocate, budget->allocate_data);
    lua_sethook(L, budget->hook, budget->hook_mask, budget->hook_count);
    current->budget = NULL;
}

/* True where the table at `index` has a string of its own in field `name`: no method of it runs. */
static bool has_string(lua_State *L, int index, const char *name)
{
    bool has;

    lua_pushstring(L, name);
    has = lua_rawget(L, index) == LUA_TSTRING;
    lua_pop(L, 1);
    return has;
}

/* True where the value on top is an error object that is whole: a policy may have tampered with it. */
static bool is_error_object(lua_State *L)
{
    int top = lua_gettop(L);
    bool is;

    if (!lua_istable(L, top) || lua_getmetatable(L, top) == 0)
        return false;
    luaL_getmetatable(L, LUA_GANTRY_ERROR);
    is = lua_rawequal(L, -1, -2) != 0;
    lua_settop(L, top);
    return is && has_string(L, top, "code") && has_string(L, top, "message");
}

/* Makes an error object of the error value on top. No method of the value runs: it would run without a budget. */
static void wrap_error_value(lua_State *L)
{
    struct gantry_error err;

    if (is_error_object(L))
        return;
    if (lua_isstring(L, -1))
        gantry_fail(&err, "POLICY_ERROR", "%s", lua_tostring(L, -1));
    else
        gantry_fail(&err, "POLICY_ERROR", "the policy raised a %s instead of a message", luaL_typename(L, -1));
    lua_pop(L, 1);
    lua_gantry_push_error(L, &err);
}

static void push_places(lua_State *L, const struct budget *budget)
{
    lua_createtable(L, budget->places_count, 0);
    for (int i = 0; i < budget->places_count; i++) {
        lua_pushstring(L, budget->places[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static void push_budget_error(lua_State *L, const struct budget *budget)
{
    struct gantry_error err;

    if (budget->instructions_spent > budget->instructions)
        gantry_fail(&err, "POLICY_BUDGET_INSTRUCTIONS", "the policy ran more than %" PRId64 " instructions",
                    budget->instructions);
    else
        gantry_fail(&err, "POLICY_BUDGET_MEMORY", "the policy needs more than %" PRId64 " bytes of memory",
                    budget->bytes);
    lua_gantry_push_error(L, &err);
    push_places(L, budget);
    lua_setfield(L, -2, "places");
}

/* budget.call({ instructions=, bytes= }, fn, ...) -> true, results... | false, err
 * `bytes` is by how much the state may grow; a limit that is left out does not bound. The error of a budget has
 * `places`: { "file:line", ... } of the running function and its callers, where they are known. */
static int budget_call(lua_State *L)
{
    struct current *current = current_of(L);
    const struct gantry_signals *signals = lua_gantry_signals_taken(L);
    struct budget budget = {0};
    int status;

    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    if (current->budget != NULL)
        return luaL_error(L, "budget.call: calls do not nest");
    budget.instructions = limit_of(L, "instructions");
    budget.bytes = limit_of(L, "bytes");

    enter(L, current, &budget);
    gantry_signals_let_through(signals, true);
    status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0); /* without a continuation: no yield gets out */
    gantry_signals_let_through(signals, false);
    leave(L, current, &budget);

    luaL_checkstack(L, LUA_MINSTACK, NULL); /* results may have filled it */
    if (budget.instructions_spent > budget.instructions || status == LUA_ERRMEM) {
        lua_pushboolean(L, false);
        push_budget_error(L, &budget);
        return 2;
    }
    lua_pushboolean(L, status == LUA_OK);
    if (status == LUA_OK) {
        lua_replace(L, 1);
        return lua_gettop(L);
    }
    lua_insert(L, -2);
    wrap_error_value(L);
    return 2;
}

static const luaL_Reg functions[] = {{"call", budget_call}, {NULL, NULL}};

int lua_gantry_open_budget(lua_State *L)
{
    struct current *current = lua_newuserdatauv(L, sizeof *current, 0);

    current->budget = NULL;
    lua_rawsetp(L, LUA_REGISTRYINDEX, &current_key);
    luaL_newlib(L, functions);
    return 1;
}
