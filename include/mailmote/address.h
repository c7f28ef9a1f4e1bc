/**
 * @file
 * Mail addresses: the Mailbox of RFC 5321 4.1.2, and host and domain names.
 *
 * An address is the caller's bytes; nothing is copied. What passes here can neither end an SMTP command
 * nor begin another.
 */
#ifndef MAILMOTE_ADDRESS_H
#define MAILMOTE_ADDRESS_H

#include <mailmote/ip.h>

MOTE_BEGIN_DECLS

/** RFC 5321 4.5.3.1.1 to .3: octets of a local part, of a domain, and of a path without its brackets. */
enum { MOTE_LOCAL_PART_BYTES = 64, MOTE_DOMAIN_BYTES = 255, MOTE_ADDRESS_BYTES = 254 };

typedef enum mote_address_kind {
    MOTE_ADDRESS_DOMAIN,    /**< local-part@domain */
    MOTE_ADDRESS_LITERAL,   /**< local-part@[192.0.2.1] or @[IPv6:...]; ip is set */
    MOTE_ADDRESS_POSTMASTER /**< the bare word postmaster, in any case (RFC 5321 4.1.1.3); domain is empty */
} mote_address_kind_t;

/** An address taken apart; the spans point into the text parsed. */
typedef struct mote_address {
    mote_span_t local_part; /**< as written, quotes included */
    mote_span_t domain;     /**< as written, brackets of a literal included */
    mote_ip_t ip;
    uint8_t kind; /**< mote_address_kind_t */
} mote_address_t;

/**
 * Takes a Mailbox apart.
 *
 * Refused: controls, DEL, octets from 0x80 on, unquoted specials, source routes, empty labels, a trailing
 * dot, underscores in the domain, domains of one label, all-numeric last labels, literals that are not
 * exactly an IPv4 or IPv6 address (other tags are refused too), lengths over the limits.
 *
 * @param[in] text  without angle brackets, 1 to MOTE_ADDRESS_BYTES bytes
 * @return MOTE_OK
 *         MOTE_ERR_ADDRESS  not a Mailbox
 *         MOTE_ERR_SPACE    too long
 * @source RFC 5321 4.1.2, 4.1.3, 4.5.3.1
 */
mote_status_t mote_address_parse(mote_span_t text, mote_address_t *address);

/** Same mailbox: domains case-blind, local parts exact, quoting that changes nothing ignored (4.1.2). */
bool mote_address_equals(const mote_address_t *a, const mote_address_t *b);

/** The address with the least quoting: "joe"@example.net is written joe@example.net. */
void mote_address_write(mote_writer_t *out, const mote_address_t *address);

/** Whether a label may stand in a host name: letters, digits and inner hyphens (RFC 1123 2.1), 1 to 63 octets. */
bool mote_label_is_host(mote_span_t label, bool *is_numeric);

/** How many labels a host name has: as below, but one may be enough. 0: the text is none. */
unsigned mote_domain_label_count(mote_span_t text);

/**
 * Whether the text is a host or domain name: labels of letters, digits and inner hyphens, 1 to 63 octets
 * each, at most 253 in all, no trailing dot, at least two labels, not an address in any spelling.
 */
bool mote_domain_is_valid(mote_span_t text);

MOTE_END_DECLS

#endif
