/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

int gate_output_open(struct gate_output *output)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    fcntl(ends[0], F_SETFL, O_NONBLOCK); /* the plugin's end stays as programs expect theirs */
    *output = (struct gate_output){.fd = ends[0]};
    return ends[1];
}

struct pollfd gate_output_entry(const struct gate_output *output)
{
    if (output->fd >= 0 && output->is_waiting)
        return (struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT};
    return (struct pollfd){.fd = output->fd, .events = POLLIN};
}

void gate_output_close(struct gate_output *output)
{
    if (output->fd >= 0)
        close(output->fd);
    *output = (struct gate_output){.fd = -1};
}

static bool has_room(int patience)
{
    struct pollfd own = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&own, 1, patience) > 0;
}

/* False where nobody reads the gate's own output any more: then nobody reads the plugin's, and it learns of that. */
static bool pass_all_on(const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, length);

        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        } else if (written < 0 && errno == EAGAIN) {
            has_room(-1);
        } else if (written == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* Returns the length; 0 where there is none now, or it has ended, and the gate's end is closed. */
static size_t read_some(struct gate_output *output, char *bytes, size_t size)
{
    ssize_t length = read(output->fd, bytes, size);

    output->is_waiting = false;
    if (length > 0)
        return (size_t)length;
    if (length == 0 || (errno != EAGAIN && errno != EINTR))
        gate_output_close(output);
    return 0;
}

/* A pipe that has room takes PIPE_BUF bytes at once. */
size_t gate_output_pass(struct gate_output *output, char *bytes, size_t size)
{
    size_t length;

    if (!output->is_waiting && !has_room(0)) {
        output->is_waiting = true;
        return 0;
    }
    length = read_some(output, bytes, size < PIPE_BUF ? size : PIPE_BUF);
    if (!pass_all_on(bytes, length))
        gate_output_close(output);
    return length;
}

void gate_output_drain(struct gate_output *output, char *bytes, size_t size)
{
    size_t length = 1;

    while (output->fd >= 0 && length > 0) {
        length = read_some(output, bytes, size);
        if (!pass_all_on(bytes, length))
            break;
    }
    gate_output_close(output);
}
