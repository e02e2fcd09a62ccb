/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/asker.h"
#include "core/system/text.h"
#include "gate/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_SENT 64 /* descriptors of one packet that are taken in, to be closed where they are too many */

GATE_BEHIND_ALL char gate_packet[GATE_PACKET_SIZE];

int64_t gate_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void close_received(struct gate_asker *asker)
{
    while (asker->fd_count > 0)
        close(asker->fds[--asker->fd_count]);
}

static void close_once(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void gate_asker_begin(struct gate_asker *asker, int fd, bool is_stream)
{
    *asker = (struct gate_asker){.stage = GATE_ASKING, .is_stream = is_stream, .fd = fd, .report = -1, .output.fd = -1};
    if (!is_stream)
        asker->deadline = gate_now_ms() + GATE_REQUEST_MS;
}

void gate_asker_drop(struct gate_asker *asker)
{
    close_received(asker);
    if (!asker->is_stream)
        close_once(&asker->fd);
    close_once(&asker->report);
    gate_output_close(&asker->output);
    gate_reader_free(&asker->reader);
    *asker = (struct gate_asker){.fd = -1, .report = -1, .output.fd = -1};
}

/* ---- what it says ---- */

/* Whether all of them are wanted; those that are not are closed. */
static bool keep_descriptors(struct gate_asker *asker, struct msghdr *message)
{
    bool fits = (message->msg_flags & MSG_CTRUNC) == 0;

    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(int) <= header->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            int fd;

            memcpy(&fd, CMSG_DATA(header) + at, sizeof fd);
            if (asker->stage == GATE_ASKING && asker->fd_count < GATE_DESCRIPTORS) {
                asker->fds[asker->fd_count++] = fd;
            } else {
                close(fd);
                fits = false;
            }
        }
    }
    return fits;
}

/* The length, 0 at the end, -1 with errno. What has too many descriptors, or is cut, is EMSGSIZE. */
static ssize_t receive_packet(struct gate_asker *asker)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * MOST_SENT)];
    } control;
    struct iovec room = {gate_packet, sizeof gate_packet};
    struct msghdr message = {
        .msg_iov = &room, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t length;

    if (asker->is_stream)
        return read(asker->fd, gate_packet, sizeof gate_packet);
    length = recvmsg(asker->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length >= 0 && (!keep_descriptors(asker, &message) || (message.msg_flags & MSG_TRUNC) != 0)) {
        errno = EMSGSIZE;
        return -1;
    }
    return length;
}

bool gate_asker_read(struct gate_asker *asker, enum gate_reading *reading)
{
    ssize_t length = receive_packet(asker);

    *reading = GATE_MORE;
    if (length < 0 && errno == EMSGSIZE)
        *reading = GATE_NO_HEADER;
    else if (length <= 0)
        return length < 0 && (errno == EAGAIN || errno == EINTR);
    else
        *reading = gate_reader_feed(&asker->reader, gate_packet, (size_t)length);
    return true;
}

bool gate_asker_hear(struct gate_asker *asker)
{
    ssize_t length = receive_packet(asker);
    uint64_t number;
    const char *at = gate_packet + sizeof GATE_SIGNAL;

    if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR && errno != EMSGSIZE))
        return false;
    if (asker->is_stream || asker->stage == GATE_TOLD || length < 0 || (size_t)length >= sizeof gate_packet)
        return true;
    gate_packet[length] = '\0';
    if (strncmp(gate_packet, GATE_SIGNAL " ", sizeof GATE_SIGNAL) == 0 && gate_take_number(&at, &number) &&
        number > 0 && number < 65)
        kill(asker->pid, (int)number);
    return true;
}

/* ---- what it is told ---- */

void gate_complain(const char *what, const char *object, const char *reason)
{
    const char *const pieces[] = {"gantry-gate: ", what, object != NULL ? " " : "", object != NULL ? object : "", ": ",
                                  reason,          "\n"};

    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        while (write(STDERR_FILENO, pieces[i], strlen(pieces[i])) < 0 && errno == EINTR)
            ;
}

static void say(struct gate_asker *asker, const char *text)
{
    if (!asker->is_stream && asker->fd >= 0)
        send(asker->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void gate_asker_refuse(struct gate_asker *asker, const char *what, int error, const char *text)
{
    struct gantry_text message = gantry_text_begin(GATE_FAILED);

    if (asker->is_stream) {
        gate_complain(what, NULL, text != NULL ? text : strerror(error));
        return;
    }
    gantry_text_word(&message, what);
    gantry_text_number(&message, error);
    if (text != NULL)
        gantry_text_word(&message, text);
    say(asker, message.bytes);
}

/* Where its output is the gate's own and somebody waits for its handshake, it goes through the gate. Where that cannot
 * be, the engine tells of it alone. */
static pid_t launch_plugin(struct gate_asker *asker, const struct gate_request *request, char *const *command,
                           const sigset_t *mask)
{
    bool passes = request->tells_handshake && !asker->is_stream && asker->fd_count == 0;
    struct gate_launch launch = {request, command, asker->fds, passes ? gate_output_open(&asker->output) : -1, mask};
    pid_t pid = gate_launch(&launch, &asker->report);

    close_once(&launch.output);
    asker->follows = asker->output.fd >= 0;
    asker->to_tell = asker->follows ? GATE_HANDSHAKE_SIZE : 0;
    return pid;
}

bool gate_asker_launch(struct gate_asker *asker, const struct gate_options *options, const sigset_t *mask)
{
    struct gate_request request;
    const char *wrong = gate_request_parse(&request, asker->reader.body, asker->reader.length);

    if (wrong == NULL && request.descriptor_count != asker->fd_count)
        wrong = "another number of descriptors than it speaks of";
    /* One plugin's output that nobody reads is not to keep the gate from others. */
    request.tells_handshake = request.tells_handshake && !options->serves;
    asker->memory_kills = gate_memory_kills();
    asker->pid = wrong == NULL ? launch_plugin(asker, &request, options->command, mask) : 0;
    if (wrong != NULL)
        gate_asker_refuse(asker, "request", EINVAL, wrong);
    else if (asker->pid < 0)
        gate_asker_refuse(asker, "process", errno, NULL);
    if (asker->pid > 0) {
        asker->stage = GATE_STARTING;
        asker->deadline = 0;
        asker->is_outlived = request.outlives_asker;
        if (asker->is_stream && !request.is_owned_by_input)
            asker->fd = -1; /* what else comes is nobody's */
    }
    gate_request_free(&request);
    gate_reader_free(&asker->reader);
    close_received(asker);
    return asker->pid > 0;
}

void gate_asker_learn(struct gate_asker *asker)
{
    struct gantry_text message = gantry_text_begin(GATE_STARTED);
    ssize_t length;

    if (asker->report < 0)
        return;
    length = read(asker->report, &asker->failure, sizeof asker->failure);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    close_once(&asker->report);
    asker->stage = GATE_RUNNING;
    if (length == (ssize_t)sizeof asker->failure)
        return;
    asker->failure.error = 0;
    gantry_text_number(&message, asker->pid);
    say(asker, message.bytes);
}

/* Up to its first line's end. The asker has the rest from whoever reads the gate's own output, and where a message is
 * lost, that too. */
static void tell_output(struct gate_asker *asker, char *bytes, size_t length)
{
    const char *line_end = memchr(bytes, '\n', length);
    size_t told = line_end != NULL ? (size_t)(line_end - bytes) + 1 : length;
    char word[] = GATE_OUTPUT " ";
    struct iovec parts[] = {{word, sizeof word - 1}, {bytes, told}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    if (asker->to_tell == 0 || asker->fd < 0 || sendmsg(asker->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ||
        line_end != NULL || told >= asker->to_tell)
        asker->to_tell = 0;
    else
        asker->to_tell -= told;
}

void gate_asker_pass_output(struct gate_asker *asker)
{
    size_t length = gate_output_pass(&asker->output, gate_packet, GATE_OUTPUT_SIZE);

    if (length > 0)
        tell_output(asker, gate_packet, length);
}

void gate_asker_drain_output(struct gate_asker *asker)
{
    gate_output_drain(&asker->output, gate_packet, sizeof gate_packet);
}

static const char *memory_ran_out(const struct gate_asker *asker)
{
    long kills = gate_memory_kills();

    if (kills < 0 || asker->memory_kills < 0)
        return "-";
    return kills > asker->memory_kills ? "1" : "0";
}

int gate_asker_tell_end(struct gate_asker *asker, int status)
{
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    struct gantry_text message = gantry_text_begin(GATE_EXIT);

    if (asker->failure.error != 0) {
        gate_asker_refuse(asker, asker->failure.what, asker->failure.error, NULL);
        return code;
    }
    gantry_text_number(&message, code);
    gantry_text_number(&message, number);
    gantry_text_word(&message, memory_ran_out(asker));
    say(asker, message.bytes);
    return number != 0 ? 128 + number : code;
}

bool gate_asker_lingers(const struct gate_asker *asker)
{
    return asker->follows && asker->fd >= 0 && asker->failure.error == 0;
}
