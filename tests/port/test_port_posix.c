#define _XOPEN_SOURCE 700
/* ports/posix conforms; and ports that break one promise each are found out. */
#include "../unit/test.h"
#include "sockets.h"

#include <mailmote/posix.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

static port_bench_t bench;
static mote_posix_t posix;

static int set_up(void **state)
{
    (void)state;
    sockets_set_up(&bench);
    mote_posix_init(&posix);
    posix.allows_loopback_source = true;
    bench.port = &mote_posix_port;
    bench.self = &posix;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mote_posix_close(&posix);
    sockets_tear_down();
    return 0;
}

static void conforms(void **state)
{
    const char *check;
    const char *wrong = port_conformance(&bench, &check);

    (void)state;
    if (wrong != NULL) {
        fail_msg("%s: %s", check, wrong);
    }
}

/* ---- one promise broken ---- */

static enum fault {
    WEAK_RANDOM,
    SHORT_RANDOM,
    NO_FAMILY,
    OWN_ADDRESS_OF_NOTHING,
    NOTHING_WANTED,
    PENDING_ERROR,
    SENT_NOTHING,
    SENT_TOO_MUCH,
    SENT_LOST,
    SENT_PENDING,
    SEND_BORROWS,
    LEND_EMPTY,
    LEND_MOVES,
    LEND_LOSES,
    LEND_ENDS_EARLY,
    LEND_RESET_AS_END,
    LEND_END_AS_RESET,
    LEND_STATUS,
    CLOSE_ABORTS,
    ABORT_CLOSES,
    CLOSE_DOES_NOTHING,
    REFUSED_AS_UNREACHABLE,
    CONNECTED_FOR_EVER,
    SAME_PORT,
    NEXT_PORT,
    SLOTS_SWAPPED,
    DATAGRAM_SHORT,
    FROM_NOBODY,
    FAULT_COUNT
} fault;

static mote_status_t bad_random(void *self, uint8_t *bytes, size_t size)
{
    if (fault == WEAK_RANDOM) {
        memset(bytes, 0x5A, size);
        return MOTE_OK;
    }
    return mote_posix_port.random(self, bytes, fault == SHORT_RANDOM ? size - 1 : size);
}

static unsigned bad_families(void *self)
{
    return fault == NO_FAMILY ? 0 : mote_posix_port.families(self);
}

static mote_status_t bad_own_address(void *self, mote_ip_t *ip)
{
    mote_status_t status = mote_posix_port.own_address(self, ip);

    return fault == OWN_ADDRESS_OF_NOTHING ? MOTE_OK : status;
}

static mote_status_t bad_connect(void *self, const mote_endpoint_t *peer)
{
    mote_status_t status =
        fault == CONNECTED_FOR_EVER && posix.is_connected ? MOTE_OK : mote_posix_port.connect(self, peer);

    return fault == REFUSED_AS_UNREACHABLE && status == MOTE_ERR_REFUSED ? MOTE_ERR_UNREACHABLE : status;
}

/* Sends later, from the caller's memory, and what the caller has put there meanwhile. */
static mote_span_t borrowed;

static mote_status_t send_later(mote_span_t bytes, size_t *taken)
{
    *taken = borrowed.size == 0 ? bytes.size : 0;
    borrowed = borrowed.size == 0 ? bytes : borrowed;
    return *taken > 0 ? MOTE_OK : MOTE_PENDING;
}

static void pass_time_and_send(void)
{
    size_t taken;

    if (borrowed.size > 0) {
        (void)mote_posix_port.send(&posix, borrowed, 0, &taken);
        borrowed.size = 0;
    }
    (void)poll(NULL, 0, 1);
}

static mote_status_t bad_send(void *self, mote_span_t bytes, unsigned flags, size_t *taken)
{
    mote_status_t status;

    if (fault == SEND_BORROWS) {
        return send_later(bytes, taken);
    }
    if (fault == SENT_LOST && bytes.size > 1) {
        bytes.size--;
    }
    status = mote_posix_port.send(self, bytes, flags, taken);
    if (status == MOTE_OK) {
        *taken = fault == SENT_NOTHING ? 0 : fault == SENT_TOO_MUCH ? bytes.size + 1 : *taken;
        *taken += fault == SENT_LOST && *taken > 1 ? 1U : 0U;
    } else if (status == MOTE_PENDING) {
        *taken = fault == SENT_PENDING ? 1 : 0;
        status = fault == PENDING_ERROR ? MOTE_ERR_MEMORY : status;
    }
    return status;
}

/* The end has come, behind the bytes at hand. */
static bool is_ending(void)
{
    char octet;

    return recv(posix.stream_fd, &octet, 1, MSG_PEEK) == 0;
}

static mote_status_t bad_lend(void *self, mote_span_t *bytes)
{
    static uint8_t place[2][MOTE_POSIX_RECEIVE_BYTES];
    static unsigned turn;
    mote_status_t status = mote_posix_port.lend(self, bytes);

    if (fault == LEND_ENDS_EARLY && status == MOTE_OK && is_ending()) {
        return MOTE_CLOSED;
    }
    if (status == MOTE_PENDING) {
        return fault == LEND_EMPTY ? MOTE_OK : fault == LEND_STATUS ? MOTE_ERR_PROTOCOL : status;
    }
    if (status == MOTE_OK && fault == LEND_MOVES) {
        turn ^= 1;
        memcpy(place[turn], bytes->data, bytes->size);
        bytes->data = place[turn];
    }
    if (fault == LEND_RESET_AS_END && status == MOTE_ERR_RESET) {
        return MOTE_CLOSED;
    }
    return fault == LEND_END_AS_RESET && status == MOTE_CLOSED ? MOTE_ERR_RESET : status;
}

static void bad_taken(void *self, size_t size)
{
    mote_posix_port.taken(self, fault == LEND_LOSES ? ((mote_posix_t *)self)->size : size);
}

static unsigned bad_wants(void *self)
{
    return fault == NOTHING_WANTED ? 0 : mote_posix_port.wants(self);
}

static void bad_close(void *self)
{
    if (fault == CLOSE_ABORTS) {
        mote_posix_port.abort(self);
    } else if (fault != CLOSE_DOES_NOTHING) {
        mote_posix_port.close(self);
    }
}

static void bad_abort(void *self)
{
    if (fault == ABORT_CLOSES) {
        mote_posix_port.close(self);
    } else {
        mote_posix_port.abort(self);
    }
}

/* Opens the slot at the port after the last one. */
static mote_status_t open_next(unsigned slot)
{
    static uint16_t last = 20000;
    struct sockaddr_in address = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    do {
        address.sin_port = htons(++last);
    } while (bind(fd, (struct sockaddr *)&address, sizeof address) != 0);
    mote_posix_port.query_close(&posix, slot);
    posix.slot_fds[slot][0] = fd;
    return MOTE_OK;
}

static mote_status_t bad_query_open(void *self, unsigned slot)
{
    if (fault == NEXT_PORT) {
        return open_next(slot);
    }
    return fault == SAME_PORT && posix.slot_fds[slot][0] >= 0 ? MOTE_OK : mote_posix_port.query_open(self, slot);
}

static mote_status_t bad_query_lend(void *self, unsigned slot, mote_endpoint_t *from, mote_span_t *datagram)
{
    mote_status_t status = mote_posix_port.query_lend(self, fault == SLOTS_SWAPPED ? 1 - slot : slot, from, datagram);

    if (status == MOTE_OK && fault == DATAGRAM_SHORT) {
        datagram->size--;
    }
    if (status == MOTE_OK && fault == FROM_NOBODY) {
        from->port = bench.datagrams.port;
    }
    return status;
}

static void broken_promises(void **state)
{
    static mote_port_t bad;
    const char *check;

    (void)state;
    bad = mote_posix_port;
    bad.random = bad_random;
    bad.families = bad_families;
    bad.own_address = bad_own_address;
    bad.connect = bad_connect;
    bad.send = bad_send;
    bad.lend = bad_lend;
    bad.taken = bad_taken;
    bad.wants = bad_wants;
    bad.close = bad_close;
    bad.abort = bad_abort;
    bad.query_open = bad_query_open;
    bad.query_lend = bad_query_lend;
    bench.port = &bad;
    bench.pass_time = pass_time_and_send;
    bench.patience = 200; /* what never comes need not be awaited long */
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        const char *wrong;

        fault = (enum fault)i;
        wrong = port_conformance(&bench, &check);
        if (wrong == NULL) {
            fail_msg("fault %u is not found out", i);
        }
        print_message("fault %2u: %s: %s\n", i, check, wrong);
        mote_posix_close(&posix);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(conforms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_promises, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
