/* SPDX-License-Identifier: Apache-2.0 */
#include "face_plugin.h"

#include "../core/handshake.h"
#include "channel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SETTLE_MS 2000 /* between the end of the output and the engine's word on it, or the other way round */
#define FLUSH_MS 1000  /* for a host that reads slowly */

int64_t gantry_face_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void close_descriptor(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void end_with(struct gantry_face *face, int status)
{
    if (face->flush_by_ms != 0)
        return;
    face->status = status;
    face->flush_by_ms = gantry_face_now() + FLUSH_MS;
    face->relay.handshake_held = false;
}

/* go-plugin hosts show their users the first line of standard output where it is no handshake, cut at bars: so that is
 * where the reason goes, besides the log. */
static void show_reason(struct gantry_face *face, const char *reason)
{
    gantry_buffer_append(&face->relay.output, "gantry: ", strlen("gantry: "));
    for (const char *at = reason; *at != '\0'; at++)
        gantry_buffer_append(&face->relay.output, *at == '|' || *at == '\n' || *at == '\r' ? "/" : at, 1);
    gantry_buffer_append(&face->relay.output, "\n", 1);
    face->relay.handshake_complete = true;
}

static void fail(struct gantry_face *face, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Ends without a plugin: a handshake that was held back is none any more. */
static void fail(struct gantry_face *face, const char *format, ...)
{
    char reason[GANTRY_CHANNEL_SIZE];
    va_list arguments;

    if (face->flush_by_ms != 0)
        return;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    gantry_relay_say(&face->relay, "error", reason);
    if (face->relay.handshake_held || !face->relay.handshake_complete) {
        gantry_buffer_free(&face->relay.output);
        show_reason(face, reason);
    }
    end_with(face, 1);
}

/* ---- from the launcher ---- */

static void take_output(struct gantry_face *face, const int fds[2])
{
    face->relay.input = fds[0];
    face->lock = fds[1];
}

static void copy_text(char *to, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);

    memcpy(to, text, length);
    to[length] = '\0';
}

static void take_plugin(struct gantry_face *face, const struct gantry_packet *packet)
{
    size_t name = strlen(packet->text);

    copy_text(face->plugin, sizeof face->plugin, packet->text);
    if (name < packet->size)
        copy_text(face->directory, sizeof face->directory, packet->text + name + 1);
}

/* The launcher's end: in order once it has handed over all. */
static void end_channel(struct gantry_face *face)
{
    close_descriptor(&face->channel);
    if (!face->launched && face->resident)
        fail(face, "the process that keeps the connection of plugin '%s' to the engine was killed", face->plugin);
    else if (!face->launched)
        fail(face, "the launch of plugin '%s' ended before the plugin was there: its process was killed", face->plugin);
}

static void take_packet(struct gantry_face *face, const struct gantry_packet *packet)
{
    switch (packet->kind) {
    case GANTRY_CHANNEL_LOG:
        gantry_relay_add_lines(&face->relay, packet->text, packet->size);
        break;
    case GANTRY_CHANNEL_PLUGIN:
        take_plugin(face, packet);
        break;
    case GANTRY_CHANNEL_PATIENCE:
        face->start_by_ms = face->began_ms + strtoll(packet->text, NULL, 10);
        break;
    case GANTRY_CHANNEL_SHARED:
        gantry_broker_watch_close(&face->broker);
        break;
    case GANTRY_CHANNEL_OUTPUT:
        take_output(face, packet->fds);
        break;
    case GANTRY_CHANNEL_STARTED:
        face->resident = true;
        break;
    case GANTRY_CHANNEL_EXIT:
        face->exit = packet->fds[0];
        face->answer.known = packet->size > 0;
        face->answer.code = (int)strtol(packet->text, NULL, 10);
        face->launched = true;
        break;
    case GANTRY_CHANNEL_FAILED:
        fail(face, "%s", packet->text);
        face->launched = true;
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
        close_descriptor(&face->exit);
}

/* ---- from the plugin ---- */

static void check_address(struct gantry_face *face, const struct gantry_handshake *handshake)
{
    size_t size = strlen(face->directory);
    char path[128];
    struct stat status;

    snprintf(path, sizeof path, "%.*s", (int)handshake->address.size, handshake->address.bytes);
    if (handshake->network.size != 4 || strncmp(handshake->network.bytes, "unix", 4) != 0 || stat(path, &status) == 0)
        return;
    if (strncmp(path, face->directory, size) != 0 || path[size] != '/') {
        fail(face,
             "plugin '%s' listens on %s, outside of the directory %s that it shares with its host; something in its "
             "image or policy sets where it puts its socket",
             face->plugin, path, face->directory);
    } else {
        fail(face,
             "plugin '%s' listens on %s, but no such socket is on this machine: the engine must run on it and see this "
             "directory, and runtime runsc needs the flag --host-uds=create",
             face->plugin, path);
    }
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

void gantry_face_check_handshake(struct gantry_face *face)
{
    struct gantry_relay *relay = &face->relay;
    struct gantry_handshake handshake;
    struct gantry_error err;

    if (!relay->handshake_held)
        return;
    /* What is no handshake is the host's to complain about: it shows the line. */
    if (gantry_handshake_parse((const char *)gantry_buffer_front(&relay->output), gantry_buffer_length(&relay->output),
                               &handshake, &err) == 0) {
        check_certificate(face, &handshake);
        check_address(face, &handshake);
    }
    relay->handshake_held = false;
}

/* ---- the end ---- */

static void end_of_plugin(struct gantry_face *face)
{
    bool said_nothing = !face->relay.handshake_complete && gantry_buffer_length(&face->relay.output) == 0;
    char reason[256];

    if (said_nothing) {
        snprintf(reason, sizeof reason, "plugin '%s' exited before its handshake, with exit code %d; see its log",
                 face->plugin, face->answer.code);
        gantry_relay_say(&face->relay, "error", reason);
        show_reason(face, reason);
    }
    end_with(face, face->answer.code);
}

/* Whether the plugin's end is near: one of the two who tell of it has done so. */
static bool is_ending(const struct gantry_face *face)
{
    return face->answer.known || face->relay.state != GANTRY_RELAY_OPEN || (face->launched && face->exit < 0);
}

void gantry_face_decide(struct gantry_face *face)
{
    int64_t now = gantry_face_now();

    if (face->flush_by_ms != 0)
        return;
    if (face->answer.known && face->relay.state != GANTRY_RELAY_OPEN) {
        end_of_plugin(face);
    } else if (!face->relay.handshake_complete && now >= face->start_by_ms) {
        fail(face,
             "plugin '%s' gave no handshake within %lld s, before its host loses patience; if both may take longer, "
             "raise start_timeout",
             face->plugin, (long long)(face->start_by_ms - face->began_ms) / 1000);
    } else if (!is_ending(face) || !face->launched) {
        face->settle_by_ms = 0;
    } else if (face->settle_by_ms == 0) {
        face->settle_by_ms = now + SETTLE_MS;
    } else if (now >= face->settle_by_ms) {
        if (face->answer.known)
            end_of_plugin(face);
        else
            fail(face, "the connection to the engine that runs plugin '%s' was lost; look at the engine's log",
                 face->plugin);
    }
}

int gantry_face_timeout(const struct gantry_face *face)
{
    int64_t until = face->flush_by_ms;
    int64_t left;

    if (until == 0)
        until = face->settle_by_ms;
    if (until == 0 && !face->relay.handshake_complete)
        until = face->start_by_ms;
    if (until == 0)
        return -1;
    left = until - gantry_face_now();
    return left > 0 ? (int)(left < 60000 ? left : 60000) : 0;
}
