#define _GNU_SOURCE /* IP_RECVERR's sock_extended_err; everything else is POSIX.1-2008 */
#include <mailmote/posix.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/errqueue.h>
#include <sys/random.h>
#endif

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif
#ifndef MSG_MORE
#define MSG_MORE 0
#endif

/* Ports tried before the kernel chooses one; datagrams too long that one call passes over; reads before a stream is
   closed over what is still unread. */
enum { BIND_COUNT = 8, FIRST_PORT = 1024, LONG_COUNT = 8, DRAIN_COUNT = 16 };

union sock_address {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
};

/* ---- small pieces --------------------------------------------------------------------------------------- */

static mote_status_t status_of(mote_posix_t *posix, int error)
{
    posix->error = error;
    switch (error) {
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
    case EINPROGRESS:
    case EALREADY:
    case EINTR:
        return MOTE_PENDING;
    case ECONNREFUSED:
        return MOTE_ERR_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
#ifdef EHOSTDOWN
    case EHOSTDOWN:
#endif
    case EACCES:
    case EPERM:
        return MOTE_ERR_UNREACHABLE;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return MOTE_ERR_NO_ADDRESS;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
        return MOTE_ERR_RESET;
    case ENOMEM:
    case ENOBUFS:
    case EMFILE:
    case ENFILE:
        return MOTE_ERR_MEMORY;
    case ETIMEDOUT:
        return MOTE_ERR_TIMEOUT;
    default:
        return MOTE_ERR_LINK_LOST;
    }
}

static socklen_t to_sock_address(const mote_endpoint_t *endpoint, union sock_address *address)
{
    memset(address, 0, sizeof *address);
    if (endpoint->ip.family == MOTE_FAMILY_IPV4) {
        address->ipv4.sin_family = AF_INET;
        address->ipv4.sin_port = htons(endpoint->port);
        memcpy(&address->ipv4.sin_addr, endpoint->ip.bytes, 4);
        return sizeof address->ipv4;
    }
#if MOTE_FEATURE_IPV6
    address->ipv6.sin6_family = AF_INET6;
    address->ipv6.sin6_port = htons(endpoint->port);
    address->ipv6.sin6_scope_id = endpoint->scope;
    memcpy(&address->ipv6.sin6_addr, endpoint->ip.bytes, 16);
#endif
    return sizeof address->ipv6;
}

static void from_sock_address(const union sock_address *address, mote_endpoint_t *endpoint)
{
    memset(endpoint, 0, sizeof *endpoint);
    if (address->any.sa_family == AF_INET) {
        endpoint->ip.family = MOTE_FAMILY_IPV4;
        endpoint->port = ntohs(address->ipv4.sin_port);
        memcpy(endpoint->ip.bytes, &address->ipv4.sin_addr, 4);
    }
#if MOTE_FEATURE_IPV6
    if (address->any.sa_family == AF_INET6) {
        endpoint->ip.family = MOTE_FAMILY_IPV6;
        endpoint->port = ntohs(address->ipv6.sin6_port);
        endpoint->scope = (uint8_t)address->ipv6.sin6_scope_id;
        memcpy(endpoint->ip.bytes, &address->ipv6.sin6_addr, 16);
    }
#endif
}

/* Non-blocking, and closed in programs started meanwhile: by one call where there is one, so that no other thread's
   fork can come between. */
static int open_socket(int family, int type)
{
#if defined(SOCK_CLOEXEC) && defined(SOCK_NONBLOCK)
    return socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
    int fd = socket(family, type, 0);

    if (fd >= 0 && (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    return fd;
#endif
}

void mote_posix_init(mote_posix_t *posix)
{
    memset(posix, 0, sizeof *posix);
    posix->stream_fd = -1;
    for (size_t slot = 0; slot < 2; slot++) {
        posix->slot_fds[slot][0] = -1;
        posix->slot_fds[slot][1] = -1;
    }
}

int mote_posix_errno(const mote_posix_t *posix)
{
    return posix->error;
}

uint32_t mote_posix_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)now.tv_sec * 1000U + (uint32_t)(now.tv_nsec / 1000000);
}

static bool read_urandom(uint8_t *bytes, size_t size)
{
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    size_t done = 0;

    while (fd >= 0 && done < size) {
        ssize_t count = read(fd, bytes + done, size - done);

        if (count > 0) {
            done += (size_t)count;
        } else if (count == 0 || errno != EINTR) {
            break;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return done == size;
}

mote_status_t mote_posix_random(void *self, uint8_t *bytes, size_t size)
{
    (void)self;
#ifdef __linux__
    size_t done = 0;

    while (done < size) {
        ssize_t count = getrandom(bytes + done, size - done, 0);

        if (count > 0) {
            done += (size_t)count;
        } else if (errno != EINTR) {
            break;
        }
    }
    if (done == size) {
        return MOTE_OK;
    }
#endif
    return read_urandom(bytes, size) ? MOTE_OK : MOTE_ERR_RANDOM;
}

/* ---- our addresses -------------------------------------------------------------------------------------- */

/* A family is usable when an interface that is up has an address of it that reaches beyond the link. */
static unsigned families(void *self)
{
    const mote_posix_t *posix = self;
    struct ifaddrs *list = NULL;
    unsigned found = 0;

    if (getifaddrs(&list) != 0) {
        return MOTE_FAMILY_IPV4 | MOTE_FAMILY_IPV6; /* not known: connect will tell */
    }
    for (const struct ifaddrs *item = list; item != NULL; item = item->ifa_next) {
        union sock_address address;
        mote_endpoint_t endpoint;
        mote_reach_t reach;

        if (item->ifa_addr == NULL || (item->ifa_flags & IFF_UP) == 0 ||
            (item->ifa_addr->sa_family != AF_INET && item->ifa_addr->sa_family != AF_INET6)) {
            continue;
        }
        memcpy(&address, item->ifa_addr,
               item->ifa_addr->sa_family == AF_INET ? sizeof address.ipv4 : sizeof address.ipv6);
        from_sock_address(&address, &endpoint);
        reach = mote_ip_reach(&endpoint.ip);
        if (reach == MOTE_REACH_GLOBAL || reach == MOTE_REACH_PRIVATE ||
            (reach == MOTE_REACH_LOOPBACK && posix->allows_loopback_source)) {
            found |= endpoint.ip.family;
        }
    }
    freeifaddrs(list);
    return found;
}

static mote_status_t own_address(void *self, mote_ip_t *ip)
{
    mote_posix_t *posix = self;
    union sock_address address;
    socklen_t size = sizeof address;
    mote_endpoint_t endpoint;

    memset(&address, 0, sizeof address);
    if (getsockname(posix->stream_fd, &address.any, &size) != 0) {
        (void)status_of(posix, errno);
        return MOTE_ERR_NO_ADDRESS;
    }
    from_sock_address(&address, &endpoint);
    *ip = endpoint.ip;
    return ip->family != 0 ? MOTE_OK : MOTE_ERR_NO_ADDRESS;
}

/* ---- datagrams ------------------------------------------------------------------------------------------- */

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void query_close(void *self, unsigned slot)
{
    mote_posix_t *posix = self;

    close_fd(&posix->slot_fds[slot][0]);
    close_fd(&posix->slot_fds[slot][1]);
}

/* Sockets are opened when a server of their family is asked: then at a port drawn from all that are free to use. */
static mote_status_t query_open(void *self, unsigned slot)
{
    query_close(self, slot);
    return MOTE_OK;
}

/* ICMP errors are told (DNS-41), and an IPv6 socket is one of IPv6 only: an IPv4 answer has its own. */
static void set_slot_options(int fd, int family)
{
    int on = 1;

    if (family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
#ifdef __linux__
    if (family == AF_INET) {
        (void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
    } else {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
    }
#endif
}

static bool bind_to(int fd, int family, uint16_t port)
{
    union sock_address address;

    memset(&address, 0, sizeof address);
    address.any.sa_family = (sa_family_t)family;
    if (family == AF_INET) {
        address.ipv4.sin_port = htons(port);
    } else {
        address.ipv6.sin6_port = htons(port);
    }
    return bind(fd, &address.any, family == AF_INET ? sizeof address.ipv4 : sizeof address.ipv6) == 0;
}

static mote_status_t open_slot(mote_posix_t *posix, unsigned slot, int family)
{
    int *fd = &posix->slot_fds[slot][family == AF_INET ? 0 : 1];
    bool is_bound = false;

    *fd = open_socket(family, SOCK_DGRAM);
    if (*fd < 0) {
        return status_of(posix, errno);
    }
    set_slot_options(*fd, family);
    for (unsigned i = 0; i < BIND_COUNT && !is_bound; i++) { /* all taken: the kernel draws one when we send */
        uint16_t port;

        if (mote_posix_random(posix, (uint8_t *)&port, sizeof port) != MOTE_OK) {
            close_fd(fd);
            return MOTE_ERR_RANDOM;
        }
        is_bound = port >= FIRST_PORT && bind_to(*fd, family, port);
    }
    return MOTE_OK;
}

static mote_status_t query_send(void *self, unsigned slot, const mote_endpoint_t *server, mote_span_t datagram)
{
    mote_posix_t *posix = self;
    union sock_address address;
    socklen_t size = to_sock_address(server, &address);
    int *fd = &posix->slot_fds[slot][address.any.sa_family == AF_INET ? 0 : 1];

    if (*fd < 0) {
        mote_status_t status = open_slot(posix, slot, address.any.sa_family);

        if (status != MOTE_OK) {
            return status;
        }
    }
    for (unsigned i = 0; i < 2; i++) { /* the first may fail for an ICMP error of before: lend_error has it too */
        if (sendto(*fd, datagram.data, datagram.size, MSG_NOSIGNAL, &address.any, size) >= 0) {
            return MOTE_OK;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
            break;
        }
    }
    return status_of(posix, errno);
}

#ifdef __linux__
/* The cause that an ICMP error came with. */
static int read_cause(struct msghdr *message)
{
    for (struct cmsghdr *item = CMSG_FIRSTHDR(message); item != NULL; item = CMSG_NXTHDR(message, item)) {
        struct sock_extended_err cause;

        if ((item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_RECVERR) ||
            (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_RECVERR)) {
            memcpy(&cause, CMSG_DATA(item), sizeof cause);
            return (int)cause.ee_errno;
        }
    }
    return EIO;
}
#endif

/* An ICMP error that waits on the socket, and whom it concerns. It is looked for whenever no datagram comes: sendto
   may have taken the error's number already, and what stays in the queue would wake poll() for ever. */
static mote_status_t lend_error(mote_posix_t *posix, int fd, mote_endpoint_t *from)
{
#ifdef __linux__
    union sock_address address;
    uint8_t control[256];
    uint8_t byte;
    struct iovec io = { &byte, sizeof byte };
    struct msghdr message;
    mote_status_t status;

    memset(&address, 0, sizeof address);
    memset(&message, 0, sizeof message);
    message.msg_name = &address;
    message.msg_namelen = sizeof address;
    message.msg_iov = &io;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
        return MOTE_PENDING;
    }
    from_sock_address(&address, from); /* where the datagram went that came back */
    status = status_of(posix, read_cause(&message));
    return status == MOTE_PENDING ? MOTE_ERR_LINK_LOST : status;
#else
    (void)posix, (void)fd, (void)from;
    return MOTE_PENDING;
#endif
}

/* The next datagram of one socket. Those that are longer than our room are passed over. */
static mote_status_t read_datagram(mote_posix_t *posix, int fd, mote_endpoint_t *from, mote_span_t *datagram)
{
    for (unsigned i = 0; i < LONG_COUNT; i++) {
        union sock_address address;
        struct iovec io = { posix->datagram, sizeof posix->datagram };
        struct msghdr message;
        ssize_t count;

        memset(&address, 0, sizeof address);
        memset(&message, 0, sizeof message);
        message.msg_name = &address;
        message.msg_namelen = sizeof address;
        message.msg_iov = &io;
        message.msg_iovlen = 1;
        count = recvmsg(fd, &message, 0);
        if (count < 0) {
            mote_status_t status = status_of(posix, errno);
            mote_status_t told = lend_error(posix, fd, from);

            return told != MOTE_PENDING ? told : status;
        }
        if ((message.msg_flags & MSG_TRUNC) == 0) {
            from_sock_address(&address, from);
            *datagram = mote_span(posix->datagram, (size_t)count);
            return MOTE_OK;
        }
    }
    return MOTE_PENDING; /* what is left wakes the caller again */
}

static mote_status_t query_lend(void *self, unsigned slot, mote_endpoint_t *from, mote_span_t *datagram)
{
    mote_posix_t *posix = self;
    mote_status_t status = MOTE_PENDING;

    memset(from, 0, sizeof *from);
    for (unsigned i = 0; i < 2 && status == MOTE_PENDING; i++) {
        if (posix->slot_fds[slot][i] >= 0) {
            status = read_datagram(posix, posix->slot_fds[slot][i], from, datagram);
        }
    }
    return status;
}

static void query_taken(void *self, unsigned slot)
{
    (void)self, (void)slot; /* the next lend overwrites it */
}

/* ---- the stream ------------------------------------------------------------------------------------------- */

static void end_stream(mote_posix_t *posix)
{
    close_fd(&posix->stream_fd);
    posix->is_connected = false;
    posix->has_ended = false;
    posix->wants_write = false;
    posix->size = 0;
    posix->start = 0;
}

static void stream_abort(void *self)
{
    mote_posix_t *posix = self;
    struct linger now = { 1, 0 };

    if (posix->stream_fd >= 0) {
        (void)setsockopt(posix->stream_fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    end_stream(posix);
}

static mote_status_t fail_connect(mote_posix_t *posix, int error)
{
    mote_status_t status = status_of(posix, error);

    end_stream(posix);
    return status == MOTE_PENDING ? MOTE_ERR_LINK_LOST : status;
}

static mote_status_t begin_connect(mote_posix_t *posix, const mote_endpoint_t *peer)
{
    union sock_address address;
    socklen_t size = to_sock_address(peer, &address);
    int on = 1;

    stream_abort(posix);
    posix->stream_fd = open_socket(address.any.sa_family, SOCK_STREAM);
    if (posix->stream_fd < 0) {
        return fail_connect(posix, errno);
    }
    (void)setsockopt(posix->stream_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef SO_NOSIGPIPE
    (void)setsockopt(posix->stream_fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    if (connect(posix->stream_fd, &address.any, size) == 0) {
        posix->is_connected = true;
        return MOTE_OK;
    }
    if (errno != EINPROGRESS && errno != EINTR) {
        return fail_connect(posix, errno);
    }
    posix->wants_write = true;
    return MOTE_PENDING;
}

static mote_status_t stream_connect(void *self, const mote_endpoint_t *peer)
{
    mote_posix_t *posix = self;
    struct pollfd ready = { 0, POLLOUT, 0 };
    int error = 0;
    socklen_t size = sizeof error;

    if (posix->stream_fd < 0 || posix->is_connected) {
        return begin_connect(posix, peer);
    }
    ready.fd = posix->stream_fd;
    if (poll(&ready, 1, 0) <= 0) {
        return MOTE_PENDING;
    }
    if (getsockopt(posix->stream_fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    if (error != 0) {
        return fail_connect(posix, error);
    }
    posix->is_connected = true;
    posix->wants_write = false;
    return MOTE_OK;
}

static mote_status_t stream_send(void *self, mote_span_t bytes, unsigned flags, size_t *taken)
{
    mote_posix_t *posix = self;
    ssize_t count;

    *taken = 0;
    do {
        count = send(posix->stream_fd, bytes.data, bytes.size,
                     MSG_NOSIGNAL | ((flags & MOTE_SEND_MORE) != 0 ? MSG_MORE : 0));
    } while (count < 0 && errno == EINTR);
    posix->wants_write = count < (ssize_t)bytes.size;
    if (count > 0) {
        *taken = (size_t)count;
        return MOTE_OK;
    }
    return status_of(posix, errno);
}

/* A server that answers in pieces without TCP_NODELAY (Postfix: a session ticket, then the greeting) waits with the second
   for our acknowledgement of the first; the kernel would take its time over that. It forgets the wish, so at each read. */
static void acknowledge(const mote_posix_t *posix)
{
#ifdef TCP_QUICKACK
    int on = 1;

    (void)setsockopt(posix->stream_fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
#else
    (void)posix;
#endif
}

static mote_status_t stream_lend(void *self, mote_span_t *bytes)
{
    mote_posix_t *posix = self;
    ssize_t count;

    if (posix->size == 0 && posix->has_ended) {
        return MOTE_CLOSED;
    }
    if (posix->size == 0) {
        do {
            count = recv(posix->stream_fd, posix->receive, sizeof posix->receive, 0);
        } while (count < 0 && errno == EINTR);
        if (count < 0) {
            return status_of(posix, errno);
        }
        acknowledge(posix);
        posix->has_ended = count == 0;
        posix->start = 0;
        posix->size = (uint16_t)count;
        if (posix->has_ended) {
            return MOTE_CLOSED;
        }
    }
    *bytes = mote_span(posix->receive + posix->start, posix->size);
    return MOTE_OK;
}

static void stream_taken(void *self, size_t size)
{
    mote_posix_t *posix = self;

    MOTE_ASSERT(size <= posix->size);
    posix->start = (uint16_t)(posix->start + size);
    posix->size = (uint16_t)(posix->size - size);
}

static unsigned wants(void *self)
{
    const mote_posix_t *posix = self;

    if (posix->stream_fd >= 0 && !posix->is_connected) {
        return MOTE_WANTS_WRITE;
    }
    return MOTE_WANTS_READ | (posix->wants_write ? (unsigned)MOTE_WANTS_WRITE : 0U);
}

static void stream_close(void *self)
{
    mote_posix_t *posix = self;

    if (posix->stream_fd >= 0 && posix->is_connected) {
        /* Unread bytes would turn close into a RST that could overtake what was sent: read them away first. */
        (void)shutdown(posix->stream_fd, SHUT_WR);
        for (unsigned i = 0; i < DRAIN_COUNT && recv(posix->stream_fd, posix->receive, sizeof posix->receive, 0) > 0; i++) {
        }
    }
    end_stream(posix);
}

void mote_posix_close(mote_posix_t *posix)
{
    stream_abort(posix);
    query_close(posix, 0);
    query_close(posix, 1);
}

size_t mote_posix_poll_fds(const mote_posix_t *posix, struct pollfd *fds, size_t capacity)
{
    size_t count = 0;

    if (posix->stream_fd >= 0 && count < capacity) {
        fds[count].fd = posix->stream_fd;
        fds[count].events = posix->is_connected && !posix->has_ended ? POLLIN : 0;
        if (!posix->is_connected || posix->wants_write) {
            fds[count].events |= POLLOUT;
        }
        fds[count++].revents = 0;
    }
    for (size_t i = 0; i < 4; i++) {
        int fd = posix->slot_fds[i / 2][i % 2];

        if (fd >= 0 && count < capacity) {
            fds[count].fd = fd;
            fds[count].events = POLLIN;
            fds[count++].revents = 0;
        }
    }
    return count;
}

const mote_port_t mote_posix_port = {
    .random = mote_posix_random,
    .families = families,
    .own_address = own_address,
    .query_open = query_open,
    .query_send = query_send,
    .query_lend = query_lend,
    .query_taken = query_taken,
    .query_close = query_close,
    .connect = stream_connect,
    .send = stream_send,
    .lend = stream_lend,
    .taken = stream_taken,
    .secure = NULL,
    .wants = wants,
    .close = stream_close,
    .abort = stream_abort,
};
