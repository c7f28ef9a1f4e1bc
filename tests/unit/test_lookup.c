#include "test.h"

#include "../dns_answer.h"

/* A port for one name server, whose answers are written down, one for each question that leaves. */
typedef struct port {
    const char *answers[4]; /* NULL: none comes */
    size_t answer_count;    /* so many were used */
    unsigned opened[2];
    unsigned closed[2];
    unsigned sent_count;
    unsigned taken_count;
    unsigned blocked_count; /* so many sends are PENDING first */
    mote_endpoint_t from;   /* who answers */
    dns_message_t datagrams[2];
    bool has_datagram[2];
    bool floods;               /* the same datagram comes for ever */
    mote_status_t lend_status; /* of the socket, once */
    /* the stream */
    unsigned connected;
    unsigned aborted;
    dns_message_t stream;
    size_t stream_offset;
    size_t crumb_bytes;       /* so much is lent at once */
    mote_status_t stream_end; /* after its last octet */
} port_t;

static mote_status_t fill(void *self, uint8_t *bytes, size_t size)
{
    static uint8_t last;

    (void)self;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = last++;
    }
    return MOTE_OK;
}

static mote_status_t query_open(void *self, unsigned slot)
{
    ((port_t *)self)->opened[slot]++;
    return MOTE_OK;
}

/* The answer to the question, in message; false when none comes. */
static bool answer(port_t *port, mote_span_t query, dns_message_t *message)
{
    const char *text = port->answers[port->answer_count++];

    if (text != NULL) {
        message->size = query.size;
        memcpy(message->bytes, query.data, query.size);
        message_answer(message, text);
    }
    return text != NULL;
}

static mote_status_t query_send(void *self, unsigned slot, const mote_endpoint_t *server, mote_span_t datagram)
{
    port_t *port = self;

    assert_int_equal(server->port, 53);
    if (port->blocked_count > 0) {
        port->blocked_count--;
        return MOTE_PENDING;
    }
    assert_int_equal(port->opened[slot], port->closed[slot] + 1);
    port->sent_count++;
    port->has_datagram[slot] = answer(port, datagram, &port->datagrams[slot]);
    return MOTE_OK;
}

static const mote_endpoint_t server = { { MOTE_FAMILY_IPV4, { 192, 0, 2, 53 } }, 53, 0 };

static mote_status_t query_lend(void *self, unsigned slot, mote_endpoint_t *from, mote_span_t *datagram)
{
    port_t *port = self;
    mote_status_t status = port->lend_status;

    memset(from, 0, sizeof *from);
    if (status != MOTE_OK) {
        port->lend_status = MOTE_OK;
        return status;
    }
    *from = port->from;
    *datagram = message_span(&port->datagrams[slot]);
    return port->has_datagram[slot] ? MOTE_OK : MOTE_PENDING;
}

static void query_taken(void *self, unsigned slot)
{
    port_t *port = self;

    port->taken_count++;
    port->has_datagram[slot] = port->floods;
}

static void query_close(void *self, unsigned slot)
{
    ((port_t *)self)->closed[slot]++;
}

static mote_status_t stream_connect(void *self, const mote_endpoint_t *peer)
{
    port_t *port = self;

    assert_ptr_equal(peer, &server);
    port->connected++;
    port->stream.size = port->stream_offset = 0;
    return MOTE_OK;
}

static mote_status_t stream_send(void *self, mote_span_t bytes, unsigned flags, size_t *taken)
{
    port_t *port = self;
    static dns_message_t message;

    (void)flags;
    *taken = bytes.size;
    port->stream_offset = port->stream.size = 0;
    if (answer(port, mote_span_slice(bytes, 2, bytes.size), &message)) {
        message_u16(&port->stream, (unsigned)message.size);
        memcpy(port->stream.bytes + 2, message.bytes, message.size);
        port->stream.size += message.size;
    }
    return MOTE_OK;
}

static mote_status_t stream_lend(void *self, mote_span_t *bytes)
{
    port_t *port = self;

    *bytes = mote_span_slice(message_span(&port->stream), port->stream_offset, port->crumb_bytes);
    return bytes->size > 0 ? MOTE_OK : port->stream_end;
}

static void stream_taken(void *self, size_t size)
{
    ((port_t *)self)->stream_offset += size;
}

static void stream_abort(void *self)
{
    ((port_t *)self)->aborted++;
}

static const mote_port_t table = {
    .query_open = query_open,   .query_send = query_send, .query_lend = query_lend, .query_taken = query_taken,
    .query_close = query_close, .connect = stream_connect, .send = stream_send,     .lend = stream_lend,
    .taken = stream_taken,      .abort = stream_abort,
};

static uint8_t tcp_buffer[512];
static const mote_dns_settings_t settings = { .servers = &server, .server_count = 1, .tcp_buffer = tcp_buffer,
                                              .tcp_capacity = sizeof tcp_buffer };
static const mote_random_t randomness = { fill, NULL };
static mote_lookup_t lookup;
static mote_question_t question;
static port_t port;

static void begin(const char *name, unsigned what)
{
    memset(&port, 0, sizeof port);
    port.from = server;
    port.crumb_bytes = 5;
    port.stream_end = MOTE_PENDING;
    mote_lookup_init(&lookup, &question, &table, &port);
    assert_int_equal(mote_resolver_start(&lookup.resolver, &settings, &randomness, mote_span_text(name), what,
                                         MOTE_FAMILY_IPV4 | MOTE_FAMILY_IPV6, 0), MOTE_OK);
}

/* Steps until something is known. */
static mote_status_t run(uint32_t *now_ms, mote_dns_answer_t *found)
{
    uint32_t wait_ms = 0;

    for (unsigned i = 0; i < 100; i++) {
        mote_status_t status = mote_lookup_step(&lookup, *now_ms, &wait_ms, found);

        if (status != MOTE_PENDING) {
            return status;
        }
        *now_ms += wait_ms;
    }
    fail_msg("the lookup does not end");
    return MOTE_ERR_DNS;
}

static void check_closed(void)
{
    assert_int_equal(port.opened[0], port.closed[0]);
    assert_int_equal(port.opened[1], port.closed[1]);
    assert_int_equal(port.connected, port.aborted);
}

/* DNS-3: a new question, also one that an alias leads to, has a new socket; asking again has not. */
static void a_socket_for_each_question(void **state)
{
    uint32_t now_ms = 0;
    mote_dns_answer_t found;
    mote_dns_record_t record;

    (void)state;
    begin("example.net", MOTE_RESOLVER_MX);
    port.answers[0] = NULL; /* lost */
    port.answers[1] = "NOERROR | @ CNAME b.example";
    port.answers[2] = "NOERROR | @ MX 10 mx.@";
    assert_int_equal(run(&now_ms, &found), MOTE_OK);
    assert_int_equal(found.type, MOTE_DNS_MX);
    assert_int_equal(now_ms, 3000);
    assert_int_equal(port.sent_count, 3);
    assert_int_equal(port.opened[0], 2);
    assert_int_equal(port.closed[0], 1);
    assert_true(mote_dns_next(&found, &record)); /* the datagram is still lent */
    assert_int_equal(port.taken_count, 1);
    assert_int_equal(run(&now_ms, &found), MOTE_CLOSED);
    assert_int_equal(port.taken_count, 2);
    check_closed();
}

static void both_slots(void **state)
{
    uint32_t now_ms = 0;
    mote_dns_answer_t found;

    (void)state;
    begin("mx.example.net", MOTE_RESOLVER_ADDRESSES);
    port.answers[0] = "NOERROR | @ A 192.0.2.25";
    port.answers[1] = "NOERROR | @ AAAA 2001:db8::25";
    assert_int_equal(run(&now_ms, &found), MOTE_OK);
    assert_int_equal(found.type, MOTE_DNS_A);
    assert_int_equal(run(&now_ms, &found), MOTE_OK);
    assert_int_equal(found.type, MOTE_DNS_AAAA);
    assert_int_equal(run(&now_ms, &found), MOTE_CLOSED);
    assert_int_equal(now_ms, 0);
    check_closed();
}

/* DNS-34, DNS-39: both slots through one stream. */
static void over_a_stream(void **state)
{
    uint32_t now_ms = 0;
    mote_dns_answer_t found;
    mote_dns_record_t record;

    (void)state;
    begin("mx.example.net", MOTE_RESOLVER_ADDRESSES);
    port.answers[0] = port.answers[1] = "NOERROR tc";
    port.answers[2] = "NOERROR | @ A 192.0.2.25";
    port.answers[3] = "NOERROR | @ AAAA 2001:db8::25";
    assert_int_equal(run(&now_ms, &found), MOTE_OK);
    assert_int_equal(found.type, MOTE_DNS_A);
    assert_true(mote_dns_next(&found, &record));
    assert_int_equal(run(&now_ms, &found), MOTE_OK);
    assert_int_equal(found.type, MOTE_DNS_AAAA);
    assert_int_equal(port.connected, 1);
    assert_int_equal(run(&now_ms, &found), MOTE_CLOSED);
    assert_int_equal(now_ms, 0);
    check_closed();
}

/* A stream that nobody waits for is closed: its server's FIN, which nobody would read, would wake the caller for ever. */
static void no_idle_stream(void **state)
{
    uint32_t now_ms = 0;
    uint32_t wait_ms = 0;
    mote_dns_answer_t found;

    (void)state;
    begin("mx.example.net", MOTE_RESOLVER_ADDRESSES);
    port.answers[0] = "NOERROR tc";
    port.answers[1] = NULL; /* AAAA: lost */
    port.answers[2] = "NOERROR | @ A 192.0.2.25";
    assert_int_equal(run(&now_ms, &found), MOTE_OK);
    assert_int_equal(found.type, MOTE_DNS_A);
    assert_int_equal(mote_lookup_step(&lookup, now_ms, &wait_ms, &found), MOTE_PENDING);
    assert_int_equal(wait_ms, 3000);
    assert_int_equal(port.connected, 1);
    assert_int_equal(port.aborted, 1);
    mote_lookup_stop(&lookup);
    check_closed();
}

/* DNS-40, DNS-41: errors of sockets and streams end the only server at once. */
static void errors(void **state)
{
    uint32_t now_ms = 0;
    mote_dns_answer_t found;

    (void)state;
    begin("example.net", MOTE_RESOLVER_MX);
    port.lend_status = MOTE_ERR_REFUSED;
    assert_int_equal(run(&now_ms, &found), MOTE_CLOSED);
    assert_int_equal(mote_resolver_status(&lookup.resolver, 0), MOTE_ERR_DNS);
    check_closed();

    begin("example.net", MOTE_RESOLVER_MX);
    port.answers[0] = "NOERROR tc";
    port.stream_end = MOTE_CLOSED;
    assert_int_equal(run(&now_ms, &found), MOTE_CLOSED);
    assert_int_equal(mote_resolver_status(&lookup.resolver, 0), MOTE_ERR_DNS);
    assert_int_equal(now_ms, 0);
    check_closed();
}

/* A port without room is asked again soon, and keeps its socket once the question has left. */
static void a_blocked_port(void **state)
{
    uint32_t now_ms = 0;
    mote_dns_answer_t found;

    (void)state;
    begin("example.net", MOTE_RESOLVER_MX);
    port.blocked_count = 3;
    port.answers[0] = "NOERROR | @ MX 10 mx.@";
    assert_int_equal(run(&now_ms, &found), MOTE_OK);
    assert_int_equal(now_ms, 150);
    mote_lookup_stop(&lookup);
    check_closed();
    assert_int_equal(port.taken_count, 1);
}

/* DNS-5: an answer counts from the server that was asked, from no other, and not from a sender that a port cannot name
   (a family it was built without). */
static void senders(void **state)
{
    static const struct {
        const char *name;
        mote_endpoint_t from;
        mote_status_t status;
    } cases[] = {
        { "the server", { { MOTE_FAMILY_IPV4, { 192, 0, 2, 53 } }, 53, 0 }, MOTE_OK },
        { "another address", { { MOTE_FAMILY_IPV4, { 192, 0, 2, 54 } }, 53, 0 }, MOTE_PENDING },
        { "another port", { { MOTE_FAMILY_IPV4, { 192, 0, 2, 53 } }, 54, 0 }, MOTE_PENDING },
        { "no family", { { 0, { 0 } }, 53, 0 }, MOTE_PENDING },
        { "nothing at all", { { 0, { 0 } }, 0, 0 }, MOTE_PENDING },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_dns_answer_t found;
        uint32_t wait_ms = 0;

        begin("example.net", MOTE_RESOLVER_MX);
        port.answers[0] = "NOERROR | @ MX 10 mx.@";
        port.from = cases[i].from;
        CHECK(mote_lookup_step(&lookup, 0, &wait_ms, &found) == cases[i].status, cases[i].name);
        mote_lookup_stop(&lookup);
        check_closed();
    }
}

/* A step does bounded work: a flood is left for the next one, and the timers run on. */
static void a_flood(void **state)
{
    mote_dns_answer_t found;
    mote_status_t status = MOTE_PENDING;
    uint32_t now_ms = 0;

    (void)state;
    begin("example.net", MOTE_RESOLVER_MX);
    port.answers[0] = port.answers[1] = port.answers[2] = "NOERROR | @ MX 10 mx.@";
    port.from.port = 54;
    port.floods = true;
    for (unsigned i = 0; i < 100 && status == MOTE_PENDING; i++) {
        uint32_t wait_ms = 0;
        unsigned before = port.taken_count;

        status = mote_lookup_step(&lookup, now_ms, &wait_ms, &found);
        assert_true(port.taken_count - before <= 16);
        now_ms += wait_ms;
    }
    assert_int_equal(status, MOTE_CLOSED);
    assert_int_equal(mote_resolver_status(&lookup.resolver, 0), MOTE_ERR_DNS);
    assert_int_equal(now_ms, 20000);
    check_closed();
}

/* An answer in crumbs. What a step leaves behind then wakes nobody: the caller is to come again at once. */
static void in_crumbs(void **state)
{
    mote_dns_answer_t found;
    uint32_t now_ms = 0;

    (void)state;
    begin("example.net", MOTE_RESOLVER_MX);
    port.answers[0] = "NOERROR tc";
    port.answers[1] = "NOERROR | @ MX 10 mx.@";
    port.crumb_bytes = 1;
    assert_int_equal(run(&now_ms, &found), MOTE_OK);
    assert_int_equal(now_ms, 0);
    mote_lookup_stop(&lookup);
    check_closed();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_for_each_question), cmocka_unit_test(both_slots), cmocka_unit_test(over_a_stream),
        cmocka_unit_test(no_idle_stream),
        cmocka_unit_test(errors),                     cmocka_unit_test(a_blocked_port),
        cmocka_unit_test(senders),                    cmocka_unit_test(a_flood),    cmocka_unit_test(in_crumbs),
    };

    return cmocka_run_group_tests_name("lookup", tests, NULL, NULL);
}
