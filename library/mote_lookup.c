#include <mailmote/lookup.h>

/* One step takes at most so many datagrams of a slot: a flood is read bit by bit, between other work. */
enum { DATAGRAM_COUNT = 16, RETRY_SEND_MS = 50 };

void mote_lookup_init(mote_lookup_t *lookup, mote_question_t *question, const mote_port_t *port, void *self)
{
    memset(lookup, 0, sizeof *lookup);
    lookup->port = port;
    lookup->self = self;
    lookup->random.fill = port->random;
    lookup->random.self = self;
    mote_resolver_init(&lookup->resolver, question);
}

static bool is_slot_open(const mote_lookup_t *lookup, unsigned slot)
{
    return (lookup->open_slots >> slot & 1U) != 0;
}

static void close_slot(mote_lookup_t *lookup, unsigned slot)
{
    if (is_slot_open(lookup, slot)) {
        lookup->port->query_close(lookup->self, slot);
        lookup->open_slots &= (uint8_t)~(1U << slot);
    }
}

static void close_stream(mote_lookup_t *lookup)
{
    if (lookup->stream_server != NULL) {
        lookup->port->abort(lookup->self);
        lookup->stream_server = NULL;
        lookup->is_connected = false;
    }
}

static void give_back(mote_lookup_t *lookup)
{
    if (lookup->lent_slot != 0) {
        lookup->port->query_taken(lookup->self, lookup->lent_slot - 1U);
        lookup->lent_slot = 0;
    }
}

void mote_lookup_stop(mote_lookup_t *lookup)
{
    give_back(lookup);
    for (unsigned slot = 0; slot < MOTE_RESOLVER_SLOT_COUNT; slot++) {
        close_slot(lookup, slot);
    }
    close_stream(lookup);
}

/* Sends what the slot wants to send. PENDING: the port has no room now. */
static mote_status_t send_question(mote_lookup_t *lookup, unsigned slot)
{
    const mote_endpoint_t *server;
    mote_span_t message;
    mote_status_t status = MOTE_OK;

    /* Each server is a transmission of its own; the resolver ends the slot when all have failed. */
    while (mote_resolver_output(&lookup->resolver, slot, &message, &server) == MOTE_RESOLVER_WANTS_SEND) {
        if (mote_resolver_is_new(&lookup->resolver, slot)) {
            close_slot(lookup, slot);
        }
        if (!is_slot_open(lookup, slot)) {
            status = lookup->port->query_open(lookup->self, slot);
            lookup->open_slots |= (uint8_t)(status == MOTE_OK ? 1U << slot : 0U);
        }
        if (is_slot_open(lookup, slot)) {
            status = lookup->port->query_send(lookup->self, slot, server, message);
        }
        if (status == MOTE_PENDING) {
            return MOTE_PENDING;
        }
        mote_resolver_sent(&lookup->resolver, slot, status);
    }
    return MOTE_OK;
}

/* Reads what came to the slot. OK: an answer, whose datagram stays lent. */
static mote_status_t read_datagrams(mote_lookup_t *lookup, unsigned slot, mote_dns_answer_t *answer)
{
    mote_endpoint_t from;
    mote_span_t datagram;

    for (unsigned i = 0; i < DATAGRAM_COUNT && is_slot_open(lookup, slot); i++) {
        mote_status_t status = lookup->port->query_lend(lookup->self, slot, &from, &datagram);
        mote_status_t outcome;

        if (status == MOTE_PENDING) {
            return MOTE_PENDING;
        }
        if (status != MOTE_OK) {
            datagram = mote_span(NULL, 0);
        }
        /* An error may come without a sender; a datagram whose sender the port cannot name is nobody's (RFC 5452 9.1). */
        outcome = mote_resolver_input(&lookup->resolver, slot, status,
                                      status == MOTE_OK || from.ip.family != 0 ? &from : NULL, datagram, answer);
        if (status == MOTE_OK && outcome == MOTE_OK) {
            lookup->lent_slot = (uint8_t)(slot + 1);
            return MOTE_OK;
        }
        if (status == MOTE_OK) {
            lookup->port->query_taken(lookup->self, slot);
        }
        if (outcome != MOTE_PENDING) {
            return MOTE_PENDING; /* ended: the caller asks mote_resolver_status */
        }
    }
    return MOTE_PENDING;
}

#if MOTE_FEATURE_DNS_TCP
static mote_status_t connect_stream(mote_lookup_t *lookup, const mote_endpoint_t *server)
{
    mote_status_t status;

    if (lookup->is_connected || (lookup->stream_server != NULL && lookup->stream_server != server)) {
        close_stream(lookup);
    }
    lookup->stream_server = server;
    status = lookup->port->connect(lookup->self, server);
    lookup->is_connected = status == MOTE_OK;
    return status;
}

/* One move on the stream. OK: an answer. PENDING: nothing moved. CLOSED: something did, look again. */
static mote_status_t move_stream(mote_lookup_t *lookup, mote_dns_answer_t *answer)
{
    const mote_endpoint_t *server;
    mote_span_t bytes;
    mote_status_t status = MOTE_PENDING;
    size_t size = 0;

    switch (mote_resolver_stream(&lookup->resolver, &bytes, &server)) {
    case MOTE_RESOLVER_STREAM_IDLE:
        close_stream(lookup); /* nobody would hear that its server has closed it, and a caller waits for what is to be heard */
        return MOTE_PENDING;
    case MOTE_RESOLVER_STREAM_CONNECT:
        status = connect_stream(lookup, server);
        if (status == MOTE_OK) {
            mote_resolver_stream_event(&lookup->resolver, MOTE_OK);
            return MOTE_CLOSED;
        }
        break;
    case MOTE_RESOLVER_STREAM_SEND:
        status = lookup->port->send(lookup->self, bytes, 0, &size);
        if (status == MOTE_OK) {
            mote_resolver_stream_sent(&lookup->resolver, size);
            return MOTE_CLOSED;
        }
        break;
    case MOTE_RESOLVER_STREAM_RECEIVE:
        status = lookup->port->lend(lookup->self, &bytes);
        if (status == MOTE_OK) {
            mote_status_t outcome = mote_resolver_stream_input(&lookup->resolver, bytes, &size, answer);

            lookup->port->taken(lookup->self, size); /* the answer lives in the resolver's TCP buffer */
            return outcome == MOTE_OK ? MOTE_OK : MOTE_CLOSED;
        }
        break;
    }
    if (status != MOTE_PENDING) {
        close_stream(lookup);
        mote_resolver_stream_event(&lookup->resolver, status);
        return MOTE_CLOSED;
    }
    return MOTE_PENDING;
}

/* OK: an answer. CLOSED: the port may hold more, and nothing else would wake the caller for it. */
static mote_status_t run_stream(mote_lookup_t *lookup, mote_dns_answer_t *answer)
{
    for (unsigned i = 0; i < DATAGRAM_COUNT; i++) {
        mote_status_t status = move_stream(lookup, answer);

        if (status != MOTE_CLOSED) {
            return status;
        }
    }
    return MOTE_CLOSED;
}
#endif

static bool is_over(const mote_lookup_t *lookup)
{
    for (unsigned slot = 0; slot < MOTE_RESOLVER_SLOT_COUNT; slot++) {
        if (mote_resolver_status(&lookup->resolver, slot) == MOTE_PENDING) {
            return false;
        }
    }
    return true;
}

mote_status_t mote_lookup_step(mote_lookup_t *lookup, uint32_t now_ms, uint32_t *wait_ms, mote_dns_answer_t *answer)
{
    mote_status_t status = MOTE_PENDING;
    bool is_blocked = false;

    give_back(lookup);
    (void)mote_resolver_tick(&lookup->resolver, now_ms);
    for (unsigned i = 0; i < MOTE_RESOLVER_SLOT_COUNT; i++) {
        is_blocked |= send_question(lookup, i) == MOTE_PENDING;
        if (read_datagrams(lookup, i, answer) == MOTE_OK) {
            return MOTE_OK;
        }
        if (mote_resolver_status(&lookup->resolver, i) != MOTE_PENDING) {
            close_slot(lookup, i);
        }
    }
#if MOTE_FEATURE_DNS_TCP
    status = run_stream(lookup, answer);
    if (status == MOTE_OK) {
        return MOTE_OK;
    }
#endif
    if (is_over(lookup)) {
        mote_lookup_stop(lookup);
        return MOTE_CLOSED;
    }
    *wait_ms = mote_resolver_tick(&lookup->resolver, now_ms);
    if (*wait_ms < RETRY_SEND_MS && is_blocked) {
        *wait_ms = RETRY_SEND_MS;
    }
    if (status == MOTE_CLOSED) {
        *wait_ms = 0;
    }
    return MOTE_PENDING;
}
