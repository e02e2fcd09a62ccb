/* SPDX-License-Identifier: Apache-2.0
 *
 * process.c: the life of a child on the loop: its output, its input, its end. */
#include "core/process/process.h"

#include "core/base/buffer.h"
#include "core/process/process_spawn.h"
#include "core/system/descriptor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_SIZE 65536           /* what a pipe holds by default */
#define WRITE_SIZE (256UL * 1024) /* in one step: a reader that keeps up would hold the loop otherwise */

struct output {
    struct gantry_process *process;
    struct gantry_watch *watch;
    int fd;
    int stream;
    int64_t unread; /* what was in the pipe when the process ended and is not read yet */
};

struct input {
    struct gantry_watch *watch; /* paused while nothing waits */
    int fd;
    bool closing;
    struct gantry_buffer waiting; /* what the pipe did not take yet */
};

struct gantry_process {
    gantry_process_output_fn *on_output;
    gantry_process_exit_fn *on_exit;
    void *data;
    pid_t pid;
    int pidfd; /* -1 once the process has ended */
    struct gantry_watch *end_watch;
    struct gantry_timer *drain_timer;
    bool drained;       /* the time for descendants is over */
    bool exit_reported; /* on_exit was called */
    struct gantry_process_exit how;
    struct output outputs[2];
    struct input input;
};

/* ---- its end ---- */

static void close_output(struct output *output)
{
    gantry_watch_free(output->watch);
    output->watch = NULL;
    gantry_close(&output->fd);
}

static void drop_input(struct input *input)
{
    gantry_watch_free(input->watch);
    input->watch = NULL;
    gantry_close(&input->fd);
    gantry_buffer_free(&input->waiting);
}

static bool output_is_done(const struct gantry_process *process, const struct output *output)
{
    return output->fd < 0 || (process->drained && output->unread <= 0);
}

/* Tells of the end once all is done. The process may be gone when this returns. */
static void finish(struct gantry_process *process)
{
    if (process->pidfd >= 0 || process->exit_reported)
        return;
    for (int i = 0; i < 2; i++)
        if (!output_is_done(process, &process->outputs[i]))
            return;
    for (int i = 0; i < 2; i++)
        close_output(&process->outputs[i]);
    gantry_timer_cancel(process->drain_timer);
    process->exit_reported = true;
    if (process->on_exit != NULL)
        process->on_exit(process->data, &process->how);
}

static void drain_time_over(void *data)
{
    struct gantry_process *process = data;

    process->drained = true;
    finish(process);
}

static struct gantry_process_exit how_it_ended(const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED)
        return (struct gantry_process_exit){.code = info->si_status};
    return (struct gantry_process_exit){.code = -1, .signal = info->si_status};
}

/* All that the process itself has written is in its pipes by now: counting it here tells that apart from what
 * descendants add. */
static void count_unread(struct output *output)
{
    int available = 0;

    if (output->fd >= 0 && ioctl(output->fd, FIONREAD, &available) == 0)
        output->unread = available;
}

static void ended(void *data, uint32_t events)
{
    struct gantry_process *process = data;
    siginfo_t info = {0};

    (void)events;
    if (waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG) == 0) {
        if (info.si_pid == 0)
            return;
        process->how = how_it_ended(&info);
    } else {
        process->how = (struct gantry_process_exit){.code = -1};
    }
    gantry_watch_free(process->end_watch);
    process->end_watch = NULL;
    gantry_close(&process->pidfd);
    drop_input(&process->input);
    for (int i = 0; i < 2; i++)
        count_unread(&process->outputs[i]);
    gantry_timer_set(process->drain_timer, GANTRY_PROCESS_DRAIN_NS);
    finish(process);
}

/* ---- its output ---- */

static void read_output(void *data, uint32_t events)
{
    struct output *output = data;
    struct gantry_process *process = output->process;
    char buffer[READ_SIZE];
    ssize_t length = read(output->fd, buffer, sizeof buffer);

    (void)events;
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length <= 0) {
        close_output(output);
        finish(process);
        return;
    }
    output->unread -= length;
    if (process->drained && output->unread <= 0)
        gantry_timer_set(process->drain_timer, 0); /* the callback below may free the process, so: later */
    if (process->on_output != NULL)
        process->on_output(process->data, output->stream, buffer, (size_t)length);
}

/* ---- its input ---- */

/* write(2) that never raises SIGPIPE, whose disposition is the host's: the signal is held back in this thread, and
 * taken away where this write caused it. */
static ssize_t write_quietly(int fd, const char *bytes, size_t length)
{
    const struct timespec at_once = {0};
    sigset_t broken_pipe;
    sigset_t pending;
    sigset_t before;
    ssize_t written;
    int error;

    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
    written = write(fd, bytes, length);
    error = errno;
    if (written < 0 && error == EPIPE && sigismember(&pending, SIGPIPE) == 0)
        sigtimedwait(&broken_pipe, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return written;
}

/* Writes what the pipe takes. Returns how much that was, or -1 when the reader is gone. */
static ssize_t write_some(int fd, const char *bytes, size_t length)
{
    size_t done = 0;

    while (done < length) {
        ssize_t written = write_quietly(fd, bytes + done, length - done);

        if (written < 0 && errno == EAGAIN)
            break;
        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0)
            done += (size_t)written;
    }
    return (ssize_t)done;
}

static void input_ready(void *data, uint32_t events)
{
    struct gantry_process *process = data;
    struct input *input = &process->input;
    size_t length = gantry_buffer_length(&input->waiting);
    ssize_t written = write_some(input->fd, (const char *)gantry_buffer_front(&input->waiting),
                                 length < WRITE_SIZE ? length : WRITE_SIZE);
    struct gantry_error ignored;

    (void)events;
    if (written > 0)
        gantry_buffer_consume(&input->waiting, (size_t)written);
    if (written < 0 || (gantry_buffer_length(&input->waiting) == 0 && input->closing))
        drop_input(input);
    else if (gantry_buffer_length(&input->waiting) == 0)
        gantry_watch_modify(input->watch, 0, &ignored);
}

static int keep(struct gantry_process *process, const char *bytes, size_t length, struct gantry_error *err)
{
    struct input *input = &process->input;

    if (gantry_buffer_append(&input->waiting, bytes, length) < 0)
        return gantry_fail(err, "OUT_OF_MEMORY", "keep %zu bytes of input for process %d: out of memory", length,
                           (int)process->pid);
    return gantry_watch_modify(input->watch, EPOLLOUT, err);
}

int gantry_process_write(struct gantry_process *process, const char *bytes, size_t length, struct gantry_error *err)
{
    struct input *input = &process->input;
    ssize_t written = 0;

    if (input->fd < 0 || input->closing)
        return gantry_fail(err, "PROCESS_INPUT_CLOSED", "write to process %d: its input is closed", (int)process->pid);
    if (gantry_process_waiting(process) == 0)
        written = write_some(input->fd, bytes, length < WRITE_SIZE ? length : WRITE_SIZE);
    if (written < 0) {
        drop_input(input);
        return gantry_fail(err, "PROCESS_INPUT_CLOSED", "write to process %d: it has closed its input",
                           (int)process->pid);
    }
    if ((size_t)written == length)
        return 0;
    return keep(process, bytes + written, length - (size_t)written, err);
}

size_t gantry_process_waiting(const struct gantry_process *process)
{
    return gantry_buffer_length(&process->input.waiting);
}

void gantry_process_close_input(struct gantry_process *process)
{
    process->input.closing = true;
    if (gantry_process_waiting(process) == 0)
        drop_input(&process->input);
}

/* ---- the object ---- */

static int watch_all(struct gantry_process *process, struct gantry_loop *loop, struct gantry_error *err)
{
    if (gantry_watch_new(loop, process->pidfd, EPOLLIN, ended, process, &process->end_watch, err) < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        struct output *output = &process->outputs[i];

        if (output->fd >= 0 &&
            gantry_watch_new(loop, output->fd, EPOLLIN, read_output, output, &output->watch, err) < 0)
            return -1;
    }
    if (process->input.fd < 0)
        return 0;
    return gantry_watch_new(loop, process->input.fd, 0, input_ready, process, &process->input.watch, err);
}

static struct gantry_process *new_process(const struct gantry_process_options *options)
{
    struct gantry_process *process = calloc(1, sizeof *process);

    if (process == NULL)
        return NULL;
    process->on_output = options->on_output;
    process->on_exit = options->on_exit;
    process->data = options->data;
    process->pidfd = -1;
    process->input.fd = -1;
    for (int i = 0; i < 2; i++)
        process->outputs[i] = (struct output){.process = process, .fd = -1, .stream = i + 1};
    return process;
}

static int process_start(struct gantry_process *process, struct gantry_loop *loop,
                         const struct gantry_process_options *options, struct gantry_error *err)
{
    struct gantry_spawned spawned;

    if (gantry_timer_new(loop, drain_time_over, process, &process->drain_timer, err) < 0)
        return -1;
    if (gantry_spawn(options, &spawned, err) < 0)
        return -1;
    process->pid = spawned.pid;
    process->pidfd = spawned.pidfd;
    process->input.fd = spawned.pipes[0];
    process->outputs[0].fd = spawned.pipes[1];
    process->outputs[1].fd = spawned.pipes[2];
    return watch_all(process, loop, err);
}

int gantry_process_spawn(struct gantry_loop *loop, const struct gantry_process_options *options,
                         struct gantry_process **process, struct gantry_error *err)
{
    struct gantry_process *made = new_process(options);

    if (made == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "start '%s': out of memory", options->argv[0]);
    if (process_start(made, loop, options, err) < 0) {
        gantry_process_free(made);
        return -1;
    }
    *process = made;
    return 0;
}

int gantry_process_signal(struct gantry_process *process, int number, struct gantry_error *err)
{
    if (process->pidfd < 0)
        return gantry_fail(err, "PROCESS_ENDED", "signal process %d: it has ended", (int)process->pid);
    if (pidfd_send_signal(process->pidfd, number, NULL, 0) == 0)
        return 0;
    if (errno == ESRCH)
        return gantry_fail(err, "PROCESS_ENDED", "signal process %d: it has ended", (int)process->pid);
    return gantry_fail_errno(err, errno, "SIGNAL_FAILED", "send signal %d to process %d", number, (int)process->pid);
}

pid_t gantry_process_pid(const struct gantry_process *process)
{
    return process->pid;
}

static void kill_and_reap(int pidfd)
{
    siginfo_t info;

    pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
    while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
        continue;
}

void gantry_process_free(struct gantry_process *process)
{
    if (process == NULL)
        return;
    gantry_watch_free(process->end_watch);
    gantry_timer_free(process->drain_timer);
    drop_input(&process->input);
    for (int i = 0; i < 2; i++)
        close_output(&process->outputs[i]);
    if (process->pidfd >= 0)
        kill_and_reap(process->pidfd);
    gantry_close(&process->pidfd);
    free(process);
}
