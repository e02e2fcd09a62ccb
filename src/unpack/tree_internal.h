/* SPDX-License-Identifier: Apache-2.0
 *
 * tree_internal.h: what the files of a tree share. */
#ifndef GANTRY_TREE_INTERNAL_H
#define GANTRY_TREE_INTERNAL_H

#include "unpack/made_set.h"
#include "unpack/tree.h"

#include <limits.h>

/* A directory of this layer, which gets its time at the layer's end. */
struct tree_directory {
    char *path;
    struct timespec changed;
};

struct gantry_tree {
    int root;
    bool privileged;
    struct gantry_tree_bounds bounds;
    uint64_t entries;
    struct gantry_made_set made;
    struct tree_directory *directories;
    size_t directory_count;
    size_t directory_room;
    int parent; /* the directory that was opened last, or -1 */
    ino_t parent_inode;
    char parent_path[PATH_MAX];
};

/* Fails for a system call on `path`, with the code that tells whose fault it is. */
int gantry_tree_fail(struct gantry_error *err, int os_error, const char *verb, const char *path);

/* Writes a layer's path without what means nothing in it: "" for the root. Fails with IMAGE_UNSAFE. */
int gantry_tree_clean(const char *path, char clean[PATH_MAX], struct gantry_error *err);

/* Opens what is at a clean path below the root, following links; returns -1 and errno. */
int gantry_tree_open(const struct gantry_tree *tree, const char *path, int flags);

/* Opens the directory of a clean path, which is made where it is missing, as tree->parent, and finds the path's last
 * part. */
int gantry_tree_enter(struct gantry_tree *tree, const char *path, const char **name, struct gantry_error *err);

/* What tree->parent was opened for may be gone. */
void gantry_tree_leave(struct gantry_tree *tree);

/* Counts an entry. Fails with IMAGE_TOO_LARGE. */
int gantry_tree_count(struct gantry_tree *tree, struct gantry_error *err);

/* Removes what is at `name` in tree->parent, whatever it is; but a directory is left where `merge` is true, and
 * `merged` tells so. */
int gantry_tree_clear(struct gantry_tree *tree, const char *name, bool merge, bool *merged, struct gantry_error *err);

/* Removes what lower layers have at `name` in tree->parent, or where that is "" all that they have in it. */
int gantry_tree_white_out(struct gantry_tree *tree, const char *name, struct gantry_error *err);

#endif
