#include <mailmote/delivery.h>

enum {
    HOST_COUNT = 32,           /* asked for in one attempt: name servers that always know one more keep nobody for ever */
    STEP_ROUND_COUNT = 64,     /* rounds in one step: it does bounded work, then asks to be called again at once */
    OTHER_FAMILY_MS = 2000,    /* for the other family's addresses once one has answered (RFC 8305 3, generously) */
    CONNECT_NEXT_MS = 8000,    /* for a connect while another address is left */
    SECURE_AGAIN_MS = 100,     /* a handshake may wait for what no octet tells: the place that another delivery holds */
    TOTAL_S = 3600,            /* a whole delivery, and 60 s for each recipient and each 64 KiB (RFC 5321 4.5.3.2) */
    TOTAL_PART_S = 60,
    TOTAL_MAX_S = 1000000      /* so that a step a while too late still sees the end behind it: 2^31 ms */
};

enum {
    FLAG_IS_IMPLICIT = 1,    /* no MX records: the domain itself is the host (RFC 5321 5.1) */
    FLAG_IS_LITERAL = 2,     /* the domain is an address */
    FLAG_WAS_SOFT = 4,       /* some failure of this next hop was temporary */
    FLAG_WAS_NOTED = 8,      /* some host of this next hop failed: its report stands */
    FLAG_IPV4_LAST = 16,     /* a connect of that family timed out: the other goes first */
    FLAG_IPV6_LAST = 32,
    FLAG_IS_IPV4 = 64,       /* the address tried last: the next is of the other family */
    FLAG_IN_CLEAR = 128,     /* opportunistic TLS failed with this address: once more without it */
    FLAG_HAS_ANSWER = 256,   /* one family's addresses are in: the other's are not waited for much longer */
    FLAG_WAS_FORBIDDEN = 512,
    FLAG_IS_OURSELVES = 1024,
    FLAG_KEEPS_STREAM = 2048, /* the session is idle, for mote_delivery_next */
    FLAG_IS_REUSED = 4096    /* the session had carried a mail before: its loss says nothing of the host */
};

enum { FILL_BEGIN, FILL_NEXT, FILL_PUT, FILL_COMMIT };

/* ---- small questions ------------------------------------------------------------------------------- */

static bool has(const mote_delivery_t *delivery, unsigned flag)
{
    return (delivery->flags & flag) != 0;
}

static void set(mote_delivery_t *delivery, unsigned flag)
{
    delivery->flags |= (uint16_t)flag;
}

static void clear(mote_delivery_t *delivery, unsigned flag)
{
    delivery->flags &= (uint16_t)~flag;
}

static bool is_mx(const mote_delivery_t *delivery)
{
    return MOTE_FEATURE_MX && delivery->route->kind == MOTE_ROUTE_MX;
}

static bool is_local(const mote_route_t *route)
{
    return MOTE_FEATURE_LOCAL && route->kind == MOTE_ROUTE_LOCAL;
}

static const mote_hop_t *hop_of(const mote_delivery_t *delivery)
{
    return &delivery->route->hops[delivery->hop_index];
}

static mote_recipient_t *lead_of(const mote_delivery_t *delivery)
{
    return &delivery->mail->recipients[delivery->lead];
}

static const mote_span_t nothing = { NULL, 0 };

/* What follows the last '@' of an address, which start has checked; nothing for a bare postmaster. */
static mote_span_t domain_of(mote_span_t address)
{
    size_t at = address.size;

    while (at > 0 && address.data[at - 1] != '@') {
        at--;
    }
    return at > 0 ? mote_span(address.data + at, address.size - at) : nothing;
}

static mote_span_t lead_domain(const mote_delivery_t *delivery)
{
    return domain_of(lead_of(delivery)->address);
}

#if MOTE_FEATURE_MX || MOTE_FEATURE_LOCAL
/* Of a domain, which has at least one octet. */
static bool is_literal(mote_span_t domain)
{
    return domain.data[0] == '[';
}
#endif

static mote_recipient_t *find(const mote_delivery_t *delivery, mote_recipient_t *recipient, unsigned phases)
{
    return mote_mail_find(delivery->mail, recipient, phases);
}

/* The address tried last. */
static mote_endpoint_t peer_of(const mote_delivery_t *delivery)
{
    mote_endpoint_t peer;

    memset(&peer, 0, sizeof peer);
    peer.port = hop_of(delivery)->port;
#if MOTE_FEATURE_IPV6
    if (!has(delivery, FLAG_IS_IPV4)) {
        peer.ip.family = MOTE_FAMILY_IPV6;
        memcpy(peer.ip.bytes, delivery->ipv6[delivery->ipv6_tried - 1], 16);
    }
#endif
#if MOTE_FEATURE_IPV4
    if (has(delivery, FLAG_IS_IPV4)) {
        peer.ip.family = MOTE_FAMILY_IPV4;
        memcpy(peer.ip.bytes, delivery->ipv4[delivery->ipv4_tried - 1], 4);
    }
#endif
    return peer;
}

#if MOTE_FEATURE_TLS || MOTE_FEATURE_OBSERVER
static void write_peer(const mote_delivery_t *delivery, mote_writer_t *out)
{
    mote_endpoint_t peer = peer_of(delivery);

    mote_ip_write(out, &peer.ip);
}
#endif

static void tell(const mote_delivery_t *delivery, mote_event_t event, mote_span_t bytes)
{
#if MOTE_FEATURE_OBSERVER
    const mote_observer_t *observer = delivery->settings->smtp.observer;

    if (observer != NULL) {
        observer->tell(observer->self, event, bytes, delivery->now_ms);
    }
#else
    (void)delivery, (void)event, (void)bytes;
#endif
}

static void tell_address(const mote_delivery_t *delivery, mote_event_t event)
{
#if MOTE_FEATURE_OBSERVER
    uint8_t text[40];
    mote_writer_t out = mote_writer(text, sizeof text);

    write_peer(delivery, &out);
    tell(delivery, event, mote_span(text, mote_writer_stored(&out)));
#else
    (void)delivery, (void)event;
#endif
}

/* ---- verdicts -------------------------------------------------------------------------------------- */

static void settle(mote_delivery_t *delivery, mote_recipient_t *recipient, mote_verdict_t verdict)
{
    mote_recipient_settle(recipient, verdict);
    tell(delivery, MOTE_EVENT_VERDICT, recipient->address);
}

static void settle_all(mote_delivery_t *delivery, unsigned phases, mote_verdict_t verdict)
{
    mote_recipient_t *recipient = delivery->mail->recipients;

    while ((recipient = find(delivery, recipient, phases)) != NULL) {
        settle(delivery, recipient, verdict);
    }
}

/* Writes down why this host or address was left. A temporary reason is not covered by a later permanent one. */
static void note(mote_delivery_t *delivery, const mote_report_t *report, mote_span_t text)
{
    mote_recipient_t *recipient = delivery->mail->recipients;
    bool is_soft = report->enhanced.klass != 5;

    if (!is_soft && has(delivery, FLAG_WAS_SOFT)) {
        return;
    }
    set(delivery, is_soft ? FLAG_WAS_SOFT | FLAG_WAS_NOTED : FLAG_WAS_NOTED);
    for (; (recipient = find(delivery, recipient, MOTE_PHASES_OPEN)) != NULL; recipient++) {
        mote_recipient_note(recipient, report, text);
    }
}

static void note_failure(mote_delivery_t *delivery, mote_stage_t stage, mote_status_t status, unsigned enhanced)
{
    mote_report_t report;

    mote_report_set(&report, stage, status, enhanced);
    note(delivery, &report, nothing);
    tell(delivery, MOTE_EVENT_FAILED, nothing);
}

/* No host is left: the notes become verdicts. */
static void give_up(mote_delivery_t *delivery)
{
    settle_all(delivery, MOTE_PHASES_OPEN,
               has(delivery, FLAG_WAS_SOFT) ? MOTE_VERDICT_TRANSIENT : MOTE_VERDICT_PERMANENT);
    delivery->state = MOTE_DELIVERY_CHOOSE;
}

/* The last word on this next hop. */
static void refuse(mote_delivery_t *delivery, mote_stage_t stage, mote_status_t status, unsigned enhanced)
{
    note_failure(delivery, stage, status, enhanced);
    give_up(delivery);
}

/* The name of an exchanger stands in the lookup, that of a relay in the route. */
static void write_host(const mote_delivery_t *delivery, mote_writer_t *out)
{
    const mote_hop_t *hop = hop_of(delivery);

    if (hop->host.size > 0) {
        mote_write(out, hop->host);
    } else if (has(delivery, FLAG_IS_LITERAL)) {
        mote_write(out, lead_domain(delivery));
    } else {
        mote_dns_name_t name = mote_question_name(&delivery->question);

        mote_dns_name_write(out, &name);
    }
}

/* Whom a report of the session at hand is for. A verdict stands with its report, though a probe of all hosts goes on. */
static mote_recipient_t *find_open(const mote_delivery_t *delivery, mote_recipient_t *recipient)
{
    while ((recipient = find(delivery, recipient, MOTE_PHASES_OPEN)) != NULL && recipient->verdict != MOTE_VERDICT_PENDING) {
        recipient++;
    }
    return recipient;
}

/* Whom the reports speak of from now on. */
static void note_peer(mote_delivery_t *delivery, mote_protection_t protection)
{
    mote_recipient_t *recipient = delivery->mail->recipients;
    mote_endpoint_t peer = peer_of(delivery);

    for (; (recipient = find_open(delivery, recipient)) != NULL; recipient++) {
        recipient->peer = peer.ip;
        recipient->protection = (uint8_t)protection;
    }
}

/* The name of the host at hand goes into the reports; one that does not fit is left out. It is written in the session's
   room, which is idle now and holds any name. */
static void note_host(mote_delivery_t *delivery)
{
    mote_recipient_t *recipient = delivery->mail->recipients;
    mote_writer_t out = mote_writer(delivery->room.data, delivery->room.capacity);

    write_host(delivery, &out);
    for (; (recipient = find_open(delivery, recipient)) != NULL; recipient++) {
        recipient->host.size = (uint16_t)(out.size <= recipient->host.capacity ? out.size : 0);
        if (recipient->host.size > 0) {
            memcpy(recipient->host.data, out.data, out.size);
        }
        recipient->peer.family = 0;
        recipient->protection = MOTE_PROTECTION_NONE;
    }
    tell(delivery, MOTE_EVENT_HOST, mote_span(out.data, out.size));
}

/* ---- start ----------------------------------------------------------------------------------------- */

#if MOTE_FEATURE_MX || MOTE_FEATURE_LOCAL
static bool is_own_address(const mote_delivery_t *delivery, const mote_ip_t *ip)
{
    const mote_settings_t *settings = delivery->settings;

    for (unsigned i = 0; i < settings->own_address_count; i++) {
        if (mote_ip_equals(ip, &settings->own_addresses[i])) {
            return true;
        }
    }
    return false;
}
#endif

#if MOTE_FEATURE_LOCAL
/* A bare postmaster is this machine's, else the relay's business (RFC 5321 4.1.1.3); so are our own addresses. */
static bool is_here(const mote_delivery_t *delivery, mote_span_t domain)
{
    mote_ip_t ip;

    return domain.size == 0 ||
           (is_literal(domain) && mote_ip_parse_literal(domain, &ip) == MOTE_OK && is_own_address(delivery, &ip));
}
#endif

/* The row for the domain of an address. */
static const mote_route_t *find_route(const mote_delivery_t *delivery, mote_span_t domain)
{
    const mote_settings_t *settings = delivery->settings;

#if MOTE_FEATURE_LOCAL
    if (is_here(delivery, domain)) {
        for (unsigned i = 0; i < settings->route_count; i++) {
            if (is_local(&settings->routes[i])) {
                return &settings->routes[i];
            }
        }
    }
#endif
    return mote_route_find(settings->routes, settings->route_count, domain);
}

static bool are_settings(const mote_settings_t *settings, const mote_buffer_t *room)
{
    if (settings->smtp.hello_name.size > 0 && !mote_domain_is_valid(settings->smtp.hello_name)) {
        return false;
    }
    for (size_t i = 0; i < settings->route_count; i++) {
        if (is_local(&settings->routes[i]) && settings->mailbox == NULL) {
            return false;
        }
    }
    return room->capacity >= MOTE_ROOM_BYTES && mote_route_check(settings->routes, settings->route_count) == MOTE_OK;
}

static void clear_recipient(mote_recipient_t *recipient)
{
    recipient->text.size = 0;
    recipient->host.size = 0;
    memset(&recipient->verdict, 0, sizeof *recipient - offsetof(mote_recipient_t, verdict)); /* to the end: all ours */
}

/* Whether another spelling may be all that differs: only quoted strings and literals have several. */
static bool may_be_same(mote_span_t a, mote_span_t b)
{
    return a.size > 0 && (a.data[0] == '"' || b.data[0] == '"' || a.data[a.size - 1] == ']' ||
                          mote_span_equals_ignoring_case(a, b));
}

/* The same mailbox named twice gets one copy (RFC 5321 2.4). Returns the first of its kind. */
static mote_recipient_t *first_of(const mote_mail_t *mail, mote_recipient_t *recipient)
{
    mote_recipient_t *first = mail->recipients;
    mote_address_t address;
    mote_address_t earlier;

    (void)mote_address_parse(recipient->address, &address);
    while (first != recipient && (!may_be_same(first->address, recipient->address) ||
                                  mote_address_parse(first->address, &earlier) != MOTE_OK ||
                                  !mote_address_equals(&earlier, &address))) {
        first++;
    }
    return first;
}

/* The envelope cannot travel so: nothing is sent to anybody. */
static mote_status_t refuse_address(mote_recipient_t *recipient, unsigned enhanced)
{
    mote_report_set(&recipient->report, MOTE_STAGE_ADDRESS, MOTE_ERR_ADDRESS, enhanced);
    mote_recipient_settle(recipient, MOTE_VERDICT_PERMANENT);
    return MOTE_ERR_ADDRESS;
}

static mote_status_t check_recipients(mote_delivery_t *delivery)
{
    mote_mail_t *mail = delivery->mail;
    mote_status_t result = MOTE_OK;

    for (unsigned i = 0; i < mail->recipient_count; i++) {
        mote_recipient_t *recipient = &mail->recipients[i];
        mote_address_t address;

        clear_recipient(recipient);
        if (mote_address_parse(recipient->address, &address) != MOTE_OK) {
            result = refuse_address(recipient, MOTE_ENHANCED(5, 1, 3));
        } else if (find_route(delivery, address.domain) == NULL) {
            return MOTE_ERR_ARGUMENT;
        } else if (first_of(mail, recipient) != recipient) {
            recipient->phase = MOTE_PHASE_DUPLICATE;
        }
    }
    return result;
}

static mote_status_t check_reverse_path(mote_delivery_t *delivery)
{
    mote_mail_t *mail = delivery->mail;
    mote_address_t address;

    if (mail->reverse_path.size == 0 || (mote_address_parse(mail->reverse_path, &address) == MOTE_OK &&
                                         address.kind != MOTE_ADDRESS_POSTMASTER)) {
        return MOTE_OK;
    }
    for (unsigned i = 0; i < mail->recipient_count; i++) {
        (void)refuse_address(&mail->recipients[i], MOTE_ENHANCED(5, 1, 7));
    }
    return MOTE_ERR_ADDRESS;
}

static uint32_t total_ms(const mote_delivery_t *delivery)
{
    const mote_timeouts_t *timeouts = delivery->settings->smtp.timeouts;
    int32_t size = delivery->mail->source->wire_size;
    uint32_t total_s = TOTAL_S + TOTAL_PART_S * (uint32_t)delivery->mail->recipient_count;

    if (timeouts != NULL && timeouts->total_s != 0) {
        return timeouts->total_s * UINT32_C(1000);
    }
    if (size > 0) {
        total_s += TOTAL_PART_S * ((uint32_t)size >> 16);
    }
    return (total_s < TOTAL_MAX_S ? total_s : TOTAL_MAX_S) * UINT32_C(1000);
}

/* What start and next have in common: a mail comes in. */
static mote_status_t take_mail(mote_delivery_t *delivery, mote_mail_t *mail)
{
    mote_status_t status;

    delivery->mail = mail;
    delivery->since_ms = delivery->now_ms;
    delivery->state = MOTE_DELIVERY_ENDED;
    if (mail->recipient_count == 0 || mail->recipients == NULL || mail->source == NULL) {
        return MOTE_ERR_ARGUMENT;
    }
    status = check_recipients(delivery);
    if (status == MOTE_OK) {
        status = check_reverse_path(delivery);
    }
    if (status == MOTE_OK) {
        status = delivery->port->random(delivery->self, (uint8_t *)&delivery->seed, sizeof delivery->seed);
    }
    if (status == MOTE_OK) {
        delivery->end_ms = delivery->now_ms + total_ms(delivery);
        delivery->state = MOTE_DELIVERY_CHOOSE;
    }
    return status;
}

mote_status_t mote_delivery_start(mote_delivery_t *delivery, const mote_settings_t *settings,
                                  const mote_dns_settings_t *dns, mote_mail_t *mail, const mote_port_t *port,
                                  void *port_self, mote_buffer_t room, uint32_t now_ms)
{
    memset(delivery, 0, sizeof *delivery);
    delivery->settings = settings;
    delivery->dns = dns;
    delivery->port = port;
    delivery->self = port_self;
    delivery->room = room;
    delivery->mail = mail;
    delivery->now_ms = now_ms;
    delivery->state = MOTE_DELIVERY_ENDED;
    if (!are_settings(settings, &room)) {
        return MOTE_ERR_ARGUMENT;
    }
    return take_mail(delivery, mail);
}

/* ---- which recipients ------------------------------------------------------------------------------ */

/* Whether a recipient goes the same way as the lead: through the same relay, or to the same domain. */
static bool is_with_lead(const mote_delivery_t *delivery, const mote_recipient_t *recipient)
{
    mote_span_t domain = domain_of(recipient->address);

    return find_route(delivery, domain) == delivery->route && !is_local(delivery->route) &&
           (!is_mx(delivery) || mote_span_equals_ignoring_case(domain, lead_domain(delivery)));
}

/* Every verdict is in: the same mailbox named again takes its first one's. */
static void settle_duplicates(mote_delivery_t *delivery)
{
    mote_recipient_t *recipient = delivery->mail->recipients;

    while ((recipient = find(delivery, recipient, MOTE_PHASES(DUPLICATE))) != NULL) {
        const mote_recipient_t *first = first_of(delivery->mail, recipient);
        mote_writer_t out = mote_writer(recipient->host.data, recipient->host.capacity);

        mote_recipient_note(recipient, &first->report, mote_buffer_span(&first->text));
        recipient->peer = first->peer;
        recipient->protection = first->protection;
        mote_write(&out, mote_buffer_span(&first->host));
        recipient->host.size = (uint16_t)(mote_writer_overflowed(&out) ? 0 : out.size);
        settle(delivery, recipient, (mote_verdict_t)first->verdict);
    }
}

static mote_recipient_t *find_waiting(const mote_delivery_t *delivery)
{
    return find(delivery, delivery->mail->recipients, MOTE_PHASES(WAITING));
}

static void begin_hop(mote_delivery_t *delivery);
#if MOTE_FEATURE_MX
static void begin_exchangers(mote_delivery_t *delivery);
#endif

/* The first recipient whose turn has not come leads; everybody who goes the same way is chosen with it. */
static bool choose_recipients(mote_delivery_t *delivery)
{
    mote_recipient_t *recipient = find_waiting(delivery);

    if (recipient == NULL) {
        return false;
    }
    delivery->lead = (uint16_t)(recipient - delivery->mail->recipients);
    delivery->route = find_route(delivery, domain_of(recipient->address));
    recipient->phase = MOTE_PHASE_CHOSEN;
    while ((recipient = find(delivery, recipient + 1, MOTE_PHASES(WAITING))) != NULL) {
        if (is_with_lead(delivery, recipient)) {
            recipient->phase = MOTE_PHASE_CHOSEN;
        }
    }
    return true;
}

/* No session is at hand: its memory serves the lookup of the next host. */
static void begin_lookup(mote_delivery_t *delivery)
{
    mote_lookup_init(&delivery->at.lookup, &delivery->question, delivery->port, delivery->self);
}

/* From the first host on. */
static void begin_route(mote_delivery_t *delivery)
{
    begin_lookup(delivery);
    delivery->flags = 0;
    delivery->hop_index = 0;
    delivery->address_count = 0;
    delivery->session_count = 0;
    delivery->host_count = 0;
#if MOTE_FEATURE_LOCAL
    if (is_local(delivery->route)) {
        delivery->at.filling.step = FILL_BEGIN;
        delivery->state = MOTE_DELIVERY_AWAIT_MAILBOX;
        return;
    }
#endif
#if MOTE_FEATURE_MX
    if (is_mx(delivery)) {
        begin_exchangers(delivery);
        return;
    }
#endif
    begin_hop(delivery);
}

static void choose(mote_delivery_t *delivery)
{
    if (!choose_recipients(delivery)) {
        settle_duplicates(delivery);
        delivery->state = MOTE_DELIVERY_ENDED;
        return;
    }
    tell(delivery, MOTE_EVENT_ROUTE,
         delivery->route->kind == MOTE_ROUTE_RELAY ? delivery->route->hops[0].host : lead_domain(delivery));
    begin_route(delivery);
}

/* ---- which host ------------------------------------------------------------------------------------ */

#if MOTE_FEATURE_MX
/* What speaks against an address, as a flag. Where DNS led us, not everything may be connected to (MX-21 to 23). */
static unsigned objection_to(const mote_delivery_t *delivery, const mote_ip_t *ip)
{
    const mote_settings_t *settings = delivery->settings;
    mote_reach_t reach = mote_ip_reach(ip);

    if (is_own_address(delivery, ip) || (reach == MOTE_REACH_LOOPBACK && !settings->allows_loopback)) {
        return FLAG_IS_OURSELVES;
    }
    return reach == MOTE_REACH_NEVER || (reach == MOTE_REACH_PRIVATE && settings->refuses_private) ? FLAG_WAS_FORBIDDEN
                                                                                                   : 0;
}
#endif

static void add_address(mote_delivery_t *delivery, const mote_ip_t *ip)
{
#if MOTE_FEATURE_MX
    unsigned objection = is_mx(delivery) ? objection_to(delivery, ip) : 0; /* a relay was named by the caller */

    set(delivery, objection);
    if (objection != 0) {
        return;
    }
#endif
#if MOTE_FEATURE_IPV4
    if (ip->family == MOTE_FAMILY_IPV4 && delivery->ipv4_count < MOTE_HOST_ADDRESS_COUNT) {
        memcpy(delivery->ipv4[delivery->ipv4_count++], ip->bytes, 4);
    }
#endif
#if MOTE_FEATURE_IPV6
    if (ip->family == MOTE_FAMILY_IPV6 && delivery->ipv6_count < MOTE_HOST_ADDRESS_COUNT) {
        memcpy(delivery->ipv6[delivery->ipv6_count++], ip->bytes, 16);
    }
#endif
}

static void begin_host(mote_delivery_t *delivery)
{
    delivery->ipv4_count = 0;
    delivery->ipv6_count = 0;
    delivery->ipv4_tried = 0;
    delivery->ipv6_tried = 0;
    clear(delivery, FLAG_IN_CLEAR | FLAG_HAS_ANSWER | FLAG_IS_OURSELVES | FLAG_WAS_FORBIDDEN | FLAG_IS_IPV4);
}

#if MOTE_FEATURE_MX
/* The way leads back here: this preference and all worse ones are out (RFC 5321 5.1). */
static void leave_ourselves(mote_delivery_t *delivery)
{
    if (delivery->rank.preference != 0) {
        delivery->limit = delivery->rank.preference - 1;
    }
    note_failure(delivery, MOTE_STAGE_HOST, MOTE_ERR_OURSELVES, MOTE_ENHANCED(5, 4, 6));
}
#endif

static bool has_address(const mote_delivery_t *delivery)
{
    return delivery->ipv4_tried < delivery->ipv4_count || delivery->ipv6_tried < delivery->ipv6_count;
}

/* An attempt is bounded in addresses and sessions (Postfix's manner); a probe of all hosts is not. */
static bool may_try_more(const mote_delivery_t *delivery)
{
    return delivery->settings->tries_all_hosts || (delivery->address_count < MOTE_ATTEMPT_ADDRESS_COUNT &&
                                                   delivery->session_count < MOTE_ATTEMPT_SESSION_COUNT);
}

#if MOTE_FEATURE_MX
static void ask_mx(mote_delivery_t *delivery);
#endif

static void next_host(mote_delivery_t *delivery)
{
    begin_lookup(delivery);
    if (++delivery->host_count == HOST_COUNT) {
        refuse(delivery, MOTE_STAGE_HOST, MOTE_ERR_DNS, MOTE_ENHANCED(4, 4, 4)); /* soft: others may be left */
    } else if (!may_try_more(delivery)) {
        give_up(delivery);
#if MOTE_FEATURE_MX
    } else if (is_mx(delivery) && !has(delivery, FLAG_IS_IMPLICIT | FLAG_IS_LITERAL)) {
        ask_mx(delivery);
#endif
    } else if (delivery->hop_index + 1 < delivery->route->hop_count) { /* a route by MX has one */
        delivery->hop_index++;
        begin_hop(delivery);
    } else {
        give_up(delivery);
    }
}

static void await(mote_delivery_t *delivery, mote_delivery_state_t state)
{
    delivery->state = (uint8_t)state;
    delivery->since_ms = delivery->now_ms;
}

/* What is left of the time for what is awaited. */
static uint32_t left_of(const mote_delivery_t *delivery, uint32_t limit_ms)
{
    uint32_t waited_ms = delivery->now_ms - delivery->since_ms;

    return waited_ms < limit_ms ? limit_ms - waited_ms : 0;
}

/* Asks for the addresses of a name: an exchanger's or the domain's own (implicit MX). NULL: the relay's. A question that
   may not or cannot be asked has ended at once, like one without an answer. */
static void ask_host(mote_delivery_t *delivery, const mote_dns_name_t *name)
{
    unsigned families = delivery->port->families(delivery->self);
    mote_lookup_t *lookup = &delivery->at.lookup;

    begin_host(delivery);
    if (delivery->dns == NULL || families == 0) {
        refuse(delivery, MOTE_STAGE_HOST, families == 0 ? MOTE_ERR_NO_ADDRESS : MOTE_ERR_DNS, MOTE_ENHANCED(4, 4, 4));
        return;
    }
    if (name != NULL) {
        (void)mote_resolver_start_name(&lookup->resolver, delivery->dns, &lookup->random, name, MOTE_RESOLVER_ADDRESSES,
                                       families, delivery->now_ms);
    } else {
        (void)mote_resolver_start(&lookup->resolver, delivery->dns, &lookup->random, hop_of(delivery)->host,
                                  MOTE_RESOLVER_ADDRESSES, families, delivery->now_ms);
    }
    note_host(delivery);
    await(delivery, MOTE_DELIVERY_AWAIT_HOST);
}

/* The host is an address: there is nothing to ask for. */
static void take_address(mote_delivery_t *delivery, const mote_ip_t *ip)
{
    begin_host(delivery);
    note_host(delivery);
    add_address(delivery, ip);
    delivery->state = MOTE_DELIVERY_PICK;
}

/* A relay's turn. */
static void begin_hop(mote_delivery_t *delivery)
{
    mote_ip_t ip;

    if (mote_ip_parse(hop_of(delivery)->host, &ip) == MOTE_OK) {
        take_address(delivery, &ip);
    } else {
        ask_host(delivery, NULL);
    }
}

static bool is_looking_up(const mote_delivery_t *delivery)
{
    return delivery->state == MOTE_DELIVERY_AWAIT_MX || delivery->state == MOTE_DELIVERY_AWAIT_HOST;
}

static void stop_lookup(mote_delivery_t *delivery)
{
    mote_lookup_stop(&delivery->at.lookup);
}

#if MOTE_FEATURE_MX
static void ask_mx(mote_delivery_t *delivery)
{
    mote_span_t domain = lead_domain(delivery);
    mote_lookup_t *lookup = &delivery->at.lookup;

    if (delivery->dns == NULL) {
        refuse(delivery, MOTE_STAGE_MX, MOTE_ERR_DNS, MOTE_ENHANCED(4, 4, 4));
        return;
    }
    (void)mote_resolver_start(&lookup->resolver, delivery->dns, &lookup->random, domain, MOTE_RESOLVER_MX, 0,
                              delivery->now_ms);
    tell(delivery, MOTE_EVENT_ASKING_MX, domain);
    await(delivery, MOTE_DELIVERY_AWAIT_MX);
}

static void begin_literal(mote_delivery_t *delivery, const mote_ip_t *ip)
{
    set(delivery, FLAG_IS_LITERAL);
    take_address(delivery, ip);
    if (has(delivery, FLAG_IS_OURSELVES)) {
        leave_ourselves(delivery);
        give_up(delivery);
    } else if (has(delivery, FLAG_WAS_FORBIDDEN)) {
        refuse(delivery, MOTE_STAGE_HOST, MOTE_ERR_FORBIDDEN, MOTE_ENHANCED(5, 4, 4));
    }
}

/* The mail exchangers' turn, from the first on. A literal names the host itself; a bare postmaster names none. */
static void begin_exchangers(mote_delivery_t *delivery)
{
    mote_span_t domain = lead_domain(delivery);
    mote_ip_t ip;

    memset(&delivery->rank, 0, sizeof delivery->rank);
    delivery->limit = MOTE_MX_NO_LIMIT;
    if (domain.size > 0 && !is_literal(domain)) {
        ask_mx(delivery);
    } else if (delivery->settings->allows_literals && mote_ip_parse_literal(domain, &ip) == MOTE_OK) {
        begin_literal(delivery, &ip);
    } else {
        refuse(delivery, MOTE_STAGE_ROUTE, MOTE_ERR_ADDRESS, MOTE_ENHANCED(5, 1, 2));
    }
}

static void on_mx(mote_delivery_t *delivery, const mote_dns_answer_t *answer)
{
    const mote_settings_t *settings = delivery->settings;
    mote_dns_name_t host;
    mote_status_t status = mote_mx_next(answer, delivery->seed, settings->own_names, settings->own_name_count,
                                        &delivery->rank, &delivery->limit, &host);

    if (status == MOTE_OK) {
        ask_host(delivery, &host); /* copies the name: the answer may go now */
    } else if (status == MOTE_ERR_NO_DATA && has(delivery, FLAG_WAS_NOTED)) {
        give_up(delivery); /* no exchanger is left */
    } else {
        refuse(delivery, MOTE_STAGE_MX, status,
               status == MOTE_ERR_NULL_MX     ? MOTE_ENHANCED(5, 1, 10)
               : status == MOTE_ERR_OURSELVES ? MOTE_ENHANCED(5, 4, 6)
                                              : MOTE_ENHANCED(5, 4, 4));
    }
}

static void on_mx_end(mote_delivery_t *delivery)
{
    mote_status_t status = mote_resolver_status(&delivery->at.lookup.resolver, 0);
    mote_dns_name_t name = mote_question_name(&delivery->question);

    if (status == MOTE_ERR_NO_DATA && !has(delivery, FLAG_WAS_NOTED)) {
        set(delivery, FLAG_IS_IMPLICIT); /* RFC 5321 5.1: the domain itself, with preference 0 */
        ask_host(delivery, &name);
    } else if (status == MOTE_ERR_NO_NAME && !has(delivery, FLAG_WAS_NOTED)) {
        refuse(delivery, MOTE_STAGE_MX, status, MOTE_ENHANCED(5, 1, 2));
    } else {
        refuse(delivery, MOTE_STAGE_MX, status, MOTE_ENHANCED(4, 4, 3)); /* never the domain's own address */
    }
}
#endif

static void on_addresses(mote_delivery_t *delivery, mote_dns_answer_t *answer)
{
    mote_dns_record_t record;

    while (mote_dns_next(answer, &record)) {
        add_address(delivery, &record.ip);
    }
    set(delivery, FLAG_HAS_ANSWER);
    delivery->since_ms = delivery->now_ms;
}

/* Takes an answer, while its bytes are lent. */
static MOTE_NOINLINE void on_answer(mote_delivery_t *delivery, mote_dns_answer_t *answer)
{
#if MOTE_FEATURE_MX
    if (delivery->state == MOTE_DELIVERY_AWAIT_MX) {
        on_mx(delivery, answer);
        stop_lookup(delivery);
        return;
    }
#endif
    on_addresses(delivery, answer);
}

/* Moves the lookup. CLOSED: it is over. PENDING: *wait_ms says how long. */
static MOTE_NOINLINE mote_status_t look_up(mote_delivery_t *delivery, uint32_t *wait_ms)
{
    mote_dns_answer_t answer;
    mote_status_t status = mote_lookup_step(&delivery->at.lookup, delivery->now_ms, wait_ms, &answer);

    if (status == MOTE_OK) {
        on_answer(delivery, &answer);
    }
    return status;
}

#if MOTE_FEATURE_MX
static uint32_t await_mx(mote_delivery_t *delivery)
{
    uint32_t wait_ms = 0;

    if (look_up(delivery, &wait_ms) == MOTE_CLOSED) {
        on_mx_end(delivery);
    }
    return wait_ms;
}
#endif

/* What the lookup of a host without a usable address means (conformance: a soft error outranks a hard one). */
static void lose_host(mote_delivery_t *delivery)
{
    mote_status_t result = MOTE_ERR_NO_DATA;
    bool is_missing;
    mote_report_t report;

    for (unsigned slot = 0; slot < MOTE_RESOLVER_SLOT_COUNT; slot++) {
        mote_status_t status = mote_resolver_status(&delivery->at.lookup.resolver, slot);

        if (status != MOTE_OK && status != MOTE_ERR_NO_DATA &&
            (status != MOTE_ERR_NO_NAME || result == MOTE_ERR_NO_DATA)) {
            result = status;
        }
    }
    is_missing = result == MOTE_ERR_NO_DATA || result == MOTE_ERR_NO_NAME;
    if (is_missing && has(delivery, FLAG_WAS_FORBIDDEN)) {
        result = MOTE_ERR_FORBIDDEN;
    }
    mote_report_set(&report, MOTE_STAGE_HOST, result,
                    !is_missing         ? MOTE_ENHANCED(4, 4, 3)
                    : is_mx(delivery) ? MOTE_ENHANCED(5, 4, 4)
                                      : MOTE_ENHANCED(4, 4, 4));
    report.held = is_missing && !is_mx(delivery); /* one's own relay does not exist: a configuration fault */
    note(delivery, &report, nothing);
    tell(delivery, MOTE_EVENT_FAILED, nothing);
    next_host(delivery);
}

static void on_host_end(mote_delivery_t *delivery)
{
#if MOTE_FEATURE_MX
    if (has(delivery, FLAG_IS_OURSELVES)) {
        leave_ourselves(delivery);
        next_host(delivery);
        return;
    }
#endif
    delivery->state = MOTE_DELIVERY_PICK;
    if (!has_address(delivery)) {
        lose_host(delivery);
    }
}

static uint32_t await_host(mote_delivery_t *delivery)
{
    uint32_t wait_ms = 0;
    mote_status_t status = look_up(delivery, &wait_ms);
    uint32_t left_ms;

    if (status == MOTE_PENDING && has(delivery, FLAG_HAS_ANSWER) && has_address(delivery)) {
        left_ms = left_of(delivery, OTHER_FAMILY_MS);
        wait_ms = left_ms < wait_ms ? left_ms : wait_ms;
        if (left_ms == 0) {
            stop_lookup(delivery);
            status = MOTE_CLOSED;
        }
    }
    if (status == MOTE_CLOSED) {
        on_host_end(delivery);
    }
    return wait_ms;
}

/* ---- which address, and the stream ----------------------------------------------------------------- */

/* Families alternate; one that timed out goes last; IPv6 first (RFC 6724). */
static void turn_to_address(mote_delivery_t *delivery)
{
    bool is_ipv6 = !has(delivery, FLAG_IPV6_LAST);

    if (delivery->address_count > 0 && !has(delivery, FLAG_IPV4_LAST | FLAG_IPV6_LAST)) {
        is_ipv6 = has(delivery, FLAG_IS_IPV4);
    }
    is_ipv6 = delivery->ipv4_tried == delivery->ipv4_count || (is_ipv6 && delivery->ipv6_tried < delivery->ipv6_count);
    clear(delivery, FLAG_IS_IPV4 | FLAG_IN_CLEAR);
    if (is_ipv6) {
        delivery->ipv6_tried++;
    } else {
        delivery->ipv4_tried++;
        set(delivery, FLAG_IS_IPV4);
    }
}

static void begin_connect(mote_delivery_t *delivery)
{
    tell_address(delivery, MOTE_EVENT_CONNECTING);
    await(delivery, MOTE_DELIVERY_AWAIT_CONNECT);
}

static void pick(mote_delivery_t *delivery)
{
    if (!has_address(delivery) || !may_try_more(delivery)) {
        next_host(delivery);
        return;
    }
    turn_to_address(delivery);
    delivery->address_count++;
    note_peer(delivery, MOTE_PROTECTION_NONE);
    begin_connect(delivery);
}

/* This address is left, with the words of whoever said why. */
static void leave_address(mote_delivery_t *delivery, mote_stage_t stage, mote_status_t status, mote_span_t words)
{
    mote_report_t report;

    mote_report_set(&report, stage, status, stage == MOTE_STAGE_TLS ? MOTE_ENHANCED(4, 7, 5) : MOTE_ENHANCED(4, 4, 1));
    delivery->port->abort(delivery->self);
    note(delivery, &report, words);
    tell(delivery, MOTE_EVENT_FAILED, words);
    delivery->state = MOTE_DELIVERY_PICK;
}

static void begin_session(mote_delivery_t *delivery, mote_protection_t protection)
{
    bool in_clear = has(delivery, FLAG_IN_CLEAR) || delivery->port->secure == NULL;

    mote_smtp_start(&delivery->at.smtp, &delivery->settings->smtp, hop_of(delivery), delivery->mail, &delivery->own_ip,
                    delivery->room, protection, in_clear, delivery->now_ms);
    await(delivery, MOTE_DELIVERY_AWAIT_SESSION);
}

#if MOTE_FEATURE_MX
/* DNS has led back here (MX-20). */
static bool is_ourselves(const mote_delivery_t *delivery)
{
    mote_endpoint_t peer = peer_of(delivery);

    return is_mx(delivery) && !delivery->settings->allows_loopback && mote_ip_equals(&delivery->own_ip, &peer.ip);
}
#endif

static void on_connect(mote_delivery_t *delivery)
{
    tell_address(delivery, MOTE_EVENT_CONNECTED);
    if (delivery->port->own_address(delivery->self, &delivery->own_ip) != MOTE_OK) {
        leave_address(delivery, MOTE_STAGE_CONNECT, MOTE_ERR_NO_ADDRESS, nothing);
#if MOTE_FEATURE_MX
    } else if (is_ourselves(delivery)) {
        delivery->port->abort(delivery->self);
        leave_ourselves(delivery);
        next_host(delivery);
#endif
#if MOTE_FEATURE_TLS
    } else if (hop_of(delivery)->implicit) {
        await(delivery, MOTE_DELIVERY_AWAIT_SECURE);
#endif
    } else {
        begin_session(delivery, MOTE_PROTECTION_NONE);
    }
}

static uint32_t connect_ms(const mote_delivery_t *delivery)
{
    uint32_t ms = mote_smtp_timeout_ms(&delivery->settings->smtp, MOTE_TIMEOUT_CONNECT);

    return has_address(delivery) && ms > CONNECT_NEXT_MS ? CONNECT_NEXT_MS : ms;
}

static MOTE_NOINLINE uint32_t await_connect(mote_delivery_t *delivery)
{
    mote_endpoint_t peer = peer_of(delivery);
    mote_status_t status = delivery->port->connect(delivery->self, &peer);
    uint32_t left_ms = left_of(delivery, connect_ms(delivery));

    if (status == MOTE_PENDING && left_ms > 0) {
        return left_ms;
    }
    if (status == MOTE_OK) {
        on_connect(delivery);
        return 0;
    }
    if (status == MOTE_PENDING) {
        status = MOTE_ERR_TIMEOUT;
        clear(delivery, FLAG_IPV4_LAST | FLAG_IPV6_LAST);
        set(delivery, has(delivery, FLAG_IS_IPV4) ? FLAG_IPV4_LAST : FLAG_IPV6_LAST);
    }
    leave_address(delivery, MOTE_STAGE_CONNECT, status, nothing);
    return 0;
}

#if MOTE_FEATURE_TLS
/* ---- TLS ------------------------------------------------------------------------------------------- */

/* One call of the port's secure. The name is written into the session's room, which is idle meanwhile. */
static mote_status_t secure(mote_delivery_t *delivery, mote_tls_result_t *result)
{
    const mote_hop_t *hop = hop_of(delivery);
    mote_tls_policy_t policy = { hop->host, hop->tls == MOTE_TLS_VERIFIED };
    mote_writer_t out = mote_writer(delivery->room.data, delivery->room.capacity);
    mote_status_t status;

    memset(result, 0, sizeof *result);
    if (delivery->port->secure == NULL) {
        return MOTE_ERR_TLS_MISSING;
    }
    if (hop->host.size == 0) {
        if (has(delivery, FLAG_IS_LITERAL)) {
            write_peer(delivery, &out);
        } else {
            write_host(delivery, &out);
        }
        policy.name = mote_span(delivery->room.data, mote_writer_stored(&out));
    }
    status = delivery->port->secure(delivery->self, &policy, result);
    if (status == MOTE_OK && policy.verifies && result->protection != MOTE_PROTECTION_VERIFIED) {
        status = MOTE_ERR_TLS_UNTRUSTED;
    }
    if (status == MOTE_OK) {
        note_peer(delivery, (mote_protection_t)result->protection);
        tell(delivery, MOTE_EVENT_SECURED, result->words);
    }
    return status;
}

static MOTE_NOINLINE uint32_t await_secure(mote_delivery_t *delivery)
{
    uint32_t left_ms = left_of(delivery, mote_smtp_timeout_ms(&delivery->settings->smtp, MOTE_TIMEOUT_STARTTLS));
    mote_tls_result_t result;
    mote_status_t status = secure(delivery, &result);

    if (status == MOTE_PENDING && left_ms > 0) {
        return left_ms < SECURE_AGAIN_MS ? left_ms : SECURE_AGAIN_MS;
    }
    if (status == MOTE_OK) {
        begin_session(delivery, (mote_protection_t)result.protection);
    } else {
        leave_address(delivery, MOTE_STAGE_TLS, status == MOTE_PENDING ? MOTE_ERR_TIMEOUT : status, result.words);
    }
    return 0;
}
#endif

/* ---- the session ----------------------------------------------------------------------------------- */

/* Hands the session what came. Returns whether anything moved. */
static bool hear(mote_delivery_t *delivery)
{
    mote_smtp_t *smtp = &delivery->at.smtp;
    mote_span_t bytes;
    mote_status_t status;
    size_t used;

    if (mote_smtp_state(smtp) == MOTE_SMTP_AWAIT_SECURE || mote_smtp_state(smtp) == MOTE_SMTP_ENDED) {
        return false;
    }
    status = delivery->port->lend(delivery->self, &bytes);
    if (status == MOTE_PENDING) {
        return false;
    }
    if (status != MOTE_OK) {
        mote_smtp_lost(smtp, status, delivery->now_ms);
        return true;
    }
    used = mote_smtp_input(smtp, bytes, delivery->now_ms);
    delivery->port->taken(delivery->self, used);
    return used > 0;
}

/* Hands the port what the session says. Returns whether anything moved. */
static bool speak(mote_delivery_t *delivery)
{
    mote_smtp_t *smtp = &delivery->at.smtp;
    mote_span_t bytes;
    unsigned flags;
    unsigned send_flags = 0;
    size_t taken = 0;
    mote_status_t status = mote_smtp_output(smtp, delivery->now_ms, &bytes, &flags);

    if (status != MOTE_OK) {
        return false;
    }
    send_flags |= (flags & MOTE_OUTPUT_MORE) != 0 ? MOTE_SEND_MORE : 0U;
    send_flags |= (flags & MOTE_OUTPUT_STABLE) != 0 ? MOTE_SEND_STABLE : 0U;
    status = delivery->port->send(delivery->self, bytes, send_flags, &taken);
    if (status == MOTE_OK) {
        if ((flags & MOTE_OUTPUT_CONTENT) != 0) {
            tell(delivery, MOTE_EVENT_CONTENT, mote_span(bytes.data, taken));
        }
        mote_smtp_sent(smtp, taken, delivery->now_ms);
        return taken > 0;
    }
    if (status == MOTE_PENDING) {
        return false;
    }
    /* What the server said before it went away stands first: it may be the reason. */
    while (hear(delivery)) {
    }
    mote_smtp_lost(smtp, status, delivery->now_ms); /* nothing to one that has ended */
    return true;
}

#if MOTE_FEATURE_TLS
static bool secure_session(mote_delivery_t *delivery)
{
    mote_smtp_t *smtp = &delivery->at.smtp;
    mote_tls_result_t result;
    mote_status_t status;

    if (mote_smtp_state(smtp) != MOTE_SMTP_AWAIT_SECURE) {
        return false;
    }
    status = secure(delivery, &result);
    if (status == MOTE_PENDING) {
        return false;
    }
    mote_smtp_secured(smtp, status, (mote_protection_t)result.protection, delivery->now_ms);
    if (status != MOTE_OK) {
        mote_report_t report;

        mote_report_set(&report, MOTE_STAGE_TLS, status, MOTE_ENHANCED(4, 7, 5));
        note(delivery, &report, result.words);
    }
    return true;
}
#endif

static void end_stream(mote_delivery_t *delivery)
{
    if (mote_smtp_is_cut(&delivery->at.smtp)) {
        delivery->port->abort(delivery->self);
    } else {
        delivery->port->close(delivery->self);
    }
}

/* A probe of all hosts goes on after a verdict: the recipients are open again, and the first verdict stands. */
static void reopen(mote_delivery_t *delivery)
{
    mote_recipient_t *recipient = lead_of(delivery);

    set(delivery, FLAG_WAS_NOTED);
    for (; (recipient = find(delivery, recipient, MOTE_PHASES(SETTLED))) != NULL; recipient++) {
        if (is_with_lead(delivery, recipient)) {
            recipient->phase = MOTE_PHASE_CHOSEN;
        }
    }
}

/* Those without a verdict go on: to the next address, or, had the stream been kept, to a fresh one. */
static void leave_session(mote_delivery_t *delivery)
{
    const mote_recipient_t *recipient = find_open(delivery, delivery->mail->recipients);

    if (has(delivery, FLAG_IS_REUSED)) {
        begin_route(delivery);
        return;
    }
    set(delivery, FLAG_WAS_SOFT | FLAG_WAS_NOTED); /* the session wrote its report down */
    tell(delivery, MOTE_EVENT_FAILED, recipient != NULL ? mote_buffer_span(&recipient->text) : nothing);
    delivery->state = MOTE_DELIVERY_PICK;
}

/* The session has ended: its recipients have their verdicts, or the next address is due. */
static void on_session_end(mote_delivery_t *delivery)
{
    mote_smtp_t *smtp = &delivery->at.smtp;

    end_stream(delivery);
    delivery->session_count = (uint8_t)(delivery->session_count + (mote_smtp_was_greeted(smtp) ? 1 : 0));
    switch (mote_smtp_end(smtp)) {
    case MOTE_SMTP_DONE:
        delivery->state = MOTE_DELIVERY_CHOOSE;
        if (delivery->settings->tries_all_hosts && delivery->settings->smtp.is_probe) {
            reopen(delivery);
            delivery->state = MOTE_DELIVERY_PICK;
        }
        break;
    case MOTE_SMTP_IN_CLEAR:
        tell(delivery, MOTE_EVENT_WARNING, mote_span_text("TLS failed; once more without it"));
        set(delivery, FLAG_IN_CLEAR);
        note_peer(delivery, MOTE_PROTECTION_NONE);
        begin_connect(delivery);
        break;
    case MOTE_SMTP_RUNNING:
    case MOTE_SMTP_NEXT_HOST:
        leave_session(delivery);
        break;
    }
}

/* A session that would wait for a next mail ends where this mail goes on to another next hop. */
static bool leave_idle(mote_delivery_t *delivery)
{
    mote_smtp_t *smtp = &delivery->at.smtp;

    if (mote_smtp_state(smtp) != MOTE_SMTP_AWAIT_MORE || find_waiting(delivery) == NULL) {
        return false;
    }
    mote_smtp_quit(smtp, delivery->now_ms);
    return true;
}

/* Whose exchanger the stream leads to, behind its size: in the room, which is idle; the mail is the caller's again. */
static void keep_domain(mote_delivery_t *delivery)
{
    mote_writer_t out = mote_writer(delivery->room.data, delivery->room.capacity);
    mote_span_t domain = lead_domain(delivery);

    mote_write_u8(&out, (uint8_t)domain.size);
    mote_write(&out, domain);
}

/* The mail's part is over. Another next hop does not wait for the reply to QUIT; a next mail may come. */
static bool end_early(mote_delivery_t *delivery)
{
    mote_smtp_t *smtp = &delivery->at.smtp;
    bool has_more_hops = find_waiting(delivery) != NULL;

    if (mote_smtp_end(smtp) != MOTE_SMTP_DONE) {
        return false;
    }
    if (mote_smtp_state(smtp) == MOTE_SMTP_AWAIT_MORE) {
        if (is_mx(delivery)) {
            keep_domain(delivery);
        }
        settle_duplicates(delivery);
        set(delivery, FLAG_KEEPS_STREAM);
        delivery->state = MOTE_DELIVERY_ENDED;
        return true;
    }
    if (mote_smtp_state(smtp) == MOTE_SMTP_AWAIT_QUIT && has_more_hops) {
        mote_span_t bytes;
        unsigned flags;

        if (mote_smtp_output(smtp, delivery->now_ms, &bytes, &flags) == MOTE_PENDING) { /* QUIT has left */
            delivery->port->close(delivery->self);
            delivery->state = MOTE_DELIVERY_CHOOSE;
            return true;
        }
    }
    return false;
}

static MOTE_NOINLINE uint32_t await_session(mote_delivery_t *delivery)
{
    mote_smtp_t *smtp = &delivery->at.smtp;

    for (unsigned round = 0; round < STEP_ROUND_COUNT; round++) {
        bool has_moved = hear(delivery); /* first: an idle 421 is not the reply to what is said next */
        uint32_t wait_ms;

        has_moved |= speak(delivery);
#if MOTE_FEATURE_TLS
        has_moved |= secure_session(delivery);
#endif
        has_moved |= leave_idle(delivery);
        wait_ms = mote_smtp_tick(smtp, delivery->now_ms);
        if (mote_smtp_state(smtp) == MOTE_SMTP_ENDED) {
            on_session_end(delivery);
            return 0;
        }
        if (end_early(delivery)) {
            return 0;
        }
        if (!has_moved) {
            bool is_securing = MOTE_FEATURE_TLS && mote_smtp_state(smtp) == MOTE_SMTP_AWAIT_SECURE;

            return is_securing && wait_ms > SECURE_AGAIN_MS ? SECURE_AGAIN_MS : wait_ms;
        }
    }
    return 0;
}

/* ---- the mailbox here ------------------------------------------------------------------------------ */

#if MOTE_FEATURE_LOCAL
/* RFC 3463 3.2 to 3.7. */
static unsigned enhanced_of(mote_status_t status)
{
    switch ((unsigned)status) {
    case MOTE_OK:
        return 0;
    case MOTE_ERR_NO_MAILBOX:
        return MOTE_ENHANCED(5, 1, 1);
    case MOTE_ERR_TOO_LARGE:
        return MOTE_ENHANCED(5, 2, 3);
    case MOTE_ERR_CONTENT:
        return MOTE_ENHANCED(5, 6, 0);
    case MOTE_ERR_QUOTA:
        return MOTE_ENHANCED(4, 2, 2);
    default:
        return MOTE_ENHANCED(4, 3, 0);
    }
}

static void end_filling(mote_delivery_t *delivery, mote_status_t status)
{
    const mote_mailbox_t *mailbox = delivery->settings->mailbox;
    mote_recipient_t *recipient = lead_of(delivery);
    mote_verdict_t verdict = MOTE_VERDICT_ACCEPTED;
    mote_report_t report;

    if (status != MOTE_OK && delivery->at.filling.step != FILL_BEGIN) {
        mailbox->abort(mailbox->self);
    }
    mote_report_set(&report, status == MOTE_ERR_CONTENT ? MOTE_STAGE_CONTENT : MOTE_STAGE_MAILBOX, status,
                    enhanced_of(status));
    if (status != MOTE_OK) {
        verdict = report.enhanced.klass == 5 ? MOTE_VERDICT_PERMANENT : MOTE_VERDICT_TRANSIENT;
    }
    mote_recipient_note(recipient, &report, nothing);
    settle(delivery, recipient, verdict);
    delivery->state = MOTE_DELIVERY_CHOOSE;
}

/* One call of the mailbox or the source. PENDING: wait; OK: go on; CLOSED: stored; else it has failed. */
static mote_status_t fill(mote_delivery_t *delivery)
{
    const mote_mailbox_t *mailbox = delivery->settings->mailbox;
    mote_filling_t *filling = &delivery->at.filling;
    mote_mail_t *mail = delivery->mail;
    mote_address_t address;
    mote_status_t status = MOTE_OK;
    bool is_stable;

    switch (filling->step) {
    case FILL_BEGIN:
        (void)mote_address_parse(lead_of(delivery)->address, &address);
        status = mailbox->begin(mailbox->self, mail->reverse_path, &address, mail->source->wire_size);
        if (status == MOTE_OK && delivery->settings->smtp.is_probe) {
            mailbox->abort(mailbox->self);
            status = MOTE_CLOSED; /* it would have been stored */
        } else if (status == MOTE_OK) {
            mote_body_start(&filling->body, mail->source, 0);
            filling->step = FILL_NEXT;
        }
        break;
    case FILL_NEXT:
        status = mote_body_next(&filling->body, &filling->stretch, &is_stable);
        if (status == MOTE_OK || status == MOTE_CLOSED) {
            filling->step = status == MOTE_OK ? FILL_PUT : FILL_COMMIT;
            status = MOTE_OK;
        }
        break;
    case FILL_PUT:
        status = mailbox->put(mailbox->self, filling->stretch);
        filling->step = status == MOTE_OK ? FILL_NEXT : FILL_PUT;
        break;
    default:
        status = mailbox->commit(mailbox->self);
        return status == MOTE_OK ? MOTE_CLOSED : status;
    }
    return status;
}

static MOTE_NOINLINE uint32_t await_mailbox(mote_delivery_t *delivery)
{
    for (unsigned round = 0; round < STEP_ROUND_COUNT; round++) {
        mote_status_t status = fill(delivery);

        if (status == MOTE_PENDING) {
            return 10; /* a mailbox has no descriptor to wait for */
        }
        if (status != MOTE_OK) {
            end_filling(delivery, status == MOTE_CLOSED ? MOTE_OK : status);
            return 0;
        }
    }
    return 0;
}
#endif

/* ---- the whole ------------------------------------------------------------------------------------- */

bool mote_delivery_is_settled(const mote_delivery_t *delivery)
{
    const mote_mail_t *mail = delivery->mail;

    for (unsigned i = 0; i < mail->recipient_count; i++) {
        if (mail->recipients[i].verdict == MOTE_VERDICT_PENDING && mail->recipients[i].phase != MOTE_PHASE_DUPLICATE) {
            return false;
        }
    }
    return true;
}

bool mote_delivery_has_ended(const mote_delivery_t *delivery)
{
    return delivery->state == MOTE_DELIVERY_ENDED;
}

/* Ends what is under way, wherever it stands; recipients not reached yet are transient too. */
static void end_all(mote_delivery_t *delivery, mote_status_t cause)
{
    /* What was waited for. Those whose turn has not come have only been routed. */
    static const uint8_t stages[] = {
        [MOTE_DELIVERY_CHOOSE] = MOTE_STAGE_ROUTE,        [MOTE_DELIVERY_AWAIT_MX] = MOTE_STAGE_MX,
        [MOTE_DELIVERY_AWAIT_HOST] = MOTE_STAGE_HOST,     [MOTE_DELIVERY_PICK] = MOTE_STAGE_ROUTE,
        [MOTE_DELIVERY_AWAIT_CONNECT] = MOTE_STAGE_CONNECT, [MOTE_DELIVERY_AWAIT_SECURE] = MOTE_STAGE_TLS,
    };
    mote_recipient_t *recipient = delivery->mail->recipients;
    mote_report_t report;

    mote_report_set(&report, MOTE_STAGE_ROUTE, cause, MOTE_ENHANCED(4, 4, 7));
    if (delivery->state == MOTE_DELIVERY_AWAIT_SESSION) {
        mote_smtp_stop(&delivery->at.smtp, cause, delivery->now_ms); /* settles or notes what it knows */
        end_stream(delivery);
#if MOTE_FEATURE_LOCAL
    } else if (delivery->state == MOTE_DELIVERY_AWAIT_MAILBOX) {
        end_filling(delivery, cause);
#endif
    } else {
        report.stage = stages[delivery->state];
        if (is_looking_up(delivery)) {
            stop_lookup(delivery);
        }
        delivery->port->abort(delivery->self);
        note(delivery, &report, nothing);
        report.stage = MOTE_STAGE_ROUTE;
    }
    for (; (recipient = find(delivery, recipient, MOTE_PHASES(WAITING))) != NULL; recipient++) {
        mote_recipient_note(recipient, &report, nothing);
    }
    settle_all(delivery, MOTE_PHASES_OPEN | MOTE_PHASES(WAITING), MOTE_VERDICT_TRANSIENT);
    settle_duplicates(delivery);
    delivery->state = MOTE_DELIVERY_ENDED;
}

static uint32_t do_next(mote_delivery_t *delivery)
{
    switch (delivery->state) {
    case MOTE_DELIVERY_CHOOSE:
        choose(delivery);
        return 0;
#if MOTE_FEATURE_MX
    case MOTE_DELIVERY_AWAIT_MX:
        return await_mx(delivery);
#endif
    case MOTE_DELIVERY_AWAIT_HOST:
        return await_host(delivery);
    case MOTE_DELIVERY_PICK:
        pick(delivery);
        return 0;
    case MOTE_DELIVERY_AWAIT_CONNECT:
        return await_connect(delivery);
#if MOTE_FEATURE_TLS
    case MOTE_DELIVERY_AWAIT_SECURE:
        return await_secure(delivery);
#endif
    case MOTE_DELIVERY_AWAIT_SESSION:
        return await_session(delivery);
#if MOTE_FEATURE_LOCAL
    case MOTE_DELIVERY_AWAIT_MAILBOX:
        return await_mailbox(delivery);
#endif
    default: /* ended, or a state that this build is never in */
        return UINT32_MAX;
    }
}

uint32_t mote_delivery_step(mote_delivery_t *delivery, uint32_t now_ms)
{
    uint32_t wait_ms = 0;
    uint32_t left_ms = delivery->end_ms - now_ms;

    delivery->now_ms = now_ms;
    if (delivery->state == MOTE_DELIVERY_ENDED) {
        return UINT32_MAX;
    }
    if (left_ms - 1 >= UINT32_MAX / 2) { /* 0, or past */
        end_all(delivery, MOTE_ERR_TIMEOUT);
        return 0;
    }
    for (unsigned round = 0; round < STEP_ROUND_COUNT && wait_ms == 0; round++) {
        wait_ms = do_next(delivery);
    }
    return wait_ms < left_ms ? wait_ms : left_ms;
}

void mote_delivery_stop(mote_delivery_t *delivery, uint32_t now_ms)
{
    delivery->now_ms = now_ms;
    if (delivery->state != MOTE_DELIVERY_ENDED) {
        end_all(delivery, MOTE_ERR_STOPPED);
    } else if (has(delivery, FLAG_KEEPS_STREAM)) {
        delivery->port->close(delivery->self);
    }
    clear(delivery, FLAG_KEEPS_STREAM);
}

/* ---- a next mail ----------------------------------------------------------------------------------- */

/* Whether the stream kept is still silent and up: anything else is not the reply to what would be said next. */
static bool is_idle(mote_delivery_t *delivery)
{
    mote_span_t bytes;

    return delivery->port->lend(delivery->self, &bytes) == MOTE_PENDING;
}

/* Goes on with the session kept, if the first recipients of the new mail go where it leads. */
static bool reuse_session(mote_delivery_t *delivery, const mote_route_t *route)
{
    mote_span_t first = domain_of(delivery->mail->recipients[0].address);
    mote_span_t domain = mote_span(delivery->room.data + 1, delivery->room.data[0]); /* keep_domain */

    if (find_route(delivery, first) != route || !is_idle(delivery) ||
        (is_mx(delivery) && !mote_span_equals_ignoring_case(first, domain))) {
        return false;
    }
    (void)choose_recipients(delivery); /* the first leads */
    delivery->flags &= FLAG_IS_LITERAL | FLAG_IS_IPV4;
    set(delivery, FLAG_IS_REUSED);
    note_host(delivery);
    note_peer(delivery, mote_smtp_protection(&delivery->at.smtp));
    mote_smtp_next(&delivery->at.smtp, delivery->mail, delivery->now_ms);
    await(delivery, MOTE_DELIVERY_AWAIT_SESSION);
    return true;
}

mote_status_t mote_delivery_next(mote_delivery_t *delivery, mote_mail_t *mail, uint32_t now_ms)
{
    bool is_kept = has(delivery, FLAG_KEEPS_STREAM);
    mote_status_t status;

    MOTE_ASSERT(delivery->state == MOTE_DELIVERY_ENDED);
    delivery->now_ms = now_ms;
    status = take_mail(delivery, mail);
    if (is_kept && (status != MOTE_OK || !reuse_session(delivery, delivery->route))) {
        clear(delivery, FLAG_KEEPS_STREAM);
        delivery->port->close(delivery->self);
    }
    return status;
}
