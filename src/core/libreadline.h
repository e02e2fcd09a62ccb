/* SPDX-License-Identifier: Apache-2.0
 *
 * libreadline.h: GNU readline, loaded on first use: only a person at a terminal needs it.
 *
 * One list names its functions and variables; the struct has a pointer of the right type for each. Once loaded it stays
 * for the life of the process. */
#ifndef GANTRY_LIBREADLINE_H
#define GANTRY_LIBREADLINE_H

#include "error.h"

#include <stdio.h> /* which readline's header needs */

#include <readline/history.h>
#include <readline/readline.h>

#define GANTRY_LIBREADLINE_NAMES(NAME)                                                                                 \
    NAME(add_history)                                                                                                  \
    NAME(rl_bind_key)                                                                                                  \
    NAME(rl_callback_handler_install)                                                                                  \
    NAME(rl_callback_handler_remove)                                                                                   \
    NAME(rl_callback_read_char)                                                                                        \
    NAME(rl_catch_signals)                                                                                             \
    NAME(rl_catch_sigwinch)                                                                                            \
    NAME(rl_clear_visible_line)                                                                                        \
    NAME(rl_forced_update_display)                                                                                     \
    NAME(rl_get_screen_size)                                                                                           \
    NAME(rl_initialize)                                                                                                \
    NAME(rl_insert_text)                                                                                               \
    NAME(rl_line_buffer)                                                                                               \
    NAME(rl_point)                                                                                                     \
    NAME(rl_readline_name)                                                                                             \
    NAME(rl_redisplay)                                                                                                 \
    NAME(rl_resize_terminal)                                                                                           \
    NAME(stifle_history)                                                                                               \
    NAME(using_history)

struct gantry_libreadline {
/* The names are the library's own, so they are no arguments to put into parentheses. */
#define GANTRY_LIBREADLINE_FIELD(name) __typeof__(&name) name; /* NOLINT(bugprone-macro-parentheses) */
    GANTRY_LIBREADLINE_NAMES(GANTRY_LIBREADLINE_FIELD)
#undef GANTRY_LIBREADLINE_FIELD
};

/* The library, loaded where it is not yet. Returns NULL where that fails, with LIBRARY_MISSING. */
const struct gantry_libreadline *gantry_libreadline(struct gantry_error *err);

#endif
