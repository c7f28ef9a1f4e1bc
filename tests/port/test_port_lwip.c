/* ports/lwip conforms. The other end is the same stack's, across the wire of tests/lwip. */
#include "../lwip/net.h"
#include "../unit/test.h"
#include "conformance.h"

enum { SERVER_PORT = 7, CLOSED_PORT = 9, DATAGRAM_PORT = 1007, STRANGER_PORT = 1009 };

static port_bench_t bench;
static mote_lwip_t lwip;

/* The other end: lwIP's callbacks take note, and what came waits unread, so that its window stays closed. */
static struct tcp_pcb *stream;
static struct pbuf *came;
static bool has_come, has_ended, was_reset;
static struct udp_pcb *names;
static struct udp_pcb *stranger;
static struct pbuf *question;
static u16_t question_port;

static mote_status_t draw(void *self, uint8_t *bytes, size_t size)
{
    (void)self;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(rand() >> 7); /* a test's */
    }
    return MOTE_OK;
}

static void pass_time(void)
{
    (void)net_step(1000);
}

static err_t on_received(void *self, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    (void)self, (void)pcb, (void)error;
    if (p == NULL) {
        has_ended = true;
    } else if (came == NULL) {
        came = p;
    } else {
        pbuf_cat(came, p);
    }
    return ERR_OK;
}

static void on_error(void *self, err_t error)
{
    (void)self, (void)error;
    stream = NULL;
    was_reset = true;
}

static err_t on_accepted(void *self, struct tcp_pcb *pcb, err_t error)
{
    (void)self;
    if (error != ERR_OK || pcb == NULL || stream != NULL) {
        return ERR_VAL;
    }
    stream = pcb;
    has_come = true;
    tcp_nagle_disable(pcb);
    tcp_recv(pcb, on_received);
    tcp_err(pcb, on_error);
    return ERR_OK;
}

static void forget(void)
{
    if (stream != NULL) {
        tcp_err(stream, NULL);
        tcp_abort(stream);
    }
    if (came != NULL) {
        pbuf_free(came);
    }
    stream = NULL;
    came = NULL;
    has_come = false;
    has_ended = false;
    was_reset = false;
}

static void listen_again(void)
{
    forget();
    net_drain();
    forget(); /* what was on its way */
}

static bool accept_one(void)
{
    return has_come;
}

static size_t say(const uint8_t *bytes, size_t size)
{
    if (stream == NULL) {
        return 0;
    }
    size = size < tcp_sndbuf(stream) ? size : tcp_sndbuf(stream);
    if (size == 0 || tcp_write(stream, bytes, (u16_t)size, TCP_WRITE_FLAG_COPY) != ERR_OK) {
        return 0;
    }
    (void)tcp_output(stream);
    return size;
}

static bench_heard_t hear(uint8_t *bytes, size_t capacity, size_t *size)
{
    *size = 0;
    if (came != NULL) {
        *size = pbuf_copy_partial(came, bytes, (u16_t)capacity, 0);
        came = pbuf_free_header(came, (u16_t)*size);
        if (stream != NULL) {
            tcp_recved(stream, (u16_t)*size);
        }
        return HEARD_BYTES;
    }
    return was_reset ? HEARD_RESET : has_ended ? HEARD_END : HEARD_NOTHING;
}

static void end(void)
{
    (void)tcp_shutdown(stream, 0, 1);
}

static void on_datagram(void *self, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *address, u16_t port)
{
    (void)self, (void)pcb, (void)address;
    if (question != NULL) {
        pbuf_free(question);
    }
    question = p;
    question_port = port;
}

static bool hear_datagram(uint8_t *bytes, size_t capacity, size_t *size, uint16_t *port)
{
    if (question == NULL) {
        return false;
    }
    *size = pbuf_copy_partial(question, bytes, (u16_t)capacity, 0);
    *port = question_port;
    pbuf_free(question);
    question = NULL;
    return true;
}

static void answer(uint16_t port, mote_span_t datagram, bool is_stranger)
{
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)datagram.size, PBUF_RAM);
    ip_addr_t to;

    IP_ADDR4(&to, 192, 0, 2, 1);
    assert_non_null(p);
    (void)pbuf_take(p, datagram.data, (u16_t)datagram.size);
    (void)udp_sendto(is_stranger ? stranger : names, p, &to, port);
    pbuf_free(p);
}

static mote_endpoint_t endpoint_of(uint16_t port)
{
    mote_endpoint_t endpoint = { .port = port };

    (void)mote_ip_parse(mote_span_text("192.0.2.1"), &endpoint.ip);
    return endpoint;
}

static int set_up(void **state)
{
    struct tcp_pcb *listener;

    if (net_set_up(state) != 0) {
        return 1;
    }
    listener = tcp_new_ip_type(IPADDR_TYPE_ANY);
    names = udp_new_ip_type(IPADDR_TYPE_ANY);
    stranger = udp_new_ip_type(IPADDR_TYPE_ANY);
    if (tcp_bind(listener, IP_ANY_TYPE, SERVER_PORT) != ERR_OK || udp_bind(names, IP_ANY_TYPE, DATAGRAM_PORT) != ERR_OK ||
        udp_bind(stranger, IP_ANY_TYPE, STRANGER_PORT) != ERR_OK) {
        return 1;
    }
    listener = tcp_listen(listener);
    tcp_accept(listener, on_accepted);
    udp_recv(names, on_datagram, NULL);
    mote_lwip_init(&lwip, (mote_random_t){ draw, NULL });
    bench.port = &mote_lwip_port;
    bench.self = &lwip;
    bench.server = endpoint_of(SERVER_PORT);
    bench.closed = endpoint_of(CLOSED_PORT);
    bench.datagrams = endpoint_of(DATAGRAM_PORT);
    bench.patience = 2000;
    bench.pass_time = pass_time;
    bench.listen = listen_again;
    bench.accept = accept_one;
    bench.say = say;
    bench.hear = hear;
    bench.end = end;
    bench.reset = forget;
    bench.hear_datagram = hear_datagram;
    bench.answer = answer;
    return 0;
}

static void conforms(void **state)
{
    static const struct {
        const char *name;
        unsigned loss_percent, double_percent, jitter_ms;
    } links[] = {
        { "a good link", 0, 0, 0 },
        { "doubled packets", 0, 30, 0 },
        { "packets out of order", 0, 0, 15 },
    };
    const char *check;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(links); i++) {
        const char *wrong;

        net_reset();
        net.loss_percent = links[i].loss_percent;
        net.double_percent = links[i].double_percent;
        net.jitter_ms = links[i].jitter_ms;
        if (i > 0) {
            bench.datagrams.ip.family = 0; /* datagrams are what the link makes of them */
        }
        wrong = port_conformance(&bench, &check);
        if (wrong != NULL) {
            fail_msg("%s: %s: %s", links[i].name, check, wrong);
        }
    }
    forget();
    net_drain();
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(conforms) };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
