/* SPDX-License-Identifier: Apache-2.0
 *
 * signals.c: a signalfd on the loop, and the mask that goes with it. */
#include "core/loop/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct gantry_signals {
    gantry_signals_fn *callback;
    void *data;
    int fd;
    struct gantry_watch *watch;
    sigset_t blocked; /* what this object has blocked, and nobody before it */
};

int gantry_signal_number(const char *name)
{
    for (int number = 1; number < NSIG; number++) {
        const char *known = sigabbrev_np(number);

        if (known != NULL && strcmp(known, name) == 0)
            return number;
    }
    return -1;
}

const char *gantry_signal_name(int number)
{
    return sigabbrev_np(number);
}

bool gantry_signal_ignored(int number)
{
    struct sigaction action;

    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

bool gantry_signal_pending(int number)
{
    sigset_t set;

    return sigpending(&set) == 0 && sigismember(&set, number) == 1;
}

/* Reads one signal; false when there is none. */
static bool take_signal(const struct gantry_signals *signals, int *number)
{
    struct signalfd_siginfo info;

    if (read(signals->fd, &info, sizeof info) != (ssize_t)sizeof info)
        return false;
    *number = (int)info.ssi_signo;
    return true;
}

/* One signal a step: the callback may free the object, and the loop calls again while there are more. */
static void signals_ready(void *data, uint32_t events)
{
    struct gantry_signals *signals = data;
    int number;

    (void)events;
    if (take_signal(signals, &number))
        signals->callback(signals->data, number);
}

static int check_signals(const int *numbers, size_t count, sigset_t *set, struct gantry_error *err)
{
    sigemptyset(set);
    for (size_t i = 0; i < count; i++) {
        const char *name = gantry_signal_name(numbers[i]);

        if (numbers[i] == SIGKILL || numbers[i] == SIGSTOP || sigaddset(set, numbers[i]) < 0)
            return gantry_fail(err, "SIGNALS_FAILED", "take signal %d (%s): no process can", numbers[i],
                               name != NULL ? name : "unknown");
        if (gantry_signal_ignored(numbers[i])) /* a signalfd would show it nevertheless */
            sigdelset(set, numbers[i]);
    }
    return 0;
}

static void block(struct gantry_signals *signals, const sigset_t *set)
{
    sigset_t before;

    pthread_sigmask(SIG_BLOCK, set, &before);
    for (int number = 1; number < NSIG; number++)
        if (sigismember(set, number) == 1 && sigismember(&before, number) == 0)
            sigaddset(&signals->blocked, number);
}

int gantry_signals_new(struct gantry_loop *loop, const int *numbers, size_t count, gantry_signals_fn *callback,
                       void *data, struct gantry_signals **signals, struct gantry_error *err)
{
    struct gantry_signals *made;
    sigset_t set;

    if (check_signals(numbers, count, &set, err) < 0)
        return -1;
    made = calloc(1, sizeof *made);
    if (made == NULL)
        return gantry_fail(err, "SIGNALS_FAILED", "take signals: out of memory");
    *made = (struct gantry_signals){.callback = callback, .data = data};
    sigemptyset(&made->blocked);
    made->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (made->fd < 0) {
        gantry_fail_errno(err, errno, "SIGNALS_FAILED", "make a signal descriptor");
        gantry_signals_free(made);
        return -1;
    }
    if (gantry_watch_new(loop, made->fd, EPOLLIN, signals_ready, made, &made->watch, err) < 0) {
        gantry_signals_free(made);
        return -1;
    }
    block(made, &set);
    *signals = made;
    return 0;
}

void gantry_signals_let_through(const struct gantry_signals *signals, bool through)
{
    static const int numbers[] = {SIGINT, SIGTERM};
    sigset_t set;

    if (signals == NULL)
        return;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigismember(&signals->blocked, numbers[i]) == 1 && (!through || !gantry_signal_pending(numbers[i])))
            sigaddset(&set, numbers[i]);
    pthread_sigmask(through ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL);
}

void gantry_signals_free(struct gantry_signals *signals)
{
    int dropped;

    if (signals == NULL)
        return;
    gantry_watch_free(signals->watch);
    if (signals->fd >= 0) {
        while (take_signal(signals, &dropped))
            continue;
        close(signals->fd);
    }
    pthread_sigmask(SIG_UNBLOCK, &signals->blocked, NULL);
    free(signals);
}
