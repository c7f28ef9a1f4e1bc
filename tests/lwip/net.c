#include "net.h"

#include "../unit/dns_message.h"
#include "heap.h"

#include "lwip/init.h"
#include "lwip/ip6.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"

enum { PACKET_COUNT = 256, MAIL_PORT = 25, SLOW_MS = 5, HEADER_BYTES = 40, SERVER_COUNT = 4 };

net_t net;
taken_t taken;
static u32_t clock_ms;

u32_t sys_now(void)
{
    return clock_ms;
}

uint32_t net_now_ms(void)
{
    return clock_ms;
}

void net_set_clock(uint32_t now_ms)
{
    clock_ms = now_ms;
    sys_restart_timeouts();
}

/* ---- the link ---- */

static struct netif wire;
static struct {
    struct pbuf *packet;
    u32_t due_ms;
} packets[PACKET_COUNT];

static bool draw(unsigned percent)
{
    return (unsigned)rand() % 100 < percent;
}

static unsigned word_at(const uint8_t *bytes)
{
    return (unsigned)bytes[0] << 8 | bytes[1];
}

/* Makes the window smaller in what the mail server sends by IPv4, and its checksum right again (RFC 1624 3). */
static void narrow_window(struct pbuf *p)
{
    uint8_t *bytes = p->payload;
    unsigned window;
    unsigned long sum;

    if (net.window == 0 || p->len < 40 || bytes[0] != 0x45 || bytes[9] != IP_PROTO_TCP || word_at(bytes + 20) != MAIL_PORT ||
        word_at(bytes + 34) <= net.window) {
        return;
    }
    window = word_at(bytes + 34);
    sum = (~word_at(bytes + 36) & 0xFFFFU) + (~window & 0xFFFFU) + net.window;
    sum = (sum & 0xFFFFU) + (sum >> 16);
    sum = ~((sum & 0xFFFFU) + (sum >> 16)) & 0xFFFFU;
    bytes[34] = (uint8_t)(net.window >> 8);
    bytes[35] = (uint8_t)net.window;
    bytes[36] = (uint8_t)(sum >> 8);
    bytes[37] = (uint8_t)sum;
}

/* In two buffers, the first no longer than the headers of IPv4 and TCP without options. */
static struct pbuf *part_headers(struct pbuf *p)
{
    struct pbuf *head = p->tot_len > HEADER_BYTES ? pbuf_alloc(PBUF_RAW, HEADER_BYTES, PBUF_RAM) : NULL;
    struct pbuf *tail = head != NULL ? pbuf_alloc(PBUF_RAW, (u16_t)(p->tot_len - HEADER_BYTES), PBUF_RAM) : NULL;

    if (tail == NULL) {
        if (head != NULL) {
            pbuf_free(head);
        }
        return p;
    }
    (void)pbuf_copy_partial(p, head->payload, HEADER_BYTES, 0);
    (void)pbuf_copy_partial(p, tail->payload, tail->len, HEADER_BYTES);
    pbuf_cat(head, tail);
    pbuf_free(p);
    return head;
}

static void queue_packet(struct pbuf *p)
{
    /* a driver with small buffers gives a large packet in pieces */
    struct pbuf *copy = pbuf_clone(PBUF_LINK, net.has_large_answers ? PBUF_POOL : PBUF_RAM, p);

    if (copy != NULL) {
        narrow_window(copy);
        copy = net.parts_headers ? part_headers(copy) : copy;
    }
    for (size_t i = 0; i < PACKET_COUNT && copy != NULL; i++) {
        if (packets[i].packet == NULL) {
            packets[i].packet = copy;
            packets[i].due_ms = clock_ms + NET_DELAY_MS + (net.jitter_ms > 0 ? (u32_t)rand() % net.jitter_ms : 0);
            return;
        }
    }
    if (copy != NULL) {
        pbuf_free(copy);
    }
}

static err_t put_on_wire(struct pbuf *p)
{
    if (!draw(net.loss_percent)) {
        queue_packet(p);
        if (draw(net.double_percent)) {
            queue_packet(p);
        }
    }
    return ERR_OK;
}

static err_t put_ip4(struct netif *netif, struct pbuf *p, const ip4_addr_t *to)
{
    (void)netif, (void)to;
    return put_on_wire(p);
}

static err_t put_ip6(struct netif *netif, struct pbuf *p, const ip6_addr_t *to)
{
    (void)netif, (void)to;
    return put_on_wire(p);
}

/* The first of the due packets: those of one moment arrive in the order in which they left. */
static bool deliver_packet(void)
{
    for (size_t i = 0; i < PACKET_COUNT; i++) {
        if (packets[i].packet != NULL && (int32_t)(packets[i].due_ms - clock_ms) <= 0) {
            struct pbuf *packet = packets[i].packet;

            packets[i].packet = NULL;
            if (wire.input(packet, &wire) != ERR_OK) {
                pbuf_free(packet);
            }
            return true;
        }
    }
    return false;
}

uint32_t net_step(uint32_t limit_ms)
{
    uint32_t wait_ms = sys_timeouts_sleeptime();

    wait_ms = wait_ms < limit_ms ? wait_ms : limit_ms;
    for (size_t i = 0; i < PACKET_COUNT; i++) {
        if (packets[i].packet != NULL) {
            int32_t left_ms = (int32_t)(packets[i].due_ms - clock_ms);

            wait_ms = left_ms <= 0 ? 0 : (uint32_t)left_ms < wait_ms ? (uint32_t)left_ms : wait_ms;
        }
    }
    clock_ms += wait_ms;
    while (deliver_packet()) {
    }
    sys_check_timeouts();
    return clock_ms;
}

/* ---- a name server ---- */

static message_t answer;

static void put_answers(unsigned type)
{
    if (type == MOTE_DNS_MX) {
        for (unsigned i = 0; i < (net.has_large_answers ? 40U : 1U); i++) {
            put_mx(&answer, "@12", 10, "mx@12");
        }
        answer.bytes[7] = net.has_large_answers ? 40 : 1;
    } else if (type == MOTE_DNS_A && (net.records & MOTE_FAMILY_IPV4) != 0) {
        put_a(&answer, "@12", "192.0.2.1");
    } else if (type == MOTE_DNS_AAAA && (net.records & MOTE_FAMILY_IPV6) != 0) {
        put_a(&answer, "@12", "2001:db8::1");
    } else {
        answer.bytes[7] = 0; /* no records */
    }
}

static void answer_query(void *self, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *address, u16_t port)
{
    const uint8_t *query;
    size_t end = 12;
    struct pbuf *reply;

    (void)self;
    p = pbuf_coalesce(p, PBUF_RAW);
    query = p->payload;
    if (p->next != NULL) { /* no memory: as if it had been lost */
        pbuf_free(p);
        return;
    }
    while (query[end] != 0) {
        end += query[end] + 1U;
    }
    put_header(&answer, (unsigned)query[0] << 8 | query[1], 0x8180, 1, 0, 0);
    memcpy(answer.bytes + 12, query + 12, end + 5 - 12);
    answer.size = end + 5;
    put_answers(query[end + 2]);
    reply = pbuf_alloc(PBUF_TRANSPORT, (u16_t)answer.size, PBUF_RAM);
    if (reply != NULL) {
        memcpy(reply->payload, answer.bytes, answer.size);
        (void)udp_sendto(pcb, reply, address, port);
        pbuf_free(reply);
    }
    pbuf_free(p);
}

/* ---- a mail server; where its own memory fails, the client waits for it ---- */

typedef struct server {
    struct tcp_pcb *pcb; /* NULL: free */
    char line[1100];
    size_t line_size;
    size_t heard;
    size_t said;
    bool is_data;
    taken_t taken;
    unsigned unread;
} server_t;

static server_t servers[SERVER_COUNT]; /* a connection each */

static void slow_read(void *self);

static void say(server_t *server, const char *text)
{
    size_t size = strlen(text);

    if (server->pcb == NULL) {
        return;
    }
    if (server->said + size > net.end_after) {
        size = net.end_after - server->said;
    }
    server->said += size;
    if (size > 0) {
        (void)tcp_write(server->pcb, text, (u16_t)size, TCP_WRITE_FLAG_COPY);
        (void)tcp_output(server->pcb);
    }
    if (server->said == net.end_after) {
        (void)tcp_shutdown(server->pcb, 0, 1);
    }
}

static void hear_command(server_t *server)
{
    if (strncmp(server->line, "EHLO", 4) == 0) {
        say(server, "250-here\r\n250 PIPELINING\r\n");
    } else if (strncmp(server->line, "DATA", 4) == 0) {
        server->is_data = true;
        memset(&server->taken, 0, sizeof server->taken);
        say(server, "354 go\r\n");
    } else {
        say(server, strncmp(server->line, "QUIT", 4) == 0 ? "221 bye\r\n" : "250 ok\r\n");
    }
}

static void hear_line(server_t *server)
{
    size_t skip = server->line[0] == '.' ? 1 : 0;

    if (!server->is_data) {
        hear_command(server);
    } else if (strcmp(server->line, ".\r\n") == 0) {
        server->is_data = false;
        server->taken.mails = taken.mails + 1;
        taken = server->taken;
        say(server, "250 2.0.0 taken\r\n");
    } else {
        server->taken.size += server->line_size - skip;
        server->taken.sum = net_sum(server->taken.sum, (const uint8_t *)server->line + skip, server->line_size - skip);
    }
}

static void hear_octet(server_t *server, char octet)
{
    server->heard++;
    if (server->line_size + 1 < sizeof server->line) {
        server->line[server->line_size++] = octet;
    }
    if (octet == '\n') {
        server->line[server->line_size] = '\0';
        hear_line(server);
        server->line_size = 0;
    }
}

static err_t server_received(void *self, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    server_t *server = self;

    (void)error;
    if (p == NULL) {
        server->pcb = NULL;
        tcp_recv(pcb, NULL);
        tcp_err(pcb, NULL);
        if (tcp_close(pcb) != ERR_OK) {
            tcp_abort(pcb);
            return ERR_ABRT;
        }
        return ERR_OK;
    }
    for (const struct pbuf *q = p; q != NULL; q = q->next) {
        for (u16_t i = 0; i < q->len; i++) {
            hear_octet(server, ((const char *)q->payload)[i]);
            if (server->heard == net.reset_after) {
                server->pcb = NULL;
                tcp_err(pcb, NULL);
                pbuf_free(p);
                tcp_abort(pcb);
                return ERR_ABRT;
            }
        }
    }
    if (net.reads_slowly) {
        if (server->unread == 0) {
            sys_timeout(SLOW_MS, slow_read, server);
        }
        server->unread += p->tot_len;
    } else {
        tcp_recved(pcb, p->tot_len);
    }
    pbuf_free(p);
    return ERR_OK;
}

/* The window opens by one octet, and the rest of what was read is told later. */
static void slow_read(void *self)
{
    server_t *server = self;

    if (server->pcb != NULL && server->unread > 0) {
        tcp_recved(server->pcb, 1);
        if (--server->unread > 0) {
            sys_timeout(SLOW_MS, slow_read, server);
        }
    }
}

static void server_error(void *self, err_t error)
{
    server_t *server = self;

    (void)error;
    server->pcb = NULL;
}

static err_t server_accepted(void *self, struct tcp_pcb *pcb, err_t error)
{
    server_t *server = servers;

    (void)self;
    while (server < servers + SERVER_COUNT - 1 && server->pcb != NULL) {
        server++;
    }
    if (error != ERR_OK || pcb == NULL || server->pcb != NULL) {
        return ERR_VAL;
    }
    memset(server, 0, sizeof *server);
    server->pcb = pcb;
    tcp_arg(pcb, server);
    tcp_nagle_disable(pcb);
    tcp_recv(pcb, server_received);
    tcp_err(pcb, server_error);
    if (net.reset_after == 0) {
        server->pcb = NULL;
        tcp_err(pcb, NULL);
        tcp_abort(pcb);
        return ERR_ABRT;
    }
    say(server, "220 here\r\n");
    return ERR_OK;
}

uint32_t net_sum(uint32_t sum, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        sum = sum * 31 + bytes[i];
    }
    return sum;
}

/* ---- setting up ---- */

static struct tcp_pcb *listener;

static void set_listening(bool is_listening)
{
    if (is_listening && listener == NULL) {
        struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);

        (void)tcp_bind(pcb, IP_ANY_TYPE, MAIL_PORT);
        listener = tcp_listen(pcb);
        tcp_accept(listener, server_accepted);
    } else if (!is_listening && listener != NULL) {
        (void)tcp_close(listener);
        listener = NULL;
    }
}

static err_t filter_input(struct pbuf *p, struct netif *netif)
{
    const uint8_t *bytes = p->payload;
    bool is_syn = p->len >= 40 && bytes[0] >> 4 == 4 && bytes[9] == 6 && bytes[33] == 2;

    if (net.is_silent && is_syn) {
        pbuf_free(p);
        return ERR_OK;
    }
    return ip_input(p, netif);
}

static err_t init_wire(struct netif *netif)
{
    netif->name[0] = 'w';
    netif->name[1] = 'r';
    netif->mtu = 1280;
    netif->output = put_ip4;
    netif->output_ip6 = put_ip6;
    return ERR_OK;
}

int net_set_up(void **state)
{
    ip4_addr_t address;
    ip4_addr_t mask;
    ip6_addr_t address6;
    s8_t index;
    struct udp_pcb *names;

    (void)state;
    lwip_init();
    IP4_ADDR(&address, 192, 0, 2, 1);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    netif_add(&wire, &address, &mask, &address, NULL, init_wire, filter_input);
    IP6_ADDR(&address6, PP_HTONL(0x20010db8), 0, 0, PP_HTONL(1));
    (void)netif_add_ip6_address(&wire, &address6, &index);
    netif_ip6_addr_set_state(&wire, index, IP6_ADDR_PREFERRED);
    IP6_ADDR(&address6, PP_HTONL(0xfe800000), 0, 0, PP_HTONL(1));
    ip6_addr_assign_zone(&address6, IP6_UNICAST, &wire);
    netif_ip6_addr_set_parts(&wire, 0, address6.addr[0], address6.addr[1], address6.addr[2], address6.addr[3]);
    netif_ip6_addr_set_state(&wire, 0, IP6_ADDR_PREFERRED);
    netif_set_default(&wire);
    netif_set_up(&wire);
    netif_set_link_up(&wire);
    names = udp_new_ip_type(IPADDR_TYPE_ANY);
    if (udp_bind(names, IP_ANY_TYPE, 53) != ERR_OK) {
        return 1;
    }
    udp_recv(names, answer_query, NULL);
    net_reset();
    return 0;
}

/* A server waits for ever where the client's RST found no memory. */
static void forget_connections(void)
{
    for (size_t i = 0; i < SERVER_COUNT; i++) {
        struct tcp_pcb *pcb = servers[i].pcb;

        if (pcb != NULL) {
            servers[i].pcb = NULL;
            tcp_recv(pcb, NULL);
            tcp_err(pcb, NULL);
            tcp_abort(pcb);
        }
    }
}

void net_reset(void)
{
    forget_connections();
    memset(&net, 0, sizeof net);
    memset(&taken, 0, sizeof taken);
    net.reset_after = NET_NEVER;
    net.end_after = NET_NEVER;
    net.records = MOTE_FAMILY_IPV4;
    heap_fail_at(0);
    set_listening(true);
}

void net_set_link(bool is_up)
{
    if (is_up) {
        netif_set_link_up(&wire);
    } else {
        netif_set_link_down(&wire);
    }
}

unsigned net_scope(void)
{
    return netif_get_index(&wire);
}

void net_set_address(unsigned last)
{
    ip4_addr_t address;

    IP4_ADDR(&address, last != 0 ? 192 : 0, 0, last != 0 ? 2 : 0, last);
    netif_set_ipaddr(&wire, &address);
}

void net_drain(void)
{
    set_listening(!net.is_closed);
    for (unsigned i = 0; i < 10000 && (tcp_active_pcbs != NULL || tcp_tw_pcbs != NULL); i++) {
        (void)net_step(1000);
    }
    for (uint32_t begun_ms = clock_ms; clock_ms - begun_ms < 1000;) { /* the last packets, and lwIP's timer for TCP */
        (void)net_step(1000);
    }
}
