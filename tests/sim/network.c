#include "sim.h"

#include <string.h>

/* The port table: one stream and two slots of each device, and how they fail. */

plan_t plans[2];
uint32_t plan_calls;
uint32_t plan_replies;

bool plan_fails_call(void)
{
    plan_calls++;
    return (plans[0].kind == PLAN_CALL && plans[0].at == plan_calls) || (plans[1].kind == PLAN_CALL && plans[1].at == plan_calls);
}

static device_t *enter(void *self)
{
    device_t *device = self;

    if (!device->is_inside) {
        violate(device, "a port call while no call of the library is under way");
    }
    if (++device->step_calls > CALL_COUNT) {
        violate(device, "a step that does not end");
    }
    return device;
}

static uint64_t arrival(const device_t *device, uint64_t after_ms, uint32_t delay_ms)
{
    uint64_t at_ms = device->world->now_ms + device->latency_ms + delay_ms;

    at_ms = at_ms > after_ms ? at_ms : after_ms;
    return at_ms > device->partition_ms ? at_ms : device->partition_ms + 1;
}

static mote_status_t port_random(void *self, uint8_t *bytes, size_t size)
{
    device_t *device = enter(self);

    device->asked = -1;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)draw(&device->rng);
    }
    return plan_fails_call() || fault(device, FAULT_PORT_RANDOM) ? MOTE_ERR_RANDOM : MOTE_OK;
}

static unsigned port_families(void *self)
{
    device_t *device = enter(self);

    witness_hop(device);
    device->asked = -1;
    if (plan_fails_call() || fault(device, FAULT_PORT_FAMILIES)) {
        device->witness.has_soft = true;
        return 0;
    }
    return device->families;
}

static mote_status_t port_own_address(void *self, mote_ip_t *ip)
{
    device_t *device = enter(self);

    *ip = device->own_address;
    if (plan_fails_call() || fault(device, FAULT_PORT_OWN_ADDRESS)) {
        device->witness.has_given_up = true;
        device->witness.has_soft = true;
        return MOTE_ERR_NO_ADDRESS;
    }
    return MOTE_OK;
}

/* ---- datagrams ------------------------------------------------------------------------------------------- */

static void empty_slot(slot_t *slot)
{
    slot->generation++;
    slot->is_open = false;
    slot->lent = -1;
    for (unsigned i = 0; i < DATAGRAM_COUNT; i++) {
        slot->datagrams[i].is_used = false;
    }
}

static mote_status_t port_query_open(void *self, unsigned index)
{
    static const mote_status_t errors[] = { MOTE_ERR_RANDOM, MOTE_ERR_MEMORY, MOTE_ERR_NO_ADDRESS };
    device_t *device = enter(self);

    empty_slot(&device->slots[index]);
    device->asked = -1;
    witness_asks(device);
    if (plan_fails_call() || fault(device, FAULT_PORT_QUERY)) {
        device->witness.names_fault_count++;
        return errors[below(&device->rng, 3)];
    }
    device->slots[index].is_open = true;
    return MOTE_OK;
}

static mote_status_t port_query_send(void *self, unsigned index, const mote_endpoint_t *server, mote_span_t datagram)
{
    static const mote_status_t errors[] = { MOTE_ERR_MEMORY, MOTE_ERR_UNREACHABLE, MOTE_ERR_REFUSED, MOTE_PENDING };
    device_t *device = enter(self);

    if (!device->slots[index].is_open) {
        violate(device, "a datagram sent on a closed slot");
    }
    witness_asks(device);
    device->asked = names_asked(device, datagram);
    if (plan_fails_call() || fault(device, FAULT_PORT_QUERY)) {
        device->witness.names_fault_count++;
        return errors[below(&device->rng, 4)];
    }
    names_hear(device, index, server, datagram);
    device->asked = -1;
    return MOTE_OK;
}

static mote_status_t port_query_lend(void *self, unsigned index, mote_endpoint_t *from, mote_span_t *bytes)
{
    device_t *device = enter(self);
    slot_t *slot = &device->slots[index];
    datagram_t *first = NULL;

    if (!slot->is_open || slot->lent >= 0) {
        violate(device, "a datagram lent twice, or of a closed slot");
    }
    memset(from, 0, sizeof *from);
    device->asked = -1;
    if (plan_fails_call() || fault(device, FAULT_PORT_QUERY)) {
        device->witness.names_fault_count++;
        return MOTE_ERR_MEMORY;
    }
    for (unsigned i = 0; i < DATAGRAM_COUNT; i++) {
        datagram_t *datagram = &slot->datagrams[i];

        if (datagram->is_used && datagram->has_arrived && (first == NULL || datagram->order < first->order)) {
            first = datagram;
            slot->lent = (int8_t)i;
        }
    }
    if (first == NULL) {
        return MOTE_PENDING;
    }
    *from = first->from;
    *bytes = mote_span(first->bytes, first->size);
    if (first->status != MOTE_OK) {
        first->is_used = false;
        slot->lent = -1;
    }
    return first->status;
}

static void port_query_taken(void *self, unsigned index)
{
    device_t *device = enter(self);
    slot_t *slot = &device->slots[index];

    if (slot->lent < 0) {
        violate(device, "a datagram given back that was not lent");
    }
    slot->datagrams[slot->lent].is_used = false;
    slot->lent = -1;
}

static void port_query_close(void *self, unsigned index)
{
    empty_slot(&enter(self)->slots[index]);
}

bool add_datagram(device_t *device, unsigned index, mote_status_t status, const mote_endpoint_t *from, const uint8_t *bytes,
                  size_t size, uint32_t delay_ms)
{
    slot_t *slot = &device->slots[index];

    for (unsigned i = 0; i < DATAGRAM_COUNT; i++) {
        datagram_t *datagram = &slot->datagrams[i];

        if (!datagram->is_used) {
            datagram->is_used = true;
            datagram->has_arrived = false;
            datagram->status = status;
            datagram->from = *from;
            datagram->size = (uint16_t)size;
            if (size > 0) {
                memcpy(datagram->bytes, bytes, size);
            }
            add_event(device->world, arrival(device, 0, delay_ms), EVENT_DATAGRAM, device, slot->generation, index, i);
            return true;
        }
    }
    return false;
}

/* ---- the stream -------------------------------------------------------------------------------------------- */

static void forget_stream(device_t *device)
{
    stream_t *stream = &device->stream;
    uint32_t generation = stream->generation + 1;

    memset(stream, 0, offsetof(stream_t, out));
    memset((uint8_t *)stream + offsetof(stream_t, out_size), 0, offsetof(stream_t, in) - offsetof(stream_t, out_size));
    memset((uint8_t *)stream + offsetof(stream_t, in_read), 0, sizeof *stream - offsetof(stream_t, in_read));
    stream->generation = generation;
    stream->cut_out = UINT32_MAX;
    stream->cut_in = UINT32_MAX;
}

/* Whose address this is: the index of the host, HOST_COUNT: nobody's. */
static unsigned find_host(const device_t *device, const mote_ip_t *ip)
{
    const uint8_t *bytes = ip->bytes;
    unsigned host = HOST_COUNT;

    if (ip->family == MOTE_FAMILY_IPV4 && bytes[0] == 93 && bytes[1] < HOST_COUNT && bytes[3] == 25) {
        host = bytes[2] < device->world->hosts[bytes[1]].count4 ? bytes[1] : HOST_COUNT;
    } else if (ip->family == MOTE_FAMILY_IPV4 && bytes[0] == 94 && bytes[1] < DOMAIN_COUNT && bytes[3] == 25) {
        host = device->world->domains[bytes[1]].hosts[0];
    } else if (ip->family == MOTE_FAMILY_IPV6 && bytes[0] == 0x20 && bytes[5] < HOST_COUNT) {
        host = bytes[5];
    }
    return host;
}

/* The way the link will end, and where. */
static void draw_cut(device_t *device)
{
    stream_t *stream = &device->stream;
    unsigned kind = fault(device, FAULT_LINK_FIN) ? END_FIN : END_NONE;
    uint32_t at = below(&device->rng, below(&device->rng, 4) == 0 ? 6000 : 600);

    kind = fault(device, FAULT_LINK_RST) ? END_RST : kind;
    kind = fault(device, FAULT_LINK_SILENT) ? END_SILENT : kind;
    if (kind != END_NONE) {
        stream->cut_kind = (uint8_t)kind;
        *(below(&device->rng, 2) == 0 ? &stream->cut_in : &stream->cut_out) = at;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (plans[i].kind == PLAN_CUT_IN || plans[i].kind == PLAN_CUT_OUT) {
            stream->cut_kind = plans[i].how;
            *(plans[i].kind == PLAN_CUT_IN ? &stream->cut_in : &stream->cut_out) = plans[i].at;
        }
    }
}

static mote_status_t draw_connect(device_t *device)
{
    stream_t *stream = &device->stream;
    bool is_dead = fault(device, FAULT_FAMILY_DEAD);

    if (device->stream.peer_kind == PEER_NAMES && device->world->now_ms < device->partition_ms) {
        witness_excuses(device);
    }
    if (fault(device, FAULT_PARTITION)) {
        device->partition_ms = device->world->now_ms + 1000 + below(&device->rng, 900000);
    }
    if (stream->peer_kind == PEER_SMTP && (stream->host == HOST_COUNT || (is_dead && stream->peer.ip.family == MOTE_FAMILY_IPV6))) {
        return MOTE_ERR_UNREACHABLE;
    }
    if (device->world->now_ms < device->partition_ms || fault(device, FAULT_CONNECT_SILENT)) {
        return MOTE_PENDING;
    }
    if (fault(device, FAULT_CONNECT_REFUSED)) {
        return MOTE_ERR_REFUSED;
    }
    return fault(device, FAULT_CONNECT_UNREACHABLE) ? MOTE_ERR_UNREACHABLE : MOTE_OK;
}

static mote_status_t begin_connect(device_t *device, const mote_endpoint_t *peer)
{
    stream_t *stream = &device->stream;

    forget_stream(device);
    stream->peer = *peer;
    stream->peer_kind = peer->ip.bytes[0] == 9 && peer->port == 53 ? PEER_NAMES : PEER_SMTP;
    stream->host = (uint8_t)find_host(device, &peer->ip);
    stream->connect_ms = device->world->now_ms;
    witness_connects(device);
    if (stream->peer_kind == PEER_NAMES) {
        device->asked = -1;
    }
    if (plan_fails_call() || fault(device, FAULT_PORT_CONNECT)) {
        if (stream->peer_kind == PEER_NAMES) {
            witness_excuses(device);
        }
        device->witness.has_soft |= stream->peer_kind == PEER_SMTP;
        return MOTE_ERR_MEMORY;
    }
    stream->state = STREAM_CONNECTING;
    stream->connect_status = draw_connect(device);
    draw_cut(device);
    if (stream->connect_status != MOTE_PENDING) {
        add_event(device->world, arrival(device, 0, 0), EVENT_CONNECT, device, stream->generation, 0, 0);
    }
    return MOTE_PENDING;
}

static mote_status_t port_connect(void *self, const mote_endpoint_t *peer)
{
    device_t *device = enter(self);
    stream_t *stream = &device->stream;
    mote_status_t status;

    if (stream->state == STREAM_NONE) {
        status = begin_connect(device, peer);
        if (status != MOTE_PENDING) {
            tell(device, "        connect: %s", mote_status_text(status));
        }
        return status;
    }
    if (stream->state == STREAM_OPEN || memcmp(&stream->peer, peer, sizeof *peer) != 0) {
        violate(device, "connect while a stream is there");
    }
    if (!stream->is_answered) {
        return MOTE_PENDING;
    }
    status = plan_fails_call() ? MOTE_ERR_RESET : stream->connect_status;
    tell(device, "        connect: %s", mote_status_text(status));
    if (status != MOTE_OK) {
        device->witness.has_soft |= stream->peer_kind == PEER_SMTP;
        forget_stream(device);
        return status;
    }
    stream->state = STREAM_OPEN;
    witness_connected(device);
    if (stream->peer_kind == PEER_SMTP) {
        server_accepts(device);
    }
    return MOTE_OK;
}

static void end_for_client(device_t *device, unsigned end, uint32_t delay_ms)
{
    stream_t *stream = &device->stream;

    if (stream->end == END_NONE) {
        stream->end = (uint8_t)end;
        if (end != END_SILENT) {
            stream->in_ms = arrival(device, stream->in_ms, delay_ms);
            add_event(device->world, stream->in_ms, EVENT_TO_CLIENT, device, stream->generation, 0, 0);
        }
    }
}

void server_ends(device_t *device, unsigned end, uint32_t delay_ms)
{
    device->session.is_deaf = true;
    end_for_client(device, end, delay_ms);
}

void server_says(device_t *device, const void *bytes, size_t size, uint32_t delay_ms)
{
    stream_t *stream = &device->stream;
    const uint8_t *at = bytes;

    if (stream->end != END_NONE || stream->state != STREAM_OPEN) {
        return;
    }
    if (stream->heard + size > stream->cut_in) {
        size = stream->cut_in - stream->heard;
    }
    if (stream->in_size + size > IN_BYTES && stream->in_lent == 0) {
        memmove(stream->in, stream->in + stream->in_read, (size_t)(stream->in_size - stream->in_read));
        stream->in_size = (uint16_t)(stream->in_size - stream->in_read);
        stream->in_arrived = (uint16_t)(stream->in_arrived - stream->in_read);
        stream->in_read = 0;
    }
    size = stream->in_size + size > IN_BYTES ? (size_t)(IN_BYTES - stream->in_size) : size;
    if (size > 0) {
        memcpy(stream->in + stream->in_size, at, size);
    }
    stream->in_size = (uint16_t)(stream->in_size + size);
    stream->heard += (uint32_t)size;
    while (size > 0) {
        size_t part = fault(device, FAULT_STREAM_SPLIT) ? 1 + below(&device->rng, (uint32_t)size) : size;

        stream->in_ms = arrival(device, stream->in_ms, delay_ms);
        add_event(device->world, stream->in_ms, EVENT_TO_CLIENT, device, stream->generation, 0, part);
        size -= part;
        delay_ms += size > 0 ? below(&device->rng, 30) : 0;
    }
    if (stream->heard >= stream->cut_in) {
        server_ends(device, stream->cut_kind, 0);
    }
}

static mote_status_t port_send(void *self, mote_span_t bytes, unsigned flags, size_t *taken)
{
    static const mote_status_t errors[] = { MOTE_ERR_RESET, MOTE_ERR_MEMORY, MOTE_ERR_LINK_LOST };
    device_t *device = enter(self);
    stream_t *stream = &device->stream;
    size_t size = bytes.size;
    uint64_t now_ms = device->world->now_ms;

    (void)flags;
    *taken = 0;
    if (stream->state != STREAM_OPEN || bytes.size == 0) {
        violate(device, "send without a stream, or of nothing");
    }
    if (plan_fails_call() || fault(device, FAULT_PORT_SEND)) {
        witness_lost(device);
        return errors[below(&device->rng, 3)];
    }
    if (stream->has_ended && stream->end == END_RST) {
        witness_lost(device);
        return MOTE_ERR_RESET;
    }
    if (now_ms >= stream->stalled_ms && fault(device, FAULT_STREAM_STALL)) {
        stream->stalled_ms = now_ms + below(&device->rng, below(&device->rng, 3) == 0 ? 800000 : 20000);
        poke(device, stream->stalled_ms);
    }
    if (now_ms < stream->stalled_ms) {
        return MOTE_PENDING;
    }
    if (fault(device, FAULT_PORT_NOTHING)) {
        poke(device, now_ms + 1 + below(&device->rng, 500));
        return MOTE_PENDING;
    }
    if (fault(device, FAULT_PORT_PARTIAL)) {
        size = 1 + below(&device->rng, (uint32_t)size);
    }
    if (size > (size_t)(OUT_BYTES - stream->out_size)) {
        size = (size_t)(OUT_BYTES - stream->out_size);
    }
    if (size == 0) {
        return MOTE_PENDING; /* the window is closed; what arrives opens it */
    }
    memcpy(stream->out + stream->out_size, bytes.data, size);
    stream->out_size = (uint16_t)(stream->out_size + size);
    stream->out_ms = arrival(device, stream->out_ms, 0);
    if (stream->end != END_SILENT) {
        add_event(device->world, stream->out_ms, EVENT_TO_SERVER, device, stream->generation, 0, size);
    }
    *taken = size;
    witness_sent(device, bytes.data, size);
    return MOTE_OK;
}

static mote_status_t port_lend(void *self, mote_span_t *bytes)
{
    device_t *device = enter(self);
    stream_t *stream = &device->stream;
    size_t size = (size_t)(stream->in_arrived - stream->in_read);

    if (stream->state != STREAM_OPEN) {
        violate(device, "lend without a stream");
    }
    if (device->witness.chosen == 0 && device->witness.is_session && !device->witness.is_over) {
        witness_hop(device); /* a stream that was kept, and a new mail */
    }
    if (plan_fails_call() || fault(device, FAULT_PORT_LEND)) {
        witness_lost(device);
        return MOTE_ERR_LINK_LOST;
    }
    if (size == 0) {
        if (!stream->has_ended) {
            return MOTE_PENDING;
        }
        witness_lost(device);
        if (stream->end == END_RST) {
            return MOTE_ERR_RESET;
        }
        return stream->is_secure && stream->cut_in != UINT32_MAX ? MOTE_ERR_LINK_LOST : MOTE_CLOSED;
    }
    if (fault(device, FAULT_PORT_NOTHING)) {
        poke(device, device->world->now_ms + 1 + below(&device->rng, 500));
        return MOTE_PENDING;
    }
    if (fault(device, FAULT_PORT_PARTIAL)) {
        size = 1 + below(&device->rng, (uint32_t)size);
    }
    stream->in_lent = (uint16_t)size;
    *bytes = mote_span(stream->in + stream->in_read, size);
    return MOTE_OK;
}

static void port_taken(void *self, size_t size)
{
    device_t *device = enter(self);
    stream_t *stream = &device->stream;

    if (size > stream->in_lent) {
        violate(device, "more taken than was lent");
    }
    if (stream->peer_kind == PEER_SMTP) {
        witness_heard(device, stream->in + stream->in_read, size);
    }
    stream->in_read = (uint16_t)(stream->in_read + size);
    stream->in_lent = 0;
    if (stream->in_read == stream->in_size) {
        stream->in_read = stream->in_arrived = stream->in_size = 0;
    }
}

/* ---- TLS, modelled as a step that can fail in each way ------------------------------------------------------ */

static void begin_secure(device_t *device)
{
    static const mote_status_t errors[] = { MOTE_ERR_TLS, MOTE_ERR_TLS_SPACE, MOTE_ERR_RANDOM, MOTE_ERR_MEMORY, MOTE_ERR_RESET };
    stream_t *stream = &device->stream;

    stream->is_securing = true;
    stream->secure_ms = device->world->now_ms + 2 * device->latency_ms + below(&device->rng, 3000);
    stream->secure_status = MOTE_OK;
    stream->protection = MOTE_PROTECTION_VERIFIED;
    if (fault(device, FAULT_TLS_SILENT)) {
        stream->secure_ms = UINT64_MAX;
        return;
    }
    if (fault(device, FAULT_TLS_FAILS) || stream->in_read != stream->in_arrived || !device->session.expects_tls) {
        stream->secure_status = errors[below(&device->rng, 5)];
    } else if (fault(device, FAULT_TLS_UNTRUSTED)) {
        stream->protection = MOTE_PROTECTION_ENCRYPTED;
    }
    poke(device, stream->secure_ms);
}

static mote_status_t port_secure(void *self, const mote_tls_policy_t *policy, mote_tls_result_t *result)
{
    static const mote_span_t words = MOTE_SPAN("as the simulator says");
    device_t *device = enter(self);
    stream_t *stream = &device->stream;
    mote_status_t status;

    if (stream->state != STREAM_OPEN || stream->is_secure || policy->name.size == 0) {
        violate(device, "TLS without a stream, within TLS, or for nobody");
    }
    if (!stream->is_securing) {
        witness_secures(device);
        begin_secure(device);
    }
    result->words = words;
    if (!stream->has_ended && device->world->now_ms < stream->secure_ms) {
        return MOTE_PENDING;
    }
    status = stream->has_ended ? MOTE_ERR_LINK_LOST : stream->secure_status;
    if (plan_fails_call() || stream->in_read != stream->in_size) { /* what was said in the open is no record of TLS */
        status = MOTE_ERR_TLS;
    }
    if (status == MOTE_OK && policy->verifies && stream->protection != MOTE_PROTECTION_VERIFIED) {
        status = MOTE_ERR_TLS_UNTRUSTED;
    }
    if (status == MOTE_OK) {
        if (!policy->verifies) {
            stream->protection = MOTE_PROTECTION_ENCRYPTED;
        }
        stream->is_secure = true;
        device->session.is_secure = true;
        device->session.expects_tls = false;
        device->session.has_ehlo = false;
        result->protection = stream->protection;
    }
    tell(device, "        TLS: %s", mote_status_text(status));
    witness_secured(device, status, stream->protection);
    if (status == MOTE_OK && stream->peer.port == IMPLICIT_PORT) {
        server_greets(device);
    }
    return status;
}

static unsigned port_wants(void *self)
{
    (void)enter(self);
    return MOTE_WANTS_READ | MOTE_WANTS_WRITE;
}

/* What is on the way when the client leaves may still be read by the server, or not. */
static void leave(device_t *device, bool is_cut)
{
    stream_t *stream = &device->stream;
    size_t size = stream->out_size;

    if (stream->state == STREAM_NONE) {
        return;
    }
    if (stream->peer_kind == PEER_SMTP) {
        witness_leaves(device, is_cut);
    }
    device->small_sent = stream->sent;
    device->small_heard = stream->heard;
    tell(device, "        %s", is_cut ? "cut" : "closed");
    if (stream->state == STREAM_OPEN && stream->peer_kind == PEER_SMTP && (!is_cut || draw(&device->rng) % 2 == 0) &&
        stream->end != END_SILENT) {
        stream->end = END_RST; /* nothing comes back any more */
        stream->out_size = 0;
        server_hears(device, stream->out, size);
    }
    forget_stream(device);
    device->names_size = 0;
}

static void port_close(void *self)
{
    leave(enter(self), false);
}

static void port_abort(void *self)
{
    leave(enter(self), true);
}

/* ---- what happens on the way ---------------------------------------------------------------------------------- */

static void arrive_at_server(device_t *device, size_t size)
{
    stream_t *stream = &device->stream;
    uint8_t bytes[OUT_BYTES];
    size_t good = size;

    if (stream->sent + size > stream->cut_out) {
        good = stream->cut_out > stream->sent ? stream->cut_out - stream->sent : 0;
    }
    stream->sent += (uint32_t)size;
    memcpy(bytes, stream->out, size);
    memmove(stream->out, stream->out + size, (size_t)(stream->out_size - size));
    stream->out_size = (uint16_t)(stream->out_size - size);
    if (stream->end != END_NONE && stream->end != END_FIN) {
        return;
    }
    if (good > 0 && stream->peer_kind == PEER_NAMES) {
        names_hear_stream(device, bytes, good);
    } else if (good > 0) {
        server_hears(device, bytes, good);
    }
    if (stream->sent >= stream->cut_out) {
        server_ends(device, stream->cut_kind, 0);
    }
    if (device->is_running) {
        step_device(device); /* the window is open again */
    }
}

void on_network(device_t *device, const event_t *event)
{
    stream_t *stream = &device->stream;

    if (event->kind == EVENT_DATAGRAM) {
        slot_t *slot = &device->slots[event->slot];

        if (event->generation != slot->generation || !slot->datagrams[event->size].is_used) {
            return;
        }
        slot->datagrams[event->size].has_arrived = true;
        slot->datagrams[event->size].order = device->world->order++;
        step_device(device);
        return;
    }
    if (event->generation != stream->generation) {
        return;
    }
    if (event->kind == EVENT_TO_SERVER) {
        arrive_at_server(device, event->size);
    } else if (event->kind == EVENT_ENDLESS) {
        server_goes_on(device);
    } else {
        stream->is_answered |= event->kind == EVENT_CONNECT;
        stream->has_ended |= event->kind == EVENT_TO_CLIENT && event->size == 0;
        stream->in_arrived = (uint16_t)(stream->in_arrived + (event->kind == EVENT_TO_CLIENT ? event->size : 0));
        if (device->is_running) {
            step_device(device);
        }
    }
}

void init_port(device_t *device)
{
    static const mote_port_t table = {
        port_random, port_families, port_own_address, port_query_open, port_query_send, port_query_lend, port_query_taken,
        port_query_close, port_connect, port_send, port_lend, port_taken, port_secure, port_wants, port_close, port_abort,
    };

    device->port = table;
    forget_stream(device);
    empty_slot(&device->slots[0]);
    empty_slot(&device->slots[1]);
}
