/* A pump that reports: gets an address by DHCP, mails an alert straight to the recipient's own server, and another through a
   relay with TLS and a password, with its log as an attachment. Sleeps whenever there is nothing to do. */
#include "board.h"
#include "console.h"
#include "firmware.h"
#include "settings.h"

#include <mailmote/compose.h>
#include <mailmote/lwip.h>

#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/stats.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"

enum { DHCP_WAIT_MS = 15000, CLOCK_WAIT_MS = 5000, SETTLE_MS = 500, SETTLE_LONGEST_MS = 30000, DNS_TCP_BYTES = 512 };

enum { EXIT_ALL_ACCEPTED = 0, EXIT_NOT_ALL = 1, EXIT_NO_ADDRESS = 2, EXIT_NO_SETTINGS = 3, EXIT_LEAK = 4 };

static settings_t settings;
static struct netif ethernet;
static unsigned accepted_count;
static unsigned mail_count;

/* ---- what a delivery needs: all of it static ---- */

static mote_lwip_run_t run;
static uint8_t dns_tcp[DNS_TCP_BYTES];
static mote_endpoint_t name_servers[DNS_MAX_SERVERS];
static mote_dns_settings_t dns = { .servers = name_servers, .udp_bytes = 512, .tcp_buffer = dns_tcp, .tcp_capacity = DNS_TCP_BYTES };
static uint8_t words[96];
static uint8_t host[64];
static mote_recipient_t recipient = { .text = { words, sizeof words, 0 }, .host = { host, sizeof host, 0 } };
static mote_memory_source_t source;
static mote_mail_t mail = { .recipients = &recipient, .recipient_count = 1 };
static bool has_ended;

static mote_status_t give_credentials(void *self, const mote_hop_t *hop, mote_credentials_t *credentials)
{
    (void)self, (void)hop;
    credentials->user = settings.user;
    credentials->password = settings.password;
    return settings.user.size > 0 ? MOTE_OK : MOTE_ERR_AUTH;
}

static mote_hop_t mx = { .port = 25, .tls = MOTE_TLS_OPPORTUNISTIC };
static mote_hop_t relay = { .tls = MOTE_FEATURE_TLS ? MOTE_TLS_VERIFIED : MOTE_TLS_NONE, .credentials = give_credentials };
static mote_route_t route = { .hop_count = 1 };
static mote_timeouts_t timeouts;
static mote_settings_t mote_settings = { .routes = &route, .route_count = 1, .smtp = { .timeouts = &timeouts } };

static void end(mote_lwip_run_t *ended)
{
    (void)ended;
    has_ended = true;
}

/* ---- the loop ---- */

static uint32_t slept_us;
static uint32_t breath_us;
static uint32_t longest_us; /* between two breaths */

/* Here a product feeds its watchdog: in each round of the loop, and between the steps of a handshake. */
void breathe(void)
{
    uint32_t now_us = microseconds();

    longest_us = now_us - breath_us > longest_us ? now_us - breath_us : longest_us;
    breath_us = now_us;
}

static void wait_for_something(void)
{
    uint32_t since_us;

    board_poll(&ethernet);
    sys_check_timeouts();
    breathe();
    since_us = microseconds();
    board_sleep();
    slept_us += microseconds() - since_us;
}

uint32_t firmware_random(void)
{
    uint32_t number = 0;

    (void)host_random(NULL, (uint8_t *)&number, sizeof number);
    return number;
}

static bool wait_for_address(void)
{
    uint32_t patience_ms = settings.patience_s > 0 ? settings.patience_s * 1000U : DHCP_WAIT_MS;
    uint32_t begun_ms = sys_now();

    while (dhcp_supplied_address(&ethernet) == 0) {
        if (sys_now() - begun_ms > patience_ms) {
            console_text("DHCP: no answer\n");
            return false;
        }
        wait_for_something();
    }
    dns.server_count = (uint8_t)mote_lwip_dns_servers(name_servers, DNS_MAX_SERVERS);
    if (settings.name_server.family != 0) {
        name_servers[0].ip = settings.name_server;
        name_servers[0].port = 53;
        dns.server_count = 1;
    }
    return true;
}

/* A certificate can only be judged by a clock that is set. */
static void wait_for_clock(void)
{
    uint32_t begun_ms = sys_now();

    if (settings.time_server.family != MOTE_FAMILY_IPV4) {
        return;
    }
    if (!clock_is_asked()) {
        clock_start(&settings.time_server);
    }
    while (clock_now() == 0) {
        if (sys_now() - begun_ms > CLOCK_WAIT_MS) {
            console_text("SNTP: no answer\n");
            return;
        }
        wait_for_something();
    }
}

static void start_network(void)
{
    lwip_init();
    (void)netif_add(&ethernet, NULL, NULL, NULL, NULL, board_ethernet, netif_input);
    netif_set_default(&ethernet);
    netif_set_up(&ethernet);
    (void)dhcp_start(&ethernet);
}

/* ---- alerts ---- */

static void tell_verdict(const char *way, uint32_t begun_us)
{
    console_text(way);
    console_text(": ");
    console_text(mote_verdict_text((mote_verdict_t)recipient.verdict));
    console_text(", ");
    console_text(mote_stage_text((mote_stage_t)recipient.report.stage));
    console_text(", ");
    console_text(mote_status_text((mote_status_t)recipient.report.status));
    console_text(", ");
    console_span(mote_buffer_span(&recipient.host));
    console_text(": ");
    console_number(recipient.report.code);
    console_text(" ");
    console_span(mote_buffer_span(&recipient.text));
    console_text(", ");
    console_number((microseconds() - begun_us) / 1000);
    console_text(" ms, awake ");
    console_number((microseconds() - begun_us - slept_us) / 1000);
    console_line(" ms, longest ", longest_us / 1000, " ms");
}

static void send_alert(const char *way, mote_source_t *message)
{
    uint32_t begun_us = microseconds();
    mote_status_t status;

    mote_lwip_run_init(&run, (mote_random_t){ host_random, NULL });
    tls_wrap(&run);
    run.ended = end;
    mail.source = message;
    mail.reverse_path = settings.from;
    recipient.address = settings.to;
    has_ended = false;
    slept_us = 0;
    breath_us = begun_us;
    longest_us = 0;
    mail_count++;
    status = mote_lwip_start(&run, &mote_settings, &dns, &mail);
    if (status != MOTE_OK) {
        console_text(way);
        console_text(": cannot start: ");
        console_text(mote_status_text(status));
        console_text("\n");
        return;
    }
    while (!has_ended) {
        wait_for_something();
    }
    accepted_count += recipient.verdict == MOTE_VERDICT_ACCEPTED;
    tell_verdict(way, begun_us);
}

/* Words in flash, sent from where they lie. */
static mote_source_t *alert_in_flash(void)
{
    static const mote_span_t text = MOTE_SPAN("X-Mark: MX\r\nSubject: Pump 7\r\n\r\nThe flow has stopped.\r\n.\r\n..\r\nThat is all.\r\n");

    mote_memory_source_init(&source, text);
    source.source.is_stable = true;
    return &source.source;
}

/* Composed while it is sent: the subject, the words, and the log that lies in RAM. NULL: it cannot be. */
static mote_source_t *alert_with_log(void)
{
    static const mote_field_t mark = { MOTE_SPAN("X-Mark"), MOTE_SPAN("relay") };
    static uint8_t log[256];
    static mote_name_addr_t from;
    static mote_name_addr_t to;
    static mote_part_t parts[2];
    static mote_message_t message;
    static mote_compose_t compose;
    static uint8_t room[MOTE_COMPOSE_ROOM_BYTES];
    mote_writer_t out = mote_writer(log, sizeof log);

    mote_write_text(&out, "7 bar\n5 bar\n0 bar\n");
    parts[0].content = mote_span_text("The flow has stopped.\n.\nThat is all.\n");
    parts[1].role = MOTE_PART_ATTACHMENT;
    parts[1].type = mote_span_text("text/plain");
    parts[1].name = mote_span_text("pump.log");
    parts[1].content = mote_span(log, mote_writer_stored(&out));
    from.address = settings.from;
    to.address = settings.to;
    message.from = (mote_name_addrs_t){ &from, 1 };
    message.to = (mote_name_addrs_t){ &to, 1 };
    message.subject = mote_span_text("Pump 7: flow below 2 \xC2\xB5l/s");
    message.date_s = clock_now();
    message.zone_minutes = MOTE_ZONE_UNKNOWN;
    message.fields = &mark;
    message.field_count = 1;
    message.parts = parts;
    message.part_count = 2;
    if (host_random(NULL, message.seed, sizeof message.seed) != MOTE_OK ||
        mote_compose_start(&compose, &message, room, sizeof room) != MOTE_OK || mote_compose_scan(&compose) != MOTE_OK) {
        return NULL;
    }
    return &compose.source;
}

static void send_by_mx(void)
{
    route.kind = MOTE_ROUTE_MX;
    route.hops = &mx;
    send_alert("MX", alert_in_flash());
}

static void send_by_relay(void)
{
    mote_source_t *message = alert_with_log();

    if (message == NULL) {
        console_text("relay: the alert cannot be composed\n");
        return;
    }
    route.kind = MOTE_ROUTE_RELAY;
    route.hops = &relay;
    relay.host = settings.relay;
    relay.port = settings.relay_port;
    relay.implicit = settings.is_implicit;
    relay.mechanisms = settings.user.size > 0 ? MOTE_AUTH_PLAIN | MOTE_AUTH_LOGIN : 0;
    send_alert("relay", message);
}

static void send_alerts(void)
{
    if (MOTE_FEATURE_MX && settings.has_mx) {
        send_by_mx();
    }
    if (FIRMWARE_RELAY && settings.relay.size > 0) {
        wait_for_clock();
        send_by_relay();
    }
}

/* One line that scripts/firmware reads. */
static void tell_marks(void)
{
    console_text("marks: board ");
    console_text(board_name);
    console_text(" mails ");
    console_number(mail_count);
    console_text(" accepted ");
    console_number(accepted_count);
    console_text(" stack ");
    console_number(stack_used());
    console_text(" of ");
    console_number(stack_size());
    console_text(" arena ");
    console_number(arena_peak());
    console_text(" of ");
    console_number(arena_size());
    console_text(" mem ");
    console_number(lwip_stats.mem.max);
    console_text(" pbufs ");
    console_number(lwip_stats.memp[MEMP_PBUF_POOL]->max);
    console_line(" static ", static_bytes(), "");
}

static void wait_for_time(uint32_t ms)
{
    uint32_t begun_ms = sys_now();

    while (sys_now() - begun_ms < ms) {
        wait_for_something();
    }
}

/* The last FIN wants its acknowledgement; with a bad link lwIP sends it more than once. */
static void settle(void)
{
    uint32_t begun_ms = sys_now();

    wait_for_time(SETTLE_MS);
    while (tcp_active_pcbs != NULL && sys_now() - begun_ms < SETTLE_LONGEST_MS) {
        wait_for_something();
    }
}

static bool has_left(const char *what, unsigned used, unsigned before)
{
    if (used > before) {
        console_text("leak: ");
        console_text(what);
        console_text(": ");
        console_number(before);
        console_line(" before, ", used, " after");
    }
    return used > before;
}

/* Whether the mails have left something behind: arena (but for the CA), lwIP's heap, pbufs, segments, pcbs. Those in TIME_WAIT
   are lwIP's. */
static bool has_leaked(unsigned arena_before, unsigned mem_before)
{
    bool has = has_left("arena", arena_used(), arena_before);

    has |= has_left("lwIP's heap", lwip_stats.mem.used, mem_before);
    has |= has_left("pool of pbufs", lwip_stats.memp[MEMP_PBUF_POOL]->used, 0);
    has |= has_left("pbufs", lwip_stats.memp[MEMP_PBUF]->used, 0);
    has |= has_left("segments", lwip_stats.memp[MEMP_TCP_SEG]->used, 0);
    has |= has_left("connections", tcp_active_pcbs != NULL, 0);
    has |= has_left("sockets", lwip_stats.memp[MEMP_UDP_PCB]->used, clock_is_asked() ? 2 : 1); /* DHCP's, SNTP's */
    return has;
}

int firmware_run(void)
{
    unsigned missed_count = 0;
    unsigned arena_before;
    unsigned mem_before;

    console_text("mailmote on ");
    console_text(board_name);
    console_text("\n");
    if (!settings_read(&settings)) {
        console_text("settings: none, or senseless\n");
        return EXIT_NO_SETTINGS;
    }
    start_network();
    tls_start(&settings);
    timeouts.total_s = settings.patience_s;
    arena_before = arena_used();
    mem_before = lwip_stats.mem.used;
    for (unsigned i = 0; i < settings.rounds; i++) {
        wait_for_time(settings.pause_ms);
        if (wait_for_address()) {
            send_alerts();
        } else {
            missed_count++; /* the alert is lost here; a product keeps it and tries again later */
        }
    }
    settle();
    tell_marks();
    if (has_leaked(arena_before, mem_before)) {
        return EXIT_LEAK;
    }
    if (missed_count > 0) {
        return EXIT_NO_ADDRESS;
    }
    return accepted_count == mail_count ? EXIT_ALL_ACCEPTED : EXIT_NOT_ALL;
}
