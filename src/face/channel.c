/* SPDX-License-Identifier: Apache-2.0 */
#include "face/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room and alignment for two descriptors beside a packet. */
union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(2 * sizeof(int))];
};

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
