/* SPDX-License-Identifier: Apache-2.0 */
#include "face/face_plugin.h"

#include "core/plugin/handshake.h"
#include "core/plugin/plugin_socket.h"
#include "core/plugin/plugin_tcp.h"
#include "core/system/channel.h"
#include "core/system/descriptor.h"
#include "face/face_end.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SETTLE_MS 2000 /* between the engine's word on the plugin's end and that of its output */

/* ---- from the launcher ---- */

static void face_take_output(struct gantry_face *face, const int fds[2])
{
    gantry_relay_attach(&face->relay, fds[0]);
    if (fds[1] >= 0)
        face->lock = fds[1];
}

static void face_take_answer(struct gantry_face *face, const struct gantry_packet *packet)
{
    gantry_close(&face->exit);
    face->exit = packet->fds[0];
    face->answer = (struct gantry_exit_answer){.known = packet->size > 0, .code = (int)strtol(packet->text, NULL, 10)};
    face->started = true;
}

/* The plugin's end is told there, and is the same as this connection's where that is closed here. */
static void face_take_connection(struct gantry_face *face, const int fds[2])
{
    gantry_close(&face->gate);
    face->gate = fds[0];
    if (fds[1] >= 0)
        face->lock = fds[1];
    gantry_comeback_take_started(face);
}

static void take_timeouts(struct gantry_face *face, const char *text)
{
    char *rest;

    face->start_by_ms = face->began_ms + strtoll(text, &rest, 10);
    face->comeback.timeout_ms = strtoll(rest, NULL, 10);
}

static void take_plugin(struct gantry_face *face, const struct gantry_packet *packet)
{
    size_t name = strlen(packet->text);

    gantry_channel_copy_text(face->plugin, sizeof face->plugin, packet->text);
    if (name < packet->size)
        gantry_channel_copy_text(face->directory, sizeof face->directory, packet->text + name + 1);
}

/* The launcher's end: in order once it has handed over all. */
static void end_channel(struct gantry_face *face)
{
    gantry_close(&face->channel);
    gantry_comeback_end_channel(face);
    if (!face->started)
        gantry_face_fail(face, "the launch of plugin '%s' ended before the plugin was there: its process was killed",
                         face->plugin);
}

static void take_places(struct gantry_face *face, const struct gantry_packet *packet)
{
    size_t folder = strlen(packet->text);

    face->stale = false;
    gantry_channel_copy_text(face->temporary, sizeof face->temporary, packet->text);
    face->host_network = folder < packet->size && strcmp(packet->text + folder + 1, "host") == 0;
}

/* Whether it is told of a container that another one takes the place of: on its way when the face said so. */
static bool is_stale(const struct gantry_face *face, const struct gantry_packet *packet)
{
    return face->stale && (packet->kind == GANTRY_CHANNEL_OUTPUT || packet->kind == GANTRY_CHANNEL_STARTED ||
                           packet->kind == GANTRY_CHANNEL_PROCESS || packet->kind == GANTRY_CHANNEL_EXIT);
}

/* What was told of a container means one that another takes the place of. */
static void forget_container(struct gantry_face *face)
{
    gantry_relay_let_go(&face->relay);
    gantry_close(&face->exit);
    gantry_close(&face->gate);
    gantry_close(&face->lock);
    gantry_comeback_forget(&face->comeback);
    face->answer = (struct gantry_exit_answer){0};
    face->started = false;
    face->stale = true;
    face->temporary[0] = '\0';
}

/* Nothing is left of what the resident made: the record is free for another launch. */
static void take_refusal(struct gantry_face *face)
{
    gantry_close(&face->channel);
    forget_container(face);
    atomic_store(&face->record->stage, GANTRY_RECORD_EMPTY);
    face->refused = true;
}

static void take_packet(struct gantry_face *face, struct gantry_packet *packet)
{
    if (is_stale(face, packet)) {
        gantry_close(&packet->fds[0]);
        gantry_close(&packet->fds[1]);
        return;
    }
    switch (packet->kind) {
    case GANTRY_CHANNEL_LOG:
        gantry_relay_add_lines(&face->relay, packet->text, packet->size);
        break;
    case GANTRY_CHANNEL_PLUGIN:
        take_plugin(face, packet);
        break;
    case GANTRY_CHANNEL_PLACES:
        take_places(face, packet);
        break;
    case GANTRY_CHANNEL_TIMEOUT:
        take_timeouts(face, packet->text);
        break;
    case GANTRY_CHANNEL_OUTLIVE:
        face->outlives = true;
        signal(SIGHUP, SIG_IGN); /* of a terminal that goes with the host */
        break;
    case GANTRY_CHANNEL_SHARED:
        gantry_broker_watch_close(&face->broker);
        break;
    case GANTRY_CHANNEL_OUTPUT:
        face_take_output(face, packet->fds);
        break;
    case GANTRY_CHANNEL_STARTED:
        gantry_comeback_take_started(face);
        break;
    case GANTRY_CHANNEL_EXIT:
        face_take_answer(face, packet);
        break;
    case GANTRY_CHANNEL_GATE:
        face_take_connection(face, packet->fds);
        break;
    case GANTRY_CHANNEL_PROCESS:
        gantry_comeback_take_process(&face->comeback, packet);
        break;
    case GANTRY_CHANNEL_AWAY:
        gantry_comeback_take_away(face, packet->text);
        break;
    case GANTRY_CHANNEL_REFUSED:
        take_refusal(face);
        break;
    case GANTRY_CHANNEL_FAILED:
        gantry_face_fail(face, "%s", packet->text);
        break;
    default:
        end_channel(face);
    }
}

void gantry_face_take_packets(struct gantry_face *face)
{
    static struct gantry_packet packet;

    while (face->channel >= 0 && gantry_channel_receive(face->channel, &packet) == 1)
        take_packet(face, &packet);
}

/* ---- from the engine ---- */

void gantry_face_take_exit(struct gantry_face *face)
{
    char bytes[1024];
    ssize_t got = recv(face->exit, bytes, sizeof bytes, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 || gantry_exit_answer_feed(&face->answer, bytes, (size_t)got))
        gantry_close(&face->exit);
}

/* A gate that goes without a word was killed with its container: the engine knows what of that is an exit code. */
void gantry_face_take_gate(struct gantry_face *face)
{
    char word[128];
    ssize_t got = recv(face->gate, word, sizeof word - 1, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    word[got > 0 ? got : 0] = '\0';
    if (got <= 0 || gantry_exit_answer_take_word(&face->answer, word))
        gantry_close(&face->gate);
}

/* ---- from the plugin ---- */

/* Has the launcher start a plugin once more whose go-plugin is one before 1.5: its sockets are where TMPDIR says.
 * Returns false where it does not listen there, or nobody can start it. */
static bool start_again(struct gantry_face *face, const char *path)
{
    static const int none[] = {-1, -1};
    size_t folder = strlen(face->temporary);
    struct gantry_error err;

    if (folder == 0 || strncmp(path, face->temporary, folder) != 0 || path[folder] != '/' || face->channel < 0 ||
        gantry_channel_send(face->channel, GANTRY_CHANNEL_AGAIN, "", 0, none, &err) < 0)
        return false;
    forget_container(face);
    return true;
}

static void check_tcp(struct gantry_face *face, const char *address)
{
    struct gantry_error err;

    if (gantry_plugin_tcp_check(address, face->host_network, &err) < 0 || gantry_plugin_tcp_dial(address, &err) < 0)
        gantry_face_fail(face, "plugin '%s' %s", face->plugin, err.message);
}

/* The same as for plugins of our own (lua/gantry/plugin/handshake.lua): a container does not choose what socket of this
 * machine its host connects to. */
static void check_socket(struct gantry_face *face, const char *path)
{
    struct gantry_error err;

    if (gantry_plugin_socket_check(face->directory, path, &err) == 0 || start_again(face, path))
        return;
    if (strcmp(err.code, "HANDSHAKE_ADDRESS") == 0) {
        gantry_face_fail(
            face,
            "plugin '%s' listens on %s, outside of the directory %s that it shares with its host; something in its "
            "image or policy sets where it puts its socket (of a go-plugin before 1.5, TMPDIR in env or pass_env does)",
            face->plugin, path, face->directory);
    } else if (strcmp(err.code, "SOCKET_INVALID") == 0) {
        gantry_face_fail(face, "plugin '%s': %s", face->plugin, err.message);
    } else {
        gantry_face_fail(
            face,
            "plugin '%s' listens on %s, but no such socket is on this machine: the engine must run on it and see this "
            "directory, and runtime runsc needs the flag --host-uds=create",
            face->plugin, path);
    }
}

static void check_address(struct gantry_face *face, const struct gantry_handshake *handshake)
{
    char address[128];

    snprintf(address, sizeof address, "%.*s", (int)handshake->address.size, handshake->address.bytes);
    if (handshake->network.size == 3) /* "tcp": the other one is "unix" */
        check_tcp(face, address);
    else
        check_socket(face, address);
}

static void check_certificate(struct gantry_face *face, const struct gantry_handshake *handshake)
{
    char message[512];

    if (getenv("PLUGIN_CLIENT_CERT") == NULL || handshake->certificate.size > 0)
        return;
    snprintf(message, sizeof message,
             "plugin '%s' ignores AutoMTLS, which its host asks for: it gave no certificate, and the host's connection "
             "will fail; use a plugin built with go-plugin 1.0 or newer, or turn AutoMTLS off in the host",
             face->plugin);
    gantry_relay_say(&face->relay, "warn", message);
}

void gantry_face_take_socket(struct gantry_face *face)
{
    const char *folder = getenv("TMPDIR");
    char path[PATH_MAX];
    char message[PATH_MAX + 512];

    if (!gantry_broker_watch_read(&face->broker, path))
        return;
    snprintf(
        message, sizeof message,
        "the host made socket %s for plugin '%s', which cannot see it in its container: set share_tmp = true in the "
        "policy%s",
        path, face->plugin,
        folder == NULL || folder[0] == '\0' ? ", and run the host as `gantry host -- COMMAND`" : "");
    gantry_relay_say(&face->relay, "warn", message);
    gantry_broker_watch_close(&face->broker);
}

static int read_handshake(const struct gantry_face *face, struct gantry_handshake *handshake, struct gantry_error *err)
{
    const char *line = (const char *)gantry_buffer_front(&face->relay.output);
    size_t size = gantry_buffer_length(&face->relay.output);

    if (face->kind == GANTRY_HOST_PACKER)
        return gantry_handshake_parse_packer(line, size, handshake, err);
    return gantry_handshake_parse(line, size, handshake, err);
}

void gantry_face_check_handshake(struct gantry_face *face)
{
    struct gantry_relay *relay = &face->relay;
    struct gantry_handshake handshake;
    struct gantry_error err;

    if (!relay->handshake_held)
        return;
    if (relay->passes) {
        /* it is no handshake, and the host's to complain about: it shows the line */
    } else if (read_handshake(face, &handshake, &err) == 0) {
        check_certificate(face, &handshake);
        check_address(face, &handshake);
    } else {
        gantry_face_fail(face, "plugin '%s': %s", face->plugin, err.message);
    }
    relay->handshake_held = false;
    /* Nothing more to tell the launcher, once the handshake is judged. */
    if (relay->handshake_complete && face->channel >= 0)
        shutdown(face->channel, SHUT_WR);
}

/* ---- the end ---- */

/* What an init exits with that could not execute what it was to run. */
static const char *remedy_of(int code)
{
    return code == 126 || code == 127 ? " (if its program was not run, `gantry run` tells why)" : "";
}

static void end_of_plugin(struct gantry_face *face)
{
    struct gantry_relay *relay = &face->relay;
    bool empty = gantry_buffer_length(&relay->output) == 0;
    char reason[1024];

    if (!relay->handshake_complete && (empty || gantry_relay_could_be_handshake(relay))) {
        gantry_buffer_free(
            &relay->output); /* a line without an end is no handshake, and a host could take it for one */
        gantry_last_line_finish(&relay->last);
        snprintf(reason, sizeof reason, "plugin '%s' exited before its handshake, with exit code %d%s%s%s",
                 face->plugin, face->answer.code, remedy_of(face->answer.code),
                 relay->last.text[0] == '\0' ? ", and said nothing" : ": ", relay->last.text);
        gantry_relay_say(&face->relay, "error", reason);
        gantry_face_show(face, reason);
    }
    relay->handshake_complete = true; /* what there is of a line is shown */
    gantry_face_end(face, face->answer.code);
}

static bool is_starting(const struct gantry_face *face)
{
    return face->kind == GANTRY_HOST_ASKS ? !face->started : !face->relay.handshake_complete;
}

/* Whether more of an answer may be there, which who has asked for it has no room for yet. */
static bool waits_for_reader(const struct gantry_face *face)
{
    return face->kind == GANTRY_HOST_ASKS && !gantry_relay_has_room(&face->relay);
}

static void fail_late(struct gantry_face *face)
{
    double seconds = (double)(face->start_by_ms - face->began_ms) / 1000;

    if (face->kind == GANTRY_HOST_ASKS) {
        gantry_face_fail(face, "plugin '%s' was not started within %.3g s; look at the engine's load", face->plugin,
                         seconds);
    } else {
        gantry_face_fail(
            face,
            "plugin '%s' gave no handshake within %.3g s, before its host stops waiting; if both may take longer, "
            "raise start_timeout",
            face->plugin, seconds);
    }
}

void gantry_face_decide(struct gantry_face *face)
{
    int64_t now = gantry_face_now();

    if (face->flush_by_ms != 0)
        return;
    if (!face->answer.known || waits_for_reader(face))
        face->settle_by_ms = 0;
    else if (face->settle_by_ms == 0)
        face->settle_by_ms = now + SETTLE_MS;
    if (face->answer.known) {
        if (face->relay.state != GANTRY_RELAY_OPEN || (face->settle_by_ms != 0 && now >= face->settle_by_ms))
            end_of_plugin(face);
    } else if (is_starting(face) && now >= face->start_by_ms) {
        fail_late(face);
    } else if (face->started) {
        gantry_comeback_decide(face);
    }
}

/* The earlier of two times, of which 0 is none. */
static int64_t earlier(int64_t one, int64_t other)
{
    if (one == 0 || other == 0)
        return one + other;
    return one < other ? one : other;
}

int gantry_face_timeout(const struct gantry_face *face)
{
    int64_t until = face->flush_by_ms;
    int64_t left;

    if (until == 0)
        until = face->settle_by_ms;
    if (until == 0 && face->started)
        until = gantry_comeback_next(face);
    if (face->flush_by_ms == 0 && is_starting(face))
        until = earlier(until, face->start_by_ms);
    if (until == 0)
        return -1;
    left = until - gantry_face_now();
    return left > 0 ? (int)(left < 60000 ? left : 60000) : 0;
}
