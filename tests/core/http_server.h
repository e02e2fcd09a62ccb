/* SPDX-License-Identifier: Apache-2.0
 *
 * http_server.h: the server of the HTTP tests, which misbehaves as asked.
 *
 * It has a thread for each connection. The path of a request says what to answer: see `pages`. It is stopped after the
 * client is freed, and then waits until each connection is closed: a client that left one open would hang. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MIB (1024L * 1024)

struct server {
    char directory[64];
    char socket[96];
    int fd;
    int port; /* 0 for a Unix socket */
    pthread_t acceptor;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    int connections; /* open */
    int accepted;    /* ever */
    sem_t gate;      /* pages that wait, wait for this */
};

struct connection {
    struct server *server;
    int fd;
    char request[70000]; /* head and body */
    size_t length;
};

static struct server server;

/* ---- the server's pages: each returns whether the connection serves on ---- */

static inline bool put(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

        if (sent < 0)
            return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

static inline bool say(int fd, const char *text)
{
    return put(fd, text, strlen(text));
}

static inline bool say_sized(int fd, const char *body, size_t length)
{
    char head[128];

    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nX-Page: sized\r\n\r\n", length);
    return say(fd, head) && put(fd, body, length);
}

static inline void wait_for_close(int fd)
{
    char byte;

    while (recv(fd, &byte, 1, 0) > 0)
        ;
}

static inline bool page_hello(struct connection *connection, const char *argument)
{
    (void)argument;
    return say_sized(connection->fd, "hello", 5);
}

static inline bool page_echo(struct connection *connection, const char *argument)
{
    (void)argument;
    return say_sized(connection->fd, connection->request, connection->length);
}

static inline bool page_status(struct connection *connection, const char *argument)
{
    char head[128];

    snprintf(head, sizeof head, "HTTP/1.1 %s Because\r\nContent-Length: 3\r\n\r\nwhy", argument);
    return say(connection->fd, head);
}

static inline bool page_nothing(struct connection *connection, const char *argument)
{
    (void)argument;
    return say(connection->fd, "HTTP/1.1 204 No Content\r\n\r\n");
}

static inline bool page_chunked(struct connection *connection, const char *argument)
{
    (void)argument;
    return say(connection->fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Odd:  two words \r\n\r\n"
                               "3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\nX-Trailer: late\r\n\r\n");
}

static inline bool page_interim(struct connection *connection, const char *argument)
{
    (void)argument;
    return say(connection->fd, "HTTP/1.1 100 Continue\r\nX-Early: yes\r\n\r\n") && page_hello(connection, NULL);
}

/* As an engine attaches: neither a length nor chunks. The body comes when the gate opens. */
static inline bool page_attach(struct connection *connection, const char *argument)
{
    (void)argument;
    say(connection->fd, "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n");
    sem_wait(&connection->server->gate);
    say(connection->fd, "attached");
    return false;
}

/* Serves until the client goes. */
static inline bool page_endless(struct connection *connection, const char *argument)
{
    (void)argument;
    say(connection->fd, "HTTP/1.1 200 OK\r\n\r\nfirst");
    wait_for_close(connection->fd);
    return false;
}

static inline void flood(int fd, long mebibytes)
{
    char *block = malloc(MIB);

    for (long i = 0; i < MIB; i++)
        block[i] = (char)(i % 251);
    for (long i = 0; i < mebibytes && put(fd, block, MIB); i++)
        ;
    free(block);
}

static inline bool page_flood(struct connection *connection, const char *argument)
{
    say(connection->fd, "HTTP/1.1 200 OK\r\n\r\n");
    flood(connection->fd, strtol(argument, NULL, 10));
    return false;
}

static inline bool page_sized(struct connection *connection, const char *argument)
{
    long mebibytes = strtol(argument, NULL, 10);
    char head[128];

    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", mebibytes * MIB);
    say(connection->fd, head);
    flood(connection->fd, mebibytes);
    return true;
}

static inline bool page_cut(struct connection *connection, const char *argument)
{
    if (strcmp(argument, "headers") == 0)
        say(connection->fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Cut: he");
    else if (strcmp(argument, "head") == 0)
        say(connection->fd, "HTTP/1.1 200 OK\r\nContent-Le");
    else if (strcmp(argument, "interim") == 0)
        say(connection->fd, "HTTP/1.1 100 Continue\r\n\r\n");
    else
        say(connection->fd, strcmp(argument, "chunked") == 0
                                ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nonly this"
                                : "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    return false;
}

static inline bool page_drop(struct connection *connection, const char *argument)
{
    (void)connection;
    (void)argument;
    return false;
}

static inline bool page_hang(struct connection *connection, const char *argument)
{
    (void)argument;
    wait_for_close(connection->fd);
    return false;
}

static inline bool page_garbage(struct connection *connection, const char *argument)
{
    (void)argument;
    say(connection->fd, "what is a status line?\r\n\r\n");
    return false;
}

static inline bool page_headers(struct connection *connection, const char *argument)
{
    (void)argument;
    say(connection->fd, "HTTP/1.1 200 OK\r\n");
    while (say(connection->fd, "X-More: ---------------------------------------------------------------------\r\n"))
        ;
    return false;
}

/* Announces an answer for as long as somebody listens. */
static inline bool page_announce(struct connection *connection, const char *argument)
{
    (void)argument;
    while (say(connection->fd, "HTTP/1.1 103 Early Hints\r\nX: 1\r\n\r\n"))
        ;
    return false;
}

static inline bool page_trailers(struct connection *connection, const char *argument)
{
    (void)argument;
    say(connection->fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n");
    while (say(connection->fd, "X-More: -------------------------------\r\n"))
        ;
    return false;
}

/* As many headers of one name as fit into few bytes each. */
static inline bool page_many(struct connection *connection, const char *argument)
{
    (void)argument;
    say(connection->fd, "HTTP/1.1 200 OK\r\n");
    while (say(connection->fd, "a:\r\n"))
        ;
    return false;
}

static const struct {
    const char *path; /* up to an argument */
    bool (*serve)(struct connection *connection, const char *argument);
} pages[] = {
    {"/hello", page_hello},       {"/echo", page_echo},       {"/status/", page_status},  {"/nothing", page_nothing},
    {"/chunked", page_chunked},   {"/interim", page_interim}, {"/attach", page_attach},   {"/endless", page_endless},
    {"/flood/", page_flood},      {"/sized/", page_sized},    {"/cut/", page_cut},        {"/drop", page_drop},
    {"/hang", page_hang},         {"/garbage", page_garbage}, {"/headers", page_headers}, {"/announce", page_announce},
    {"/trailers", page_trailers}, {"/many", page_many},
};

/* ---- the server ---- */

static inline bool serve_page(struct connection *connection)
{
    const char *path = strchr(connection->request, ' ');

    for (size_t i = 0; path != NULL && i < sizeof pages / sizeof *pages; i++) {
        size_t length = strlen(pages[i].path);
        char argument[32] = "";

        if (strncmp(path + 1, pages[i].path, length) != 0)
            continue;
        sscanf(path + 1 + length, "%31[^ ?]", argument);
        return pages[i].serve(connection, argument);
    }
    return say(connection->fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

/* Reads a request with its body, whose length the head tells. What exceeds the memory is read and forgotten. */
static inline bool read_request(struct connection *connection)
{
    size_t wanted = 0;

    connection->length = 0;
    while (wanted == 0 || connection->length < wanted) {
        size_t room = sizeof connection->request - 1 - connection->length;
        ssize_t count = recv(connection->fd, connection->request + connection->length, room, 0);
        const char *end;
        const char *size;

        if (count <= 0)
            return false;
        connection->length += (size_t)count;
        connection->request[connection->length] = '\0';
        if (connection->request[0] < 'A' || connection->request[0] > 'Z') { /* TLS, which a server of HTTP refuses */
            say(connection->fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
            return false;
        }
        end = strstr(connection->request, "\r\n\r\n");
        if (wanted != 0 || end == NULL)
            continue;
        size = strstr(connection->request, "Content-Length: ");
        wanted = (size_t)(end - connection->request) + 4;
        if (size != NULL && size < end)
            wanted += strtoul(size + strlen("Content-Length: "), NULL, 10);
        if (wanted >= sizeof connection->request)
            return false;
    }
    return true;
}

static inline void *serve_connection(void *data)
{
    struct connection *connection = data;
    struct server *its = connection->server;

    while (read_request(connection) && serve_page(connection))
        ;
    close(connection->fd);
    free(connection);
    pthread_mutex_lock(&its->lock);
    if (--its->connections == 0)
        pthread_cond_signal(&its->idle);
    pthread_mutex_unlock(&its->lock);
    return NULL;
}

static inline void *serve(void *data)
{
    struct server *its = data;
    pthread_attr_t attributes;
    int fd;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    while ((fd = accept(its->fd, NULL, NULL)) >= 0) {
        struct connection *connection = calloc(1, sizeof *connection);
        const int at_once = 1;
        pthread_t thread;

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once); /* of no use where it fails */
        connection->server = its;
        connection->fd = fd;
        pthread_mutex_lock(&its->lock);
        its->connections++;
        its->accepted++;
        pthread_mutex_unlock(&its->lock);
        pthread_create(&thread, &attributes, serve_connection, connection);
    }
    pthread_attr_destroy(&attributes);
    return NULL;
}

/* How many connections there were. */
static inline int accepted(void)
{
    int count;

    pthread_mutex_lock(&server.lock);
    count = server.accepted;
    pthread_mutex_unlock(&server.lock);
    return count;
}

static inline void listen_unix(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", server.socket);
    server.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.fd, (const struct sockaddr *)&address, sizeof address), 0);
}

static inline void listen_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;

    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.fd, (const struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(server.fd, (struct sockaddr *)&address, &length), 0);
    server.port = ntohs(address.sin_port);
}

static inline void start_server(bool tcp)
{
    server.connections = 0;
    server.accepted = 0;
    server.port = 0;
    snprintf(server.directory, sizeof server.directory, "/tmp/gantry-http-XXXXXX");
    assert_non_null(mkdtemp(server.directory));
    snprintf(server.socket, sizeof server.socket, "%s/socket", server.directory);
    pthread_mutex_init(&server.lock, NULL);
    pthread_cond_init(&server.idle, NULL);
    sem_init(&server.gate, 0, 0);
    if (tcp)
        listen_tcp();
    else
        listen_unix();
    assert_int_equal(listen(server.fd, 1024), 0);
    assert_int_equal(pthread_create(&server.acceptor, NULL, serve, &server), 0);
}

static inline void stop_server(void)
{
    shutdown(server.fd, SHUT_RDWR); /* ends the accept */
    pthread_join(server.acceptor, NULL);
    close(server.fd);
    pthread_mutex_lock(&server.lock);
    while (server.connections > 0)
        pthread_cond_wait(&server.idle, &server.lock);
    pthread_mutex_unlock(&server.lock);
    pthread_mutex_destroy(&server.lock);
    pthread_cond_destroy(&server.idle);
    sem_destroy(&server.gate);
    unlink(server.socket);
    rmdir(server.directory);
}

#endif
