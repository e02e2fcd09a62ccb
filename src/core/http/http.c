/* SPDX-License-Identifier: Apache-2.0
 *
 * http.c: a client: libcurl's sockets and its timer on the loop. */
#include "core/http/http_internal.h"
#include "core/system/unix_address.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

struct connection {
    struct gantry_http *http;
    curl_socket_t fd;
    struct gantry_watch *watch;
};

/* ---- from the loop into libcurl ---- */

static void take_ended_transfers(struct gantry_http *http)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        CURLcode result = message->data.result;
        struct gantry_http_request *request = NULL;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        /* libcurl takes a connection that ends within the headers for a whole answer. */
        if (result == CURLE_OK && !request->headers_complete)
            gantry_http_fail(request, "HTTP_FAILED", "the connection was closed within the headers of the answer");
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
    curl_multi_socket_action(http->multi, fd, ready, &running);
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

static void http_timer_fired(void *data)
{
    run_libcurl(data, CURL_SOCKET_TIMEOUT, 0);
}

/* ---- from libcurl to the loop ---- */

static int timer_wanted(CURLM *multi, long delay_ms, void *data)
{
    struct gantry_http *http = data;

    (void)multi;
    /* Outside of a step, what is ready has set the timer, and libcurl must not put it off. */
    if (!gantry_list_is_empty(&http->ready) && !http->entered)
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
    curl_multi_assign(http->multi, fd, connection);
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
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&request);
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

static bool http_copy_text(char **copy, const char *text)
{
    if (text == NULL)
        return true;
    *copy = strdup(text);
    return *copy != NULL;
}

static bool copy_endpoint(struct gantry_http *http, const struct gantry_http_endpoint *endpoint)
{
    http->verify = endpoint->verify;
    return http_copy_text(&http->url, endpoint->url) && http_copy_text(&http->unix_socket, endpoint->unix_socket) &&
           http_copy_text(&http->ca_file, endpoint->ca_file) && http_copy_text(&http->cert_file, endpoint->cert_file) &&
           http_copy_text(&http->key_file, endpoint->key_file);
}

static bool make_multi(struct gantry_http *http)
{

    /* Thread-safe; a second call counts it. */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return false;
    http->multi = curl_multi_init();
    return http->multi != NULL && curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted) == CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http) == CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, timer_wanted) == CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http) == CURLM_OK;
}

int gantry_http_new(struct gantry_loop *loop, const struct gantry_http_endpoint *endpoint, struct gantry_http **http,
                    struct gantry_error *err)
{
    struct sockaddr_un address;
    struct gantry_http *made;

    if (endpoint->unix_socket != NULL && gantry_unix_address(endpoint->unix_socket, &address, err) < 0)
        return -1;
    made = calloc(1, sizeof *made);
    if (made == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "make an HTTP client: out of memory");
    *made = (struct gantry_http){.loop = loop};
    gantry_list_init(&made->waiting);
    gantry_list_init(&made->ready);
    if (!copy_endpoint(made, endpoint) || !make_multi(made) ||
        gantry_timer_new(loop, http_timer_fired, made, &made->timer, err) < 0) {
        gantry_http_free(made);
        return gantry_fail(err, "OUT_OF_MEMORY", "make an HTTP client: out of memory");
    }
    *http = made;
    return 0;
}

static void cancel_all(const struct gantry_list *queue)
{
    while (!gantry_list_is_empty(queue))
        gantry_http_cancel(GANTRY_LIST_ENTRY(queue->next, struct gantry_http_request, in_queue));
}

void gantry_http_free(struct gantry_http *http)
{
    if (http == NULL)
        return;
    cancel_all(&http->ready);
    cancel_all(&http->waiting);
    if (http->multi != NULL)
        curl_multi_cleanup(http->multi);
    gantry_timer_free(http->timer);
    http->timer = NULL;
    http->closed = true;
    if (!http->entered)
        free_memory(http);
}
