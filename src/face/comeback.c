/* SPDX-License-Identifier: Apache-2.0 */
#include "face/comeback.h"

#include "core/system/descriptor.h"
#include "face/exec.h"
#include "face/face.h"
#include "face/face_end.h"
#include "face/program.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ENGINE_TIMEOUT_MS 60000 /* before the launcher says otherwise */
#define GRACE_MS 500            /* from one sign of the end to the other, in order */
#define LAUNCHER_GRACE_MS 2000  /* the same, while the launch is still being handed over */
#define FIRST_PAUSE_MS 100      /* between seekers; twice as long each time */
#define LONGEST_PAUSE_MS 2000
#define STEADY_MS 2000 /* connections that were there for as long begin a new count */
#define FIRST_ASK_MS 15000
#define LONGEST_ASK_MS 240000
#define GONE_MS 10000     /* for the exit code, once the process has ended */
#define GONE_AWAY_MS 1000 /* the same where the engine is away: hosts that close a plugin wait two seconds */
#define TELL_MS 60000     /* between two lines on output that may be missing, where the connection was back at once */
#define AT_ONCE_MS 1000

void gantry_comeback_init(struct gantry_comeback *comeback)
{
    *comeback = (struct gantry_comeback){.process = -1, .timeout_ms = ENGINE_TIMEOUT_MS, .ask_pause_ms = FIRST_ASK_MS};
}

void gantry_comeback_forget(struct gantry_comeback *comeback)
{
    int64_t timeout = comeback->timeout_ms;

    gantry_close(&comeback->process);
    gantry_comeback_init(comeback);
    comeback->timeout_ms = timeout;
}

/* ---- what is told ---- */

void gantry_comeback_take_process(struct gantry_comeback *comeback, const struct gantry_packet *packet)
{
    size_t id = strlen(packet->text);

    gantry_channel_copy_text(comeback->container, sizeof comeback->container, packet->text);
    if (id < packet->size)
        gantry_channel_copy_text(comeback->started, sizeof comeback->started, packet->text + id + 1);
    gantry_close(&comeback->process);
    comeback->process = packet->fds[0];
}

/* A proxy may cut the connections of a silent plugin every few seconds: a line each would be all that is in the log. */
static void tell_missing(struct gantry_face *face, int64_t now)
{
    struct gantry_comeback *comeback = &face->comeback;
    int64_t seconds = (now - comeback->doubt_ms) / 1000;
    char before[80] = "";
    char message[512];

    if (now - comeback->doubt_ms < AT_ONCE_MS && comeback->told_ms != 0 && now - comeback->told_ms < TELL_MS) {
        comeback->untold++;
        return;
    }
    if (comeback->untold > 0)
        snprintf(before, sizeof before, ", as %u times in the last minutes", comeback->untold);
    snprintf(message, sizeof message,
             "the connection to the engine that runs plugin '%s' was lost%s, and is there again after %lld s; output "
             "of the plugin may be missing here",
             face->plugin, before, (long long)seconds);
    gantry_relay_say(&face->relay, "warn", message);
    comeback->untold = 0;
    comeback->told_ms = now;
}

void gantry_comeback_take_started(struct gantry_face *face)
{
    if (face->started && face->comeback.sender == GANTRY_SENDER_SEEKER)
        tell_missing(face, gantry_face_now());
    face->started = true;
    face->comeback.sender = GANTRY_SENDER_LAUNCHER;
}

void gantry_comeback_take_away(struct gantry_face *face, const char *reason)
{
    struct gantry_comeback *comeback = &face->comeback;
    char message[1024];

    gantry_channel_copy_text(comeback->reason, sizeof comeback->reason, reason);
    if (!comeback->away) {
        snprintf(message, sizeof message,
                 "the engine that runs plugin '%s' is away (%s); the plugin is left as it is, and looked for again for "
                 "%lld s (engine_timeout)",
                 face->plugin, comeback->reason, (long long)comeback->timeout_ms / 1000);
        gantry_relay_say(&face->relay, "warn", message);
    }
    comeback->away = true;
}

void gantry_comeback_take_gone(struct gantry_face *face)
{
    gantry_close(&face->comeback.process);
    face->comeback.gone_ms = gantry_face_now();
}

/* Somebody else is to be started, but not in a hurry where that comes to nothing time and again. */
void gantry_comeback_end_channel(struct gantry_face *face)
{
    struct gantry_comeback *comeback = &face->comeback;

    if (comeback->sender == GANTRY_SENDER_SEEKER)
        comeback->next_ms = gantry_face_now() + comeback->pause_ms;
    comeback->sender = GANTRY_SENDER_LAUNCHER;
}

/* ---- what is to be done ---- */

/* Whether somebody will tell of the container's end. */
static bool is_awaited(const struct gantry_face *face)
{
    return face->exit >= 0 || face->gate >= 0 ||
           (face->channel >= 0 && face->comeback.sender == GANTRY_SENDER_LAUNCHER);
}

static bool is_whole(const struct gantry_face *face)
{
    return face->comeback.gone_ms == 0 && face->relay.state == GANTRY_RELAY_OPEN && is_awaited(face);
}

/* Ends whoever is at the other end of the channel. It is reaped by the face's own round. */
static void drop_sender(struct gantry_face *face)
{
    if (face->channel < 0)
        return;
    if (face->launcher > 0)
        kill(face->launcher, SIGKILL);
    gantry_close(&face->channel);
    face->temporary[0] = '\0'; /* nobody would start the plugin again */
    face->comeback.sender = GANTRY_SENDER_LAUNCHER;
}

static void start_sender(struct gantry_face *face, enum gantry_comeback_sender sender)
{
    struct gantry_comeback *comeback = &face->comeback;
    struct gantry_record *record = face->record;
    char output[] = "output";
    char exit[] = "exit";
    char ask[] = "ask";
    char *wanted = face->relay.state == GANTRY_RELAY_OPEN ? exit : output;
    char *container = comeback->container[0] != '\0' ? comeback->container : record->container;
    char *arguments[] = {
        sender == GANTRY_SENDER_ASKER ? ask : wanted, record->engine, container, comeback->started, face->plugin, NULL};

    comeback->sender = sender;
    if (gantry_program_start_returner(arguments, face->self, &face->channel, &face->launcher) < 0)
        gantry_comeback_end_channel(face);
}

/* The first seeker at once, where the connections were good before. */
static void begin_doubt(struct gantry_comeback *comeback, int64_t now)
{
    bool steady = comeback->whole_ms != 0 && now - comeback->whole_ms >= STEADY_MS;

    comeback->doubt_ms = now;
    comeback->whole_ms = 0;
    comeback->away = false;
    if (steady || comeback->pause_ms == 0)
        comeback->next_ms = 0;
    if (steady)
        comeback->pause_ms = 0;
}

static void end_doubt(struct gantry_comeback *comeback, int64_t now)
{
    comeback->doubt_ms = 0;
    if (comeback->whole_ms == 0)
        comeback->whole_ms = now;
    if (comeback->ask_ms == 0)
        comeback->ask_ms = now + comeback->ask_pause_ms;
}

/* Signs of an end come one by one, and in order the others follow soon. What is lost altogether is looked for now. */
static int64_t grace_of(const struct gantry_face *face)
{
    if (face->channel >= 0 && face->comeback.sender == GANTRY_SENDER_LAUNCHER)
        return LAUNCHER_GRACE_MS;
    return face->relay.state != GANTRY_RELAY_OPEN && !is_awaited(face) && face->comeback.gone_ms == 0 ? 0 : GRACE_MS;
}

static int64_t later(int64_t one, int64_t other)
{
    return one > other ? one : other;
}

static int64_t give_up_at(const struct gantry_comeback *comeback)
{
    int64_t away = comeback->doubt_ms + comeback->timeout_ms;
    int64_t gone;

    if (comeback->gone_ms == 0)
        return away;
    gone = comeback->gone_ms + (comeback->away ? GONE_AWAY_MS : GONE_MS);
    return gone < away ? gone : away;
}

static void give_plugin_up(struct gantry_face *face)
{
    const struct gantry_comeback *comeback = &face->comeback;
    const char *reason = comeback->reason[0] != '\0' ? comeback->reason : "it gives no answer";

    if (comeback->gone_ms != 0) {
        gantry_face_fail(face, "plugin '%s' has ended, with an exit code that only the engine knows, which is away: %s",
                         face->plugin, reason);
    } else {
        gantry_face_fail(face,
                         "the engine that runs plugin '%s' was away for more than %lld s (engine_timeout): %s; look at "
                         "the engine's log",
                         face->plugin, (long long)comeback->timeout_ms / 1000, reason);
    }
}

static bool may_ask(const struct gantry_face *face)
{
    return face->comeback.process < 0 && face->channel < 0 && face->launcher <= 0;
}

static void ask(struct gantry_face *face, int64_t now)
{
    struct gantry_comeback *comeback = &face->comeback;

    if (!may_ask(face) || now < comeback->ask_ms)
        return;
    comeback->ask_pause_ms = comeback->ask_pause_ms * 2 < LONGEST_ASK_MS ? comeback->ask_pause_ms * 2 : LONGEST_ASK_MS;
    comeback->ask_ms = now + comeback->ask_pause_ms;
    start_sender(face, GANTRY_SENDER_ASKER);
}

/* When the next seeker may be started. */
static int64_t seek_at(const struct gantry_face *face)
{
    return later(face->comeback.doubt_ms + grace_of(face), face->comeback.next_ms);
}

static bool is_sought(const struct gantry_face *face)
{
    return face->channel >= 0 && face->comeback.sender == GANTRY_SENDER_SEEKER;
}

static void seek(struct gantry_face *face)
{
    struct gantry_comeback *comeback = &face->comeback;

    drop_sender(face);
    if (face->launcher > 0) /* not yet reaped */
        return;
    comeback->pause_ms = comeback->pause_ms == 0 ? FIRST_PAUSE_MS : comeback->pause_ms * 2;
    if (comeback->pause_ms > LONGEST_PAUSE_MS)
        comeback->pause_ms = LONGEST_PAUSE_MS;
    start_sender(face, GANTRY_SENDER_SEEKER);
}

/* Whether a process that stays, since nobody can take its connection over, is held up by the host's own reading: what
 * it knows of the end, it tells once all of the output is read. */
static bool is_held_up(const struct gantry_face *face)
{
    return face->channel >= 0 && face->comeback.sender == GANTRY_SENDER_LAUNCHER &&
           !gantry_relay_has_room(&face->relay);
}

void gantry_comeback_decide(struct gantry_face *face)
{
    struct gantry_comeback *comeback = &face->comeback;
    int64_t now = gantry_face_now();

    if (is_held_up(face)) {
        comeback->held_up = true;
        comeback->doubt_ms = 0;
        return;
    }
    if (comeback->held_up && comeback->gone_ms != 0) /* its end was to wait for the host */
        comeback->gone_ms = now;
    comeback->held_up = false;
    if (is_whole(face)) {
        end_doubt(comeback, now);
        ask(face, now);
        return;
    }
    if (comeback->doubt_ms == 0)
        begin_doubt(comeback, now);
    if (now >= give_up_at(comeback))
        give_plugin_up(face);
    else if (!is_sought(face) && now >= seek_at(face))
        seek(face);
}

int64_t gantry_comeback_next(const struct gantry_face *face)
{
    const struct gantry_comeback *comeback = &face->comeback;

    if (comeback->doubt_ms == 0)
        return may_ask(face) ? comeback->ask_ms : 0;
    if (is_sought(face) || seek_at(face) > give_up_at(comeback))
        return give_up_at(comeback);
    return seek_at(face);
}
