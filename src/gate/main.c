/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c: gantry-gate's command line. */
#include "core/system/text.h"
#include "gate/asker.h"
#include "gate/gate.h"
#include "gate/install.h"
#include "gate/listener.h"
#include "gate/network.h"
#include "gate/protocol.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define USAGE                                                                                                          \
    "usage: gantry-gate [--socket PATH [--serve | --owned] [--asker UID]] [--no-network] [--grace MS] [--] COMMAND "   \
    "[ARGUMENT...]\n"                                                                                                  \
    "       gantry-gate --install FOLDER | --probe PATH | --version"
#define GRACE_MS 5000

static int complain(const char *what, const char *object, int error)
{
    gate_complain(what, object, strerror(error));
    return GATE_EXIT_CLOSED;
}

static int misused(const char *argument)
{
    gate_complain("cannot use", argument, USAGE);
    return GATE_EXIT_CLOSED;
}

static bool take_count(const char *text, uint64_t *number)
{
    return text != NULL && gate_take_number(&text, number) && *text == '\0';
}

/* What is done at once and needs no command: 0 or an exit status, or -1 where it is something else. */
static int run_tool(int argc, char **argv)
{
    struct gantry_text version = gantry_text_begin("gantry-gate " GANTRY_VERSION ", protocol");
    int error = -1;

    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        gantry_text_number(&version, GATE_VERSION_OLDEST);
        gantry_text_word(&version, "to");
        gantry_text_number(&version, GATE_VERSION);
        gantry_text_raw(&version, "\n");
        return write(STDOUT_FILENO, version.bytes, version.length) < 0 ? GATE_EXIT_CLOSED : 0;
    }
    if (argc != 3)
        return -1;
    if (strcmp(argv[1], "--install") == 0)
        error = gate_install(argv[2]);
    else if (strcmp(argv[1], "--probe") == 0)
        error = gate_probe(argv[2]);
    return error > 0 ? complain(argv[1], argv[2], error) : error;
}

/* The index of the first argument that is no option, or -1 where one cannot be used, which `wrong` names. */
static int take_options(int argc, char **argv, struct gate_options *options, const char **wrong)
{
    uint64_t number = 0;
    int at = 1;

    for (; at < argc && argv[at][0] == '-'; at++) {
        *wrong = argv[at];
        if (strcmp(argv[at], "--") == 0)
            return at + 1;
        if (strcmp(argv[at], "--serve") == 0)
            options->serves = true;
        else if (strcmp(argv[at], "--owned") == 0)
            options->is_owned = true;
        else if (strcmp(argv[at], "--no-network") == 0)
            options->closes_network = true;
        else if (strcmp(argv[at], "--socket") == 0 && at + 1 < argc)
            options->socket = argv[++at];
        else if (strcmp(argv[at], "--grace") == 0 && take_count(argv[at + 1], &number) && number <= 3600000 && ++at)
            options->grace_ms = (int)number;
        else if (strcmp(argv[at], "--asker") == 0 && take_count(argv[at + 1], &number) && ++at)
            options->asker = (uid_t)number;
        else
            return -1;
    }
    return at;
}

int main(int argc, char **argv)
{
    struct gate_options options = {.grace_ms = GRACE_MS, .asker = geteuid()};
    const char *wrong = "no command";
    int status = run_tool(argc, argv);
    int error;
    int at;

    if (status >= 0)
        return status;
    at = take_options(argc, argv, &options, &wrong);
    if (at < 0)
        return misused(wrong);
    if (at >= argc || argv[at][0] == '\0')
        return misused("no command");
    if (options.serves && options.socket == NULL)
        return misused("--serve without --socket");
    if (options.is_owned && (options.serves || options.socket == NULL))
        return misused("--owned beside --serve, or without --socket");
    options.command = argv + at;
    error = options.closes_network ? gate_close_network() : 0;
    if (error != 0)
        return complain("close", "the network", error);
    return gate_run(&options);
}
