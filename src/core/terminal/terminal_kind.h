/* SPDX-License-Identifier: Apache-2.0
 *
 * terminal_kind.h: what TERM names, as terminfo knows it. */
#ifndef GANTRY_TERMINAL_KIND_H
#define GANTRY_TERMINAL_KIND_H

#include "core/base/error.h"

/* Fails with SCREEN_UNSUPPORTED where TERM names no terminal that is known here, or one without addressable cells. */
int gantry_terminal_kind_check(struct gantry_error *err);

#endif
