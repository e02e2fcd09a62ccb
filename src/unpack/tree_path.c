/* SPDX-License-Identifier: Apache-2.0
 *
 * tree_path.c: how a tree finds the places of its entries. */
#include "core/system/descriptor.h"
#include "unpack/tree_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How often the kernel is asked again: it gives up where something is renamed on the way. */
#define TRIES 64

int gantry_tree_fail(struct gantry_error *err, int os_error, const char *verb, const char *path)
{
    const char *code = "UNPACK_FAILED";

    switch (os_error) {
    case ENOSPC:
    case EDQUOT:
        return gantry_fail_errno(err, os_error, "STORE_FULL", "%s %s of the image", verb, path);
    case EFBIG:
        code = "IMAGE_TOO_LARGE";
        break;
    case EEXIST:
    case EINVAL:
    case EISDIR:
    case ELOOP:
    case EMLINK:
    case ENAMETOOLONG:
    case ENOENT:
    case ENOTDIR:
    case EXDEV:
        code = "IMAGE_CORRUPT";
        break;
    default:
        break;
    }
    return gantry_fail_errno(err, os_error, code, "%s %s of the image", verb, path);
}

int gantry_tree_clean(const char *path, char clean[PATH_MAX], struct gantry_error *err)
{
    const char *at = path;
    size_t used = 0;

    while (*at != '\0') {
        size_t length = strcspn(at, "/");

        if (length == 2 && memcmp(at, "..", 2) == 0)
            return gantry_fail(err, "IMAGE_UNSAFE", "the image has the path %s, which leads upwards", path);
        if (length > 0 && !(length == 1 && at[0] == '.')) {
            if (used + 1 + length >= PATH_MAX)
                return gantry_fail(err, "IMAGE_UNSAFE", "the image has a path that is longer than %d bytes: %.100s",
                                   PATH_MAX - 1, path);
            if (used > 0)
                clean[used++] = '/';
            memcpy(clean + used, at, length);
            used += length;
        }
        at += length + (at[length] == '/' ? 1 : 0);
    }
    clean[used] = '\0';
    return 0;
}

int gantry_tree_open(const struct gantry_tree *tree, const char *path, int flags)
{
    struct open_how how = {
        .flags = (unsigned)(flags | O_CLOEXEC),
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };
    int fd, tries = TRIES;

    do
        fd = (int)syscall(SYS_openat2, tree->root, *path != '\0' ? path : ".", &how, sizeof how);
    while (fd < 0 && (errno == EAGAIN || errno == EINTR) && --tries > 0);
    return fd;
}

int gantry_tree_count(struct gantry_tree *tree, struct gantry_error *err)
{
    if (tree->entries++ < tree->bounds.entries)
        return 0;
    return gantry_fail(err, "IMAGE_TOO_LARGE", "the image has more than %llu entries",
                       (unsigned long long)tree->bounds.entries);
}

/* Makes the directory `path`, whose own directory is there. */
static int make_missing(struct gantry_tree *tree, char *path, struct gantry_error *err)
{
    char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    int above, failure;

    if (gantry_tree_count(tree, err) < 0)
        return -1;
    if (slash != NULL)
        *slash = '\0';
    above = gantry_tree_open(tree, slash != NULL ? path : "", O_PATH | O_DIRECTORY);
    failure = above < 0 || mkdirat(above, name, 0755) < 0 ? errno : 0;
    gantry_close(&above);
    if (slash != NULL)
        *slash = '/';
    return failure == 0 ? 0 : gantry_tree_fail(err, failure, "make the directory", path);
}

/* Makes the directory `path` and those above it that are missing. */
static int make_way(struct gantry_tree *tree, char *path, struct gantry_error *err)
{
    char *at = path;

    while (at != NULL) {
        int fd, failure;

        at = strchr(at + 1, '/');
        if (at != NULL)
            *at = '\0';
        fd = gantry_tree_open(tree, path, O_PATH | O_DIRECTORY);
        failure = fd < 0 ? errno : 0;
        gantry_close(&fd);
        if (failure == ENOENT ? make_missing(tree, path, err) < 0
                              : failure != 0 && gantry_tree_fail(err, failure, "open", path) < 0)
            return -1;
        if (at != NULL)
            *at = '/';
    }
    return 0;
}

void gantry_tree_leave(struct gantry_tree *tree)
{
    gantry_close(&tree->parent);
}

static int open_parent(struct gantry_tree *tree, struct gantry_error *err)
{
    struct stat status;

    tree->parent = gantry_tree_open(tree, tree->parent_path, O_PATH | O_DIRECTORY);
    if (tree->parent < 0 && errno == ENOENT && make_way(tree, tree->parent_path, err) < 0)
        return -1;
    if (tree->parent < 0)
        tree->parent = gantry_tree_open(tree, tree->parent_path, O_PATH | O_DIRECTORY);
    if (tree->parent < 0 || fstat(tree->parent, &status) < 0)
        return gantry_tree_fail(err, errno, "open", tree->parent_path);
    tree->parent_inode = status.st_ino;
    return 0;
}

int gantry_tree_enter(struct gantry_tree *tree, const char *path, const char **name, struct gantry_error *err)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash != NULL ? (size_t)(slash - path) : 0;

    *name = slash != NULL ? slash + 1 : path;
    if (tree->parent >= 0 && strncmp(tree->parent_path, path, length) == 0 && tree->parent_path[length] == '\0')
        return 0;
    gantry_tree_leave(tree);
    memcpy(tree->parent_path, path, length);
    tree->parent_path[length] = '\0';
    return open_parent(tree, err);
}
