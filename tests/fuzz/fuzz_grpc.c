/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_grpc.c: a plugin whose HTTP/2 is anything: each call ends exactly once, and the connection as well.
 *
 * Input: a byte of how (whether the peer's bytes are raw or frames, what callbacks do), four bytes that choose the
 * chunks, then the bytes; or frames, each as a byte of its type, one of its flags, one of its stream, one of how much
 * payload follows, and the payload. A block of headers may be picks of fields that are usual. */
#include "core/grpc/grpc.h"

#include "fuzz_socket.h"

enum { RAW = 1, CANCEL = 2, PAUSE = 4, FREE_CONNECTION = 8, FINISH_LATE = 16, SMALL = 32 };
enum { TYPE_HEADERS = 1, TYPE_COUNT = 12, PICKS = 0x80, FRAME_HEAD = 9 };

struct peer_bytes {
    uint8_t bytes[32768];
    size_t size;
};

struct talk {
    struct gantry_grpc *connection;
    unsigned how;
    bool closed;
    struct spoken {
        struct talk *talk;
        struct gantry_grpc_call *call;
        bool ended;
        bool paused;
    } calls[2];
};

/* ---- the peer ---- */

static void put(struct peer_bytes *out, const void *bytes, size_t size)
{
    if (size > sizeof out->bytes - out->size)
        size = sizeof out->bytes - out->size;
    memcpy(out->bytes + out->size, bytes, size);
    out->size += size;
}

static void put_frame(struct peer_bytes *out, uint8_t type, uint8_t flags, uint8_t stream, const void *payload,
                      size_t size)
{
    const uint8_t head[FRAME_HEAD] = {0, (uint8_t)(size >> 8), (uint8_t)size, type, flags, 0, 0, 0, stream};

    put(out, head, sizeof head);
    put(out, payload, size);
}

/* A field that goes into no table (RFC 7541, 6.2.2), neither name nor value as long as 127 bytes. */
static void put_field(struct peer_bytes *block, const char *name, const char *value)
{
    uint8_t lengths[2] = {0, (uint8_t)strlen(name)};

    put(block, lengths, 2);
    put(block, name, strlen(name));
    lengths[0] = (uint8_t)strlen(value);
    put(block, lengths, 1);
    put(block, value, strlen(value));
}

static void put_picked_headers(struct peer_bytes *out, uint8_t flags, uint8_t stream, const uint8_t *picks, size_t size)
{
    static const char *const fields[][2] = {
        {":status", "200"},
        {"content-type", "application/grpc"},
        {"grpc-status", "0"},
        {"grpc-message", "a%20%C3"},
        {"grpc-status", "99999"},
        {"content-type", "text/html"},
        {":status", "503"},
        {"x-bin", "AAA"},
        {"grpc-status", ""},
        {":status", "100"},
        {"x", ""},
        {"grpc-status", "13"},
    };
    struct peer_bytes block = {.size = 0};

    for (size_t i = 0; i < size; i++)
        put_field(&block, fields[picks[i] % 12][0], fields[picks[i] % 12][1]);
    put_frame(out, TYPE_HEADERS, flags, stream, block.bytes, block.size);
}

static void build_frames(struct peer_bytes *out, const uint8_t *data, size_t size)
{
    put_frame(out, 4, 0, 0, "", 0); /* SETTINGS, which come first */
    while (size >= 4) {
        uint8_t type = data[0] % TYPE_COUNT;
        uint8_t flags = data[1];
        uint8_t stream = data[2] % 8;
        size_t length = data[3];

        data += 4;
        size -= 4;
        if (length > size)
            length = size;
        if (type == TYPE_HEADERS && (flags & PICKS))
            put_picked_headers(out, flags & ~PICKS, stream, data, length);
        else
            put_frame(out, type, flags, stream, data, length);
        data += length;
        size -= length;
    }
}

/* ---- the client ---- */

static void connection_closed(void *data, const struct gantry_error *why)
{
    struct talk *talk = data;

    HOLDS(!talk->closed && why->code != NULL && why->message[0] != '\0');
    talk->closed = true;
}

static void message_came(void *data, const void *bytes, size_t length)
{
    struct spoken *spoken = data;

    HOLDS(!spoken->ended && !spoken->paused && spoken->call != NULL);
    free(exact_copy(bytes, length));
    if (spoken->talk->how & PAUSE) {
        spoken->paused = true;
        gantry_grpc_call_pause(spoken->call);
    }
    if (spoken->talk->how & CANCEL) {
        gantry_grpc_call_free(spoken->call);
        spoken->call = NULL;
    }
}

static void call_ended(void *data, const struct gantry_grpc_end *end)
{
    struct spoken *spoken = data;

    HOLDS(!spoken->ended && spoken->call != NULL && end->status >= 0 && end->status <= 16);
    spoken->ended = true;
    free(exact_copy(end->message, end->message_length));
    for (size_t i = 0; i < end->trailer_count; i++)
        HOLDS(end->trailers[i].value[end->trailers[i].value_length] == '\0' && end->trailers[i].name[0] != '\0');
    if (spoken->talk->how & FREE_CONNECTION) {
        gantry_grpc_free(spoken->talk->connection);
        spoken->talk->connection = NULL;
    }
}

static void begin_calls(struct talk *talk)
{
    struct gantry_error err;

    for (int i = 0; i < 2; i++) {
        struct spoken *spoken = &talk->calls[i];
        struct gantry_grpc_call_options options = {.path = "/a.B/C",
                                                   .limit = talk->how & SMALL ? 8 : 0,
                                                   .on_message = message_came,
                                                   .on_end = call_ended,
                                                   .data = spoken};

        spoken->talk = talk;
        HOLDS(gantry_grpc_call_new(talk->connection, &options, &spoken->call, &err) == 0);
        HOLDS(gantry_grpc_call_send(spoken->call, "hello", 5, &err) == 0);
        if (!(talk->how & FINISH_LATE))
            gantry_grpc_call_finish(spoken->call);
    }
}

static void let_go(struct talk *talk)
{
    for (int i = 0; i < 2; i++) {
        if (!talk->calls[i].paused || talk->calls[i].call == NULL)
            continue;
        talk->calls[i].paused = false;
        gantry_grpc_call_resume(talk->calls[i].call);
    }
}

static void converse(struct talk *talk, struct gantry_loop *loop, struct peer *peer)
{
    int idle = 0;

    while (!talk->closed && talk->connection != NULL) {
        bool busy = step(loop, 0) > 0;

        busy = act(peer) || busy;
        let_go(talk);
        if (!busy && !talk->closed && step(loop, 100) == 0)
            HOLDS(++idle < MOST_IDLE);
    }
    step(loop, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t head = 1 + sizeof(uint32_t);
    struct talk talk = {.closed = false};
    struct gantry_grpc_options options = {.socket = listen_once(), .on_closed = connection_closed, .data = &talk};
    struct peer_bytes bytes;
    struct peer peer;
    struct gantry_error err;
    struct gantry_loop *loop = loop_once();
    uint32_t seed;

    if (size < head)
        return 0;
    talk.how = data[0];
    memcpy(&seed, data + 1, sizeof seed);
    bytes.size = 0;
    if (talk.how & RAW)
        put(&bytes, data + head, size - head);
    else
        build_frames(&bytes, data + head, size - head);
    HOLDS(gantry_grpc_connect(loop, &options, &talk.connection, &err) == 0);
    begin_calls(&talk);
    peer = new_peer(bytes.bytes, bytes.size, seed);
    converse(&talk, loop, &peer);
    gantry_grpc_call_free(talk.calls[0].call);
    gantry_grpc_free(talk.connection);
    gantry_grpc_call_free(talk.calls[1].call);
    end_all(&peer);
    return 0;
}
