/* SPDX-License-Identifier: Apache-2.0
 *
 * helper.c: programs that end with the container. */
#include "core/system/packet.h"
#include "monitor/children.h"
#include "monitor/state.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define MOST_ARGUMENTS 128

/* Of a helper alone: an owner that does not read meanwhile does not learn it. */
static void tell_at_once(const struct monitor *monitor, const struct gantry_text *head)
{
    if (monitor->owner.fd >= 0)
        gantry_packet_send(monitor->owner.fd, head->bytes, NULL, 0, NULL, 0);
}

static void tell_end(const struct monitor *monitor, pid_t pid, int status)
{
    struct gantry_text head = gantry_text_begin(MONITOR_HELPER_ENDED);

    gantry_text_number(&head, pid);
    gantry_text_number(&head, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
    gantry_text_number(&head, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    tell_at_once(monitor, &head);
}

/* ---- their start and end ---- */

static size_t split_arguments(char *bytes, size_t length, char *arguments[MOST_ARGUMENTS])
{
    size_t count = 0;

    if (length == 0 || bytes[length - 1] != '\0')
        return 0;
    for (size_t at = 0; at < length && count + 1 < MOST_ARGUMENTS; at += strlen(bytes + at) + 1)
        arguments[count++] = bytes + at;
    arguments[count] = NULL;
    return count;
}

static pid_t *free_place(struct monitor *monitor)
{
    for (size_t i = 0; i < MONITOR_MOST_HELPERS; i++)
        if (monitor->helpers[i] == 0)
            return &monitor->helpers[i];
    return NULL;
}

/* The first of its descriptors is its standard output and error. */
static void fill_helper(struct monitor_child *child, int null, const int *fds, size_t count)
{
    child->fds[0] = null;
    child->fds[1] = count > 0 ? fds[0] : null;
    child->fds[2] = child->fds[1];
    child->count = 3;
    for (size_t i = 1; i < count; i++)
        child->fds[child->count++] = fds[i];
}

static int start_helper(struct monitor *monitor, char *bytes, size_t length, const int *fds, size_t count)
{
    char *arguments[MOST_ARGUMENTS];
    struct monitor_child child = {.arguments = arguments, .dies_with_us = true};
    pid_t *place = free_place(monitor);
    pid_t pid = 0;
    int error;

    if (monitor->stage != MONITOR_STAGE_RUNNING)
        return ESRCH;
    if (place == NULL)
        return EAGAIN;
    if (split_arguments(bytes, length, arguments) == 0 || arguments[0][0] != '/')
        return EINVAL;
    fill_helper(&child, monitor->null, fds, count);
    error = monitor_run(&child, &pid);
    if (error == 0)
        *place = pid;
    return error;
}

void monitor_helper_ask(struct monitor *monitor, char *bytes, size_t length, const int *fds, size_t count)
{
    const size_t skipped = strlen(MONITOR_HELPER) + 1;
    pid_t *place = free_place(monitor);
    int error = start_helper(monitor, bytes + skipped, length - skipped, fds, count);
    struct gantry_text head = gantry_text_begin(error == 0 ? MONITOR_HELPER_STARTED : MONITOR_HELPER_FAILED);

    gantry_text_number(&head, error == 0 ? *place : error);
    tell_at_once(monitor, &head);
}

bool monitor_helper_ended(struct monitor *monitor, pid_t pid, int status)
{
    for (size_t i = 0; i < MONITOR_MOST_HELPERS; i++) {
        if (monitor->helpers[i] == pid) {
            monitor->helpers[i] = 0;
            tell_end(monitor, pid, status);
            return true;
        }
    }
    return false;
}

void monitor_helper_kill_all(const struct monitor *monitor)
{
    for (size_t i = 0; i < MONITOR_MOST_HELPERS; i++)
        if (monitor->helpers[i] > 0)
            kill(monitor->helpers[i], SIGKILL);
}
