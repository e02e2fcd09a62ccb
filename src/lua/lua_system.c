/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_system.c: gantry.core.system, the facts about process and machine that Lua's own library does not give. */
#include "lua_gantry.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/un.h>
#include <unistd.h>

/* system.stat(path) -> { type, mode, uid, gid, size, mtime } | nil, err. Follows links; `mode` holds the permission
 * bits alone, `mtime` seconds. */
static int system_stat(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct gantry_error err;
    struct stat status;
    const char *type = "other";

    if (stat(path, &status) < 0) {
        gantry_fail_errno(&err, errno, "STAT_FAILED", "look at %s", path);
        return lua_gantry_fail(L, &err);
    }
    if (S_ISREG(status.st_mode))
        type = "file";
    else if (S_ISDIR(status.st_mode))
        type = "directory";
    else if (S_ISSOCK(status.st_mode))
        type = "socket";

    lua_createtable(L, 0, 6);
    lua_pushstring(L, type);
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, status.st_mode & 07777);
    lua_setfield(L, -2, "mode");
    lua_pushinteger(L, status.st_uid);
    lua_setfield(L, -2, "uid");
    lua_pushinteger(L, status.st_gid);
    lua_setfield(L, -2, "gid");
    lua_pushinteger(L, status.st_size);
    lua_setfield(L, -2, "size");
    lua_pushnumber(L, (lua_Number)status.st_mtim.tv_sec + (lua_Number)status.st_mtim.tv_nsec / 1e9);
    lua_setfield(L, -2, "mtime");
    return 1;
}

/* system.real_path(path) -> absolute path without links | nil, err */
static int system_real_path(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    char resolved[PATH_MAX];
    struct gantry_error err;

    if (realpath(path, resolved) == NULL) {
        gantry_fail_errno(&err, errno, "PATH_UNRESOLVED", "resolve %s", path);
        return lua_gantry_fail(L, &err);
    }
    lua_pushstring(L, resolved);
    return 1;
}

/* system.accessible(path, "r"|"w") -> boolean: by the effective user. */
static int system_accessible(lua_State *L)
{
    static const char *const names[] = {"r", "w", NULL};
    static const int modes[] = {R_OK, W_OK};
    const char *path = luaL_checkstring(L, 1);
    int mode = modes[luaL_checkoption(L, 2, "r", names)];

    lua_pushboolean(L, faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0);
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
    char name[HOST_NAME_MAX + 1] = "";

    gethostname(name, sizeof name - 1);
    lua_pushstring(L, name);
    return 1;
}

static int system_cpus(lua_State *L)
{
    lua_pushinteger(L, sysconf(_SC_NPROCESSORS_ONLN));
    return 1;
}

/* system.memory() -> bytes of the machine's memory */
static int system_memory(lua_State *L)
{
    struct sysinfo info;

    lua_pushinteger(L, sysinfo(&info) == 0 ? (lua_Integer)info.totalram * info.mem_unit : 0);
    return 1;
}

/* system.current_directory() -> path | nil, err */
static int system_current_directory(lua_State *L)
{
    char path[PATH_MAX];
    struct gantry_error err;

    if (getcwd(path, sizeof path) == NULL) {
        gantry_fail_errno(&err, errno, "PATH_UNRESOLVED", "find the current directory");
        return lua_gantry_fail(L, &err);
    }
    lua_pushstring(L, path);
    return 1;
}

static int system_is_terminal(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

/* system.random(n) -> n random bytes in hexadecimal, n up to 64 */
static int system_random(lua_State *L)
{
    static const char digits[] = "0123456789abcdef";
    lua_Integer count = luaL_checkinteger(L, 1);
    unsigned char bytes[64];
    char text[2 * sizeof bytes];

    luaL_argcheck(L, count > 0 && count <= (lua_Integer)sizeof bytes, 1, "1 to 64 bytes");
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return luaL_error(L, "the kernel gave no random bytes");
    for (lua_Integer i = 0; i < count; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    lua_pushlstring(L, text, (size_t)count * 2);
    return 1;
}

/* system.write(fd, bytes, from) -> how many bytes were taken, starting at position `from` (1) | nil, err.
 * At most 4096 bytes a call: what a pipe that polls as writable takes without blocking. */
static int system_write(lua_State *L)
{
    int fd = (int)luaL_checkinteger(L, 1);
    size_t size;
    const char *bytes = luaL_checklstring(L, 2, &size);
    lua_Integer from = luaL_optinteger(L, 3, 1);
    struct gantry_error err;
    size_t count;
    ssize_t taken;

    luaL_argcheck(L, from >= 1 && (size_t)from <= size + 1, 3, "outside the string");
    count = size - (size_t)(from - 1);
    if (count > 4096)
        count = 4096;
    do {
        taken = write(fd, bytes + from - 1, count);
    } while (taken < 0 && errno == EINTR);
    if (taken < 0) {
        gantry_fail_errno(&err, errno, "WRITE_FAILED", "write to descriptor %d", fd);
        return lua_gantry_fail(L, &err);
    }
    lua_pushinteger(L, taken);
    return 1;
}

/* system.is_writable(fd) -> boolean: whether a write of up to 4096 bytes would not block now. */
static int system_is_writable(lua_State *L)
{
    struct pollfd entry = {.fd = (int)luaL_checkinteger(L, 1), .events = POLLOUT};

    lua_pushboolean(L, poll(&entry, 1, 0) == 1 && (entry.revents & POLLOUT) != 0);
    return 1;
}

/* system.dial(path) -> true | nil, err: whether somebody listens on a Unix socket. The connection is dropped at once;
 * it never waits. */
static int system_dial(lua_State *L)
{
    size_t size;
    const char *path = luaL_checklstring(L, 1, &size);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct gantry_error err;
    int reason = 0;
    int fd;

    luaL_argcheck(L, size < sizeof address.sun_path, 1, "longer than a socket's path can be");
    memcpy(address.sun_path, path, size);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        reason = errno;
    if (fd >= 0)
        close(fd);
    if (reason != 0 && reason != EAGAIN) { /* a full queue has an owner, too */
        gantry_fail_errno(&err, reason, "DIAL_FAILED", "connect to %s", path);
        return lua_gantry_fail(L, &err);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* system.socket_pair() -> fd, fd | nil, nil, err: two ends of a stream */
static int system_socket_pair(lua_State *L)
{
    struct gantry_error err;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        gantry_fail_errno(&err, errno, "WRITE_FAILED", "make a pair of sockets");
        lua_pushnil(L);
        lua_pushnil(L);
        lua_gantry_push_error(L, &err);
        return 3;
    }
    lua_pushinteger(L, ends[0]);
    lua_pushinteger(L, ends[1]);
    return 2;
}

/* system.trim_memory(): gives freed memory back to the system, where the C library can. */
static int system_trim_memory(lua_State *L)
{
    (void)L;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    return 0;
}

/* system.close(fd): for descriptors that were handed out as numbers. */
static int system_close(lua_State *L)
{
    close((int)luaL_checkinteger(L, 1));
    return 0;
}

static const luaL_Reg functions[] = {
    {"stat", system_stat},
    {"real_path", system_real_path},
    {"accessible", system_accessible},
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
