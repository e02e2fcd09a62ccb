/* SPDX-License-Identifier: Apache-2.0
 *
 * monitor_messages.c: what a monitor says. What is not understood is passed over: a newer one may say more. */
#include "core/monitor/monitor_internal.h"
#include "core/system/descriptor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_WORDS 6

struct words {
    struct gantry_monitor *monitor;
    char *words[MOST_WORDS]; /* the message's name first; "" where there are no more */
    const char *payload;
    size_t length;
    const int *fds;
    size_t count;
};

static void message_split(struct gantry_monitor *monitor, size_t length, struct words *message)
{
    char *end = memchr(monitor->bytes, '\n', length);
    char *at = monitor->bytes;
    char *rest = NULL;

    message->payload = end != NULL ? end + 1 : monitor->bytes + length;
    message->length = (size_t)(monitor->bytes + length - message->payload);
    if (end != NULL)
        *end = '\0';
    for (size_t i = 0; i < MOST_WORDS; i++) {
        char *word = strtok_r(at, " ", &rest);
        static char none[] = "";

        message->words[i] = word != NULL ? word : none;
        at = NULL;
    }
}

static int64_t number(const struct words *message, size_t which)
{
    return strtoll(message->words[which], NULL, 10);
}

static void close_handed(const struct words *message, size_t first)
{
    for (size_t i = first; i < message->count; i++)
        close(message->fds[i]);
}

/* ---- the messages ---- */

static void take_pipes(struct words *message)
{
    const struct gantry_monitor_event event = {.kind = GANTRY_MONITOR_PIPES};

    if (message->count < 2) {
        close_handed(message, 0);
        return;
    }
    close_handed(message, 2);
    gantry_monitor_take_pipes(message->monitor, message->fds);
    gantry_monitor_tell(message->monitor, &event);
}

static void take_created(struct words *message)
{
    struct gantry_monitor *monitor = message->monitor;
    const struct gantry_monitor_event event = {.kind = GANTRY_MONITOR_CREATED, .pid = (pid_t)number(message, 1)};

    if (message->count < 1 || monitor->pid != 0) {
        close_handed(message, 0);
        return;
    }
    close_handed(message, 1);
    gantry_monitor_take_pidfd(monitor, message->fds[0]);
    monitor->pid = event.pid;
    gantry_monitor_tell(monitor, &event);
}

static void greet(struct words *message, struct gantry_monitor_event *event, size_t first_lost)
{
    struct gantry_error ignored;

    event->lost[0] = number(message, first_lost);
    event->lost[1] = number(message, first_lost + 1);
    message->monitor->is_adopting = true;
    if (message->monitor->is_paused)
        gantry_watch_modify(message->monitor->connection_watch, 0, &ignored);
    gantry_monitor_take_pipes(message->monitor, message->fds);
    gantry_monitor_tell(message->monitor, event);
}

static void take_running(struct words *message)
{
    struct gantry_monitor_event event = {.kind = GANTRY_MONITOR_RUNNING, .pid = (pid_t)number(message, 1)};

    if (message->count < 3) {
        close_handed(message, 0);
        return;
    }
    close_handed(message, 3);
    gantry_monitor_take_pidfd(message->monitor, message->fds[2]);
    message->monitor->pid = event.pid;
    greet(message, &event, 2);
}

static void take_starting(struct words *message)
{
    struct gantry_monitor_event event = {.kind = GANTRY_MONITOR_STARTING};

    if (message->count < 2) {
        close_handed(message, 0);
        return;
    }
    close_handed(message, 2);
    greet(message, &event, 1);
}

static void take_tail(struct words *message)
{
    int64_t stream = number(message, 1);
    const struct gantry_monitor_callbacks *callbacks = &message->monitor->callbacks;

    if ((stream == 1 || stream == 2) && message->length > 0 && callbacks->on_output != NULL)
        callbacks->on_output(callbacks->data, (int)stream, message->payload, message->length);
}

static void take_tail_end(struct words *message)
{
    struct gantry_error ignored;

    gantry_monitor_send(message->monitor, MONITOR_TOOK, NULL, 0, NULL, 0, &ignored);
    message->monitor->is_adopting = false;
    gantry_monitor_read(message->monitor);
}

static void take_exit(struct words *message)
{
    const struct gantry_monitor_event outcome = {.kind = GANTRY_MONITOR_EXIT,
                                                 .code = (int)number(message, 1),
                                                 .signal = (int)number(message, 2),
                                                 .wall_ns = number(message, 3),
                                                 .monotonic_ns = number(message, 4),
                                                 .is_known = true};

    gantry_monitor_over(message->monitor, &outcome);
}

static void take_failed(struct words *message)
{
    struct gantry_monitor *monitor = message->monitor;
    const struct gantry_monitor_event outcome = {.kind = GANTRY_MONITOR_FAILED,
                                                 .code = (int)number(message, 2),
                                                 .reason = monitor->reason,
                                                 .text = monitor->text};

    snprintf(monitor->reason, sizeof monitor->reason, "%s", message->words[1]);
    snprintf(monitor->text, sizeof monitor->text, "%s", message->payload);
    gantry_monitor_over(monitor, &outcome);
}

static void take_replaced(struct words *message)
{
    static const int none[] = {-1, -1};
    const struct gantry_monitor_event event = {.kind = GANTRY_MONITOR_REPLACED};

    gantry_monitor_take_pipes(message->monitor, none);
    gantry_monitor_drop_connection(message->monitor);
    gantry_monitor_tell(message->monitor, &event);
}

static void take_state(struct words *message)
{
    const struct gantry_monitor_event event = {.kind = GANTRY_MONITOR_STATE,
                                               .reason = message->words[1],
                                               .pid = (pid_t)number(message, 2),
                                               .is_owned = number(message, 3) != 0};

    gantry_monitor_drop_connection(message->monitor);
    gantry_monitor_tell(message->monitor, &event);
}

static void take_helper(struct words *message)
{
    const struct gantry_monitor_event event = {.kind = GANTRY_MONITOR_HELPER, .pid = (pid_t)number(message, 1)};

    gantry_monitor_tell(message->monitor, &event);
}

static void take_helper_failed(struct words *message)
{
    const struct gantry_monitor_event event = {.kind = GANTRY_MONITOR_HELPER_FAILED, .code = (int)number(message, 1)};

    gantry_monitor_tell(message->monitor, &event);
}

static void take_helper_ended(struct words *message)
{
    const struct gantry_monitor_event event = {.kind = GANTRY_MONITOR_HELPER_ENDED,
                                               .pid = (pid_t)number(message, 1),
                                               .code = (int)number(message, 2),
                                               .signal = (int)number(message, 3)};

    gantry_monitor_tell(message->monitor, &event);
}

static const struct {
    const char *name;
    void (*take)(struct words *message);
    bool brings_descriptors;
} messages[] = {
    {MONITOR_PIPES, take_pipes, true},
    {MONITOR_CREATED, take_created, true},
    {MONITOR_RUNNING, take_running, true},
    {MONITOR_STARTING, take_starting, true},
    {MONITOR_TAIL, take_tail, false},
    {MONITOR_TAIL_END, take_tail_end, false},
    {MONITOR_EXIT, take_exit, false},
    {MONITOR_FAILED, take_failed, false},
    {MONITOR_REPLACED, take_replaced, false},
    {MONITOR_STATE, take_state, false},
    {MONITOR_HELPER_STARTED, take_helper, false},
    {MONITOR_HELPER_FAILED, take_helper_failed, false},
    {MONITOR_HELPER_ENDED, take_helper_ended, false},
};

void gantry_monitor_hear(struct gantry_monitor *monitor, size_t length, const int *fds, size_t count)
{
    struct words message = {.monitor = monitor, .fds = fds, .count = count};

    message_split(monitor, length, &message);
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        if (strcmp(messages[i].name, message.words[0]) != 0)
            continue;
        if (!messages[i].brings_descriptors)
            close_handed(&message, 0);
        messages[i].take(&message);
        return;
    }
    close_handed(&message, 0);
}
