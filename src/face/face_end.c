/* SPDX-License-Identifier: Apache-2.0 */
#include "face/face_end.h"

#include "core/system/channel.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FLUSH_MS 1000 /* for a host that reads slowly */

int64_t gantry_face_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void gantry_face_end(struct gantry_face *face, int status)
{
    if (face->flush_by_ms != 0)
        return;
    face->status = status;
    /* Who has asked reads all of the answer, at its own pace, or goes away. */
    face->flush_by_ms = face->kind == GANTRY_HOST_ASKS ? INT64_MAX : gantry_face_now() + FLUSH_MS;
    face->relay.handshake_held = false;
}

void gantry_face_show(struct gantry_face *face, const char *reason)
{
    gantry_buffer_append(&face->relay.output, "gantry: ", strlen("gantry: "));
    for (const char *at = reason; *at != '\0'; at++) /* what a plugin said may hold what a terminal acts on */
        gantry_buffer_append(&face->relay.output, *at == '|' || iscntrl((unsigned char)*at) ? "/" : at, 1);
    gantry_buffer_append(&face->relay.output, "\n", 1);
    face->relay.handshake_complete = true;
}

void gantry_face_fail(struct gantry_face *face, const char *format, ...)
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
        gantry_face_show(face, reason);
    }
    gantry_face_end(face, 1);
}
