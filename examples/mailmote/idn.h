/* Domains in other scripts, which people write and mail has as A-labels (RFC 5891): by libidn2, where it was found. */
#ifndef IDN_H
#define IDN_H

#include <mailmote/span.h>

/*
 * The text with its domain in ASCII: a domain (of a host, or behind the last '@' of an address or a person), converted by
 * UTS #46, nontransitional. NULL: nothing is to be converted, or it cannot be (idn_fault), and the text stays as it is.
 * Else the caller frees what was made.
 */
char *idn_convert(const char *text);

/* Why a domain with octets beyond ASCII was not converted. */
const char *idn_fault(mote_span_t domain);

/* Who does it, in words. */
const char *idn_version(void);

#endif
