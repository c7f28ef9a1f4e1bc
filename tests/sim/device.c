#include "sim.h"

#include <string.h>

/* A device: its settings for life, one mail after the other, the source they come from, the mailbox they may go to. */

/* ---- the source ---------------------------------------------------------------------------------------------- */

static bool waits(device_t *device, fault_t kind)
{
    if (!fault(device, kind)) {
        return false;
    }
    poke(device, device->world->now_ms + 1 + below(&device->rng, below(&device->rng, 8) == 0 ? 200000 : 300));
    return true;
}

static bool source_fails(device_t *device)
{
    if (plan_fails_call() || fault(device, FAULT_SOURCE_FAILS)) {
        device->witness.has_given_up = true;
        return true;
    }
    return false;
}

static mote_status_t source_rewind(void *self)
{
    device_t *device = self;

    if (waits(device, FAULT_SOURCE_WAITS)) {
        return MOTE_PENDING;
    }
    if (source_fails(device)) {
        return MOTE_ERR_SOURCE;
    }
    device->source_at = 0;
    return MOTE_OK;
}

static mote_status_t source_next(void *self, mote_span_t *bytes)
{
    device_t *device = self;
    uint32_t left = device->text_size - device->source_at;
    uint32_t size;

    memset(device->piece, '!', sizeof device->piece);
    if (waits(device, FAULT_SOURCE_WAITS)) {
        return MOTE_PENDING;
    }
    if (source_fails(device)) {
        return MOTE_ERR_SOURCE;
    }
    if (left == 0) {
        return MOTE_CLOSED;
    }
    size = left;
    if (!device->source.is_stable) {
        size = 1 + below(&device->rng, below(&device->rng, 2) == 0 ? 12 : PIECE_BYTES);
        size = size < left ? size : left;
        memcpy(device->piece, device->text + device->source_at, size);
        *bytes = mote_span(device->piece, size);
    } else {
        *bytes = mote_span(device->text + device->source_at, size);
    }
    device->source_at += size;
    return MOTE_OK;
}

/* ---- the message ------------------------------------------------------------------------------------------------ */

static void put_text(device_t *device, const void *bytes, size_t size)
{
    memcpy(device->text + device->text_size, bytes, size);
    device->text_size += (uint32_t)size;
}

static void put_wire(device_t *device, const void *bytes, size_t size)
{
    memcpy(device->wire + device->wire_size, bytes, size);
    device->wire_size += (uint32_t)size;
}

/* One line without its end: often one that begins with dots, or is empty, or as long as may be. */
static size_t draw_line(device_t *device, char *line)
{
    rng_t *rng = &device->rng;
    uint32_t luck = below(rng, 32);
    size_t dots = luck < 6 ? 1 + below(rng, 3) : 0;
    size_t size = luck == 31 ? 998 : luck > 28 ? below(rng, 998) : luck > 24 ? 0 : below(rng, 60);

    for (size_t i = 0; i < size; i++) {
        line[i] = i < dots ? '.' : (char)(' ' + (int)((i * 7 + luck) % 90));
    }
    if (size > 0 && device->has_8bit && luck % 2 == 0) {
        line[size / 2] = (char)0xE9;
    }
    return size;
}

static void put_bad_line(device_t *device)
{
    static const char *const bad[] = { "a\rb", "a\r", "\r\rx" };
    static char long_line[999];
    rng_t *rng = &device->rng;
    uint32_t luck = below(rng, 5);

    memset(long_line, 'x', sizeof long_line);
    if (luck < 3) {
        put_text(device, bad[luck], strlen(bad[luck]));
        put_text(device, luck == 1 ? "x\r\n" : "\r\n", luck == 1 ? 3 : 2);
    } else if (luck == 3) {
        put_text(device, "nul\0\r\n", 6);
    } else {
        put_text(device, long_line, sizeof long_line);
        put_text(device, "\r\n", 2);
    }
}

static void draw_message(device_t *device)
{
    rng_t *rng = &device->rng;
    bool has_lf = below(rng, 2) == 0;
    uint32_t count = below(rng, 8) == 0 ? below(rng, 80) : below(rng, 12);
    uint32_t bad_line;
    char line[1000];
    size_t size = 0;

    count = count < device->world->options.line_count ? count : device->world->options.line_count;
    device->text_size = 0;
    device->wire_size = 0;
    device->is_bad = fault(device, FAULT_CONTENT_BAD);
    device->has_8bit = below(rng, 6) == 0 && device->world->options.small == 0;
    bad_line = device->is_bad ? below(rng, count + 1) : UINT32_MAX;
    for (uint32_t i = 0; i < count && device->wire_size < WIRE_BYTES - 2200; i++) {
        if (i == bad_line) {
            put_bad_line(device);
        }
        size = draw_line(device, line);
        put_text(device, line, size);
        put_wire(device, line, size);
        put_text(device, has_lf ? "\n" : "\r\n", has_lf ? 1 : 2);
        put_wire(device, "\r\n", 2);
    }
    if (bad_line != UINT32_MAX && bad_line >= count) {
        put_bad_line(device);
    }
    if (size > 0 && !device->is_bad && below(rng, 4) == 0) {
        device->text_size -= has_lf ? 1 : 2; /* the last line has no end: the wire's gets one */
    }
    device->has_8bit = false;
    for (uint32_t i = 0; i < device->wire_size; i++) {
        device->has_8bit |= device->wire[i] >= 0x80;
    }
    memset(&device->source, 0, sizeof device->source);
    device->source.rewind = source_rewind;
    device->source.next = source_next;
    device->source.self = device;
    device->source.wire_size = device->is_bad || below(rng, 3) == 0 ? MOTE_SIZE_UNKNOWN : (int32_t)device->wire_size;
    device->source.is_8bit = (uint8_t)(below(rng, 3) == 0 ? MOTE_UNKNOWN : device->has_8bit ? MOTE_YES : MOTE_NO);
    device->source.has_lf_lines = has_lf;
    device->source.is_stable = below(rng, 3) == 0;
    if (!has_lf && !device->is_bad && device->text_size == device->wire_size && below(rng, 3) == 0) {
        device->source.is_canonical = MOTE_YES;
    }
}

/* ---- the envelope ------------------------------------------------------------------------------------------------ */

/* The address that a literal names. */
bool literal_ip(const device_t *device, unsigned to, mote_ip_t *ip)
{
    static const mote_ip_t forbidden[FORBIDDEN_COUNT] = {
        { MOTE_FAMILY_IPV4, { 127, 0, 0, 1 } }, { MOTE_FAMILY_IPV4, { 224, 0, 0, 1 } }, { MOTE_FAMILY_IPV6, { 0xFE, 0x80, [15] = 1 } },
    };
    unsigned host = (to - TO_LITERAL) / 2;

    memset(ip, 0, sizeof *ip);
    if (to < TO_LITERAL) {
        return false;
    }
    if (to == TO_OURSELVES) {
        *ip = device->own_address;
    } else if (to >= TO_FORBIDDEN) {
        *ip = forbidden[to - TO_FORBIDDEN];
    } else if (to % 2 == 0) {
        const mote_ip_t ipv4 = { MOTE_FAMILY_IPV4, { 93, (uint8_t)host, 0, 25 } };

        *ip = ipv4;
    } else {
        const mote_ip_t ipv6 = { MOTE_FAMILY_IPV6, { 0x20, 1, 0x0d, 0xb8, 0, (uint8_t)host, [15] = 1 } };

        *ip = ipv6;
    }
    return true;
}

/* Recipients with one key are served together. */
uint8_t hop_of_recipient(const device_t *device, unsigned recipient)
{
    uint8_t domain = device->domains[recipient];

    if (domain == TO_OURSELVES && device->settings.own_address_count > 0) {
        return TO_LOCAL;
    }
    if (domain != TO_LOCAL && domain != TO_RELAY && device->routes[2].kind == MOTE_ROUTE_RELAY) {
        return TO_DEFAULT_RELAY;
    }
    return domain;
}

/* Nobody is asked, and no connection made: the address says enough (DNS-28, MX-22, MX-32). */
bool is_refused(const device_t *device, unsigned recipient)
{
    uint8_t hop = hop_of_recipient(device, recipient);

    return hop >= TO_UNASKED && (hop < TO_LITERAL || !device->settings.allows_literals || (hop >= TO_FORBIDDEN && hop < TO_OURSELVES));
}

/* What stands behind the '@'. Letters of a name come in any case. */
static void write_domain(device_t *device, unsigned to, char *out, size_t capacity)
{
    static const char *const unasked[UNASKED_COUNT] = { "printer.local", "a.localhost", "x.y.invalid", "z.onion" };
    mote_ip_t ip;

    if (literal_ip(device, to, &ip)) {
        if (ip.family == MOTE_FAMILY_IPV4) {
            (void)snprintf(out, capacity, "[%u.%u.%u.%u]", ip.bytes[0], ip.bytes[1], ip.bytes[2], ip.bytes[3]);
        } else {
            size_t size = (size_t)snprintf(out, capacity, "[IPv6:");

            for (unsigned i = 0; i < 8; i++) {
                size += (size_t)snprintf(out + size, capacity - size, "%s%X", i > 0 ? ":" : "",
                                         (unsigned)ip.bytes[2 * i] << 8 | ip.bytes[2 * i + 1]);
            }
            (void)snprintf(out + size, capacity - size, "]");
        }
        counts.literals++;
        return;
    }
    (void)snprintf(out, capacity, "%s", to < DOMAIN_COUNT ? device->world->domains[to].name
                                        : to == TO_LOCAL   ? "local.example"
                                        : to == TO_RELAY   ? "relay.example"
                                                           : unasked[to - TO_UNASKED]);
    for (size_t i = 0; out[i] != '\0' && below(&device->rng, 6) == 0; i++) {
        out[i] = (char)(out[i] >= 'a' && out[i] <= 'z' ? out[i] - 32 : out[i]);
    }
}

static void draw_recipient(device_t *device, unsigned index)
{
    static const char *const shapes[] = { "user%u", "\"a b.%u\"", "x.y+z_%u", "nobody%u",
                                          "l%060uong" };
    rng_t *rng = &device->rng;
    char local_part[72];
    char domain[80];
    uint32_t luck = below(rng, 12);

    (void)snprintf(local_part, sizeof local_part, shapes[luck < 5 ? luck : 0], index);
    luck = below(rng, 16);
    device->domains[index] = (uint8_t)below(rng, DOMAIN_COUNT);
    if (device->world->options.small != 0) {
        (void)snprintf(local_part, sizeof local_part, "user%u", index);
        device->domains[index] = 0;
    } else if (index > 0 && (luck < 6 || device->settings.tries_all_hosts)) {
        device->domains[index] = device->domains[index - 1];
    } else if (luck == 6) {
        device->domains[index] = TO_LOCAL;
    } else if (luck < 9) {
        device->domains[index] = TO_RELAY;
    } else if (luck == 9) {
        device->domains[index] = (uint8_t)(TO_UNASKED + below(rng, TO_COUNT - TO_UNASKED));
    }
    write_domain(device, device->domains[index], domain, sizeof domain);
    (void)snprintf(device->addresses[index], ADDRESS_BYTES, "%s@%s", local_part, domain);
    if (device->domains[index] == TO_LOCAL && index == 0 && below(rng, 3) == 0) {
        (void)snprintf(device->addresses[index], ADDRESS_BYTES, "Postmaster");
    }
    device->duplicates[index] = (uint8_t)index;
    if (index > 0 && below(rng, 24) == 0 && device->world->options.small == 0) {
        device->duplicates[index] = device->duplicates[index - 1];
        device->domains[index] = device->domains[index - 1];
        memcpy(device->addresses[index], device->addresses[index - 1], ADDRESS_BYTES);
    }
}

/* A mail is borrowed until the call that begins the next: two of them take turns. */
static void take_slot(device_t *device)
{
    device->slot ^= 1;
    device->recipients = device->mails[device->slot].recipients;
    device->addresses = device->mails[device->slot].addresses;
    memset(device->recipients, 0xA5, sizeof device->mails[0].recipients); /* what an earlier mail left there counts for nothing */
}

/* Room for a report of this recipient. */
static void give_room(device_t *device, unsigned index)
{
    mote_recipient_t *recipient = &device->recipients[index];

    recipient->address = mote_span_text(device->addresses[index]);
    recipient->text.data = (uint8_t *)device->texts[index];
    recipient->text.capacity = (uint16_t)below(&device->rng, 48);
    recipient->host.data = (uint8_t *)device->hosts[index];
    recipient->host.capacity = (uint16_t)below(&device->rng, 40);
    memset(device->texts[index], 0x5A, sizeof device->texts[index]);
    memset(device->hosts[index], 0x5A, sizeof device->hosts[index]);
}

static void draw_mail(device_t *device)
{
    rng_t *rng = &device->rng;
    uint32_t count = below(rng, 3) == 0 ? 1 + below(rng, RECIPIENT_COUNT) : 1 + below(rng, 2);

    count = count < device->world->options.recipient_count ? count : device->world->options.recipient_count;
    count = device->world->options.small != 0 ? device->world->options.recipient_count : count;
    draw_message(device);
    take_slot(device);
    for (unsigned i = 0; i < count; i++) {
        draw_recipient(device, i);
        give_room(device, i);
    }
    (void)snprintf(device->reverse_path, sizeof device->reverse_path, "device%u@device.example", (unsigned)device->index);
    if (below(rng, 8) == 0) {
        device->reverse_path[0] = '\0';
    }
    device->mail.reverse_path = mote_span_text(device->reverse_path);
    device->mail.recipients = device->recipients;
    device->mail.recipient_count = (uint16_t)count;
    device->mail.source = &device->source;
    device->mails[device->slot].mail = device->mail;
}

/* The mail at hand once more, to those for whom it was too early: the same message from the same sender to the same
   addresses (QUEUE-9). */
static void draw_retry(device_t *device)
{
    const mote_recipient_t *before = device->recipients;
    char (*addresses)[ADDRESS_BYTES] = device->addresses;
    uint16_t count = 0;

    take_slot(device);
    for (unsigned i = 0; i < device->mail.recipient_count; i++) {
        if (before[i].verdict == MOTE_VERDICT_TRANSIENT) {
            memcpy(device->addresses[count], addresses[i], ADDRESS_BYTES);
            device->domains[count] = device->domains[i];
            device->duplicates[count] = 0;
            while (strcmp(device->addresses[device->duplicates[count]], device->addresses[count]) != 0) {
                device->duplicates[count]++;
            }
            give_room(device, count);
            count++;
        }
    }
    device->mail.recipients = device->recipients;
    device->mail.recipient_count = count;
    device->mails[device->slot].mail = device->mail;
    counts.retries++;
}

/* ---- the mailbox ---------------------------------------------------------------------------------------------------- */

enum { BOX_CLOSED, BOX_OPEN };

static mote_status_t box_fails(device_t *device, bool is_begin)
{
    static const mote_status_t errors[] = { MOTE_ERR_QUOTA, MOTE_ERR_STORAGE, MOTE_ERR_TOO_LARGE, MOTE_ERR_NO_MAILBOX };
    mote_status_t status;

    if (!fault(device, FAULT_MAILBOX_FAILS)) {
        return MOTE_OK;
    }
    status = errors[below(&device->rng, is_begin ? 4 : 2)];
    device->witness.may[device->mailbox_recipient] =
        status == MOTE_ERR_NO_MAILBOX || status == MOTE_ERR_TOO_LARGE ? MAY_PERMANENT : MAY_TRANSIENT;
    return status;
}

static mote_status_t box_begin(void *self, mote_span_t reverse_path, const mote_address_t *recipient, int32_t size)
{
    device_t *device = self;
    mote_status_t status;
    unsigned index = 0;

    if (waits(device, FAULT_MAILBOX_WAITS)) {
        return MOTE_PENDING;
    }
    while (index < device->mail.recipient_count && recipient->local_part.data != (const uint8_t *)device->addresses[index]) {
        index++;
    }
    if (index == device->mail.recipient_count || hop_of_recipient(device, index) != TO_LOCAL ||
        !mote_span_equals(reverse_path, device->mail.reverse_path) || size != device->source.wire_size ||
        device->mailbox_step != BOX_CLOSED) {
        violate(device, "the mailbox is opened for somebody else, or twice");
    }
    device->mailbox_recipient = (uint8_t)index;
    status = box_fails(device, true);
    if (status == MOTE_OK) {
        device->mailbox_step = BOX_OPEN;
        device->mailbox_at = 0;
        device->is_mailbox_right = true;
        device->witness.may[index] = device->settings.smtp.is_probe ? MAY_ACCEPT : device->witness.may[index];
    }
    return status;
}

static mote_status_t box_put(void *self, mote_span_t bytes)
{
    device_t *device = self;
    mote_status_t status;

    if (device->mailbox_step != BOX_OPEN || device->settings.smtp.is_probe) {
        violate(device, "content for a mailbox that is closed, or of a probe");
    }
    if (waits(device, FAULT_MAILBOX_WAITS)) {
        return MOTE_PENDING;
    }
    status = box_fails(device, false);
    if (status == MOTE_OK) {
        device->is_mailbox_right = device->is_mailbox_right && device->mailbox_at + bytes.size <= device->wire_size &&
                                   memcmp(device->wire + device->mailbox_at, bytes.data, bytes.size) == 0;
        device->mailbox_at += (uint32_t)bytes.size;
    }
    return status;
}

static mote_status_t box_commit(void *self)
{
    device_t *device = self;
    mote_status_t status;

    if (device->mailbox_step != BOX_OPEN || device->is_bad || device->settings.smtp.is_probe) {
        violate(device, "commit of nothing, or of what is not right");
    }
    if (waits(device, FAULT_MAILBOX_WAITS)) {
        return MOTE_PENDING;
    }
    status = box_fails(device, false);
    if (status == MOTE_OK) {
        if (!device->is_mailbox_right || device->mailbox_at != device->wire_size) {
            violate(device, "the mailbox did not get what was sent");
        }
        device->witness.stored[device->mailbox_recipient]++;
        device->witness.may[device->mailbox_recipient] = MAY_ACCEPT;
        device->mailbox_step = BOX_CLOSED;
    }
    return status;
}

static void box_abort(void *self)
{
    device_t *device = self;

    if (device->mailbox_step != BOX_OPEN) {
        violate(device, "abort of a mailbox that is closed");
    }
    device->mailbox_step = BOX_CLOSED;
}

/* ---- settings for life ------------------------------------------------------------------------------------------------ */

static mote_status_t credentials(void *self, const mote_hop_t *hop, mote_credentials_t *out)
{
    device_t *device = self;

    (void)hop;
    out->user = mote_span_text(device->user);
    out->password = mote_span_text(device->password);
    if (fault(device, FAULT_CREDENTIALS_FAIL)) {
        device->witness.has_given_up = true;
        return MOTE_ERR_AUTH;
    }
    return MOTE_OK;
}

static void draw_timeouts(device_t *device)
{
    rng_t *rng = &device->rng;
    mote_timeouts_t *timeouts = &device->timeouts;
    uint16_t *fields[] = { &timeouts->connect_s,  &timeouts->greeting_s, &timeouts->ehlo_s, &timeouts->starttls_s,
                           &timeouts->auth_s,     &timeouts->mail_s,     &timeouts->rcpt_s, &timeouts->data_s,
                           &timeouts->block_s,    &timeouts->final_s,    &timeouts->reset_s, &timeouts->quit_s };

    memset(timeouts, 0, sizeof *timeouts);
    if (below(rng, 2) == 0) {
        return; /* the RFC's */
    }
    for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        *fields[i] = (uint16_t)(below(rng, 2) == 0 ? 0 : 1 + below(rng, 90));
    }
    timeouts->total_s = (uint16_t)(below(rng, 3) == 0 ? 20 + below(rng, 2000) : 0);
}

static void draw_hop(device_t *device, unsigned index)
{
    static const char *const addresses[] = { "93.8.0.25", "93.9.0.25" };
    rng_t *rng = &device->rng;
    mote_hop_t *hop = &device->hops[index];

    memset(hop, 0, sizeof *hop);
    hop->port = 25;
    hop->tls = (uint8_t)below(rng, 4);
    if (index == 2) { /* for exchangers */
        hop->tls = (uint8_t)(below(rng, 4) == 0 ? MOTE_TLS_REQUIRED + below(rng, 3) : MOTE_TLS_OPPORTUNISTIC);
        return;
    }
    hop->host = mote_span_text(below(rng, 3) == 0 ? addresses[index]
                                                  : device->world->hosts[HOST_COUNT - RELAY_COUNT + index].name);
    hop->implicit = hop->tls < MOTE_TLS_OPPORTUNISTIC && below(rng, 3) == 0;
    hop->port = hop->implicit ? IMPLICIT_PORT : 587;
    hop->allows_plaintext_auth = below(rng, 4) == 0;
    if (below(rng, 4) != 0) {
        hop->mechanisms = (uint8_t)(1 + below(rng, 3));
        hop->credentials = credentials;
        hop->credentials_self = device;
    }
}

static void draw_routes(device_t *device)
{
    static const mote_span_t local = MOTE_SPAN("local.example");
    static const mote_span_t relay = MOTE_SPAN("relay.example");
    uint8_t relay_count = (uint8_t)(1 + below(&device->rng, 2));

    for (unsigned i = 0; i < 3; i++) {
        draw_hop(device, i);
    }
    memset(device->routes, 0, sizeof device->routes);
    device->routes[0].domain = local;
    device->routes[0].kind = MOTE_ROUTE_LOCAL;
    device->routes[1].domain = relay;
    device->routes[1].kind = MOTE_ROUTE_RELAY;
    device->routes[1].hop_count = relay_count;
    device->routes[1].hops = device->hops;
    device->routes[2].kind = MOTE_ROUTE_MX;
    device->routes[2].hop_count = 1;
    device->routes[2].hops = &device->hops[2];
    if (below(&device->rng, 6) == 0) { /* a device that gives all its mail to its relay */
        device->routes[2].kind = MOTE_ROUTE_RELAY;
        device->routes[2].hop_count = relay_count;
        device->routes[2].hops = device->hops;
    }
}

static void draw_secrets(device_t *device)
{
    char plain[520];
    size_t size = below(&device->rng, 4) == 0 ? sizeof device->password - 1 : 6;
    size_t user_size;

    (void)snprintf(device->user, sizeof device->user, "dev%u", (unsigned)device->index);
    memset(device->password, 0, sizeof device->password);
    memset(device->password, 'p', size);
    user_size = strlen(device->user);
    plain[0] = '\0';
    memcpy(plain + 1, device->user, user_size + 1);
    memcpy(plain + 2 + user_size, device->password, size);
    write_base64(device->auth_plain, plain, 2 + user_size + size);
    write_base64(device->auth_user, device->user, user_size);
    write_base64(device->auth_password, device->password, size);
}

static void observe(void *self, mote_event_t event, mote_span_t bytes, uint32_t now_ms)
{
    device_t *device = self;

    (void)now_ms;
    if (event == MOTE_EVENT_SAID && bytes.size >= 8) {
        mote_span_t rest = mote_span_slice(bytes, bytes.size - 8, 8);

        if (memcmp(rest.data, device->auth_password, 8) == 0 || memcmp(rest.data, "pppppppp", 8) == 0) {
            violate(device, "a secret is told to the observer");
        }
    }
}

static void draw_settings(device_t *device)
{
    static const mote_span_t name = MOTE_SPAN("device.example");
    rng_t *rng = &device->rng;
    mote_settings_t *settings = &device->settings;

    memset(settings, 0, sizeof *settings);
    memset(&device->dns, 0, sizeof device->dns);
    device->families = 1 + below(rng, 3);
    device->own_address.family = (uint8_t)(below(rng, 2) == 0 ? MOTE_FAMILY_IPV4 : MOTE_FAMILY_IPV6);
    memset(device->own_address.bytes, 0, sizeof device->own_address.bytes);
    device->own_address.bytes[0] = (uint8_t)(device->own_address.family == MOTE_FAMILY_IPV4 ? 198 : 0x2A);
    device->own_address.bytes[3] = 7;
    device->own_names[0] = name;
    settings->own_names = device->own_names;
    settings->own_name_count = 1;
    settings->own_addresses = &device->own_address;
    settings->own_address_count = (uint8_t)below(rng, 2);
    if (below(rng, 3) != 0) {
        settings->smtp.hello_name = name;
    }
    draw_timeouts(device);
    settings->smtp.timeouts = &device->timeouts;
    device->observer.tell = observe;
    device->observer.self = device;
    settings->smtp.observer = below(rng, 2) == 0 ? &device->observer : NULL;
    settings->smtp.keeps_stream = below(rng, 3) == 0;
    settings->smtp.is_probe = below(rng, 8) == 0 && device->world->options.small == 0;
    settings->tries_all_hosts = settings->smtp.is_probe && below(rng, 2) == 0;
    settings->allows_literals = below(rng, 2) == 0;
    draw_routes(device);
    draw_secrets(device);
    settings->routes = device->routes;
    settings->route_count = 3;
    device->mailbox.begin = box_begin;
    device->mailbox.put = box_put;
    device->mailbox.commit = box_commit;
    device->mailbox.abort = box_abort;
    device->mailbox.self = device;
    settings->mailbox = &device->mailbox;
    device->dns.servers = device->name_servers;
    device->dns.server_count = (uint8_t)(1 + below(rng, NAME_SERVER_COUNT));
    for (unsigned i = 0; i < NAME_SERVER_COUNT; i++) {
        mote_endpoint_t server = { { MOTE_FAMILY_IPV4, { 9, 9, 9, (uint8_t)(i + 1) } }, 53, 0 };

        device->name_servers[i] = server;
    }
    device->dns.mixes_case = below(rng, 3) == 0;
    device->dns.udp_bytes = DATAGRAM_BYTES;
    device->dns.tcp_buffer = below(rng, 8) == 0 ? NULL : device->tcp_buffer;
    device->dns.tcp_capacity = (uint16_t)(below(rng, 4) == 0 ? 512 : 4096);
}

void init_device(world_t *world, device_t *device, uint16_t index)
{
    guarded_t *guarded = device->guarded;

    device->world = world;
    device->index = index;
    device->rng.state = mix(mix(world->options.seed, 2), index);
    device->clock_offset = below(&device->rng, 2) == 0 ? UINT32_MAX - below(&device->rng, 600000) : (uint32_t)draw(&device->rng);
    device->latency_ms = below(&device->rng, 8) == 0 ? below(&device->rng, 2000) : 1 + below(&device->rng, 80);
    device->mail_index = world->options.first_mail;
    device->attempt = 0;
    device->slot = 0;
    device->asked = -1;
    device->is_running = false;
    device->was_started = false;
    device->queued_ms = UINT64_MAX;
    device->partition_ms = 0;
    device->is_done = false;
    device->is_inside = false;
    device->mailbox_step = BOX_CLOSED;
    device->names_size = 0;
    memset(&device->witness, 0, sizeof device->witness);
    memset(&device->session, 0, offsetof(session_t, line));
    memset(guarded->before, 0xA5, GUARD_BYTES);
    memset(guarded->between, 0xA5, GUARD_BYTES);
    memset(guarded->after, 0xA5, GUARD_BYTES);
    memset(device->tcp_buffer + 4096, 0xA5, GUARD_BYTES);
    init_port(device);
    draw_settings(device);
    if (world->options.small != 0) { /* straight to an exchanger */
        device->families = MOTE_FAMILY_IPV4;
        device->latency_ms = 5;
        device->settings.smtp.keeps_stream = false;
        device->hops[2].tls = MOTE_TLS_NONE;
        device->routes[2].kind = MOTE_ROUTE_MX;
        device->routes[2].hop_count = 1;
        device->routes[2].hops = &device->hops[2];
        memset(&device->timeouts, 0, sizeof device->timeouts);
    }
    add_event(world, below(&device->rng, 60000), EVENT_START, device, 0, 0, 0);
}

/* ---- one mail after the other --------------------------------------------------------------------------------------------- */

static void check_guards(device_t *device)
{
    static const uint8_t pattern[8] = { 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5 };
    const guarded_t *guarded = device->guarded;

    for (size_t i = 0; i < GUARD_BYTES; i += sizeof pattern) {
        if (memcmp(guarded->before + i, pattern, 8) != 0 || memcmp(guarded->between + i, pattern, 8) != 0 ||
            memcmp(guarded->after + i, pattern, 8) != 0 || memcmp(device->tcp_buffer + 4096 + i, pattern, 8) != 0) {
            violate(device, "memory beside the library's was written");
        }
    }
    for (unsigned i = 0; i < device->mail.recipient_count; i++) {
        if (memcmp(device->texts[i] + 48, "ZZZZZZZZ", 8) != 0 || memcmp(device->hosts[i] + 40, "ZZZZZZZZ", 8) != 0) {
            violate(device, "memory behind a report was written");
        }
    }
}

/* Somebody's verdict is transient, and the application comes again later. */
static bool wants_retry(device_t *device)
{
    bool is_transient = false;

    for (unsigned i = 0; i < device->mail.recipient_count; i++) {
        is_transient |= device->recipients[i].verdict == MOTE_VERDICT_TRANSIENT;
    }
    return is_transient && device->attempt + 1 < ATTEMPT_COUNT && !device->settings.smtp.is_probe && device->world->options.small == 0 &&
           below(&device->rng, 2) == 0;
}

static void finish_mail(device_t *device)
{
    rng_t *rng = &device->rng;
    uint64_t gap_ms = below(rng, 2) == 0 ? below(rng, 3000)
                                         : (draw(rng) >> 16) % (device->world->end_ms / (device->world->mail_count + 1) + 1);

    device->is_running = false;
    witness_ends(device);
    if (device->stream.state == STREAM_OPEN) { /* kept: the server may tire of it */
        counts.reused++;
        if (fault(device, FAULT_REPLY_UNASKED)) {
            server_says(device, "421 4.4.2 idle\r\n", 16, below(rng, 2000));
            server_ends(device, END_FIN, 0);
        }
    }
    if (wants_retry(device)) {
        device->attempt++;
        gap_ms = 60000 + below(rng, 1800000);
    } else {
        device->attempt = 0;
        device->mail_index++;
    }
    add_event(device->world, device->world->now_ms + gap_ms, EVENT_START, device, 0, 0, 0);
}

static void stop_device(device_t *device)
{
    device->is_inside = true;
    device->witness.was_stopped = true;
    mote_delivery_stop(&device->guarded->delivery, clock_of(device));
    device->is_inside = false;
    tell(device, "        stopped");
}

static void schedule(device_t *device, uint32_t wait_ms)
{
    uint64_t at_ms = device->world->now_ms + wait_ms;

    if (fault(device, FAULT_STEPPED_LATE)) {
        at_ms += below(&device->rng, 5000);
    }
    device->wake_ms = at_ms;
    if (at_ms < device->queued_ms) {
        device->queued_ms = at_ms;
        add_event(device->world, at_ms, EVENT_WAKE, device, 0, 0, 0);
    }
}

void step_device(device_t *device)
{
    mote_delivery_t *delivery = &device->guarded->delivery;
    uint32_t wait_ms = 0;

    if (!device->is_running) {
        return;
    }
    for (unsigned round = 0; wait_ms == 0 && !mote_delivery_has_ended(delivery); round++) {
        if (round > 1000) {
            violate(device, "steps that want to be called at once, for ever");
        }
        if (device->world->now_ms >= device->stop_ms) {
            stop_device(device);
            break;
        }
        counts.steps++;
        device->step_calls = 0;
        device->is_inside = true;
        wait_ms = mote_delivery_step(delivery, clock_of(device));
        device->is_inside = false;
        witness_stepped(device, wait_ms);
        if (fault(device, FAULT_STEPPED_OFTEN)) {
            wait_ms = 0;
        }
    }
    check_guards(device);
    if (mote_delivery_has_ended(delivery)) {
        finish_mail(device);
    } else {
        schedule(device, wait_ms);
    }
}

static bool is_out_of_mails(const device_t *device)
{
    const world_t *world = device->world;

    return device->mail_index >= world->mail_count || device->mail_index > world->options.last_mail ||
           world->now_ms >= world->end_ms;
}

void on_start(device_t *device)
{
    mote_delivery_t *delivery = &device->guarded->delivery;
    mote_buffer_t room = { device->guarded->room, 0, 0 };
    mote_mail_t *mail;
    mote_status_t status;

    if (is_out_of_mails(device)) {
        if (device->was_started) {
            stop_device(device);
        }
        device->is_done = true;
        return;
    }
    device->rng.state = mix(mix(device->world->options.seed, 3 + device->index), device->mail_index + ((uint64_t)device->attempt << 32));
    witness_begins(device);
    if (device->attempt == 0) {
        draw_mail(device);
    } else {
        draw_retry(device);
    }
    mail = &device->mails[device->slot].mail;
    room.capacity = (uint16_t)(MOTE_ROOM_BYTES + below(&device->rng, (uint32_t)(sizeof device->guarded->room - MOTE_ROOM_BYTES)));
    tell(device, "device %u, mail %u, attempt %u", (unsigned)device->index, (unsigned)device->mail_index, (unsigned)device->attempt);
    device->stop_ms = UINT64_MAX;
    if (fault(device, FAULT_STOPPED)) {
        device->stop_ms = device->world->now_ms + below(&device->rng, below(&device->rng, 2) == 0 ? 1000 : 100000);
        poke(device, device->stop_ms);
    }
    device->is_inside = true;
    device->step_calls = 0;
    status = device->was_started && below(&device->rng, 8) != 0
                 ? mote_delivery_next(delivery, mail, clock_of(device))
                 : MOTE_PENDING;
    if (status == MOTE_PENDING) {
        if (device->was_started) {
            mote_delivery_stop(delivery, clock_of(device));
        }
        status = mote_delivery_start(delivery, &device->settings, &device->dns, mail, &device->port, device, room, clock_of(device));
    }
    device->is_inside = false;
    device->was_started = true;
    if (status == MOTE_ERR_RANDOM) { /* it has not started: the next one may */
        device->attempt = 0;
        device->mail_index++;
        add_event(device->world, device->world->now_ms + 1000, EVENT_START, device, 0, 0, 0);
        return;
    }
    if (status != MOTE_OK) {
        violate(device, "the delivery does not start: %s", mote_status_text(status));
    }
    device->is_running = true;
    counts.mails++;
    counts.probes += device->settings.smtp.is_probe ? 1 : 0;
    counts.recipients += device->mail.recipient_count;
    step_device(device);
}
