/* SPDX-License-Identifier: Apache-2.0 */
#include "core/files/file_body.h"
#include "core/files/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct gantry_file_body {
    char *before; /* `after` is behind it */
    size_t before_size;
    size_t after_size;
    int fd;
    uint64_t size;
    char sha256[GANTRY_DIGEST_SIZE];
    uint64_t at; /* of all that is given */
    struct gantry_digest *digest;
};

int gantry_file_body_new(const struct gantry_file_body_options *options, struct gantry_file_body **body,
                         struct gantry_error *err)
{
    struct gantry_file_body *made = calloc(1, sizeof *made);

    if (made == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "send a file: out of memory");
    made->fd = fcntl(options->fd, F_DUPFD_CLOEXEC, 3);
    if (made->fd < 0) {
        gantry_fail_errno(err, errno, "READ_FAILED", "send a file");
        gantry_file_body_free(made);
        return -1;
    }
    made->before = malloc(options->before_size + options->after_size + 1);
    if (made->before == NULL) {
        gantry_file_body_free(made);
        return gantry_fail(err, "OUT_OF_MEMORY", "send a file: out of memory");
    }
    memcpy(made->before, options->before, options->before_size);
    memcpy(made->before + options->before_size, options->after, options->after_size);
    made->before_size = options->before_size;
    made->after_size = options->after_size;
    made->size = options->size;
    snprintf(made->sha256, sizeof made->sha256, "%s", options->sha256);
    if (gantry_digest_new(&made->digest, err) < 0) {
        gantry_file_body_free(made);
        return -1;
    }
    *body = made;
    return 0;
}

void gantry_file_body_free(struct gantry_file_body *body)
{
    if (body == NULL)
        return;
    gantry_digest_free(body->digest);
    if (body->fd >= 0)
        close(body->fd);
    free(body->before);
    free(body);
}

uint64_t gantry_file_body_size(const struct gantry_file_body *body)
{
    return body->before_size + body->size + body->after_size;
}

/* Some of `count` bytes that stand `at` in `from`. */
static ssize_t give(struct gantry_file_body *body, const char *from, size_t count, char *bytes, size_t size)
{
    size_t some = count < size ? count : size;

    memcpy(bytes, from, some);
    body->at += some;
    return (ssize_t)some;
}

static ssize_t give_file(struct gantry_file_body *body, uint64_t at, char *bytes, size_t size, struct gantry_error *err)
{
    size_t wanted = body->size - at < size ? (size_t)(body->size - at) : size;
    char hex[GANTRY_DIGEST_SIZE];
    ssize_t got;

    do
        got = pread(body->fd, bytes, wanted, (off_t)at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return gantry_fail_errno(err, errno, "READ_FAILED", "read a file");
    gantry_digest_add(body->digest, bytes, (size_t)got);
    body->at += (uint64_t)got;
    if (got > 0 && at + (uint64_t)got < body->size)
        return got;
    gantry_digest_hex(body->digest, hex);
    if (got == 0 || strcmp(hex, body->sha256) != 0)
        return gantry_fail(err, "FILE_CHANGED", "send a file: it was changed meanwhile");
    return got;
}

ssize_t gantry_file_body_read(struct gantry_file_body *body, char *bytes, size_t size, struct gantry_error *err)
{
    uint64_t after = body->before_size + body->size;

    if (body->at < body->before_size)
        return give(body, body->before + body->at, body->before_size - (size_t)body->at, bytes, size);
    if (body->at < after)
        return give_file(body, body->at - body->before_size, bytes, size, err);
    return give(body, body->before + body->before_size + (body->at - after),
                body->after_size - (size_t)(body->at - after), bytes, size);
}

void gantry_file_body_rewind(struct gantry_file_body *body)
{
    body->at = 0;
    gantry_digest_reset(body->digest);
}
