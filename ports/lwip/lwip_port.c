#include <mailmote/lwip.h>

#include "lwip/dns.h"
#include "lwip/netif.h"

/* Ports tried for a question before it is given up; FIRST_PORT: below are services'. */
enum { BIND_COUNT = 8, FIRST_PORT = 1024 };

enum { STREAM_CLOSED, STREAM_CONNECTING, STREAM_ESTABLISHED /* and connect has not said so yet */, STREAM_CONNECTED };

static mote_status_t status_of(err_t error)
{
    switch (error) {
    case ERR_OK:
        return MOTE_OK;
    case ERR_MEM:
    case ERR_BUF:
        return MOTE_ERR_MEMORY;
    case ERR_RTE:
    case ERR_IF:
        return MOTE_ERR_UNREACHABLE;
    case ERR_TIMEOUT:
        return MOTE_ERR_TIMEOUT;
    case ERR_RST:
        return MOTE_ERR_RESET;
    default:
        return MOTE_ERR_LINK_LOST;
    }
}

/* ---- addresses ---- */

/* False: a family that this lwIP leaves out. */
static bool to_lwip(const mote_endpoint_t *endpoint, ip_addr_t *address)
{
    memset(address, 0, sizeof *address);
#if LWIP_IPV4
    if (endpoint->ip.family == MOTE_FAMILY_IPV4) {
        IP_SET_TYPE(address, IPADDR_TYPE_V4);
        memcpy(ip_2_ip4(address), endpoint->ip.bytes, 4);
        return true;
    }
#endif
#if LWIP_IPV6 && MOTE_FEATURE_IPV6
    if (endpoint->ip.family == MOTE_FAMILY_IPV6) {
        IP_SET_TYPE(address, IPADDR_TYPE_V6);
        memcpy(ip_2_ip6(address)->addr, endpoint->ip.bytes, 16);
        ip6_addr_set_zone(ip_2_ip6(address), endpoint->scope);
        return true;
    }
#endif
    return false;
}

static void from_lwip(const ip_addr_t *address, mote_endpoint_t *endpoint)
{
    memset(endpoint, 0, sizeof *endpoint);
#if LWIP_IPV4 && MOTE_FEATURE_IPV4
    if (IP_IS_V4(address)) {
        endpoint->ip.family = MOTE_FAMILY_IPV4;
        memcpy(endpoint->ip.bytes, ip_2_ip4(address), 4);
    }
#endif
#if LWIP_IPV6 && MOTE_FEATURE_IPV6
    if (IP_IS_V6(address)) {
        endpoint->ip.family = MOTE_FAMILY_IPV6;
        memcpy(endpoint->ip.bytes, ip_2_ip6(address)->addr, 16);
        endpoint->scope = ip6_addr_zone(ip_2_ip6(address));
    }
#endif
}

static unsigned families_of(const struct netif *netif)
{
    unsigned families = 0;

#if LWIP_IPV4 && MOTE_FEATURE_IPV4
    families |= ip4_addr_isany(netif_ip4_addr(netif)) ? 0U : MOTE_FAMILY_IPV4;
#endif
#if LWIP_IPV6 && MOTE_FEATURE_IPV6
    for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        if (ip6_addr_isvalid(netif_ip6_addr_state(netif, i)) && !ip6_addr_islinklocal(netif_ip6_addr(netif, i))) {
            families |= MOTE_FAMILY_IPV6; /* a link-local one leads to no mail server */
        }
    }
#endif
    return families;
}

static unsigned port_families(void *self)
{
    unsigned families = 0;
    struct netif *netif;

    (void)self;
    NETIF_FOREACH(netif)
    {
        if (netif_is_up(netif) && netif_is_link_up(netif)) {
            families |= families_of(netif);
        }
    }
    return families;
}

static mote_status_t port_own_address(void *self, mote_ip_t *ip)
{
    const mote_lwip_t *lwip = self;
    mote_endpoint_t own;

    if (lwip->pcb == NULL || lwip->state != STREAM_CONNECTED) {
        return MOTE_ERR_NO_ADDRESS;
    }
    from_lwip(&lwip->pcb->local_ip, &own);
    *ip = own.ip;
    return MOTE_OK;
}

static mote_status_t port_random(void *self, uint8_t *bytes, size_t size)
{
    const mote_lwip_t *lwip = self;

    return lwip->random.fill(lwip->random.self, bytes, size);
}

/* lwIP has no memory for now: the caller comes back, and a timer sees to it. */
static mote_status_t starve(mote_lwip_t *lwip)
{
    lwip->is_starved = true;
    return MOTE_PENDING;
}

static void wake(const mote_lwip_t *lwip)
{
    if (lwip->wake != NULL) {
        lwip->wake(lwip->wake_self);
    }
}

/* ---- datagrams ---- */

static void drop_datagram(mote_lwip_t *lwip, unsigned index)
{
    pbuf_free(lwip->datagrams[index].packet);
    for (unsigned i = index; i + 1 < MOTE_LWIP_DATAGRAM_COUNT; i++) {
        lwip->datagrams[i] = lwip->datagrams[i + 1];
    }
    lwip->datagrams[MOTE_LWIP_DATAGRAM_COUNT - 1].packet = NULL;
}

/* The first that waits for a slot, or MOTE_LWIP_DATAGRAM_COUNT. */
static unsigned find_datagram(const mote_lwip_t *lwip, unsigned slot)
{
    unsigned index = 0;

    while (index < MOTE_LWIP_DATAGRAM_COUNT && (lwip->datagrams[index].packet == NULL || lwip->datagrams[index].slot != slot)) {
        index++;
    }
    return index;
}

static void on_datagram(void *self, struct udp_pcb *pcb, struct pbuf *packet, const ip_addr_t *address, u16_t port)
{
    mote_lwip_t *lwip = self;
    unsigned index = 0;

    while (index < MOTE_LWIP_DATAGRAM_COUNT && lwip->datagrams[index].packet != NULL) {
        index++;
    }
    packet = pbuf_coalesce(packet, PBUF_RAW); /* an answer is read in one piece */
    if (index == MOTE_LWIP_DATAGRAM_COUNT || packet->next != NULL) {
        pbuf_free(packet);
        return;
    }
    lwip->datagrams[index].packet = packet;
    lwip->datagrams[index].slot = pcb == lwip->slots[0] ? 0 : 1;
    from_lwip(address, &lwip->datagrams[index].from);
    lwip->datagrams[index].from.port = port;
    wake(lwip);
}

static mote_status_t port_query_lend(void *self, unsigned slot, mote_endpoint_t *from, mote_span_t *datagram)
{
    const mote_lwip_t *lwip = self;
    unsigned index = find_datagram(lwip, slot);

    if (index == MOTE_LWIP_DATAGRAM_COUNT) {
        return MOTE_PENDING;
    }
    *from = lwip->datagrams[index].from;
    *datagram = mote_span(lwip->datagrams[index].packet->payload, lwip->datagrams[index].packet->len);
    return MOTE_OK;
}

static void port_query_taken(void *self, unsigned slot)
{
    mote_lwip_t *lwip = self;
    unsigned index = find_datagram(lwip, slot);

    if (index < MOTE_LWIP_DATAGRAM_COUNT) {
        drop_datagram(lwip, index);
    }
}

static void port_query_close(void *self, unsigned slot)
{
    mote_lwip_t *lwip = self;

    while (find_datagram(lwip, slot) < MOTE_LWIP_DATAGRAM_COUNT) {
        port_query_taken(self, slot);
    }
    if (lwip->slots[slot] != NULL) {
        udp_remove(lwip->slots[slot]);
        lwip->slots[slot] = NULL;
    }
}

/* lwIP hands out ports in sequence, and whoever sees one knows the next: draw one (RFC 5452 9.2). */
static mote_status_t bind_anywhere(mote_lwip_t *lwip, struct udp_pcb *pcb)
{
    for (unsigned i = 0; i < BIND_COUNT; i++) {
        uint16_t port;
        mote_status_t status = port_random(lwip, (uint8_t *)&port, sizeof port);

        if (status != MOTE_OK) {
            return status;
        }
        if (port >= FIRST_PORT && udp_bind(pcb, IP_ANY_TYPE, port) == ERR_OK) {
            return MOTE_OK;
        }
    }
    return MOTE_ERR_MEMORY;
}

static mote_status_t open_slot(mote_lwip_t *lwip, unsigned slot)
{
    mote_status_t status;

    lwip->slots[slot] = udp_new_ip_type(IPADDR_TYPE_ANY);
    if (lwip->slots[slot] == NULL) {
        return starve(lwip);
    }
    udp_recv(lwip->slots[slot], on_datagram, lwip);
    status = bind_anywhere(lwip, lwip->slots[slot]);
    if (status != MOTE_OK) {
        port_query_close(lwip, slot);
    }
    return status;
}

/* The pcb is made when there is something to send. */
static mote_status_t port_query_open(void *self, unsigned slot)
{
    port_query_close(self, slot);
    return MOTE_OK;
}

static mote_status_t port_query_send(void *self, unsigned slot, const mote_endpoint_t *server, mote_span_t datagram)
{
    mote_lwip_t *lwip = self;
    mote_status_t status = lwip->slots[slot] != NULL ? MOTE_OK : open_slot(lwip, slot);
    ip_addr_t address;
    struct pbuf *packet;
    err_t error = ERR_MEM;

    if (status != MOTE_OK || !to_lwip(server, &address)) {
        return status != MOTE_OK ? status : MOTE_ERR_UNREACHABLE;
    }
    packet = pbuf_alloc(PBUF_TRANSPORT, (u16_t)datagram.size, PBUF_RAM);
    if (packet != NULL) {
        memcpy(packet->payload, datagram.data, datagram.size);
        error = udp_sendto(lwip->slots[slot], packet, &address, server->port);
        pbuf_free(packet);
    }
    return error == ERR_MEM ? starve(lwip) : status_of(error);
}

/* ---- the stream: callbacks take note of what happened, no more ---- */

static err_t on_connected(void *self, struct tcp_pcb *pcb, err_t error)
{
    mote_lwip_t *lwip = self;

    (void)pcb, (void)error; /* lwIP calls this for success alone */
    lwip->state = STREAM_ESTABLISHED;
    wake(lwip);
    return ERR_OK;
}

static err_t on_received(void *self, struct tcp_pcb *pcb, struct pbuf *packet, err_t error)
{
    mote_lwip_t *lwip = self;

    (void)pcb, (void)error;
    if (packet == NULL) {
        lwip->has_ended = true;
    } else if (lwip->received == NULL) {
        lwip->received = packet;
    } else {
        pbuf_cat(lwip->received, packet);
    }
    wake(lwip);
    return ERR_OK;
}

static err_t on_acknowledged(void *self, struct tcp_pcb *pcb, u16_t size)
{
    mote_lwip_t *lwip = self;

    (void)pcb;
    lwip->acknowledged += size;
    wake(lwip);
    return ERR_OK;
}

/* lwIP has freed the pcb already. What was received before stays to be read. */
static void on_error(void *self, err_t error)
{
    mote_lwip_t *lwip = self;
    mote_status_t failure = status_of(error);

    if (lwip->state == STREAM_CONNECTING) {
        failure = error == ERR_RST ? MOTE_ERR_REFUSED : MOTE_ERR_TIMEOUT; /* ERR_ABRT: no answer to any SYN */
    }
    lwip->pcb = NULL;
    lwip->failure = (uint8_t)failure;
    wake(lwip);
}

/* Takes the pcb out of our hands: no callback comes any more. */
static struct tcp_pcb *detach(mote_lwip_t *lwip)
{
    struct tcp_pcb *pcb = lwip->pcb;

    if (pcb != NULL) {
        tcp_arg(pcb, NULL);
        tcp_recv(pcb, NULL);
        tcp_sent(pcb, NULL);
        tcp_err(pcb, NULL);
    }
    if (lwip->received != NULL) {
        if (pcb != NULL) {
            tcp_recved(pcb, lwip->received->tot_len); /* else a close would be a RST, for what nobody read */
        }
        pbuf_free(lwip->received);
    }
    lwip->pcb = NULL;
    lwip->received = NULL;
    lwip->state = STREAM_CLOSED;
    lwip->failure = MOTE_OK;
    lwip->has_ended = false;
    return pcb;
}

static void port_abort(void *self)
{
    struct tcp_pcb *pcb = detach(self);

    if (pcb != NULL) {
        tcp_abort(pcb);
    }
}

/* What lies uncopied in lwIP's queues is the caller's again once the stream is closed, so then it cannot be closed in
   order. That does not happen after a reply to it. */
static void port_close(void *self)
{
    mote_lwip_t *lwip = self;
    bool has_borrowed = (int32_t)(lwip->uncopied_end - lwip->acknowledged) > 0;
    struct tcp_pcb *pcb = detach(lwip);

    if (pcb != NULL) {
        tcp_setprio(pcb, TCP_PRIO_MIN); /* one whose FIN is not acknowledged, for up to an hour, gives way to the next stream */
    }
    if (pcb != NULL && (has_borrowed || tcp_close(pcb) != ERR_OK)) {
        tcp_abort(pcb);
    }
}

static mote_status_t begin_connect(mote_lwip_t *lwip, const mote_endpoint_t *peer)
{
    ip_addr_t address;
    err_t error;

    if (!to_lwip(peer, &address)) {
        return MOTE_ERR_UNREACHABLE;
    }
    lwip->pcb = tcp_new_ip_type(IP_GET_TYPE(&address));
    if (lwip->pcb == NULL) {
        return starve(lwip);
    }
    lwip->state = STREAM_CONNECTING;
    lwip->written = 0;
    lwip->acknowledged = 0;
    lwip->uncopied_end = 0;
    tcp_arg(lwip->pcb, lwip);
    tcp_recv(lwip->pcb, on_received);
    tcp_sent(lwip->pcb, on_acknowledged);
    tcp_err(lwip->pcb, on_error);
    tcp_nagle_disable(lwip->pcb); /* a flight is composed above, and leaves at once */
    error = tcp_connect(lwip->pcb, &address, peer->port, on_connected);
    if (error != ERR_OK) {
        port_abort(lwip);
        return error == ERR_MEM ? starve(lwip) : status_of(error);
    }
    return MOTE_PENDING;
}

static mote_status_t port_connect(void *self, const mote_endpoint_t *peer)
{
    mote_lwip_t *lwip = self;
    mote_status_t failure = (mote_status_t)lwip->failure;

    if (lwip->state == STREAM_CONNECTED) {
        port_abort(lwip); /* a stream that was connected before: a new one begins */
    }
    if (lwip->state == STREAM_CLOSED) {
        return begin_connect(lwip, peer);
    }
    if (failure != MOTE_OK) {
        (void)detach(lwip);
        return failure;
    }
    if (lwip->state == STREAM_CONNECTING) {
        return MOTE_PENDING;
    }
    lwip->state = STREAM_CONNECTED;
    return MOTE_OK;
}

/* Gives lwIP what it has room for. */
static err_t write_some(mote_lwip_t *lwip, mote_span_t bytes, unsigned flags, size_t *taken)
{
    size_t size = bytes.size < tcp_sndbuf(lwip->pcb) ? bytes.size : tcp_sndbuf(lwip->pcb);
    bool is_borrowed = (flags & MOTE_SEND_STABLE) != 0 && size >= MOTE_LWIP_UNCOPIED_BYTES;
    u8_t how = is_borrowed ? 0 : TCP_WRITE_FLAG_COPY;
    err_t error;

    if (size == 0) {
        return ERR_MEM;
    }
    if ((flags & MOTE_SEND_MORE) != 0) {
        how |= TCP_WRITE_FLAG_MORE;
    }
    error = tcp_write(lwip->pcb, bytes.data, (u16_t)size, how);
    if (error == ERR_OK) {
        *taken = size;
        lwip->written += (uint32_t)size;
        lwip->uncopied_end = is_borrowed ? lwip->written : lwip->uncopied_end;
    }
    return error;
}

static mote_status_t port_send(void *self, mote_span_t bytes, unsigned flags, size_t *taken)
{
    mote_lwip_t *lwip = self;
    err_t error;

    *taken = 0;
    if (lwip->pcb == NULL || lwip->state != STREAM_CONNECTED) {
        return lwip->failure != MOTE_OK ? (mote_status_t)lwip->failure : MOTE_ERR_LINK_LOST;
    }
    error = write_some(lwip, bytes, flags, taken);
    if ((flags & MOTE_SEND_MORE) == 0 || *taken < bytes.size) {
        (void)tcp_output(lwip->pcb); /* what lwIP cannot send now, its timers send */
    }
    if (error == ERR_MEM) {
        lwip->is_starved = lwip->written == lwip->acknowledged; /* else an acknowledgement wakes us */
        return MOTE_PENDING;
    }
    return status_of(error);
}

static mote_status_t port_lend(void *self, mote_span_t *bytes)
{
    const mote_lwip_t *lwip = self;
    const struct pbuf *piece = lwip->received;

    while (piece != NULL && piece->len == 0) {
        piece = piece->next; /* lwIP leaves pbufs that held headers, or what had come before, in the chain; taken frees them */
    }
    if (piece != NULL) {
        *bytes = mote_span(piece->payload, piece->len);
        return MOTE_OK;
    }
    if (lwip->failure != MOTE_OK) {
        return (mote_status_t)lwip->failure;
    }
    if (lwip->has_ended) {
        return MOTE_CLOSED;
    }
    return lwip->state == STREAM_CONNECTED ? MOTE_PENDING : MOTE_ERR_LINK_LOST;
}

static void port_taken(void *self, size_t size)
{
    mote_lwip_t *lwip = self;

    lwip->received = pbuf_free_header(lwip->received, (u16_t)size);
    if (lwip->pcb != NULL) {
        tcp_recved(lwip->pcb, (u16_t)size); /* the window opens by what was used up, so a flood stays outside (PORT-8) */
    }
}

static unsigned port_wants(void *self)
{
    const mote_lwip_t *lwip = self;
    bool is_writing = lwip->state == STREAM_CONNECTING || lwip->is_starved || lwip->written != lwip->acknowledged;

    return MOTE_WANTS_READ | (is_writing ? MOTE_WANTS_WRITE : 0U);
}

void mote_lwip_init(mote_lwip_t *lwip, mote_random_t random)
{
    memset(lwip, 0, sizeof *lwip);
    lwip->random = random;
}

void mote_lwip_close(mote_lwip_t *lwip)
{
    port_query_close(lwip, 0);
    port_query_close(lwip, 1);
    port_abort(lwip);
}

size_t mote_lwip_dns_servers(mote_endpoint_t *servers, size_t capacity)
{
    size_t count = 0;

#if LWIP_DNS
    for (u8_t i = 0; i < DNS_MAX_SERVERS && count < capacity; i++) {
        const ip_addr_t *server = dns_getserver(i);

        if (!ip_addr_isany(server)) {
            from_lwip(server, &servers[count]);
            servers[count].port = 53;
            count += servers[count].ip.family != 0 ? 1U : 0U;
        }
    }
#else
    (void)servers, (void)capacity;
#endif
    return count;
}

const mote_port_t mote_lwip_port = {
    .random = port_random,
    .families = port_families,
    .own_address = port_own_address,
    .query_open = port_query_open,
    .query_send = port_query_send,
    .query_lend = port_query_lend,
    .query_taken = port_query_taken,
    .query_close = port_query_close,
    .connect = port_connect,
    .send = port_send,
    .lend = port_lend,
    .taken = port_taken,
    .secure = NULL,
    .wants = port_wants,
    .close = port_close,
    .abort = port_abort,
};
