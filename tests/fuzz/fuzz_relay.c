/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_relay.c: an attached stream of any bytes, cut anywhere, leaves the same for the host: the first line of standard
 * output, held until it is let go, then parsed as a handshake; and whole lines of our own among standard error.
 *
 * Input: four bytes that choose the chunks, then the stream. */
#include "core/plugin/handshake.h"
#include "face/relay.h"

#include "fuzz.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

static void write_chunk(int end, const char *bytes, size_t size)
{
    HOLDS(write(end, bytes, size) == (ssize_t)size);
}

static void check_handshake(const struct gantry_relay *relay)
{
    size_t size = gantry_buffer_length(&relay->output);
    struct gantry_handshake handshake;
    struct gantry_error err;
    char *line;

    HOLDS(!relay->handshake_held || size > 0);
    HOLDS(!relay->handshake_held || !gantry_relay_waits(relay, STDOUT_FILENO));
    if (size == 0 || relay->passes)
        return;
    line = exact_copy(gantry_buffer_front(&relay->output), size);
    HOLDS(!relay->handshake_complete || line[size - 1] == '\n');
    if (gantry_handshake_parse(line, size, &handshake, &err) == 0)
        HOLDS(handshake.address.bytes >= line && handshake.address.bytes + handshake.address.size <= line + size);
    free(line);
}

/* Reads the stream to its end or to where it is broken. Standard error's size is the only thing that chunks change: a
 * message of the engine's own comes once for each of its pieces. */
static void run(struct gantry_relay *relay, const char *bytes, size_t size, size_t fixed, uint32_t seed)
{
    unsigned count = 0;
    int ends[2];

    HOLDS(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    gantry_relay_init(relay);
    relay->input = ends[0];
    for (size_t at = 0; at < size && relay->state == GANTRY_RELAY_OPEN;) {
        size_t chunk = fixed > 0 ? fixed : next_chunk(&seed) << (count++ / 8);

        if (chunk > size - at)
            chunk = size - at;
        write_chunk(ends[1], bytes + at, chunk);
        gantry_relay_read(relay);
        at += chunk;
        if (at % 5 == 0)
            gantry_relay_say(relay, "warn", "of \"our\" own\n");
    }
    close(ends[1]);
    /* Whoever looks at our descriptors in /proc keeps the end just closed open for a moment longer. */
    while (relay->state == GANTRY_RELAY_OPEN) {
        struct pollfd input = {.fd = relay->input, .events = POLLIN};

        HOLDS(poll(&input, 1, 1000) == 1);
        gantry_relay_read(relay);
    }
    HOLDS(relay->input == -1);
    HOLDS(gantry_buffer_length(&relay->own) == 0);
    check_handshake(relay);
}

/* Lets the handshake go, and forgets all. */
static void drain(struct gantry_relay *relay)
{
    relay->handshake_held = false;
    while (gantry_relay_waits(relay, STDOUT_FILENO))
        HOLDS(gantry_relay_write(relay, STDOUT_FILENO));
    gantry_buffer_free(&relay->output);
    gantry_buffer_free(&relay->error);
    gantry_buffer_free(&relay->own);
}

/* The relay writes to descriptor 1, of which nobody here reads. */
static void silence_output(void)
{
    static bool silent;
    int nowhere;

    if (silent)
        return;
    fflush(stdout);
    nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    HOLDS(nowhere >= 0 && dup2(nowhere, STDOUT_FILENO) == STDOUT_FILENO);
    close(nowhere);
    silent = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *stream = (const char *)data + sizeof(uint32_t);
    struct gantry_relay whole;
    struct gantry_relay chunked;
    size_t output;
    uint32_t seed;

    if (size < sizeof seed || size > 60000)
        return 0;
    silence_output();
    memcpy(&seed, data, sizeof seed);
    size -= sizeof seed;
    run(&whole, stream, size, size, seed);
    run(&chunked, stream, size, 0, seed);
    output = gantry_buffer_length(&whole.output);
    HOLDS(whole.state == chunked.state && whole.passes == chunked.passes);
    HOLDS(whole.handshake_complete == chunked.handshake_complete);
    HOLDS(output == gantry_buffer_length(&chunked.output));
    HOLDS(output == 0 || memcmp(gantry_buffer_front(&whole.output), gantry_buffer_front(&chunked.output), output) == 0);
    drain(&whole);
    drain(&chunked);
    return 0;
}
