/**
 * @file
 * lwIP 2.2, raw API: in a super-loop (NO_SYS 1) or inside tcpip_thread.
 *
 *     static mote_lwip_run_t run;
 *     mote_lwip_run_init(&run, board_random, NULL);
 *     run.ended = on_ended;                                  (the verdicts are in the mail then)
 *     mote_lwip_start(&run, &settings, &dns, &mail);
 *
 * All of it is called where lwIP is called: from the super-loop, or from tcpip_thread (by tcpip_callback), or under
 * LOCK_TCPIP_CORE. lwIP's callbacks only queue what came and set a timer; the delivery runs from sys_check_timeouts, never
 * inside a callback of TCP or UDP. A loop may sleep for sys_timeouts_sleeptime() between packets. With LWIP_TCPIP_CORE_LOCKING
 * each wake also posts a message to tcpip_thread, which may sleep while another thread holds the lock (one
 * MEMP_TCPIP_MSG_API for each delivery, for a moment).
 *
 * Received bytes are read in place, out of lwIP's pbufs, and its window opens as they are used up. Bytes to send are
 * copied by tcp_write, but for stable ones (a source with is_stable: flash, constants) in pieces of
 * MOTE_LWIP_UNCOPIED_BYTES or more, which lwIP sends from where they lie. Where the driver sends later than it is told to
 * (DMA), such bytes must outlive its queue, even after the end: then is_stable is for flash.
 *
 * Memory is lwIP's: for each delivery in flight one MEMP_SYS_TIMEOUT, one MEMP_TCP_PCB (and the pcbs of earlier ones that
 * are closed, which lwIP reuses when it runs out), two MEMP_UDP_PCB while names are asked, and what the segments take.
 * Where lwIP has no room for now, the delivery waits and tries again; it never fails for that before its deadline.
 *
 * lwIP's own dns.c and smtp.c are not needed. LWIP_DNS serves only to learn the servers that DHCP names.
 */
#ifndef MAILMOTE_LWIP_H
#define MAILMOTE_LWIP_H

#include <mailmote/delivery.h>

#include "lwip/tcp.h"
#include "lwip/udp.h"

MOTE_BEGIN_DECLS

enum {
    MOTE_LWIP_UNCOPIED_BYTES = 128, /* smaller pieces cost less as a copy than as a pbuf of their own */
    MOTE_LWIP_DATAGRAM_COUNT = 4    /* waiting to be looked at; further ones are dropped, and asked for again */
};

/** A datagram that came. */
typedef struct mote_lwip_datagram {
    struct pbuf *packet; /* NULL: no more */
    mote_endpoint_t from;
    uint8_t slot;
} mote_lwip_datagram_t;

/** The port of one delivery: the self of mote_lwip_port. */
typedef struct mote_lwip {
    mote_random_t random; /**< the board's own source: unpredictable bytes or an error */
    void (*wake)(void *wake_self); /**< bytes may have moved; called inside lwIP's callbacks, so it may only take note */
    void *wake_self;

    /* private */
    struct tcp_pcb *pcb;
    struct pbuf *received;
    uint32_t written; /* octets given to lwIP, acknowledged, and the end of what lies uncopied in its queues */
    uint32_t acknowledged;
    uint32_t uncopied_end;
    uint8_t state;
    uint8_t failure; /* mote_status_t: why the stream ended, or MOTE_OK */
    bool has_ended;  /* FIN */
    bool is_starved; /* lwIP had no memory: nothing will wake us but time */
    struct udp_pcb *slots[2];
    mote_lwip_datagram_t datagrams[MOTE_LWIP_DATAGRAM_COUNT]; /* in the order in which they came */
} mote_lwip_t;

/** The table for mote_delivery_start; its self is a mote_lwip_t. No TLS: wrap it with ports/mbedtls. */
extern const mote_port_t mote_lwip_port;

/** random.fill must be a true source: of the board, never LWIP_RAND. */
void mote_lwip_init(mote_lwip_t *lwip, mote_random_t random);
/** Closes whatever is open, at once. */
void mote_lwip_close(mote_lwip_t *lwip);

/** The name servers that lwIP knows (LWIP_DNS, by DHCP or dns_setserver): returns how many, at most capacity. */
size_t mote_lwip_dns_servers(mote_endpoint_t *servers, size_t capacity);

/* ---- running ---- */

/** A delivery that lwIP's timers run. Placed by the caller, with static storage as a rule. */
typedef struct mote_lwip_run {
    mote_delivery_t delivery;
    mote_lwip_t lwip;
    const mote_port_t *port; /**< set by init to the plain port; a wrapper (TLS) around lwip, for others */
    void *self;
    mote_buffer_t room; /**< for outgoing commands: the bytes below, or the caller's larger ones */
    uint8_t small_room[MOTE_ROOM_BYTES];
    bool is_running; /* private */
    bool is_woken;
    /** Called once when the delivery has ended: every recipient has a verdict. May start this run again. Not inside
     *  lwIP's callbacks. May be NULL. */
    void (*ended)(struct mote_lwip_run *run);
} mote_lwip_run_t;

/** Sets up a run on the plain port. Set ended, and for TLS port and self, afterwards. */
void mote_lwip_run_init(mote_lwip_run_t *run, mote_random_t random);

/** Starts a delivery. Returns as mote_delivery_start; on failure nothing runs and ended is not called. */
mote_status_t mote_lwip_start(mote_lwip_run_t *run, const mote_settings_t *settings, const mote_dns_settings_t *dns,
                              mote_mail_t *mail);
/** Gives a run that has ended its next mail, on the stream it kept (keeps_stream). Returns as mote_delivery_next. */
mote_status_t mote_lwip_next(mote_lwip_run_t *run, mote_mail_t *mail);
/** Ends a run at any moment, but from within what its delivery calls: recipients without a verdict get one, see
 *  mote_delivery_stop. ended is not called. */
void mote_lwip_stop(mote_lwip_run_t *run);

MOTE_END_DECLS

#endif
