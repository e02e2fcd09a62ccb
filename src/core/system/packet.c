/* SPDX-License-Identifier: Apache-2.0 */
#include "core/system/packet.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
    alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(int) * GANTRY_PACKET_FDS)];
};

/* iovec has no const; nothing is written to what is sent. */
static struct iovec part(const void *bytes, size_t length)
{
    union {
        const void *read_only;
        void *any;
    } both = {.read_only = bytes};

    return (struct iovec){both.any, length};
}

static void attach_descriptors(struct msghdr *message, struct control *control, const int *fds, size_t count)
{
    struct cmsghdr *header;

    memset(control, 0, sizeof *control);
    message->msg_control = control->bytes;
    message->msg_controllen = CMSG_SPACE(sizeof(int) * count);
    header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
}

int gantry_packet_send(int fd, const char *head, const void *payload, size_t length, const int *fds, size_t count)
{
    struct iovec parts[] = {part(head, strlen(head)), part("\n", 1), part(payload, length)};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = payload != NULL ? 3 : 1};
    struct control control;

    if (count > GANTRY_PACKET_FDS)
        return EMSGSIZE;
    if (count > 0)
        attach_descriptors(&message, &control, fds, count);
    while (sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

static size_t packet_descriptors(struct msghdr *message, int fds[GANTRY_PACKET_FDS])
{
    size_t count = 0;

    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
        size_t size = header->cmsg_len - CMSG_LEN(0);

        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(int) <= size && count < GANTRY_PACKET_FDS; at += sizeof(int))
            memcpy(&fds[count++], CMSG_DATA(header) + at, sizeof(int));
    }
    return count;
}

ssize_t gantry_packet_receive(int fd, char *bytes, size_t size, int fds[GANTRY_PACKET_FDS], size_t *count)
{
    struct iovec room = {bytes, size - 1};
    struct control control = {{0}};
    struct msghdr message = {
        .msg_iov = &room, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t length;

    *count = 0;
    do {
        length = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (length < 0 && errno == EINTR);
    if (length < 0)
        return -1;
    *count = packet_descriptors(&message, fds);
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        while (*count > 0)
            close(fds[--*count]);
        errno = EMSGSIZE;
        return -1;
    }
    bytes[length] = '\0';
    return length;
}
