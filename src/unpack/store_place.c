/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack/store_place.h"

#include "core/system/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int place_fail(struct gantry_error *err, const char *store, const char *digits)
{
    int failure = errno;
    const char *code = failure == ENOSPC || failure == EDQUOT ? "STORE_FULL" : "STORE_FAILED";

    return gantry_fail_errno(err, failure, code, "take the place of image %.12s in %s", digits, store);
}

/* Opens the directory of an image and its lock; returns -1 and errno. */
static int open_place(const char *store, const char *digits, bool make, struct gantry_store_place *place)
{
    int images = open(store, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int inner = images >= 0 ? openat(images, "images", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    int failure;

    gantry_close(&images);
    *place = (struct gantry_store_place){-1, -1};
    if (inner >= 0 && (!make || mkdirat(inner, digits, 0700) == 0 || errno == EEXIST))
        place->directory = openat(inner, digits, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (place->directory >= 0)
        place->lock = openat(place->directory, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    failure = errno;
    gantry_close(&inner);
    if (place->lock >= 0)
        return 0;
    gantry_store_place_close(place);
    errno = failure;
    return -1;
}

/* Whether what is locked is still there: who has waited for it may have waited for its removal. */
static bool place_is_current(const char *store, const char *digits, const struct gantry_store_place *place)
{
    struct stat locked, there;
    char path[4096];

    snprintf(path, sizeof path, "%s/images/%s/lock", store, digits);
    return fstat(place->lock, &locked) == 0 && stat(path, &there) == 0 && locked.st_ino == there.st_ino &&
           locked.st_dev == there.st_dev;
}

static int hold_lock(int fd, void (*waits)(void))
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return -1;
    waits();
    while (flock(fd, LOCK_EX) < 0) {
        if (errno != EINTR)
            return -1;
    }
    return 0;
}

/* Whether the image is there, from now on held with whoever runs a container of it. */
static bool share_full(const struct gantry_store_place *place)
{
    if (flock(place->lock, LOCK_SH | LOCK_NB) < 0)
        return false;
    if (gantry_store_place_is_full(place))
        return true;
    (void)flock(place->lock, LOCK_UN);
    return false;
}

int gantry_store_place_take(const char *store, const char *digits, void (*waits)(void),
                            struct gantry_store_place *place, struct gantry_error *err)
{
    for (;;) {
        if (open_place(store, digits, true, place) < 0) {
            if (errno == ENOENT && access(store, F_OK) == 0)
                continue; /* it was removed between its making and its opening */
            return place_fail(err, store, digits);
        }
        if (!share_full(place) && hold_lock(place->lock, waits) < 0) {
            place_fail(err, store, digits);
            gantry_store_place_close(place);
            return -1;
        }
        if (place_is_current(store, digits, place))
            return 0;
        gantry_store_place_close(place);
    }
}

int gantry_store_place_try(const char *store, const char *digits, struct gantry_store_place *place,
                           struct gantry_error *err)
{
    if (open_place(store, digits, false, place) < 0) {
        if (errno == ENOENT)
            return gantry_fail(err, "NOT_FOUND", "image %.12s is not in %s", digits, store);
        return place_fail(err, store, digits);
    }
    if (flock(place->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        gantry_fail(err, "IN_USE", "image %.12s is in use", digits);
    else
        place_fail(err, store, digits);
    gantry_store_place_close(place);
    return -1;
}

void gantry_store_place_close(struct gantry_store_place *place)
{
    gantry_close(&place->lock);
    gantry_close(&place->directory);
}

bool gantry_store_place_is_full(const struct gantry_store_place *place)
{
    return faccessat(place->directory, "rootfs", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int gantry_store_check(const char *store, struct gantry_error *err)
{
    struct statvfs status;

    if (statvfs(store, &status) < 0)
        return gantry_fail_errno(err, errno, "STORE_FAILED", "look at %s", store);
    if ((status.f_flag & ST_NOEXEC) == 0)
        return 0;
    return gantry_fail(err, "STORE_NOEXEC",
                       "%s lies in a file system that is mounted noexec: no program of an image "
                       "could be executed there; name another folder with GANTRY_IMAGE_DIR",
                       store);
}
