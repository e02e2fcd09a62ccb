/* SPDX-License-Identifier: Apache-2.0
 *
 * http_failure.c: from libcurl's results to the codes of this project, by number, never by text. */
#include "core/http/http_internal.h"
#include "core/system/unix_address.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    CURLcode result;
    const char *code;
} codes[] = {
    {CURLE_COULDNT_CONNECT, "HTTP_CONNECT_FAILED"},
    {CURLE_COULDNT_RESOLVE_HOST, "HTTP_CONNECT_FAILED"},
    {CURLE_COULDNT_RESOLVE_PROXY, "HTTP_CONNECT_FAILED"},
    {CURLE_PROXY, "HTTP_CONNECT_FAILED"},
    {CURLE_OPERATION_TIMEDOUT, "HTTP_TIMEOUT"},
    {CURLE_SSL_CONNECT_ERROR, "HTTP_TLS_FAILED"},
    {CURLE_SSL_CERTPROBLEM, "HTTP_TLS_FILE"},
    {CURLE_SSL_CLIENTCERT, "HTTP_TLS_REFUSED"},
    {CURLE_SSL_CACERT_BADFILE, "HTTP_TLS_FILE"},
    {CURLE_SSL_CIPHER, "HTTP_TLS_FAILED"},
    {CURLE_SSL_ISSUER_ERROR, "HTTP_TLS_FAILED"},
    {CURLE_SSL_ENGINE_INITFAILED, "HTTP_TLS_FAILED"},
    {CURLE_SSL_INVALIDCERTSTATUS, "HTTP_TLS_FAILED"},
    {CURLE_OUT_OF_MEMORY, "OUT_OF_MEMORY"},
};

static const char *place_of(const struct gantry_http_request *request)
{
    return request->http->unix_socket != NULL ? request->http->unix_socket : request->http->url;
}

/* The path that was asked for, which libcurl keeps as long as the transfer lives. */
static const char *path_of(const struct gantry_http_request *request)
{
    size_t host = strlen(request->http->url);
    char *url = NULL;

    curl_easy_getinfo(request->easy, CURLINFO_EFFECTIVE_URL, &url);
    if (url == NULL)
        return "?";
    return strncmp(url, request->http->url, host) == 0 ? url + host : url;
}

void gantry_http_fail(struct gantry_http_request *request, const char *code, const char *format, ...)
{
    char reason[GANTRY_ERROR_MESSAGE_SIZE / 2];
    va_list arguments;

    if (request->failed)
        return;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    gantry_fail(&request->error, code, "ask %s for %.300s: %s", place_of(request), path_of(request), reason);
    request->failed = true;
}

static int os_error_of(const struct gantry_http_request *request)
{
    long os_error = 0;

    curl_easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &os_error);
    return (int)os_error;
}

/* A server that wants another certificate says so after a handshake that has gone well for the client (TLS 1.3), and
 * libcurl then has only "could not read" to tell. A connection that is lost otherwise has an errno, or was used. */
static bool is_refused_certificate(const struct gantry_http_request *request, CURLcode result)
{
    long new_connections = 0;

    if (strncmp(request->http->url, "https:", 6) != 0 || request->headers_complete || os_error_of(request) != 0)
        return false;
    curl_easy_getinfo(request->easy, CURLINFO_NUM_CONNECTS, &new_connections);
    return (result == CURLE_RECV_ERROR || result == CURLE_SEND_ERROR) && new_connections > 0;
}

/* What is wrong with a server's certificate that did not pass, by OpenSSL's number of it. */
static const char *untrusted_code(const struct gantry_http_request *request)
{
    enum { PASSED = 0, NOT_ASKED = 1, NOT_YET_VALID = 9, HAS_EXPIRED = 10, HOST_MISMATCH = 62, ADDRESS_MISMATCH = 64 };
    long number = PASSED;

    curl_easy_getinfo(request->easy, CURLINFO_SSL_VERIFYRESULT, &number);
    switch (number) {
    case NOT_YET_VALID:
    case HAS_EXPIRED:
        return "HTTP_TLS_EXPIRED";
    case PASSED:
    case NOT_ASKED: /* libcurl itself did not find the host among the names, which it looks at first */
    case HOST_MISMATCH:
    case ADDRESS_MISMATCH:
        return "HTTP_TLS_NAME";
    default:
        return "HTTP_TLS_UNTRUSTED";
    }
}

static const char *code_of(const struct gantry_http_request *request, CURLcode result)
{
    if (result == CURLE_PEER_FAILED_VERIFICATION)
        return untrusted_code(request);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].result == result)
            return codes[i].code;
    /* A Unix socket with a full queue turns a client away with EAGAIN, which libcurl takes for a connection. */
    if (request->http->unix_socket != NULL && os_error_of(request) == ENOTCONN)
        return "HTTP_CONNECT_FAILED";
    return is_refused_certificate(request, result) ? "HTTP_TLS_REFUSED" : "HTTP_FAILED";
}

/* Why nobody answers, asked once more, for a libcurl that does not say. 0 where somebody does now. */
static int probe_socket(const char *path)
{
    struct sockaddr_un address;
    struct gantry_error too_long; /* refused when the client was made */

    return gantry_unix_address(path, &address, &too_long) < 0 ? ENAMETOOLONG : gantry_unix_probe(&address, NULL);
}

static void describe_connect(struct gantry_http_request *request)
{
    const char *path = request->http->unix_socket;
    int os_error = os_error_of(request);

    if (path != NULL && (os_error == 0 || os_error == ENOTCONN))
        os_error = probe_socket(path);
    if (os_error != 0)
        gantry_fail_errno(&request->error, os_error, "HTTP_CONNECT_FAILED", "connect to %s", place_of(request));
    else
        gantry_fail(&request->error, "HTTP_CONNECT_FAILED", "connect to %s: %s", place_of(request),
                    request->detail[0] != '\0' ? request->detail : "nobody answers");
}

static void describe_timeout(struct gantry_http_request *request)
{
    curl_off_t connected_us = 0;
    double seconds = 0;

    curl_easy_getinfo(request->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    curl_easy_getinfo(request->easy, CURLINFO_TOTAL_TIME, &seconds);
    if (connected_us > 0)
        gantry_fail(&request->error, "HTTP_TIMEOUT", "ask %s for %.300s: no whole answer within %.3g seconds",
                    place_of(request), path_of(request), seconds);
    else
        gantry_fail(&request->error, "HTTP_TIMEOUT", "connect to %s: nobody answered within %.3g seconds",
                    place_of(request), seconds);
}

/* Says which file of the caller's was at stake: the authorities, or what the client shows of itself. */
static void describe_tls(struct gantry_http_request *request, const char *code, CURLcode result, const char *detail)
{
    const struct gantry_http *http = request->http;

    if (result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE)
        gantry_fail(&request->error, code, "connect to %s with TLS: %s; the authorities trusted are %s",
                    place_of(request), detail, http->ca_file != NULL ? http->ca_file : "the system's");
    else
        gantry_fail(&request->error, code, "connect to %s with TLS: %s; the client shows %s", place_of(request), detail,
                    http->cert_file != NULL ? http->cert_file : "no certificate");
}

void gantry_http_describe(struct gantry_http_request *request, CURLcode result)
{
    const char *detail = request->detail;
    const char *code;

    if (request->failed)
        return;
    if (detail[0] == '\0')
        detail = curl_easy_strerror(result);
    code = code_of(request, result);
    if (strcmp(code, "HTTP_CONNECT_FAILED") == 0) {
        describe_connect(request);
    } else if (strcmp(code, "HTTP_TIMEOUT") == 0) {
        describe_timeout(request);
    } else if (strncmp(code, "HTTP_TLS_", strlen("HTTP_TLS_")) == 0) {
        describe_tls(request, code, result, detail);
    } else {
        gantry_http_fail(request, code, "%s", detail);
        request->error.os_error = os_error_of(request);
    }
    request->failed = true;
}
