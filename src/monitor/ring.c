/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool make_room(struct monitor_ring *ring)
{
    void *memory;

    if (ring->bytes != NULL)
        return true;
    memory = mmap(NULL, MONITOR_RING_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    ring->bytes = memory;
    return true;
}

/* Without memory for it the stream is read all the same, so that the container does not stand still: all is lost. */
static enum monitor_read read_and_lose(struct monitor_ring *ring, int fd)
{
    char bytes[512];
    ssize_t length = read(fd, bytes, sizeof bytes);

    if (length > 0)
        ring->lost += (uint64_t)length;
    if (length < 0)
        return errno == EAGAIN || errno == EINTR ? MONITOR_READ_NOTHING : MONITOR_READ_END;
    return length > 0 ? MONITOR_READ_SOME : MONITOR_READ_END;
}

enum monitor_read monitor_ring_read(struct monitor_ring *ring, int fd)
{
    size_t at;
    ssize_t length;

    if (!make_room(ring))
        return read_and_lose(ring, fd);
    at = (ring->start + ring->length) % MONITOR_RING_SIZE;
    length = read(fd, ring->bytes + at, MONITOR_RING_SIZE - at); /* over the oldest, as far as there is something */
    if (length < 0)
        return errno == EAGAIN || errno == EINTR ? MONITOR_READ_NOTHING : MONITOR_READ_END;
    if (length == 0)
        return MONITOR_READ_END;
    ring->length += (size_t)length;
    if (ring->length > MONITOR_RING_SIZE) {
        size_t over = ring->length - MONITOR_RING_SIZE;

        ring->start = (ring->start + over) % MONITOR_RING_SIZE;
        ring->length = MONITOR_RING_SIZE;
        ring->lost += over;
    }
    return MONITOR_READ_SOME;
}

const char *monitor_ring_piece(const struct monitor_ring *ring, size_t offset, size_t *length)
{
    size_t at = (ring->start + offset) % MONITOR_RING_SIZE;
    size_t rest = ring->length - offset;

    *length = rest < MONITOR_RING_SIZE - at ? rest : MONITOR_RING_SIZE - at;
    return ring->bytes != NULL ? ring->bytes + at : "";
}

void monitor_ring_drop(struct monitor_ring *ring, size_t count)
{
    ring->start = (ring->start + count) % MONITOR_RING_SIZE;
    ring->length -= count;
    if (ring->length > 0 || ring->bytes == NULL)
        return;
    munmap(ring->bytes, MONITOR_RING_SIZE);
    ring->bytes = NULL;
    ring->start = 0;
}
