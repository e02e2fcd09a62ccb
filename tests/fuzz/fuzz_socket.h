/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_socket.h: for drivers whose input is what a peer sends: a peer that writes the same bytes in chunks to each
 * connection that it gets, then ends it; a Unix socket with a path, where it gets them; and a loop. Both are there
 * once, for all inputs. */
#ifndef TEST_FUZZ_SOCKET_H
#define TEST_FUZZ_SOCKET_H

#include "core/loop/loop.h"
#include "fuzz.h"

#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

/* Steps of up to 100 ms in which nothing happens, after which something hangs. */
#define MOST_IDLE 50

/* ---- the loop ---- */

/* In the place of the C library's: a step looks at its timers by itself, and no driver waits for longer than one idle
 * step. To tell the kernel of them costs as much as all else of an input. */
int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
    (void)fd, (void)flags, (void)value, (void)old;
    return 0;
}

/* The loop of all inputs, which each leaves with nothing to watch and no timer. */
static inline struct gantry_loop *loop_once(void)
{
    static struct gantry_loop *loop;
    struct gantry_error err;

    HOLDS(loop != NULL || gantry_loop_new(&loop, &err) == 0);
    return loop;
}

static inline int step(struct gantry_loop *loop, int64_t timeout_ms)
{
    struct gantry_error err;
    int count = gantry_loop_step(loop, timeout_ms, &err);

    HOLDS(count >= 0);
    return count;
}

/* ---- the socket ---- */

static struct {
    char folder[32];
    struct sockaddr_un address;
    int fd;
} listener;

static inline void remove_listener(void)
{
    unlink(listener.address.sun_path);
    rmdir(listener.folder);
}

/* Listens, once for all inputs; the path goes with the process. */
static inline const char *listen_once(void)
{
    if (listener.folder[0] != '\0')
        return listener.address.sun_path;
    snprintf(listener.folder, sizeof listener.folder, "/tmp/gantry-fuzz-XXXXXX");
    HOLDS(mkdtemp(listener.folder) != NULL);
    listener.address.sun_family = AF_UNIX;
    snprintf(listener.address.sun_path, sizeof listener.address.sun_path, "%s/socket", listener.folder);
    listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    HOLDS(bind(listener.fd, (const struct sockaddr *)&listener.address, sizeof listener.address) == 0);
    HOLDS(listen(listener.fd, 64) == 0);
    atexit(remove_listener);
    return listener.address.sun_path;
}

/* ---- the peer ---- */

/* What the seed says, beside the sizes of the chunks. */
enum { IN_CHUNKS = 1, KEEPS_OPEN = 2, RESETS = 4, ONCE = 8 };

struct peer {
    const uint8_t *bytes;
    size_t size;
    uint32_t seed;
    int fd;           /* of the connection, or -1 */
    size_t at;        /* what is written so far */
    uint32_t chunks;  /* chooses the next chunk's size */
    unsigned written; /* chunks */
};

static inline struct peer new_peer(const uint8_t *bytes, size_t size, uint32_t seed)
{
    return (struct peer){.bytes = bytes, .size = size, .seed = seed, .fd = -1, .chunks = seed};
}

static inline void begin_again(struct peer *peer)
{
    peer->at = 0;
    peer->chunks = peer->seed;
    peer->written = 0;
}

/* Takes what the other side wrote, and forgets it. */
static inline void swallow(int fd)
{
    char bytes[16384];

    while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) == sizeof bytes)
        ;
}

/* Ends the connection: in order, or with what the other side wrote unread, which resets it. */
static inline void hang_up(struct peer *peer)
{
    if (peer->fd < 0)
        return;
    if (!(peer->seed & RESETS))
        swallow(peer->fd);
    close(peer->fd);
    peer->fd = -1;
}

static inline bool accept_one(struct peer *peer)
{
    peer->fd = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC);
    begin_again(peer);
    return peer->fd >= 0;
}

/* Writes all, or a chunk: of a few bytes at first and of more later on, so that a long input takes no more than some
 * twenty. False where all is written, or nobody takes it any more. */
static inline bool write_chunk(struct peer *peer)
{
    size_t chunk = peer->size - peer->at;
    size_t most = peer->seed & IN_CHUNKS ? next_chunk(&peer->chunks) << (peer->written++ / 4) : chunk;

    if (chunk > most)
        chunk = most;
    if (chunk == 0 || send(peer->fd, peer->bytes + peer->at, chunk, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)chunk)
        return false;
    peer->at += chunk;
    return true;
}

/* The next that the peer does: takes a connection, writes to it, ends it. False where there is none. */
static inline bool act(struct peer *peer)
{
    if (peer->fd < 0)
        return accept_one(peer);
    if (!write_chunk(peer))
        hang_up(peer);
    return true;
}

/* Ends the connection, and those that wait to be taken. */
static inline void end_all(struct peer *peer)
{
    do
        hang_up(peer);
    while (accept_one(peer));
}

#endif
