/**
 * @file
 * What every port must do, asked of a port that runs: see docs/porting.md.
 *
 * A bench joins the port under test to another end that the test commands: a TCP server and a listener for datagrams. It
 * may be a second stack in the same process, sockets on loopback, or a program on a desk beside the device. The checks use
 * a few KB of static memory, no heap, no clock and no test framework, so they run on the device as well.
 */
#ifndef PORT_CONFORMANCE_H
#define PORT_CONFORMANCE_H

#include <mailmote/port.h>

/** What the other end hears. */
typedef enum bench_heard {
    HEARD_NOTHING, /* so far */
    HEARD_BYTES,
    HEARD_END, /* in order: FIN, inside TLS close_notify too */
    HEARD_RESET
} bench_heard_t;

typedef struct port_bench {
    const mote_port_t *port;
    void *self;

    mote_endpoint_t server;    /* where the other end accepts a connection */
    mote_endpoint_t closed;    /* where nobody listens and a connection is refused; family 0: left out */
    mote_endpoint_t datagrams; /* where it hears datagrams; family 0: left out */
    mote_tls_policy_t *policy; /* not NULL: streams are secured when connected, and what follows is said inside TLS */
    unsigned patience;         /* how often pass_time is called before something counts as never happening */

    /** Lets some time pass, a millisecond or more: packets move, timers run, the other end works. */
    void (*pass_time)(void);
    /** The other end forgets the connection it had, and is ready for the next one. */
    void (*listen)(void);
    /** Whether a connection has come since. */
    bool (*accept)(void);
    /** Says bytes on it; returns how many it could. */
    size_t (*say)(const uint8_t *bytes, size_t size);
    /** Hears at most capacity bytes; does not read ahead. */
    bench_heard_t (*hear)(uint8_t *bytes, size_t capacity, size_t *size);
    /** Ends what it says, in order, after what it has said. */
    void (*end)(void);
    /** Sends RST. */
    void (*reset)(void);
    /** The next datagram that came, and the port it came from; false: none yet. */
    bool (*hear_datagram)(uint8_t *bytes, size_t capacity, size_t *size, uint16_t *port);
    /** Sends a datagram to that port, from `datagrams`, or from another port of the same host. */
    void (*answer)(uint16_t port, mote_span_t datagram, bool is_stranger);
} port_bench_t;

/**
 * Makes all checks, in turn, up to the first that fails.
 *
 * @param[out] check  the name of the check that failed, or of the last
 * @return NULL: the port conforms. Else what is wrong, in words.
 */
const char *port_conformance(const port_bench_t *bench, const char **check);

#endif
