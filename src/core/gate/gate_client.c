/* SPDX-License-Identifier: Apache-2.0 */
#include "core/gate/gate_client.h"
#include "core/system/descriptor.h"
#include "core/system/packet.h"
#include "core/system/unix_address.h"
#include "gate/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE_SIZE 32768 /* of a request in one packet: half of what the gate reads at once */
#define ANSWER_SIZE (GATE_OUTPUT_SIZE + 64)

struct gantry_gate {
    struct gantry_watch *watch;
    gantry_gate_event_fn *on_event;
    void *data;
    int fd;         /* -1 once it was lost, or there is no plugin */
    bool has_ended; /* the plugin has: its gate stays for as long as it is connected to */
    int fds[2];
    size_t fd_count; /* that wait to go out with the first piece */
    struct gantry_buffer request;
    bool was_asked;
    bool has_greeted;
};

static void close_descriptors(struct gantry_gate *gate)
{
    while (gate->fd_count > 0)
        close(gate->fds[--gate->fd_count]);
}

static void hang_up(struct gantry_gate *gate)
{
    gantry_watch_free(gate->watch);
    gate->watch = NULL;
    gantry_close(&gate->fd);
    close_descriptors(gate);
    gantry_buffer_free(&gate->request);
}

/* The object may be gone when this returns. */
static void gate_tell(struct gantry_gate *gate, const struct gantry_gate_event *event)
{
    if (event->kind == GANTRY_GATE_EXIT) {
        gate->has_ended = true;
        gantry_watch_free(gate->watch);
        gate->watch = NULL;
    } else if (event->kind >= GANTRY_GATE_FAILED) {
        hang_up(gate);
    }
    if (gate->on_event != NULL)
        gate->on_event(gate->data, event);
}

/* ---- the request goes out ---- */

static ssize_t send_piece(struct gantry_gate *gate)
{
    size_t waiting = gantry_buffer_length(&gate->request);
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof gate->fds)];
    } control = {.bytes = {0}};
    struct iovec part = {gate->request.bytes + gate->request.start, waiting < PIECE_SIZE ? waiting : PIECE_SIZE};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (gate->fd_count > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * gate->fd_count);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int) * gate->fd_count);
        memcpy(CMSG_DATA(&control.header), gate->fds, sizeof(int) * gate->fd_count);
    }
    return sendmsg(gate->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A gate that has gone is met by the reader, which still finds its last word. */
static void send_request(struct gantry_gate *gate)
{
    struct gantry_error ignored;
    ssize_t sent = 0;

    while (gate->has_greeted && gantry_buffer_length(&gate->request) > 0 && sent >= 0) {
        sent = send_piece(gate);
        if (sent >= 0) {
            close_descriptors(gate);
            gantry_buffer_consume(&gate->request, (size_t)sent);
        } else if (errno == EINTR) {
            sent = 0;
        } else if (errno != EAGAIN) {
            gantry_buffer_free(&gate->request);
        }
    }
    gantry_watch_modify(gate->watch,
                        EPOLLIN | (gantry_buffer_length(&gate->request) > 0 && gate->has_greeted ? EPOLLOUT : 0U),
                        &ignored);
}

/* ---- what the gate says ---- */

static void hear_hello(struct gantry_gate *gate, const char *text)
{
    struct gantry_gate_event event = {.kind = GANTRY_GATE_READY};
    char why[160];
    char *at = NULL;
    long oldest = strtol(text, &at, 10);
    long newest = strtol(at, NULL, 10);

    if (oldest <= GATE_VERSION && newest >= GATE_VERSION) {
        gate->has_greeted = true;
        send_request(gate);
    } else {
        event = (struct gantry_gate_event){GANTRY_GATE_FAILED, .code = EPROTONOSUPPORT, .what = "version", .text = why};
        snprintf(why, sizeof why, "the gate understands versions %ld to %ld, this gantry %d; %s", oldest, newest,
                 GATE_VERSION, newest < GATE_VERSION ? "install its gate anew" : "upgrade gantry");
    }
    gate_tell(gate, &event);
}

static void hear_failed(struct gantry_gate *gate, char *text)
{
    struct gantry_gate_event event = {.kind = GANTRY_GATE_FAILED, .what = text};
    char *number = strchr(text, ' ');
    char *rest = NULL;

    if (number != NULL) {
        *number++ = '\0';
        event.code = (int)strtol(number, &rest, 10);
    }
    event.text = rest != NULL && *rest == ' ' ? rest + 1 : strerror(event.code);
    gate_tell(gate, &event);
}

static void hear_exit(struct gantry_gate *gate, const char *text)
{
    struct gantry_gate_event event = {.kind = GANTRY_GATE_EXIT, .memory = -1};
    char *at = NULL;

    event.code = (int)strtol(text, &at, 10);
    event.signal = (int)strtol(at, &at, 10);
    if (at[0] == ' ' && (at[1] == '0' || at[1] == '1'))
        event.memory = at[1] - '0';
    gate_tell(gate, &event);
}

static void hear_output(struct gantry_gate *gate, const char *bytes, size_t length)
{
    const struct gantry_gate_event event = {.kind = GANTRY_GATE_OUTPUT, .text = bytes, .length = length};

    gate_tell(gate, &event);
}

static char *after_word(char *text, const char *word)
{
    size_t length = strlen(word);

    return strncmp(text, word, length) == 0 && text[length] == ' ' ? text + length + 1 : NULL;
}

/* What is not understood is passed over: a newer gate may say more. */
static void gate_hear(struct gantry_gate *gate, char *text, size_t length)
{
    struct gantry_gate_event started = {.kind = GANTRY_GATE_STARTED};
    char *rest;

    if ((rest = after_word(text, GATE_HELLO)) != NULL && !gate->has_greeted) {
        hear_hello(gate, rest);
    } else if ((rest = after_word(text, GATE_STARTED)) != NULL) {
        started.pid = (int)strtol(rest, NULL, 10);
        gate_tell(gate, &started);
    } else if ((rest = after_word(text, GATE_OUTPUT)) != NULL) {
        hear_output(gate, rest, length - (size_t)(rest - text));
    } else if ((rest = after_word(text, GATE_FAILED)) != NULL) {
        hear_failed(gate, rest);
    } else if ((rest = after_word(text, GATE_EXIT)) != NULL) {
        hear_exit(gate, rest);
    }
}

static void gate_ready(void *data, uint32_t events)
{
    const struct gantry_gate_event lost = {.kind = GANTRY_GATE_LOST};
    struct gantry_gate *gate = data;
    char text[ANSWER_SIZE];
    int fds[GANTRY_PACKET_FDS];
    size_t count;
    ssize_t length = gantry_packet_receive(gate->fd, text, sizeof text, fds, &count);
    int error = errno;

    while (count > 0)
        close(fds[--count]);
    if (length > 0)
        gate_hear(gate, text, (size_t)length);
    else if (length == 0 || (error != EAGAIN && error != EMSGSIZE))
        gate_tell(gate, &lost);
    else if ((events & EPOLLOUT) != 0)
        send_request(gate);
}

/* ---- the object ---- */

static int check_owner(int fd, const char *path, uid_t gate_user, struct gantry_error *err)
{
    struct ucred who;
    socklen_t length = sizeof who;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) < 0)
        return gantry_fail_errno(err, errno, "GATE_UNREACHABLE", "ask the gate at %.300s", path);
    if (who.uid == geteuid() || who.uid == 0 || (gate_user != (uid_t)-1 && who.uid == gate_user))
        return 0;
    return gantry_fail(err, "GATE_STRANGER", "ask the gate at %.300s: user %u listens there; run both as one user",
                       path, (unsigned)who.uid);
}

static int open_connection(const char *path, uid_t gate_user, int *fd, struct gantry_error *err)
{
    struct sockaddr_un address;

    if (gantry_unix_address(path, &address, err) < 0)
        return -1;
    *fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd >= 0 && connect(*fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return check_owner(*fd, path, gate_user, err);
    return gantry_fail_errno(err, errno, "GATE_UNREACHABLE", "ask the gate at %.300s", path);
}

int gantry_gate_connect(struct gantry_loop *loop, const char *path, uid_t gate_user, gantry_gate_event_fn *on_event,
                        void *data, struct gantry_gate **made, struct gantry_error *err)
{
    struct gantry_gate *gate = calloc(1, sizeof *gate);

    if (gate == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "ask a gate: out of memory");
    gate->fd = -1;
    gate->on_event = on_event;
    gate->data = data;
    if (open_connection(path, gate_user, &gate->fd, err) < 0 ||
        gantry_watch_new(loop, gate->fd, EPOLLIN, gate_ready, gate, &gate->watch, err) < 0) {
        gantry_gate_free(gate);
        return -1;
    }
    *made = gate;
    return 0;
}

int gantry_gate_ask(struct gantry_gate *gate, const struct gantry_gate_request *request, struct gantry_error *err)
{
    if (gate->was_asked)
        return gantry_fail(err, "GATE_ASKED", "ask a gate: a connection serves one request; connect once more");
    if (gantry_gate_descriptor(gate) < 0)
        return gantry_fail(err, "GATE_GONE", "ask a gate: it has gone");
    for (int i = 0; i < 2; i++) {
        int copy = request->descriptors[i] < 0 ? -1 : fcntl(request->descriptors[i], F_DUPFD_CLOEXEC, 0);

        if (copy >= 0)
            gate->fds[gate->fd_count++] = copy;
        else if (request->descriptors[i] >= 0) {
            gantry_fail_errno(err, errno, "GATE_REFUSED", "hand descriptor %d to a gate", request->descriptors[i]);
            close_descriptors(gate);
            return -1;
        }
    }
    if (gantry_gate_encode(request, &gate->request, err) < 0) {
        close_descriptors(gate);
        return -1;
    }
    gate->was_asked = true;
    send_request(gate);
    return 0;
}

int gantry_gate_signal(struct gantry_gate *gate, int number, struct gantry_error *err)
{
    int fd = gantry_gate_descriptor(gate);
    char text[32];
    int error;

    snprintf(text, sizeof text, GATE_SIGNAL " %d", number);
    error = fd < 0 ? ENOTCONN : gantry_packet_send(fd, text, NULL, 0, NULL, 0);
    if (error == 0)
        return 0;
    return gantry_fail_errno(err, error, "GATE_GONE", "send signal %d through a gate", number);
}

int gantry_gate_descriptor(const struct gantry_gate *gate)
{
    return gate->has_ended ? -1 : gate->fd;
}

void gantry_gate_free(struct gantry_gate *gate)
{
    if (gate == NULL)
        return;
    hang_up(gate);
    free(gate);
}
