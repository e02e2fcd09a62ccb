/* SPDX-License-Identifier: Apache-2.0
 *
 * resident_asker.c SOCKET TEXT [COUNT]: asks a resident in a face's place, with COUNT descriptors (2 where left out),
 * prints the letter of its answer or "gone", and ends without taking anything. A bar in TEXT stands for a zero byte.
 *
 * resident_asker.c -listen SOCKET ANSWER: stands in for a resident: prints "ready", then "asked" for each request, and
 * answers all with ANSWER, unless that is empty. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return address;
}

static ssize_t ask(int fd, const char *text, size_t descriptors)
{
    char request[4096] = "Q";
    const int fds[] = {1, 2};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof fds)];
    } control = {.bytes = {0}};
    struct iovec part = {request, 1 + strlen(text)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    strncpy(request + 1, text, sizeof request - 2);
    for (char *bar = strchr(request, '|'); bar != NULL; bar = strchr(bar + 1, '|'))
        *bar = '\0';
    if (descriptors > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int) * descriptors);
        memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * descriptors);
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static int listen_at(const char *path, const char *answer)
{
    struct sockaddr_un address = address_of(path);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);

    unlink(path);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 8) < 0 ||
        chmod(path, 0666) < 0)
        return 1;
    puts("ready");
    fflush(stdout);
    for (;;) {
        char request[4096];
        int fd = accept(listener, NULL, NULL);

        if (recv(fd, request, sizeof request, 0) <= 0)
            continue;
        puts("asked");
        fflush(stdout);
        if (answer[0] != '\0')
            send(fd, answer, strlen(answer), MSG_NOSIGNAL);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_un address;
    char answer[20000];
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

    if (argc == 4 && strcmp(argv[1], "-listen") == 0)
        return listen_at(argv[2], argv[3]);
    if (argc < 3 || fd < 0)
        return 1;
    address = address_of(argv[1]);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return puts("refused") < 0;
    if (ask(fd, argv[2], argc > 3 ? (size_t)atoi(argv[3]) : 2) < 0 || recv(fd, answer, sizeof answer, 0) <= 0)
        return puts("gone") < 0;
    printf("%c\n", answer[0]);
    return 0;
}
