#include <mailmote/address.h>
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
    LENGTH_BYTES = 2
};

enum { SLOT_UNUSED, SLOT_SEND, SLOT_WAIT, SLOT_STREAM, SLOT_ENDED };

static uint8_t bit_of(unsigned index)
{
    return (uint8_t)(1U << index);
}

static uint8_t all_servers(const mote_resolver_t *resolver)
{
    return (uint8_t)((1U << resolver->settings->server_count) - 1U);
}

static bool is_plain(const mote_resolver_slot_t *slot)
{
    /* RFC 6891 6.2.5: after silence all round, EDNS0 is left out: something on the way may drop it. */
    return (slot->plain_servers & bit_of(slot->server_index)) != 0 || slot->round > 0;
}

static mote_status_t end_slot(mote_resolver_slot_t *slot, mote_status_t status)
{
    slot->state = SLOT_ENDED;
    slot->status = (uint8_t)status;
    return status;
}

/* ---- start ---------------------------------------------------------------------------------------------- */

/* A fresh question: an ID that cannot be guessed, nobody asked yet. */
static mote_status_t begin_slot(mote_resolver_t *resolver, mote_resolver_slot_t *slot, uint16_t type)
{
    memset(slot, 0, sizeof *slot);
    slot->type = type;
    slot->state = SLOT_SEND;
    slot->status = MOTE_PENDING;
    return resolver->random->fill(resolver->random->self, (uint8_t *)&slot->id, sizeof slot->id);
}

/* 0x20: draws the case of the name's letters (draft-vixie-dnsext-dns0x20). */
static mote_status_t mix_case(mote_resolver_t *resolver)
{
    uint8_t *name = resolver->query + LENGTH_BYTES + MOTE_DNS_HEADER_BYTES;
    mote_status_t status = MOTE_OK;
    uint8_t bits = 0;

    for (unsigned i = 0; i < resolver->name_size && resolver->settings->mixes_case && status == MOTE_OK; i++) {
        uint8_t lower = mote_lower(name[i]);

        if ((i & 7) == 0) {
            status = resolver->random->fill(resolver->random->self, &bits, 1);
        }
        if (lower >= 'a' && lower <= 'z') { /* length octets are below all letters */
            name[i] = (uint8_t)((bits >> (i & 7) & 1) != 0 ? lower : lower & ~0x20);
        }
    }
    return status;
}

/* The name stands in the query: asks for it. */
static mote_status_t begin(mote_resolver_t *resolver, unsigned what, unsigned families, uint32_t now_ms)
{
    static const uint16_t types[MOTE_RESOLVER_SLOT_COUNT] = { MOTE_DNS_A, MOTE_DNS_AAAA };
    static const uint8_t needs[MOTE_RESOLVER_SLOT_COUNT] = { MOTE_FAMILY_IPV4, MOTE_FAMILY_IPV6 };
    mote_status_t status = mix_case(resolver);

    resolver->start_ms = now_ms;
    if (resolver->settings->server_count == 0 || resolver->settings->server_count > MOTE_RESOLVER_SERVER_COUNT) {
        return MOTE_ERR_DNS;
    }
    for (unsigned i = 0; i < MOTE_RESOLVER_SLOT_COUNT && status == MOTE_OK; i++) {
        if (what == MOTE_RESOLVER_MX ? i == 0 : (families & needs[i]) != 0) {
            status = begin_slot(resolver, &resolver->slots[i], what == MOTE_RESOLVER_MX ? MOTE_DNS_MX : types[i]);
        }
    }
    return status;
}

static void reset(mote_resolver_t *resolver, const mote_dns_settings_t *settings, const mote_random_t *random)
{
    memset(resolver->slots, 0, sizeof resolver->slots);
    resolver->settings = settings;
    resolver->random = random;
    resolver->alias_count = 0;
    resolver->ignores_case = false;
#if MOTE_FEATURE_DNS_TCP
    resolver->stream_state = MOTE_RESOLVER_STREAM_IDLE;
#endif
}

/* Names that must not leave (RFC 6761 6.3, 6.4; RFC 7686 2; RFC 6762 3): their last label. */
static bool is_never_asked(mote_span_t name)
{
    static const mote_span_t labels[] = { MOTE_SPAN("localhost"), MOTE_SPAN("invalid"), MOTE_SPAN("onion"),
                                          MOTE_SPAN("local") };
    size_t dot;

    while ((dot = mote_span_find(name, '.')) < name.size) {
        name = mote_span_slice(name, dot + 1, name.size);
    }
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        if (mote_span_equals_ignoring_case(name, labels[i])) {
            return true;
        }
    }
    return false;
}

mote_status_t mote_resolver_start(mote_resolver_t *resolver, const mote_dns_settings_t *settings,
                                  const mote_random_t *random, mote_span_t name, unsigned what, unsigned families,
                                  uint32_t now_ms)
{
    reset(resolver, settings, random);
    resolver->name_size = (uint16_t)mote_dns_name_from_text(
        name, resolver->query + LENGTH_BYTES + MOTE_DNS_HEADER_BYTES, MOTE_DNS_NAME_BYTES);
    if (resolver->name_size == 0) {
        return MOTE_ERR_ADDRESS;
    }
    return is_never_asked(name) ? MOTE_ERR_NO_NAME : begin(resolver, what, families, now_ms);
}

/* Puts a name out of an answer into the query. It may be the query's own. */
static bool take_name(mote_resolver_t *resolver, const mote_dns_name_t *name)
{
    uint8_t *place = resolver->query + LENGTH_BYTES + MOTE_DNS_HEADER_BYTES;

    if (name->message.data + name->offset == place) {
        return true;
    }
    resolver->name_size = (uint16_t)mote_dns_name_copy(name, place, MOTE_DNS_NAME_BYTES);
    return resolver->name_size != 0;
}

mote_status_t mote_resolver_start_name(mote_resolver_t *resolver, const mote_dns_settings_t *settings,
                                       const mote_random_t *random, const mote_dns_name_t *name, unsigned what,
                                       unsigned families, uint32_t now_ms)
{
    reset(resolver, settings, random);
    return take_name(resolver, name) ? begin(resolver, what, families, now_ms) : MOTE_ERR_ADDRESS;
}

/* ---- asking ---------------------------------------------------------------------------------------------- */

/* Writes header and tail for a slot around the name. */
static mote_span_t write_query(mote_resolver_t *resolver, const mote_resolver_slot_t *slot)
{
    bool has_opt = !is_plain(slot);
    uint16_t udp_bytes = resolver->settings->udp_bytes != 0 ? resolver->settings->udp_bytes : UDP_BYTES;
    size_t size = MOTE_DNS_HEADER_BYTES + resolver->name_size + (has_opt ? 4U + 11U : 4U);
    mote_writer_t out = mote_writer(resolver->query, sizeof resolver->query);

    mote_write_u16(&out, (uint16_t)size);
    mote_write_u16(&out, slot->id);
    mote_write_u16(&out, 0x0100); /* a standard query, recursion desired */
    mote_write_u16(&out, 1);
    mote_write_u16(&out, 0);
    mote_write_u16(&out, 0);
    mote_write_u16(&out, has_opt ? 1 : 0);
    out.size += resolver->name_size;
    mote_write_u16(&out, slot->type);
    mote_write_u16(&out, 1); /* IN */
    if (has_opt) {           /* RFC 6891 6.1.2: the root, OPT, our room, no extended bits, no options */
        mote_write_u8(&out, 0);
        mote_write_u16(&out, MOTE_DNS_OPT);
        mote_write_u16(&out, udp_bytes);
        mote_write_u16(&out, 0);
        mote_write_u16(&out, 0);
        mote_write_u16(&out, 0);
    }
    return mote_span(resolver->query + LENGTH_BYTES, size);
}

mote_resolver_want_t mote_resolver_output(mote_resolver_t *resolver, unsigned slot_index, mote_span_t *message,
                                          const mote_endpoint_t **server)
{
    mote_resolver_slot_t *slot = &resolver->slots[slot_index];

    switch (slot->state) {
    case SLOT_SEND:
        *message = write_query(resolver, slot);
        *server = &resolver->settings->servers[slot->server_index];
        return MOTE_RESOLVER_WANTS_SEND;
    case SLOT_WAIT:
        return MOTE_RESOLVER_WANTS_DATAGRAM;
    case SLOT_STREAM:
        return MOTE_RESOLVER_WANTS_STREAM;
    default:
        return MOTE_RESOLVER_WANTS_NOTHING;
    }
}

/* The next server that has not failed; behind the last one the next round begins. */
static mote_status_t ask_next(mote_resolver_t *resolver, mote_resolver_slot_t *slot)
{
    if ((slot->failed_servers & all_servers(resolver)) == all_servers(resolver)) {
        return end_slot(slot, MOTE_ERR_DNS);
    }
    do {
        slot->server_index++;
        if (slot->server_index >= resolver->settings->server_count) {
            slot->server_index = 0;
            slot->round = (uint8_t)(slot->round < ROUND_COUNT ? slot->round + 1 : ROUND_COUNT);
        }
    } while ((slot->failed_servers & bit_of(slot->server_index)) != 0);
    slot->state = SLOT_SEND;
    return MOTE_PENDING;
}

/* This server has no usable answer. Only if it is the one being waited for, the next is asked now. */
static mote_status_t fail_server(mote_resolver_t *resolver, mote_resolver_slot_t *slot, unsigned server_index)
{
    slot->failed_servers |= bit_of(server_index);
    slot->asked_servers &= (uint8_t)~bit_of(server_index);
    if (server_index == slot->server_index || (slot->failed_servers & all_servers(resolver)) == all_servers(resolver)) {
        return ask_next(resolver, slot);
    }
    return MOTE_PENDING;
}

void mote_resolver_sent(mote_resolver_t *resolver, unsigned slot_index, mote_status_t status, uint32_t now_ms)
{
    mote_resolver_slot_t *slot = &resolver->slots[slot_index];

    if (slot->state != SLOT_SEND) {
        return;
    }
    if (status != MOTE_OK) {
        (void)fail_server(resolver, slot, slot->server_index);
        return;
    }
    slot->asked_servers |= bit_of(slot->server_index);
    slot->sent_ms = now_ms;
    slot->state = SLOT_WAIT;
}

/* ---- hearing --------------------------------------------------------------------------------------------- */

/* The question goes on over TCP, to the same server. */
static mote_status_t go_on_by_stream(mote_resolver_t *resolver, mote_resolver_slot_t *slot, unsigned server_index)
{
#if MOTE_FEATURE_DNS_TCP
    if (resolver->settings->tcp_buffer != NULL) {
        slot->server_index = (uint8_t)server_index;
        slot->state = SLOT_STREAM;
        return MOTE_PENDING;
    }
#endif
    return fail_server(resolver, slot, server_index); /* a truncated set is never used (DNS-35) */
}

/* The chain of aliases ends outside the message: everything still open is asked at its end. */
static mote_status_t restart(mote_resolver_t *resolver, mote_resolver_slot_t *slot, const mote_dns_name_t *name)
{
    mote_status_t status = MOTE_OK;

    if (++resolver->alias_count > ALIAS_COUNT) {
        return end_slot(slot, MOTE_ERR_DNS_LOOP);
    }
    if (!take_name(resolver, name)) {
        return end_slot(slot, MOTE_ERR_DNS);
    }
    status = mix_case(resolver);
    for (unsigned i = 0; i < MOTE_RESOLVER_SLOT_COUNT; i++) {
        mote_resolver_slot_t *open = &resolver->slots[i];

        if (open->state != SLOT_UNUSED && open->state != SLOT_ENDED) {
            status = status == MOTE_OK ? begin_slot(resolver, open, open->type) : status;
            if (status != MOTE_OK) {
                (void)end_slot(open, status);
            }
        }
    }
    return status == MOTE_OK ? MOTE_PENDING : status;
}

/* A message that answers this slot's question: what it means (conformance 2). */
static mote_status_t take_message(mote_resolver_t *resolver, mote_resolver_slot_t *slot, unsigned server_index,
                                  const mote_dns_header_t *header, mote_dns_answer_t *answer)
{
    bool by_stream = slot->state == SLOT_STREAM;
    mote_status_t status;

    if (header->truncated) {
        return by_stream ? fail_server(resolver, slot, server_index) : go_on_by_stream(resolver, slot, server_index);
    }
    switch (header->rcode) {
    case MOTE_DNS_NOERROR:
    case MOTE_DNS_NXDOMAIN:
        break;
    case MOTE_DNS_FORMERR:
    case MOTE_DNS_NOTIMP:
    case MOTE_DNS_BADVERS: /* RFC 6891 6.2.2, 7: once more without EDNS0 */
        if ((slot->plain_servers & bit_of(server_index)) == 0) {
            slot->plain_servers |= bit_of(server_index);
            slot->server_index = (uint8_t)server_index;
            slot->state = SLOT_SEND;
            return MOTE_PENDING;
        }
        return fail_server(resolver, slot, server_index);
    default:
        return fail_server(resolver, slot, server_index);
    }
    status = mote_dns_follow(header->question.message, header, answer);
    if (status == MOTE_PENDING) {
        return restart(resolver, slot, &answer->owner);
    }
    return status == MOTE_ERR_DNS ? fail_server(resolver, slot, server_index) : end_slot(slot, status);
}

/* RFC 5452 9.1: the message answers what was asked. *is_case_wrong: but for the case of the name. */
static bool is_answer(const mote_resolver_t *resolver, const mote_resolver_slot_t *slot, const mote_dns_header_t *header,
                      bool *is_case_wrong)
{
    mote_dns_name_t name = mote_resolver_name(resolver);
    mote_span_t exact = mote_span_slice(name.message, name.offset, resolver->name_size);
    mote_span_t echo = mote_span_slice(header->question.message, header->question.offset, resolver->name_size);

    *is_case_wrong = resolver->settings->mixes_case && !resolver->ignores_case && !mote_span_equals(exact, echo);
    return header->id == slot->id && header->question_type == slot->type && mote_dns_name_equals(&header->question, &name);
}

/* The server whose endpoint this is, if it was asked; else the count. */
static unsigned find_server(const mote_resolver_t *resolver, const mote_resolver_slot_t *slot, const mote_endpoint_t *from)
{
    const mote_dns_settings_t *settings = resolver->settings;
    unsigned i = 0;

    while (i < settings->server_count &&
           ((slot->asked_servers & bit_of(i)) == 0 || settings->servers[i].port != from->port ||
            !mote_ip_equals(&settings->servers[i].ip, &from->ip))) {
        i++;
    }
    return i;
}

/* The name came back in another case: asked once more, without caring for it. */
static mote_status_t ask_in_any_case(mote_resolver_t *resolver, mote_resolver_slot_t *slot)
{
    mote_status_t status;

    resolver->ignores_case = true;
    status = begin_slot(resolver, slot, slot->type);
    return status == MOTE_OK ? MOTE_PENDING : end_slot(slot, status);
}

mote_status_t mote_resolver_input(mote_resolver_t *resolver, unsigned slot_index, mote_status_t status,
                                  const mote_endpoint_t *from, mote_span_t datagram, uint32_t now_ms,
                                  mote_dns_answer_t *answer)
{
    mote_resolver_slot_t *slot = &resolver->slots[slot_index];
    unsigned server_index = from != NULL ? find_server(resolver, slot, from) : slot->server_index;
    mote_dns_header_t header;
    bool is_case_wrong;

    (void)now_ms;
    if ((slot->state != SLOT_WAIT && slot->state != SLOT_SEND) || server_index == resolver->settings->server_count) {
        return mote_resolver_status(resolver, slot_index) == MOTE_OK ? MOTE_PENDING
                                                                       : mote_resolver_status(resolver, slot_index);
    }
    if (status != MOTE_OK) {
        return fail_server(resolver, slot, server_index);
    }
    if (from == NULL || mote_dns_read(datagram, &header) != MOTE_OK) {
        return MOTE_PENDING; /* DNS-6: dropped, the timer unchanged */
    }
    if (!is_answer(resolver, slot, &header, &is_case_wrong)) {
        slot->mismatch_count++;
        return slot->mismatch_count >= MISMATCH_COUNT ? go_on_by_stream(resolver, slot, slot->server_index)
                                                      : MOTE_PENDING;
    }
    return is_case_wrong ? ask_in_any_case(resolver, slot)
                         : take_message(resolver, slot, server_index, &header, answer);
}

mote_status_t mote_resolver_status(const mote_resolver_t *resolver, unsigned slot)
{
    return resolver->slots[slot].state == SLOT_UNUSED ? MOTE_ERR_NO_DATA : (mote_status_t)resolver->slots[slot].status;
}

mote_dns_name_t mote_resolver_name(const mote_resolver_t *resolver)
{
    mote_dns_name_t name = { { NULL, 0 }, MOTE_DNS_HEADER_BYTES };

    name.message = mote_span(resolver->query + LENGTH_BYTES, MOTE_DNS_HEADER_BYTES + (size_t)resolver->name_size);
    return name;
}

/* ---- over TCP -------------------------------------------------------------------------------------------- */

#if MOTE_FEATURE_DNS_TCP
/* Gives the stream to a slot that waits for it; an open one that leads to the right server is used again. */
static void assign_stream(mote_resolver_t *resolver, bool is_open, uint32_t now_ms)
{
    resolver->stream_state = MOTE_RESOLVER_STREAM_IDLE;
    for (unsigned i = 0; i < MOTE_RESOLVER_SLOT_COUNT; i++) {
        if (resolver->slots[i].state == SLOT_STREAM && resolver->stream_state == MOTE_RESOLVER_STREAM_IDLE) {
            is_open &= resolver->stream_server == resolver->slots[i].server_index;
            resolver->stream_slot = (uint8_t)i;
            resolver->stream_server = resolver->slots[i].server_index;
            resolver->stream_state = is_open ? MOTE_RESOLVER_STREAM_SEND : MOTE_RESOLVER_STREAM_CONNECT;
            resolver->stream_done = 0;
            resolver->stream_ms = now_ms;
        }
    }
}

mote_resolver_stream_t mote_resolver_stream(mote_resolver_t *resolver, mote_span_t *message,
                                            const mote_endpoint_t **server)
{
    *server = &resolver->settings->servers[resolver->stream_server];
    if (resolver->stream_state == MOTE_RESOLVER_STREAM_SEND) {
        size_t size = write_query(resolver, &resolver->slots[resolver->stream_slot]).size;

        *message = mote_span_slice(mote_span(resolver->query, LENGTH_BYTES + size), resolver->stream_done, SIZE_MAX);
    }
    return (mote_resolver_stream_t)resolver->stream_state;
}

void mote_resolver_stream_event(mote_resolver_t *resolver, mote_status_t status, uint32_t now_ms)
{
    mote_resolver_slot_t *slot = &resolver->slots[resolver->stream_slot];

    if (resolver->stream_state == MOTE_RESOLVER_STREAM_CONNECT && status == MOTE_OK) {
        resolver->stream_state = MOTE_RESOLVER_STREAM_SEND;
        resolver->stream_done = 0;
        resolver->stream_ms = now_ms;
        return;
    }
    if (resolver->stream_state != MOTE_RESOLVER_STREAM_IDLE && slot->state == SLOT_STREAM) {
        (void)fail_server(resolver, slot, resolver->stream_server); /* DNS-40: elsewhere */
    }
    assign_stream(resolver, false, now_ms);
}

void mote_resolver_stream_sent(mote_resolver_t *resolver, size_t size, uint32_t now_ms)
{
    (void)now_ms;
    resolver->stream_done = (uint16_t)(resolver->stream_done + size);
    if (resolver->stream_done == LENGTH_BYTES + (resolver->query[0] << 8 | resolver->query[1])) {
        resolver->stream_state = MOTE_RESOLVER_STREAM_RECEIVE;
        resolver->stream_done = 0;
    }
}

/* Takes octets of one message: its length, then as much as that says. */
static void assemble(mote_resolver_t *resolver, mote_span_t bytes, size_t *used)
{
    while (*used < bytes.size && resolver->stream_done < LENGTH_BYTES) {
        resolver->stream_size = (uint16_t)(resolver->stream_size << 8 | bytes.data[(*used)++]);
        resolver->stream_done++;
    }
    if (resolver->stream_done >= LENGTH_BYTES && resolver->stream_size <= resolver->settings->tcp_capacity) {
        size_t at = resolver->stream_done - (size_t)LENGTH_BYTES;
        mote_span_t part = mote_span_slice(bytes, *used, resolver->stream_size - at);

        if (part.size > 0) {
            memcpy(resolver->settings->tcp_buffer + at, part.data, part.size);
        }
        resolver->stream_done = (uint16_t)(resolver->stream_done + part.size);
        *used += part.size;
    }
}

mote_status_t mote_resolver_stream_input(mote_resolver_t *resolver, mote_span_t bytes, uint32_t now_ms, size_t *used,
                                         unsigned *slot_index, mote_dns_answer_t *answer)
{
    mote_resolver_slot_t *slot = &resolver->slots[resolver->stream_slot];
    mote_span_t message;
    mote_dns_header_t header;
    mote_status_t status;
    bool is_case_wrong;

    *used = 0;
    *slot_index = resolver->stream_slot;
    if (resolver->stream_state != MOTE_RESOLVER_STREAM_RECEIVE) {
        *used = bytes.size; /* nothing was asked: nothing to hear */
        return MOTE_PENDING;
    }
    assemble(resolver, bytes, used);
    if (resolver->stream_done < LENGTH_BYTES) {
        return MOTE_PENDING;
    }
    if (resolver->stream_size > resolver->settings->tcp_capacity) {
        status = end_slot(slot, MOTE_ERR_DNS_SPACE);
        assign_stream(resolver, false, now_ms);
        return status;
    }
    if (resolver->stream_done < LENGTH_BYTES + resolver->stream_size) {
        return MOTE_PENDING;
    }
    message = mote_span(resolver->settings->tcp_buffer, resolver->stream_size);
    resolver->stream_done = 0;
    if (mote_dns_read(message, &header) != MOTE_OK) {
        status = fail_server(resolver, slot, resolver->stream_server);
    } else if (!is_answer(resolver, slot, &header, &is_case_wrong)) {
        return MOTE_PENDING; /* DNS-38: some other answer; ours may follow, within the time */
    } else {
        status = take_message(resolver, slot, resolver->stream_server, &header, answer);
    }
    assign_stream(resolver, status != MOTE_PENDING, now_ms);
    return status;
}

/* How long the stream may still take; a stream that has taken too long has failed. */
static uint32_t tick_stream(mote_resolver_t *resolver, uint32_t now_ms)
{
    uint32_t limit_ms = resolver->stream_state == MOTE_RESOLVER_STREAM_CONNECT ? CONNECT_MS : ANSWER_MS;

    if (resolver->stream_state == MOTE_RESOLVER_STREAM_IDLE) {
        assign_stream(resolver, false, now_ms);
        return resolver->stream_state == MOTE_RESOLVER_STREAM_IDLE ? UINT32_MAX : 0;
    }
    if (now_ms - resolver->stream_ms < limit_ms) {
        return limit_ms - (now_ms - resolver->stream_ms);
    }
    mote_resolver_stream_event(resolver, MOTE_ERR_TIMEOUT, now_ms);
    return 0;
}
#endif

/* ---- time ------------------------------------------------------------------------------------------------ */

static uint32_t tick_slot(mote_resolver_t *resolver, mote_resolver_slot_t *slot, uint32_t now_ms)
{
    uint32_t first_ms = resolver->settings->first_wait_ms != 0 ? resolver->settings->first_wait_ms : FIRST_WAIT_MS;
    uint32_t wait_ms = first_ms << slot->round;
    uint32_t waited_ms = now_ms - slot->sent_ms;

    if (slot->state == SLOT_WAIT && waited_ms < wait_ms) {
        return wait_ms - waited_ms;
    }
    if (slot->state == SLOT_WAIT) {
        (void)ask_next(resolver, slot);
    }
    return slot->state == SLOT_SEND ? 0 : UINT32_MAX;
}

uint32_t mote_resolver_tick(mote_resolver_t *resolver, uint32_t now_ms)
{
    uint32_t total_ms = resolver->settings->total_s != 0 ? resolver->settings->total_s * UINT32_C(1000) : TOTAL_MS;
    uint32_t passed_ms = now_ms - resolver->start_ms;
    bool is_over = passed_ms >= total_ms;
    uint32_t wait_ms = is_over ? 0 : total_ms - passed_ms;

    for (unsigned i = 0; i < MOTE_RESOLVER_SLOT_COUNT; i++) {
        mote_resolver_slot_t *slot = &resolver->slots[i];
        uint32_t slot_ms;

        if (slot->state == SLOT_UNUSED || slot->state == SLOT_ENDED) {
            continue;
        }
        if (is_over) {
            (void)end_slot(slot, MOTE_ERR_DNS);
            continue;
        }
        slot_ms = tick_slot(resolver, slot, now_ms);
        wait_ms = slot_ms < wait_ms ? slot_ms : wait_ms;
    }
#if MOTE_FEATURE_DNS_TCP
    if (!is_over) {
        uint32_t stream_ms = tick_stream(resolver, now_ms);

        wait_ms = stream_ms < wait_ms ? stream_ms : wait_ms;
    }
#endif
    return wait_ms;
}
