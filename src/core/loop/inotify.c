/* SPDX-License-Identifier: Apache-2.0
 *
 * inotify.c: an inotify descriptor on the loop. */
#include "core/loop/inotify.h"

#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#define CHANGES                                                                                                        \
    (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)
#define GONE (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)

struct gantry_inotify {
    gantry_inotify_fn *callback;
    void *data;
    int fd;
    struct gantry_watch *watch;
    bool *freed; /* set where a callback frees the object under it */
};

static void inotify_deliver(struct gantry_inotify *inotify, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        inotify->callback(inotify->data, -1, NULL);
    else if (event->mask & GONE)
        inotify->callback(inotify->data, event->wd, NULL);
    else
        inotify->callback(inotify->data, event->wd, event->len > 0 ? event->name : "");
}

static void inotify_ready(void *data, uint32_t events)
{
    struct gantry_inotify *inotify = data;
    alignas(struct inotify_event) char buffer[4096];
    ssize_t size = read(inotify->fd, buffer, sizeof buffer);
    bool freed = false;

    (void)events;
    inotify->freed = &freed;
    for (ssize_t at = 0; at < size;) {
        const struct inotify_event *event = (const void *)(buffer + at);

        inotify_deliver(inotify, event);
        if (freed)
            return;
        at += (ssize_t)(sizeof *event + event->len);
    }
    inotify->freed = NULL;
}

int gantry_inotify_new(struct gantry_loop *loop, gantry_inotify_fn *callback, void *data,
                       struct gantry_inotify **inotify, struct gantry_error *err)
{
    struct gantry_inotify *made = calloc(1, sizeof *made);

    if (made == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "watch directories: out of memory");
    *made = (struct gantry_inotify){.callback = callback, .data = data};
    made->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (made->fd < 0) {
        gantry_fail_errno(err, errno, "INOTIFY_FAILED", "watch directories (see fs.inotify.max_user_instances)");
        gantry_inotify_free(made);
        return -1;
    }
    if (gantry_watch_new(loop, made->fd, EPOLLIN, inotify_ready, made, &made->watch, err) < 0) {
        gantry_inotify_free(made);
        return -1;
    }
    *inotify = made;
    return 0;
}

int gantry_inotify_add(struct gantry_inotify *inotify, const char *path, int *watch, struct gantry_error *err)
{
    *watch = inotify_add_watch(inotify->fd, path, CHANGES | IN_ONLYDIR);
    if (*watch < 0)
        return gantry_fail_errno(err, errno, "INOTIFY_FAILED", "watch directory %s", path);
    return 0;
}

void gantry_inotify_free(struct gantry_inotify *inotify)
{
    if (inotify == NULL)
        return;
    if (inotify->freed != NULL)
        *inotify->freed = true;
    gantry_watch_free(inotify->watch);
    if (inotify->fd >= 0)
        close(inotify->fd);
    free(inotify);
}
