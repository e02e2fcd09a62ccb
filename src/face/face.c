/* SPDX-License-Identifier: Apache-2.0 */
#include "face/face.h"

#include "core/system/descriptor.h"
#include "face/descriptors.h"
#include "face/face_end.h"
#include "face/face_plugin.h"

#include <errno.h>
#include <poll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_TIMEOUT_MS 55000 /* before the launcher says otherwise: hosts give up after 60 s, and ask nobody why */
#define RETRY_MS 100           /* where the system has no process to spare for a guardian */

enum {
    CHANNEL,
    HOST,
    OUTPUT,
    ERROR,
    INPUT,
    PIPE_OUTPUT,
    PIPE_ERROR,
    EXIT,
    GATE,
    BROKER,
    PROCESS,
    GUARDIAN,
    COUNT = GUARDIAN + GANTRY_FACE_GUARDIANS
};

/* The process that started us, at its number: it may have ended before we asked. */
static void find_host(struct gantry_face *face)
{
    pid_t parent = getppid();

    if (parent <= 0) /* outside of our view of processes */
        return;
    face->host = pidfd_open(parent, 0);
    face->host_gone = getppid() != parent;
}

/* Replaces guardians that have ended. Returns how many are missing. */
static int keep_guardians(struct gantry_face *face, struct gantry_error *err)
{
    int missing = 0;

    for (int i = 0; i < GANTRY_FACE_GUARDIANS; i++)
        if (gantry_guardian_ended(&face->guardians[i]) &&
            gantry_guardian_start(&face->guardians[i], face->record, face->self, err) < 0)
            missing++;
    return missing;
}

int gantry_face_begin(struct gantry_face *face, struct gantry_record *record, struct gantry_error *err)
{
    *face = (struct gantry_face){
        .record = record, .host = -1, .channel = -1, .exit = -1, .gate = -1, .lock = -1, .launcher = -1, .plugin = "?"};
    gantry_relay_init(&face->relay);
    gantry_comeback_init(&face->comeback);
    face->began_ms = gantry_face_now();
    face->start_by_ms = face->began_ms + START_TIMEOUT_MS;
    for (int i = 0; i < GANTRY_FACE_GUARDIANS; i++)
        face->guardians[i] = (struct gantry_guardian){.pid = -1, .pidfd = -1};
    find_host(face);
    gantry_broker_watch_open(&face->broker);
    face->self = pidfd_open(getpid(), 0);
    if (face->self < 0)
        return gantry_fail_errno(err, errno, "SPAWN_FAILED", "watch over a launch (Linux 5.3 or newer is needed)");
    return keep_guardians(face, err) > 0 ? -1 : 0;
}

void gantry_face_begin_for(struct gantry_face *face, enum gantry_host_kind kind)
{
    face->kind = kind;
    face->relay.passes = face->relay.handshake_complete = kind == GANTRY_HOST_ASKS;
    face->relay.plain = kind != GANTRY_HOST_GO_PLUGIN;
    if (kind != GANTRY_HOST_GO_PLUGIN) /* no other has a broker */
        gantry_broker_watch_close(&face->broker);
}

/* ---- waiting ---- */

static void face_fill_polls(const struct gantry_face *face, struct pollfd polls[COUNT])
{
    const struct gantry_relay *relay = &face->relay;

    polls[CHANNEL] = (struct pollfd){.fd = face->channel, .events = POLLIN};
    polls[HOST] = (struct pollfd){.fd = face->host, .events = POLLIN};
    /* Without events: an error is told in any case. */
    polls[OUTPUT] =
        (struct pollfd){.fd = STDOUT_FILENO, .events = gantry_relay_waits(relay, STDOUT_FILENO) ? POLLOUT : 0};
    polls[ERROR] =
        (struct pollfd){.fd = STDERR_FILENO, .events = gantry_relay_waits(relay, STDERR_FILENO) ? POLLOUT : 0};
    polls[INPUT] = (struct pollfd){.fd = gantry_relay_has_room(relay) ? relay->input : -1, .events = POLLIN};
    polls[PIPE_OUTPUT] = (struct pollfd){.fd = gantry_relay_has_room(relay) ? relay->pipes[0] : -1, .events = POLLIN};
    polls[PIPE_ERROR] = (struct pollfd){.fd = gantry_relay_has_room(relay) ? relay->pipes[1] : -1, .events = POLLIN};
    polls[GATE] = (struct pollfd){.fd = face->gate, .events = POLLIN};
    polls[EXIT] = (struct pollfd){.fd = face->exit, .events = POLLIN};
    polls[BROKER] = (struct pollfd){.fd = face->broker.fd, .events = POLLIN};
    polls[PROCESS] = (struct pollfd){.fd = face->comeback.process, .events = POLLIN};
    for (int i = 0; i < GANTRY_FACE_GUARDIANS; i++)
        polls[GUARDIAN + i] = (struct pollfd){.fd = face->guardians[i].pidfd, .events = POLLIN};
}

/* Writes where there is room. A host that closed its end of a pipe is gone. */
static void write_out(struct gantry_face *face, const struct pollfd *polled)
{
    if (polled->revents & (POLLERR | POLLHUP))
        face->host_gone = true;
    else if (polled->revents & POLLOUT)
        face->host_gone = !gantry_relay_write(&face->relay, polled->fd) || face->host_gone;
}

static void take_in(struct gantry_face *face, const struct pollfd polls[COUNT])
{
    struct gantry_relay *relay = &face->relay;

    if (polls[HOST].revents != 0)
        face->host_gone = true;
    if (polls[CHANNEL].revents != 0)
        gantry_face_take_packets(face);
    if (polls[INPUT].revents != 0 && relay->input >= 0)
        gantry_relay_read(relay);
    for (int which = 0; which < 2; which++)
        if (polls[PIPE_OUTPUT + which].revents != 0 && relay->pipes[which] >= 0)
            gantry_relay_read_pipe(relay, which);
    if (polls[GATE].revents != 0 && face->gate >= 0)
        gantry_face_take_gate(face);
    if (polls[EXIT].revents != 0 && face->exit >= 0)
        gantry_face_take_exit(face);
    if (polls[BROKER].revents != 0 && face->broker.fd >= 0)
        gantry_face_take_socket(face);
    if (polls[PROCESS].revents != 0 && face->comeback.process >= 0)
        gantry_comeback_take_gone(face);
    gantry_face_check_handshake(face);
}

/* Whether the host has got the line that says where its plugin listens, and the plugin has not ended since. */
static bool is_serving(const struct gantry_face *face)
{
    const struct gantry_relay *relay = &face->relay;

    return face->flush_by_ms == 0 && !relay->passes && relay->handshake_complete && !relay->handshake_held &&
           !gantry_relay_waits(relay, STDOUT_FILENO);
}

/* A host that has ended without closing its plugin takes it along, unless it is to be there for another host, which
 * knows address and process. That one did not start us, and reads nothing from us. */
static void part_from_host(struct gantry_face *face)
{
    bool serves = is_serving(face);

    if (face->outlives) /* what there is to tell if this process is killed, as by a service manager */
        atomic_store(&face->record->left, serves ? GANTRY_RECORD_KILLED : GANTRY_RECORD_CLOSED);
    if (!face->host_gone || !serves)
        return;
    if (!face->outlives) {
        atomic_store(&face->record->left, GANTRY_RECORD_LEFT);
        return;
    }
    gantry_let_standard_go();
    gantry_broker_watch_close(&face->broker);
    gantry_close(&face->host);
    face->host_gone = false;
}

/* The launcher ends when it has told all; nobody else may reap it. */
static void reap_launcher(struct gantry_face *face)
{
    if (face->launcher > 0 && face->channel < 0 && waitpid(face->launcher, NULL, WNOHANG) != 0)
        face->launcher = -1;
}

static bool face_is_done(const struct gantry_face *face)
{
    if (face->host_gone || face->refused)
        return true;
    if (face->flush_by_ms == 0)
        return false;
    return gantry_face_now() >= face->flush_by_ms ||
           (!gantry_relay_waits(&face->relay, STDOUT_FILENO) && !gantry_relay_waits(&face->relay, STDERR_FILENO));
}

static int timeout_of(const struct gantry_face *face, int missing_guardians)
{
    int timeout = gantry_face_timeout(face);

    if (missing_guardians == 0 && (face->launcher < 0 || face->channel >= 0))
        return timeout;
    return timeout >= 0 && timeout < RETRY_MS ? timeout : RETRY_MS;
}

int gantry_face_run(struct gantry_face *face)
{
    struct pollfd polls[COUNT];
    struct gantry_error err;
    int missing = 0;

    while (!face_is_done(face)) {
        face_fill_polls(face, polls);
        if (poll(polls, COUNT, timeout_of(face, missing)) > 0) {
            take_in(face, polls);
            /* The reason for a failure before its summary, at which hosts kill this process. */
            write_out(face, &polls[ERROR]);
            write_out(face, &polls[OUTPUT]);
        }
        gantry_face_decide(face);
        part_from_host(face);
        missing = keep_guardians(face, &err);
        reap_launcher(face);
    }
    keep_guardians(face, &err); /* somebody has to take away */
    return face->host_gone && face->flush_by_ms == 0 ? 1 : face->status;
}
