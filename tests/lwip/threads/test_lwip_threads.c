/* The lwIP port beside an operating system: lwIP runs in tcpip_thread, packets come from a driver's thread, and applications
   start deliveries from theirs. Each call is made under the lock (lwIP asserts that), and nothing waits for a timer that has
   nothing to do with it. */
#include "../../unit/test.h"

#include <mailmote/lwip.h>

#include "lwip/ip.h"
#include "lwip/sys.h"
#include "lwip/tcpip.h"

#include <stdio.h>

enum { MAIL_PORT = 25, MAIL_COUNT = 10, JOB_COUNT = 3, LINE_BYTES = 600, SOON_MS = 500, LIMIT_MS = 5000 };

/* ---- a link whose driver has a thread ---- */

static struct netif wire;
static sys_mbox_t on_the_wire;
static volatile bool locks_itself; /* as LWIP_TCPIP_CORE_LOCKING_INPUT: the driver's thread works through lwIP by itself */

static err_t put(struct netif *netif, struct pbuf *p, const ip4_addr_t *to)
{
    struct pbuf *copy = pbuf_clone(PBUF_LINK, PBUF_RAM, p);

    (void)netif, (void)to;
    return copy != NULL ? sys_mbox_trypost(&on_the_wire, copy) : ERR_MEM;
}

static void drive(void *self)
{
    (void)self;
    for (;;) {
        void *packet;
        err_t error;

        (void)sys_arch_mbox_fetch(&on_the_wire, &packet, 0);
        if (locks_itself) {
            LOCK_TCPIP_CORE();
            error = ip_input(packet, &wire);
            UNLOCK_TCPIP_CORE();
        } else {
            error = tcpip_input(packet, &wire);
        }
        if (error != ERR_OK) {
            pbuf_free(packet);
        }
    }
}

/* ---- a mail server inside lwIP: what it was told last decides what it says ---- */

typedef struct server {
    char line[LINE_BYTES];
    size_t size;
    bool is_data;
    bool is_taken;
} server_t;

static server_t servers[JOB_COUNT + 1];

static void say(struct tcp_pcb *pcb, const char *text)
{
    (void)tcp_write(pcb, text, (u16_t)strlen(text), TCP_WRITE_FLAG_COPY);
    (void)tcp_output(pcb);
}

static void hear_line(server_t *server, struct tcp_pcb *pcb)
{
    if (server->is_data && strcmp(server->line, ".\r\n") != 0) {
        return;
    }
    if (!server->is_data && strncmp(server->line, "DATA", 4) == 0) {
        server->is_data = true;
        say(pcb, "354 go\r\n");
        return;
    }
    server->is_data = false;
    say(pcb, strncmp(server->line, "QUIT", 4) == 0 ? "221 bye\r\n" : "250 ok\r\n"); /* no PIPELINING: many round trips */
}

static err_t on_received(void *self, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    server_t *server = self;

    (void)error;
    if (p == NULL) {
        server->is_taken = false;
        tcp_err(pcb, NULL);
        return tcp_close(pcb);
    }
    for (const struct pbuf *q = p; q != NULL; q = q->next) {
        for (u16_t i = 0; i < q->len && server->size + 1 < sizeof server->line; i++) {
            char octet = ((const char *)q->payload)[i];

            server->line[server->size++] = octet;
            if (octet == '\n') {
                server->line[server->size] = '\0';
                hear_line(server, pcb);
                server->size = 0;
            }
        }
    }
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static void on_error(void *self, err_t error)
{
    (void)error;
    ((server_t *)self)->is_taken = false;
}

static err_t on_accepted(void *self, struct tcp_pcb *pcb, err_t error)
{
    (void)self;
    for (size_t i = 0; i < COUNT_OF(servers) && error == ERR_OK; i++) {
        if (!servers[i].is_taken) {
            servers[i] = (server_t){ .is_taken = true };
            tcp_arg(pcb, &servers[i]);
            tcp_recv(pcb, on_received);
            tcp_err(pcb, on_error);
            tcp_nagle_disable(pcb);
            say(pcb, "220 here\r\n");
            return ERR_OK;
        }
    }
    return ERR_MEM;
}

static err_t init_wire(struct netif *netif)
{
    netif->output = put;
    netif->mtu = 1280;
    return ERR_OK;
}

static void start_network(void *ready)
{
    ip4_addr_t address;
    ip4_addr_t mask;
    struct tcp_pcb *pcb = tcp_new();

    IP4_ADDR(&address, 192, 0, 2, 1);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    (void)netif_add(&wire, &address, &mask, &address, NULL, init_wire, ip_input);
    netif_set_default(&wire);
    netif_set_up(&wire);
    netif_set_link_up(&wire);
    (void)tcp_bind(pcb, IP_ANY_TYPE, MAIL_PORT);
    pcb = tcp_listen(pcb);
    tcp_accept(pcb, on_accepted);
    sys_sem_signal(ready);
}

/* ---- deliveries ---- */

typedef struct job {
    mote_lwip_run_t run; /* first */
    mote_recipient_t recipient;
    mote_memory_source_t source;
    mote_mail_t mail;
    sys_sem_t has_ended;
    mote_status_t started;
} job_t;

static const mote_hop_t relay = { .host = MOTE_SPAN("192.0.2.1"), .port = MAIL_PORT, .tls = MOTE_TLS_NONE };
static const mote_route_t route = { { NULL, 0 }, MOTE_ROUTE_RELAY, 1, &relay };
static const mote_settings_t settings = { .routes = &route, .route_count = 1 };
static job_t jobs[JOB_COUNT];

static mote_status_t draw(void *self, uint8_t *bytes, size_t size)
{
    (void)self;
    memset(bytes, 42, size); /* a test's */
    return MOTE_OK;
}

static void on_ended(mote_lwip_run_t *run)
{
    sys_sem_signal(&((job_t *)(void *)run)->has_ended);
}

static void start(void *self)
{
    job_t *job = self;

    mote_lwip_run_init(&job->run, (mote_random_t){ draw, NULL });
    job->run.ended = on_ended;
    mote_memory_source_init(&job->source, mote_span_text("Subject: Pump 7\r\n\r\nThe flow has stopped.\r\n"));
    job->recipient.address = mote_span_text("ops@a.example");
    job->mail = (mote_mail_t){ .reverse_path = mote_span_text("pump@example.net"), .recipients = &job->recipient,
                               .recipient_count = 1, .source = &job->source.source };
    job->started = mote_lwip_start(&job->run, &settings, NULL, &job->mail);
}

static void start_under_the_lock(job_t *job)
{
    LOCK_TCPIP_CORE();
    start(job);
    UNLOCK_TCPIP_CORE();
}

static void start_in_the_thread(job_t *job)
{
    assert_int_equal(tcpip_callback(start, job), ERR_OK);
}

static void await_end(job_t *job)
{
    assert_int_not_equal(sys_arch_sem_wait(&job->has_ended, 60000), SYS_ARCH_TIMEOUT);
    assert_int_equal(job->recipient.verdict, MOTE_VERDICT_ACCEPTED);
}

/* lwIP's thread sleeps, with no connection to look after, when an application starts a delivery. */
static void out_of_the_quiet(void **state)
{
    u32_t begun_ms = sys_now();

    (void)state;
    start_under_the_lock(&jobs[0]);
    await_end(&jobs[0]);
    print_message("%u ms\n", (unsigned)(sys_now() - begun_ms));
    assert_in_range(sys_now() - begun_ms, 0, SOON_MS);
}

/* Mails in a row, from this thread. A mail is eight round trips over no distance: a few milliseconds. Were each to wait for
   lwIP's own next timer, it would be seconds. */
static void in_time(void **state) /* PORT-8 */
{
    static const struct {
        const char *name;
        bool locks_itself;
        void (*start)(job_t *job);
    } cases[] = {
        { "started by tcpip_callback", false, start_in_the_thread },
        { "started under the lock", false, start_under_the_lock },
        { "and packets come under the lock", true, start_under_the_lock },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        u32_t begun_ms = sys_now();

        locks_itself = cases[i].locks_itself;
        for (unsigned j = 0; j < MAIL_COUNT; j++) {
            cases[i].start(&jobs[0]);
            await_end(&jobs[0]);
        }
        print_message("%s: %u ms\n", cases[i].name, (unsigned)(sys_now() - begun_ms));
        CHECK(sys_now() - begun_ms < LIMIT_MS, cases[i].name);
    }
}

static void send_mails(void *self)
{
    job_t *job = self;

    for (unsigned i = 0; i < MAIL_COUNT; i++) {
        start_under_the_lock(job);
        if (i + 1 < MAIL_COUNT) {
            (void)sys_arch_sem_wait(&job->has_ended, 60000);
        }
    }
}

/* Several threads, each with deliveries of its own. */
static void side_by_side(void **state)
{
    (void)state;
    for (size_t i = 0; i < JOB_COUNT; i++) {
        jobs[i].recipient.verdict = MOTE_VERDICT_PENDING;
        (void)sys_thread_new("application", send_mails, &jobs[i], 0, 0);
    }
    for (unsigned waited_ms = 0; waited_ms < 60000; waited_ms += 10) {
        unsigned ended = 0;

        LOCK_TCPIP_CORE();
        for (size_t i = 0; i < JOB_COUNT; i++) {
            ended += jobs[i].recipient.verdict == MOTE_VERDICT_ACCEPTED;
        }
        UNLOCK_TCPIP_CORE();
        if (ended == JOB_COUNT) {
            return;
        }
        sys_msleep(10);
    }
    fail_msg("a delivery has not ended");
}

/* Stopped from the application's thread, wherever it stands: no callback comes afterwards. */
static void stopped(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 30; i++) {
        start_under_the_lock(&jobs[0]);
        sys_msleep(i % 3);
        LOCK_TCPIP_CORE();
        mote_lwip_stop(&jobs[0].run);
        UNLOCK_TCPIP_CORE();
        assert_int_not_equal(jobs[0].recipient.verdict, MOTE_VERDICT_PENDING);
        while (sys_arch_sem_wait(&jobs[0].has_ended, 1) != SYS_ARCH_TIMEOUT) { /* it had ended before */
        }
    }
    start_under_the_lock(&jobs[0]);
    await_end(&jobs[0]);
}

static int set_up(void **state)
{
    static sys_sem_t ready;

    (void)state;
    for (size_t i = 0; i < JOB_COUNT; i++) {
        if (sys_sem_new(&jobs[i].has_ended, 0) != ERR_OK) {
            return 1;
        }
    }
    if (sys_mbox_new(&on_the_wire, 100) != ERR_OK || sys_sem_new(&ready, 0) != ERR_OK) {
        return 1;
    }
    (void)sys_thread_new("driver", drive, NULL, 0, 0);
    tcpip_init(start_network, &ready);
    (void)sys_arch_sem_wait(&ready, 0);
    return 0;
}

/* The last packets leave the mailbox; lwIP's thread and the driver's end with the program. */
static int tear_down(void **state)
{
    (void)state;
    sys_msleep(200);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(out_of_the_quiet), cmocka_unit_test(in_time), cmocka_unit_test(side_by_side), cmocka_unit_test(stopped) };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
