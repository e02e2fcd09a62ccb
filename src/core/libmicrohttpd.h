/* SPDX-License-Identifier: Apache-2.0
 *
 * libmicrohttpd.h: libmicrohttpd, loaded on first use: only a supervisor serves.
 *
 * One list names the functions; the struct has a pointer of the right type for each. Once loaded it stays for the life
 * of the process and belongs to nobody. */
#ifndef GANTRY_LIBMICROHTTPD_H
#define GANTRY_LIBMICROHTTPD_H

#include "error.h"

#include <microhttpd.h>

#define GANTRY_LIBMICROHTTPD_FUNCTIONS(FUNCTION)                                                                       \
    FUNCTION(MHD_start_daemon)                                                                                         \
    FUNCTION(MHD_stop_daemon)                                                                                          \
    FUNCTION(MHD_run)                                                                                                  \
    FUNCTION(MHD_get_timeout)                                                                                          \
    FUNCTION(MHD_get_connection_info)                                                                                  \
    FUNCTION(MHD_get_daemon_info)                                                                                      \
    FUNCTION(MHD_suspend_connection)                                                                                   \
    FUNCTION(MHD_resume_connection)                                                                                    \
    FUNCTION(MHD_lookup_connection_value)                                                                              \
    FUNCTION(MHD_create_response_from_buffer)                                                                          \
    FUNCTION(MHD_create_response_from_callback)                                                                        \
    FUNCTION(MHD_add_response_header)                                                                                  \
    FUNCTION(MHD_queue_response)                                                                                       \
    FUNCTION(MHD_destroy_response)

struct gantry_libmicrohttpd {
/* The names are the library's own, so they are no arguments to put into parentheses. */
#define GANTRY_LIBMICROHTTPD_FIELD(name) __typeof__(&name) name; /* NOLINT(bugprone-macro-parentheses) */
    GANTRY_LIBMICROHTTPD_FUNCTIONS(GANTRY_LIBMICROHTTPD_FIELD)
#undef GANTRY_LIBMICROHTTPD_FIELD
};

/* The library, loaded where it is not yet. Returns NULL where that fails, with LIBRARY_MISSING. Any thread may call
 * it. */
const struct gantry_libmicrohttpd *gantry_libmicrohttpd(struct gantry_error *err);

#endif
