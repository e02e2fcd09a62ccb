/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/listener.h"
#include "core/system/text.h"
#include "gate/protocol.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define QUEUE 128
#define PROBE_SECONDS 2

static int make_address(const char *path, const char *suffix, struct sockaddr_un *address)
{
    size_t length = strlen(path);
    size_t more = strlen(suffix);

    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (length == 0 || length + more >= sizeof address->sun_path)
        return ENAMETOOLONG;
    memcpy(address->sun_path, path, length);
    memcpy(address->sun_path + length, suffix, more);
    return 0;
}

static int connect_to(const struct sockaddr_un *address, int *error)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    const struct timeval patience = {.tv_sec = PROBE_SECONDS};

    *error = 0;
    if (fd < 0) {
        *error = errno;
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
        return fd;
    *error = errno;
    close(fd);
    return -1;
}

/* Nothing there, or a socket at which nobody listens any more. */
static bool is_free(const struct sockaddr_un *address)
{
    struct stat status;
    int error;
    int fd;

    if (lstat(address->sun_path, &status) < 0)
        return errno == ENOENT;
    if (!S_ISSOCK(status.st_mode))
        return false;
    fd = connect_to(address, &error);
    if (fd >= 0)
        close(fd);
    return fd < 0 && error == ECONNREFUSED;
}

/* Whether a stranger could put a socket of his own into the place of the gate's, and of its plugins': where others may
 * write, unless they may remove their own alone. A volume's root is taken as it is, such as a pod's emptyDir, which is
 * open to all: who reaches it is who mounts it, and that is chosen where the mount is. */
static bool is_open_to_strangers(const char *path)
{
    char folder[sizeof(struct sockaddr_un) + sizeof "/.."] = "./"; /* a path is no longer than its socket's */
    struct stat status;
    struct stat above;
    const char *slash = strrchr(path, '/');
    size_t length = slash != NULL ? (size_t)(slash - path) + 1 : sizeof "./" - 1;

    if (slash != NULL)
        memcpy(folder, path, length);
    if (stat(folder, &status) < 0)
        return false; /* which bind tells better */
    memcpy(folder + length, "..", sizeof "..");
    if (stat(folder, &above) == 0 && above.st_dev != status.st_dev)
        return false;
    return (status.st_mode & (S_IWOTH | S_ISVTX)) == S_IWOTH;
}

static int open_listener(const struct sockaddr_un *address, mode_t mode)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0777 & ~mode);
    int error = 0;

    if (fd < 0 || bind(fd, (const struct sockaddr *)address, sizeof *address) < 0 || listen(fd, QUEUE) < 0)
        error = errno;
    umask(before);
    if (error != 0 && fd >= 0)
        close(fd);
    errno = error;
    return error == 0 ? fd : -1;
}

int gate_listen(const char *path, uid_t asker, const char **why)
{
    struct sockaddr_un address;
    struct sockaddr_un hidden;
    struct gantry_text suffix = gantry_text_begin(".");
    int error;
    int fd;

    gantry_text_digits(&suffix, getpid());
    error = make_address(path, "", &address);
    if (error == 0)
        error = make_address(path, suffix.bytes, &hidden);
    if (error == 0 && !is_free(&address)) {
        error = EADDRINUSE;
        *why = "another gate does, or something else has that name";
    } else if (error == 0 && is_open_to_strangers(address.sun_path)) {
        error = EPERM;
        *why = "whoever may write in its folder could take its place; take that from others (chmod o-w), or have each "
               "remove his own alone (chmod +t)";
    }
    errno = error;
    if (error != 0)
        return -1;
    if (is_free(&hidden))
        unlink(hidden.sun_path); /* of a container before this one, where the gate was the same process by number */
    fd = open_listener(&hidden, asker == geteuid() ? 0600 : 0666);
    if (fd >= 0 && rename(hidden.sun_path, address.sun_path) < 0) {
        error = errno;
        unlink(hidden.sun_path);
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

bool gate_may_ask(int fd, uid_t asker)
{
    struct ucred who;
    socklen_t length = sizeof who;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0 &&
           (who.uid == geteuid() || who.uid == asker || who.uid == 0);
}

int gate_probe(const char *path)
{
    struct sockaddr_un address;
    char word[sizeof GATE_HELLO] = "";
    int error = make_address(path, "", &address);
    int fd = error == 0 ? connect_to(&address, &error) : -1;

    if (fd < 0)
        return error;
    if (recv(fd, word, sizeof word - 1, 0) < 0)
        error = errno;
    else if (strcmp(word, GATE_HELLO) != 0)
        error = EPROTO;
    close(fd);
    return error;
}
