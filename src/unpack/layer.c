/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack/layer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* One layer under way. */
struct reading {
    struct gantry_tree *tree;
    struct gantry_layer_stream *stream;
    struct gantry_layer_budget *budget;
    struct archive *tar;
    struct gantry_error failed; /* why the stream could not be read; no code where it could */
};

static la_ssize_t layer_read_stream(struct archive *tar, void *data, const void **bytes)
{
    struct reading *reading = data;
    ssize_t got = gantry_layer_stream_read(reading->stream, bytes, &reading->failed);

    if (got < 0)
        archive_set_error(tar, EIO, "not readable");
    return got;
}

static int reading_fail(struct reading *reading, struct gantry_error *err)
{
    const char *reason = archive_error_string(reading->tar);

    if (reading->failed.code != NULL) {
        *err = reading->failed;
        return -1;
    }
    return gantry_fail(err, "IMAGE_CORRUPT", "a layer of the image is no whole tar archive: %s",
                       reason != NULL ? reason : "?");
}

/* Writes a file's content. */
static int copy_content(struct reading *reading, const struct gantry_tree_entry *entry, int fd, la_int64_t size,
                        struct gantry_error *err)
{
    const char *bytes;
    size_t count;
    la_int64_t at;
    int status;

    while ((status = archive_read_data_block(reading->tar, (const void **)&bytes, &count, &at)) == ARCHIVE_OK) {
        if (at < 0 || at > size || (la_int64_t)count > size - at)
            return gantry_fail(err, "IMAGE_CORRUPT", "%s of the image is longer than it says", entry->path);
        while (count > 0) {
            ssize_t written = pwrite(fd, bytes, count, at);

            if (written < 0 && errno == EINTR)
                continue;
            if (written < 0)
                return gantry_fail_errno(err, errno,
                                         errno == ENOSPC || errno == EDQUOT ? "STORE_FULL" : "UNPACK_FAILED",
                                         "write %s of the image", entry->path);
            bytes += written;
            at += written;
            count -= (size_t)written;
        }
    }
    if (status != ARCHIVE_EOF)
        return reading_fail(reading, err);
    if (ftruncate(fd, size) < 0) /* what ends with a hole */
        return gantry_fail_errno(err, errno, "UNPACK_FAILED", "write %s of the image", entry->path);
    return 0;
}

/* Gives a file or directory the attributes that the layer has for it. */
static int layer_set_attributes(struct reading *reading, struct archive_entry *from,
                                const struct gantry_tree_entry *entry, int fd, struct gantry_error *err)
{
    const char *name;
    const void *value;
    size_t size;

    if (fd < 0 && !S_ISDIR(entry->mode))
        return 0;
    archive_entry_xattr_reset(from);
    while (archive_entry_xattr_next(from, &name, &value, &size) == ARCHIVE_OK) {
        if (name != NULL && gantry_tree_set_attribute(reading->tree, fd, entry->path, name, value, size, err) < 0)
            return -1;
    }
    return 0;
}

/* Takes the bytes of a file from the budget. */
static int layer_spend(struct reading *reading, const struct gantry_tree_entry *entry, la_int64_t size,
                       struct gantry_error *err)
{
    if (size < 0)
        return gantry_fail(err, "IMAGE_CORRUPT", "%s of the image has a size that cannot be", entry->path);
    if ((uint64_t)size > reading->budget->files)
        return gantry_fail(err, "IMAGE_TOO_LARGE", "the image's files hold more than one's may, with %s of %lld bytes",
                           entry->path, (long long)size);
    reading->budget->files -= (uint64_t)size;
    return 0;
}

static int layer_fill_file(struct reading *reading, struct archive_entry *from, const struct gantry_tree_entry *entry,
                           int fd, struct gantry_error *err)
{
    la_int64_t size = archive_entry_size(from);

    if (layer_spend(reading, entry, size, err) < 0 || copy_content(reading, entry, fd, size, err) < 0 ||
        gantry_tree_own(reading->tree, entry, fd, err) < 0 || layer_set_attributes(reading, from, entry, fd, err) < 0) {
        close(fd);
        return -1;
    }
    return gantry_tree_finish(reading->tree, entry, fd, err);
}

static int add_entry(struct reading *reading, struct archive_entry *from, struct gantry_error *err)
{
    const char *hard = archive_entry_hardlink(from);
    struct gantry_tree_entry entry = {
        .path = archive_entry_pathname(from),
        .target = hard != NULL ? hard : archive_entry_symlink(from),
        .hard = hard != NULL,
        .mode = archive_entry_mode(from),
        .user = archive_entry_uid(from),
        .group = archive_entry_gid(from),
        .device = makedev(archive_entry_rdevmajor(from), archive_entry_rdevminor(from)),
        .changed = {.tv_sec = archive_entry_mtime(from), .tv_nsec = archive_entry_mtime_nsec(from)},
    };
    int fd;

    if (entry.path == NULL || (entry.target == NULL && (S_ISLNK(entry.mode) || entry.hard)))
        return gantry_fail(err, "IMAGE_CORRUPT", "a layer of the image has an entry without a name");
    if (gantry_tree_make(reading->tree, &entry, &fd, err) < 0)
        return -1;
    if (fd < 0)
        return layer_set_attributes(reading, from, &entry, -1, err);
    return layer_fill_file(reading, from, &entry, fd, err);
}

static int add_entries(struct reading *reading, struct gantry_error *err)
{
    struct archive_entry *entry;
    int status;

    reading->tar = archive_read_new();
    if (reading->tar == NULL || archive_read_support_format_tar(reading->tar) != ARCHIVE_OK ||
        archive_read_support_format_empty(reading->tar) != ARCHIVE_OK)
        return gantry_fail(err, "OUT_OF_MEMORY", "read a layer of the image: out of memory");
    if (archive_read_open(reading->tar, reading, NULL, layer_read_stream, NULL) != ARCHIVE_OK)
        return reading_fail(reading, err);
    while ((status = archive_read_next_header(reading->tar, &entry)) == ARCHIVE_OK || status == ARCHIVE_WARN) {
        if (add_entry(reading, entry, err) < 0)
            return -1;
    }
    return status == ARCHIVE_EOF ? 0 : reading_fail(reading, err);
}

static int layer_check_digest(const char *what, const char *wanted, const char *found, struct gantry_error *err)
{
    if (wanted == NULL || strcmp(wanted, found) == 0)
        return 0;
    return gantry_fail(err, "IMAGE_CORRUPT",
                       "a layer of the image is not what it should be: the SHA-256 of its %s is "
                       "%s, and should be %s",
                       what, found, wanted);
}

static int layer_finish(const struct reading *reading, const struct gantry_layer *layer, struct gantry_error *err)
{
    char blob[GANTRY_DIGEST_SIZE], archive[GANTRY_DIGEST_SIZE];

    if (gantry_layer_stream_finish(reading->stream, blob, archive, err) < 0 ||
        layer_check_digest("blob", layer->blob, blob, err) < 0 ||
        layer_check_digest("tar archive", layer->archive, archive, err) < 0)
        return -1;
    reading->budget->archives -= gantry_layer_stream_size(reading->stream);
    return gantry_tree_end_layer(reading->tree, err);
}

int gantry_layer_add(struct gantry_tree *tree, const struct gantry_layer *layer, struct gantry_layer_budget *budget,
                     gantry_layer_progress_fn *progress, void *data, struct gantry_error *err)
{
    struct reading reading = {.tree = tree, .budget = budget};
    int failed = gantry_layer_stream_new(layer->fd, budget->archives, progress, data, &reading.stream, err);

    if (failed == 0)
        failed = add_entries(&reading, err);
    if (failed == 0)
        failed = layer_finish(&reading, layer, err);
    if (reading.tar != NULL)
        archive_read_free(reading.tar);
    gantry_layer_stream_free(reading.stream);
    return failed;
}
