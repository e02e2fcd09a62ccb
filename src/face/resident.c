/* SPDX-License-Identifier: Apache-2.0 */
#include "face/resident.h"

#include "core/system/channel.h"
#include "core/system/descriptor.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MS 2000 /* a launch of one's own takes less than many times this, whatever holds the resident up */

static const int no_descriptors[] = {-1, -1};

static int resident_connect(const char *folder, const char *below)
{
    char path[PATH_MAX];
    int fd;

    if (folder == NULL || folder[0] != '/')
        return -1;
    if (snprintf(path, sizeof path, "%s%s/.hosts.sock", folder, below) >= (int)sizeof path)
        return -1;
    return gantry_channel_connect(path, &fd) == 0 ? fd : -1;
}

/* Where a resident of this user may have its runtime directory, but for one that a file of settings names: whoever
 * listens is looked at, so a folder of somebody else's does no harm. */
static int connect_to_resident(void)
{
    const char *named = getenv("GANTRY_RUNTIME_DIR");
    char of_user[64];
    char in_tmp[64];
    int fd;

    if (named != NULL && named[0] != '\0')
        return resident_connect(named, "");
    snprintf(of_user, sizeof of_user, "/run/user/%u", (unsigned)geteuid());
    snprintf(in_tmp, sizeof in_tmp, "/tmp/gantry-%u", (unsigned)geteuid());
    fd = resident_connect(getenv("XDG_RUNTIME_DIR"), "/gantry");
    if (fd < 0)
        fd = resident_connect(of_user, "/gantry");
    if (fd < 0)
        fd = geteuid() == 0 ? resident_connect("/run/gantry", "") : resident_connect(in_tmp, "");
    return fd;
}

static int request(int channel, const char *path, int arguments, const int output[2])
{
    char text[PATH_MAX + 128];
    struct gantry_error err;
    int size = snprintf(text, sizeof text, "%s%c%s%c%d", GANTRY_VERSION, '\0', path, '\0', arguments);

    return gantry_channel_send(channel, GANTRY_CHANNEL_REQUEST, text, (size_t)size, output, &err);
}

/* Waits for the first packet, for a while. */
static int await_answer(int channel, struct gantry_packet *packet)
{
    struct pollfd watched = {.fd = channel, .events = POLLIN};

    if (poll(&watched, 1, ANSWER_MS) != 1 || gantry_channel_receive(channel, packet) == 0)
        return -1;
    return packet->kind == GANTRY_CHANNEL_RECORD ? 0 : -1;
}

/* Copies the text at `at`, which ends at a zero byte, and passes over it; false where there is no such room. */
static bool resident_take_text(const char **at, const char *end, char *to, size_t size)
{
    size_t length = strnlen(*at, (size_t)(end - *at));

    if (length >= size)
        return false;
    memcpy(to, *at, length);
    to[length] = '\0';
    *at += length + (*at + length < end ? 1 : 0);
    return true;
}

static int write_down(struct gantry_record *record, const struct gantry_packet *packet)
{
    const char *at = packet->text;
    const char *end = packet->text + packet->size;

    if (!resident_take_text(&at, end, record->engine, sizeof record->engine) ||
        !resident_take_text(&at, end, record->container, sizeof record->container) ||
        !resident_take_text(&at, end, record->root, sizeof record->root) ||
        !resident_take_text(&at, end, record->directory, sizeof record->directory) || record->container[0] == '\0')
        return -1;
    atomic_store(&record->stage, GANTRY_RECORD_MADE);
    return 0;
}

static int resident_take_record(int channel, struct gantry_record *record)
{
    static struct gantry_packet packet;
    struct gantry_error err;

    if (await_answer(channel, &packet) < 0 || write_down(record, &packet) < 0)
        return -1;
    if (gantry_channel_send(channel, GANTRY_CHANNEL_TAKEN, "", 0, no_descriptors, &err) == 0)
        return 0;
    atomic_store(&record->stage, GANTRY_RECORD_EMPTY); /* it has heard nothing, and is gone */
    return -1;
}

static void resident_hang_up(struct gantry_resident *resident)
{
    gantry_close(&resident->channel);
    gantry_close(&resident->pipes[0]);
    gantry_close(&resident->pipes[1]);
}

/* Asks with the ends to write to, which from then on nobody has here. */
static int ask_with_pipes(struct gantry_resident *resident, const char *path, int arguments)
{
    int output[2] = {-1, -1};
    int result = 0;

    for (int i = 0; i < 2 && result == 0; i++) {
        struct gantry_error err;
        int ends[2];

        result = gantry_descriptor_pipe(ends, &err);
        if (result == 0) {
            resident->pipes[i] = ends[0];
            output[i] = ends[1];
        }
    }
    if (result == 0)
        result = request(resident->channel, path, arguments, output);
    gantry_close(&output[0]);
    gantry_close(&output[1]);
    return result;
}

int gantry_resident_ask(const char *policy, int arguments, struct gantry_resident *resident)
{
    char path[PATH_MAX];

    *resident = (struct gantry_resident){.channel = -1, .pipes = {-1, -1}};
    if (realpath(policy, path) == NULL)
        return -1;
    resident->channel = connect_to_resident();
    if (resident->channel < 0)
        return -1;
    if (ask_with_pipes(resident, path, arguments) == 0)
        return 0;
    resident_hang_up(resident);
    return -1;
}

int gantry_resident_take(struct gantry_resident *resident, struct gantry_record *record)
{
    if (resident_take_record(resident->channel, record) == 0)
        return 0;
    resident_hang_up(resident);
    return -1;
}
