/* SPDX-License-Identifier: Apache-2.0 */
#include "core/system/channel.h"

#include "core/system/unix_address.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUEUE 64 /* hosts that start their plugins at one instant */

/* Room and alignment for two descriptors beside a packet. */
union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(2 * sizeof(int))];
};

static const struct {
    const char *name;
    enum gantry_channel_kind kind;
} kinds[] = {
    {"log", GANTRY_CHANNEL_LOG},       {"plugin", GANTRY_CHANNEL_PLUGIN},   {"timeout", GANTRY_CHANNEL_TIMEOUT},
    {"shared", GANTRY_CHANNEL_SHARED}, {"started", GANTRY_CHANNEL_STARTED}, {"output", GANTRY_CHANNEL_OUTPUT},
    {"exit", GANTRY_CHANNEL_EXIT},     {"failed", GANTRY_CHANNEL_FAILED},   {"process", GANTRY_CHANNEL_PROCESS},
    {"away", GANTRY_CHANNEL_AWAY},     {"outlive", GANTRY_CHANNEL_OUTLIVE}, {"places", GANTRY_CHANNEL_PLACES},
    {"record", GANTRY_CHANNEL_RECORD}, {"refused", GANTRY_CHANNEL_REFUSED}, {"gate", GANTRY_CHANNEL_GATE},
};

int gantry_channel_kind_named(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return kinds[i].kind;
    return 0;
}

/* ---- a resident's ---- */

static int channel_socket(const char *path, struct sockaddr_un *address)
{
    struct gantry_error err;

    if (gantry_unix_address(path, address, &err) < 0)
        return -1;
    return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int gantry_channel_connect(const char *path, int *fd)
{
    struct sockaddr_un address;
    struct ucred peer;
    socklen_t size = sizeof peer;
    int made = channel_socket(path, &address);

    if (made < 0)
        return -1;
    if (connect(made, (const struct sockaddr *)&address, sizeof address) < 0 ||
        getsockopt(made, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != geteuid()) {
        close(made);
        return -1;
    }
    *fd = made;
    return 0;
}

static int channel_bind(int made, const char *path, const struct sockaddr_un *address)
{
    mode_t before = umask(0177);
    int result = -1;

    if (unlink(path) == 0 || errno == ENOENT)
        result = bind(made, (const struct sockaddr *)address, sizeof *address);
    umask(before);
    return result < 0 ? -1 : listen(made, QUEUE);
}

int gantry_channel_listen(const char *path, int *fd, struct gantry_error *err)
{
    struct sockaddr_un address;
    int made;

    if (gantry_unix_address(path, &address, err) < 0)
        return -1;
    if (gantry_channel_connect(path, &made) == 0) {
        close(made);
        return gantry_fail(err, "RESIDENT_BUSY", "another gantry up serves hosts at %s; stop that one first", path);
    }
    made = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made >= 0 && channel_bind(made, path, &address) == 0) {
        *fd = made;
        return 0;
    }
    gantry_fail_errno(err, errno, "RESIDENT_FAILED", "serve hosts at %s", path);
    if (made >= 0)
        close(made);
    return -1;
}

int gantry_channel_accept(int fd, struct ucred *peer)
{
    socklen_t size = sizeof *peer;
    int made = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (made >= 0 && getsockopt(made, SOL_SOCKET, SO_PEERCRED, peer, &size) < 0) {
        close(made);
        return -1;
    }
    return made;
}

/* ---- packets ---- */

int gantry_channel_pair(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static void add_descriptors(struct msghdr *message, union control *control, const int fds[2])
{
    size_t count = (fds[0] >= 0 ? 1U : 0U) + (fds[1] >= 0 ? 1U : 0U);
    struct cmsghdr *header;

    if (count == 0)
        return;
    memset(control, 0, sizeof *control);
    message->msg_control = control->bytes;
    message->msg_controllen = CMSG_SPACE(count * sizeof(int));
    header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds[0] >= 0 ? fds : fds + 1, count * sizeof(int));
}

int gantry_channel_send(int end, enum gantry_channel_kind kind, const char *text, size_t size, const int fds[2],
                        struct gantry_error *err)
{
    char bytes[GANTRY_CHANNEL_SIZE + 1] = {(char)kind};
    struct iovec piece = {.iov_base = bytes};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    union control control;
    ssize_t sent;

    if (size > GANTRY_CHANNEL_SIZE)
        size = GANTRY_CHANNEL_SIZE;
    memcpy(bytes + 1, text, size);
    piece.iov_len = size + 1;
    add_descriptors(&message, &control, fds);
    do {
        sent = sendmsg(end, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return gantry_fail_errno(err, errno, "CHANNEL_FAILED", "tell the process that the host holds");
    return 0;
}

static void take_descriptors(struct msghdr *message, struct gantry_packet *packet)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(message);

    if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        return;
    /* Two at most: there is no room for more. */
    memcpy(packet->fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
}

int gantry_channel_receive(int end, struct gantry_packet *packet)
{
    char kind = 0;
    struct iovec pieces[] = {{&kind, 1}, {packet->text, GANTRY_CHANNEL_SIZE}};
    union control control;
    struct msghdr message = {
        .msg_iov = pieces, .msg_iovlen = 2, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t got;

    packet->fds[0] = packet->fds[1] = -1;
    packet->kind = 0;
    packet->size = 0;
    packet->text[0] = '\0';
    got = recvmsg(end, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : 1;
    if (got == 0)
        return 1;
    packet->kind = (unsigned char)kind;
    packet->size = (size_t)got - 1;
    packet->text[packet->size] = '\0';
    take_descriptors(&message, packet);
    return 1;
}

void gantry_channel_copy_text(char *to, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);

    memcpy(to, text, length);
    to[length] = '\0';
}
