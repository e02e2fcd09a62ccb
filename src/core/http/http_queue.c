/* SPDX-License-Identifier: Apache-2.0
 *
 * http_queue.c: the two queues of a client: requests that wait for libcurl, and those with something to deliver. */
#include "core/http/http_internal.h"

void gantry_http_make_ready(struct gantry_http_request *request)
{
    struct gantry_http *http = request->http;

    gantry_list_remove(&request->in_queue);
    gantry_list_append(&http->ready, &request->in_queue);
    if (!http->entered)
        gantry_timer_set(http->timer, 0);
}
