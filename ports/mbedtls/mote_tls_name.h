/**
 * @file
 * Whether a name in a certificate is the name of the host we meant. Pure functions over bytes.
 *
 * @source RFC 9525 6.3 (dNSName), 6.4 (iPAddress)
 */
#ifndef MOTE_TLS_NAME_H
#define MOTE_TLS_NAME_H

#include <mailmote/ip.h>

/** The name without the dot that may end it. */
mote_span_t mote_tls_name_bare(mote_span_t name);

/** Labels of letters, digits, '-' and '_', 1 to 63 octets each, 253 in all, no dot at either end. */
bool mote_tls_name_is_host(mote_span_t name);

/**
 * Whether a dNSName is for this host: all labels equal, letters in either case; or its first label is "*" and all
 * others are equal, two of them at least. Any octet that is not a host name's makes it match nothing.
 *
 * @param[in] presented  the dNSName of the certificate
 * @param[in] name       the host meant, as mote_tls_name_bare gives it
 */
bool mote_tls_name_matches(mote_span_t presented, mote_span_t name);

/** Whether an iPAddress, 4 or 16 octets, is this address. */
bool mote_tls_name_matches_ip(mote_span_t presented, const mote_ip_t *ip);

#endif
