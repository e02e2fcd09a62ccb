/* SPDX-License-Identifier: Apache-2.0
 *
 * gate.c: one loop over signals, askers and their plugins. */
#include "gate/gate.h"
#include "core/system/text.h"
#include "gate/asker.h"
#include "gate/listener.h"
#include "gate/orphans.h"
#include "gate/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ASKERS 64
#define SIGNALS_AT_ONCE 16
#define OWNER_MS 30000 /* for the owner to come */
#define LINGER_MS 1000 /* for who has been told of the end to hang up */

static struct {
    const struct gate_options *options;
    int places;   /* of askers so far: memory of those behind is not touched */
    int listener; /* -1: standard input */
    int signals;
    sigset_t mask;                  /* as it was */
    const struct gate_asker *owner; /* who came first, for a gate that has one */
    int64_t owner_due;              /* when nobody comes any more; 0: somebody has, or is not waited for */
    bool is_spent;                  /* its one plugin was asked for */
    int ending;                     /* the signal that told it to end, or 0 */
    int plugin_status;              /* of its one plugin, which has ended, or -1 */
    int status;                     /* to exit with, or -1 */
} gate;

GATE_BEHIND_ALL struct gate_asker gate_askers[ASKERS];

static const int forwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT};

static bool has_plugin(const struct gate_asker *asker)
{
    return asker->stage == GATE_STARTING || asker->stage == GATE_RUNNING;
}

static bool any_plugin(void)
{
    for (int i = 0; i < gate.places; i++)
        if (has_plugin(&gate_askers[i]))
            return true;
    return false;
}

/* ---- beginning ---- */

/* The standard descriptors are open from here on, so that none that comes takes their place. */
static void open_standard_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

static int take_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++)
        sigaddset(&set, forwarded[i]);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_BLOCK, &set, &gate.mask);
    gate.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return gate.signals < 0 ? errno : 0;
}

static int begin(void)
{
    const char *path = gate.options->socket;
    const char *why = NULL;
    int error;

    open_standard_descriptors();
    gate.listener = gate.status = gate.plugin_status = -1;
    gate.owner_due = gate.options->is_owned ? gate_now_ms() + OWNER_MS : 0;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    error = take_signals();
    if (path == NULL) {
        gate_asker_begin(&gate_askers[gate.places++], STDIN_FILENO, true);
    } else if (error == 0) {
        gate_read_ahead(*gate.options->command); /* whoever is there to wait has the time */
        gate.listener = gate_listen(path, gate.options->asker, &why);
        error = gate.listener < 0 ? errno : 0;
    }
    if (error != 0)
        gate_complain("listen at", path != NULL ? path : "standard input", why != NULL ? why : strerror(error));
    return error;
}

/* ---- askers ---- */

static void accept_asker(void)
{
    struct gate_asker refused = {.fd = -1};
    struct gate_asker *asker = NULL;
    struct gantry_text hello = gantry_text_begin(GATE_HELLO);
    int fd = accept4(gate.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    gantry_text_number(&hello, GATE_VERSION_OLDEST);
    gantry_text_number(&hello, GATE_VERSION);
    if (!gate_may_ask(fd, gate.options->asker)) {
        close(fd); /* not one word */
        return;
    }
    send(fd, hello.bytes, hello.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    for (int i = 0; i < gate.places && asker == NULL; i++)
        if (gate_askers[i].stage == GATE_FREE)
            asker = &gate_askers[i];
    if (asker == NULL && gate.places < ASKERS)
        asker = &gate_askers[gate.places++];
    gate_asker_begin(asker != NULL ? asker : &refused, fd, false);
    if (gate.owner_due != 0 && asker != NULL) {
        gate.owner_due = 0;
        gate.owner = asker;
        asker->deadline = 0;
    }
    if (asker == NULL || gate.ending != 0) {
        asker = asker != NULL ? asker : &refused;
        gate_asker_refuse(asker, gate.ending != 0 ? "ending" : "full", EAGAIN, NULL);
        gate_asker_drop(asker);
    }
}

/* The one plugin that this gate was made for has not come to be. */
static void end_unused(const struct gate_asker *asker, int status)
{
    if (!gate.options->serves && (asker->is_stream || asker == gate.owner || gate.is_spent))
        gate.status = status;
}

static void begin_plugin(struct gate_asker *asker)
{
    if (gate.is_spent) {
        gate_asker_refuse(asker, "busy", EBUSY, NULL);
        gate_asker_drop(asker);
        return;
    }
    if (gate_asker_launch(asker, gate.options, &gate.mask)) {
        gate.is_spent = !gate.options->serves;
        return;
    }
    end_unused(asker, GATE_EXIT_CLOSED);
    gate_asker_drop(asker);
}

static void refuse_request(struct gate_asker *asker, enum gate_reading reading)
{
    struct gantry_text versions = gantry_text_begin("this gate understands versions");

    if (reading == GATE_OTHER_VERSION) {
        gantry_text_number(&versions, GATE_VERSION_OLDEST);
        gantry_text_word(&versions, "to");
        gantry_text_number(&versions, GATE_VERSION);
        gate_asker_refuse(asker, "version", EPROTONOSUPPORT, versions.bytes);
    } else if (reading == GATE_TOO_LONG) {
        gate_asker_refuse(asker, "request", E2BIG, "longer than any kernel takes");
    } else if (reading == GATE_NO_MEMORY) {
        gate_asker_refuse(asker, "memory", ENOMEM, NULL);
    } else {
        gate_asker_refuse(asker, "request", EPROTO, "this is no request");
    }
    end_unused(asker, GATE_EXIT_CLOSED);
    gate_asker_drop(asker);
}

static void lose_asker(struct gate_asker *asker)
{
    if (asker->stage == GATE_TOLD) {
        gate.status = gate.plugin_status;
        return;
    }
    if (!has_plugin(asker)) {
        if (asker->is_stream || asker == gate.owner)
            gate.status = GATE_EXIT_CLOSED;
        gate_asker_drop(asker);
        return;
    }
    if (!asker->is_stream)
        close(asker->fd);
    asker->fd = -1;
    if (asker->is_outlived)
        return;
    kill(asker->pid, SIGTERM);
    asker->deadline = gate_now_ms() + gate.options->grace_ms;
}

static void asker_ready(struct gate_asker *asker)
{
    enum gate_reading reading = GATE_MORE;

    if (has_plugin(asker) || asker->stage == GATE_TOLD) {
        if (!gate_asker_hear(asker))
            lose_asker(asker);
        return;
    }
    if (!gate_asker_read(asker, &reading))
        lose_asker(asker);
    else if (reading == GATE_COMPLETE)
        begin_plugin(asker);
    else if (reading != GATE_MORE)
        refuse_request(asker, reading);
}

static void pass_deadline(struct gate_asker *asker)
{
    asker->deadline = 0;
    if (has_plugin(asker)) {
        kill(asker->pid, SIGKILL);
        return;
    }
    if (asker->stage == GATE_TOLD) {
        lose_asker(asker);
        return;
    }
    gate_asker_refuse(asker, "request", ETIMEDOUT, "it did not come in time");
    gate_asker_drop(asker);
}

/* ---- plugins ---- */

static void plugin_ended(struct gate_asker *asker, int status)
{
    pid_t session = asker->pid;
    int code;

    gate_asker_learn(asker);
    asker->stage = GATE_FREE; /* for any_plugin; what it left dies before its end is told */
    gate_kill_orphans(session, !any_plugin());
    gate_asker_drain_output(asker);
    code = gate_asker_tell_end(asker, status);
    if (!gate.options->serves)
        gate.plugin_status = code;
    if (gate_asker_lingers(asker)) {
        asker->stage = GATE_TOLD;
        asker->deadline = gate_now_ms() + LINGER_MS;
        return;
    }
    gate.status = gate.plugin_status;
    gate_asker_drop(asker);
}

static void reap(void)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct gate_asker *whose = NULL;

        for (int i = 0; i < gate.places; i++)
            if (has_plugin(&gate_askers[i]) && gate_askers[i].pid == pid)
                whose = &gate_askers[i];
        if (whose != NULL)
            plugin_ended(whose, status);
        else if (!any_plugin())
            gate_kill_orphans(0, true); /* what an orphan left */
    }
}

static void forward(int number)
{
    bool ends = number == SIGTERM || number == SIGINT || number == SIGQUIT;

    for (int i = 0; i < gate.places; i++)
        if (has_plugin(&gate_askers[i]))
            kill(gate_askers[i].pid, number);
    if (ends)
        gate.ending = number;
}

static void gate_signals_ready(void)
{
    struct signalfd_siginfo information[SIGNALS_AT_ONCE];
    ssize_t length = read(gate.signals, information, sizeof information);

    for (ssize_t i = 0; i < length / (ssize_t)sizeof *information; i++)
        if (information[i].ssi_signo != SIGCHLD)
            forward((int)information[i].ssi_signo);
    reap();
}

/* ---- the loop ---- */

static int64_t next_deadline(void)
{
    int64_t first = gate.owner_due;

    for (int i = 0; i < gate.places; i++)
        if (gate_askers[i].deadline != 0 && (first == 0 || gate_askers[i].deadline < first))
            first = gate_askers[i].deadline;
    return first;
}

static int time_left(void)
{
    int64_t deadline = next_deadline();
    int64_t left = deadline - gate_now_ms();

    if (deadline == 0)
        return -1;
    return left > 0 ? (int)left : 0;
}

/* What is polled: signals, the listener, then what there is of each asker; a negative descriptor is passed over. */
enum { SIGNALS, LISTENER, FIRST_ASKER };
enum { ASKER, REPORT, OUTPUT, ENTRIES };

static void collect(struct pollfd *ready)
{
    ready[SIGNALS] = (struct pollfd){.fd = gate.signals, .events = POLLIN};
    ready[LISTENER] = (struct pollfd){.fd = gate.listener, .events = POLLIN};
    for (int i = 0; i < gate.places; i++) {
        struct pollfd *entries = &ready[FIRST_ASKER + ENTRIES * i];

        entries[ASKER] = (struct pollfd){.fd = gate_askers[i].fd, .events = POLLIN};
        entries[REPORT] = (struct pollfd){.fd = gate_askers[i].report, .events = POLLIN};
        entries[OUTPUT] = gate_output_entry(&gate_askers[i].output);
    }
}

static void look_at_asker(struct gate_asker *asker, const struct pollfd *entries)
{
    if (entries[REPORT].revents != 0)
        gate_asker_learn(asker);
    if (entries[OUTPUT].revents != 0)
        gate_asker_pass_output(asker);
    if (entries[ASKER].revents != 0)
        asker_ready(asker);
    if (asker->deadline != 0 && asker->deadline <= gate_now_ms())
        pass_deadline(asker);
}

static void step(void)
{
    struct pollfd ready[FIRST_ASKER + ENTRIES * ASKERS];

    collect(ready);
    if (poll(ready, FIRST_ASKER + ENTRIES * (nfds_t)gate.places, time_left()) < 0)
        return;
    if (gate.owner_due != 0 && gate.owner_due <= gate_now_ms() && ready[LISTENER].revents == 0)
        gate.status = GATE_EXIT_CLOSED;
    for (int i = 0; i < gate.places && gate.status < 0; i++)
        look_at_asker(&gate_askers[i], &ready[FIRST_ASKER + ENTRIES * i]);
    if (ready[LISTENER].revents != 0)
        accept_asker();
    if (ready[SIGNALS].revents != 0)
        gate_signals_ready();
}

static void end_gate(void)
{
    for (int i = 0; i < gate.places; i++) {
        if (gate_askers[i].stage == GATE_ASKING && !gate_askers[i].is_stream)
            gate_asker_refuse(&gate_askers[i], gate.is_spent ? "busy" : "ending", EBUSY, NULL);
        gate_asker_drop(&gate_askers[i]);
    }
    if (gate.listener >= 0) {
        unlink(gate.options->socket); /* while it is still taken */
        close(gate.listener);
    }
    gate_kill_orphans(0, true);
    while (waitpid(-1, NULL, 0) > 0) /* what was killed: each may leave others */
        gate_kill_orphans(0, true);
}

/* Of a gate that was told to end, and has no plugin any more. */
static int end_status(void)
{
    if (gate.plugin_status >= 0)
        return gate.plugin_status;
    return gate.options->serves ? 0 : 128 + gate.ending;
}

int gate_run(const struct gate_options *options)
{
    gate.options = options;
    if (begin() != 0)
        return GATE_EXIT_CLOSED;
    while (gate.status < 0) {
        step();
        if (gate.status < 0 && gate.ending != 0 && !any_plugin())
            gate.status = end_status();
    }
    end_gate();
    return gate.status;
}
