/* SPDX-License-Identifier: Apache-2.0
 *
 * http_transfer.c: one request as libcurl sees it: its options, and what comes for it. */
#include "core/http/http_internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The most that one answer may have of headers, those of announcements (1xx) and trailers among them. */
#define HEADERS_SIZE (256UL * 1024)
#define MOST_HEADERS 1000

/* Passed from option to option; the first failure makes the others do nothing. */
struct setup {
    CURL *easy;
    CURLcode result;
};

/* A macro, so that libcurl's header can hold each value against its option. */
#define SET(setup, option, value)                                                                                      \
    do {                                                                                                               \
        if ((setup)->result == CURLE_OK)                                                                               \
            (setup)->result = curl_easy_setopt((setup)->easy, option, value);                                          \
    } while (0)

/* ---- what comes ---- */

static struct gantry_http_header *list_headers(const struct gantry_http_request *request)
{
    const char *text = (const char *)gantry_buffer_front(&request->header_text);
    struct gantry_http_header *list = calloc(request->header_count + 1, sizeof *list);

    for (size_t i = 0; list != NULL && i < request->header_count; i++) {
        list[i].name = text;
        list[i].value = text + strlen(text) + 1;
        text = list[i].value + strlen(list[i].value) + 1;
    }
    return list;
}

static void forget_headers(struct gantry_http_request *request)
{
    size_t length = gantry_buffer_length(&request->header_text);

    if (length > 0)
        gantry_buffer_consume(&request->header_text, length);
    request->header_count = 0;
}

/* At the empty line: these were the headers of the final answer, or of one that announces it (100 Continue). */
static bool end_headers(struct gantry_http_request *request)
{
    long status = 0;

    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 && status != 101) {
        forget_headers(request);
        return true;
    }
    request->headers = list_headers(request);
    if (request->headers == NULL)
        return false;
    request->status = (int)status;
    request->headers_complete = true;
    gantry_http_make_ready(request);
    return true;
}

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Takes down "Name: value"; a line that is not of this kind (the status line) is passed over. */
static bool add_header(struct gantry_http_request *request, const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length);
    const char *value = colon != NULL ? colon + 1 : NULL;
    const char *end = line + length;
    uint8_t *room;

    if (colon == NULL || memchr(line, '\0', length) != NULL || memchr(line, ' ', (size_t)(colon - line)) != NULL)
        return true;
    while (end > value && is_blank(end[-1]))
        end--;
    while (value < end && is_blank(*value))
        value++;
    room = gantry_buffer_reserve(&request->header_text, length + 2);
    if (room == NULL)
        return false;
    for (const char *from = line; from < colon; from++)
        *room++ = lower((uint8_t)*from);
    *room++ = '\0';
    memcpy(room, value, (size_t)(end - value));
    room[end - value] = '\0';
    gantry_buffer_grow(&request->header_text, (size_t)(colon - line) + (size_t)(end - value) + 2);
    request->header_count++;
    return true;
}

static size_t header_came(char *line, size_t size, size_t count, void *data)
{
    struct gantry_http_request *request = data;
    size_t length = size * count;
    bool is_end = length == 0 || line[0] == '\r' || line[0] == '\n';

    request->header_bytes += length;
    if (request->header_bytes > HEADERS_SIZE || request->header_count >= MOST_HEADERS) {
        gantry_http_fail(request, "RESPONSE_TOO_LARGE", "its headers exceed %lu bytes or %d lines", HEADERS_SIZE,
                         MOST_HEADERS);
        return 0;
    }
    if (request->headers_complete) /* a trailer */
        return length;
    if (is_end ? end_headers(request) : add_header(request, line, length))
        return length;
    gantry_http_fail(request, "OUT_OF_MEMORY", "out of memory");
    return 0;
}

static size_t body_came(char *bytes, size_t size, size_t count, void *data)
{
    struct gantry_http_request *request = data;
    size_t length = size * count;
    size_t before = gantry_buffer_length(&request->body);

    if (!request->headers_complete) { /* a status below 200 announces an answer, and has no body */
        gantry_http_fail(request, "HTTP_FAILED",
                         "a body came without the headers of an answer; no HTTP is spoken there");
        return 0;
    }
    if (request->on_data == NULL && length > request->limit - before) {
        gantry_http_fail(request, "RESPONSE_TOO_LARGE", "the answer exceeds the limit of %zu bytes", request->limit);
        return 0;
    }
    if (request->on_data != NULL && before > 0 && before + length > GANTRY_HTTP_WAITING_SIZE) {
        request->held = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (request->body.bytes == NULL) {
        request->body = request->http->spare;
        request->http->spare = (struct gantry_buffer){0};
    }
    if (gantry_buffer_append(&request->body, bytes, length) < 0) {
        gantry_http_fail(request, "OUT_OF_MEMORY", "out of memory");
        return 0;
    }
    if (request->on_data != NULL && before == 0)
        gantry_http_make_ready(request);
    return length;
}

/* As libcurl does, but no child process is to inherit it. */
static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)data;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- what is sent ---- */

static void set_always(struct setup *setup)
{
    SET(setup, CURLOPT_NOSIGNAL, 1L);
    SET(setup, CURLOPT_QUICK_EXIT, 1L); /* names are looked up in threads, whose ends are not waited for */
    SET(setup, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(setup, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(setup, CURLOPT_PATH_AS_IS, 1L);
    SET(setup, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(setup, CURLOPT_TCP_KEEPALIVE, 1L); /* a stream may be silent for days, and a lost peer must be noticed */
    SET(setup, CURLOPT_TCP_KEEPIDLE, 30L);
    SET(setup, CURLOPT_TCP_KEEPINTVL, 10L);
}

static void set_endpoint(struct setup *setup, const struct gantry_http *http)
{
    SET(setup, CURLOPT_UNIX_SOCKET_PATH, http->unix_socket);
    if (http->unix_socket != NULL)
        SET(setup, CURLOPT_PROXY, ""); /* none, whatever the environment says */
    if (strncmp(http->url, "https:", 6) != 0)
        return;
    SET(setup, CURLOPT_SSL_VERIFYPEER, http->verify ? 1L : 0L);
    SET(setup, CURLOPT_SSL_VERIFYHOST, http->verify ? 2L : 0L);
    SET(setup, CURLOPT_SSLCERT, http->cert_file);
    SET(setup, CURLOPT_SSLKEY, http->key_file);
    if (http->ca_file != NULL) {
        SET(setup, CURLOPT_CAINFO, http->ca_file);
        SET(setup, CURLOPT_CAPATH, NULL); /* the system's authorities are no addition to those given */
    }
}

static void transfer_set_callbacks(struct setup *setup, struct gantry_http_request *request)
{
    SET(setup, CURLOPT_PRIVATE, request);
    SET(setup, CURLOPT_ERRORBUFFER, request->detail);
    SET(setup, CURLOPT_HEADERDATA, request);
    SET(setup, CURLOPT_WRITEDATA, request);
    SET(setup, CURLOPT_HEADERFUNCTION, header_came);
    SET(setup, CURLOPT_WRITEFUNCTION, body_came);
    SET(setup, CURLOPT_OPENSOCKETFUNCTION, open_socket);
}

static size_t source_read(char *bytes, size_t size, size_t count, void *data)
{
    struct gantry_http_request *request = data;
    struct gantry_error err;
    ssize_t got = request->source.read(request->source.data, bytes, size * count, &err);

    if (got >= 0)
        return (size_t)got;
    if (!request->failed)
        request->error = err;
    request->failed = true;
    return CURL_READFUNC_ABORT;
}

static int source_seek(void *data, curl_off_t offset, int origin)
{
    const struct gantry_http_request *request = data;

    if (offset != 0 || origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    request->source.rewind(request->source.data);
    return CURL_SEEKFUNC_OK;
}

static void set_body(struct setup *setup, struct gantry_http_request *request,
                     const struct gantry_http_options *options)
{
    if (options->source.read == NULL) {
        SET(setup, CURLOPT_POSTFIELDSIZE_LARGE, options->body != NULL ? (curl_off_t)options->body_size : 0);
        SET(setup, CURLOPT_COPYPOSTFIELDS, options->body != NULL ? options->body : "");
        return;
    }
    SET(setup, CURLOPT_POST, 1L);
    SET(setup, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)options->source.size);
    SET(setup, CURLOPT_READFUNCTION, source_read);
    SET(setup, CURLOPT_READDATA, request);
    SET(setup, CURLOPT_SEEKFUNCTION, source_seek);
    SET(setup, CURLOPT_SEEKDATA, request);
}

static bool has_body(const struct gantry_http_options *options)
{
    return options->body != NULL || options->source.read != NULL || strcmp(options->method, "POST") == 0 ||
           strcmp(options->method, "PUT") == 0 || strcmp(options->method, "PATCH") == 0;
}

static void set_method(struct setup *setup, struct gantry_http_request *request,
                       const struct gantry_http_options *options)
{
    if (has_body(options)) {
        set_body(setup, request, options);
        if (strcmp(options->method, "POST") != 0)
            SET(setup, CURLOPT_CUSTOMREQUEST, options->method);
    } else if (strcmp(options->method, "HEAD") == 0) {
        SET(setup, CURLOPT_NOBODY, 1L);
    } else if (strcmp(options->method, "GET") != 0) {
        SET(setup, CURLOPT_CUSTOMREQUEST, options->method);
    }
}

static void add_sent_header(struct setup *setup, struct gantry_http_request *request, const char *header)
{
    struct curl_slist *list = curl_slist_append(request->sent_headers, header);

    if (list == NULL)
        setup->result = CURLE_OUT_OF_MEMORY;
    else
        request->sent_headers = list;
}

static void set_headers(struct setup *setup, struct gantry_http_request *request,
                        const struct gantry_http_options *options)
{
    bool has_type = false;

    for (const char *const *header = options->headers; header != NULL && *header != NULL; header++) {
        has_type = has_type || strncasecmp(*header, "Content-Type:", strlen("Content-Type:")) == 0;
        add_sent_header(setup, request, *header);
    }
    /* Without a value: what libcurl would add by itself. */
    if (has_body(options)) {
        add_sent_header(setup, request, "Expect:");
        if (!has_type)
            add_sent_header(setup, request, "Content-Type:");
    }
    SET(setup, CURLOPT_HTTPHEADER, request->sent_headers);
    SET(setup, CURLOPT_USERAGENT, "gantry/" GANTRY_VERSION);
}

static long milliseconds(int64_t value)
{
    return value < INT_MAX ? (long)value : INT_MAX;
}

static void set_url(struct setup *setup, const char *url, const char *path)
{
    char *whole;

    if (asprintf(&whole, "%s%s", url, path) < 0) {
        setup->result = CURLE_OUT_OF_MEMORY;
        return;
    }
    SET(setup, CURLOPT_URL, whole); /* copies it */
    free(whole);
}

/* ---- what can be sent ---- */

static bool http_is_method(const char *method)
{
    size_t length = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

    return length > 0 && method[length] == '\0';
}

static bool http_is_path(const char *path)
{
    for (const unsigned char *byte = (const unsigned char *)path; *byte != '\0'; byte++)
        if (*byte <= ' ' || *byte == 0x7f)
            return false;
    return path[0] == '/';
}

static bool http_is_header(const char *header)
{
    size_t name = strcspn(header, ": \t\r\n");

    return name > 0 && header[name] == ':' && strpbrk(header, "\r\n") == NULL;
}

static int check(const struct gantry_http_options *options, struct gantry_error *err)
{
    if (!http_is_method(options->method))
        return gantry_fail(err, "HTTP_REQUEST_INVALID", "send a request: '%.100s' is no method", options->method);
    if (!http_is_path(options->path))
        return gantry_fail(err, "HTTP_REQUEST_INVALID",
                           "send a request: path '%.300s' must begin with a slash and have no blanks; encode them",
                           options->path);
    for (const char *const *header = options->headers; header != NULL && *header != NULL; header++)
        if (!http_is_header(*header))
            return gantry_fail(err, "HTTP_REQUEST_INVALID",
                               "send a request: header '%.100s' must be 'Name: value' in one line", *header);
    return 0;
}

/* ---- the transfer ---- */

int gantry_http_transfer_prepare(struct gantry_http_request *request, const struct gantry_http_options *options,
                                 struct gantry_error *err)
{
    const struct gantry_http *http = request->http;
    struct setup setup = {.result = CURLE_OK};

    if (check(options, err) < 0)
        return -1;
    request->easy = setup.easy = curl_easy_init();
    if (request->easy == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "make an HTTP request: out of memory");
    set_always(&setup);
    SET(&setup, CURLOPT_BUFFERSIZE, options->on_data != NULL ? GANTRY_HTTP_STREAM_READ_SIZE : GANTRY_HTTP_READ_SIZE);
    set_endpoint(&setup, http);
    transfer_set_callbacks(&setup, request);
    set_url(&setup, http->url, options->path);
    set_method(&setup, request, options);
    set_headers(&setup, request, options);
    if (options->timeout_ms > 0)
        SET(&setup, CURLOPT_TIMEOUT_MS, milliseconds(options->timeout_ms));
    if (options->connect_timeout_ms > 0)
        SET(&setup, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(options->connect_timeout_ms));
    if (setup.result != CURLE_OK)
        return gantry_fail(err, setup.result == CURLE_OUT_OF_MEMORY ? "OUT_OF_MEMORY" : "HTTP_REQUEST_INVALID",
                           "make an HTTP request: %s", curl_easy_strerror(setup.result));
    return 0;
}

void gantry_http_transfer_end(struct gantry_http_request *request, CURLcode result)
{
    const struct gantry_http *http = request->http;

    if (request->easy == NULL)
        return;
    if (result != CURLE_OK)
        gantry_http_describe(request, result);
    else if (!request->failed && !request->headers_complete) /* libcurl takes a head that is cut for a whole one */
        gantry_http_fail(request, "HTTP_FAILED", "the answer ended within its head");
    curl_multi_remove_handle(http->multi, request->easy);
    curl_easy_cleanup(request->easy);
    curl_slist_free_all(request->sent_headers);
    request->easy = NULL;
    request->sent_headers = NULL;
}
