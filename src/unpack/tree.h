/* SPDX-License-Identifier: Apache-2.0
 *
 * tree.h: the root file system of an image while its layers are laid over each other.
 *
 * A path of a layer is found below the root as a process of the image would find it: a link, wherever it leads, leads
 * to something below the root (openat2, RESOLVE_IN_ROOT). Only the way to an entry is resolved so; what stands at its
 * place is never followed, and goes. A path with ".." is refused, as is one that is too long; an absolute one begins at
 * the root.
 *
 * Where the process is root of the whole machine, entries get owner, mode, attributes and device numbers as the layer
 * has them. Else all is the caller's: no setuid and setgid bit, no device nodes but empty files in their place, and
 * directories that their owner can empty again. */
#ifndef GANTRY_TREE_H
#define GANTRY_TREE_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

/* How much a whole image may bring. */
struct gantry_tree_bounds {
    uint64_t entries; /* of all layers, with the directories that they leave out */
    uint64_t bytes;   /* of all files; and once more of all archives */
};

/* What a layer says of one entry. */
struct gantry_tree_entry {
    const char *path;
    const char *target; /* of a link: NULL for what is none */
    bool hard;          /* the link is a second name of a file */
    mode_t mode;        /* with its type; of no meaning for a hard link */
    int64_t user;
    int64_t group;
    dev_t device;
    struct timespec changed;
};

struct gantry_tree;

/* Begins with the empty directory behind `root`, which stays the caller's and open. Fails with OUT_OF_MEMORY. */
int gantry_tree_new(int root, const struct gantry_tree_bounds *bounds, struct gantry_tree **tree,
                    struct gantry_error *err);

/* NULL is allowed. */
void gantry_tree_free(struct gantry_tree *tree);

/* Whether the process is root of the whole machine, or was when the tree began. */
bool gantry_tree_is_privileged(const struct gantry_tree *tree);

/* The entries made by now. */
uint64_t gantry_tree_entries(const struct gantry_tree *tree);

/* Makes an entry, or does what a whiteout says. For a regular file `fd` is one to write its content to, then to be
 * given to gantry_tree_own and gantry_tree_finish; else it is -1. Fails with IMAGE_UNSAFE, IMAGE_CORRUPT,
 * IMAGE_TOO_LARGE, STORE_FULL, OUT_OF_MEMORY or UNPACK_FAILED. */
int gantry_tree_make(struct gantry_tree *tree, const struct gantry_tree_entry *entry, int *fd,
                     struct gantry_error *err);

/* Gives a file its owner, once its content is there: either takes away what attributes give. */
int gantry_tree_own(struct gantry_tree *tree, const struct gantry_tree_entry *entry, int fd, struct gantry_error *err);

/* Gives a file its mode and time, once it has all else, and closes it. */
int gantry_tree_finish(struct gantry_tree *tree, const struct gantry_tree_entry *entry, int fd,
                       struct gantry_error *err);

/* Gives the file behind `fd`, or where that is -1 the directory `path`, an extended attribute, where gantry keeps those
 * of its kind. */
int gantry_tree_set_attribute(struct gantry_tree *tree, int fd, const char *path, const char *name, const void *value,
                              size_t size, struct gantry_error *err);

/* Ends a layer: the directories that it brought get their times. */
int gantry_tree_end_layer(struct gantry_tree *tree, struct gantry_error *err);

/* Makes what runtimes mount over, where the image does not have it: nothing is made in the root once it is shared. */
int gantry_tree_add_mount_points(struct gantry_tree *tree, struct gantry_error *err);

#endif
