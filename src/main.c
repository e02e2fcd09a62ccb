/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c: the executable: a Lua state, gantry's own modules found beside it, and a call of gantry.cli. All else is Lua,
 * but for `gantry exec`: what a host holds there has no Lua state (src/face). */
#include "bytecode/lua_searcher.h"
#include "core/system/arena.h"
#include "face/exec.h"
#include "face/host_command.h"
#include "face/lua_face.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <lualib.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* What a supervisor calls this program with, to be the process that runs its policies. */
#define POLICY_CHILD "policy-child"

/* Where gantry's own modules stand, relative to the executable: in the build tree, then installed. */
static const struct {
    const char *lua;
    const char *c;
} folders[] = {
    {"lua", "lib"},
    {"../share/lua/5.4", GANTRY_C_MODULES},
};

/* Whether an entry is one of those before it. */
static bool stands_in(const char *entries, const char *entry, size_t size)
{
    while (*entries != '\0') {
        size_t length = strcspn(entries, ";");

        if (length == size && memcmp(entries, entry, size) == 0)
            return true;
        entries += length + (entries[length] == ';' ? 1 : 0);
    }
    return false;
}

/* Adds to the entries at the top what is absolute of others, once: from a relative entry, and Lua's own paths have
 * some, whoever wrote into the current directory would be loaded. [-0, +0, e] */
static void add_absolute(lua_State *L, const char *entries)
{
    while (*entries != '\0') {
        const char *held = lua_tostring(L, -1);
        size_t size = strcspn(entries, ";");

        if (entries[0] == '/' && !stands_in(held, entries, size)) {
            lua_pushstring(L, held[0] == '\0' ? "" : ";");
            lua_pushlstring(L, entries, size);
            lua_concat(L, 3);
        }
        entries += size + (entries[size] == ';' ? 1 : 0);
    }
}

/* Pushes the folders of gantry's own modules, of those in Lua and of those in C. Returns false, and pushes nothing,
 * where they are not there. [-0, +0|2, e] */
static bool push_own(lua_State *L)
{
    char executable[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", executable, sizeof executable - 1);

    executable[length > 0 ? length : 0] = '\0';
    if (length > 0)
        *strrchr(executable, '/') = '\0';
    for (size_t i = 0; length > 0 && i < sizeof folders / sizeof *folders; i++) {
        const char *lua = lua_pushfstring(L, "%s/%s", executable, folders[i].lua);
        bool found = access(lua_pushfstring(L, "%s/gantry/cli/init.lua", lua), R_OK) == 0;

        lua_pop(L, 1);
        if (found) {
            lua_pushfstring(L, "%s/%s", executable, folders[i].c);
            return true;
        }
        lua_pop(L, 1);
    }
    return false;
}

/* Sets a field of the table `package`: gantry's own entries, then the absolute ones of those that it has, and of
 * `usual`, since Lua's variables may leave those out. [-1, +0, e]: pops gantry's own. */
static void set_entries(lua_State *L, int package, const char *field, const char *usual)
{
    lua_getfield(L, package, field);
    lua_insert(L, -2);
    add_absolute(L, lua_tostring(L, -2));
    add_absolute(L, usual);
    lua_setfield(L, package, field);
    lua_pop(L, 1);
}

/* Modules come from absolute paths alone, gantry's own first. */
static void set_paths(lua_State *L)
{
    int top = lua_gettop(L);
    const char *lua, *c;
    bool found;

    lua_getglobal(L, "package");
    found = push_own(L);
    lua = found ? lua_tostring(L, -2) : NULL;
    c = found ? lua_tostring(L, -1) : NULL;
    lua_pushstring(L, found ? lua_pushfstring(L, "%s/?.lua;%s/?/init.lua", lua, lua) : "");
    set_entries(L, top + 1, "path", LUA_PATH_DEFAULT);
    lua_pushstring(L, found ? lua_pushfstring(L, "%s/?.so", c) : "");
    set_entries(L, top + 1, "cpath", LUA_CPATH_DEFAULT);
    if (found)
        lua_gantry_add_searcher(L, lua, c);
    lua_settop(L, top);
}

static int main_traceback(lua_State *L)
{
    const char *text = luaL_tolstring(L, 1, NULL);

    if (strstr(text, "\nstack traceback:\n") == NULL) /* it was traced where it was raised */
        luaL_traceback(L, L, text, 1);
    return 1;
}

/* module, arg... -> exit code: require(module).main(arg...) */
static int run_module(lua_State *L)
{
    int arguments = lua_gettop(L);

    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "gantry.executable"); /* by which Lua knows that the process is gantry itself */
    lua_pop(L, 1);
    set_paths(L);

    lua_getglobal(L, "require");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    lua_replace(L, 1);
    lua_settop(L, arguments);
    lua_call(L, arguments - 1, 1);
    return 1;
}

/* Which module's main is to run with the arguments from `first` on. */
struct program {
    const char *module;
    int first;
    struct gantry_launcher *launcher; /* in the launcher's process alone */
    bool brief;                       /* has nothing to close at its end, and uses little memory until then */
};

/* Returns the exit status. A want of memory has no code of its own once it went through require. */
static int report_fault(const struct program *program, const char *message)
{
    if (program->launcher != NULL) {
        gantry_launcher_fault(program->launcher, message);
    } else if (strstr(message, "not enough memory") != NULL) {
        fputs("gantry: out of memory; raise the limit of this process (ulimit -v, ulimit -d)\n", stderr);
        return 71; /* EX_OSERR */
    } else {
        fprintf(stderr, "gantry: fault: %s\nThis is a defect of gantry: please report it.\n", message);
    }
    return 70; /* EX_SOFTWARE: a fault of gantry's own */
}

/* An allocator for a state that is being closed for the sake of its finalizers: the process ends with it. */
static void *leave_memory(void *data, void *block, size_t size, size_t wanted)
{
    (void)data;
    (void)size;
    return wanted > 0 ? realloc(block, wanted) : NULL;
}

/* More than a launch uses with its collector stopped. */
#define BRIEF_MEMORY ((size_t)4 << 20)

static int run_program(const struct program *program, int argc, char **argv)
{
    static struct gantry_arena arena;
    lua_State *L = luaL_newstate();
    int status;

    if (L == NULL || !lua_checkstack(L, argc + LUA_MINSTACK)) {
        fputs("gantry: out of memory\n", stderr);
        return 71;
    }
    if (program->brief) {
        gantry_arena_open(&arena, BRIEF_MEMORY);
        lua_setallocf(L, gantry_arena_allocate, &arena);
    }
    lua_pushcfunction(L, main_traceback);
    if (program->launcher != NULL)
        lua_gantry_preload_face(L, program->launcher);
    lua_pushcfunction(L, run_module);
    lua_pushstring(L, program->module);
    for (int i = program->first; i < argc; i++)
        lua_pushstring(L, argv[i]);
    if (lua_pcall(L, lua_gettop(L) - 2, 1, 1) == LUA_OK)
        status = (int)lua_tointeger(L, -1);
    else
        status = report_fault(program, lua_tostring(L, -1));
    if (program->brief)
        _exit(status); /* nothing of it outlives the process, and a host does not wait long */
    lua_setallocf(L, leave_memory, NULL);
    lua_close(L);
    return status;
}

/* A parent that ignores SIGCHLD has its children reaped by the kernel, and hands that on: ours would end unseen. */
static void keep_children(void)
{
    signal(SIGCHLD, SIG_DFL);
}

/* The private keys of plugins' connections lie here and there in this memory: it is in no core dump, and no other
 * process of the user reads it. What is started from here has that back. */
static void keep_memory_private(void)
{
    prctl(PR_SET_DUMPABLE, 0);
}

/* A descriptor 0, 1 or 2 that the caller has closed would become one of ours, and what is printed would go there. */
static void keep_standard_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR); /* NOLINT(android-cloexec-open): children are to have it as well */
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* For settle_output, which is called at the exit: what the verb came to, and whether a pipe without a reader was to end
 * this process. */
static struct {
    int status;
    bool pipe_ends;
} settled;

/* True where standard output is a pipe or a socket that nobody reads any more. */
static bool is_output_unread(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&output, 1, 0) > 0 && (output.revents & POLLERR) != 0;
}

/* As a program ends that nobody reads, of the signal that writing to such a pipe sends. */
static void end_by_pipe(void)
{
    sigset_t pipe_alone;

    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&pipe_alone);
    sigaddset(&pipe_alone, SIGPIPE);
    sigprocmask(SIG_UNBLOCK, &pipe_alone, NULL);
    raise(SIGPIPE);
}

/* What a verb printed and could not be written is a failure of the verb, whatever it printed and wherever it ended. */
static void settle_output(void)
{
    int error = fflush(stdout) == 0 ? 0 : errno;

    if (error == 0 && !ferror(stdout))
        return;
    if (settled.pipe_ends && is_output_unread())
        end_by_pipe();
    fprintf(stderr, "gantry: write to standard output: %s\n",
            error != 0 ? strerror(error) : "not all of it could be written");
    _exit(settled.status != 0 ? settled.status : EXIT_FAILURE);
}

/* Has a verb's output looked after. */
static void watch_output(void)
{
    struct sigaction pipe;

    settled.pipe_ends = sigaction(SIGPIPE, NULL, &pipe) == 0 && pipe.sa_handler == SIG_DFL;
    atexit(settle_output);
}

int main(int argc, char **argv)
{
    struct program program = {.module = "gantry.cli", .first = 1};
    struct gantry_launcher launcher;
    int status;

    keep_standard_descriptors();
    keep_children();
    if (gantry_exec_wanted(argc, argv)) {
        status = gantry_exec(argv, &launcher);
        if (status != GANTRY_EXEC_LAUNCHER)
            return status;
        program = (struct program){.module = "gantry.exec.launcher", .first = 2, .launcher = &launcher, .brief = true};
    } else if (gantry_exec_returns(argc, argv, &launcher)) {
        program = (struct program){.module = "gantry.exec.returner", .first = 4, .launcher = &launcher, .brief = true};
    } else if (gantry_host_command_wanted(argc, argv)) {
        return gantry_host_command(argv);
    } else if (argc == 2 && strcmp(argv[1], POLICY_CHILD) == 0) {
        program = (struct program){.module = "gantry.policy.child", .first = 2};
    } else if (argc == 2 + GANTRY_EXEC_CLEANER_ARGUMENTS && strcmp(argv[1], GANTRY_EXEC_CLEANER) == 0) {
        program = (struct program){.module = "gantry.exec.cleaner", .first = 2, .brief = true};
    }
    keep_memory_private();
    if (program.first == 1)
        watch_output();
    settled.status = run_program(&program, argc, argv);
    return settled.status;
}
