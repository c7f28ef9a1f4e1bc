#include "raw_port.h"

#include <stdlib.h>
#include <string.h>

static mote_status_t status_of(err_t err)
{
    switch (err) {
    case ERR_OK:
        return MOTE_OK;
    case ERR_MEM:
    case ERR_BUF:
        return MOTE_ERR_MEMORY;
    case ERR_RTE:
        return MOTE_ERR_UNREACHABLE;
    case ERR_RST:
        return MOTE_ERR_RESET;
    default:
        return MOTE_ERR_LINK_LOST;
    }
}

static ip_addr_t to_lwip(const mote_endpoint_t *endpoint)
{
    ip_addr_t address;

    IP4_ADDR(&address, endpoint->ip.bytes[0], endpoint->ip.bytes[1], endpoint->ip.bytes[2], endpoint->ip.bytes[3]);
    return address;
}

static void from_lwip(const ip_addr_t *address, mote_ip_t *ip)
{
    u32_t value = ip4_addr_get_u32(address);

    memset(ip, 0, sizeof *ip);
    ip->family = MOTE_FAMILY_IPV4;
    memcpy(ip->bytes, &value, 4);
}

static mote_status_t raw_random(void *self, uint8_t *bytes, size_t size)
{
    (void)self;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(rand() >> 7); /* a test's; a device has a source of its own */
    }
    return MOTE_OK;
}

static unsigned raw_families(void *self)
{
    (void)self;
    return MOTE_FAMILY_IPV4;
}

static mote_status_t raw_own_address(void *self, mote_ip_t *ip)
{
    raw_port_t *raw = self;

    if (raw->pcb == NULL) {
        return MOTE_ERR_NO_ADDRESS;
    }
    from_lwip(&raw->pcb->local_ip, ip);
    return MOTE_OK;
}

/* ---- datagrams ---- */

static void on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *address, u16_t port)
{
    raw_port_t *raw = arg;
    unsigned slot = raw->slots[0] == pcb ? 0 : 1;

    if (raw->datagrams[slot] != NULL || p->next != NULL) {
        pbuf_free(p); /* the engine asks again */
        return;
    }
    raw->datagrams[slot] = p;
    from_lwip(address, &raw->from[slot].ip);
    raw->from[slot].port = port;
    raw->from[slot].scope = 0;
}

static void raw_query_taken(void *self, unsigned slot)
{
    raw_port_t *raw = self;

    if (raw->datagrams[slot] != NULL) {
        pbuf_free(raw->datagrams[slot]);
        raw->datagrams[slot] = NULL;
    }
}

static void raw_query_close(void *self, unsigned slot)
{
    raw_port_t *raw = self;

    raw_query_taken(self, slot);
    if (raw->slots[slot] != NULL) {
        udp_remove(raw->slots[slot]);
        raw->slots[slot] = NULL;
    }
}

static mote_status_t raw_query_open(void *self, unsigned slot)
{
    raw_port_t *raw = self;

    raw_query_close(self, slot);
    raw->slots[slot] = udp_new();
    if (raw->slots[slot] == NULL) {
        return MOTE_ERR_MEMORY;
    }
    udp_recv(raw->slots[slot], on_datagram, raw);
    for (unsigned i = 0; i < 8; i++) { /* lwIP hands out ports in sequence: draw one */
        if (udp_bind(raw->slots[slot], IP_ADDR_ANY, (u16_t)(1024 + rand() % 60000)) == ERR_OK) {
            return MOTE_OK;
        }
    }
    return MOTE_ERR_MEMORY;
}

static mote_status_t raw_query_send(void *self, unsigned slot, const mote_endpoint_t *server, mote_span_t datagram)
{
    raw_port_t *raw = self;
    ip_addr_t address = to_lwip(server);
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)datagram.size, PBUF_RAM);
    err_t err;

    if (p == NULL) {
        return MOTE_PENDING; /* no room now: back-pressure */
    }
    memcpy(p->payload, datagram.data, datagram.size);
    err = udp_sendto(raw->slots[slot], p, &address, server->port);
    pbuf_free(p);
    return err == ERR_MEM ? MOTE_PENDING : status_of(err);
}

static mote_status_t raw_query_lend(void *self, unsigned slot, mote_endpoint_t *from, mote_span_t *datagram)
{
    raw_port_t *raw = self;

    if (raw->datagrams[slot] == NULL) {
        return MOTE_PENDING;
    }
    *from = raw->from[slot];
    *datagram = mote_span(raw->datagrams[slot]->payload, raw->datagrams[slot]->len);
    return MOTE_OK;
}

/* ---- the stream: callbacks only note what happened ---- */

static void drop_received(raw_port_t *raw)
{
    if (raw->received != NULL) {
        pbuf_free(raw->received);
        raw->received = NULL;
    }
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
    raw_port_t *raw = arg;

    (void)pcb;
    raw->is_connected = err == ERR_OK;
    return ERR_OK;
}

static err_t on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    raw_port_t *raw = arg;

    (void)pcb, (void)err;
    if (p == NULL) {
        raw->has_ended = true;
    } else if (raw->received == NULL) {
        raw->received = p;
    } else {
        pbuf_cat(raw->received, p);
    }
    return ERR_OK;
}

static void on_error(void *arg, err_t err)
{
    raw_port_t *raw = arg;

    raw->pcb = NULL; /* lwIP has freed it already */
    raw->failure = raw->is_connected ? status_of(err) : err == ERR_RST ? MOTE_ERR_REFUSED : status_of(err);
}

static void forget(raw_port_t *raw)
{
    drop_received(raw);
    raw->pcb = NULL;
    raw->is_connecting = false;
    raw->is_connected = false;
    raw->has_ended = false;
    raw->failure = MOTE_OK;
}

static void raw_abort(void *self)
{
    raw_port_t *raw = self;

    if (raw->pcb != NULL) {
        tcp_arg(raw->pcb, NULL);
        tcp_err(raw->pcb, NULL);
        tcp_abort(raw->pcb);
    }
    forget(raw);
}

static void raw_close(void *self)
{
    raw_port_t *raw = self;

    if (raw->pcb != NULL) {
        tcp_arg(raw->pcb, NULL);
        tcp_recv(raw->pcb, NULL);
        tcp_err(raw->pcb, NULL);
        if (tcp_close(raw->pcb) != ERR_OK) {
            tcp_abort(raw->pcb);
        }
    }
    forget(raw);
}

static mote_status_t raw_connect(void *self, const mote_endpoint_t *peer)
{
    raw_port_t *raw = self;
    ip_addr_t address = to_lwip(peer);
    mote_status_t failure;
    err_t err;

    if (raw->is_connected && raw->failure == MOTE_OK) {
        return MOTE_OK;
    }
    if (raw->is_connecting) {
        failure = raw->failure;
        if (failure != MOTE_OK) {
            forget(raw);
        }
        return failure != MOTE_OK ? failure : MOTE_PENDING;
    }
    raw->pcb = tcp_new();
    if (raw->pcb == NULL) {
        return MOTE_ERR_MEMORY;
    }
    raw->is_connecting = true;
    tcp_arg(raw->pcb, raw);
    tcp_recv(raw->pcb, on_received);
    tcp_err(raw->pcb, on_error);
    err = tcp_connect(raw->pcb, &address, peer->port, on_connected);
    if (err != ERR_OK) {
        raw_abort(raw);
        return status_of(err);
    }
    return MOTE_PENDING;
}

static mote_status_t raw_send(void *self, mote_span_t bytes, unsigned flags, size_t *taken)
{
    raw_port_t *raw = self;
    size_t size;
    err_t err;
    u8_t how = TCP_WRITE_FLAG_COPY;

    *taken = 0;
    if (raw->failure != MOTE_OK || raw->pcb == NULL) {
        return raw->failure != MOTE_OK ? raw->failure : MOTE_ERR_LINK_LOST;
    }
    size = bytes.size < tcp_sndbuf(raw->pcb) ? bytes.size : tcp_sndbuf(raw->pcb);
    if ((flags & MOTE_SEND_STABLE) != 0 && size >= 128) {
        how = 0;
    }
    if ((flags & MOTE_SEND_MORE) != 0) {
        how |= TCP_WRITE_FLAG_MORE;
    }
    err = size > 0 ? tcp_write(raw->pcb, bytes.data, (u16_t)size, how) : ERR_MEM;
    if (err == ERR_MEM) {
        (void)tcp_output(raw->pcb);
        return MOTE_PENDING;
    }
    if (err != ERR_OK) {
        return status_of(err);
    }
    if ((flags & MOTE_SEND_MORE) == 0) {
        (void)tcp_output(raw->pcb);
    }
    *taken = size;
    return MOTE_OK;
}

static mote_status_t raw_lend(void *self, mote_span_t *bytes)
{
    raw_port_t *raw = self;

    if (raw->received != NULL) {
        *bytes = mote_span(raw->received->payload, raw->received->len);
        return MOTE_OK;
    }
    if (raw->failure != MOTE_OK) {
        return raw->failure;
    }
    return raw->has_ended ? MOTE_CLOSED : MOTE_PENDING;
}

static void raw_taken(void *self, size_t size)
{
    raw_port_t *raw = self;

    raw->received = pbuf_free_header(raw->received, (u16_t)size);
    if (raw->pcb != NULL) {
        tcp_recved(raw->pcb, (u16_t)size); /* PORT-8: only what was consumed */
    }
}

static unsigned raw_wants(void *self)
{
    (void)self;
    return MOTE_WANTS_READ | MOTE_WANTS_WRITE;
}

const mote_port_t raw_port_table = {
    .random = raw_random,
    .families = raw_families,
    .own_address = raw_own_address,
    .query_open = raw_query_open,
    .query_send = raw_query_send,
    .query_lend = raw_query_lend,
    .query_taken = raw_query_taken,
    .query_close = raw_query_close,
    .connect = raw_connect,
    .send = raw_send,
    .lend = raw_lend,
    .taken = raw_taken,
    .secure = NULL,
    .wants = raw_wants,
    .close = raw_close,
    .abort = raw_abort,
};
