#include <mailmote/resolver.h>

enum {
    FIRST_WAIT_MS = 3000, /* RFC 1035 4.2.1: two to five seconds at least */
    TOTAL_MS = 20000,
    CONNECT_MS = 5000,
    ANSWER_MS = 10000,
    UDP_BYTES = 1232,   /* fits every path unfragmented */
    MISMATCH_COUNT = 8, /* forged datagrams before the question goes over TCP (RFC 5452 9.3) */
    ALIAS_COUNT = 8,
    ROUND_COUNT = 4, /* the wait stops doubling */
    LENGTH_BYTES = 2,
    NAME_AT = LENGTH_BYTES + MOTE_DNS_HEADER_BYTES /* in the query */
};

static uint8_t bit_of(unsigned index)
{
    return (uint8_t)(1U << index);
}

/* Whether the server is asked without EDNS0: it does not know it, or (RFC 6891 6.2.5) nobody has answered for a whole
   round, so that something on the way may drop it. */
static bool is_plain(const mote_resolver_t *resolver, const mote_resolver_slot_t *slot, unsigned server_index)
{
    return slot->round > 0 || (resolver->plain_servers & bit_of(server_index)) != 0;
}

static mote_status_t end_slot(mote_resolver_slot_t *slot, mote_status_t status)
{
    slot->state = MOTE_RESOLVER_WANTS_NOTHING;
    slot->status = (uint8_t)status;
    return status;
}

/* Whatever the stream carried is not wanted any more. */
static void leave_stream(mote_resolver_t *resolver)
{
#if MOTE_FEATURE_DNS_TCP
    resolver->stream_state = MOTE_RESOLVER_STREAM_IDLE;
#else
    (void)resolver;
#endif
}

/* ---- start ---------------------------------------------------------------------------------------------- */

void mote_resolver_init(mote_resolver_t *resolver, mote_question_t *question)
{
    memset(resolver, 0, sizeof *resolver);
    resolver->question = question;
}

static mote_status_t fill_random(mote_resolver_t *resolver, void *bytes, size_t size)
{
    return resolver->random->fill(resolver->random->self, bytes, size);
}

/* The name's letters: small, or (0x20, draft-vixie-dnsext-dns0x20) in a case drawn for each. */
static mote_status_t set_case(mote_resolver_t *resolver)
{
    bool mixes_case = resolver->settings->mixes_case && !resolver->ignores_case;
    mote_status_t status = MOTE_OK;
    mote_question_t *question = resolver->question;
    uint8_t bits = 0;

    for (unsigned i = 0; i < question->name_size && status == MOTE_OK; i++) {
        uint8_t *octet = &question->query[NAME_AT + i];

        *octet = mote_lower(*octet); /* length octets are below all letters */
        if (mixes_case && (i & 7) == 0) {
            status = fill_random(resolver, &bits, 1);
        }
        if (*octet >= 'a' && *octet <= 'z') {
            *octet = (uint8_t)(*octet & ~(bits & 0x20));
        }
        bits = (uint8_t)(bits << 1 | bits >> 7);
    }
    return status;
}

/* Names that must not leave (RFC 6761 6.3, 6.4; RFC 7686 2; RFC 6762 3): by their last label. */
static bool is_never_asked(const mote_resolver_t *resolver)
{
    static const mote_span_t labels[] = { MOTE_SPAN("\011localhost"), MOTE_SPAN("\007invalid"), MOTE_SPAN("\005onion"),
                                          MOTE_SPAN("\005local") };
    size_t count = sizeof labels / sizeof labels[0] - (resolver->settings->asks_local ? 1 : 0);
    mote_span_t name = mote_span(resolver->question->query + NAME_AT, resolver->question->name_size - 1U); /* without the root */

    for (size_t i = 0; i < count; i++) {
        if (mote_span_equals_ignoring_case(mote_span_slice(name, name.size - labels[i].size, name.size), labels[i])) {
            return true;
        }
    }
    return false;
}

/* The name stands in the query: every slot that has not ended asks for it from the beginning, with an ID that cannot
   be guessed. */
static mote_status_t ask(mote_resolver_t *resolver)
{
    mote_status_t status = is_never_asked(resolver) ? MOTE_ERR_NO_NAME : set_case(resolver);

    for (unsigned i = 0; i < MOTE_RESOLVER_SLOT_COUNT; i++) {
        mote_resolver_slot_t *slot = &resolver->slots[i];

        if (slot->status == MOTE_PENDING) {
            uint16_t type = slot->type;

            memset(slot, 0, sizeof *slot);
            slot->type = type;
            slot->state = MOTE_RESOLVER_WANTS_SEND;
            slot->status = MOTE_PENDING;
            status = status == MOTE_OK ? fill_random(resolver, &slot->id, sizeof slot->id) : status;
        }
    }
    for (unsigned i = 0; i < MOTE_RESOLVER_SLOT_COUNT && status != MOTE_OK; i++) {
        if (resolver->slots[i].status == MOTE_PENDING) {
            (void)end_slot(&resolver->slots[i], status);
        }
    }
    return status;
}

/* The name stands in the query, or has no size. */
static mote_status_t begin(mote_resolver_t *resolver, const mote_dns_settings_t *settings, const mote_random_t *random,
                           unsigned what, unsigned families, uint32_t now_ms)
{
    static const uint8_t types[MOTE_RESOLVER_SLOT_COUNT] = { MOTE_DNS_A, MOTE_DNS_AAAA };
    mote_status_t status = MOTE_PENDING;

    if (resolver->question->name_size == 0) {
        status = MOTE_ERR_ADDRESS;
    } else if (settings->server_count == 0 || settings->server_count > MOTE_RESOLVER_SERVER_COUNT) {
        status = MOTE_ERR_DNS;
    }
    resolver->settings = settings;
    resolver->random = random;
    resolver->start_ms = now_ms;
    resolver->now_ms = now_ms;
    resolver->alias_count = 0;
    resolver->plain_servers = 0;
    resolver->ignores_case = false;
    leave_stream(resolver);
    families = what == MOTE_RESOLVER_MX ? MOTE_FAMILY_IPV4 : families; /* the first slot alone */
    for (unsigned i = 0; i < MOTE_RESOLVER_SLOT_COUNT; i++) {
        bool is_used = (families >> i & 1U) != 0;

        resolver->slots[i].type = what == MOTE_RESOLVER_MX ? MOTE_DNS_MX : types[i];
        (void)end_slot(&resolver->slots[i], is_used ? status : MOTE_ERR_NO_DATA);
    }
    return status == MOTE_PENDING ? ask(resolver) : status;
}

mote_status_t mote_resolver_start(mote_resolver_t *resolver, const mote_dns_settings_t *settings,
                                  const mote_random_t *random, mote_span_t name, unsigned what, unsigned families,
                                  uint32_t now_ms)
{
    mote_question_t *question = resolver->question;

    question->name_size = (uint16_t)mote_dns_name_from_text(name, question->query + NAME_AT, MOTE_DNS_NAME_BYTES);
    return begin(resolver, settings, random, what, families, now_ms);
}

/* Puts a name out of an answer into the query. It may be the query's own. */
static void take_name(mote_resolver_t *resolver, const mote_dns_name_t *name)
{
    uint8_t *place = resolver->question->query + NAME_AT;

    if (name->message.data + name->offset != place) {
        resolver->question->name_size = (uint16_t)mote_dns_name_copy(name, place, MOTE_DNS_NAME_BYTES);
    }
}

mote_status_t mote_resolver_start_name(mote_resolver_t *resolver, const mote_dns_settings_t *settings,
                                       const mote_random_t *random, const mote_dns_name_t *name, unsigned what,
                                       unsigned families, uint32_t now_ms)
{
    take_name(resolver, name);
    return begin(resolver, settings, random, what, families, now_ms);
}

/* ---- asking ---------------------------------------------------------------------------------------------- */

static void put_u16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* Writes what stands around the name: length and header before it, type, class and OPT behind. */
static mote_span_t write_query(mote_resolver_t *resolver, const mote_resolver_slot_t *slot)
{
    /* RFC 1035 4.1.1: a standard query, recursion desired, one question, one additional record. */
    static const uint8_t header[MOTE_DNS_HEADER_BYTES] = { 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1 };
    /* Type, class IN; RFC 6891 6.1.2: the root, OPT, our room, no extended bits, version 0, no options. */
    static const uint8_t tail[4 + 11] = { 0, 0, 0, 1, 0, 0, MOTE_DNS_OPT, 0, 0, 0, 0, 0, 0, 0, 0 };
    uint16_t udp_bytes = resolver->settings->udp_bytes != 0 ? resolver->settings->udp_bytes : UDP_BYTES;
    mote_question_t *question = resolver->question;
    uint8_t *query = question->query;
    uint8_t *rest = query + NAME_AT + question->name_size;
    size_t size = MOTE_DNS_HEADER_BYTES + question->name_size + sizeof tail;

    memcpy(query + LENGTH_BYTES, header, sizeof header);
    memcpy(rest, tail, sizeof tail);
    put_u16(query + LENGTH_BYTES, slot->id);
    put_u16(rest, slot->type);
    put_u16(rest + 7, udp_bytes);
    if (is_plain(resolver, slot, slot->server_index)) {
        query[NAME_AT - 1] = 0; /* no additional record */
        size -= 11;
    }
    put_u16(query, (unsigned)size);
    return mote_span(query + LENGTH_BYTES, size);
}

mote_resolver_want_t mote_resolver_output(mote_resolver_t *resolver, unsigned slot_index, mote_span_t *message,
                                          const mote_endpoint_t **server)
{
    const mote_resolver_slot_t *slot = &resolver->slots[slot_index];

    if (slot->state == MOTE_RESOLVER_WANTS_SEND) {
        *message = write_query(resolver, slot);
        *server = &resolver->settings->servers[slot->server_index];
    }
    return (mote_resolver_want_t)slot->state;
}

bool mote_resolver_is_new(const mote_resolver_t *resolver, unsigned slot)
{
    return resolver->slots[slot].asked_servers == 0;
}

static mote_status_t ask_server(mote_resolver_slot_t *slot, unsigned server_index)
{
    slot->server_index = (uint8_t)server_index;
    slot->state = MOTE_RESOLVER_WANTS_SEND;
    return MOTE_PENDING;
}

/* The next server that has not failed; behind the last one the next round begins. */
static mote_status_t ask_next(const mote_resolver_t *resolver, mote_resolver_slot_t *slot)
{
    unsigned server_count = resolver->settings->server_count;
    unsigned server_index = slot->server_index;

    for (unsigned i = 0; i < server_count; i++) {
        server_index++;
        if (server_index >= server_count) {
            server_index = 0;
            slot->round = (uint8_t)(slot->round + (slot->round < ROUND_COUNT));
        }
        if ((slot->failed_servers & bit_of(server_index)) == 0) {
            slot->mismatch_count = 0;
            return ask_server(slot, server_index);
        }
    }
    return end_slot(slot, MOTE_ERR_DNS);
}

/* This server has no usable answer. Only if it is the one being waited for, the next is asked now. */
static mote_status_t fail_server(const mote_resolver_t *resolver, mote_resolver_slot_t *slot, unsigned server_index)
{
    slot->failed_servers |= bit_of(server_index);
    slot->asked_servers &= (uint8_t)~bit_of(server_index);
    return server_index == slot->server_index ? ask_next(resolver, slot) : MOTE_PENDING;
}

void mote_resolver_sent(mote_resolver_t *resolver, unsigned slot_index, mote_status_t status)
{
    mote_resolver_slot_t *slot = &resolver->slots[slot_index];

    if (slot->state != MOTE_RESOLVER_WANTS_SEND) {
        return;
    }
    if (status != MOTE_OK) {
        (void)fail_server(resolver, slot, slot->server_index);
        return;
    }
    slot->asked_servers |= bit_of(slot->server_index);
    slot->sent_ms = resolver->now_ms;
    slot->state = MOTE_RESOLVER_WANTS_DATAGRAM;
}

/* ---- hearing --------------------------------------------------------------------------------------------- */

/* The question goes on over TCP, to the same server; without TCP, to the next (a truncated set is never used: DNS-35). */
static mote_status_t go_on_by_stream(mote_resolver_t *resolver, mote_resolver_slot_t *slot, unsigned server_index)
{
#if MOTE_FEATURE_DNS_TCP
    if (resolver->settings->tcp_buffer != NULL && slot->state != MOTE_RESOLVER_WANTS_STREAM) {
        slot->server_index = (uint8_t)server_index;
        slot->state = MOTE_RESOLVER_WANTS_STREAM;
        return MOTE_PENDING;
    }
#endif
    return fail_server(resolver, slot, server_index);
}

/* The name in the query, or its letter case, is another: everything still open is asked from the beginning. */
static mote_status_t ask_afresh(mote_resolver_t *resolver)
{
    mote_status_t status;

    leave_stream(resolver);
    status = ask(resolver);
    return status == MOTE_OK ? MOTE_PENDING : status;
}

/* The chain of aliases ends outside the message: everything still open is asked at its end. */
static mote_status_t restart(mote_resolver_t *resolver, mote_resolver_slot_t *slot, const mote_dns_answer_t *answer)
{
    resolver->alias_count = (uint8_t)(resolver->alias_count + answer->alias_count);
    if (resolver->alias_count > ALIAS_COUNT) {
        return end_slot(slot, MOTE_ERR_DNS_LOOP);
    }
    take_name(resolver, &answer->owner);
    return ask_afresh(resolver);
}

/* What the answer of a server means for the slot's question (conformance 2). */
static mote_status_t take_answer(mote_resolver_t *resolver, mote_resolver_slot_t *slot, unsigned server_index,
                                 const mote_dns_header_t *header, mote_dns_answer_t *answer)
{
    mote_status_t status = MOTE_ERR_DNS;

    switch (header->rcode) {
    case MOTE_DNS_NOERROR:
    case MOTE_DNS_NXDOMAIN:
        status = mote_dns_follow(header, answer);
        break;
    case MOTE_DNS_FORMERR:
    case MOTE_DNS_NOTIMP:
    case MOTE_DNS_BADVERS:
        if (!is_plain(resolver, slot, server_index)) { /* RFC 6891 6.2.2, 7: once more without EDNS0 */
            resolver->plain_servers |= bit_of(server_index);
            return ask_server(slot, server_index);
        }
        break;
    default:
        break;
    }
    if (status == MOTE_PENDING) {
        return restart(resolver, slot, answer);
    }
    return status == MOTE_ERR_DNS ? fail_server(resolver, slot, server_index) : end_slot(slot, status);
}

/* RFC 5452 9.1: the message answers what was asked. *is_exact: in the same letter case. */
static MOTE_NOINLINE bool is_answer(const mote_resolver_t *resolver, const mote_resolver_slot_t *slot, const mote_dns_header_t *header,
                      bool *is_exact)
{
    /* Octet by octet: the name in a question has no pointers, for there is nothing before it. */
    mote_span_t name = mote_span(resolver->question->query + NAME_AT, resolver->question->name_size);
    mote_span_t echo = mote_span_slice(header->question.message, MOTE_DNS_HEADER_BYTES, name.size);

    *is_exact = mote_span_equals(name, echo);
    return header->id == slot->id && header->question_type == slot->type &&
           (*is_exact || mote_span_equals_ignoring_case(name, echo));
}

/* A message came from a server that was asked. */
static mote_status_t hear(mote_resolver_t *resolver, mote_resolver_slot_t *slot, unsigned server_index,
                          mote_span_t message, mote_dns_answer_t *answer)
{
    bool is_stream = slot->state == MOTE_RESOLVER_WANTS_STREAM;
    mote_dns_header_t header;
    bool is_exact;

    if (mote_dns_read(message, &header) != MOTE_OK) {
        return is_stream ? fail_server(resolver, slot, server_index) : MOTE_PENDING; /* DNS-6: dropped */
    }
    if (!is_answer(resolver, slot, &header, &is_exact)) {
        slot->mismatch_count++;
        return is_stream || slot->mismatch_count < MISMATCH_COUNT
                   ? MOTE_PENDING /* DNS-38: some other answer; ours may follow */
                   : go_on_by_stream(resolver, slot, slot->server_index);
    }
    if (!is_exact && !is_stream && resolver->settings->mixes_case && !resolver->ignores_case) {
        mote_status_t status;

        /* Once more, in small letters, with another ID from another port: a forger has perhaps found out the ones we had. */
        resolver->ignores_case = true;
        status = ask_afresh(resolver);
        slot->server_index = (uint8_t)server_index;
        return status;
    }
    return header.truncated ? go_on_by_stream(resolver, slot, server_index)
                            : take_answer(resolver, slot, server_index, &header, answer);
}

/* The server whose endpoint this is, if it was asked; else the count of servers. */
static unsigned find_server(const mote_resolver_t *resolver, const mote_resolver_slot_t *slot, const mote_endpoint_t *from)
{
    const mote_endpoint_t *servers = resolver->settings->servers;
    unsigned i = 0;

    while (i < resolver->settings->server_count &&
           ((slot->asked_servers & bit_of(i)) == 0 || servers[i].port != from->port ||
            !mote_ip_equals(&servers[i].ip, &from->ip))) {
        i++;
    }
    return i;
}

mote_status_t mote_resolver_input(mote_resolver_t *resolver, unsigned slot_index, mote_status_t status,
                                  const mote_endpoint_t *from, mote_span_t datagram, mote_dns_answer_t *answer)
{
    mote_resolver_slot_t *slot = &resolver->slots[slot_index];
    unsigned server_index = from != NULL ? find_server(resolver, slot, from) : slot->server_index;

    if (slot->state == MOTE_RESOLVER_WANTS_NOTHING) {
        return slot->status == MOTE_OK ? MOTE_PENDING : (mote_status_t)slot->status;
    }
    if (slot->state == MOTE_RESOLVER_WANTS_STREAM || server_index == resolver->settings->server_count) {
        return MOTE_PENDING;
    }
    return status == MOTE_OK ? hear(resolver, slot, server_index, datagram, answer)
                             : fail_server(resolver, slot, server_index);
}

mote_status_t mote_resolver_status(const mote_resolver_t *resolver, unsigned slot)
{
    return (mote_status_t)resolver->slots[slot].status;
}

mote_dns_name_t mote_question_name(const mote_question_t *question)
{
    mote_dns_name_t name = { { question->query + LENGTH_BYTES, MOTE_DNS_HEADER_BYTES + (size_t)question->name_size },
                             MOTE_DNS_HEADER_BYTES };

    return name;
}

/* ---- over TCP -------------------------------------------------------------------------------------------- */

#if MOTE_FEATURE_DNS_TCP
/* Gives the stream to a slot that waits for it; an open one that leads to the right server is used again. */
static void assign_stream(mote_resolver_t *resolver, bool is_open)
{
    resolver->stream_state = MOTE_RESOLVER_STREAM_IDLE;
    resolver->stream_done = 0;
    resolver->stream_ms = resolver->now_ms;
    for (unsigned i = 0; i < MOTE_RESOLVER_SLOT_COUNT; i++) {
        const mote_resolver_slot_t *slot = &resolver->slots[i];

        if (slot->state == MOTE_RESOLVER_WANTS_STREAM) {
            is_open = is_open && resolver->stream_server == slot->server_index;
            resolver->stream_state = is_open ? MOTE_RESOLVER_STREAM_SEND : MOTE_RESOLVER_STREAM_CONNECT;
            resolver->stream_is_reused = is_open;
            resolver->stream_slot = (uint8_t)i;
            resolver->stream_server = slot->server_index;
            return;
        }
    }
}

mote_resolver_stream_t mote_resolver_stream(mote_resolver_t *resolver, mote_span_t *message,
                                            const mote_endpoint_t **server)
{
    if (resolver->stream_state != MOTE_RESOLVER_STREAM_IDLE) {
        *server = &resolver->settings->servers[resolver->stream_server];
    }
    if (resolver->stream_state == MOTE_RESOLVER_STREAM_SEND) {
        size_t size = write_query(resolver, &resolver->slots[resolver->stream_slot]).size;

        *message = mote_span(resolver->question->query, LENGTH_BYTES + size);
        mote_span_skip(message, resolver->stream_done);
    }
    return (mote_resolver_stream_t)resolver->stream_state;
}

void mote_resolver_stream_event(mote_resolver_t *resolver, mote_status_t status)
{
    if (resolver->stream_state == MOTE_RESOLVER_STREAM_IDLE) {
        return; /* nobody's any more */
    }
    if (resolver->stream_state == MOTE_RESOLVER_STREAM_CONNECT && status == MOTE_OK) {
        resolver->stream_state = MOTE_RESOLVER_STREAM_SEND;
        resolver->stream_ms = resolver->now_ms;
        return;
    }
    if (!resolver->stream_is_reused) { /* else it is connected anew: RFC 7766 6.2.4 */
        (void)fail_server(resolver, &resolver->slots[resolver->stream_slot], resolver->stream_server); /* DNS-40 */
    }
    assign_stream(resolver, false);
}

void mote_resolver_stream_sent(mote_resolver_t *resolver, size_t size)
{
    resolver->stream_done += (uint32_t)size;
    if (resolver->stream_done >= LENGTH_BYTES + ((unsigned)resolver->question->query[0] << 8 | resolver->question->query[1])) {
        resolver->stream_state = MOTE_RESOLVER_STREAM_RECEIVE;
        resolver->stream_done = 0;
    }
}

/* Takes octets of one message, its length first; returns how many. */
static size_t assemble(mote_resolver_t *resolver, mote_span_t bytes)
{
    size_t used = 0;
    mote_span_t part;

    while (used < bytes.size && resolver->stream_done < LENGTH_BYTES) {
        resolver->stream_size = (uint16_t)(resolver->stream_size << 8 | bytes.data[used++]);
        resolver->stream_done++;
    }
    if (resolver->stream_done >= LENGTH_BYTES && resolver->stream_size <= resolver->settings->tcp_capacity) {
        size_t at = resolver->stream_done - LENGTH_BYTES;

        part = mote_span_slice(bytes, used, resolver->stream_size - at);
        if (part.size > 0) {
            memcpy(resolver->settings->tcp_buffer + at, part.data, part.size);
        }
        resolver->stream_done += (uint32_t)part.size;
        used += part.size;
    }
    return used;
}

mote_status_t mote_resolver_stream_input(mote_resolver_t *resolver, mote_span_t bytes, size_t *used,
                                         mote_dns_answer_t *answer)
{
    mote_resolver_slot_t *slot = &resolver->slots[resolver->stream_slot];
    mote_status_t status;

    *used = bytes.size;
    if (resolver->stream_state != MOTE_RESOLVER_STREAM_RECEIVE) {
        return MOTE_PENDING; /* nothing was asked: nothing to hear */
    }
    *used = assemble(resolver, bytes);
    if (resolver->stream_done < LENGTH_BYTES) {
        return MOTE_PENDING;
    }
    if (resolver->stream_size > resolver->settings->tcp_capacity) {
        status = end_slot(slot, MOTE_ERR_DNS_SPACE);
        assign_stream(resolver, false);
        return status;
    }
    if (resolver->stream_done - LENGTH_BYTES < resolver->stream_size) {
        return MOTE_PENDING;
    }
    resolver->stream_done = 0;
    status = hear(resolver, slot, resolver->stream_server,
                  mote_span(resolver->settings->tcp_buffer, resolver->stream_size), answer);
    if (slot->state != MOTE_RESOLVER_WANTS_STREAM) {
        assign_stream(resolver, status != MOTE_PENDING);
    }
    return status;
}

/* How long the stream may still take; one that has taken too long has failed. */
static uint32_t tick_stream(mote_resolver_t *resolver)
{
    uint32_t limit_ms = resolver->stream_state == MOTE_RESOLVER_STREAM_CONNECT ? CONNECT_MS : ANSWER_MS;
    uint32_t passed_ms = resolver->now_ms - resolver->stream_ms;

    if (resolver->stream_state == MOTE_RESOLVER_STREAM_IDLE) {
        assign_stream(resolver, false);
        return resolver->stream_state == MOTE_RESOLVER_STREAM_IDLE ? UINT32_MAX : 0;
    }
    if (passed_ms < limit_ms) {
        return limit_ms - passed_ms;
    }
    mote_resolver_stream_event(resolver, MOTE_ERR_TIMEOUT);
    return 0;
}
#endif

/* ---- time ------------------------------------------------------------------------------------------------ */

static uint32_t tick_slot(mote_resolver_t *resolver, mote_resolver_slot_t *slot)
{
    uint32_t first_ms = resolver->settings->first_wait_ms != 0 ? resolver->settings->first_wait_ms : FIRST_WAIT_MS;
    uint32_t wait_ms = first_ms << slot->round;
    uint32_t waited_ms = resolver->now_ms - slot->sent_ms;

    if (slot->state == MOTE_RESOLVER_WANTS_DATAGRAM) {
        if (waited_ms < wait_ms) {
            return wait_ms - waited_ms;
        }
        (void)ask_next(resolver, slot);
    }
    return slot->state == MOTE_RESOLVER_WANTS_SEND ? 0 : UINT32_MAX;
}

uint32_t mote_resolver_tick(mote_resolver_t *resolver, uint32_t now_ms)
{
    uint32_t total_ms = resolver->settings->total_s != 0 ? resolver->settings->total_s * UINT32_C(1000) : TOTAL_MS;
    uint32_t passed_ms = now_ms - resolver->start_ms;
    uint32_t wait_ms = UINT32_MAX;

    resolver->now_ms = now_ms;
    for (unsigned i = 0; i < MOTE_RESOLVER_SLOT_COUNT; i++) {
        mote_resolver_slot_t *slot = &resolver->slots[i];
        uint32_t slot_ms;

        if (slot->status != MOTE_PENDING) {
            continue;
        }
        if (passed_ms >= total_ms) {
            (void)end_slot(slot, MOTE_ERR_DNS);
            continue;
        }
        wait_ms = total_ms - passed_ms < wait_ms ? total_ms - passed_ms : wait_ms;
        slot_ms = tick_slot(resolver, slot);
        wait_ms = slot_ms < wait_ms ? slot_ms : wait_ms;
    }
#if MOTE_FEATURE_DNS_TCP
    if (passed_ms >= total_ms) {
        leave_stream(resolver);
    } else {
        uint32_t stream_ms = tick_stream(resolver);

        wait_ms = stream_ms < wait_ms ? stream_ms : wait_ms;
    }
#endif
    return wait_ms;
}
