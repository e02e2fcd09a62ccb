/* SPDX-License-Identifier: Apache-2.0
 *
 * owner.c: who has the container, and what is said to it. */
#include "core/system/packet.h"
#include "monitor/state.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE_SIZE 16384 /* of kept output in one message */
#define SHORTAGE_PAUSE_MS 50

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static void lose_owner(struct monitor *monitor)
{
    close(monitor->owner.fd);
    monitor->owner = (struct monitor_owner){.fd = -1};
    monitor_container_orphaned(monitor);
}

/* ---- what it is told ---- */

/* Each sends one thing. Returns 0 or an errno. */

static int send_pipes(struct monitor *monitor)
{
    return gantry_packet_send(monitor->owner.fd, MONITOR_PIPES, NULL, 0, monitor->pipes, 2);
}

static int send_greeting(struct monitor *monitor)
{
    const int fds[] = {monitor->pipes[0], monitor->pipes[1], monitor->pidfd};
    bool is_created = monitor->pidfd >= 0;
    struct gantry_text head = gantry_text_begin(is_created ? MONITOR_RUNNING : MONITOR_STARTING);

    if (is_created)
        gantry_text_number(&head, monitor->container);
    for (int i = 0; i < 2; i++)
        gantry_text_number(&head, (int64_t)monitor->rings[i].lost);
    return gantry_packet_send(monitor->owner.fd, head.bytes, NULL, 0, fds, is_created ? 3 : 2);
}

static int send_tails(struct monitor *monitor)
{
    for (int i = 0; i < 2; i++) {
        size_t *sent = &monitor->owner.tails_sent[i];

        while (*sent < monitor->rings[i].length) {
            size_t length;
            const char *piece = monitor_ring_piece(&monitor->rings[i], *sent, &length);
            struct gantry_text head = gantry_text_begin(MONITOR_TAIL);
            int error;

            gantry_text_number(&head, i + 1);
            length = length < PIECE_SIZE ? length : PIECE_SIZE;
            error = gantry_packet_send(monitor->owner.fd, head.bytes, piece, length, NULL, 0);
            if (error != 0)
                return error;
            *sent += length;
        }
    }
    return 0;
}

static int send_tail_end(struct monitor *monitor)
{
    return gantry_packet_send(monitor->owner.fd, MONITOR_TAIL_END, NULL, 0, NULL, 0);
}

static int send_created(struct monitor *monitor)
{
    struct gantry_text head = gantry_text_begin(MONITOR_CREATED);

    gantry_text_number(&head, monitor->container);
    return gantry_packet_send(monitor->owner.fd, head.bytes, NULL, 0, &monitor->pidfd, 1);
}

static int send_outcome(struct monitor *monitor)
{
    struct gantry_text head;

    if (monitor->stage == MONITOR_STAGE_EXITED) {
        head = monitor_exit_text(&monitor->how);
        return gantry_packet_send(monitor->owner.fd, head.bytes, NULL, 0, NULL, 0);
    }
    return gantry_packet_send(monitor->owner.fd, monitor->failure.bytes, monitor->failure_text,
                              strlen(monitor->failure_text), NULL, 0);
}

/* Sends one thing where it is due. True: go on with the next. */
static bool owner_tell(struct monitor *monitor, bool *due, int (*send_one)(struct monitor *))
{
    int error;

    if (!*due)
        return true;
    error = send_one(monitor);
    if (error == 0)
        *due = false;
    else if (error != EAGAIN)
        lose_owner(monitor);
    return error == 0;
}

void monitor_owner_tell(struct monitor *monitor)
{
    struct monitor_owner *owner = &monitor->owner;

    if (owner->fd < 0)
        return;
    (void)(owner_tell(monitor, &owner->pipes_due, send_pipes) &&
           owner_tell(monitor, &owner->greeting_due, send_greeting) &&
           owner_tell(monitor, &owner->tails_due, send_tails) &&
           owner_tell(monitor, &owner->tail_end_due, send_tail_end) &&
           owner_tell(monitor, &owner->created_due, send_created) &&
           owner_tell(monitor, &owner->outcome_due, send_outcome));
}

bool monitor_owner_is_slow(const struct monitor *monitor)
{
    const struct monitor_owner *owner = &monitor->owner;

    return owner->pipes_due || owner->greeting_due || owner->tails_due || owner->tail_end_due || owner->created_due ||
           owner->outcome_due;
}

/* ---- what it says ---- */

static void drop_kept(struct monitor *monitor)
{
    for (int i = 0; i < 2; i++) {
        monitor_ring_drop(&monitor->rings[i], monitor->owner.tails_sent[i]);
        monitor->owner.tails_sent[i] = 0;
    }
}

static bool is_over(const struct monitor *monitor)
{
    return monitor->stage == MONITOR_STAGE_PREPARED || monitor->stage == MONITOR_STAGE_EXITED ||
           monitor->stage == MONITOR_STAGE_FAILED;
}

static void hear(struct monitor *monitor, char *bytes, size_t length, const int *fds, size_t count)
{
    const size_t helper = strlen(MONITOR_HELPER);

    if (strcmp(bytes, MONITOR_START) == 0 && monitor->stage == MONITOR_STAGE_PREPARED)
        monitor_container_start(monitor);
    else if (strcmp(bytes, MONITOR_TOOK) == 0)
        drop_kept(monitor);
    else if (strcmp(bytes, MONITOR_BYE) == 0 && is_over(monitor))
        monitor->stage = MONITOR_STAGE_OVER;
    else if (length > helper && strncmp(bytes, MONITOR_HELPER "\n", helper + 1) == 0)
        monitor_helper_ask(monitor, bytes, length, fds, count);
}

/* Static, so that its pages are touched by long messages alone. */
static char message[MONITOR_MESSAGE_SIZE + 1];

void monitor_owner_ready(struct monitor *monitor)
{
    int fds[GANTRY_PACKET_FDS];
    size_t count;
    ssize_t length = gantry_packet_receive(monitor->owner.fd, message, sizeof message, fds, &count);

    if (length > 0) {
        hear(monitor, message, (size_t)length, fds, count);
        close_all(fds, count);
    } else if (length == 0 || (errno != EAGAIN && errno != EMSGSIZE)) {
        lose_owner(monitor);
    }
}

/* ---- who comes ---- */

static bool is_known(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == geteuid());
}

/* A guest that has said nothing makes way for a newer one. */
static void seat(struct monitor *monitor, int fd)
{
    const size_t last = MONITOR_MOST_GUESTS - 1;

    if (monitor->guests[last] >= 0)
        close(monitor->guests[last]);
    memmove(&monitor->guests[1], &monitor->guests[0], last * sizeof monitor->guests[0]);
    monitor->guests[0] = fd;
}

void monitor_owner_accept(struct monitor *monitor)
{
    int fd = accept4(monitor->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        if (errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            poll(NULL, 0, SHORTAGE_PAUSE_MS); /* the guest waits in the queue, which stays readable */
        return;
    }
    if (is_known(fd))
        seat(monitor, fd);
    else
        close(fd);
}

static void become_owner(struct monitor *monitor, int fd)
{
    bool is_exited = monitor->stage == MONITOR_STAGE_EXITED;

    if (monitor->owner.fd >= 0) {
        gantry_packet_send(monitor->owner.fd, MONITOR_REPLACED, NULL, 0, NULL, 0);
        close(monitor->owner.fd);
    }
    monitor->owner = (struct monitor_owner){.fd = fd,
                                            .greeting_due = true,
                                            .tails_due = true,
                                            .tail_end_due = true,
                                            .outcome_due = is_exited || monitor->stage == MONITOR_STAGE_FAILED};
}

static void answer_inspection(const struct monitor *monitor, int fd)
{
    static const char *const names[] = {"prepared", "starting", "running", "exited", "failed", "exited", "exited"};
    struct gantry_text head = gantry_text_begin(MONITOR_STATE);

    gantry_text_word(&head, names[monitor->stage]);
    gantry_text_number(&head, monitor->container);
    gantry_text_number(&head, monitor->owner.fd >= 0);
    gantry_packet_send(fd, head.bytes, NULL, 0, NULL, 0);
}

void monitor_owner_guest(struct monitor *monitor, size_t which)
{
    int fd = monitor->guests[which];
    int fds[GANTRY_PACKET_FDS];
    size_t count = 0;
    ssize_t length = gantry_packet_receive(fd, message, sizeof message, fds, &count);

    if (length < 0 && errno == EAGAIN)
        return;
    close_all(fds, count);
    monitor->guests[which] = -1;
    if (length > 0 && strcmp(message, MONITOR_OWN) == 0 && !monitor->dying && monitor->stage < MONITOR_STAGE_CLEANING) {
        become_owner(monitor, fd);
        return;
    }
    if (length > 0 && strcmp(message, MONITOR_INSPECT) == 0)
        answer_inspection(monitor, fd);
    close(fd);
}
