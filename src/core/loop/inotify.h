/* SPDX-License-Identifier: Apache-2.0
 *
 * inotify.h: changes in directories, as events of the loop.
 *
 * The object owns one inotify descriptor, on which any number of directories are watched. It reports what happened and
 * to which name; what that means, and when to look, is the caller's. */
#ifndef GANTRY_INOTIFY_H
#define GANTRY_INOTIFY_H

#include "core/loop/loop.h"

struct gantry_inotify;

/* A name in the watched directory `watch` was written, made, moved or removed. `name` is NULL where the directory
 * itself is gone (nothing more comes for it), and `watch` is -1 as well where events were lost. */
typedef void gantry_inotify_fn(void *data, int watch, const char *name);

/* Makes a watcher, which the caller frees. Fails with INOTIFY_FAILED (the user's limit of instances). */
int gantry_inotify_new(struct gantry_loop *loop, gantry_inotify_fn *callback, void *data,
                       struct gantry_inotify **inotify, struct gantry_error *err);

/* Watches a directory. Gives its number, which is the same for the same directory. Fails with INOTIFY_FAILED. */
int gantry_inotify_add(struct gantry_inotify *inotify, const char *path, int *watch, struct gantry_error *err);

/* Ends it. NULL is allowed. */
void gantry_inotify_free(struct gantry_inotify *inotify);

#endif
