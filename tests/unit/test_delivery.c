#include "fake_port.h"

enum { RECIPIENT_COUNT = 4, STEP_COUNT = 200000 };

static const mote_hop_t mx_hop = { .port = 25, .tls = MOTE_TLS_OPPORTUNISTIC };
static const mote_hop_t relay_hop = { .host = { (const uint8_t *)"smtp.example.net", 16 }, .port = 25, .tls = MOTE_TLS_NONE };
static const mote_route_t routes[] = {
    { { (const uint8_t *)"here.example", 12 }, MOTE_ROUTE_LOCAL, 0, NULL },
    { { (const uint8_t *)"relayed.example", 15 }, MOTE_ROUTE_RELAY, 1, &relay_hop },
    { { NULL, 0 }, MOTE_ROUTE_MX, 1, &mx_hop },
};

/* A mailbox that keeps one mail in memory. */
typedef struct box {
    mote_mailbox_t mailbox;
    mote_status_t begins;
    mote_status_t commits;
    char text[256];
    size_t size;
    unsigned stored;
    unsigned aborted;
    bool is_open;
    unsigned pending;
} box_t;

static mote_status_t begin_box(void *self, mote_span_t reverse_path, const mote_address_t *recipient, int32_t size)
{
    box_t *box = self;

    (void)reverse_path, (void)recipient, (void)size;
    if (box->pending++ % 2 == 0) {
        return MOTE_PENDING;
    }
    box->is_open = box->begins == MOTE_OK;
    box->size = 0;
    return box->begins;
}

static mote_status_t put_box(void *self, mote_span_t bytes)
{
    box_t *box = self;

    if (box->pending++ % 2 == 0) {
        return MOTE_PENDING;
    }
    assert_true(box->is_open && box->size + bytes.size <= sizeof box->text);
    memcpy(box->text + box->size, bytes.data, bytes.size);
    box->size += bytes.size;
    return MOTE_OK;
}

static mote_status_t commit_box(void *self)
{
    box_t *box = self;

    assert_true(box->is_open);
    box->is_open = box->commits != MOTE_OK;
    box->stored += box->commits == MOTE_OK ? 1 : 0;
    return box->commits;
}

static void abort_box(void *self)
{
    box_t *box = self;

    assert_true(box->is_open);
    box->is_open = false;
    box->aborted++;
}

/* Everything a delivery needs, in one place. */
typedef struct bench {
    fake_port_t fake;
    mote_settings_t settings;
    mote_dns_settings_t dns;
    mote_endpoint_t server;
    mote_mail_t mail;
    mote_recipient_t recipients[RECIPIENT_COUNT];
    uint8_t texts[RECIPIENT_COUNT][64];
    uint8_t hosts[RECIPIENT_COUNT][64];
    mote_memory_source_t source;
    mote_delivery_t delivery;
    uint8_t room[512];
    box_t box;
    uint32_t start_ms;
    uint32_t now_ms;
} bench_t;

static bench_t bench;

static void set_up(const char *zone, fake_server_t *servers, size_t server_count, const char *recipients)
{
    memset(&bench, 0, sizeof bench);
    bench.start_ms = UINT32_MAX - 5000; /* PORT-4: the clock wraps on the way */
    bench.now_ms = bench.start_ms;
    bench.fake.zone = zone;
    bench.fake.servers = servers;
    bench.fake.server_count = server_count;
    bench.fake.families = MOTE_FAMILY_IPV4 | MOTE_FAMILY_IPV6;
    bench.fake.own_ip = "192.0.2.200";
    bench.settings.smtp.hello_name = TEXT("pump.example.net");
    bench.settings.routes = routes;
    bench.settings.route_count = COUNT_OF(routes);
    bench.box.mailbox.begin = begin_box;
    bench.box.mailbox.put = put_box;
    bench.box.mailbox.commit = commit_box;
    bench.box.mailbox.abort = abort_box;
    bench.box.mailbox.self = &bench.box;
    bench.settings.mailbox = &bench.box.mailbox;
    (void)mote_ip_parse(TEXT("192.0.2.53"), &bench.server.ip);
    bench.server.port = 53;
    bench.dns.servers = &bench.server;
    bench.dns.server_count = 1;
    mote_memory_source_init(&bench.source, TEXT("Subject: x\r\n\r\n.dot\r\n"));
    bench.mail.source = &bench.source.source;
    bench.mail.reverse_path = TEXT("pump@example.net");
    bench.mail.recipients = bench.recipients;
    while (*recipients != '\0') {
        mote_recipient_t *recipient = &bench.recipients[bench.mail.recipient_count];
        size_t size = strcspn(recipients, " ");

        recipient->address = mote_span(recipients, size);
        recipient->text.data = bench.texts[bench.mail.recipient_count];
        recipient->text.capacity = sizeof bench.texts[0];
        recipient->host.data = bench.hosts[bench.mail.recipient_count];
        recipient->host.capacity = sizeof bench.hosts[0];
        bench.mail.recipient_count++;
        recipients += size + (recipients[size] == ' ' ? 1 : 0);
    }
}

static mote_status_t start(void)
{
    mote_buffer_t room = { bench.room, sizeof bench.room, 0 };

    return mote_delivery_start(&bench.delivery, &bench.settings, &bench.dns, &bench.mail, &fake_table, &bench.fake, room,
                               bench.now_ms);
}

/* Steps until it has ended, moving the clock by what was asked for, or a little where the port only stalls. */
static void run(void)
{
    unsigned steps = 0;

    while (!mote_delivery_has_ended(&bench.delivery)) {
        uint32_t wait_ms = mote_delivery_step(&bench.delivery, bench.now_ms);
        uint32_t most_ms = bench.fake.stalls ? 10 : UINT32_MAX;

        assert_true(++steps < STEP_COUNT);
        bench.now_ms += wait_ms < most_ms ? wait_ms : most_ms;
    }
    bench.fake.is_over = true; /* PORT-13 */
    assert_true(mote_delivery_is_settled(&bench.delivery));
}

/* "apt": accepted, permanent, transient; 'd' in doubt; upper case: held. */
static void check_verdicts(const char *expected, const char *name)
{
    static const char letters[] = "?atpd";

    for (size_t i = 0; i < bench.mail.recipient_count; i++) {
        const mote_recipient_t *recipient = &bench.recipients[i];
        char letter = letters[recipient->verdict];

        if (recipient->report.held) {
            letter = (char)(letter - 'a' + 'A');
        }
        if (letter != expected[i]) {
            fail_msg("%s: recipient %u is '%c', not '%c' (%s at %s)", name, (unsigned)i, letter, expected[i],
                     mote_status_text((mote_status_t)recipient->report.status),
                     mote_stage_text((mote_stage_t)recipient->report.stage));
        }
    }
}

#define ONE_HOST "a.example MX 10 mx.a.example\nmx.a.example A 192.0.2.1\n"

static const struct {
    const char *name;
    const char *zone;
    fake_server_t servers[4];
    const char *recipients;
    const char *verdicts;
    const char *order; /* of connections */
    unsigned subject, detail; /* of the enhanced code of the first, when it is ours */
} cases[] = {
    { "by MX", ONE_HOST, { { .ip = "192.0.2.1" } }, "ops@a.example", "a", "192.0.2.1 ", 0, 0 }, /* MX-1, MX-24 */
    { "two at one domain, one transaction", ONE_HOST, { { .ip = "192.0.2.1" } }, "ops@a.example dev@A.example", "aa",
      "192.0.2.1 ", 0, 0 }, /* MX-30 */
    { "the same mailbox twice", ONE_HOST, { { .ip = "192.0.2.1" } }, "ops@a.example ops@A.EXAMPLE", "aa", "192.0.2.1 ", 0, 0 },
    { "several domains", ONE_HOST "b.example MX 5 mx.a.example\n", { { .ip = "192.0.2.1" } }, "ops@a.example ops@b.example",
      "aa", "192.0.2.1 192.0.2.1 ", 0, 0 },
    { "implicit MX", "a.example A 192.0.2.1\n", { { .ip = "192.0.2.1" } }, "ops@a.example", "a", "192.0.2.1 ", 0, 0 },
    { "no such domain", "a.example X -\n", { { 0 } }, "ops@a.example", "p", "", 1, 2 },
    { "SERVFAIL never falls back", "a.example F -\na.example A 192.0.2.1\n", { { .ip = "192.0.2.1" } }, "ops@a.example", "t", "", 4, 3 },
    { "silence", "a.example T -\n", { { 0 } }, "ops@a.example", "t", "", 4, 3 },
    { "null MX", "a.example MX 0 .\na.example A 192.0.2.1\n", { { .ip = "192.0.2.1" } }, "ops@a.example", "p", "", 1, 10 },
    { "domain without anything", "b.example A 192.0.2.1\n", { { 0 } }, "ops@a.example", "p", "", 4, 4 },
    { "MX without address", "a.example MX 10 mx.a.example\na.example A 192.0.2.1\n", { { .ip = "192.0.2.1" } },
      "ops@a.example", "p", "", 4, 4 },
    { "soft outranks hard", "a.example MX 10 x.a.example\na.example MX 20 y.a.example\nx.a.example F -\ny.a.example X -\n",
      { { 0 } }, "ops@a.example", "t", "", 4, 3 }, /* MX-17 */
    { "hard, then soft", "a.example MX 10 x.a.example\na.example MX 20 y.a.example\nx.a.example X -\ny.a.example F -\n",
      { { 0 } }, "ops@a.example", "t", "", 4, 3 },
    { "first host has no address, second takes it",
      "a.example MX 10 x.a.example\na.example MX 20 mx.a.example\nx.a.example X -\nmx.a.example A 192.0.2.1\n",
      { { .ip = "192.0.2.1" } }, "ops@a.example", "a", "192.0.2.1 ", 0, 0 },
    { "one family's question is never answered, the other serves", ONE_HOST "mx.a.example T/AAAA -\n", { { .ip = "192.0.2.1" } },
      "ops@a.example", "a", "192.0.2.1 ", 0, 0 }, /* DNS-54 */
    { "one family's question fails, the other has none", "a.example MX 10 mx.a.example\nmx.a.example F/A -\n", { { 0 } }, "ops@a.example", "t",
      "", 4, 3 }, /* a soft error outranks a hard one */
    { "the same, the other way round", "a.example MX 10 mx.a.example\nmx.a.example F/AAAA -\n", { { 0 } }, "ops@a.example", "t", "", 4, 3 },
    { "families alternate", "a.example MX 10 mx.a.example\nmx.a.example A 192.0.2.1\nmx.a.example A 192.0.2.2\n"
      "mx.a.example AAAA 2001:db8::1\nmx.a.example AAAA 2001:db8::2\n",
      { { .ip = "192.0.2.2" } }, "ops@a.example", "a", "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2 ", 0, 0 }, /* MX-13 */
    { "a family that times out goes last", "a.example MX 10 mx.a.example\nmx.a.example A 192.0.2.1\nmx.a.example A 192.0.2.2\n"
      "mx.a.example AAAA 2001:db8::1\nmx.a.example AAAA 2001:db8::2\n",
      { { .ip = "2001:db8::1", .connects = MOTE_PENDING }, { .ip = "2001:db8::2" }, { .ip = "192.0.2.1", .connects = MOTE_ERR_REFUSED },
        { .ip = "192.0.2.2", .connects = MOTE_ERR_REFUSED } },
      "ops@a.example", "a", "2001:db8::1 192.0.2.1 192.0.2.2 2001:db8::2 ", 0, 0 }, /* S1, DNS-55, PERF-7 */
    { "an exchanger that is never asked for, and the next", "a.example MX 10 mx.local\na.example MX 20 mx.a.example\nmx.a.example A 192.0.2.1\n",
      { { .ip = "192.0.2.1" } }, "ops@a.example", "a", "192.0.2.1 ", 0, 0 }, /* DNS-28, MX-16 */
    { "no exchanger but one that is never asked for", "a.example MX 10 mx.local\n", { { 0 } }, "ops@a.example", "p", "", 4, 4 },
    { "a domain that is never asked for", "", { { 0 } }, "ops@printer.local", "p", "", 1, 2 },
    { "421 at the greeting: the next", ONE_HOST "a.example MX 20 y.a.example\ny.a.example A 192.0.2.2\n",
      { { .ip = "192.0.2.1", .greeting = "421 busy" }, { .ip = "192.0.2.2" } }, "ops@a.example", "a", "192.0.2.1 192.0.2.2 ", 0, 0 },
    { "421 to MAIL in a group: the next", ONE_HOST "a.example MX 20 y.a.example\ny.a.example A 192.0.2.2\n",
      { { .ip = "192.0.2.1", .mail = "421 no" }, { .ip = "192.0.2.2" } }, "ops@a.example", "a", "192.0.2.1 192.0.2.2 ", 0, 0 }, /* S10 */
    { "554 at every greeting is soft", ONE_HOST, { { .ip = "192.0.2.1", .greeting = "554 no" } }, "ops@a.example", "t", "192.0.2.1 ", 0, 0 },
    { "550 at RCPT: not the next", ONE_HOST "a.example MX 20 y.a.example\ny.a.example A 192.0.2.2\n",
      { { .ip = "192.0.2.1", .rcpt = "550 no" }, { .ip = "192.0.2.2" } }, "ops@a.example", "p", "192.0.2.1 ", 0, 0 },
    { "two sessions, then later", ONE_HOST "a.example MX 20 y.a.example\ny.a.example A 192.0.2.2\na.example MX 30 z.a.example\n"
      "z.a.example A 192.0.2.3\n",
      { { .ip = "192.0.2.1", .mail = "421 no" }, { .ip = "192.0.2.2", .mail = "421 no" }, { .ip = "192.0.2.3" } },
      "ops@a.example", "t", "192.0.2.1 192.0.2.2 ", 0, 0 }, /* MX-15 */
    { "as many addresses as an attempt has, then later",
      "a.example MX 10 x.a.example\nx.a.example A 192.0.2.1\nx.a.example A 192.0.2.2\n"
      "a.example MX 20 y.a.example\ny.a.example A 192.0.2.3\ny.a.example A 192.0.2.4\n"
      "a.example MX 30 z.a.example\nz.a.example A 192.0.2.5\nz.a.example A 192.0.2.6\n",
      { { .ip = "192.0.2.6" } }, "ops@a.example", "t", "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 ", 0, 0 }, /* MX-15 */
    { "loopback from DNS", "a.example MX 10 mx.a.example\nmx.a.example A 127.0.0.1\n", { { .ip = "127.0.0.1" } }, "ops@a.example", "p", "", 4, 6 }, /* SEC-12 */
    { "multicast from DNS", "a.example MX 10 mx.a.example\nmx.a.example A 224.0.0.1\n", { { .ip = "224.0.0.1" } }, "ops@a.example", "p", "", 4, 4 },
    { "ourselves by the address of the stream", "a.example MX 10 mx.a.example\nmx.a.example A 192.0.2.200\n",
      { { .ip = "192.0.2.200" } }, "ops@a.example", "p", "192.0.2.200 ", 4, 6 },
    { "ourselves behind a better one", ONE_HOST "a.example MX 20 me.a.example\nme.a.example A 192.0.2.200\na.example MX 30 z.a.example\n"
      "z.a.example A 192.0.2.3\n",
      { { .ip = "192.0.2.1", .connects = MOTE_ERR_REFUSED }, { .ip = "192.0.2.200" }, { .ip = "192.0.2.3" } },
      "ops@a.example", "t", "192.0.2.1 192.0.2.200 ", 4, 1 },
    { "literal without leave", "", { { .ip = "192.0.2.1" } }, "ops@[192.0.2.1]", "p", "", 1, 2 },
    { "in doubt", ONE_HOST, { { .ip = "192.0.2.1", .takes_and_closes = true } }, "ops@a.example", "d", "192.0.2.1 ", 0, 0 },
    { "through the relay", "smtp.example.net A 192.0.2.9\n", { { .ip = "192.0.2.9" } }, "ops@relayed.example", "a", "192.0.2.9 ", 0, 0 }, /* MX-25 */
    { "the relay does not exist", "smtp.example.net X -\n", { { 0 } }, "ops@relayed.example", "T", "", 4, 4 },
    { "the relay refuses us", "smtp.example.net A 192.0.2.9\n", { { .ip = "192.0.2.9", .greeting = "554 go away" } }, "ops@relayed.example", "T", "192.0.2.9 ", 0, 0 },
    { "a private relay is the caller's word", "smtp.example.net A 10.0.0.9\n", { { .ip = "10.0.0.9" } }, "ops@relayed.example", "a", "10.0.0.9 ", 0, 0 },
    { "a relay on this machine is, too", "smtp.example.net A 127.0.0.9\n", { { .ip = "127.0.0.9" } }, "ops@relayed.example", "a", "127.0.0.9 ", 0, 0 }, /* MX-23 */
    { "here, relayed and by MX", ONE_HOST "smtp.example.net A 192.0.2.9\n", { { .ip = "192.0.2.1" }, { .ip = "192.0.2.9", .rcpt = "550 no" } },
      "ops@here.example ops@relayed.example ops@a.example postmaster", "apaa", "192.0.2.9 192.0.2.1 ", 0, 0 },
    { "opportunistic TLS fails: in clear", ONE_HOST,
      { { .ip = "192.0.2.1", .ehlo = "250-fake\r\n250-STARTTLS\r\n250 PIPELINING", .secures = MOTE_ERR_TLS } }, "ops@a.example", "a",
      "192.0.2.1 192.0.2.1 ", 0, 0 },
};

static void verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (unsigned stalls = 0; stalls < 2; stalls++) {
            fake_server_t servers[4];

            memcpy(servers, cases[i].servers, sizeof servers);
            set_up(cases[i].zone, servers, 4, cases[i].recipients);
            for (size_t j = 0; j < 4; j++) {
                servers[j].ip = servers[j].ip != NULL ? servers[j].ip : "none";
            }
            bench.fake.stalls = stalls != 0;
            CHECK(start() == MOTE_OK, cases[i].name);
            run();
            check_verdicts(cases[i].verdicts, cases[i].name);
            CHECK(strcmp(bench.fake.connect_order, cases[i].order) == 0, cases[i].name);
            if (cases[i].subject != 0) {
                CHECK(bench.recipients[0].report.enhanced.subject == cases[i].subject, cases[i].name);
                CHECK(bench.recipients[0].report.enhanced.detail == cases[i].detail, cases[i].name);
            }
        }
    }
}

/* SEC-10, PORT-3, SMTP-27: every call of the port fails once, at its n-th use for every n: always a verdict, and none
   that is not true. */
static void every_call_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (unsigned n = 1; n < 2000; n++) {
            fake_server_t servers[4];
            unsigned taken = 0;
            unsigned accepted = 0;

            memcpy(servers, cases[i].servers, sizeof servers);
            set_up(cases[i].zone, servers, 4, cases[i].recipients);
            for (size_t j = 0; j < 4; j++) {
                servers[j].ip = servers[j].ip != NULL ? servers[j].ip : "none";
            }
            bench.fake.fails_at = n;
            if (start() != MOTE_OK) {
                continue;
            }
            run();
            for (size_t j = 0; j < bench.mail.recipient_count; j++) {
                accepted += bench.recipients[j].verdict == MOTE_VERDICT_ACCEPTED ? 1 : 0;
            }
            for (size_t j = 0; j < 4; j++) {
                taken += servers[j].recipients;
            }
            CHECK(strstr(cases[i].name, "twice") != NULL || accepted <= taken + bench.box.stored, cases[i].name);
            if (bench.fake.calls < n) {
                break; /* all have failed in turn */
            }
        }
    }
}

/* PORT-13: stop after any number of steps: verdicts for all, and no call of the port afterwards. */
static void stop_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (unsigned steps = 0; steps < 400; steps++) {
            fake_server_t servers[4];
            bool has_ended = false;

            memcpy(servers, cases[i].servers, sizeof servers);
            set_up(cases[i].zone, servers, 4, cases[i].recipients);
            for (size_t j = 0; j < 4; j++) {
                servers[j].ip = servers[j].ip != NULL ? servers[j].ip : "none";
            }
            bench.fake.stalls = true;
            assert_int_equal(start(), MOTE_OK);
            for (unsigned step = 0; step < steps && !has_ended; step++) {
                bench.now_ms += mote_delivery_step(&bench.delivery, bench.now_ms) > 1000 ? 1000 : 0;
                has_ended = mote_delivery_has_ended(&bench.delivery);
            }
            mote_delivery_stop(&bench.delivery, bench.now_ms);
            bench.fake.is_over = true;
            CHECK(mote_delivery_has_ended(&bench.delivery) && mote_delivery_is_settled(&bench.delivery), cases[i].name);
            for (size_t j = 0; j < bench.mail.recipient_count; j++) {
                CHECK(bench.recipients[j].verdict != MOTE_VERDICT_PENDING, cases[i].name);
            }
            CHECK(!bench.box.is_open, cases[i].name);
            if (has_ended) {
                break;
            }
        }
    }
}

/* SEC-2, SEC-13, PORT-10: what cannot be is refused before anything is asked or said. */
static void refused_at_start(void **state)
{
    static const struct {
        const char *name;
        const char *sender;
        const char *recipients;
        mote_status_t status;
    } rows[] = {
        { "bad recipient", "a@example.net", "ops@a.example x", MOTE_ERR_ADDRESS },
        { "injection", "a@example.net", "a@b.example>\r\nDATA", MOTE_ERR_ADDRESS },
        { "bad sender", "a", "ops@a.example", MOTE_ERR_ADDRESS },
        { "the first is bad, the second is not its double", "a@example.net", "x ops@a.example", MOTE_ERR_ADDRESS },
        { "half a quoted string first", "a@example.net", "\"x ops@a.example", MOTE_ERR_ADDRESS },
        { "nothing first", "a@example.net", " ops@a.example", MOTE_ERR_ADDRESS },
        { "bare postmaster as sender", "postmaster", "ops@a.example", MOTE_ERR_ADDRESS },
        { "nobody", "a@example.net", "", MOTE_ERR_ARGUMENT },
        { "the null sender", "", "ops@a.example", MOTE_OK },
    };
    static const mote_hop_t no_port = { .port = 0, .tls = MOTE_TLS_NONE };
    static const mote_route_t without_port = { { NULL, 0 }, MOTE_ROUTE_MX, 1, &no_port };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        set_up(ONE_HOST, NULL, 0, rows[i].recipients);
        bench.mail.reverse_path = mote_span_text(rows[i].sender);
        CHECK(start() == rows[i].status, rows[i].name);
        if (rows[i].status != MOTE_OK) {
            CHECK(mote_delivery_has_ended(&bench.delivery), rows[i].name);
        }
    }
    set_up(ONE_HOST, NULL, 0, "ops@a.example");
    bench.settings.smtp.hello_name = TEXT("localhost"); /* SMTP-6 */
    assert_int_equal(start(), MOTE_ERR_ARGUMENT);
    set_up(ONE_HOST, NULL, 0, "ops@a.example");
    bench.settings.mailbox = NULL;
    assert_int_equal(start(), MOTE_ERR_ARGUMENT);
    set_up(ONE_HOST, NULL, 0, "ops@a.example");
    bench.settings.routes = &without_port;
    bench.settings.route_count = 1;
    assert_int_equal(start(), MOTE_ERR_ARGUMENT);
    set_up(ONE_HOST, NULL, 0, "ops@a.example");
    bench.mail.source = NULL;
    assert_int_equal(start(), MOTE_ERR_ARGUMENT);
    set_up(ONE_HOST, NULL, 0, "ops@a.example");
    bench.mail.recipients = NULL;
    assert_int_equal(start(), MOTE_ERR_ARGUMENT);
    set_up(ONE_HOST, NULL, 0, "ops@a.example");
    bench.settings.route_count = 2; /* no row for a.example */
    assert_int_equal(start(), MOTE_ERR_ARGUMENT);
    set_up(ONE_HOST, NULL, 0, "ops@a.example");
    assert_int_equal(mote_delivery_start(&bench.delivery, &bench.settings, &bench.dns, &bench.mail, &fake_table, &bench.fake,
                                         (mote_buffer_t){ bench.room, MOTE_ROOM_BYTES - 1, 0 }, 0), MOTE_ERR_ARGUMENT);
}

static void literals(void **state) /* MX-32, MX-33 */
{
    static const struct {
        const char *recipient;
        const char *verdict;
        const char *order;
    } rows[] = {
        { "ops@[192.0.2.1]", "a", "192.0.2.1 " },
        { "ops@[IPv6:2001:db8::1]", "a", "2001:db8::1 " },
        { "ops@[127.0.0.1]", "p", "" },
        { "ops@[224.0.0.1]", "p", "" },
        { "ops@[192.0.2.77]", "a", "" }, /* our own: the mailbox here */
    };
    mote_ip_t own;

    (void)state;
    (void)mote_ip_parse(TEXT("192.0.2.77"), &own);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fake_server_t servers[] = { { .ip = "192.0.2.1" }, { .ip = "2001:db8::1" }, { .ip = "127.0.0.1" } };

        set_up("", servers, COUNT_OF(servers), rows[i].recipient);
        bench.settings.allows_literals = true;
        bench.settings.own_addresses = &own;
        bench.settings.own_address_count = 1;
        assert_int_equal(start(), MOTE_OK);
        run();
        check_verdicts(rows[i].verdict, rows[i].recipient);
        CHECK(strcmp(bench.fake.connect_order, rows[i].order) == 0, rows[i].recipient);
    }
}

/* One relay for everything. */
static const mote_hop_t all_hop = { .host = { (const uint8_t *)"192.0.2.9", 9 }, .port = 25, .tls = MOTE_TLS_NONE };
static const mote_route_t all_by_relay = { { NULL, 0 }, MOTE_ROUTE_RELAY, 1, &all_hop };

static void deliver_by(const mote_route_t *route, const char *verdict, const char *name)
{
    bench.settings.routes = route;
    bench.settings.route_count = 1;
    CHECK(start() == MOTE_OK, name);
    run();
    check_verdicts(verdict, name);
}

/* RFC 5321 4.1.1.3: a bare postmaster is the relay's where nobody here takes mail, and nobody's where there is no relay. */
static void postmaster_elsewhere(void **state)
{
    static const mote_route_t all_by_mx = { { NULL, 0 }, MOTE_ROUTE_MX, 1, &mx_hop };
    fake_server_t server = { .ip = "192.0.2.9" };

    (void)state;
    set_up("", &server, 1, "Postmaster");
    deliver_by(&all_by_relay, "a", "by relay");
    assert_int_equal(server.recipients, 1);
    for (unsigned i = 0; i < 2; i++) {
        set_up("", &server, 1, "Postmaster");
        bench.settings.allows_literals = i == 1;
        deliver_by(&all_by_mx, "p", "by MX");
        assert_int_equal(bench.recipients[0].report.status, MOTE_ERR_ADDRESS);
        assert_int_equal(bench.fake.question_count, 0);
    }
}

/* MX-21, MX-22, MX-23: what the settings say of addresses out of DNS. */
static void addresses_from_dns(void **state)
{
    static const struct {
        const char *name;
        const char *ip;
        bool is_own, allows_loopback, refuses_private;
        const char *verdict;
        mote_status_t status;
    } rows[] = {
        { "our public address", "192.0.2.1", true, false, false, "p", MOTE_ERR_OURSELVES },
        { "somebody else's", "192.0.2.2", true, false, false, "a", MOTE_OK },
        { "loopback", "127.0.0.1", false, false, false, "p", MOTE_ERR_OURSELVES },
        { "loopback for tests", "127.0.0.1", false, true, false, "a", MOTE_OK },
        { "the stream's own address, for tests", "192.0.2.200", false, true, false, "a", MOTE_OK },
        { "private", "10.0.0.5", false, false, false, "a", MOTE_OK },
        { "private, refused", "10.0.0.5", false, false, true, "p", MOTE_ERR_FORBIDDEN },
        { "public, private ones refused", "192.0.2.2", false, false, true, "a", MOTE_OK },
    };
    mote_ip_t own;

    (void)state;
    (void)mote_ip_parse(TEXT("192.0.2.1"), &own);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fake_server_t server = { .ip = rows[i].ip };
        char zone[96];

        (void)snprintf(zone, sizeof zone, "a.example MX 10 mx.a.example\nmx.a.example A %s\n", rows[i].ip);
        set_up(zone, &server, 1, "ops@a.example");
        bench.settings.own_addresses = &own;
        bench.settings.own_address_count = rows[i].is_own ? 1 : 0;
        bench.settings.allows_loopback = rows[i].allows_loopback;
        bench.settings.refuses_private = rows[i].refuses_private;
        CHECK(start() == MOTE_OK, rows[i].name);
        run();
        check_verdicts(rows[i].verdict, rows[i].name);
        CHECK(bench.recipients[0].report.status == rows[i].status, rows[i].name);
        CHECK(server.connections == (rows[i].verdict[0] == 'a' ? 1U : 0U), rows[i].name);
    }
}

/* Nobody to ask for names, or no address of our own: later. A relay whose name is never asked for: mend the settings. */
static void no_questions(void **state)
{
    static const mote_hop_t never_asked_hop = { .host = { (const uint8_t *)"smtp.local", 10 }, .port = 25, .tls = MOTE_TLS_NONE };
    static const mote_route_t never_asked = { { NULL, 0 }, MOTE_ROUTE_RELAY, 1, &never_asked_hop };
    static const mote_dns_settings_t nobody;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        mote_buffer_t room = { bench.room, sizeof bench.room, 0 };

        set_up("", NULL, 0, "ops@a.example ops@relayed.example");
        bench.fake.families = i == 2 ? 0 : bench.fake.families;
        assert_int_equal(mote_delivery_start(&bench.delivery, &bench.settings, i == 0 ? NULL : i == 1 ? &nobody : &bench.dns,
                                             &bench.mail, &fake_table, &bench.fake, room, bench.now_ms), MOTE_OK);
        run();
        check_verdicts("tt", "no questions");
        assert_int_equal(bench.recipients[0].report.stage, i < 2 ? MOTE_STAGE_MX : MOTE_STAGE_HOST);
        assert_int_equal(bench.recipients[1].report.status, i < 2 ? MOTE_ERR_DNS : MOTE_ERR_NO_ADDRESS);
    }
    set_up("", NULL, 0, "ops@a.example");
    deliver_by(&never_asked, "T", "a relay that is never asked for");
    assert_int_equal(bench.fake.question_count, 0);
    assert_int_equal(bench.recipients[0].report.status, MOTE_ERR_NO_NAME);
}

/* TLS-2, TLS-13: a port without TLS, and one that says yes without having verified. */
static void tls_that_is_not(void **state)
{
    static const struct {
        const char *name;
        bool has_tls;
        bool implicit;
        uint8_t tls;
        mote_protection_t protection;
        const char *verdict;
        mote_status_t status;
    } rows[] = {
        { "implicit, no TLS", false, true, MOTE_TLS_VERIFIED, MOTE_PROTECTION_NONE, "t", MOTE_ERR_TLS_MISSING },
        { "required, no TLS", false, false, MOTE_TLS_REQUIRED, MOTE_PROTECTION_NONE, "t", MOTE_ERR_TLS_MISSING },
        { "opportunistic, no TLS", false, false, MOTE_TLS_OPPORTUNISTIC, MOTE_PROTECTION_NONE, "a", MOTE_OK },
        { "implicit, verified", true, true, MOTE_TLS_VERIFIED, MOTE_PROTECTION_VERIFIED, "a", MOTE_OK },
        { "implicit, not verified", true, true, MOTE_TLS_VERIFIED, MOTE_PROTECTION_ENCRYPTED, "t", MOTE_ERR_TLS_UNTRUSTED },
        { "STARTTLS, not verified", true, false, MOTE_TLS_VERIFIED, MOTE_PROTECTION_ENCRYPTED, "t", MOTE_ERR_TLS_UNTRUSTED },
        { "STARTTLS, required", true, false, MOTE_TLS_REQUIRED, MOTE_PROTECTION_ENCRYPTED, "a", MOTE_OK },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        mote_hop_t hop = all_hop;
        mote_route_t route = { { NULL, 0 }, MOTE_ROUTE_RELAY, 1, &hop };
        fake_server_t server = { .ip = "192.0.2.9", .ehlo = "250-fake\r\n250 STARTTLS", .protection = rows[i].protection };
        mote_port_t port = fake_table;
        mote_buffer_t room = { bench.room, sizeof bench.room, 0 };

        hop.tls = rows[i].tls;
        hop.implicit = rows[i].implicit;
        port.secure = rows[i].has_tls ? fake_secure : NULL;
        set_up("", &server, 1, "ops@a.example");
        bench.settings.routes = &route;
        bench.settings.route_count = 1;
        CHECK(mote_delivery_start(&bench.delivery, &bench.settings, &bench.dns, &bench.mail, &port, &bench.fake, room, bench.now_ms) ==
              MOTE_OK, rows[i].name);
        run();
        check_verdicts(rows[i].verdict, rows[i].name);
        CHECK(bench.recipients[0].report.status == rows[i].status, rows[i].name);
        CHECK(server.mails == (rows[i].verdict[0] == 'a' ? 1U : 0U), rows[i].name);
    }
}

/* A handshake may wait for what no octet tells, as for another delivery's end (port.h): it is asked again soon. */
static void a_handshake_that_waits(void **state) /* PORT-3 */
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        mote_hop_t hop = all_hop;
        mote_route_t route = { { NULL, 0 }, MOTE_ROUTE_RELAY, 1, &hop };
        fake_server_t server = { .ip = "192.0.2.9", .ehlo = "250-fake\r\n250 STARTTLS", .protection = MOTE_PROTECTION_VERIFIED,
                                 .secures = MOTE_PENDING };

        hop.tls = MOTE_TLS_VERIFIED;
        hop.implicit = i == 1;
        set_up("", &server, 1, "ops@a.example");
        bench.settings.routes = &route;
        bench.settings.route_count = 1;
        assert_int_equal(start(), MOTE_OK);
        for (unsigned j = 0; j < 50; j++) {
            uint32_t wait_ms = mote_delivery_step(&bench.delivery, bench.now_ms);

            assert_in_range(wait_ms, 1, 100);
            bench.now_ms += wait_ms;
        }
        server.secures = MOTE_OK;
        run();
        check_verdicts("a", hop.implicit ? "waits, implicit" : "waits, STARTTLS");
    }
}

/* SMTP-27: what the server said before it went away is heard, though sending failed first. */
static void last_words(void **state)
{
    fake_server_t server = { .ip = "192.0.2.9", .mail = "421 4.3.2 down for the night" };

    (void)state;
    set_up("", &server, 1, "ops@a.example");
    bench.fake.by_octet = true;
    bench.fake.hears_late = true;
    deliver_by(&all_by_relay, "t", "last words");
    assert_int_equal(bench.recipients[0].report.code, 421);
    assert_true(mote_span_equals(mote_buffer_span(&bench.recipients[0].text), TEXT("down for the night")));
}

/* A step does bounded work however the octets trickle, and what it leaves is asked for at once. */
static void octet_by_octet(void **state)
{
    fake_server_t server = { .ip = "192.0.2.9", .ehlo = "250-a server of many words that all mean nothing\r\n"
                                                         "250-and goes on and on about itself and its kind\r\n250 PIPELINING" };
    unsigned step_count = 0;

    (void)state;
    set_up("", &server, 1, "ops@a.example");
    bench.fake.by_octet = true;
    bench.settings.routes = &all_by_relay;
    bench.settings.route_count = 1;
    assert_int_equal(start(), MOTE_OK);
    assert_false(mote_delivery_is_settled(&bench.delivery));
    while (mote_delivery_step(&bench.delivery, bench.now_ms) == 0) {
        assert_true(++step_count < 100);
    }
    assert_true(mote_delivery_has_ended(&bench.delivery));
    check_verdicts("a", "octet by octet");
    assert_int_equal(mote_delivery_step(&bench.delivery, bench.now_ms), UINT32_MAX); /* PORT-13 */
}

/* The policy's name for a host that is an address (MX-33) is the address. */
static void literal_by_tls(void **state)
{
    fake_server_t server = { .ip = "192.0.2.1", .ehlo = "250-fake\r\n250 STARTTLS", .protection = MOTE_PROTECTION_ENCRYPTED };

    (void)state;
    set_up("", &server, 1, "ops@[192.0.2.1]");
    bench.settings.allows_literals = true;
    assert_int_equal(start(), MOTE_OK);
    run();
    check_verdicts("a", "literal by TLS");
    assert_string_equal(bench.fake.secured_name, "192.0.2.1");
    assert_int_equal(bench.recipients[0].protection, MOTE_PROTECTION_ENCRYPTED);
}

/* The hosts whose turn it was, and which were given up with which words. */
typedef struct seen {
    mote_observer_t observer;
    char text[256];
} seen_t;

static void note_seen(void *self, mote_event_t event, mote_span_t bytes, uint32_t now_ms)
{
    seen_t *seen = self;
    size_t size = strlen(seen->text);

    (void)now_ms;
    if (event == MOTE_EVENT_HOST || event == MOTE_EVENT_FAILED) {
        (void)snprintf(seen->text + size, sizeof seen->text - size, "%s %.*s\n", event == MOTE_EVENT_HOST ? "host" : "failed",
                       (int)bytes.size, (const char *)bytes.data);
    }
}

/* A probe of all hosts goes on after a verdict, to every address beyond the bounds of an attempt; the first verdict stands,
   and so does all that is reported with it. */
static void probe_everywhere(void **state)
{
    static const char zone[] = "a.example MX 10 x.a.example\na.example MX 20 y.a.example\na.example MX 30 z.a.example\n"
                               "a.example MX 40 gone.a.example\nx.a.example A 192.0.2.1\nx.a.example A 192.0.2.2\n"
                               "y.a.example A 192.0.2.3\nz.a.example A 192.0.2.4\ngone.a.example X -\n";
    static const char in_order[] = "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 ";

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        bool is_probe = i < 2;
        bool tries_all = i != 1;
        fake_server_t servers[] = { { .ip = "192.0.2.1", .connects = MOTE_ERR_REFUSED }, { .ip = "192.0.2.2", .rcpt = "550 5.1.1 nobody" },
                                    { .ip = "192.0.2.3" }, { .ip = "192.0.2.4", .greeting = "421 busy" } };

        seen_t seen = { { note_seen, &seen }, "" };
        const mote_recipient_t *asked = &bench.recipients[is_probe ? 1 : 0];

        set_up(zone, servers, COUNT_OF(servers), is_probe ? "ops@here.example ops@a.example dev@here.example" : "ops@a.example");
        bench.settings.smtp.observer = &seen.observer;
        bench.settings.smtp.is_probe = is_probe;
        bench.settings.smtp.keeps_stream = is_probe; /* which a probe does not */
        bench.settings.tries_all_hosts = tries_all;
        assert_int_equal(start(), MOTE_OK);
        run();
        check_verdicts(is_probe ? "apa" : "p", "probe everywhere");
        assert_int_equal(asked->report.code, 550);
        assert_int_equal(asked->peer.bytes[3], 2);
        assert_true(mote_span_equals(mote_buffer_span(&asked->host), TEXT("x.a.example")));
        assert_true(mote_span_equals(mote_buffer_span(&asked->text), TEXT("nobody")));
        assert_string_equal(seen.text, is_probe && tries_all ? "host x.a.example\nfailed \nhost y.a.example\nhost z.a.example\n"
                                                               "failed \nhost gone.a.example\nfailed \n"
                                                             : "host x.a.example\nfailed \n");
        assert_int_equal(servers[0].mails + servers[1].mails + servers[2].mails + servers[3].mails, 0);
        assert_memory_equal(bench.fake.connect_order, in_order, strlen(bench.fake.connect_order));
        assert_int_equal(servers[2].connections, is_probe && tries_all ? 1 : 0);
        assert_int_equal(servers[3].connections, is_probe && tries_all ? 1 : 0);
    }
}

/* Those of another next hop, served before, are not asked for again. */
static void probe_of_two_domains(void **state)
{
    static const char zone[] = "a.example A 192.0.2.1\nb.example A 192.0.2.2\n";
    fake_server_t servers[] = { { .ip = "192.0.2.1" }, { .ip = "192.0.2.2" } };

    (void)state;
    set_up(zone, servers, COUNT_OF(servers), "ops@a.example ops@b.example dev@a.example");
    bench.settings.smtp.is_probe = true;
    bench.settings.tries_all_hosts = true;
    assert_int_equal(start(), MOTE_OK);
    run();
    check_verdicts("aaa", "probe of two domains");
    assert_string_equal(bench.fake.connect_order, "192.0.2.1 192.0.2.2 ");
}

/* PERF-5: all is settled by the reply to the end of data, while the one to QUIT is still waited for. */
static void settled_before_the_end(void **state)
{
    fake_server_t server = { .ip = "192.0.2.9", .quit = "250-bye" };

    (void)state;
    set_up("", &server, 1, "ops@a.example ops@A.example");
    bench.settings.routes = &all_by_relay;
    bench.settings.route_count = 1;
    assert_int_equal(start(), MOTE_OK);
    assert_false(mote_delivery_is_settled(&bench.delivery));
    assert_int_equal(mote_delivery_step(&bench.delivery, bench.now_ms), 5000);
    assert_true(mote_delivery_is_settled(&bench.delivery));
    assert_false(mote_delivery_has_ended(&bench.delivery));
    run();
    check_verdicts("aa", "settled before the end");
}

static void relays_in_turn(void **state) /* MX-26: the second one when the first does not serve, and its words last */
{
    static const mote_hop_t hops[] = { { .host = { (const uint8_t *)"192.0.2.8", 9 }, .port = 25, .tls = MOTE_TLS_NONE },
                                       { .host = { (const uint8_t *)"192.0.2.9", 9 }, .port = 25, .tls = MOTE_TLS_NONE } };
    static const mote_route_t route = { { NULL, 0 }, MOTE_ROUTE_RELAY, 2, hops };
    static const struct {
        mote_status_t first;
        const char *second;
        const char *verdict;
        const char *order;
    } rows[] = {
        { MOTE_OK, NULL, "a", "192.0.2.8 " },
        { MOTE_ERR_REFUSED, NULL, "a", "192.0.2.8 192.0.2.9 " },
        { MOTE_PENDING, NULL, "a", "192.0.2.8 192.0.2.9 " },
        { MOTE_ERR_REFUSED, "554 go away", "T", "192.0.2.8 192.0.2.9 " },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fake_server_t servers[] = { { .ip = "192.0.2.8", .connects = rows[i].first }, { .ip = "192.0.2.9", .greeting = rows[i].second } };

        set_up("", servers, COUNT_OF(servers), "ops@a.example");
        bench.settings.routes = &route;
        bench.settings.route_count = 1;
        assert_int_equal(start(), MOTE_OK);
        run();
        check_verdicts(rows[i].verdict, rows[i].order);
        CHECK(strcmp(bench.fake.connect_order, rows[i].order) == 0, rows[i].order);
    }
}

static void mailbox_verdicts(void **state) /* LOCAL-8, LOCAL-9, LOCAL-10 */
{
    static const struct {
        mote_status_t begins, commits;
        const char *verdict;
        unsigned subject, detail;
    } rows[] = {
        { MOTE_OK, MOTE_OK, "a", 0, 0 },
        { MOTE_ERR_NO_MAILBOX, MOTE_OK, "p", 1, 1 },
        { MOTE_ERR_TOO_LARGE, MOTE_OK, "p", 2, 3 },
        { MOTE_ERR_QUOTA, MOTE_OK, "t", 2, 2 },
        { MOTE_ERR_STORAGE, MOTE_OK, "t", 3, 0 },
        { MOTE_OK, MOTE_ERR_STORAGE, "t", 3, 0 },
        { MOTE_OK, MOTE_ERR_QUOTA, "t", 2, 2 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        set_up("", NULL, 0, "ops@here.example");
        bench.box.begins = rows[i].begins;
        bench.box.commits = rows[i].commits;
        assert_int_equal(start(), MOTE_OK);
        run();
        check_verdicts(rows[i].verdict, mote_status_text(rows[i].begins));
        assert_int_equal(bench.recipients[0].report.enhanced.subject, rows[i].subject);
        assert_int_equal(bench.recipients[0].report.enhanced.detail, rows[i].detail);
        assert_false(bench.box.is_open);
        if (rows[i].verdict[0] == 'a') {
            assert_int_equal(bench.box.size, 20);
            assert_memory_equal(bench.box.text, "Subject: x\r\n\r\n.dot\r\n", 20);
        }
    }
}

/* A probe asks the mailbox here whether it would take a mail, and leaves nothing in it. */
static void probe_here(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        set_up("", NULL, 0, "ops@here.example");
        bench.settings.smtp.is_probe = true;
        bench.box.begins = i == 0 ? MOTE_OK : MOTE_ERR_NO_MAILBOX;
        assert_int_equal(start(), MOTE_OK);
        run();
        check_verdicts(i == 0 ? "a" : "p", "probe here");
        assert_int_equal(bench.box.stored, 0);
        assert_int_equal(bench.box.aborted, i == 0 ? 1 : 0);
        assert_int_equal(bench.recipients[0].report.stage, MOTE_STAGE_MAILBOX);
    }
}

/* A zone of more mail exchangers than anybody has, none of which has an address: an attempt ends, and is no last word. */
static void hosts_without_end(void **state)
{
    static char zone[64 * 1024];
    char *end = zone;

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        end += sprintf(end, "a.example MX %u mx%u.a.example\n", i, i);
    }
    set_up(zone, NULL, 0, "ops@a.example");
    assert_int_equal(start(), MOTE_OK);
    run();
    check_verdicts("t", "hosts without end");
    assert_true(bench.fake.question_count <= 3 * 40); /* MX, A and AAAA for each host */
    assert_int_equal(bench.recipients[0].report.stage, MOTE_STAGE_HOST);
}

static void total_timeout(void **state)
{
    static const char *const greetings[] = { "220-never", "220 fake" }; /* the second one hangs in EHLO */
    static const mote_timeouts_t timeouts = { .total_s = 7 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(greetings); i++) {
        fake_server_t server = { .ip = "192.0.2.1", .greeting = greetings[i], .ehlo = "250-never" };

        set_up(ONE_HOST, &server, 1, "ops@a.example ops@gone.example");
        bench.settings.smtp.timeouts = &timeouts;
        assert_int_equal(start(), MOTE_OK);
        run();
        check_verdicts("tt", greetings[i]);
        assert_int_equal(bench.now_ms - bench.start_ms, 7000);
        assert_int_equal(bench.recipients[0].report.status, MOTE_ERR_TIMEOUT);
    }
}

/* SMTP-61: what a whole attempt may take, unless the caller says; it grows with recipients and size. */
static void total_time(void **state)
{
    static const struct {
        const char *recipients;
        int32_t wire_size;
        uint32_t total_s;
    } rows[] = {
        { "ops@a.example", MOTE_SIZE_UNKNOWN, 3660 },
        { "ops@a.example dev@a.example ops@b.example", 1000, 3780 },
        { "ops@a.example", 10 * 65536, 4260 },
        { "ops@a.example", INT32_MAX, 1000000 }, /* so that a step a while too late still sees the end behind it */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        set_up("a.example T -\n", NULL, 0, rows[i].recipients);
        bench.source.source.wire_size = rows[i].wire_size;
        assert_int_equal(start(), MOTE_OK);
        assert_int_equal(mote_delivery_step(&bench.delivery, bench.now_ms + rows[i].total_s * 1000 - 1), 1);
        assert_false(mote_delivery_has_ended(&bench.delivery));
        (void)mote_delivery_step(&bench.delivery, bench.now_ms + rows[i].total_s * 1000);
        assert_true(mote_delivery_has_ended(&bench.delivery));
    }
}

/* SMTP-58, MX-34: how long a connect may take: less while another address is left. */
static void connect_time(void **state)
{
    static const mote_timeouts_t five_s = { .connect_s = 5 };
    static const struct {
        const mote_timeouts_t *timeouts;
        bool has_two;
        uint32_t first_ms;
        uint32_t last_ms;
    } rows[] = { { NULL, false, 30000, 0 }, { NULL, true, 8000, 30000 }, { &five_s, false, 5000, 0 }, { &five_s, true, 5000, 5000 } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fake_server_t servers[] = { { .ip = "192.0.2.1", .connects = MOTE_PENDING }, { .ip = "192.0.2.2", .connects = MOTE_PENDING } };
        uint32_t wait_ms;

        set_up(rows[i].has_two ? ONE_HOST "mx.a.example A 192.0.2.2\n" : ONE_HOST, servers, 2, "ops@a.example");
        bench.settings.smtp.timeouts = rows[i].timeouts;
        assert_int_equal(start(), MOTE_OK);
        wait_ms = mote_delivery_step(&bench.delivery, bench.now_ms);
        assert_int_equal(wait_ms, rows[i].first_ms);
        bench.now_ms += wait_ms;
        wait_ms = mote_delivery_step(&bench.delivery, bench.now_ms);
        if (rows[i].has_two) {
            assert_int_equal(wait_ms, rows[i].last_ms);
            (void)mote_delivery_step(&bench.delivery, bench.now_ms + wait_ms);
        }
        assert_true(mote_delivery_has_ended(&bench.delivery));
        assert_int_equal(bench.recipients[0].report.status, MOTE_ERR_TIMEOUT);
    }
}

/* MX-35: a further attempt asks again; what the records still hold of the last one leads nowhere. */
static void asks_again(void **state)
{
    fake_server_t servers[] = { { .ip = "192.0.2.1", .rcpt = "450 later" }, { .ip = "192.0.2.2" } };

    (void)state;
    set_up(ONE_HOST, servers, 2, "ops@a.example");
    assert_int_equal(start(), MOTE_OK);
    run();
    check_verdicts("t", "first");
    bench.fake.is_over = false;
    bench.fake.zone = "a.example MX 10 mx.a.example\nmx.a.example A 192.0.2.2\n";
    assert_int_equal(start(), MOTE_OK);
    run();
    check_verdicts("a", "second");
    assert_string_equal(bench.fake.connect_order, "192.0.2.1 192.0.2.2 ");
}

/* SMTP-47: a kept stream serves a next mail with the same next hop; a stale one costs a connection, not the mail. */
static void next_mail(void **state)
{
    static const struct {
        const char *name;
        bool closes_when_idle;
        const char *first;
        const char *second;
        unsigned connections;
        const char *peer; /* of the second mail: who it went to, also on a stream that was kept */
    } rows[] = {
        { "same relay", false, "ops@relayed.example", "dev@relayed.example", 1, "192.0.2.9" },
        { "the relay has closed", true, "ops@relayed.example", "dev@relayed.example", 2, "192.0.2.9" },
        { "another hop", false, "ops@relayed.example", "dev@a.example", 1, "192.0.2.1" },
        { "the same domain", false, "ops@b.example", "dev@B.example", 1, "192.0.2.9" },
        { "another domain", false, "ops@b.example", "dev@a.example", 1, "192.0.2.1" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fake_server_t servers[] = { { .ip = "192.0.2.9", .closes_when_idle = rows[i].closes_when_idle }, { .ip = "192.0.2.1" } };
        mote_ip_t peer;

        (void)mote_ip_parse(mote_span_text(rows[i].peer), &peer);
        set_up(ONE_HOST "smtp.example.net A 192.0.2.9\nb.example MX 0 smtp.example.net\n", servers, 2, rows[i].first);
        bench.settings.smtp.keeps_stream = true;
        assert_int_equal(start(), MOTE_OK);
        run();
        check_verdicts("a", rows[i].name);
        bench.fake.is_over = false;
        bench.recipients[1] = bench.recipients[0];
        bench.recipients[1].address = mote_span_text(rows[i].second);
        bench.mail.recipients = &bench.recipients[1];
        assert_int_equal(mote_delivery_next(&bench.delivery, &bench.mail, bench.now_ms), MOTE_OK);
        run();
        CHECK(bench.recipients[1].verdict == MOTE_VERDICT_ACCEPTED, rows[i].name);
        CHECK(mote_ip_equals(&bench.recipients[1].peer, &peer), rows[i].name);
        CHECK(servers[0].connections == rows[i].connections, rows[i].name);
        CHECK(servers[0].mails + servers[1].mails == 2, rows[i].name);
        bench.fake.is_over = false;
        mote_delivery_stop(&bench.delivery, bench.now_ms);
    }
}

/* SMTP-24. What comes while a stream is kept is no reply to the next mail's commands: it is read before they leave. */
static void words_while_idle(void **state)
{
    static const struct {
        const char *words;
        bool is_before_next; /* else behind it, and before its first step */
        mote_verdict_t verdict;
        unsigned connections;
    } rows[] = {
        { "250 ok", true, MOTE_VERDICT_ACCEPTED, 2 },
        { "421 closing", true, MOTE_VERDICT_ACCEPTED, 2 },
        { "421 closing", false, MOTE_VERDICT_ACCEPTED, 2 },
        { "250 ok", false, MOTE_VERDICT_TRANSIENT, 1 }, /* out of step */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fake_server_t server = { .ip = "192.0.2.9" };

        set_up("smtp.example.net A 192.0.2.9\n", &server, 1, "ops@relayed.example");
        bench.settings.smtp.keeps_stream = true;
        assert_int_equal(start(), MOTE_OK);
        run();
        bench.fake.is_over = false;
        if (rows[i].is_before_next) {
            fake_say(&bench.fake, rows[i].words);
        }
        assert_int_equal(mote_delivery_next(&bench.delivery, &bench.mail, bench.now_ms), MOTE_OK);
        if (!rows[i].is_before_next) {
            fake_say(&bench.fake, rows[i].words);
        }
        run();
        CHECK(bench.recipients[0].verdict == rows[i].verdict, rows[i].words);
        CHECK(server.connections == rows[i].connections, rows[i].words);
        CHECK(rows[i].connections == 2 || bench.fake.line[0] == '.', rows[i].words); /* the end of the first mail was the last heard */
        bench.fake.is_over = false;
        mote_delivery_stop(&bench.delivery, bench.now_ms);
    }
}

/* DNS-54: the family that has answered is not kept waiting for long. */
static void other_family_in_time(void **state)
{
    fake_server_t server = { .ip = "192.0.2.1" };

    (void)state;
    set_up(ONE_HOST "mx.a.example T/AAAA -\n", &server, 1, "ops@a.example");
    assert_int_equal(start(), MOTE_OK);
    assert_int_equal(mote_delivery_step(&bench.delivery, bench.now_ms), 2000);
    (void)mote_delivery_step(&bench.delivery, bench.now_ms + 2000);
    assert_int_equal(bench.recipients[0].verdict, MOTE_VERDICT_ACCEPTED);
}

/* The stream kept cannot serve the first of the new mail's hops, and nothing is heard on it: the other's turn is now. */
static void next_mail_elsewhere(void **state)
{
    fake_server_t servers[] = { { .ip = "192.0.2.9", .ehlo = "250 fake" }, { .ip = "192.0.2.1" } };

    (void)state;
    set_up(ONE_HOST "smtp.example.net A 192.0.2.9\n", servers, 2, "ops@relayed.example dev@relayed.example dev@a.example");
    bench.settings.smtp.keeps_stream = true;
    bench.mail.recipient_count = 1;
    assert_int_equal(start(), MOTE_OK);
    run();
    bench.fake.is_over = false;
    bench.mail.recipients = &bench.recipients[1];
    bench.mail.recipient_count = 2;
    bench.source.source.is_8bit = MOTE_YES;
    assert_int_equal(mote_delivery_next(&bench.delivery, &bench.mail, bench.now_ms), MOTE_OK);
    (void)mote_delivery_step(&bench.delivery, bench.now_ms);
    assert_true(mote_delivery_has_ended(&bench.delivery)); /* no time has passed */
    assert_int_equal(bench.recipients[1].verdict, MOTE_VERDICT_PERMANENT);
    assert_int_equal(bench.recipients[2].verdict, MOTE_VERDICT_ACCEPTED);
}

static void reports(void **state)
{
    fake_server_t server = { .ip = "192.0.2.1", .rcpt = "550 5.1.1 no such user" };
    const mote_recipient_t *recipient = &bench.recipients[0];

    (void)state;
    set_up(ONE_HOST, &server, 1, "ops@a.example");
    assert_int_equal(start(), MOTE_OK);
    run();
    assert_int_equal(recipient->report.code, 550);
    assert_int_equal(recipient->report.enhanced.klass, 5);
    assert_int_equal(recipient->report.stage, MOTE_STAGE_RCPT);
    assert_true(mote_span_equals(mote_buffer_span(&recipient->text), TEXT("no such user")));
    assert_true(mote_span_equals(mote_buffer_span(&recipient->host), TEXT("mx.a.example")));
    assert_int_equal(recipient->peer.family, MOTE_FAMILY_IPV4);
    for (unsigned i = 0; i < MOTE_STAGE_COUNT; i++) {
        assert_true(strlen(mote_stage_text((mote_stage_t)i)) > 0);
    }
    assert_string_equal(mote_stage_text(MOTE_STAGE_COUNT), "unknown");
    assert_string_equal(mote_verdict_text(MOTE_VERDICT_PENDING), "pending");
    assert_string_equal(mote_verdict_text(MOTE_VERDICT_IN_DOUBT), "in doubt");
    assert_string_equal(mote_verdict_text((mote_verdict_t)9), "unknown");
}

/* RFC 5321 2.4: which are one mailbox, however they are spelt. */
static void the_same_mailbox(void **state)
{
    static const struct {
        const char *recipients;
        bool is_same;
    } rows[] = {
        { "ops@a.example ops@A.EXAMPLE", true },
        { "ops@a.example Ops@a.example", false },
        { "ops@a.example opt@a.example", false },
        { "ops@a.example \"ops\"@A.example", true },
        { "\"ops\"@a.example ops@a.example", true },
        { "\"o\\ps\"@a.example ops@a.example", true },
        { "\"o@ps\"@a.example ops@a.example", false },
        { "ops@[IPv6:2001:db8::1] ops@[IPv6:2001:DB8:0:0::1]", true },
        { "ops@[IPv6:2001:db8::1] ops@[IPv6:2001:db8::2]", false },
        { "postmaster Postmaster", true },
        { "postmaster postmaster@a.example", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        set_up("", NULL, 0, rows[i].recipients);
        CHECK(start() == MOTE_OK, rows[i].recipients);
        CHECK((bench.recipients[1].phase == MOTE_PHASE_DUPLICATE) == rows[i].is_same, rows[i].recipients);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),         cmocka_unit_test(every_call_fails), cmocka_unit_test(stop_anywhere),
        cmocka_unit_test(refused_at_start), cmocka_unit_test(mailbox_verdicts), cmocka_unit_test(total_timeout),
        cmocka_unit_test(next_mail),        cmocka_unit_test(next_mail_elsewhere), cmocka_unit_test(reports),          cmocka_unit_test(literals),
        cmocka_unit_test(relays_in_turn),   cmocka_unit_test(hosts_without_end), cmocka_unit_test(probe_here),
        cmocka_unit_test(postmaster_elsewhere), cmocka_unit_test(addresses_from_dns), cmocka_unit_test(no_questions),
        cmocka_unit_test(tls_that_is_not),  cmocka_unit_test(last_words), cmocka_unit_test(a_handshake_that_waits),   cmocka_unit_test(octet_by_octet),
        cmocka_unit_test(literal_by_tls),   cmocka_unit_test(probe_everywhere), cmocka_unit_test(probe_of_two_domains),
        cmocka_unit_test(settled_before_the_end), cmocka_unit_test(the_same_mailbox),
        cmocka_unit_test(words_while_idle), cmocka_unit_test(total_time), cmocka_unit_test(asks_again), cmocka_unit_test(connect_time), cmocka_unit_test(other_family_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
