/* SPDX-License-Identifier: Apache-2.0
 *
 * wall_clock.c: a library to preload, which moves a process's wall clock by the seconds that the file in WALL_CLOCK
 * says, at every look. The monotonic clock, and the kernel's timers with it, stay as they are. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

time_t time(time_t *result)
{
    struct timespec now;
    long seconds = 0;
    FILE *file = fopen(getenv("WALL_CLOCK"), "re");

    if (file != NULL && fscanf(file, "%ld", &seconds) != 1)
        seconds = 0;
    if (file != NULL)
        fclose(file);
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += seconds;
    if (result != NULL)
        *result = now.tv_sec;
    return now.tv_sec;
}
