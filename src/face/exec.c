/* SPDX-License-Identifier: Apache-2.0 */
#include "face/exec.h"

#include "core/system/channel.h"
#include "face/descriptors.h"
#include "face/face.h"
#include "face/resident.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

bool gantry_exec_wanted(int argc, char **argv)
{
    /* The system takes the line end of a first line that was written on Windows for a part of its last word. */
    return argc >= 3 && (strcmp(argv[1], "exec") == 0 || strcmp(argv[1], "exec\r") == 0) && argv[2][0] != '-';
}

static int inherited(const char *number)
{
    int fd = (int)strtol(number, NULL, 10);

    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? fd : -1;
}

bool gantry_exec_returns(int argc, char **argv, struct gantry_launcher *launcher)
{
    if (argc != 2 + GANTRY_EXEC_RETURNER_ARGUMENTS || strcmp(argv[1], GANTRY_EXEC_RETURNER) != 0)
        return false;
    *launcher = (struct gantry_launcher){.channel = inherited(argv[2]), .face = inherited(argv[3])};
    return launcher->channel >= 0 && launcher->face >= 0;
}

static int explain(const char *policy)
{
    fprintf(stderr,
            "This is a plugin, which gantry runs in a container as %s says.\n"
            "It is not meant to be executed by hand: the program that it extends starts it and talks to it.\n\n"
            "  gantry check %s   says whether the policy is in order\n"
            "  gantry run %s     launches the plugin without such a program\n"
            "  %s ARGUMENTS | cat   has the plugin's own program answer, such as for its version\n",
            policy, policy, policy, policy);
    return 1;
}

/* A standard descriptor that the host left closed would be the number of something of ours. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY);
}

/* The host's signals are not for us: it closes its plugins itself on Ctrl-C. Of its descriptors, the first three are.
 */
static void settle_in(void)
{
    fill_standard_descriptors();
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    gantry_close_all_but(-1, -1);
}

static int exec_begin(struct gantry_face *face, struct gantry_error *err)
{
    struct gantry_record *record = gantry_record_new(err);

    if (record == NULL)
        return -1;
    return gantry_face_begin(face, record, err);
}

/* Forks the launcher. In its process, returns 0 with `launcher` filled; in ours 1. */
static int fork_launcher(struct gantry_face *face, struct gantry_launcher *launcher, struct gantry_error *err)
{
    pid_t self = getpid();
    int ends[2];
    pid_t pid;

    if (gantry_channel_pair(ends) < 0)
        return gantry_fail_errno(err, errno, "SPAWN_FAILED", "start a launch");
    pid = fork();
    if (pid < 0)
        return gantry_fail_errno(err, errno, "SPAWN_FAILED", "start a launch");
    if (pid == 0) {
        gantry_detach(ends[1], face->self, "gantry-launcher");
        *launcher = (struct gantry_launcher){
            .record = face->record, .channel = ends[1], .face = face->self, .face_pid = self, .kind = face->kind};
        if (!gantry_record_begin_launch(face->record))
            _exit(1);
        return 0;
    }
    close(ends[1]);
    face->channel = ends[0];
    face->launcher = pid;
    return 1;
}

/* Asks a resident to make the launch, where there is one. */
static void exec_ask_resident(enum gantry_host_kind kind, char **argv, struct gantry_resident *resident)
{
    int arguments = 0;

    while (argv[3 + arguments] != NULL)
        arguments++;
    if (kind == GANTRY_HOST_GO_PLUGIN)
        gantry_resident_ask(argv[2], arguments, resident);
}

static bool exec_take_resident(struct gantry_face *face, struct gantry_resident *resident)
{
    if (resident->channel < 0 || gantry_resident_take(resident, face->record) < 0)
        return false;
    face->channel = resident->channel;
    gantry_relay_take_pipes(&face->relay, resident->pipes);
    return true;
}

/* Runs the face; where a resident could not do after all what it had begun, the launch is made here. Returns 1 with the
 * exit status; else as fork_launcher. */
static int exec_run(struct gantry_face *face, struct gantry_resident *resident, struct gantry_launcher *launcher,
                    int *status, struct gantry_error *err)
{
    int forked;

    if (exec_take_resident(face, resident)) {
        *status = gantry_face_run(face);
        if (!face->refused)
            return 1;
        face->refused = false;
    }
    forked = fork_launcher(face, launcher, err);
    if (forked == 1)
        *status = gantry_face_run(face);
    return forked;
}

int gantry_exec(char **argv, struct gantry_launcher *launcher)
{
    static struct gantry_face face;
    struct gantry_resident resident = {.channel = -1};
    struct gantry_error err;
    enum gantry_host_kind kind = gantry_host_kind_find(argv + 3);
    int status = 1;
    int forked = -1;

    if (kind == GANTRY_HOST_NONE)
        return explain(argv[2]);
    settle_in();
    exec_ask_resident(kind, argv, &resident); /* first, so that it works on it meanwhile */
    if (exec_begin(&face, &err) == 0) {
        gantry_face_begin_for(&face, kind);
        forked = exec_run(&face, &resident, launcher, &status, &err);
    }
    if (forked < 0) {
        fprintf(stderr, "gantry: %s\n", err.message);
        return 1;
    }
    return forked == 0 ? GANTRY_EXEC_LAUNCHER : status;
}

void gantry_launcher_fault(struct gantry_launcher *launcher, const char *message)
{
    static const int none[] = {-1, -1};
    struct gantry_error err;
    char text[GANTRY_CHANNEL_SIZE];
    int length = snprintf(text, sizeof text, "fault: %s (this is a defect of gantry: please report it)", message);

    if (length >= (int)sizeof text)
        length = (int)sizeof text - 1;
    gantry_channel_send(launcher->channel, GANTRY_CHANNEL_FAILED, text, (size_t)length, none, &err);
}
