/* SPDX-License-Identifier: Apache-2.0
 *
 * http.c: a client: libcurl's sockets and its timer on the loop, and the life of requests. */
#include "http_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>

struct connection {
    struct gantry_http *http;
    curl_socket_t fd;
    struct gantry_watch *watch;
};

/* ---- from the loop into libcurl ---- */

static void take_ended_transfers(struct gantry_http *http)
{
    const struct gantry_libcurl *curl = http->curl;
    CURLMsg *message;
    int left;

    while ((message = curl->curl_multi_info_read(http->multi, &left)) != NULL) {
        CURLcode result = message->data.result;
        struct gantry_http_request *request = NULL;

        curl->curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        gantry_http_transfer_end(request, result);
        gantry_http_make_ready(request);
    }
}

static void free_memory(struct gantry_http *http)
{
    gantry_buffer_free(&http->spare);
    free(http->url);
    free(http->unix_socket);
    free(http->ca_file);
    free(http->cert_file);
    free(http->key_file);
    free(http);
}

static void run_libcurl(struct gantry_http *http, curl_socket_t fd, int ready)
{
    int running;

    http->entered = true;
    http->curl->curl_multi_socket_action(http->multi, fd, ready, &running);
    take_ended_transfers(http);
    gantry_http_deliver(http);
    http->entered = false;
    if (http->closed)
        free_memory(http);
}

static void socket_ready(void *data, uint32_t events)
{
    const struct connection *connection = data;
    int ready = 0;

    if (events & EPOLLIN)
        ready |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        ready |= CURL_CSELECT_OUT;
    if (ready == 0) /* a hang-up is no error while there is something to read */
        ready = CURL_CSELECT_ERR;
    run_libcurl(connection->http, connection->fd, ready);
}

static void timer_fired(void *data)
{
    run_libcurl(data, CURL_SOCKET_TIMEOUT, 0);
}

/* ---- from libcurl to the loop ---- */

static int timer_wanted(CURLM *multi, long delay_ms, void *data)
{
    struct gantry_http *http = data;

    (void)multi;
    /* Outside of a step, what is ready has set the timer, and libcurl must not put it off. */
    if (http->ready.first != NULL && !http->entered)
        delay_ms = 0;
    if (delay_ms < 0)
        gantry_timer_cancel(http->timer);
    else
        gantry_timer_set(http->timer, delay_ms * INT64_C(1000000));
    return 0;
}

static int watch_socket(struct gantry_http *http, struct connection *connection, curl_socket_t fd, uint32_t events,
                        struct gantry_error *err)
{
    if (connection != NULL)
        return gantry_watch_modify(connection->watch, events, err);
    connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "watch a connection: out of memory");
    *connection = (struct connection){.http = http, .fd = fd};
    if (gantry_watch_new(http->loop, fd, events, socket_ready, connection, &connection->watch, err) < 0) {
        free(connection);
        return -1;
    }
    http->curl->curl_multi_assign(http->multi, fd, connection);
    return 0;
}

static void forget_socket(struct connection *connection)
{
    if (connection == NULL)
        return;
    gantry_watch_free(connection->watch);
    free(connection);
}

static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
    struct gantry_http *http = data;
    struct gantry_http_request *request = NULL;
    struct gantry_error err;
    uint32_t events = 0;

    if (what == CURL_POLL_REMOVE) {
        forget_socket(socket_data);
        return 0;
    }
    http->curl->curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&request);
    if (request != NULL)
        request->fd = fd;
    if (what & CURL_POLL_IN)
        events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        events |= EPOLLOUT;
    if (watch_socket(http, socket_data, fd, events, &err) == 0)
        return 0;
    /* A failure returned from here would be the end of all transfers; only this one is cut off. */
    if (request != NULL) {
        gantry_http_fail(request, err.code, "%s", err.message);
        gantry_http_make_ready(request);
    }
    return 0;
}

/* ---- the client ---- */

static bool copy_text(char **copy, const char *text)
{
    if (text == NULL)
        return true;
    *copy = strdup(text);
    return *copy != NULL;
}

static bool copy_endpoint(struct gantry_http *http, const struct gantry_http_endpoint *endpoint)
{
    http->verify = endpoint->verify;
    return copy_text(&http->url, endpoint->url) && copy_text(&http->unix_socket, endpoint->unix_socket) &&
           copy_text(&http->ca_file, endpoint->ca_file) && copy_text(&http->cert_file, endpoint->cert_file) &&
           copy_text(&http->key_file, endpoint->key_file);
}

static bool make_multi(struct gantry_http *http)
{
    const struct gantry_libcurl *curl = http->curl;

    http->multi = curl->curl_multi_init();
    return http->multi != NULL &&
           curl->curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted) == CURLM_OK &&
           curl->curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http) == CURLM_OK &&
           curl->curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, timer_wanted) == CURLM_OK &&
           curl->curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http) == CURLM_OK;
}

int gantry_http_new(struct gantry_loop *loop, const struct gantry_http_endpoint *endpoint, struct gantry_http **http,
                    struct gantry_error *err)
{
    const size_t longest = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    const struct gantry_libcurl *curl = gantry_libcurl(err);
    struct gantry_http *made;

    if (curl == NULL)
        return -1;
    if (endpoint->unix_socket != NULL && strlen(endpoint->unix_socket) > longest)
        return gantry_fail(err, "SOCKET_PATH_TOO_LONG", "use socket %s: its path has %zu bytes, and %zu are possible",
                           endpoint->unix_socket, strlen(endpoint->unix_socket), longest);
    made = calloc(1, sizeof *made);
    if (made == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "make an HTTP client: out of memory");
    *made = (struct gantry_http){.loop = loop, .curl = curl};
    made->waiting.end = &made->waiting.first;
    made->ready.end = &made->ready.first;
    if (!copy_endpoint(made, endpoint) || !make_multi(made) ||
        gantry_timer_new(loop, timer_fired, made, &made->timer, err) < 0) {
        gantry_http_free(made);
        return gantry_fail(err, "OUT_OF_MEMORY", "make an HTTP client: out of memory");
    }
    *http = made;
    return 0;
}

static void cancel_all(const struct gantry_http_queue *queue)
{
    struct gantry_http_request *next;

    for (struct gantry_http_request *request = queue->first; request != NULL; request = next) {
        next = request->next;
        gantry_http_cancel(request);
    }
}

void gantry_http_free(struct gantry_http *http)
{
    if (http == NULL)
        return;
    cancel_all(&http->ready);
    cancel_all(&http->waiting);
    if (http->multi != NULL)
        http->curl->curl_multi_cleanup(http->multi);
    gantry_timer_free(http->timer);
    http->timer = NULL;
    http->closed = true;
    if (!http->entered)
        free_memory(http);
}

/* ---- requests ---- */

static void free_request(struct gantry_http_request *request)
{
    gantry_buffer_free(&request->header_text);
    gantry_buffer_free(&request->body);
    free(request->headers);
    free(request);
}

int gantry_http_request(struct gantry_http *http, const struct gantry_http_options *options,
                        struct gantry_http_request **request, struct gantry_error *err)
{
    struct gantry_http_request *made = calloc(1, sizeof *made);

    if (made == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "make an HTTP request: out of memory");
    made->http = http;
    made->fd = -1;
    made->on_headers = options->on_headers;
    made->on_data = options->on_data;
    made->on_done = options->on_done;
    made->data = options->data;
    made->limit = options->limit != 0 ? options->limit : GANTRY_HTTP_DEFAULT_LIMIT;
    gantry_http_queue_move(made, &http->waiting);
    if (gantry_http_transfer_prepare(made, options, err) < 0) {
        gantry_http_cancel(made);
        return -1;
    }
    /* Nothing is sent yet: libcurl asks for its timer to fire at once. */
    if (http->curl->curl_multi_add_handle(http->multi, made->easy) != CURLM_OK) {
        gantry_http_cancel(made);
        return gantry_fail(err, "OUT_OF_MEMORY", "start an HTTP request: out of memory");
    }
    *request = made;
    return 0;
}

void gantry_http_cancel(struct gantry_http_request *request)
{
    request->cancelled = true;
    gantry_http_transfer_end(request, CURLE_OK);
    gantry_http_queue_move(request, NULL);
    if (request->http->delivering != request)
        free_request(request);
}

int gantry_http_take_socket(struct gantry_http_request *request, struct gantry_error *err)
{
    int fd;

    if (strncmp(request->http->url, "https:", 6) == 0)
        return gantry_fail(err, "HTTP_NOT_PLAIN", "hand over a connection: it is encrypted");
    if (request->fd < 0 || !request->headers_complete || gantry_buffer_length(&request->body) > 0)
        return gantry_fail(err, "HTTP_FAILED", "hand over a connection: its stream is not at its beginning");
    /* libcurl closes its own descriptor, which is no word to the peer while there is another. */
    fd = fcntl(request->fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return gantry_fail_errno(err, errno, "HTTP_FAILED", "hand over a connection");
    gantry_http_cancel(request);
    return fd;
}

void gantry_http_pause(struct gantry_http_request *request, bool paused)
{
    if (request->paused == paused)
        return;
    request->paused = paused;
    if (!paused)
        gantry_http_make_ready(request);
}
