/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack/layer_stream.h"

#include <archive.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE (128UL * 1024)

struct gantry_layer_stream {
    int fd;
    uint64_t most;
    uint64_t read; /* of the blob */
    uint64_t size; /* of the archive */
    gantry_layer_progress_fn *progress;
    void *data;
    struct gantry_digest *blob;
    struct gantry_digest *archive;
    struct archive *raw;
    struct gantry_error failed; /* why the blob could not be read; no code where it could */
    char piece[PIECE];
};

/* The next bytes of the blob, for libarchive. */
static la_ssize_t read_blob(struct archive *raw, void *data, const void **bytes)
{
    struct gantry_layer_stream *stream = data;
    ssize_t got;

    do
        got = read(stream->fd, stream->piece, sizeof stream->piece);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        gantry_fail_errno(&stream->failed, errno, "READ_FAILED", "read a layer of the image");
        archive_set_error(raw, errno, "not readable");
        return -1;
    }
    gantry_digest_add(stream->blob, stream->piece, (size_t)got);
    stream->read += (uint64_t)got;
    if (got > 0 && stream->progress != NULL)
        stream->progress(stream->data, stream->read);
    *bytes = stream->piece;
    return got;
}

static int stream_fail(struct gantry_layer_stream *stream, struct gantry_error *err)
{
    const char *reason = archive_error_string(stream->raw);

    if (stream->failed.code != NULL) {
        *err = stream->failed;
        return -1;
    }
    return gantry_fail(err, "IMAGE_CORRUPT", "a layer of the image is damaged: %s", reason != NULL ? reason : "?");
}

/* Opens the blob as one file with nothing around it but a compression. What is compressed twice is no layer. */
static int open_raw(struct gantry_layer_stream *stream, struct gantry_error *err)
{
    struct archive_entry *entry;
    int status;

    stream->raw = archive_read_new();
    if (stream->raw == NULL || archive_read_support_filter_gzip(stream->raw) != ARCHIVE_OK ||
        archive_read_support_filter_zstd(stream->raw) != ARCHIVE_OK ||
        archive_read_support_format_raw(stream->raw) != ARCHIVE_OK ||
        archive_read_support_format_empty(stream->raw) != ARCHIVE_OK)
        return gantry_fail(err, "OUT_OF_MEMORY", "read a layer of the image: out of memory");
    if (archive_read_open(stream->raw, stream, NULL, read_blob, NULL) != ARCHIVE_OK)
        return stream_fail(stream, err);
    if (archive_filter_count(stream->raw) > 2)
        return gantry_fail(err, "IMAGE_CORRUPT", "a layer of the image is compressed more than once");
    status = archive_read_next_header(stream->raw, &entry);
    return status == ARCHIVE_OK || status == ARCHIVE_EOF ? 0 : stream_fail(stream, err);
}

int gantry_layer_stream_new(int fd, uint64_t most, gantry_layer_progress_fn *progress, void *data,
                            struct gantry_layer_stream **stream, struct gantry_error *err)
{
    struct gantry_layer_stream *made = calloc(1, sizeof *made);

    if (made == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "read a layer of the image: out of memory");
    made->fd = fd;
    made->most = most;
    made->progress = progress;
    made->data = data;
    if (gantry_digest_new(&made->blob, err) == 0 && gantry_digest_new(&made->archive, err) == 0 &&
        open_raw(made, err) == 0) {
        *stream = made;
        return 0;
    }
    gantry_layer_stream_free(made);
    return -1;
}

void gantry_layer_stream_free(struct gantry_layer_stream *stream)
{
    if (stream == NULL)
        return;
    if (stream->raw != NULL)
        archive_read_free(stream->raw);
    gantry_digest_free(stream->blob);
    gantry_digest_free(stream->archive);
    free(stream);
}

ssize_t gantry_layer_stream_read(struct gantry_layer_stream *stream, const void **bytes, struct gantry_error *err)
{
    la_int64_t at;
    size_t count;
    int status;

    do
        status = archive_read_data_block(stream->raw, bytes, &count, &at);
    while (status == ARCHIVE_OK && count == 0);
    if (status == ARCHIVE_EOF)
        return 0;
    if (status != ARCHIVE_OK)
        return stream_fail(stream, err);
    stream->size += count;
    if (stream->size > stream->most)
        return gantry_fail(err, "IMAGE_TOO_LARGE", "the image's layers hold more than the %llu bytes that one may have",
                           (unsigned long long)stream->most);
    gantry_digest_add(stream->archive, *bytes, count);
    return (ssize_t)count;
}

int gantry_layer_stream_finish(struct gantry_layer_stream *stream, char blob[GANTRY_DIGEST_SIZE],
                               char archive[GANTRY_DIGEST_SIZE], struct gantry_error *err)
{
    const void *bytes;
    ssize_t got;

    do
        got = gantry_layer_stream_read(stream, &bytes, err);
    while (got > 0);
    if (got < 0)
        return -1;
    do
        got = read_blob(stream->raw, stream, &bytes); /* what stands behind the end of what is compressed */
    while (got > 0);
    if (got < 0)
        return stream_fail(stream, err);
    gantry_digest_hex(stream->blob, blob);
    gantry_digest_hex(stream->archive, archive);
    return 0;
}

uint64_t gantry_layer_stream_size(const struct gantry_layer_stream *stream)
{
    return stream->size;
}
