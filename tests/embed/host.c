/* SPDX-License-Identifier: Apache-2.0
 *
 * host.c: a program that embeds Lua 5.4 and knows nothing of gantry but two descriptors: one for each of its Lua
 * states, in each of which host.lua launches, calls and stops a plugin of its own. Its own loop is one poll(2) over
 * both.
 *
 *   host FOLDER_OF_HOST_LUA RUNTIME_DIR_1 RUNTIME_DIR_2
 *
 * Fails where a state changes what belongs to the process: dispositions of signals, the signal mask. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STATES 2
#define PATIENCE_S 120
#define TICK_MS 10

/* One Lua state. Its stack holds the table that host.lua returned. */
struct guest {
    lua_State *L;
    int fd;
    bool ready; /* its plugin is */
    bool done;
};

static void fail(const char *what, const char *reason)
{
    fprintf(stderr, "host: %s: %s\n", what, reason);
    exit(1);
}

static void start_guest(struct guest *guest, const char *folder, const char *runtime_dir, int number)
{
    lua_State *L = luaL_newstate();
    char path[4096];

    if (L == NULL)
        fail("new state", "out of memory");
    luaL_openlibs(L);
    snprintf(path, sizeof path, "%s/host.lua", folder);
    if (luaL_loadfile(L, path) != LUA_OK)
        fail("load", lua_tostring(L, -1));
    lua_pushstring(L, runtime_dir);
    lua_pushinteger(L, number);
    if (lua_pcall(L, 2, 1, 0) != LUA_OK)
        fail("start", lua_tostring(L, -1));
    lua_getfield(L, -1, "fd");
    *guest = (struct guest){.L = L, .fd = (int)lua_tointeger(L, -1)};
    lua_pop(L, 1);
}

/* guest:step(everybody is ready) -> ready, done */
static void step_guest(struct guest *guest, bool all_ready)
{
    lua_State *L = guest->L;

    lua_getfield(L, -1, "step");
    lua_pushboolean(L, all_ready);
    if (lua_pcall(L, 1, 2, 0) != LUA_OK)
        fail("step", lua_tostring(L, -1));
    guest->ready = lua_toboolean(L, -2) != 0;
    guest->done = lua_toboolean(L, -1) != 0;
    lua_pop(L, 2);
}

/* The host's own loop: polls, steps who has something to do. Returns how often it went round. */
static int run(struct guest *guests)
{
    time_t until = time(NULL) + PATIENCE_S;
    int rounds = 0;

    while (!guests[0].done || !guests[1].done) {
        struct pollfd polled[STATES] = {{guests[0].fd, POLLIN, 0}, {guests[1].fd, POLLIN, 0}};
        bool all_ready = guests[0].ready && guests[1].ready;

        if (time(NULL) > until)
            fail("run", "not done in time");
        poll(polled, STATES, TICK_MS);
        for (int i = 0; i < STATES; i++)
            if (polled[i].revents != 0 || all_ready)
                step_guest(&guests[i], all_ready);
        rounds++;
    }
    return rounds;
}

static void read_dispositions(struct sigaction *actions, sigset_t *mask)
{
    memset(actions, 0, sizeof *actions * NSIG);
    for (int number = 1; number < NSIG; number++)
        sigaction(number, NULL, &actions[number]);
    sigprocmask(SIG_BLOCK, NULL, mask);
}

static void compare_dispositions(const struct sigaction *before, const sigset_t *mask_before)
{
    static struct sigaction after[NSIG];
    sigset_t mask;

    read_dispositions(after, &mask);
    for (int number = 1; number < NSIG; number++) {
        if (before[number].sa_handler != after[number].sa_handler)
            fail("signal handler changed", strsignal(number));
        if (sigismember(mask_before, number) != sigismember(&mask, number))
            fail("signal mask changed", strsignal(number));
    }
}

int main(int argc, char **argv)
{
    static struct sigaction before[NSIG];
    struct guest guests[STATES];
    sigset_t mask;
    int rounds;

    if (argc != 2 + STATES)
        fail("usage", "host FOLDER RUNTIME_DIR_1 RUNTIME_DIR_2");
    read_dispositions(before, &mask);
    for (int i = 0; i < STATES; i++)
        start_guest(&guests[i], argv[1], argv[2 + i], i + 1);
    rounds = run(guests);
    compare_dispositions(before, &mask);
    for (int i = 0; i < STATES; i++)
        lua_close(guests[i].L);
    printf("both done, %s\n", rounds > 1 ? "one loop" : "no loop");
    return 0;
}
