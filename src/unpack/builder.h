/* SPDX-License-Identifier: Apache-2.0
 *
 * builder.h: makes the root of an image, out of its layers or of one program, in a process of its own. */
#ifndef GANTRY_BUILDER_H
#define GANTRY_BUILDER_H

#include "unpack/layer.h"

/* What a root is made of: layers, or a program. */
struct gantry_builder {
    struct gantry_tree_bounds bounds;
    struct gantry_layer *layers;
    size_t layer_count;
    int program;                /* of an image that holds nothing else; -1 where there are layers */
    const char *program_digest; /* SHA-256 */
};

/* Fills the empty directory behind `root`, from a confined child of this process, whose standard output gets a line
 * "progress LAYER BYTES" now and then and in the end "made ENTRIES". The child says what fails on standard error, as
 * gantry_builder_tell does. Returns the exit status: 0, or 1 once the failure is told. */
int gantry_builder_run(const struct gantry_builder *builder, int root);

/* Tells the caller of a failure: a line of code, errno and message. Returns 1. */
int gantry_builder_tell(const struct gantry_error *err);

#endif
