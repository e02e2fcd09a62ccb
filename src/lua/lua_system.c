/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_system.c: gantry.core.system, the facts about process and machine that Lua's own library does not give. */
#include "core/plugin/plugin_socket.h"
#include "core/system/descriptor.h"
#include "core/system/mounts.h"
#include "core/system/own_program.h"
#include "core/system/system.h"
#include "lua/lua_gantry.h"

#include <string.h>
#include <unistd.h>

#define READ_SIZE 16384 /* of one call, on the stack */

/* system.stat(path) -> { type, mode, uid, gid, size, mtime, device, major, minor } | nil, err. Follows links; `mode`
 * holds the permission bits alone, `mtime` seconds; the last three are a device's, "c" or "b", and nil of all else. */
static int system_stat(lua_State *L)
{
    struct gantry_error err;
    struct stat status;

    if (gantry_system_stat(lua_gantry_check_text(L, 1), &status, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_gantry_push_status(L, &status);
    return 1;
}

/* system.real_path(path) -> absolute path without links | nil, err */
static int system_real_path(lua_State *L)
{
    char resolved[PATH_MAX];
    struct gantry_error err;

    if (gantry_system_real_path(lua_gantry_check_text(L, 1), resolved, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushstring(L, resolved);
    return 1;
}

/* system.link_target(path) -> what the symbolic link says | nil where it is none */
static int system_link_target(lua_State *L)
{
    char target[PATH_MAX];
    ssize_t size = readlink(lua_gantry_check_text(L, 1), target, sizeof target);

    if (size < 0)
        lua_pushnil(L);
    else
        lua_pushlstring(L, target, (size_t)size);
    return 1;
}

/* system.sees_same(pid, path) -> boolean | nil where that cannot be told: whether that process, the first one where
 * pid is nil, sees the same at a path as this one does. */
static int system_sees_same(lua_State *L)
{
    lua_Integer pid = luaL_optinteger(L, 1, 1);
    enum gantry_mounts result = gantry_mounts_compare((pid_t)pid, lua_gantry_check_text(L, 2));

    if (result == GANTRY_MOUNTS_UNKNOWN)
        return 0;
    lua_pushboolean(L, result == GANTRY_MOUNTS_SAME);
    return 1;
}

/* system.listener(path) -> pid of the process that listens at a Unix socket | nil */
static int system_listener(lua_State *L)
{
    pid_t pid = gantry_mounts_listener(lua_gantry_check_text(L, 1));

    if (pid <= 0)
        return 0;
    lua_pushinteger(L, pid);
    return 1;
}

/* system.accessible(path, "r"|"w") -> boolean: by the effective user. */
static int system_accessible(lua_State *L)
{
    static const char *const names[] = {"r", "w", NULL};
    static const int modes[] = {R_OK, W_OK};
    const char *path = lua_gantry_check_text(L, 1);
    int mode = modes[luaL_checkoption(L, 2, "r", names)];

    lua_pushboolean(L, gantry_system_may_access(path, mode));
    return 1;
}

/* system.in_memory(path) -> boolean: whether it is on a tmpfs or ramfs */
static int system_in_memory(lua_State *L)
{
    lua_pushboolean(L, gantry_system_in_memory(lua_gantry_check_text(L, 1)));
    return 1;
}

/* system.environment() -> { NAME = value }: what the process has now. */
static int system_environment(lua_State *L)
{
    lua_newtable(L);
    for (char **entry = environ; *entry != NULL; entry++) {
        const char *equals = strchr(*entry, '=');

        if (equals == NULL)
            continue;
        lua_pushlstring(L, *entry, (size_t)(equals - *entry));
        lua_pushstring(L, equals + 1);
        lua_rawset(L, -3);
    }
    return 1;
}

/* system.lua_release() -> such as "Lua 5.4.4": of the Lua that this was built with. */
static int system_lua_release(lua_State *L)
{
    lua_pushliteral(L, LUA_RELEASE);
    return 1;
}

static int system_pid(lua_State *L)
{
    lua_pushinteger(L, getpid());
    return 1;
}

static int system_euid(lua_State *L)
{
    lua_pushinteger(L, geteuid());
    return 1;
}

static int system_egid(lua_State *L)
{
    lua_pushinteger(L, getegid());
    return 1;
}

static int system_hostname(lua_State *L)
{
    char name[GANTRY_SYSTEM_HOSTNAME_SIZE];

    gantry_system_hostname(name);
    lua_pushstring(L, name);
    return 1;
}

static int system_cpus(lua_State *L)
{
    lua_pushinteger(L, sysconf(_SC_NPROCESSORS_ONLN));
    return 1;
}

/* system.own_program(name) -> absolute path of a program that came with gantry | nil, err */
static int system_own_program(lua_State *L)
{
    char path[PATH_MAX];
    struct gantry_error err;

    if (gantry_own_program(lua_gantry_check_text(L, 1), path, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushstring(L, path);
    return 1;
}

/* system.memory() -> bytes of the machine's memory */
static int system_memory(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)gantry_system_memory());
    return 1;
}

/* system.current_directory() -> path | nil, err */
static int system_current_directory(lua_State *L)
{
    char path[PATH_MAX];
    struct gantry_error err;

    if (gantry_system_current_directory(path, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushstring(L, path);
    return 1;
}

static int system_is_terminal(lua_State *L)
{
    lua_pushboolean(L, isatty(lua_gantry_check_descriptor(L, 1)));
    return 1;
}

/* system.random(n) -> n random bytes in hexadecimal, n up to 64 */
static int system_random(lua_State *L)
{
    lua_Integer count = luaL_checkinteger(L, 1);
    char text[2 * GANTRY_SYSTEM_RANDOM_SIZE + 1];

    luaL_argcheck(L, count > 0 && count <= GANTRY_SYSTEM_RANDOM_SIZE, 1, "1 to 64 bytes");
    if (!gantry_system_random((size_t)count, text))
        return luaL_error(L, "the kernel gave no random bytes");
    lua_pushstring(L, text);
    return 1;
}

/* system.write(fd, bytes, from) -> how many bytes were taken, starting at position `from` (1) | nil, err.
 * At most 4096 bytes a call: what a pipe that polls as writable takes without blocking. */
static int system_write(lua_State *L)
{
    int fd = lua_gantry_check_descriptor(L, 1);
    size_t size;
    const char *bytes = luaL_checklstring(L, 2, &size);
    lua_Integer from = luaL_optinteger(L, 3, 1);
    struct gantry_error err;
    ssize_t taken;

    luaL_argcheck(L, from >= 1 && (size_t)from <= size + 1, 3, "outside the string");
    taken = gantry_descriptor_write(fd, bytes + from - 1, size - (size_t)(from - 1), &err);
    if (taken < 0)
        return lua_gantry_fail(L, &err);
    lua_pushinteger(L, taken);
    return 1;
}

/* system.is_writable(fd) -> boolean: whether a write of up to 4096 bytes would not block now. */
static int system_is_writable(lua_State *L)
{
    lua_pushboolean(L, gantry_descriptor_is_writable(lua_gantry_check_descriptor(L, 1)));
    return 1;
}

/* system.dial(path) -> pid | nil, err: whether somebody listens on a Unix socket, which is no link, and who; 0 where
 * that cannot be told. The connection is dropped at once; it never waits. */
static int system_dial(lua_State *L)
{
    struct gantry_error err;
    pid_t listener = 0;

    if (gantry_plugin_socket_dial(lua_gantry_check_text(L, 1), &listener, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushinteger(L, listener);
    return 1;
}

/* system.socket_pair() -> fd, fd | nil, err: two ends of a stream */
static int system_socket_pair(lua_State *L)
{
    struct gantry_error err;
    int ends[2];

    if (gantry_descriptor_pair(ends, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushinteger(L, ends[0]);
    lua_pushinteger(L, ends[1]);
    return 2;
}

/* system.pipe() -> fd, fd | nil, err: the end to read from, which never blocks, and the one to write to. */
static int system_pipe(lua_State *L)
{
    struct gantry_error err;
    int ends[2];

    if (gantry_descriptor_pipe(ends, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushinteger(L, ends[0]);
    lua_pushinteger(L, ends[1]);
    return 2;
}

/* system.read(fd) -> bytes | false | nil, err: what is there, "" at the end; false where there is nothing yet. */
static int system_read(lua_State *L)
{
    int fd = lua_gantry_check_descriptor(L, 1);
    char bytes[READ_SIZE];
    struct gantry_error err;
    ssize_t got = gantry_descriptor_read(fd, bytes, sizeof bytes, &err);

    if (got == -1)
        return lua_gantry_fail(L, &err);
    if (got == -2)
        lua_pushboolean(L, 0);
    else
        lua_pushlstring(L, bytes, (size_t)got);
    return 1;
}

/* system.trim_memory(): gives freed memory back to the system, where the C library can. */
static int system_trim_memory(lua_State *L)
{
    (void)L;
    gantry_system_trim_memory();
    return 0;
}

/* system.process(pid) -> fd | nil, err: readable once that process has ended. The caller closes it. */
static int system_process(lua_State *L)
{
    lua_Integer pid = luaL_checkinteger(L, 1);
    struct gantry_error err;
    int fd;

    luaL_argcheck(L, pid > 0 && pid <= INT_MAX, 1, "no number of a process");
    fd = gantry_descriptor_process((pid_t)pid, &err);
    if (fd < 0)
        return lua_gantry_fail(L, &err);
    lua_pushinteger(L, fd);
    return 1;
}

/* system.close(fd): for descriptors that were handed out as numbers. */
static int system_close(lua_State *L)
{
    close(lua_gantry_check_descriptor(L, 1));
    return 0;
}

static const luaL_Reg functions[] = {
    {"stat", system_stat},
    {"real_path", system_real_path},
    {"own_program", system_own_program},
    {"link_target", system_link_target},
    {"sees_same", system_sees_same},
    {"listener", system_listener},
    {"accessible", system_accessible},
    {"in_memory", system_in_memory},
    {"environment", system_environment},
    {"lua_release", system_lua_release},
    {"pid", system_pid},
    {"euid", system_euid},
    {"egid", system_egid},
    {"hostname", system_hostname},
    {"cpus", system_cpus},
    {"memory", system_memory},
    {"current_directory", system_current_directory},
    {"is_terminal", system_is_terminal},
    {"random", system_random},
    {"write", system_write},
    {"is_writable", system_is_writable},
    {"socket_pair", system_socket_pair},
    {"pipe", system_pipe},
    {"read", system_read},
    {"process", system_process},
    {"close", system_close},
    {"trim_memory", system_trim_memory},
    {"dial", system_dial},
    {NULL, NULL},
};

int lua_gantry_open_system(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
