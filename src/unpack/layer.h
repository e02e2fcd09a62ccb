/* SPDX-License-Identifier: Apache-2.0
 *
 * layer.h: lays one layer over a tree, and holds it against its digests. */
#ifndef GANTRY_LAYER_H
#define GANTRY_LAYER_H

#include "unpack/layer_stream.h"
#include "unpack/tree.h"

struct gantry_layer {
    int fd;              /* of the blob; the caller's */
    const char *blob;    /* its SHA-256, NULL where nobody said it */
    const char *archive; /* that of the tar archive in it; NULL likewise */
};

/* How much the layers of an image may still bring. */
struct gantry_layer_budget {
    uint64_t archives; /* bytes of tar archives */
    uint64_t files;    /* bytes of files */
};

/* Adds a layer. `progress` may be NULL. Fails with IMAGE_CORRUPT (no tar archive, cut, or not what its digests say) or
 * as a tree does. */
int gantry_layer_add(struct gantry_tree *tree, const struct gantry_layer *layer, struct gantry_layer_budget *budget,
                     gantry_layer_progress_fn *progress, void *data, struct gantry_error *err);

#endif
