/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack/archive_look.h"

#include "unpack/layer_stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE (128UL * 1024)
/* Of a manifest, and of an index. */
#define LONGEST_FILE (4L * 1024 * 1024)

static int look_fail(struct archive *archive, struct gantry_error *err)
{
    const char *reason = archive_error_string(archive);

    return gantry_fail(err, "IMAGE_CORRUPT", "this is no whole archive of images: %s", reason != NULL ? reason : "?");
}

static const char *wanted_name(struct archive_entry *entry, const char *const *names)
{
    const char *path = archive_entry_pathname(entry);

    if (path == NULL || archive_entry_filetype(entry) != S_IFREG)
        return NULL;
    if (strncmp(path, "./", 2) == 0)
        path += 2;
    while (*names != NULL && strcmp(*names, path) != 0)
        names++;
    return *names;
}

static int print_file(struct archive *archive, struct archive_entry *entry, const char *name, struct gantry_error *err)
{
    la_int64_t size = archive_entry_size(entry);
    char *bytes = size >= 0 && size <= LONGEST_FILE ? malloc((size_t)size + 1) : NULL;

    if (bytes == NULL)
        return gantry_fail(err, "IMAGE_CORRUPT", "%s of the archive is too long", name);
    if (archive_read_data(archive, bytes, (size_t)size) != size) {
        free(bytes);
        return look_fail(archive, err);
    }
    printf("%s %lld\n", name, (long long)size);
    fwrite(bytes, 1, (size_t)size, stdout);
    free(bytes);
    return 0;
}

static int look(struct archive *archive, int fd, const char *const *names, struct gantry_error *err)
{
    struct archive_entry *entry;
    int status;

    if (archive_read_support_filter_gzip(archive) != ARCHIVE_OK ||
        archive_read_support_filter_zstd(archive) != ARCHIVE_OK ||
        archive_read_support_format_tar(archive) != ARCHIVE_OK)
        return gantry_fail(err, "OUT_OF_MEMORY", "read an archive of images: out of memory");
    if (archive_read_open_fd(archive, fd, PIECE) != ARCHIVE_OK)
        return look_fail(archive, err);
    while ((status = archive_read_next_header(archive, &entry)) == ARCHIVE_OK || status == ARCHIVE_WARN) {
        const char *name = wanted_name(entry, names);

        if (name != NULL && print_file(archive, entry, name, err) < 0)
            return -1;
    }
    if (status != ARCHIVE_EOF)
        return look_fail(archive, err);
    return fflush(stdout) == 0 ? 0 : gantry_fail_errno(err, errno, "UNPACK_FAILED", "tell of an archive");
}

int gantry_archive_look(int fd, const char *const *names, struct gantry_error *err)
{
    struct archive *archive = archive_read_new();
    int failed;

    if (archive == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "read an archive of images: out of memory");
    failed = look(archive, fd, names, err);
    archive_read_free(archive);
    return failed;
}

static int write_piece(int to, const char *bytes, ssize_t count, struct gantry_error *err)
{
    while (count > 0) {
        ssize_t written = write(to, bytes, (size_t)count);

        if (written < 0 && errno != EINTR)
            return gantry_fail_errno(err, errno, errno == ENOSPC || errno == EDQUOT ? "STORE_FULL" : "STORE_FAILED",
                                     "keep the archive");
        if (written > 0) {
            bytes += written;
            count -= written;
        }
    }
    return 0;
}

int gantry_archive_keep(int from, int to, uint64_t most, struct gantry_error *err)
{
    struct gantry_layer_stream *stream;
    const void *bytes;
    ssize_t got;

    if (gantry_layer_stream_new(from, most, NULL, NULL, &stream, err) < 0)
        return -1;
    do
        got = gantry_layer_stream_read(stream, &bytes, err);
    while (got > 0 && write_piece(to, bytes, got, err) == 0);
    gantry_layer_stream_free(stream);
    return got == 0 ? 0 : -1;
}
