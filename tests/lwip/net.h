/* One lwIP with a network on its desk: a link that delays, loses, doubles and reorders packets, a name server and a mail
   server behind it, and a clock that jumps from one event to the next. */
#ifndef NET_H
#define NET_H

#include <mailmote/lwip.h>

enum { NET_DELAY_MS = 20, NET_NEVER = 0x7FFFFFFF };

/* What the link and the mail server do: set before a delivery, reset by net_reset. */
typedef struct net {
    unsigned loss_percent;
    unsigned double_percent;
    unsigned jitter_ms;
    bool is_silent;        /* SYNs to the mail server are lost */
    bool is_closed;        /* nobody listens */
    bool reads_slowly;     /* the server's window opens octet by octet */
    unsigned window;       /* a window that the server never says to be larger; 0: as it is */
    size_t reset_after;    /* RST after so many octets heard; NET_NEVER */
    size_t end_after;      /* FIN after so many octets said; NET_NEVER */
    unsigned records;      /* which families of addresses the DNS knows */
    bool has_large_answers; /* of more than one pbuf, in which they come */
    bool parts_headers;     /* the driver's first buffer ends where the headers do: lwIP leaves it in the chain, empty */
} net_t;

extern net_t net;

/* What the mail server took. */
typedef struct taken {
    unsigned mails;
    size_t size;
    uint32_t sum;
} taken_t;

extern taken_t taken;

int net_set_up(void **state);
void net_reset(void);
uint32_t net_sum(uint32_t sum, const uint8_t *bytes, size_t size);
/* Goes on to the next event: a packet, or a timer of lwIP's, or limit_ms from now. Gives the time. */
uint32_t net_step(uint32_t limit_ms);
uint32_t net_now_ms(void);
/* Another time, while nothing is under way: lwIP's timers go with it. */
void net_set_clock(uint32_t now_ms);
/* Until no connection is left, not even in TIME_WAIT. */
void net_drain(void);
/* The device's link goes, or comes back. */
void net_set_link(bool is_up);
/* Which interface it is, to those with several; its link-local address is fe80::1. */
unsigned net_scope(void);
/* As DHCP does: the address becomes 192.0.2.last (1 as a rule), or none: 0. */
void net_set_address(unsigned last);

#endif
