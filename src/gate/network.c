/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/network.h"

#include <errno.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define MACHINE 0xC000003EU
#elif defined(__aarch64__)
#define MACHINE 0xC00000B7U
#endif

#ifdef MACHINE
/* musl comes without the kernel's headers: this is of linux/filter.h and linux/seccomp.h. */
struct instruction {
    uint16_t code;
    uint8_t if_true;
    uint8_t if_false;
    uint32_t value;
};
struct program {
    unsigned short length;
    const struct instruction *instructions;
};
enum { LOAD = 0x20, IF_EQUAL = 0x15, IF_AT_LEAST = 0x35, RETURN = 0x06 };
enum { AT_NUMBER = 0, AT_MACHINE = 4, AT_FIRST_ARGUMENT = 16 };
#define ALLOW 0x7fff0000U
#define FAIL 0x00050000U
#define KILL_PROCESS 0x80000000U
#define X32_BIT 0x40000000U
#define MODE_FILTER 2
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

static const struct instruction instructions[] = {
    {LOAD, 0, 0, AT_MACHINE},
    {IF_EQUAL, 1, 0, MACHINE},
    {RETURN, 0, 0, KILL_PROCESS},
    {LOAD, 0, 0, AT_NUMBER},
    {IF_AT_LEAST, 0, 1, X32_BIT},
    {RETURN, 0, 0, FAIL | ENOSYS},
    {IF_EQUAL, 0, 1, SYS_io_uring_setup},
    {RETURN, 0, 0, FAIL | ENOSYS},
    {IF_EQUAL, 0, 3, SYS_socket},
    {LOAD, 0, 0, AT_FIRST_ARGUMENT},
    {IF_EQUAL, 1, 0, AF_UNIX},
    {RETURN, 0, 0, FAIL | EACCES},
    {RETURN, 0, 0, ALLOW},
};

int gate_close_network(void)
{
    const struct program program = {sizeof instructions / sizeof *instructions, instructions};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, MODE_FILTER, &program) < 0)
        return errno;
    return 0;
}
#else
int gate_close_network(void)
{
    return ENOTSUP;
}
#endif
