/* SPDX-License-Identifier: Apache-2.0
 *
 * test_grpc_flood.c: a peer that sends without end holds nobody: timers go on, and so does the end of the connection.
 *
 * The peer is a thread that writes one piece over and over for as long as its socket takes it. Nothing here depends on
 * how fast anything is: a loop that is held never gets to its ticks, and the test to its end. */
#include "grpc_fixture.h"

#include <malloc.h>
#include <pthread.h>

#define TICKS 20
#define MOST_MEMORY (48UL * 1024 * 1024)

struct flood {
    int fd;
    const uint8_t *bytes;
    size_t length;
};

struct ticker {
    struct gantry_timer *timer;
    int ticks;
};

static void *write_without_end(void *data)
{
    const struct flood *flood = data;

    while (send(flood->fd, flood->bytes, flood->length, MSG_NOSIGNAL) > 0)
        continue;
    return NULL;
}

static void tick(void *data)
{
    struct ticker *ticker = data;

    ticker->ticks++;
    gantry_timer_set(ticker->timer, 1000000);
}

/* ---- frames ---- */

static size_t put_frame(uint8_t *at, uint8_t type, uint8_t flags, uint8_t stream, const uint8_t *payload, size_t length)
{
    const uint8_t head[] = {
        (uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length, type, flags, 0, 0, 0, stream};

    memcpy(at, head, sizeof head);
    if (length > 0)
        memcpy(at + sizeof head, payload, length);
    return sizeof head + length;
}

static size_t repeat(uint8_t *bytes, size_t size, const uint8_t *frame, size_t length)
{
    size_t used = 0;

    while (used + length <= size) {
        memcpy(bytes + used, frame, length);
        used += length;
    }
    return used;
}

/* A field of 4000 bytes for HPACK's dynamic table, literally; each later byte 0xbe stands for it again. */
static size_t put_large_field(uint8_t *at)
{
    static const uint8_t head[] = {0x40, 1, 'x', 0x7f, 0xa1, 0x1e}; /* literal with indexing; 127 + 0x21 + 0x1e * 128 */

    memcpy(at, head, sizeof head);
    memset(at + sizeof head, 'v', 4000);
    return sizeof head + 4000;
}

/* ---- the peer ---- */

struct peer {
    struct server server;
    char path[128];
    int listener;
    int fd;
    struct client client;
    struct call call;
    struct ticker ticker;
};

static void open_peer(struct peer *peer)
{
    static const uint8_t settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
    struct gantry_error err;
    uint8_t greeting[4096];

    memset(peer, 0, sizeof *peer);
    snprintf(peer->server.directory, sizeof peer->server.directory, "/tmp/gantry-flood-XXXXXX");
    assert_non_null(mkdtemp(peer->server.directory));
    peer->listener = listen_beside(&peer->server, "bytes", peer->path, sizeof peer->path);
    connect_client(&peer->client, peer->path, NULL);
    begin_unary(&peer->client, &peer->call, "/a.B/C", "x", 1);
    step(&peer->client);
    peer->fd = accept(peer->listener, NULL, NULL);
    assert_true(recv(peer->fd, greeting, sizeof greeting, MSG_DONTWAIT) > 24);
    assert_int_equal(send(peer->fd, settings, sizeof settings, 0), sizeof settings);
    while (peer->client.ready == 0)
        step(&peer->client);
    assert_ok(gantry_timer_new(peer->client.loop, tick, &peer->ticker, &peer->ticker.timer, &err));
    gantry_timer_set(peer->ticker.timer, 1000000);
}

static void close_peer(struct peer *peer)
{
    gantry_timer_free(peer->ticker.timer);
    gantry_grpc_call_free(peer->call.call);
    close_client(&peer->client);
    close(peer->fd);
    close(peer->listener);
    unlink(peer->path);
    rmdir(peer->server.directory);
}

/* Lets the peer write until `enough` says so. */
static void flood_until(struct peer *peer, const uint8_t *bytes, size_t length, bool (*enough)(const struct peer *))
{
    struct flood flood = {peer->fd, bytes, length};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, write_without_end, &flood), 0);
    while (!enough(peer))
        step(&peer->client);
    shutdown(peer->fd, SHUT_RDWR);
    pthread_join(thread, NULL);
}

static bool has_ticked_or_closed(const struct peer *peer)
{
    return peer->ticker.ticks >= TICKS || peer->client.closed > 0;
}

static bool has_closed(const struct peer *peer)
{
    return peer->client.closed > 0;
}

/* ---- tests ---- */

static void no_frame_without_end_holds_the_loop_or_takes_memory(void **state)
{
    static const uint8_t ping[8] = {0};
    static const uint8_t goaway[] = {0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0};
    static const uint8_t reset[] = {0, 0, 0, 8};
    static const uint8_t increment[] = {0, 0, 0, 1};
    static const uint8_t headers[] = {0x88}; /* :status 200 */
    static const struct {
        uint8_t type;
        uint8_t flags;
        uint8_t stream;
        const uint8_t *payload;
        size_t length;
    } frames[] = {
        {6, 0, 0, ping, 8},    {6, 1, 0, ping, 8},    {4, 0, 0, NULL, 0},    {8, 0, 0, increment, 4},
        {0, 0, 1, NULL, 0},    {3, 0, 1, reset, 4},   {7, 0, 0, goaway, 8},  {2, 0, 1, ping, 5},
        {0xfa, 0, 0, ping, 8}, {1, 4, 1, headers, 1}, {1, 0, 1, headers, 1}, {8, 0, 1, increment, 4},
    };
    static uint8_t bytes[64 * 1024];

    (void)state;
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        size_t before = mallinfo2().uordblks;
        struct peer peer;
        uint8_t frame[64];
        size_t length =
            put_frame(frame, frames[i].type, frames[i].flags, frames[i].stream, frames[i].payload, frames[i].length);

        open_peer(&peer);
        flood_until(&peer, bytes, repeat(bytes, sizeof bytes, frame, length), has_ticked_or_closed);
        assert_true(mallinfo2().uordblks < before + MOST_MEMORY);
        close_peer(&peer);
    }
}

static void empty_messages_without_end_leave_time_for_others(void **state)
{
    static const uint8_t answer[] = {0x88, 0x0f, 0x10, 16,  'a', 'p', 'p', 'l', 'i', 'c',
                                     'a',  't',  'i',  'o', 'n', '/', 'g', 'r', 'p', 'c'};
    static const uint8_t empty[16000] = {0}; /* 3200 messages */
    static uint8_t bytes[64 * 1024];
    uint8_t frame[64];
    struct peer peer;
    size_t length;

    (void)state;
    open_peer(&peer);
    length = put_frame(frame, 1, 4, 1, answer, sizeof answer);
    assert_int_equal(send(peer.fd, frame, length, 0), length);
    length = put_frame(bytes, 0, 0, 1, empty, sizeof empty);
    flood_until(&peer, bytes, length, has_ticked_or_closed);
    assert_true(peer.call.messages > 0);
    close_peer(&peer);
}

static void headers_that_stand_for_much_are_cut_short(void **state)
{
    static uint8_t payload[16384];
    static uint8_t bytes[2 * 16384];
    size_t used = 0;
    struct peer peer;

    (void)state;
    payload[used++] = 0x08; /* :status, literally */
    payload[used++] = 3;
    memcpy(payload + used, "103", 3);
    used += 3;
    used += put_large_field(payload + used);
    memset(payload + used, 0xbe, sizeof payload - used);
    open_peer(&peer);
    shutdown(peer.fd, SHUT_RD);
    flood_until(&peer, bytes, put_frame(bytes, 1, 4, 1, payload, sizeof payload), has_closed);
    assert_string_equal(peer.client.why.code, "GRPC_PROTOCOL_FAILED");
    assert_non_null(strstr(peer.client.why.message, "headers that are larger than 1 MiB"));
    close_peer(&peer);
}

static void an_answer_that_is_only_announced_is_given_up(void **state)
{
    static const uint8_t early[] = {0x08, 3, '1', '0', '3'};
    static uint8_t bytes[16 * 1024];
    uint8_t frame[64];
    struct peer peer;

    (void)state;
    open_peer(&peer);
    flood_until(&peer, bytes, repeat(bytes, sizeof bytes, frame, put_frame(frame, 1, 4, 1, early, sizeof early)),
                has_closed);
    assert_string_equal(peer.client.why.code, "GRPC_PROTOCOL_FAILED");
    assert_non_null(strstr(peer.client.why.message, "over and over"));
    assert_int_equal(peer.call.status, GANTRY_GRPC_UNAVAILABLE);
    close_peer(&peer);
}

static void headers_in_endless_pieces_are_given_up(void **state)
{
    static const uint8_t field[] = {0x88};
    static uint8_t bytes[16 * 1024];
    uint8_t frame[64];
    struct peer peer;
    size_t length;

    (void)state;
    open_peer(&peer);
    length = put_frame(frame, 1, 0, 1, field, sizeof field);
    assert_int_equal(send(peer.fd, frame, length, 0), length);
    flood_until(&peer, bytes, repeat(bytes, sizeof bytes, frame, put_frame(frame, 9, 0, 1, NULL, 0)), has_closed);
    assert_string_equal(peer.client.why.code, "GRPC_PROTOCOL_FAILED");
    close_peer(&peer);
}

/* The peer answers nothing any more, and what it says has no end: the end of the connection comes all the same. */
static void last_words_have_an_end(void **state)
{
    static uint8_t bytes[64 * 1024];
    uint8_t frame[64];
    struct call second = {0};
    struct peer peer;

    (void)state;
    open_peer(&peer);
    shutdown(peer.fd, SHUT_RD);
    begin_unary(&peer.client, &second, "/a.B/D", "x", 1);
    flood_until(&peer, bytes, repeat(bytes, sizeof bytes, frame, put_frame(frame, 0xfa, 0, 0, NULL, 0)), has_closed);
    assert_string_equal(peer.client.why.code, "GRPC_CONNECTION_LOST");
    gantry_grpc_call_free(second.call);
    close_peer(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_frame_without_end_holds_the_loop_or_takes_memory),
        cmocka_unit_test(empty_messages_without_end_leave_time_for_others),
        cmocka_unit_test(headers_that_stand_for_much_are_cut_short),
        cmocka_unit_test(an_answer_that_is_only_announced_is_given_up),
        cmocka_unit_test(headers_in_endless_pieces_are_given_up),
        cmocka_unit_test(last_words_have_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
