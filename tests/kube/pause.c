/* SPDX-License-Identifier: Apache-2.0
 *
 * pause.c: holds a pod's namespaces, and ends when told to. */
#include <signal.h>
#include <unistd.h>

static void end(int number)
{
    (void)number;
    _exit(0);
}

int main(void)
{
    signal(SIGTERM, end);
    signal(SIGINT, end);
    for (;;)
        pause();
}
