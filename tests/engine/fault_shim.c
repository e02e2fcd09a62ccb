/* SPDX-License-Identifier: Apache-2.0
 *
 * fault_shim.c: a library to preload, in which one system call fails once: the FAULT_NUMBER-th call of FAULT_CALL, with
 * the errno FAULT_ERRNO; where that is 0, the process gets SIGKILL instead. Before, the file FAULT_FIRED is made. Calls
 * are counted over all threads of a process; children have no faults of their own. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

static const char *call;
static const char *fired;
static long number;
static int error;
static atomic_long seen;

__attribute__((constructor)) static void begin(void)
{
    call = getenv("FAULT_CALL");
    fired = getenv("FAULT_FIRED");
    number = call != NULL ? strtol(getenv("FAULT_NUMBER"), NULL, 10) : 0;
    error = call != NULL ? (int)strtol(getenv("FAULT_ERRNO"), NULL, 10) : 0;
    unsetenv("LD_PRELOAD");
}

static bool fails(const char *name)
{
    long fd;

    if (call == NULL || fired == NULL || strcmp(call, name) != 0 || ++seen != number)
        return false;
    fd = syscall(SYS_openat, AT_FDCWD, fired, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0)
        syscall(SYS_close, fd);
    if (error == 0)
        kill(getpid(), SIGKILL);
    errno = error;
    return true;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define WRAP(type, name, parameters, arguments)                                                                        \
    type name parameters                                                                                               \
    {                                                                                                                  \
        return fails(#name) ? -1 : REAL(name) arguments;                                                               \
    }

WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, socketpair, (int domain, int type, int protocol, int ends[2]), (domain, type, protocol, ends))
WRAP(int, connect, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
WRAP(int, pipe2, (int ends[2], int flags), (ends, flags))
WRAP(int, epoll_create1, (int flags), (flags))
WRAP(int, epoll_ctl, (int set, int operation, int fd, struct epoll_event *event), (set, operation, fd, event))
WRAP(int, epoll_wait, (int set, struct epoll_event *events, int size, int time), (set, events, size, time))
WRAP(int, timerfd_create, (int clock, int flags), (clock, flags))
WRAP(int, signalfd, (int fd, const sigset_t *signals, int flags), (fd, signals, flags))
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(int, mkdirat, (int directory, const char *path, mode_t mode), (directory, path, mode))
WRAP(int, rename, (const char *from, const char *to), (from, to))
WRAP(int, renameat, (int old, const char *from, int new, const char *to), (old, from, new, to))
WRAP(int, symlinkat, (const char *target, int directory, const char *path), (target, directory, path))
WRAP(int, linkat, (int old, const char *from, int new, const char *to, int flags), (old, from, new, to, flags))
WRAP(int, link, (const char *from, const char *to), (from, to))
WRAP(int, unlink, (const char *path), (path))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, fchown, (int fd, uid_t user, gid_t group), (fd, user, group))
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, flock, (int fd, int operation), (fd, operation))
WRAP(int, dup, (int fd), (fd))
WRAP(ssize_t, read, (int fd, void *bytes, size_t size), (fd, bytes, size))
WRAP(ssize_t, write, (int fd, const void *bytes, size_t size), (fd, bytes, size))
WRAP(ssize_t, send, (int fd, const void *bytes, size_t size, int flags), (fd, bytes, size, flags))
WRAP(ssize_t, recv, (int fd, void *bytes, size_t size, int flags), (fd, bytes, size, flags))

static mode_t mode_of(int flags, va_list arguments)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = mode_of(flags, arguments);
    va_end(arguments);
    return fails("open") ? -1 : REAL(open)(path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start(arguments, flags);
    mode = mode_of(flags, arguments);
    va_end(arguments);
    return fails("openat") ? -1 : REAL(openat)(directory, path, flags, mode);
}
