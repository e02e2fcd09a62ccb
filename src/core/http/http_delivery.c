/* SPDX-License-Identifier: Apache-2.0
 *
 * http_delivery.c: what has come for a request goes to its callbacks, with libcurl off the stack.
 *
 * A callback may cancel its own request and free the client: the memory of both stays until the callback has returned,
 * and the bytes it was given are held here. */
#include "core/http/http_internal.h"

static struct gantry_http_response response_of(const struct gantry_http_request *request)
{
    return (struct gantry_http_response){
        .status = request->status,
        .headers = request->headers,
        .header_count = request->header_count,
    };
}

static void deliver_headers(struct gantry_http_request *request)
{
    struct gantry_http_response response = response_of(request);

    if (!request->headers_complete || request->headers_delivered)
        return;
    request->headers_delivered = true;
    if (request->on_headers != NULL)
        request->on_headers(request->data, &response);
}

/* Empties the body into `bytes`. */
static void delivery_take_body(struct gantry_http_request *request, struct gantry_buffer *bytes)
{
    *bytes = request->body;
    request->body = (struct gantry_buffer){0};
}

/* Keeps the larger memory for the next body, so that an endless stream needs one buffer, and an idle one none. */
static void keep_memory(struct gantry_http *http, struct gantry_buffer *bytes)
{
    size_t length = gantry_buffer_length(bytes);

    if (length > 0)
        gantry_buffer_consume(bytes, length);
    if (bytes->size > http->spare.size) {
        gantry_buffer_free(&http->spare);
        http->spare = *bytes;
    } else {
        gantry_buffer_free(bytes);
    }
}

static void deliver_data(struct gantry_http_request *request)
{
    struct gantry_buffer bytes;
    size_t length = gantry_buffer_length(&request->body);

    if (request->cancelled || request->paused || request->on_data == NULL || length == 0)
        return;
    delivery_take_body(request, &bytes);
    request->on_data(request->data, (const char *)gantry_buffer_front(&bytes), length);
    keep_memory(request->http, &bytes);
}

static void deliver_end(struct gantry_http_request *request)
{
    struct gantry_http_response response = response_of(request);
    struct gantry_buffer bytes;

    if (request->cancelled || request->paused || request->easy != NULL)
        return;
    delivery_take_body(request, &bytes);
    if (!request->failed && request->on_data == NULL) {
        response.body_size = gantry_buffer_length(&bytes);
        response.body = response.body_size > 0 ? (const char *)gantry_buffer_front(&bytes) : "";
    }
    request->on_done(request->data, request->failed ? &request->error : NULL, &response);
    keep_memory(request->http, &bytes);
    request->cancelled = true;
}

/* Lets libcurl go on where it holds back. It hands over at once what it has kept. */
static void resume_transfer(struct gantry_http_request *request)
{
    CURLcode result;

    if (request->paused || !request->held || request->easy == NULL)
        return;
    request->held = false;
    result = curl_easy_pause(request->easy, CURLPAUSE_CONT);
    if (result != CURLE_OK) {
        gantry_http_transfer_end(request, result);
        gantry_http_make_ready(request);
    }
}

static void deliver_request(struct gantry_http_request *request)
{
    struct gantry_http *http = request->http;

    http->delivering = request;
    gantry_list_remove(&request->in_queue);
    gantry_list_append(&http->waiting, &request->in_queue);
    if (request->failed)
        gantry_http_transfer_end(request, CURLE_OK);
    deliver_headers(request);
    deliver_data(request);
    deliver_end(request);
    http->delivering = NULL;
    if (request->cancelled)
        gantry_http_cancel(request);
    else
        resume_transfer(request);
}

/* What becomes ready meanwhile has its turn in the next step, so that no sender can keep this one going. */
void gantry_http_deliver(struct gantry_http *http)
{
    size_t turn = 0;

    for (const struct gantry_list *member = http->ready.next; member != &http->ready; member = member->next)
        turn++;
    while (turn-- > 0 && !gantry_list_is_empty(&http->ready))
        deliver_request(GANTRY_LIST_ENTRY(http->ready.next, struct gantry_http_request, in_queue));
    if (!gantry_list_is_empty(&http->ready))
        gantry_timer_set(http->timer, 0);
}
