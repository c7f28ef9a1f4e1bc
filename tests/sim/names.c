#include "sim.h"

#include <string.h>

/* A name server that knows the world, and how it may fail. The messages are written and read here by hand. */

typedef struct message {
    uint8_t bytes[2048];
    size_t size;
    unsigned answers;
    unsigned authorities;
} message_t;

enum { TYPE_A = 1, TYPE_NS = 2, TYPE_CNAME = 5, TYPE_SOA = 6, TYPE_MX = 15, TYPE_AAAA = 28, TYPE_TXT = 16 };

static void put8(message_t *message, unsigned value)
{
    if (message->size < sizeof message->bytes) {
        message->bytes[message->size++] = (uint8_t)value;
    }
}

static void put16(message_t *message, unsigned value)
{
    put8(message, value >> 8 & 255);
    put8(message, value & 255);
}

static void put_name(message_t *message, const char *text)
{
    while (*text != '\0') {
        size_t size = strcspn(text, ".");

        put8(message, (unsigned)size);
        for (size_t i = 0; i < size; i++) {
            put8(message, (uint8_t)text[i]);
        }
        text += size + (text[size] == '.' ? 1 : 0);
    }
    put8(message, 0);
}

/* Owner (NULL: the question's, by pointer), type, class, TTL; returns where RDLENGTH stands. */
static size_t begin_record(message_t *message, const char *owner, unsigned type)
{
    if (owner == NULL) {
        put16(message, 0xC00C);
    } else {
        put_name(message, owner);
    }
    put16(message, type);
    put16(message, 1);
    put16(message, 0);
    put16(message, 300);
    put16(message, 0);
    return message->size - 2;
}

static void end_record(message_t *message, size_t at)
{
    size_t size = message->size - at - 2;

    message->bytes[at] = (uint8_t)(size >> 8);
    message->bytes[at + 1] = (uint8_t)size;
}

static void add_mx(message_t *message, const char *owner, unsigned preference, const char *host)
{
    size_t at = begin_record(message, owner, TYPE_MX);

    put16(message, preference);
    put_name(message, host);
    end_record(message, at);
    message->answers++;
}

static void add_cname(message_t *message, const char *owner, const char *target)
{
    size_t at = begin_record(message, owner, TYPE_CNAME);

    put_name(message, target);
    end_record(message, at);
    message->answers++;
}

static void add_address(message_t *message, const char *owner, const uint8_t *bytes, size_t size)
{
    size_t at = begin_record(message, owner, size == 4 ? TYPE_A : TYPE_AAAA);

    for (size_t i = 0; i < size; i++) {
        put8(message, bytes[i]);
    }
    end_record(message, at);
    message->answers++;
}

/* RFC 2308: what says that there really is nothing. */
static void add_soa(message_t *message)
{
    size_t at = begin_record(message, "example", TYPE_SOA);

    put_name(message, "ns.example");
    put_name(message, "root.example");
    for (unsigned i = 0; i < 10; i++) {
        put16(message, 60);
    }
    end_record(message, at);
    message->authorities++;
}

static void add_referral(message_t *message)
{
    size_t at = begin_record(message, "example", TYPE_NS);

    put_name(message, "ns.elsewhere.example");
    end_record(message, at);
    message->authorities++;
}

static void add_host_addresses(message_t *message, const char *owner, const world_t *world, unsigned index, unsigned type)
{
    const host_t *host = &world->hosts[index];

    for (unsigned i = 0; i < (type == TYPE_A ? host->count4 : host->count6); i++) {
        uint8_t four[4] = { 93, (uint8_t)index, (uint8_t)i, 25 };
        uint8_t six[16] = { 0x20, 1, 0x0d, 0xb8, 0, (uint8_t)index, 0, 0, 0, 0, 0, 0, 0, 0, 0, (uint8_t)(i + 1) };

        add_address(message, owner, type == TYPE_A ? four : six, type == TYPE_A ? 4 : 16);
    }
}

/* ---- the truth ------------------------------------------------------------------------------------------- */

static void row(device_t *device, unsigned type, unsigned which)
{
    counts.rows[which][type == TYPE_MX ? 0 : 1]++;
    (void)device;
}

static int answer_mx(device_t *device, message_t *message, const char *owner, const domain_t *domain)
{
    const world_t *world = device->world;

    switch ((domain_kind_t)domain->kind) {
    case DOMAIN_EXCHANGERS:
        for (unsigned i = 0; i < domain->host_count * (unsigned)domain->copies; i++) {
            unsigned which = i % domain->host_count;

            add_mx(message, owner, domain->preferences[which], world->hosts[domain->hosts[which]].name);
        }
        row(device, TYPE_MX, ROW_DATA);
        return 0;
    case DOMAIN_NULL:
        add_mx(message, owner, 0, "");
        row(device, TYPE_MX, ROW_NULL_MX);
        device->witness.has_denial = true;
        return 0;
    case DOMAIN_OURSELVES:
        add_mx(message, owner, 20, world->hosts[domain->hosts[0]].name);
        add_mx(message, owner, 10, "device.example");
        row(device, TYPE_MX, ROW_DATA);
        device->witness.has_denial = true;
        return 0;
    case DOMAIN_FORBIDDEN:
        add_mx(message, owner, 10, domain->host_count % 2 == 0 ? "loop.example" : "multicast.example");
        row(device, TYPE_MX, ROW_DATA);
        device->witness.has_denial = true;
        return 0;
    case DOMAIN_HOSTLESS:
        if (domain->host_count % 2 == 0) {
            add_mx(message, owner, 10, "192.0.2.1"); /* an address is no exchanger: MX-19 */
            row(device, TYPE_MX, ROW_UNUSABLE);
        } else {
            add_mx(message, owner, 10, "gone.example");
            row(device, TYPE_MX, ROW_DATA);
        }
        device->witness.has_denial = true;
        return 0;
    case DOMAIN_IMPLICIT:
    case DOMAIN_EMPTY:
        add_soa(message);
        row(device, TYPE_MX, ROW_NODATA);
        device->witness.has_empty_mx = true;
        return 0;
    case DOMAIN_MISSING:
        add_soa(message);
        row(device, TYPE_MX, ROW_NXDOMAIN);
        device->witness.has_denial = true;
        return 3;
    case DOMAIN_BROKEN:
    case DOMAIN_ALIAS:
    case DOMAIN_LOOP:
    case DOMAIN_KIND_COUNT:
        break;
    }
    row(device, TYPE_MX, ROW_SERVFAIL);
    device->witness.names_fault_count++;
    return 2;
}

/* The domain's own address: right where there is no MX record, else a trap that nobody may connect to. */
static int answer_own(device_t *device, message_t *message, const char *owner, unsigned index, unsigned type)
{
    const domain_t *domain = &device->world->domains[index];
    uint8_t own[4] = { 94, (uint8_t)index, 0, 25 };

    if (domain->kind == DOMAIN_MISSING) {
        device->witness.has_denial = true;
        add_soa(message);
        row(device, type, ROW_NXDOMAIN);
        return 3;
    }
    if (type == TYPE_A && domain->kind != DOMAIN_EMPTY) {
        add_address(message, owner, own, 4);
        row(device, type, ROW_DATA);
    } else {
        add_soa(message);
        device->witness.has_denial = true;
        row(device, type, ROW_NODATA);
    }
    return 0;
}

static int answer_host(device_t *device, message_t *message, const char *owner, unsigned index, unsigned type)
{
    unsigned before = message->answers;

    add_host_addresses(message, owner, device->world, index, type);
    if (message->answers == before) {
        add_soa(message);
        device->witness.has_denial = true;
        row(device, type, ROW_NODATA);
    } else {
        row(device, type, ROW_DATA);
    }
    return 0;
}

static int answer_name(device_t *device, message_t *message, const char *owner, const char *name, unsigned type)
{
    static const uint8_t loopback[4] = { 127, 0, 0, 1 };
    static const uint8_t multicast[4] = { 224, 0, 0, 1 };
    const world_t *world = device->world;

    for (unsigned i = 0; i < DOMAIN_COUNT; i++) {
        if (strcmp(name, world->domains[i].name) == 0) {
            const domain_t *domain = &world->domains[i];

            if (domain->kind == DOMAIN_ALIAS) {
                const domain_t *target = &world->domains[domain->alias];

                row(device, type, ROW_CNAME);
                add_cname(message, owner, target->name);
                return owner != NULL || domain->host_count % 2 == 0
                           ? 0 /* the chain ends outside: the same question goes there */
                           : answer_name(device, message, target->name, target->name, type);
            }
            if (domain->kind == DOMAIN_LOOP) {
                row(device, type, ROW_CNAME_LOOP);
                add_cname(message, owner, "around.example");
                add_cname(message, "around.example", domain->name);
                device->witness.names_fault_count++;
                return 0;
            }
            return type == TYPE_MX ? answer_mx(device, message, owner, domain) : answer_own(device, message, owner, i, type);
        }
    }
    for (unsigned i = 0; i < HOST_COUNT && type != TYPE_MX; i++) {
        if (strcmp(name, world->hosts[i].name) == 0) {
            return answer_host(device, message, owner, i, type);
        }
    }
    device->witness.has_denial = true;
    if (strcmp(name, "loop.example") == 0 && type == TYPE_A) {
        add_address(message, owner, loopback, 4);
        row(device, type, ROW_UNUSABLE);
        return 0;
    }
    if (strcmp(name, "multicast.example") == 0 && type == TYPE_A) {
        add_address(message, owner, multicast, 4);
        row(device, type, ROW_UNUSABLE);
        return 0;
    }
    add_soa(message);
    row(device, type, ROW_NXDOMAIN);
    return 3;
}

/* ---- a message --------------------------------------------------------------------------------------------- */

/* Reads a question: its name as small letters and dots. Returns where it ends, 0: it is none. */
static size_t read_question(mote_span_t bytes, char *name, size_t capacity, unsigned *type)
{
    size_t at = 12;
    size_t size = 0;

    if (bytes.size < 17 || bytes.data[2] != 1 || bytes.data[3] != 0 || bytes.data[4] != 0 || bytes.data[5] != 1) {
        return 0;
    }
    while (at < bytes.size && bytes.data[at] != 0) {
        size_t label = bytes.data[at++];

        if (label > 63 || at + label >= bytes.size || size + label + 1 >= capacity) {
            return 0;
        }
        for (size_t i = 0; i < label; i++, at++) {
            uint8_t octet = bytes.data[at];

            name[size++] = (char)(octet >= 'A' && octet <= 'Z' ? octet + 32 : octet);
        }
        name[size++] = '.';
    }
    name[size > 0 ? size - 1 : 0] = '\0';
    if (at + 5 > bytes.size || bytes.data[at + 3] != 0 || bytes.data[at + 4] != 1) {
        return 0;
    }
    *type = (unsigned)bytes.data[at + 1] << 8 | bytes.data[at + 2];
    return at + 5;
}

int16_t names_asked(const device_t *device, mote_span_t question)
{
    char name[300];
    unsigned type = 0;

    if (read_question(question, name, sizeof name, &type) != 0 && type != TYPE_MX) {
        for (int16_t i = 0; i < HOST_COUNT; i++) {
            if (strcmp(name, device->world->hosts[i].name) == 0) {
                return i;
            }
        }
    }
    return -1;
}

static void begin_message(message_t *message, mote_span_t question, size_t question_end)
{
    memcpy(message->bytes, question.data, question_end);
    message->size = question_end;
    message->answers = 0;
    message->authorities = 0;
    message->bytes[11] = 0; /* our OPT is not repeated */
}

static void end_message(message_t *message, int code, bool is_truncated)
{
    message->bytes[2] = (uint8_t)(0x81 | (is_truncated ? 2 : 0));
    message->bytes[3] = (uint8_t)(0x80 | code);
    message->bytes[7] = (uint8_t)message->answers;
    message->bytes[9] = (uint8_t)message->authorities;
}

/* What this server says now. Returns false: nothing. */
static bool make_answer(device_t *device, message_t *message, mote_span_t question, bool is_stream)
{
    char name[300];
    unsigned type = 0;
    size_t end = read_question(question, name, sizeof name, &type);
    bool is_wide = end > 0 && question.size > end; /* with EDNS0 */
    int code;

    if (end == 0) {
        violate(device, "a question that is none");
    }
    tell(device, "        asked for %s, type %u", name, type);
    begin_message(message, question, end);
    if (fault(device, FAULT_NAMES_SERVFAIL)) {
        device->witness.names_fault_count++;
        row(device, type, draw(&device->rng) % 2 == 0 ? ROW_SERVFAIL : ROW_REFUSED);
        end_message(message, draw(&device->rng) % 2 == 0 ? 2 : 5, false);
    } else if (fault(device, FAULT_NAMES_FORMERR)) {
        device->witness.names_fault_count++;
        row(device, type, ROW_FORMERR);
        end_message(message, draw(&device->rng) % 2 == 0 ? 1 : 4, false);
    } else if (fault(device, FAULT_NAMES_REFERRAL)) {
        device->witness.names_fault_count++;
        row(device, type, ROW_REFERRAL);
        add_referral(message);
        end_message(message, 0, false);
    } else if (fault(device, FAULT_NAMES_NXDOMAIN)) {
        device->witness.has_denial = true;
        device->witness.names_fault_count++;
        row(device, type, ROW_NXDOMAIN);
        end_message(message, 3, false);
    } else if (fault(device, FAULT_NAMES_EMPTY)) {
        device->witness.has_denial = true;
        device->witness.names_fault_count++;
        device->witness.has_empty_mx |= type == TYPE_MX;
        row(device, type, ROW_NODATA);
        add_soa(message);
        end_message(message, 0, false);
    } else if (fault(device, FAULT_NAMES_LOOP)) {
        device->witness.names_fault_count++;
        row(device, type, ROW_CNAME_LOOP);
        add_cname(message, NULL, "a.around.example");
        add_cname(message, "a.around.example", "b.around.example");
        add_cname(message, "b.around.example", "a.around.example");
        end_message(message, 0, false);
    } else {
        code = answer_name(device, message, NULL, name, type);
        end_message(message, code, false);
        if (!is_stream && (message->size > (is_wide ? DATAGRAM_BYTES : 512U) || fault(device, FAULT_NAMES_TRUNCATED))) {
            row(device, type, ROW_TRUNCATED);
            device->witness.names_fault_count++;
            witness_excuses(device);
            begin_message(message, question, end);
            if (draw(&device->rng) % 2 == 0 && type == TYPE_MX) { /* part of a set, never to be used: DNS-35 */
                add_mx(message, NULL, 0, "partial.example");
            }
            end_message(message, 0, true);
        }
    }
    if (fault(device, FAULT_NAMES_GARBAGE)) {
        size_t at = 2 + below(&device->rng, (uint32_t)message->size - 2);

        device->witness.is_all_excused = true; /* it may say anything of anybody */
        device->witness.names_fault_count++;
        device->witness.has_denial = true; /* it may have become one */
        device->witness.has_garbage = true;
        device->witness.has_empty_mx |= type == TYPE_MX;
        row(device, type, ROW_MALFORMED);
        if (draw(&device->rng) % 2 == 0) {
            message->size = at;
        } else {
            message->bytes[at] = (uint8_t)draw(&device->rng);
        }
    }
    return true;
}

static void forge(device_t *device, unsigned slot, const mote_endpoint_t *server, message_t *message)
{
    message_t forged = *message;
    mote_endpoint_t from = *server;

    switch (below(&device->rng, 4)) {
    case 0:
        forged.bytes[0] ^= 1;
        break;
    case 1:
        forged.bytes[13] ^= 1; /* some other name */
        break;
    case 2:
        from.port++;
        break;
    default:
        from.ip.bytes[2] ^= 1;
        break;
    }
    forged.bytes[3] = 0x83; /* and it says that there is no such name */
    counts.rows[ROW_MISMATCH][device->asked >= 0]++;
    (void)add_datagram(device, slot, MOTE_OK, &from, forged.bytes, forged.size, 1);
}

void names_hear(device_t *device, unsigned slot, const mote_endpoint_t *server, mote_span_t question)
{
    message_t message;
    uint32_t delay_ms = device->latency_ms + below(&device->rng, 20);
    uint64_t now_ms = device->world->now_ms;

    if (now_ms < device->partition_ms || fault(device, FAULT_DATAGRAM_LOST)) {
        device->witness.names_fault_count++;
        witness_excuses(device);
        counts.rows[ROW_TIMEOUT][device->asked >= 0]++;
        return;
    }
    if (fault(device, FAULT_NAMES_REFUSED)) {
        device->witness.names_fault_count++;
        (void)add_datagram(device, slot, MOTE_ERR_REFUSED, server, NULL, 0, delay_ms);
        return;
    }
    if (!make_answer(device, &message, question, false) || message.size > DATAGRAM_BYTES) {
        return;
    }
    if (fault(device, FAULT_DATAGRAM_FORGED)) {
        for (unsigned i = 0; i < 1 + below(&device->rng, 3); i++) {
            forge(device, slot, server, &message);
        }
    }
    if (fault(device, FAULT_DATAGRAM_LATE)) {
        device->witness.names_fault_count++;
        delay_ms += below(&device->rng, 25000);
    }
    (void)add_datagram(device, slot, MOTE_OK, server, message.bytes, message.size, delay_ms);
    if (fault(device, FAULT_DATAGRAM_TWICE)) {
        (void)add_datagram(device, slot, MOTE_OK, server, message.bytes, message.size, delay_ms + below(&device->rng, 50));
    }
}

void names_hear_stream(device_t *device, const uint8_t *bytes, size_t size)
{
    message_t message;
    size_t wanted;
    uint8_t length[2];

    if (device->names_size + size > sizeof device->names_in) {
        violate(device, "too long a question over TCP");
    }
    memcpy(device->names_in + device->names_size, bytes, size);
    device->names_size = (uint16_t)(device->names_size + size);
    wanted = 2 + ((size_t)device->names_in[0] << 8 | device->names_in[1]);
    if (device->names_size < 2 || device->names_size < wanted) {
        return;
    }
    if (device->names_size != wanted) {
        violate(device, "more than a question over TCP");
    }
    device->names_size = 0;
    device->asked = names_asked(device, mote_span(device->names_in + 2, wanted - 2));
    if (make_answer(device, &message, mote_span(device->names_in + 2, wanted - 2), true)) {
        if (fault(device, FAULT_NAMES_STREAM_CUT)) {
            device->witness.names_fault_count++;
            server_ends(device, draw(&device->rng) % 2 == 0 ? END_FIN : END_RST, 0);
            return;
        }
        length[0] = (uint8_t)(message.size >> 8);
        length[1] = (uint8_t)message.size;
        if (message.size > device->dns.tcp_capacity) {
            counts.rows[ROW_TOO_LARGE][device->asked >= 0]++;
            device->witness.names_fault_count++;
            witness_excuses(device);
        }
        server_says(device, length, 2, 0);
        server_says(device, message.bytes, message.size, 0);
    }
}
