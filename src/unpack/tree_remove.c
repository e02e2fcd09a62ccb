/* SPDX-License-Identifier: Apache-2.0
 *
 * tree_remove.c: what a layer takes away of the layers below it. */
#include "core/files/empty_dir.h"
#include "core/system/descriptor.h"
#include "unpack/tree_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Each level takes a descriptor, and no image nests directories so deep. */
#define DEEPEST 256

/* Removes a directory with all that is in it. */
static int tree_remove_directory(int parent, const char *name, struct gantry_error *err)
{
    int fd = openat(parent, name, OPEN_DIRECTORY);
    int failed;

    if (fd < 0)
        return gantry_tree_fail(err, errno, "open", name);
    failed = gantry_empty_dir(fd, name, err);
    close(fd);
    if (failed == 0 && unlinkat(parent, name, AT_REMOVEDIR) == 0)
        return 0;
    return gantry_tree_fail(err, failed < 0 ? err->os_error : errno, "remove", name);
}

int gantry_tree_clear(struct gantry_tree *tree, const char *name, bool merge, bool *merged, struct gantry_error *err)
{
    struct stat status;

    *merged = false;
    if (fstatat(tree->parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : gantry_tree_fail(err, errno, "look at", name);
    if (!S_ISDIR(status.st_mode))
        return unlinkat(tree->parent, name, 0) == 0 ? 0 : gantry_tree_fail(err, errno, "remove", name);
    *merged = merge;
    return merge ? 0 : tree_remove_directory(tree->parent, name, err);
}

static int remove_lower(struct gantry_tree *tree, int parent, ino_t inode, const char *name, int depth,
                        struct gantry_error *err);

/* Removes what lower layers have in the directory behind `fd`, which is closed. */
static int empty_of_lower(struct gantry_tree *tree, int fd, int depth, struct gantry_error *err)
{
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    struct stat status;
    int failed;

    if (entries == NULL) {
        failed = gantry_tree_fail(err, errno, "list", "a directory");
        gantry_close(&fd);
        return failed;
    }
    failed = fstat(fd, &status) == 0 ? 0 : gantry_tree_fail(err, errno, "list", "a directory");
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this function's own */
    while (failed == 0 && (errno = 0, entry = readdir(entries)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            failed = remove_lower(tree, fd, status.st_ino, entry->d_name, depth, err);
    }
    closedir(entries);
    return failed;
}

/* Removes what lower layers have at `name` of the directory behind `parent`, whose inode is given. */
static int remove_lower(struct gantry_tree *tree, int parent, ino_t inode, const char *name, int depth,
                        struct gantry_error *err)
{
    bool kept = gantry_made_set_has(&tree->made, inode, name);
    struct stat status;

    if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : gantry_tree_fail(err, errno, "look at", name);
    if (!S_ISDIR(status.st_mode))
        return kept || unlinkat(parent, name, 0) == 0 ? 0 : gantry_tree_fail(err, errno, "remove", name);
    if (depth == DEEPEST)
        return gantry_fail(err, "IMAGE_UNSAFE", "the image has a directory deeper than %d others: %s", DEEPEST, name);
    if (empty_of_lower(tree, openat(parent, name, OPEN_DIRECTORY), depth + 1, err) < 0)
        return -1;
    /* What this layer has in it keeps a directory of a lower one. */
    if (kept || unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOTEMPTY || errno == EEXIST)
        return 0;
    return gantry_tree_fail(err, errno, "remove", name);
}

int gantry_tree_white_out(struct gantry_tree *tree, const char *name, struct gantry_error *err)
{
    if (*name == '\0')
        return empty_of_lower(tree, openat(tree->parent, ".", OPEN_DIRECTORY), 0, err);
    return remove_lower(tree, tree->parent, tree->parent_inode, name, 0, err);
}
