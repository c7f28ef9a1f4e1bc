/* The resolver on a port that says what others would rather not: senders nobody knows, answers in crumbs. */
#include "dns_message.h"

/* Answers every question over UDP (from a sender of the test's choice), or over TCP an octet at a time. */
typedef struct crumbs {
    mote_endpoint_t from;
    bool is_truncated;
    bool has_query;
    message_t answer;
    uint8_t stream[2 + 512];
    size_t stream_size;
    size_t stream_at;
} crumbs_t;

static mote_status_t fill(void *self, uint8_t *bytes, size_t size)
{
    (void)self;
    memset(bytes, 7, size);
    return MOTE_OK;
}

static mote_status_t query_open(void *self, unsigned slot)
{
    (void)self, (void)slot;
    return MOTE_OK;
}

static void answer(crumbs_t *crumbs, mote_span_t query, unsigned flags)
{
    put_header(&crumbs->answer, (unsigned)query.data[0] << 8 | query.data[1], flags, 1, 0, 0);
    put_question(&crumbs->answer, "example.net", MOTE_DNS_MX);
    put_mx(&crumbs->answer, "@12", 10, "mx.example.net");
}

static mote_status_t query_send(void *self, unsigned slot, const mote_endpoint_t *server, mote_span_t datagram)
{
    crumbs_t *crumbs = self;

    (void)slot, (void)server;
    answer(crumbs, datagram, crumbs->is_truncated ? 0x8380 : 0x8180);
    crumbs->has_query = true;
    return MOTE_OK;
}

static mote_status_t query_lend(void *self, unsigned slot, mote_endpoint_t *from, mote_span_t *datagram)
{
    crumbs_t *crumbs = self;

    (void)slot;
    if (!crumbs->has_query) {
        return MOTE_PENDING;
    }
    crumbs->has_query = false;
    *from = crumbs->from;
    *datagram = bytes_of(&crumbs->answer);
    return MOTE_OK;
}

static void query_done(void *self, unsigned slot)
{
    (void)self, (void)slot;
}

static mote_status_t stream_connect(void *self, const mote_endpoint_t *peer)
{
    (void)self, (void)peer;
    return MOTE_OK;
}

static mote_status_t stream_send(void *self, mote_span_t bytes, unsigned flags, size_t *taken)
{
    crumbs_t *crumbs = self;

    (void)flags;
    answer(crumbs, mote_span_slice(bytes, 2, bytes.size), 0x8180);
    crumbs->stream[0] = (uint8_t)(crumbs->answer.size >> 8);
    crumbs->stream[1] = (uint8_t)crumbs->answer.size;
    memcpy(crumbs->stream + 2, crumbs->answer.bytes, crumbs->answer.size);
    crumbs->stream_size = 2 + crumbs->answer.size;
    *taken = bytes.size;
    return MOTE_OK;
}

static mote_status_t stream_lend(void *self, mote_span_t *bytes)
{
    const crumbs_t *crumbs = self;

    *bytes = mote_span(crumbs->stream + crumbs->stream_at, 1);
    return crumbs->stream_at < crumbs->stream_size ? MOTE_OK : MOTE_PENDING;
}

static void stream_taken(void *self, size_t size)
{
    crumbs_t *crumbs = self;

    crumbs->stream_at += size;
}

static void stream_end(void *self)
{
    (void)self;
}

static const mote_port_t table = {
    .random = fill,          .query_open = query_open, .query_send = query_send, .query_lend = query_lend,
    .query_taken = query_done, .query_close = query_done, .connect = stream_connect, .send = stream_send,
    .lend = stream_lend,     .taken = stream_taken,    .close = stream_end,      .abort = stream_end,
};

static crumbs_t crumbs;
static mote_lookup_t lookup;
static mote_question_t question;
static const mote_random_t dice = { fill, NULL };
static const mote_endpoint_t server = { { MOTE_FAMILY_IPV4, { 192, 0, 2, 53 } }, 53, 0 };
static uint8_t room[512];
static const mote_dns_settings_t settings = { .servers = &server, .server_count = 1, .tcp_buffer = room, .tcp_capacity = sizeof room };

static void start(void)
{
    memset(&crumbs, 0, sizeof crumbs);
    mote_lookup_init(&lookup, &question, &table, &crumbs);
    assert_int_equal(mote_resolver_start(&lookup.resolver, &settings, &dice, TEXT("example.net"), MOTE_RESOLVER_MX, 0, 0), MOTE_OK);
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

        start();
        crumbs.from = cases[i].from;
        CHECK(mote_lookup_step(&lookup, 0, &wait_ms, &found) == cases[i].status, cases[i].name);
        mote_lookup_stop(&lookup);
    }
}

/* A step does bounded work. What is left then wakes nobody: the caller is to come again at once. */
static void answer_in_crumbs(void **state)
{
    mote_dns_answer_t found;
    mote_status_t status = MOTE_PENDING;
    uint32_t now_ms = 0;

    (void)state;
    start();
    crumbs.from = server;
    crumbs.is_truncated = true;
    while (status == MOTE_PENDING) {
        uint32_t wait_ms = 0;

        status = mote_lookup_step(&lookup, now_ms, &wait_ms, &found);
        now_ms += status == MOTE_PENDING ? wait_ms : 0;
    }
    assert_int_equal(status, MOTE_OK);
    assert_int_equal(now_ms, 0);
    mote_lookup_stop(&lookup);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(senders), cmocka_unit_test(answer_in_crumbs) };

    return cmocka_run_group_tests_name("lookup", tests, NULL, NULL);
}
