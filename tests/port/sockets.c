#define _XOPEN_SOURCE 700
#include "sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int listener = -1;
static int stream = -1;
static int names = -1;    /* hears datagrams */
static int stranger = -1; /* says some */

static void must(bool condition)
{
    if (!condition) {
        abort();
    }
}

static int open_here(int type, mote_endpoint_t *endpoint)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, type, 0);

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0);
    must(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    memset(endpoint, 0, sizeof *endpoint);
    (void)mote_ip_parse(mote_span_text("127.0.0.1"), &endpoint->ip);
    endpoint->port = ntohs(address.sin_port);
    return fd;
}

static void pass_time(void)
{
    (void)poll(NULL, 0, 1);
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* What waits in the listener's queue belongs to a test that is over. */
static void listen_again(void)
{
    int old;

    close_fd(&stream);
    while ((old = accept(listener, NULL, NULL)) >= 0) {
        close(old);
    }
}

static bool accept_one(void)
{
    stream = accept(listener, NULL, NULL);
    if (stream >= 0) {
        must(fcntl(stream, F_SETFL, O_NONBLOCK) == 0);
    }
    return stream >= 0;
}

static size_t say(const uint8_t *bytes, size_t size)
{
    ssize_t count = send(stream, bytes, size, MSG_NOSIGNAL);

    return count > 0 ? (size_t)count : 0;
}

static bench_heard_t hear(uint8_t *bytes, size_t capacity, size_t *size)
{
    ssize_t count = recv(stream, bytes, capacity, 0);

    *size = count > 0 ? (size_t)count : 0;
    if (count < 0) {
        return errno == EAGAIN || errno == EWOULDBLOCK ? HEARD_NOTHING : HEARD_RESET;
    }
    return count > 0 ? HEARD_BYTES : HEARD_END;
}

static void end(void)
{
    (void)shutdown(stream, SHUT_WR);
}

static void reset(void)
{
    struct linger now = { 1, 0 };

    (void)setsockopt(stream, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close_fd(&stream);
}

static bool hear_datagram(uint8_t *bytes, size_t capacity, size_t *size, uint16_t *port)
{
    struct sockaddr_in from;
    socklen_t from_size = sizeof from;
    ssize_t count = recvfrom(names, bytes, capacity, 0, (struct sockaddr *)&from, &from_size);

    if (count < 0) {
        return false;
    }
    *size = (size_t)count;
    *port = ntohs(from.sin_port);
    return true;
}

static void answer(uint16_t port, mote_span_t datagram, bool is_stranger)
{
    struct sockaddr_in to;

    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port);
    (void)sendto(is_stranger ? stranger : names, datagram.data, datagram.size, 0, (struct sockaddr *)&to, sizeof to);
}

void sockets_set_up(port_bench_t *bench)
{
    mote_endpoint_t unused;
    int closed;

    memset(bench, 0, sizeof *bench);
    closed = open_here(SOCK_STREAM, &bench->closed);
    listener = open_here(SOCK_STREAM, &bench->server);
    must(listen(listener, 4) == 0);
    close(closed);
    names = open_here(SOCK_DGRAM, &bench->datagrams);
    stranger = open_here(SOCK_DGRAM, &unused);
    bench->patience = 2000;
    bench->pass_time = pass_time;
    bench->listen = listen_again;
    bench->accept = accept_one;
    bench->say = say;
    bench->hear = hear;
    bench->end = end;
    bench->reset = reset;
    bench->hear_datagram = hear_datagram;
    bench->answer = answer;
}

void sockets_tear_down(void)
{
    close_fd(&listener);
    close_fd(&stream);
    close_fd(&names);
    close_fd(&stranger);
}

int sockets_stream(void)
{
    return stream;
}
