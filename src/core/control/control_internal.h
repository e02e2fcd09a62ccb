/* SPDX-License-Identifier: Apache-2.0
 *
 * control_internal.h: what control.c and control_request.c share. */
#ifndef GANTRY_CONTROL_INTERNAL_H
#define GANTRY_CONTROL_INTERNAL_H

#include "core/base/buffer.h"
#include "core/base/list.h"
#include "core/control/control.h"
#include <microhttpd.h>

struct gantry_control {
    struct gantry_control_options options;
    struct MHD_Daemon *daemon;
    struct gantry_watch *watch;
    struct gantry_timer *timer;
    struct gantry_timer *request_timer; /* of the connection whose request is due first */
    struct gantry_list connections;
    struct gantry_list requests; /* all that have a connection */
    bool resumed;                /* a connection was: the library has to be run, and will not say so */
    bool *freed;                 /* set where a callback frees the server under it */
};

struct gantry_control_request {
    struct gantry_control *control; /* NULL once the connection is gone */
    struct MHD_Connection *connection;
    struct gantry_list in_requests;
    char *method;
    char *path;
    struct gantry_buffer body;
    struct gantry_buffer headers;  /* of the answer: names and values in turn, each with its final zero */
    struct gantry_buffer out;      /* of a stream: what the client has not taken yet */
    struct MHD_Response *response; /* until it is queued */
    unsigned status;               /* of the answer, or 0 before there is one */
    bool headers_lost;             /* memory was short for one of them */
    bool too_large;
    bool is_received; /* all of it was here: it has been handed over, or is going to be */
    bool complete;    /* all of it is here, and the owner is to be told */
    bool owned;       /* the owner has it */
    bool suspended;   /* the library waits for us */
    bool streaming;
    bool finished; /* the stream has an end */
};

/* Makes a request for a connection that is new. NULL where memory is out. */
struct gantry_control_request *gantry_control_request_new(struct gantry_control *control,
                                                          struct MHD_Connection *connection, const char *method,
                                                          const char *path);

/* The connection is gone: the request goes too, unless the owner has it. */
void gantry_control_request_gone(struct gantry_control_request *request);

/* Holds the connection until there is more to do; and lets it go on. */
void gantry_control_request_suspend(struct gantry_control_request *request);
void gantry_control_request_resume(struct gantry_control_request *request);

/* A client's time to send a whole request begins, as it does with its connection; and ends. */
void gantry_control_connection_start_deadline(struct gantry_control *control, struct MHD_Connection *connection);
void gantry_control_connection_stop_deadline(struct gantry_control *control, struct MHD_Connection *connection);

/* For the timer: ends the connections that are late. */
void gantry_control_connection_end_late(void *data);

/* For the library: a connection is there, or gone. */
void gantry_control_connection_changed(void *data, struct MHD_Connection *connection, void **context,
                                       enum MHD_ConnectionNotificationCode how);

#endif
