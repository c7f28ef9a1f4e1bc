/**
 * @file
 * One mail, from its recipients to a verdict for each.
 *
 * A delivery takes the recipients one next hop after the other: those in local domains into the mailbox,
 * those of a relay through the relay, those of one domain to that domain's mail exchangers. It resolves,
 * connects, speaks, goes to the next address and the next host as RFC 5321 5.1 says, and ends when every
 * recipient has a verdict. It never blocks and never allocates:
 *
 *     mote_delivery_start(&delivery, ...);
 *     do {
 *         wait = mote_delivery_step(&delivery, now_ms);
 *         ... wait until bytes may have moved on the port, or wait ms have passed ...
 *     } while (!mote_delivery_has_ended(&delivery));
 *
 * Calling step too often is harmless. Nothing is ever sent twice within a delivery: once the end of a message was
 * handed over, its recipients are settled, whatever happens then.
 *
 * What a delivery calls (port, source, mailbox, credentials, observer) must not call into the same delivery. To stop it from
 * there, take note, and stop it when step has returned.
 */
#ifndef MAILMOTE_DELIVERY_H
#define MAILMOTE_DELIVERY_H

#include <mailmote/lookup.h>
#include <mailmote/mailbox.h>
#include <mailmote/mx.h>
#include <mailmote/smtp.h>

MOTE_BEGIN_DECLS

/** Least room for outgoing commands. A whole group in one write wants 64 bytes a recipient more. */
enum { MOTE_ROOM_BYTES = 256 };

/** What holds for every delivery of a device. Borrowed; must not change while a delivery is under way. */
typedef struct mote_settings {
    mote_smtp_settings_t smtp;
    const mote_route_t *routes; /**< see route.h; an address that no row matches is refused at start */
    uint8_t route_count;
    const mote_mailbox_t *mailbox; /**< for local routes; NULL: there are none */

    const mote_span_t *own_names; /**< further names that are ourselves: an MX of that name ends the list */
    uint8_t own_name_count;
    uint8_t own_address_count;
    const mote_ip_t *own_addresses; /**< further addresses that are ourselves, as the public one behind a NAT */

    bool refuses_private; /**< hosts found by DNS may not be in private ranges (MX-23) */
    bool allows_loopback; /**< hosts found by DNS may be loopback addresses: for tests (MX-22) */
    bool allows_literals; /**< user@[192.0.2.1] may be delivered there directly (MX-32) */
    bool tries_all_hosts; /**< a probe goes to every host and address; the verdict is the first one's that gave one */
} mote_settings_t;

/** Where a delivery stands: what it waits for. */
typedef enum mote_delivery_state {
    MOTE_DELIVERY_ENDED, /* also what was never started, and is all zero */
    MOTE_DELIVERY_CHOOSE, /* private: whose turn is next */
    MOTE_DELIVERY_AWAIT_MX,
    MOTE_DELIVERY_AWAIT_HOST,
    MOTE_DELIVERY_PICK, /* which address is next */
    MOTE_DELIVERY_AWAIT_CONNECT,
    MOTE_DELIVERY_AWAIT_SECURE, /* implicit TLS */
    MOTE_DELIVERY_AWAIT_SESSION,
    MOTE_DELIVERY_AWAIT_MAILBOX
} mote_delivery_state_t;

/* private: filling a mailbox, while there is no session */
typedef struct mote_filling {
    mote_body_t body;
    mote_span_t stretch; /* lent by the body, not yet taken by the mailbox */
    uint8_t step;
} mote_filling_t;

/** The delivery's memory: placed by the caller, read through the calls below. */
typedef struct mote_delivery {
    /* private; what is looked at most stands first, where small cores reach it in one instruction */
    uint8_t state;      /* mote_delivery_state_t */
    uint8_t ipv4_count; /* addresses of the host */
    uint8_t ipv6_count;
    uint8_t ipv4_tried; /* those of them whose turn has come */
    uint8_t ipv6_tried;
    uint8_t hop_index;     /* which relay of the route */
    uint8_t address_count; /* tried for this next hop */
    uint8_t session_count;
    uint16_t lead;      /* index of the recipient whose next hop's turn it is */
    uint16_t flags;
    const mote_settings_t *settings;
    const mote_dns_settings_t *dns;
    const mote_port_t *port;
    void *self;
    mote_mail_t *mail;
    const mote_route_t *route;
    mote_buffer_t room;
    uint32_t now_ms;   /* of the call at hand */
    uint32_t end_ms;   /* when the whole delivery's time is over */
    uint32_t since_ms; /* of what it waits for now */
    uint32_t seed; /* orders hosts of equal preference */
    uint32_t limit;
    mote_mx_rank_t rank;
    union {
        mote_lookup_t lookup;
        mote_smtp_t smtp;
        mote_filling_t filling;
    } at;
    mote_question_t question; /* holds the host's name, also while a session is at hand */
    uint8_t host_count; /* asked for in this attempt */
    mote_ip_t own_ip;
#if MOTE_FEATURE_IPV4
    uint8_t ipv4[MOTE_HOST_ADDRESS_COUNT][4];
#endif
#if MOTE_FEATURE_IPV6
    uint8_t ipv6[MOTE_HOST_ADDRESS_COUNT][16];
#endif
} mote_delivery_t;

/**
 * Starts a delivery. Everything given is borrowed until it has ended.
 *
 * @param[in]     dns   name servers; its tcp_buffer serves one delivery at a time. NULL when no route needs DNS
 * @param[in,out] mail  recipients' verdicts and reports are cleared
 * @param[in]     room  memory for outgoing commands, MOTE_ROOM_BYTES or more
 *
 * @return MOTE_OK: call step until it has ended
 *         MOTE_ERR_ADDRESS   the reverse-path, or a recipient's address, is not a Mailbox: that recipient is PERMANENT
 *                            at MOTE_STAGE_ADDRESS (5.1.3; the reverse-path: all, 5.1.7). Nothing was sent to anyone:
 *                            the delivery has not started
 *         MOTE_ERR_ARGUMENT  settings that cannot be: routes, room, no recipients, hello_name not a name
 *         MOTE_ERR_RANDOM    the port's random source failed
 */
mote_status_t MOTE_ABI(mote_delivery_start)(mote_delivery_t *delivery, const mote_settings_t *settings,
                                            const mote_dns_settings_t *dns, mote_mail_t *mail,
                                            const mote_port_t *port, void *port_self, mote_buffer_t room,
                                            uint32_t now_ms);
#define mote_delivery_start MOTE_ABI(mote_delivery_start) /* see MOTE_ABI in config.h */

/**
 * Does what can be done now. Returns the time in ms after which it wants to be called again at the latest,
 * even if no byte has moved; 0: at once.
 */
uint32_t mote_delivery_step(mote_delivery_t *delivery, uint32_t now_ms);

/** Every recipient has a verdict. Verdicts of single recipients stand as soon as they are given. */
bool mote_delivery_is_settled(const mote_delivery_t *delivery);

/** And the stream is closed, or idle for mote_delivery_next when the session keeps its stream. */
bool mote_delivery_has_ended(const mote_delivery_t *delivery);

/**
 * Starts another mail with the same settings, on the stream kept from the last one if it leads to the same next hop
 * with the same policy; otherwise that stream is closed. The mail may be the last one's memory, filled anew. A server
 * that closed the kept stream meanwhile costs a new connection, not the mail. Returns as start.
 */
mote_status_t mote_delivery_next(mote_delivery_t *delivery, mote_mail_t *mail, uint32_t now_ms);

/**
 * Ends the delivery at any moment, at once: the stream is cut (an idle one closed), every recipient without a verdict
 * is transient, or in doubt when the end of data had been handed over. No port call comes afterwards.
 */
void mote_delivery_stop(mote_delivery_t *delivery, uint32_t now_ms);

MOTE_END_DECLS

#endif
