/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_budget.c: gantry.core.budget: a call into Lua that cannot run or grow for ever.
 *
 * A count hook charges instructions, and the state's allocator, wrapped for the length of the call, charges memory.
 * Hook and allocator are as before when the call is over, whichever way it ends. Calls nest: what an inner call uses,
 * the outer one pays as well. A C function is not interrupted: whoever gives functions to such a call bounds them. */
#include "lua_gantry.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* Instructions between two looks at the budget. */
#define INTERVAL 1000
#define NS_PER_S 1000000000LL
#define UNBOUNDED (INT64_MAX / 4) /* leaves room to count beyond it */
#define PLACES 8                  /* how deep to look for the policy's own line under functions that it was given */

enum verdict { WITHIN, OVER_INSTRUCTIONS, OVER_MEMORY, OVER_SECONDS };

/* One call under way; it lives in the frame of budget_call. */
struct budget {
    struct budget *outer; /* the call that this one runs in, or NULL */
    lua_Hook hook;        /* what to go back to */
    int hook_mask;
    int hook_count;
    lua_Alloc allocate;
    void *allocate_data;

    int64_t instructions;
    int64_t instructions_spent;
    int64_t bytes;
    int64_t bytes_grown; /* above the least that the state held since the call began */
    int64_t cpu_limit_ns;
    enum verdict verdict;

    /* The growth that was refused last, until it is known whether Lua's second try, after a collection, succeeded. */
    bool refused;
    const void *refused_block;
    size_t refused_size;

    int places_count; /* "file:line" of the instruction that was one too many, and of its callers */
    char places[PLACES][LUA_IDSIZE + 32];
};

/* One a state, in its registry: a hook gets no data of its own. */
struct current {
    struct budget *innermost;
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

/* The CPU time of this thread: a loaded machine must not make a policy fail. */
static int64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* ---- instructions and time ---- */

static void judge(struct budget *budget)
{
    if (budget->verdict != WITHIN)
        return;
    if (budget->instructions_spent > budget->instructions)
        budget->verdict = OVER_INSTRUCTIONS;
    else if (budget->cpu_limit_ns < UNBOUNDED && cpu_ns() > budget->cpu_limit_ns)
        budget->verdict = OVER_SECONDS;
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
 * first one outside the pcall unwinds the call. */
static void spend(lua_State *L, lua_Debug *ar)
{
    struct current *current = current_of(L);
    bool spent = false;

    (void)ar;
    for (struct budget *budget = current->innermost; budget != NULL; budget = budget->outer) {
        budget->instructions_spent += lua_gethookcount(L);
        judge(budget);
        if (budget->verdict != WITHIN) {
            note_places(L, budget);
            spent = true;
        }
    }
    if (!spent)
        return;
    lua_sethook(L, spend, LUA_MASKCOUNT, 1);
    lua_pushliteral(L, "budget spent");
    lua_error(L);
}

/* ---- memory ---- */

/* Whether the block may grow. Lua answers a refusal with a full collection and one more try: only a growth that is
 * refused again, or not tried again, has spent the budget. */
static bool may_grow(struct budget *budget, const void *block, size_t growth, size_t new_size)
{
    bool second_try = budget->refused && budget->refused_block == block && budget->refused_size == new_size;
    bool fits = growth <= (uint64_t)(budget->bytes - budget->bytes_grown);

    if (budget->refused && !(second_try && fits) && budget->verdict == WITHIN)
        budget->verdict = OVER_MEMORY;
    budget->refused = !fits && !second_try;
    budget->refused_block = block;
    budget->refused_size = new_size;
    return fits;
}

/* Never below 0: older garbage that is collected meanwhile is no credit. */
static void count_growth(struct budget *budget, int64_t growth)
{
    budget->bytes_grown += growth;
    if (budget->bytes_grown < 0)
        budget->bytes_grown = 0;
}

/* The allocator for the length of a call. Blocks come from the one beneath and go back to it, so that either may free
 * what the other gave. */
static void *allocate_within(void *data, void *block, size_t old_size, size_t new_size)
{
    struct budget *budget = data;
    size_t held = block != NULL ? old_size : 0;
    void *result;

    if (new_size > held && !may_grow(budget, block, new_size - held, new_size))
        return NULL;
    /* A new coroutine counts for itself and is looked at after INTERVAL instructions: it pays for them in advance. */
    if (block == NULL && old_size == LUA_TTHREAD)
        budget->instructions_spent += INTERVAL;
    result = budget->allocate(budget->allocate_data, block, old_size, new_size);
    if (result != NULL || new_size == 0)
        count_growth(budget, (int64_t)new_size - (int64_t)held);
    return result;
}

/* ---- the call ---- */

static int64_t limit_of(lua_State *L, const char *name)
{
    int64_t limit = UNBOUNDED;

    if (lua_getfield(L, 1, name) != LUA_TNIL) {
        int whole;

        limit = lua_tointegerx(L, -1, &whole);
        if (!whole || limit <= 0)
            luaL_error(L, "%s must be a whole number above 0", name);
    }
    lua_pop(L, 1);
    return limit < UNBOUNDED ? limit : UNBOUNDED;
}

static int64_t cpu_limit_of(lua_State *L)
{
    int64_t limit = UNBOUNDED;

    if (lua_getfield(L, 1, "seconds") != LUA_TNIL) {
        double seconds = lua_tonumber(L, -1);

        if (isnan(seconds) || seconds <= 0)
            luaL_error(L, "seconds must be a number above 0");
        if (seconds < 1e9)
            limit = cpu_ns() + (int64_t)(seconds * (double)NS_PER_S);
    }
    lua_pop(L, 1);
    return limit;
}

/* From here to leave() nothing but the called function may raise. */
static void enter(lua_State *L, struct current *current, struct budget *budget)
{
    budget->outer = current->innermost;
    budget->hook = lua_gethook(L);
    budget->hook_mask = lua_gethookmask(L);
    budget->hook_count = lua_gethookcount(L);
    budget->allocate = lua_getallocf(L, &budget->allocate_data);
    current->innermost = budget;
    lua_setallocf(L, allocate_within, budget);
    lua_sethook(L, spend, LUA_MASKCOUNT, budget->instructions < INTERVAL ? (int)budget->instructions : INTERVAL);
}

/* Setting the hook made the outer call's count begin anew: many short inner calls would never let it come to an end. */
static void charge_call(lua_State *L, struct budget *outer)
{
    outer->instructions_spent += INTERVAL;
    judge(outer);
    if (outer->verdict != WITHIN)
        lua_sethook(L, spend, LUA_MASKCOUNT, 1);
}

static void leave(lua_State *L, struct current *current, struct budget *budget)
{
    lua_setallocf(L, budget->allocate, budget->allocate_data);
    lua_sethook(L, budget->hook, budget->hook_mask, budget->hook_count);
    current->innermost = budget->outer;
    if (budget->outer != NULL)
        charge_call(L, budget->outer);
    if (budget->refused && budget->verdict == WITHIN)
        budget->verdict = OVER_MEMORY;
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

    switch (budget->verdict) {
    case OVER_INSTRUCTIONS:
        gantry_fail(&err, "POLICY_BUDGET_INSTRUCTIONS", "the policy ran more than %" PRId64 " instructions",
                    budget->instructions);
        break;
    case OVER_SECONDS:
        gantry_fail(&err, "POLICY_BUDGET_SECONDS", "the policy took more CPU time than it may");
        break;
    default:
        gantry_fail(&err, "POLICY_BUDGET_MEMORY", "the policy needs more than %" PRId64 " bytes of memory",
                    budget->bytes);
        break;
    }
    lua_gantry_push_error(L, &err);
    push_places(L, budget);
    lua_setfield(L, -2, "places");
}

/* budget.call({ instructions=, bytes=, seconds= }, fn, ...) -> true, results... | false, err
 * `bytes` is by how much the state may grow, `seconds` is CPU time; a limit that is left out does not bound. The error
 * of a budget has `places`: { "file:line", ... } of the running function and its callers, where they are known. */
static int budget_call(lua_State *L)
{
    struct current *current = current_of(L);
    struct budget budget = {.verdict = WITHIN};
    int status;

    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    budget.instructions = limit_of(L, "instructions");
    budget.bytes = limit_of(L, "bytes");
    budget.cpu_limit_ns = cpu_limit_of(L);

    enter(L, current, &budget);
    status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0); /* without a continuation: no yield gets out */
    leave(L, current, &budget);

    luaL_checkstack(L, LUA_MINSTACK, NULL); /* results may have filled it */
    if (status == LUA_OK && budget.verdict == WITHIN) {
        lua_pushboolean(L, true);
        lua_replace(L, 1);
        return lua_gettop(L);
    }
    if (status == LUA_ERRMEM && budget.verdict == WITHIN)
        budget.verdict = OVER_MEMORY;
    lua_pushboolean(L, false);
    if (budget.verdict != WITHIN) {
        push_budget_error(L, &budget);
    } else {
        lua_insert(L, -2);
        wrap_error_value(L);
    }
    return 2;
}

static const luaL_Reg functions[] = {{"call", budget_call}, {NULL, NULL}};

int lua_gantry_open_budget(lua_State *L)
{
    struct current *current = lua_newuserdatauv(L, sizeof *current, 0);

    current->innermost = NULL;
    lua_rawsetp(L, LUA_REGISTRYINDEX, &current_key);
    luaL_newlib(L, functions);
    return 1;
}
