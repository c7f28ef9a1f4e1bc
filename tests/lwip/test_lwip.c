/* The lwIP port on a network that does what networks do. After every delivery nothing of lwIP's memory is left behind, and
   a mail is called accepted only when the server has it, octet for octet. */
#include "../unit/test.h"
#include "heap.h"
#include "net.h"

#include "lwip/memp.h"
#include "lwip/timeouts.h"

#include <stdlib.h>

enum { LARGE_BYTES = 100000, LONGEST_MS = 3600000 };

static const mote_hop_t mx = { .port = 25, .tls = MOTE_TLS_OPPORTUNISTIC };
static const mote_route_t by_mx = { { NULL, 0 }, MOTE_ROUTE_MX, 1, &mx };
static const mote_hop_t relay = { .host = MOTE_SPAN("192.0.2.1"), .port = 25, .tls = MOTE_TLS_NONE };
static const mote_route_t by_relay = { { NULL, 0 }, MOTE_ROUTE_RELAY, 1, &relay };

/* A delivery with everything it needs. */
typedef struct job {
    mote_lwip_run_t run;
    mote_settings_t settings;
    mote_endpoint_t name_server;
    mote_dns_settings_t dns;
    mote_recipient_t recipient;
    mote_memory_source_t source;
    mote_mail_t mail;
    unsigned ends;
} job_t;

static bool has_random = true;

static mote_status_t draw(void *self, uint8_t *bytes, size_t size)
{
    (void)self;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(rand() >> 7); /* a test's; a device has a source of its own */
    }
    return has_random ? MOTE_OK : MOTE_ERR_RANDOM;
}

static void on_ended(mote_lwip_run_t *run)
{
    ((job_t *)(void *)run)->ends++;
}

static void prepare(job_t *job, const mote_route_t *route, mote_span_t message)
{
    memset(job, 0, sizeof *job);
    mote_lwip_run_init(&job->run, (mote_random_t){ draw, NULL });
    job->run.ended = on_ended;
    job->settings.routes = route;
    job->settings.route_count = 1;
    (void)mote_ip_parse(mote_span_text("192.0.2.1"), &job->name_server.ip);
    job->name_server.port = 53;
    job->dns.servers = &job->name_server;
    job->dns.server_count = 1;
    job->recipient.address = mote_span_text("ops@a.example");
    mote_memory_source_init(&job->source, message);
    job->source.source.is_stable = true;
    job->mail.reverse_path = mote_span_text("pump@example.net");
    job->mail.recipients = &job->recipient;
    job->mail.recipient_count = 1;
    job->mail.source = &job->source.source;
}

static mote_status_t start(job_t *job)
{
    return mote_lwip_start(&job->run, &job->settings, &job->dns, &job->mail);
}

static void run_to_end(job_t *job)
{
    uint32_t begun_ms = net_now_ms();

    while (job->ends == 0) {
        assert_true(net_step(1000) - begun_ms < LONGEST_MS);
    }
    assert_int_equal(job->ends, 1);
    assert_null(job->run.lwip.pcb);
    assert_null(job->run.lwip.received);
    assert_null(job->run.lwip.slots[0]);
    assert_null(job->run.lwip.slots[1]);
    assert_null(job->run.lwip.datagrams[0].packet);
}

static mote_verdict_t verdict_of(const job_t *job)
{
    return (mote_verdict_t)job->recipient.verdict;
}

static void check_honest(const job_t *job, mote_span_t message, const char *name)
{
    mote_verdict_t verdict = verdict_of(job);

    CHECK(verdict != MOTE_VERDICT_PENDING, name);
    CHECK(taken.mails <= 1, name);
    if (taken.mails == 1) {
        CHECK(verdict == MOTE_VERDICT_ACCEPTED || verdict == MOTE_VERDICT_IN_DOUBT, name);
        CHECK(taken.size == message.size && taken.sum == net_sum(0, message.data, message.size), name);
    } else {
        CHECK(verdict != MOTE_VERDICT_ACCEPTED, name);
    }
}

/* Lines of 64 octets, every fifth beginning with a dot. */
static mote_span_t make_large(void)
{
    static uint8_t text[LARGE_BYTES];
    size_t size = 0;

    while (size + 66 <= sizeof text) {
        memset(text + size, 'a' + (int)(size % 23), 64);
        text[size] = size % 5 == 0 ? '.' : text[size];
        memcpy(text + size + 64, "\r\n", 2);
        size += 66;
    }
    return mote_span(text, size);
}

static const mote_span_t small = MOTE_SPAN("Subject: Pump 7\r\n\r\nThe flow has stopped.\r\n.\r\n");
static size_t base_count;

static int remember(void **state)
{
    (void)state;
    srand(1);
    has_random = true;
    net_reset();
    net_drain();
    base_count = heap_count();
    return 0;
}

static int nothing_left(void **state)
{
    (void)state;
    net_reset();
    net_drain();
    return heap_count() != base_count; /* PORT-8: no pbuf, pcb or timer */
}

/* ---- cases ---- */

static void ways(void **state)
{
    static const struct {
        const char *name;
        const mote_route_t *route;
        unsigned records;
        bool has_large_answers;
        bool parts_headers;
        uint32_t trips;
    } cases[] = {
        { "relay", &by_relay, MOTE_FAMILY_IPV4, false, false, 5 },
        { "MX", &by_mx, MOTE_FAMILY_IPV4, false, false, 7 },
        { "MX, IPv6", &by_mx, MOTE_FAMILY_IPV6, false, false, 7 },
        { "MX, both", &by_mx, MOTE_FAMILY_IPV4 | MOTE_FAMILY_IPV6, false, false, 7 },
        { "large answers", &by_mx, MOTE_FAMILY_IPV4, true, false, 7 },
        { "headers in a buffer of their own", &by_mx, MOTE_FAMILY_IPV4, false, true, 7 },
    };
    static job_t job;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint32_t begun_ms;

        net_reset();
        net.records = cases[i].records;
        net.has_large_answers = cases[i].has_large_answers;
        net.parts_headers = cases[i].parts_headers;
        prepare(&job, cases[i].route, small);
        job.settings.allows_loopback = true;
        begun_ms = net_now_ms();
        CHECK(start(&job) == MOTE_OK, cases[i].name);
        while (verdict_of(&job) == MOTE_VERDICT_PENDING) {
            (void)net_step(1000);
        }
        CHECK(net_now_ms() - begun_ms == cases[i].trips * 2 * NET_DELAY_MS, cases[i].name); /* PERF-1 */
        run_to_end(&job);
        CHECK(verdict_of(&job) == MOTE_VERDICT_ACCEPTED, cases[i].name);
        check_honest(&job, small, cases[i].name);
    }
}

static void bad_links(void **state) /* PORT-8 */
{
    static const struct {
        const char *name;
        net_t net;
    } cases[] = {
        { "loss", { .loss_percent = 20 } },
        { "doubled", { .double_percent = 30 } },
        { "reordered", { .jitter_ms = 30 } },
        { "all of it", { .loss_percent = 10, .double_percent = 10, .jitter_ms = 50 } },
    };
    static job_t job;
    mote_span_t message = make_large();
    unsigned accepted = 0;

    (void)state;
    for (unsigned seed = 1; seed <= 12; seed++) {
        size_t i = seed % COUNT_OF(cases);

        net_reset();
        srand(seed);
        net.loss_percent = cases[i].net.loss_percent;
        net.double_percent = cases[i].net.double_percent;
        net.jitter_ms = cases[i].net.jitter_ms;
        prepare(&job, &by_mx, message);
        job.settings.allows_loopback = true;
        CHECK(start(&job) == MOTE_OK, cases[i].name);
        run_to_end(&job);
        check_honest(&job, message, cases[i].name);
        accepted += verdict_of(&job) == MOTE_VERDICT_ACCEPTED;
        net_drain();
    }
    assert_in_range(accepted, 10, 12); /* lwIP gives a link up that loses too much */
}

/* The server's window opens octet by octet: sent in small pieces, arrives whole. */
static void a_small_window(void **state)
{
    static job_t job;
    mote_span_t message = mote_span_slice(make_large(), 0, 6600);

    (void)state;
    net.reads_slowly = true;
    prepare(&job, &by_relay, message);
    assert_int_equal(start(&job), MOTE_OK);
    run_to_end(&job);
    assert_int_equal(verdict_of(&job), MOTE_VERDICT_ACCEPTED);
    check_honest(&job, message, "small window");
    for (unsigned i = 0; i < 100000; i++) { /* the server reads on */
        (void)net_step(1);
    }
}

/* The server never offers more than one octet, so that each octet is a segment. */
static void a_window_of_one_octet(void **state)
{
    static job_t job;

    (void)state;
    net.window = 1;
    prepare(&job, &by_relay, small);
    assert_int_equal(start(&job), MOTE_OK);
    run_to_end(&job);
    assert_int_equal(verdict_of(&job), MOTE_VERDICT_ACCEPTED);
    check_honest(&job, small, "window of one");
}

static void no_way(void **state)
{
    static const struct {
        const char *name;
        bool is_closed, is_silent, has_no_link, has_no_random;
        mote_status_t status;
    } cases[] = {
        { "refused", true, false, false, false, MOTE_ERR_REFUSED },
        { "silent", false, true, false, false, MOTE_ERR_TIMEOUT },
        { "no link", false, false, true, false, MOTE_ERR_UNREACHABLE },
        { "no random bytes", false, false, false, true, MOTE_ERR_RANDOM },
    };
    static job_t job;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        net_reset();
        net.is_closed = cases[i].is_closed;
        net.is_silent = cases[i].is_silent;
        net_drain();
        net_set_link(!cases[i].has_no_link);
        prepare(&job, &by_relay, small);
        has_random = !cases[i].has_no_random;
        if (start(&job) == MOTE_OK) {
            run_to_end(&job);
            CHECK(verdict_of(&job) == MOTE_VERDICT_TRANSIENT, cases[i].name);
            CHECK(job.recipient.report.status == cases[i].status, cases[i].name);
        } else {
            CHECK(cases[i].has_no_random, cases[i].name);
        }
        has_random = true;
        net_set_link(true);
        net_reset();
        prepare(&job, &by_relay, small); /* and a later mail gets through */
        CHECK(start(&job) == MOTE_OK, cases[i].name);
        run_to_end(&job);
        CHECK(verdict_of(&job) == MOTE_VERDICT_ACCEPTED, cases[i].name);
    }
}

/* The server resets or ends the connection after each octet of the dialogue. The message's memory is the caller's again as
   soon as the delivery has ended, whatever lies in lwIP's queues then. */
static void ends_of_the_link(void **state) /* PORT-8 */
{
    static const struct {
        const char *name;
        size_t message_size;
        size_t step;
        size_t end;
        bool is_reset;
    } cases[] = {
        { "reset", 66, 1, 260, true },
        { "end", 66, 1, 120, false },
        { "reset in a larger mail", 6600, 37, 6800, true },
        { "end in a larger mail", 6600, 1, 120, false },
    };
    static job_t job;
    unsigned doubtful = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t at = 0; at < cases[i].end; at += cases[i].step) {
            mote_span_t message = exact_copy(mote_span_slice(make_large(), 0, cases[i].message_size));

            net_reset();
            net.reset_after = cases[i].is_reset ? at : NET_NEVER;
            net.end_after = cases[i].is_reset ? NET_NEVER : at;
            prepare(&job, &by_relay, message);
            assert_int_equal(start(&job), MOTE_OK);
            run_to_end(&job);
            check_honest(&job, message, cases[i].name);
            doubtful += verdict_of(&job) == MOTE_VERDICT_IN_DOUBT;
            free_copy(message);
            net_drain();
        }
    }
    assert_in_range(doubtful, 20, 200);
}

/* A server may answer what it has not acknowledged. When the stream is closed then, stable bytes still lie in lwIP's queues to
   be sent again, and their memory is not ours any more. */
static void borrowed_bytes(void **state) /* PORT-8 */
{
    static mote_lwip_t lwip;
    const mote_port_t *port = &mote_lwip_port;
    mote_span_t message = exact_copy(mote_span_slice(make_large(), 0, 500));
    mote_endpoint_t peer = { .port = 25 };
    mote_span_t greeting;
    size_t sent = 0;

    (void)state;
    (void)mote_ip_parse(mote_span_text("192.0.2.1"), &peer.ip);
    mote_lwip_init(&lwip, (mote_random_t){ draw, NULL });
    while (port->connect(&lwip, &peer) == MOTE_PENDING) {
        (void)net_step(1000);
    }
    while (port->lend(&lwip, &greeting) == MOTE_PENDING) {
        (void)net_step(1000);
    }
    port->taken(&lwip, greeting.size);
    net.loss_percent = 100;
    assert_int_equal(port->send(&lwip, message, MOTE_SEND_STABLE, &sent), MOTE_OK);
    assert_int_equal(sent, message.size);
    port->close(&lwip);
    free_copy(message);
    net.loss_percent = 0;
    net_drain();
}

/* A name server with a link-local address, as a router announces itself: with the interface named or not. */
static void a_link_local_name_server(void **state) /* PORT-11 */
{
    static job_t job;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        net_reset();
        prepare(&job, &by_mx, small);
        job.settings.allows_loopback = true;
        job.name_server.scope = (uint8_t)(i * net_scope());
        (void)mote_ip_parse(mote_span_text("fe80::1"), &job.name_server.ip);
        assert_int_equal(start(&job), MOTE_OK);
        run_to_end(&job);
        assert_int_equal(verdict_of(&job), MOTE_VERDICT_ACCEPTED);
        net_drain();
    }
}

/* A FIN that nobody acknowledges keeps its pcb for up to an hour. Such a one gives way to the next connection. */
static void a_closed_stream_gives_way(void **state)
{
    static mote_lwip_t lwips[2];
    const mote_port_t *port = &mote_lwip_port;
    mote_endpoint_t peer = { .port = 25 };

    (void)state;
    (void)mote_ip_parse(mote_span_text("192.0.2.1"), &peer.ip);
    for (size_t i = 0; i < COUNT_OF(lwips); i++) {
        mote_lwip_init(&lwips[i], (mote_random_t){ draw, NULL });
    }
    while (port->connect(&lwips[0], &peer) == MOTE_PENDING) {
        (void)net_step(1000);
    }
    net.loss_percent = 100;
    port->close(&lwips[0]);
    heap_limit_blocks(LWIP_MEM_ALIGN_SIZE(memp_pools[MEMP_TCP_PCB]->size), 2); /* this one's and the server's */
    assert_int_equal(port->connect(&lwips[1], &peer), MOTE_PENDING);
    assert_non_null(lwips[1].pcb);
    port->abort(&lwips[1]);
}

/* Every allocation of lwIP's fails once: the delivery waits, or ends with a verdict, and nothing leaks. */
static void no_memory(void **state) /* PORT-8 */
{
    static job_t job;
    mote_span_t message = mote_span_slice(make_large(), 0, 6600);
    unsigned accepted = 0;
    unsigned nth;

    (void)state;
    for (nth = 1;; nth++) {
        net_reset();
        prepare(&job, &by_mx, message);
        job.settings.allows_loopback = true;
        heap_fail_at(nth);
        assert_int_equal(start(&job), MOTE_OK);
        run_to_end(&job);
        check_honest(&job, message, "no memory");
        accepted += verdict_of(&job) == MOTE_VERDICT_ACCEPTED;
        if (!heap_has_failed()) {
            break;
        }
        net_reset();
        net_drain();
        assert_int_equal(heap_count(), base_count);
    }
    print_message("%u allocations, %u of these mails accepted\n", nth - 1, accepted);
    assert_true(nth > 80);
    assert_true(accepted > nth * 8 / 10); /* lwIP's client or server sends again; a lost SYN's pcb is made anew */
}

/* A delivery while memory is short: a verdict, and nothing is left of it. Then a later mail gets through. Gives whether
   there was memory enough. */
static bool has_enough(const char *name)
{
    static job_t job;
    mote_span_t message = mote_span_slice(make_large(), 0, 660); /* in pieces that lwIP does not copy, too */
    bool has_failed;

    prepare(&job, &by_mx, message);
    job.settings.allows_loopback = true;
    net.has_large_answers = true;
    assert_int_equal(start(&job), MOTE_OK);
    run_to_end(&job);
    check_honest(&job, message, name);
    has_failed = heap_has_failed();
    CHECK(has_failed || verdict_of(&job) == MOTE_VERDICT_ACCEPTED, name);
    net_reset();
    net_drain();
    CHECK(heap_count() == base_count, name);
    prepare(&job, &by_mx, message);
    job.settings.allows_loopback = true;
    assert_int_equal(start(&job), MOTE_OK);
    run_to_end(&job);
    CHECK(verdict_of(&job) == MOTE_VERDICT_ACCEPTED, name);
    net_reset();
    net_drain();
    return !has_failed;
}

/* From the n-th allocation on there is no more memory, until the delivery has ended. */
static void no_memory_any_more(void **state) /* PORT-8 */
{
    unsigned nth = 1;
    bool has_failed = true;

    (void)state;
    for (nth = 1; has_failed; nth++) {
        heap_fail_from(nth);
        has_failed = !has_enough("no memory any more");
    }
    print_message("%u allocations are enough\n", nth - 1);
    assert_true(nth > 40);
}

/* As with MEM_SIZE: every size up to the one that is enough. */
static void a_small_heap(void **state) /* PORT-8 */
{
    size_t bytes = 64;
    bool has_room;

    (void)state;
    do {
        bytes += 64;
        heap_limit_bytes(bytes);
        has_room = has_enough("a small heap");
    } while (!has_room && bytes < 20000);
    print_message("%u bytes are enough\n", (unsigned)bytes);
    assert_true(has_room && bytes > 500);
}

/* Each pool with no element, one, two, until that is enough. lwIP's client and server share them here. */
static void small_pools(void **state) /* PORT-8 */
{
    static const struct {
        const char *name;
        memp_t pool;
    } pools[] = {
        { "TCP_PCB", MEMP_TCP_PCB }, { "UDP_PCB", MEMP_UDP_PCB }, { "TCP_SEG", MEMP_TCP_SEG },
        { "PBUF", MEMP_PBUF },       { "PBUF_POOL", MEMP_PBUF_POOL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pools); i++) {
        unsigned count = 0;
        bool is_enough;

        do {
            CHECK(memp_pools[pools[i].pool]->size != sizeof(struct sys_timeo), pools[i].name); /* those never fail */
            heap_limit_blocks(LWIP_MEM_ALIGN_SIZE(memp_pools[pools[i].pool]->size), count);
            is_enough = has_enough(pools[i].name);
            count++;
        } while (!is_enough && count < 20);
        print_message("%s: %u are enough\n", pools[i].name, count - 1);
        CHECK(is_enough, pools[i].name);
    }
}

/* A delivery that has made so many steps. False: it had ended before. */
static bool begin_and_step(job_t *job, unsigned steps)
{
    net_reset();
    prepare(job, &by_mx, small);
    job->settings.allows_loopback = true;
    assert_int_equal(start(job), MOTE_OK);
    for (unsigned i = 0; i < steps && job->ends == 0; i++) {
        (void)net_step(1000);
    }
    return job->ends == 0;
}

static void stopped(void **state) /* PORT-13 */
{
    static job_t job;
    unsigned steps;

    (void)state;
    prepare(&job, &by_mx, small);
    mote_lwip_stop(&job.run); /* was never started: harmless */
    assert_true(mote_delivery_has_ended(&job.run.delivery));
    for (steps = 0;; steps++) {
        if (!begin_and_step(&job, steps)) {
            break;
        }
        mote_lwip_stop(&job.run);
        check_honest(&job, small, "stopped");
        net_drain();
        assert_int_equal(job.ends, 0);
        assert_int_equal(heap_count(), base_count);
    }
    assert_true(steps > 10);
}

static void lose_packets(bool is_back)
{
    net.loss_percent = is_back ? 0 : 100;
}

static void lose_the_link(bool is_back)
{
    net_set_link(is_back);
}

static void lose_the_address(bool is_back)
{
    net_set_address(is_back ? 1 : 0);
}

static void get_another_address(bool is_back)
{
    net_set_address(is_back ? 1 : 9);
}

/* After each step the cable is pulled, the link goes, or DHCP takes the address or gives another one, and it stays so: a
   verdict in the time that the timers allow, and once all is as before a later mail gets through. */
static void a_network_that_goes(void **state) /* PORT-12 */
{
    static const struct {
        const char *name;
        void (*change)(bool is_back);
    } cases[] = {
        { "packets lost", lose_packets },
        { "link down", lose_the_link },
        { "no address", lose_the_address },
        { "another address", get_another_address },
    };
    static job_t job;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        unsigned steps;

        for (steps = 0;; steps++) {
            if (!begin_and_step(&job, steps)) {
                break;
            }
            cases[i].change(false);
            run_to_end(&job);
            check_honest(&job, small, cases[i].name);
            cases[i].change(true);
            net_reset();
            net_drain();
            prepare(&job, &by_relay, small);
            CHECK(start(&job) == MOTE_OK, cases[i].name);
            run_to_end(&job);
            CHECK(verdict_of(&job) == MOTE_VERDICT_ACCEPTED, cases[i].name);
            net_drain();
            CHECK(heap_count() == base_count, cases[i].name);
        }
        CHECK(steps > 10, cases[i].name);
    }
}

/* Several at once: by MX and through a relay, on a bad link. Where lwIP has less than they want, each still ends with a verdict
   (the server, which shares it, forgets what it cannot say). */
static void side_by_side(void **state) /* PORT-5 */
{
    static job_t jobs[4];
    mote_span_t message = mote_span_slice(make_large(), 0, 6600);

    (void)state;
    for (unsigned round = 0; round < 8; round++) {
        unsigned ended = 0;
        unsigned accepted = 0;

        net_reset();
        net.loss_percent = round % 2 == 0 ? 0 : 5;
        net.jitter_ms = round % 4 * 10;
        if (round >= 4) {
            heap_limit_blocks(LWIP_MEM_ALIGN_SIZE(memp_pools[MEMP_TCP_SEG]->size), 6);
        }
        for (size_t i = 0; i < COUNT_OF(jobs); i++) {
            prepare(&jobs[i], i % 2 == 0 ? &by_mx : &by_relay, message);
            jobs[i].settings.allows_loopback = true;
            assert_int_equal(start(&jobs[i]), MOTE_OK);
        }
        for (uint32_t begun_ms = net_now_ms(); ended < COUNT_OF(jobs);) {
            assert_true(net_step(1000) - begun_ms < LONGEST_MS);
            ended = 0;
            for (size_t i = 0; i < COUNT_OF(jobs); i++) {
                ended += jobs[i].ends;
            }
        }
        for (size_t i = 0; i < COUNT_OF(jobs); i++) {
            CHECK(round >= 4 || verdict_of(&jobs[i]) == MOTE_VERDICT_ACCEPTED, "side by side");
            CHECK(verdict_of(&jobs[i]) != MOTE_VERDICT_PENDING, "side by side, few segments");
            assert_int_equal(jobs[i].ends, 1);
            accepted += verdict_of(&jobs[i]) == MOTE_VERDICT_ACCEPTED;
        }
        assert_true(accepted <= taken.mails);
        assert_true(accepted == 0 || (taken.size == message.size && taken.sum == net_sum(0, message.data, message.size)));
        net_reset();
        net_drain();
        assert_int_equal(heap_count(), base_count);
    }
}

/* The milliseconds wrap at every moment of a delivery. */
static void a_clock_that_wraps(void **state) /* PORT-4 */
{
    static job_t job;

    (void)state;
    for (uint32_t before_ms = 0; before_ms < 400; before_ms += 10) {
        uint32_t begun_ms = 0U - before_ms;

        net_reset();
        net_set_clock(begun_ms);
        prepare(&job, &by_mx, small);
        job.settings.allows_loopback = true;
        assert_int_equal(start(&job), MOTE_OK);
        run_to_end(&job);
        assert_int_equal(verdict_of(&job), MOTE_VERDICT_ACCEPTED);
        assert_in_range(net_now_ms() - begun_ms, 0, 1000);
        net_drain();
    }
}

/* What a mail's end is called from: a next mail may be started there, on the same run, or another one stopped. */
static job_t chain[2];

static void start_the_next(mote_lwip_run_t *run)
{
    job_t *job = (job_t *)(void *)run;
    unsigned ends = job->ends + 1;

    if (job == &chain[0] && ends == 1) {
        mote_lwip_stop(&chain[1].run); /* has not ended: its name server is silent */
    }
    mote_lwip_stop(run); /* has ended: harmless */
    if (ends < 5) {
        prepare(job, ends % 2 == 0 ? &by_mx : &by_relay, small);
        job->settings.allows_loopback = true;
        job->run.ended = start_the_next;
        assert_int_equal(start(job), MOTE_OK);
    }
    job->ends = ends;
}

static void from_within_the_end(void **state) /* PORT-13 */
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(chain); i++) {
        prepare(&chain[i], i == 0 ? &by_relay : &by_mx, small);
        chain[i].run.ended = start_the_next;
    }
    (void)mote_ip_parse(mote_span_text("192.0.2.99"), &chain[1].name_server.ip);
    for (size_t i = 0; i < COUNT_OF(chain); i++) {
        assert_int_equal(start(&chain[i]), MOTE_OK);
    }
    for (uint32_t begun_ms = net_now_ms(); chain[0].ends < 5;) {
        assert_true(net_step(1000) - begun_ms < LONGEST_MS);
    }
    assert_int_equal(verdict_of(&chain[0]), MOTE_VERDICT_ACCEPTED);
    assert_int_equal(taken.mails, 5);
    assert_int_equal(chain[1].ends, 0);
    assert_int_equal(verdict_of(&chain[1]), MOTE_VERDICT_TRANSIENT);
    assert_int_equal(chain[1].recipient.report.status, MOTE_ERR_STOPPED);
}

/* A handshake lets the driver be polled while a step is under way, and what comes then wakes the run: it must not sleep over it. */
static unsigned lend_count;

static mote_status_t lend_and_wake(void *self, mote_span_t *bytes)
{
    const mote_lwip_t *lwip = self;
    mote_status_t status = mote_lwip_port.lend(self, bytes);

    if (status == MOTE_PENDING && lend_count++ == 0) {
        lwip->wake(lwip->wake_self);
    }
    return status;
}

static void woken_within_a_step(void **state)
{
    static job_t job;
    mote_port_t port = mote_lwip_port;

    (void)state;
    port.lend = lend_and_wake;
    lend_count = 0;
    prepare(&job, &by_relay, small);
    job.run.port = &port;
    assert_int_equal(start(&job), MOTE_OK);
    while (lend_count == 0) {
        (void)net_step(1000);
    }
    assert_true(lend_count > 1); /* looked again, and at once */
    run_to_end(&job);
    assert_int_equal(verdict_of(&job), MOTE_VERDICT_ACCEPTED);
}

/* A handshake that waits for what no packet tells: for the place in the arena that another delivery holds, or for itself,
   as it computes in slices (MBEDTLS_ECP_RESTARTABLE). It says in wants which of them it is. */
static struct {
    unsigned slices_left;
    uint32_t free_at_ms;
} handshake;

static mote_status_t secure_in_time(void *self, const mote_tls_policy_t *policy, mote_tls_result_t *result)
{
    (void)self, (void)policy;
    if (handshake.slices_left > 0) {
        handshake.slices_left--;
        return MOTE_PENDING;
    }
    result->protection = MOTE_PROTECTION_VERIFIED;
    return (int32_t)(net_now_ms() - handshake.free_at_ms) >= 0 ? MOTE_OK : MOTE_PENDING;
}

static unsigned wants_to_go_on(void *self)
{
    return mote_lwip_port.wants(self) | (handshake.slices_left > 0 ? MOTE_WANTS_WRITE : 0U);
}

static void a_handshake_that_no_packet_wakes(void **state) /* PORT-3 */
{
    static const mote_hop_t implicit = { .host = MOTE_SPAN("192.0.2.1"), .port = 25, .tls = MOTE_TLS_VERIFIED, .implicit = true };
    static const mote_route_t by_tls = { { NULL, 0 }, MOTE_ROUTE_RELAY, 1, &implicit };
    static const struct {
        const char *name;
        unsigned slices;
        uint32_t free_after_ms, limit_ms;
    } cases[] = {
        { "computed in slices", 2000, 0, 400 },
        { "a place that becomes free", 0, 20000, 20500 },
    };
    static job_t job;
    mote_port_t port = mote_lwip_port;

    (void)state;
    port.secure = secure_in_time;
    port.wants = wants_to_go_on;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint32_t begun_ms = net_now_ms();

        net_reset();
        handshake.slices_left = cases[i].slices;
        handshake.free_at_ms = begun_ms + cases[i].free_after_ms;
        prepare(&job, &by_tls, small);
        job.run.port = &port;
        assert_int_equal(start(&job), MOTE_OK);
        run_to_end(&job);
        CHECK(verdict_of(&job) == MOTE_VERDICT_ACCEPTED, cases[i].name);
        CHECK(net_now_ms() - begun_ms < cases[i].limit_ms, cases[i].name);
    }
}

/* The last of several mails on one connection, whose server then closes it: nobody is woken for it. */
static void a_kept_stream(void **state)
{
    static job_t job;

    (void)state;
    prepare(&job, &by_relay, small);
    job.settings.smtp.keeps_stream = true;
    assert_int_equal(start(&job), MOTE_OK);
    for (unsigned i = 1; i <= 3; i++) {
        while (job.ends < i) {
            (void)net_step(1000);
        }
        assert_int_equal(taken.mails, i);
        assert_int_equal(verdict_of(&job), MOTE_VERDICT_ACCEPTED);
        if (i < 3) {
            assert_int_equal(mote_lwip_next(&job.run, &job.mail), MOTE_OK);
        }
    }
    net_set_link(false);
    for (unsigned i = 0; i < 1000; i++) {
        (void)net_step(1000);
    }
    net_set_link(true);
    assert_int_equal(job.ends, 3);
    mote_lwip_close(&job.run.lwip);
}

static void a_thousand_in_a_row(void **state)
{
    static job_t jobs[2];

    (void)state;
    for (unsigned i = 0; i < 500; i++) { /* one by MX, one by relay */
        for (size_t j = 0; j < COUNT_OF(jobs); j++) {
            net_reset();
            prepare(&jobs[j], j == 0 ? &by_mx : &by_relay, small);
            jobs[j].settings.allows_loopback = true;
        }
        assert_int_equal(start(&jobs[0]), MOTE_OK);
        run_to_end(&jobs[0]);
        assert_int_equal(start(&jobs[1]), MOTE_OK);
        run_to_end(&jobs[1]);
        assert_int_equal(verdict_of(&jobs[0]), MOTE_VERDICT_ACCEPTED);
        assert_int_equal(verdict_of(&jobs[1]), MOTE_VERDICT_ACCEPTED);
        net_drain();
        assert_int_equal(heap_count(), base_count);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, remember, nothing_left)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ways),      TEST(bad_links), TEST(a_small_window), TEST(a_window_of_one_octet), TEST(no_way),
        TEST(ends_of_the_link), TEST(no_memory), TEST(no_memory_any_more), TEST(a_small_heap), TEST(small_pools), TEST(stopped), TEST(a_network_that_goes), TEST(a_kept_stream),
        TEST(a_thousand_in_a_row), TEST(borrowed_bytes), TEST(woken_within_a_step), TEST(a_handshake_that_no_packet_wakes),
        TEST(side_by_side), TEST(a_link_local_name_server), TEST(a_closed_stream_gives_way), TEST(a_clock_that_wraps), TEST(from_within_the_end),
    };
    return cmocka_run_group_tests(tests, net_set_up, NULL);
}
