/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl.h: libcurl, loaded on first use: with the libraries behind it, loading it costs more than all else at process
 * start.
 *
 * One list names the functions; the struct has a pointer of the right type for each. Once loaded it stays for the life
 * of the process and belongs to nobody. */
#ifndef GANTRY_LIBCURL_H
#define GANTRY_LIBCURL_H

#include "error.h"

/* The type-checking macros stand for the functions themselves, which are reached through pointers here. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

#define GANTRY_LIBCURL_FUNCTIONS(FUNCTION)                                                                             \
    FUNCTION(curl_global_init)                                                                                         \
    FUNCTION(curl_easy_init)                                                                                           \
    FUNCTION(curl_easy_cleanup)                                                                                        \
    FUNCTION(curl_easy_setopt)                                                                                         \
    FUNCTION(curl_easy_getinfo)                                                                                        \
    FUNCTION(curl_easy_pause)                                                                                          \
    FUNCTION(curl_easy_strerror)                                                                                       \
    FUNCTION(curl_slist_append)                                                                                        \
    FUNCTION(curl_slist_free_all)                                                                                      \
    FUNCTION(curl_multi_init)                                                                                          \
    FUNCTION(curl_multi_cleanup)                                                                                       \
    FUNCTION(curl_multi_setopt)                                                                                        \
    FUNCTION(curl_multi_assign)                                                                                        \
    FUNCTION(curl_multi_add_handle)                                                                                    \
    FUNCTION(curl_multi_remove_handle)                                                                                 \
    FUNCTION(curl_multi_socket_action)                                                                                 \
    FUNCTION(curl_multi_info_read)

struct gantry_libcurl {
/* The names are the library's own, so they are no arguments to put into parentheses. */
#define GANTRY_LIBCURL_FIELD(name) __typeof__(&name) name; /* NOLINT(bugprone-macro-parentheses) */
    GANTRY_LIBCURL_FUNCTIONS(GANTRY_LIBCURL_FIELD)
#undef GANTRY_LIBCURL_FIELD
};

/* The library, loaded and initialised where it is not yet. Returns NULL where that fails, with LIBRARY_MISSING (it, or
 * a function in it, is not there). Any thread may call it. */
const struct gantry_libcurl *gantry_libcurl(struct gantry_error *err);

#endif
