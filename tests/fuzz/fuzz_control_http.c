/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_control_http.c: a control client that writes any bytes: every request is answered, streamed to or given back as
 * the input says, whether its client is still there or not, and the server ends with nothing left.
 *
 * Input: a byte of what is done with requests, four bytes that choose the chunks, then what the client writes. */
#include "core/control/control.h"

#include "fuzz_socket.h"

enum { ANSWER = 0, STREAM = 1, GIVE_BACK = 2, KEEP = 3, ACTIONS = 4, MOST_KEPT = 16 };

struct service {
    unsigned action;
    struct gantry_control_request *kept[MOST_KEPT];
    size_t kept_count;
};

static void write_stream(struct gantry_control_request *request)
{
    gantry_control_request_stream(request, 200, "text/plain");
    for (int i = 0; i < 3 && gantry_control_request_write(request, "piece\n", 6) >= 0; i++)
        ;
    gantry_control_request_free(request);
}

static void look_at(const struct gantry_control_request *request)
{
    size_t count = 0;
    const char *body = gantry_control_request_body(request, &count);

    HOLDS(count <= 100);
    free(exact_copy(body, count));
    HOLDS(gantry_control_request_method(request) != NULL && gantry_control_request_path(request) != NULL);
    gantry_control_request_argument(request, "tail");
}

static void request_came(void *data, struct gantry_control_request *request)
{
    struct service *service = data;

    look_at(request);
    switch (service->action++ % ACTIONS) {
    case STREAM:
        write_stream(request);
        return;
    case KEEP:
        if (service->kept_count < MOST_KEPT) {
            service->kept[service->kept_count++] = request;
            return;
        }
        break;
    case ANSWER:
        gantry_control_request_answer(request, 200, "application/json", "{}", 2);
        break;
    default:
        break;
    }
    gantry_control_request_free(request);
}

/* Listens at an address of the kernel's choice, which leaves nothing on the disk. */
static int listen_anew(struct sockaddr_un *address, socklen_t *length)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    *length = sizeof *address;
    HOLDS(fd >= 0 && bind(fd, (const struct sockaddr *)address, sizeof address->sun_family) == 0);
    HOLDS(getsockname(fd, (struct sockaddr *)address, length) == 0 && listen(fd, 8) == 0);
    return fd;
}

/* Steps until nothing more happens at once. */
static void settle(struct gantry_loop *loop)
{
    for (int i = 0; i < 100 && step(loop, 0) > 0; i++)
        ;
}

static void talk(struct gantry_loop *loop, struct service *service, const struct sockaddr_un *address, socklen_t length,
                 struct peer *client)
{
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    HOLDS(connect(client->fd, (const struct sockaddr *)address, length) == 0);
    while (write_chunk(client))
        step(loop, 0);
    if (service->action & ACTIONS)
        shutdown(client->fd, SHUT_WR);
    settle(loop);
    if (service->kept_count > 0 && client->seed % 3 == 0) {
        swallow(client->fd);
        write_stream(service->kept[--service->kept_count]);
        settle(loop);
    }
    hang_up(client);
    settle(loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t head = 1 + sizeof(uint32_t);
    struct service service = {.kept_count = 0};
    struct gantry_control_options options = {
        .body_limit = 100, .connections = 4, .idle_seconds = 30, .on_request = request_came, .data = &service};
    struct sockaddr_un address;
    struct gantry_control *control;
    struct gantry_loop *loop = loop_once();
    struct gantry_error err;
    struct peer client;
    socklen_t length;
    uint32_t seed;

    if (size < head)
        return 0;
    service.action = data[0];
    memcpy(&seed, data + 1, sizeof seed);
    options.fd = listen_anew(&address, &length);
    HOLDS(gantry_control_open(loop, &options, &control, &err) == 0);
    client = new_peer(data + head, size - head, seed);
    talk(loop, &service, &address, length, &client);
    for (size_t i = 0; i < service.kept_count && seed % 2 == 0; i++)
        gantry_control_request_answer(service.kept[i], 200, "text/plain", "late", 4);
    gantry_control_free(control);
    while (service.kept_count > 0)
        gantry_control_request_free(service.kept[--service.kept_count]);
    return 0;
}
