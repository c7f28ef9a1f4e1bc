/**
 * @file
 * IP addresses: as text, as address literals, and which of them DNS may lead us to.
 *
 * @source RFC 5321 4.1.3 (literals), RFC 4291 2.2 and RFC 5952 (IPv6 text), RFC 6890 (special addresses)
 */
#ifndef MAILMOTE_IP_H
#define MAILMOTE_IP_H

#include <mailmote/span.h>

MOTE_BEGIN_DECLS

/** Address families, as bits of a set. */
enum { MOTE_FAMILY_IPV4 = 1, MOTE_FAMILY_IPV6 = 2 };

#if MOTE_FEATURE_IPV6
#define MOTE_IP_BYTES 16
#else
#define MOTE_IP_BYTES 4
#endif

/** An IP address in network byte order. family 0: none. IPv4 uses the first four bytes, the rest are 0. */
typedef struct mote_ip {
    uint8_t family;
    uint8_t bytes[MOTE_IP_BYTES];
} mote_ip_t;

/** An address and a port. scope is the interface of a link-local IPv6 address, 0 otherwise. */
typedef struct mote_endpoint {
    mote_ip_t ip;
    uint16_t port;
    uint8_t scope;
} mote_endpoint_t;

/** How far an address reaches, as far as mail is concerned. */
typedef enum mote_reach {
    MOTE_REACH_GLOBAL,
    MOTE_REACH_PRIVATE,  /**< RFC 1918, RFC 6598 (100.64/10), RFC 4193 (fc00::/7), RFC 8215 (64:ff9b:1::/48) */
    MOTE_REACH_LOOPBACK, /**< 127/8, ::1 */
    MOTE_REACH_NEVER     /**< unspecified, link-local, multicast, broadcast, class E, and every IPv4-mapped form */
} mote_reach_t;

/**
 * Reads an address: four decimal numbers 0..255 without leading zeros, or IPv6 text (RFC 4291 2.2, without
 * zone). No hexadecimal, octal or shortened IPv4.
 *
 * @return MOTE_OK, or MOTE_ERR_ADDRESS (also for a family this build leaves out)
 */
mote_status_t mote_ip_parse(mote_span_t text, mote_ip_t *ip);

/** Reads an address literal of a Mailbox (RFC 5321 4.1.3): [192.0.2.1] or [IPv6:2001:db8::1]. Returns as mote_ip_parse. */
mote_status_t mote_ip_parse_literal(mote_span_t literal, mote_ip_t *ip);

/** As text: 192.0.2.1, 2001:db8::1 (RFC 5952). At most 39 bytes. */
void mote_ip_write(mote_writer_t *out, const mote_ip_t *ip);

/** As the literal of RFC 5321 4.1.3: [192.0.2.1] or [IPv6:2001:db8::1]. At most 46 bytes. */
void mote_ip_write_literal(mote_writer_t *out, const mote_ip_t *ip);

bool mote_ip_equals(const mote_ip_t *a, const mote_ip_t *b);

mote_reach_t mote_ip_reach(const mote_ip_t *ip);

/** Whether the text is all digits and dots, or holds a colon: an address in some spelling, never a name. */
bool mote_ip_is_spelled(mote_span_t text);

MOTE_END_DECLS

#endif
