#include "conformance.h"

enum {
    PERIOD = 4093, /* a prime: what is lost, doubled or moved shows */
    BLOCK_BYTES = 4000,
    BULK_BYTES = 40000,
    QUESTION_BYTES = 512,
    PORT_COUNT = 16,
    MOST_BYTES = 100000000 /* more than any stack holds for a peer that does not read */
};

/* What is said in either direction: the octet at position p is pattern[p % PERIOD]. Any BLOCK_BYTES of it lie in one
   piece that never changes. */
static uint8_t pattern[PERIOD + BLOCK_BYTES];
static uint8_t room[BLOCK_BYTES];

#define MUST(condition, words)                                                                                \
    do {                                                                                                      \
        if (!(condition)) {                                                                                   \
            return (words);                                                                                   \
        }                                                                                                     \
    } while (0)

/* For a step that says itself what is wrong. */
#define STEP(call)                                                                                            \
    do {                                                                                                      \
        const char *wrong = (call);                                                                           \
        if (wrong != NULL) {                                                                                  \
            return wrong;                                                                                     \
        }                                                                                                     \
    } while (0)

static void make_pattern(void)
{
    uint32_t state = 1;

    for (size_t i = 0; i < PERIOD; i++) {
        state = state * 1664525U + 1013904223U;
        pattern[i] = (uint8_t)(state >> 24);
    }
    memcpy(pattern + PERIOD, pattern, BLOCK_BYTES);
}

static mote_span_t piece_at(size_t position, size_t size)
{
    return mote_span(pattern + position % PERIOD, size < BLOCK_BYTES ? size : BLOCK_BYTES);
}

static bool is_pattern(size_t position, const uint8_t *bytes, size_t size)
{
    return size <= BLOCK_BYTES && memcmp(pattern + position % PERIOD, bytes, size) == 0;
}

/* ---- the calls, and what is true of each at any time ---- */

static bool is_of_the_network(mote_status_t status)
{
    return status >= MOTE_ERR_REFUSED && status <= MOTE_ERR_LINK_LOST;
}

static bool is_of_tls(mote_status_t status)
{
    return status >= MOTE_ERR_TLS && status <= MOTE_ERR_TLS_MISSING;
}

static const char *lend(const port_bench_t *bench, mote_status_t *status, mote_span_t *bytes)
{
    *bytes = mote_span(NULL, 0);
    *status = bench->port->lend(bench->self, bytes);
    MUST(*status == MOTE_OK || *status == MOTE_PENDING || *status == MOTE_CLOSED || is_of_the_network(*status) ||
             (bench->policy != NULL && is_of_tls(*status)),
         "lend: a status that it does not list");
    MUST(*status != MOTE_OK || (bytes->size > 0 && bytes->data != NULL), "lend: MOTE_OK without a byte");
    return NULL;
}

static const char *send(const port_bench_t *bench, mote_span_t bytes, unsigned flags, mote_status_t *status, size_t *taken)
{
    *taken = SIZE_MAX;
    *status = bench->port->send(bench->self, bytes, flags, taken);
    MUST(*status == MOTE_OK || *status == MOTE_PENDING || is_of_the_network(*status) ||
             (bench->policy != NULL && is_of_tls(*status)),
         "send: a status that it does not list");
    MUST(*status != MOTE_OK || (*taken > 0 && *taken <= bytes.size), "send: MOTE_OK, but taken is not from 1 to what was offered");
    MUST(*status != MOTE_PENDING || *taken == 0, "send: MOTE_PENDING, but taken is not 0");
    return NULL;
}

/* ---- a stream from its beginning ---- */

static const char *connect(const port_bench_t *bench)
{
    mote_status_t status = bench->port->connect(bench->self, &bench->server);

    for (unsigned i = 0; i < bench->patience && status == MOTE_PENDING; i++) {
        MUST(bench->port->wants(bench->self) != 0, "wants: nothing, while a connection is on its way");
        bench->pass_time();
        status = bench->port->connect(bench->self, &bench->server);
    }
    MUST(status == MOTE_OK, "connect: no MOTE_OK, though the other end listens");
    for (unsigned i = 0; i < bench->patience; i++) {
        if (bench->accept()) {
            return NULL;
        }
        bench->pass_time();
    }
    return "connect: MOTE_OK, but the other end heard of no connection";
}

static const char *secure(const port_bench_t *bench)
{
    mote_tls_result_t result = { 0 };
    mote_status_t status = MOTE_PENDING;

    MUST(bench->port->secure != NULL, "secure: NULL, though the bench speaks TLS");
    for (unsigned i = 0; i < bench->patience && status == MOTE_PENDING; i++) {
        status = bench->port->secure(bench->self, bench->policy, &result);
        bench->pass_time();
    }
    MUST(status == MOTE_OK, "secure: no MOTE_OK");
    MUST(result.words.size > 0, "secure: MOTE_OK without words");
    return NULL;
}

static const char *open_stream(const port_bench_t *bench)
{
    bench->port->abort(bench->self);
    bench->listen();
    STEP(connect(bench));
    return bench->policy != NULL ? secure(bench) : NULL;
}

/* The other end says all of it, while we hear nothing. */
static const char *let_say(const port_bench_t *bench, size_t position, size_t size)
{
    size_t said = 0;

    for (unsigned i = 0; i < bench->patience && said < size; i++) {
        said += bench->say(piece_at(position + said, size - said).data, size - said < BLOCK_BYTES ? size - said : BLOCK_BYTES);
        bench->pass_time();
    }
    return said == size ? NULL : "the bench: the other end cannot say what it is to say";
}

/* Takes the pattern from the stream: what is lent without being taken is lent again, and at most `most` is taken of it. */
static const char *take(const port_bench_t *bench, size_t position, size_t size, size_t most)
{
    size_t had = 0;
    mote_status_t status;
    mote_span_t bytes;
    mote_span_t again;

    for (unsigned i = 0; i < bench->patience && had < size;) {
        STEP(lend(bench, &status, &bytes));
        if (status == MOTE_PENDING) {
            bench->pass_time();
            i++;
            continue;
        }
        MUST(status == MOTE_OK, "lend: the stream ended with bytes that were said before");
        STEP(lend(bench, &status, &again));
        MUST(status == MOTE_OK && again.size >= bytes.size && again.data == bytes.data,
             "lend: bytes that were not taken are not lent again, at the same place");
        most = most < BLOCK_BYTES ? most : BLOCK_BYTES;
        bytes.size = bytes.size < most ? bytes.size : most;
        MUST(is_pattern(position + had, bytes.data, bytes.size), "lend: not the bytes that the other end said");
        had += bytes.size;
        bench->port->taken(bench->self, bytes.size);
    }
    MUST(had == size, had < size ? "lend: bytes that were said do not come" : "lend: more than was said");
    return NULL;
}

/* The other end hears the pattern, for as long as something comes. */
static const char *let_hear(const port_bench_t *bench, size_t position, size_t size)
{
    size_t had = 0;

    for (unsigned i = 0; i < bench->patience && had < size;) {
        size_t count = 0;
        bench_heard_t heard = bench->hear(room, sizeof room, &count);

        if (heard != HEARD_BYTES) {
            MUST(heard == HEARD_NOTHING, "send: the stream ended before what was taken had arrived");
            bench->pass_time();
            i++;
            continue;
        }
        MUST(is_pattern(position + had, room, count), "send: not the bytes that were sent have arrived");
        had += count;
    }
    MUST(had == size, had < size ? "send: what was taken does not arrive" : "send: more arrived than was taken");
    return NULL;
}

/* Sends the pattern, while the other end hears it. */
static const char *send_all(const port_bench_t *bench, size_t size, unsigned flags)
{
    size_t sent = 0;
    size_t heard = 0;

    for (unsigned i = 0; i < bench->patience && sent < size;) {
        mote_span_t bytes = piece_at(sent, size - sent);
        mote_status_t status;
        size_t taken;

        STEP(send(bench, bytes, bytes.size < size - sent ? flags : flags & ~(unsigned)MOTE_SEND_MORE, &status, &taken));
        MUST(status == MOTE_OK || status == MOTE_PENDING, "send: an error on a stream that lives");
        sent += taken;
        if (status == MOTE_PENDING) {
            STEP(let_hear(bench, heard, sent - heard));
            heard = sent;
            bench->pass_time();
            i++;
        }
    }
    MUST(sent == size, "send: pending for ever, though the other end hears");
    return let_hear(bench, heard, size - heard);
}

static const char *expect(const port_bench_t *bench, bench_heard_t expected, const char *words)
{
    bench_heard_t heard = HEARD_NOTHING;
    size_t count;

    for (unsigned i = 0; i < bench->patience && heard == HEARD_NOTHING; i++) {
        bench->pass_time();
        heard = bench->hear(room, sizeof room, &count);
    }
    return heard == expected ? NULL : words;
}

/* What lend says when nothing comes any more. */
static const char *find_end(const port_bench_t *bench, mote_status_t *status)
{
    mote_span_t bytes;

    *status = MOTE_PENDING;
    for (unsigned i = 0; i < bench->patience && *status == MOTE_PENDING; i++) {
        bench->pass_time();
        STEP(lend(bench, status, &bytes));
    }
    MUST(*status != MOTE_PENDING, "lend: the end of the stream is not told");
    MUST(*status != MOTE_OK, "lend: bytes that nobody said");
    return NULL;
}

/* ---- the checks ---- */

static const char *random_bytes(const port_bench_t *bench)
{
    uint8_t seen[32] = { 0 };
    uint8_t bytes[34];

    for (unsigned i = 0; i < 8; i++) {
        memset(bytes, 0, sizeof bytes);
        bytes[33] = 0xA5;
        MUST(bench->port->random(bench->self, bytes + 1, 32) == MOTE_OK, "random: fails");
        MUST(bytes[0] == 0 && bytes[33] == 0xA5, "random: writes outside of what it was given");
        for (size_t j = 0; j < sizeof seen; j++) {
            seen[j] |= bytes[j + 1];
        }
        MUST(i == 0 || memcmp(room, bytes + 1, 32) != 0, "random: says the same twice");
        memcpy(room, bytes + 1, 32);
    }
    for (size_t i = 0; i < sizeof seen; i++) {
        MUST(seen[i] != 0, "random: does not fill all of it"); /* by chance once in 2^59 */
    }
    return NULL;
}

static const char *no_stream(const port_bench_t *bench)
{
    mote_ip_t own;
    unsigned families = bench->port->families(bench->self);

    MUST(families != 0 && families <= (MOTE_FAMILY_IPV4 | MOTE_FAMILY_IPV6), "families: not a set of families");
    MUST((families & bench->server.ip.family) != 0, "families: not the one that leads to the other end");
    bench->port->close(bench->self);
    bench->port->abort(bench->self);
    bench->port->query_close(bench->self, 0);
    bench->port->query_close(bench->self, 1);
    MUST(bench->port->own_address(bench->self, &own) == MOTE_ERR_NO_ADDRESS, "own_address: there is no stream");
    return NULL;
}

static const char *a_fresh_stream(const port_bench_t *bench)
{
    mote_ip_t own = { 0 };
    mote_status_t status;
    mote_span_t bytes;

    STEP(open_stream(bench));
    MUST(bench->port->own_address(bench->self, &own) == MOTE_OK, "own_address: none on a connected stream");
    MUST(own.family == bench->server.ip.family, "own_address: not of the family that was connected to");
    STEP(lend(bench, &status, &bytes));
    MUST(status == MOTE_PENDING, "lend: not MOTE_PENDING, though nothing has come");
    MUST((bench->port->wants(bench->self) & MOTE_WANTS_READ) != 0, "wants: not to read, on a connected stream");
    return NULL;
}

static const char *hearing(const port_bench_t *bench)
{
    static const size_t sizes[] = { 1, 2, 100, 1460, 5000, 20000 };
    static const size_t mosts[] = { 1, 7, BLOCK_BYTES };

    for (size_t j = 0; j < sizeof mosts / sizeof mosts[0]; j++) {
        size_t position = 0;

        STEP(open_stream(bench));
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            size_t size = sizes[i];

            while (size > 0) { /* no more than fits any window, while we hear nothing */
                size_t some = size < 1000 ? size : 1000;

                STEP(let_say(bench, position, some));
                STEP(take(bench, position, some, mosts[j]));
                position += some;
                size -= some;
            }
        }
    }
    return NULL;
}

static const char *sending(const port_bench_t *bench)
{
    static const unsigned flags[] = { 0, MOTE_SEND_STABLE, MOTE_SEND_MORE, MOTE_SEND_MORE | MOTE_SEND_STABLE };
    static const size_t sizes[] = { 1, 100, 1460, BULK_BYTES };

    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        for (size_t j = 0; j < sizeof sizes / sizeof sizes[0]; j++) {
            STEP(open_stream(bench));
            STEP(send_all(bench, sizes[j], flags[i]));
        }
    }
    return NULL;
}

/* Without STABLE the bytes are the caller's again as soon as they are taken. */
static const char *sending_from_one_place(const port_bench_t *bench)
{
    static uint8_t place[1000];
    size_t sent = 0;

    STEP(open_stream(bench));
    for (unsigned i = 0; i < bench->patience && sent < BULK_BYTES; i++) {
        size_t size = BULK_BYTES - sent < sizeof place ? BULK_BYTES - sent : sizeof place;
        mote_status_t status = MOTE_PENDING;
        size_t taken = 0;

        memcpy(place, piece_at(sent, size).data, size);
        for (unsigned j = 0; j < bench->patience && status == MOTE_PENDING; j++) {
            STEP(send(bench, mote_span(place, size), 0, &status, &taken));
            if (status == MOTE_PENDING) {
                bench->pass_time();
            }
        }
        MUST(status == MOTE_OK, "send: no MOTE_OK, though the other end hears");
        memset(place, 0, sizeof place);
        STEP(let_hear(bench, sent, taken));
        sent += taken;
    }
    return sent == BULK_BYTES ? NULL : "send: takes so little at a time that it does not get on";
}

static const char *a_peer_that_does_not_hear(const port_bench_t *bench)
{
    size_t sent = 0;
    size_t taken;
    unsigned pending_count = 0;
    mote_status_t status;

    STEP(open_stream(bench));
    while (pending_count < 20) { /* that often, so that what is on its way has arrived */
        STEP(send(bench, piece_at(sent, BLOCK_BYTES), 0, &status, &taken));
        MUST(status == MOTE_OK || status == MOTE_PENDING, "send: an error, though the other end just does not hear");
        pending_count = status == MOTE_PENDING ? pending_count + 1 : 0;
        sent += taken;
        MUST(sent < MOST_BYTES, "send: never pending, though the other end does not hear");
        if (status == MOTE_PENDING) {
            MUST((bench->port->wants(bench->self) & MOTE_WANTS_WRITE) != 0, "wants: not to write, while sending is pending");
            bench->pass_time();
        }
    }
    STEP(let_say(bench, 0, 10)); /* the other direction is open */
    STEP(take(bench, 0, 10, BLOCK_BYTES));
    bench->port->abort(bench->self);
    return NULL;
}

static const char *an_orderly_end(const port_bench_t *bench)
{
    mote_status_t status;

    STEP(open_stream(bench));
    STEP(let_say(bench, 0, 500));
    bench->end();
    bench->pass_time();
    STEP(take(bench, 0, 500, 100));
    for (unsigned i = 0; i < 2; i++) {
        STEP(find_end(bench, &status));
        MUST(status == MOTE_CLOSED, "lend: an orderly end is not MOTE_CLOSED, each time it is asked");
    }
    bench->port->close(bench->self);
    return NULL;
}

static const char *a_reset(const port_bench_t *bench)
{
    mote_status_t status = MOTE_OK;
    size_t taken;

    STEP(open_stream(bench));
    bench->reset();
    STEP(find_end(bench, &status));
    MUST(status != MOTE_CLOSED, "lend: a reset is told as an orderly end");
    status = MOTE_OK;
    for (unsigned i = 0; i < bench->patience && (status == MOTE_OK || status == MOTE_PENDING); i++) {
        STEP(send(bench, piece_at(0, 10), 0, &status, &taken));
        bench->pass_time();
    }
    MUST(status != MOTE_OK && status != MOTE_PENDING, "send: no error, though the stream was reset");
    bench->port->close(bench->self);
    bench->port->abort(bench->self);
    return NULL;
}

static const char *closing(const port_bench_t *bench)
{
    mote_status_t status;
    size_t taken;
    mote_ip_t own;

    STEP(open_stream(bench));
    STEP(let_say(bench, 0, 100)); /* which we never hear */
    STEP(send(bench, piece_at(0, 6), 0, &status, &taken));
    MUST(status == MOTE_OK, "send: no room for six octets on a fresh stream");
    bench->port->close(bench->self);
    MUST(bench->port->own_address(bench->self, &own) == MOTE_ERR_NO_ADDRESS, "close: there is still a stream");
    STEP(let_hear(bench, 0, taken));
    STEP(expect(bench, HEARD_END, "close: the other end hears no orderly end"));
    bench->port->close(bench->self);
    return NULL;
}

static const char *aborting(const port_bench_t *bench)
{
    mote_ip_t own;

    STEP(open_stream(bench));
    bench->port->abort(bench->self);
    MUST(bench->port->own_address(bench->self, &own) == MOTE_ERR_NO_ADDRESS, "abort: there is still a stream");
    STEP(expect(bench, HEARD_RESET, "abort: the other end hears no reset"));
    bench->port->abort(bench->self);
    bench->port->close(bench->self);
    return NULL;
}

/* What came on one stream is not heard on the next. */
static const char *one_stream_after_another(const port_bench_t *bench)
{
    for (unsigned i = 0; i < 4; i++) {
        mote_status_t status;
        mote_span_t bytes;

        STEP(open_stream(bench));
        STEP(lend(bench, &status, &bytes));
        MUST(status == MOTE_PENDING, "lend: something of the stream before");
        STEP(let_say(bench, 1, 100));
        STEP(take(bench, 1, 50, 10));
        STEP(lend(bench, &status, &bytes));
        if (i % 2 == 0) {
            bench->port->close(bench->self);
        } else {
            bench->port->abort(bench->self);
        }
    }
    return NULL;
}

/* Connecting again without an end before it: the old stream lives, has ended, or was reset. Nothing of it is left. */
static const char *connecting_again(const port_bench_t *bench)
{
    for (unsigned i = 0; i < 3; i++) {
        mote_status_t status;
        mote_span_t bytes;

        STEP(open_stream(bench));
        STEP(let_say(bench, 1, 100));
        if (i == 1) {
            bench->end();
        } else if (i == 2) {
            bench->reset();
        }
        for (unsigned j = 0; j < 20; j++) {
            bench->pass_time();
        }
        bench->listen();
        STEP(connect(bench));
        if (bench->policy != NULL) {
            STEP(secure(bench));
        }
        STEP(lend(bench, &status, &bytes));
        MUST(status == MOTE_PENDING, "connect: on a stream that was connected before, no new one begins");
        STEP(send_all(bench, 100, 0));
        STEP(let_say(bench, 7, 100));
        STEP(take(bench, 7, 100, 10));
    }
    return NULL;
}

static const char *a_refused_connection(const port_bench_t *bench)
{
    mote_status_t status;
    mote_ip_t own;

    if (bench->closed.ip.family == 0) {
        return NULL;
    }
    for (unsigned i = 0; i < 3; i++) {
        status = bench->port->connect(bench->self, &bench->closed);
        for (unsigned j = 0; j < bench->patience && status == MOTE_PENDING; j++) {
            bench->pass_time();
            status = bench->port->connect(bench->self, &bench->closed);
        }
        MUST(status == MOTE_ERR_REFUSED, "connect: a refusal is not MOTE_ERR_REFUSED");
        MUST(bench->port->own_address(bench->self, &own) == MOTE_ERR_NO_ADDRESS, "connect: an error leaves a stream behind");
    }
    return open_stream(bench);
}

/* ---- datagrams ---- */

static const char *ask(const port_bench_t *bench, unsigned slot, size_t size, uint16_t *port)
{
    mote_status_t status = MOTE_PENDING;
    mote_span_t question = piece_at(slot, size);
    size_t count = 0;

    for (unsigned i = 0; i < bench->patience && status == MOTE_PENDING; i++) {
        status = bench->port->query_send(bench->self, slot, &bench->datagrams, question);
        bench->pass_time();
    }
    MUST(status == MOTE_OK, "query_send: no MOTE_OK");
    for (unsigned i = 0; i < bench->patience; i++) {
        if (bench->hear_datagram(room, sizeof room, &count, port)) {
            MUST(count == size && memcmp(room, question.data, count) == 0, "query_send: not the datagram that was sent has arrived");
            return NULL;
        }
        bench->pass_time();
    }
    return "query_send: the datagram does not arrive";
}

static const char *take_answer(const port_bench_t *bench, unsigned slot, mote_span_t expected, bool is_stranger)
{
    mote_status_t status = MOTE_PENDING;
    mote_endpoint_t from = { 0 };
    mote_span_t datagram = { NULL, 0 };

    for (unsigned i = 0; i < bench->patience && status == MOTE_PENDING; i++) {
        status = bench->port->query_lend(bench->self, slot, &from, &datagram);
        bench->pass_time();
    }
    MUST(status == MOTE_OK, "query_lend: an answer does not come");
    MUST(mote_span_equals(datagram, expected), "query_lend: not the datagram that came, whole");
    MUST(mote_ip_equals(&from.ip, &bench->datagrams.ip), "query_lend: not the address it came from");
    MUST((from.port == bench->datagrams.port) == !is_stranger, "query_lend: not the port it came from");
    bench->port->query_taken(bench->self, slot);
    return NULL;
}

static const char *expect_no_answer(const port_bench_t *bench, unsigned slot, const char *words)
{
    mote_endpoint_t from;
    mote_span_t datagram;

    for (unsigned i = 0; i < 20; i++) {
        bench->pass_time();
        MUST(bench->port->query_lend(bench->self, slot, &from, &datagram) == MOTE_PENDING, words);
    }
    return NULL;
}

static const char *questions(const port_bench_t *bench)
{
    static const size_t sizes[] = { 1, 12, QUESTION_BYTES };
    uint16_t ports[2] = { 0, 0 };

    if (bench->datagrams.ip.family == 0) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (unsigned slot = 0; slot < 2; slot++) {
            MUST(bench->port->query_open(bench->self, slot) == MOTE_OK, "query_open: no MOTE_OK");
            STEP(ask(bench, slot, sizes[i], &ports[slot]));
        }
        MUST(ports[0] != ports[1], "query_open: two slots at one port");
        bench->answer(ports[1], piece_at(1, sizes[i]), false); /* the later question is answered first */
        bench->answer(ports[0], piece_at(2, sizes[i]), true);
        bench->answer(ports[0], piece_at(3, sizes[i]), false);
        STEP(take_answer(bench, 0, piece_at(2, sizes[i]), true));
        STEP(take_answer(bench, 0, piece_at(3, sizes[i]), false));
        STEP(take_answer(bench, 1, piece_at(1, sizes[i]), false));
        STEP(expect_no_answer(bench, 0, "query_lend: a datagram that was taken is lent again"));
    }
    bench->answer(ports[0], piece_at(0, 100), false);
    bench->pass_time();
    MUST(bench->port->query_open(bench->self, 0) == MOTE_OK, "query_open: no MOTE_OK where a slot is open");
    STEP(ask(bench, 0, 20, &ports[1]));
    bench->answer(ports[0], piece_at(0, 100), false);
    STEP(expect_no_answer(bench, 0, "query_open: an answer to the question before is lent"));
    bench->port->query_close(bench->self, 0);
    bench->port->query_close(bench->self, 1);
    bench->port->query_close(bench->self, 1);
    return NULL;
}

/* RFC 5452 9.2: whoever sees some ports must not know the next. */
static const char *ports(const port_bench_t *bench)
{
    uint16_t drawn[PORT_COUNT] = { 0 };
    unsigned near_count = 0;

    if (bench->datagrams.ip.family == 0) {
        return NULL;
    }
    for (unsigned i = 0; i < PORT_COUNT; i++) {
        MUST(bench->port->query_open(bench->self, 0) == MOTE_OK, "query_open: no MOTE_OK");
        STEP(ask(bench, 0, 12, &drawn[i]));
        if (i > 0) {
            uint16_t distance = (uint16_t)(drawn[i] - drawn[i - 1]);

            near_count += distance < 64 || distance > 65536 - 64 ? 1U : 0U;
        }
    }
    bench->port->query_close(bench->self, 0);
    MUST(near_count < PORT_COUNT / 2, "query_open: one port follows from another");
    return NULL;
}

const char *port_conformance(const port_bench_t *bench, const char **check)
{
    static const struct {
        const char *name;
        const char *(*run)(const port_bench_t *bench);
    } checks[] = {
        { "random bytes", random_bytes },
        { "no stream", no_stream },
        { "a fresh stream", a_fresh_stream },
        { "hearing", hearing },
        { "sending", sending },
        { "sending from one place", sending_from_one_place },
        { "a peer that does not hear", a_peer_that_does_not_hear },
        { "an orderly end", an_orderly_end },
        { "a reset", a_reset },
        { "closing", closing },
        { "aborting", aborting },
        { "one stream after another", one_stream_after_another },
        { "connecting again", connecting_again },
        { "a refused connection", a_refused_connection },
        { "questions", questions },
        { "ports", ports },
    };

    make_pattern();
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        const char *wrong;

        *check = checks[i].name;
        wrong = checks[i].run(bench);
        bench->port->abort(bench->self);
        bench->port->query_close(bench->self, 0);
        bench->port->query_close(bench->self, 1);
        if (wrong != NULL) {
            return wrong;
        }
    }
    return NULL;
}
