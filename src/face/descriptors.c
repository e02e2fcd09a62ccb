/* SPDX-License-Identifier: Apache-2.0 */
#include "face/descriptors.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#define FIRST_OTHER 3

void gantry_close_all_but(int one, int other)
{
    int low = one < other ? one : other;
    int high = one < other ? other : one;
    unsigned next = FIRST_OTHER;

    if (low >= FIRST_OTHER) {
        if ((unsigned)low > next)
            close_range(next, (unsigned)low - 1, 0);
        next = (unsigned)low + 1;
    }
    if (high >= FIRST_OTHER && high != low) {
        if ((unsigned)high > next)
            close_range(next, (unsigned)high - 1, 0);
        next = (unsigned)high + 1;
    }
    close_range(next, UINT_MAX, 0);
}

void gantry_let_standard_go(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = 0; null >= 0 && fd < FIRST_OTHER; fd++)
        dup2(null, fd);
    if (null >= FIRST_OTHER)
        close(null);
}

void gantry_detach(int one, int other, const char *name)
{
    setsid();
    gantry_close_all_but(one, other);
    gantry_let_standard_go();
    signal(SIGINT, SIG_DFL);
    prctl(PR_SET_NAME, name);
}
