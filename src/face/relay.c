/* SPDX-License-Identifier: Apache-2.0 */
#include "face/relay.h"

#include "core/system/descriptor.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE 65536
#define MOST_WAITING (256UL * 1024) /* of standard error, before the plugin has to wait */
#define MOST_HANDSHAKE (64UL * 1024 + 1)
#define PIECE 4096 /* what a pipe that polls as writable takes without blocking (PIPE_BUF) */

/* ---- in ---- */

/* Puts messages of our own among the plugin's lines, without tearing one of those apart. */
static void add_own(struct gantry_relay *relay)
{
    size_t size = gantry_buffer_length(&relay->own);

    if (size == 0)
        return;
    if (relay->in_line)
        gantry_buffer_append(&relay->error, "\n", 1);
    relay->in_line = false;
    gantry_buffer_append(&relay->error, gantry_buffer_front(&relay->own), size);
    gantry_buffer_free(&relay->own);
}

static void take_error(struct gantry_relay *relay, const char *bytes, size_t size)
{
    const char *newline = relay->in_line ? memchr(bytes, '\n', size) : NULL;
    size_t line = newline != NULL ? (size_t)(newline - bytes) + 1 : 0;

    if (line > 0 && gantry_buffer_length(&relay->own) > 0) {
        gantry_buffer_append(&relay->error, bytes, line);
        relay->in_line = false;
        add_own(relay);
        bytes += line;
        size -= line;
    }
    if (size == 0)
        return;
    gantry_buffer_append(&relay->error, bytes, size);
    relay->in_line = bytes[size - 1] != '\n';
}

/* What comes after the handshake line: taken by whoever reads at once, or lost. */
static void write_or_drop(const char *bytes, size_t size)
{
    while (size > 0) {
        struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
        ssize_t taken;

        if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT))
            return;
        taken = write(STDOUT_FILENO, bytes, size < PIECE ? size : PIECE);
        if (taken <= 0)
            return;
        bytes += taken;
        size -= (size_t)taken;
    }
}

bool gantry_relay_could_be_handshake(const struct gantry_relay *relay)
{
    const char *line = (const char *)gantry_buffer_front(&relay->output);
    size_t size = gantry_buffer_length(&relay->output);
    int bars = 0;

    for (size_t i = 0; i < size; i++)
        bars += line[i] == '|';
    return bars >= 3;
}

static void relay_take_output(struct gantry_relay *relay, const char *bytes, size_t size)
{
    const char *end;
    size_t line;

    if (relay->passes) {
        gantry_buffer_append(&relay->output, bytes, size);
        return;
    }
    if (relay->handshake_complete) {
        if (gantry_buffer_length(&relay->output) == 0) /* never before the handshake line, which may be held yet */
            write_or_drop(bytes, size);
        return;
    }
    end = memchr(bytes, '\n', size);
    line = end != NULL ? (size_t)(end - bytes) + 1 : size;
    gantry_buffer_append(&relay->output, bytes, line);
    /* What is longer than a host reads is no handshake: out with it, so that the host says so. */
    relay->handshake_complete = end != NULL || gantry_buffer_length(&relay->output) >= MOST_HANDSHAKE;
    relay->handshake_held = relay->handshake_complete;
    relay->passes = relay->handshake_complete && !gantry_relay_could_be_handshake(relay);
    if (relay->passes)
        gantry_buffer_append(&relay->output, bytes + line, size - line);
}

static void relay_take_payload(void *data, enum gantry_stream stream, const char *bytes, size_t size)
{
    struct gantry_relay *relay = data;

    if (stream == GANTRY_ENGINE) {
        char message[512];

        snprintf(message, sizeof message, "the engine says: %.*s", (int)(size < 400 ? size : 400), bytes);
        gantry_relay_say(relay, "error", message);
    } else if (stream == GANTRY_STDERR) {
        gantry_last_line_feed(&relay->last, bytes, size);
        take_error(relay, bytes, size);
    } else {
        relay_take_output(relay, bytes, size);
    }
}

static bool has_input(const struct gantry_relay *relay)
{
    return relay->input >= 0 || relay->pipes[0] >= 0 || relay->pipes[1] >= 0;
}

/* Of the last that there is to read. */
static void end(struct gantry_relay *relay, int *input, enum gantry_relay_state state)
{
    gantry_close(input);
    if (has_input(relay))
        return;
    relay->state = state;
    add_own(relay);
}

void gantry_relay_init(struct gantry_relay *relay)
{
    *relay = (struct gantry_relay){.input = -1, .pipes = {-1, -1}};
}

void gantry_relay_take_pipes(struct gantry_relay *relay, const int pipes[2])
{
    memcpy(relay->pipes, pipes, sizeof relay->pipes);
}

/* What comes next begins with a whole frame. */
static void drop_stream(struct gantry_relay *relay)
{
    if (has_input(relay)) {
        gantry_close(&relay->pipes[0]);
        gantry_close(&relay->pipes[1]);
        end(relay, &relay->input, GANTRY_RELAY_ENDED);
    }
    relay->frames = (struct gantry_stdcopy){0};
    relay->state = GANTRY_RELAY_OPEN;
}

void gantry_relay_attach(struct gantry_relay *relay, int input)
{
    drop_stream(relay);
    if (relay->in_line)
        gantry_buffer_append(&relay->error, "\n", 1);
    relay->in_line = false;
    if (!relay->handshake_complete)
        gantry_buffer_free(&relay->output);
    relay->input = input;
}

void gantry_relay_let_go(struct gantry_relay *relay)
{
    drop_stream(relay);
    gantry_buffer_free(&relay->output);
    relay->last = (struct gantry_last_line){0};
    relay->handshake_complete = relay->handshake_held = false;
}

static char room[READ_SIZE];

void gantry_relay_read(struct gantry_relay *relay)
{
    struct gantry_error err;
    ssize_t got = read(relay->input, room, sizeof room);

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got <= 0) {
        end(relay, &relay->input, got == 0 ? GANTRY_RELAY_ENDED : GANTRY_RELAY_BROKEN);
    } else if (gantry_stdcopy_feed(&relay->frames, room, (size_t)got, relay_take_payload, relay, &err) < 0) {
        gantry_relay_say(relay, "error", err.message);
        end(relay, &relay->input, GANTRY_RELAY_BROKEN);
    }
}

void gantry_relay_read_pipe(struct gantry_relay *relay, int which)
{
    ssize_t got = read(relay->pipes[which], room, sizeof room);

    if (got > 0)
        relay_take_payload(relay, which == 0 ? GANTRY_STDOUT : GANTRY_STDERR, room, (size_t)got);
    else if (got == 0 || (errno != EINTR && errno != EAGAIN))
        end(relay, &relay->pipes[which], GANTRY_RELAY_ENDED);
}

bool gantry_relay_has_room(const struct gantry_relay *relay)
{
    return gantry_buffer_length(&relay->error) < MOST_WAITING &&
           (!relay->passes || gantry_buffer_length(&relay->output) < MOST_WAITING);
}

/* ---- out ---- */

bool gantry_relay_waits(const struct gantry_relay *relay, int fd)
{
    if (fd == STDOUT_FILENO)
        return relay->handshake_complete && !relay->handshake_held && gantry_buffer_length(&relay->output) > 0;
    return gantry_buffer_length(&relay->error) > 0;
}

bool gantry_relay_write(struct gantry_relay *relay, int fd)
{
    struct gantry_buffer *buffer = fd == STDOUT_FILENO ? &relay->output : &relay->error;
    size_t size = gantry_buffer_length(buffer);
    ssize_t taken = write(fd, gantry_buffer_front(buffer), size < PIECE ? size : PIECE);

    if (taken < 0)
        return errno == EINTR || errno == EAGAIN;
    gantry_buffer_consume(buffer, (size_t)taken);
    if (gantry_buffer_length(buffer) == 0)
        gantry_buffer_free(buffer);
    return true;
}

/* ---- messages ---- */

/* Appends text as the inside of a JSON string. */
static void append_escaped(struct gantry_buffer *buffer, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        char escaped[8];

        if (byte == '"' || byte == '\\')
            snprintf(escaped, sizeof escaped, "\\%c", byte);
        else if (byte < ' ')
            snprintf(escaped, sizeof escaped, "\\u%04x", byte);
        else
            snprintf(escaped, sizeof escaped, "%c", byte);
        gantry_buffer_append(buffer, escaped, strlen(escaped));
    }
}

static void timestamp(char text[40])
{
    struct timeval now;
    struct tm parts;
    size_t length;

    gettimeofday(&now, NULL);
    gmtime_r(&now.tv_sec, &parts);
    length = strftime(text, 40, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + length, 40 - length, ".%06ldZ", (long)now.tv_usec);
}

static void say_in_json(struct gantry_relay *relay, const char *level, const char *message)
{
    char head[160];
    char now[40];
    int length;

    timestamp(now);
    length = snprintf(head, sizeof head,
                      "{\"@level\":\"%s\",\"@module\":\"gantry\",\"@timestamp\":\"%s\",\"@message\":\"", level, now);
    gantry_buffer_append(&relay->own, head, (size_t)length);
    append_escaped(&relay->own, message);
    gantry_buffer_append(&relay->own, "\"}\n", 3);
}

/* [ERROR] gantry: ..., as programs of Go's plain logger have it. */
static void say_plainly(struct gantry_relay *relay, const char *level, const char *message)
{
    gantry_buffer_append(&relay->own, "[", 1);
    for (; *level != '\0'; level++) {
        char upper = (char)toupper((unsigned char)*level);

        gantry_buffer_append(&relay->own, &upper, 1);
    }
    gantry_buffer_append(&relay->own, "] gantry: ", strlen("] gantry: "));
    for (; *message != '\0'; message++) /* it is one line, and may hold what a plugin said */
        gantry_buffer_append(&relay->own, iscntrl((unsigned char)*message) ? " " : message, 1);
    gantry_buffer_append(&relay->own, "\n", 1);
}

void gantry_relay_say(struct gantry_relay *relay, const char *level, const char *message)
{
    (relay->plain ? say_plainly : say_in_json)(relay, level, message);
    if (!relay->in_line || !has_input(relay))
        add_own(relay);
}

void gantry_relay_add_lines(struct gantry_relay *relay, const char *lines, size_t size)
{
    gantry_buffer_append(&relay->own, lines, size);
    if (!relay->in_line || !has_input(relay))
        add_own(relay);
}
