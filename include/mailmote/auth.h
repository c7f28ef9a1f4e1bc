/**
 * @file
 * SASL in SMTP (RFC 4954): PLAIN (RFC 4616) and LOGIN, written through a window, never held as a whole.
 */
#ifndef MAILMOTE_AUTH_H
#define MAILMOTE_AUTH_H

#include <mailmote/base64.h>
#include <mailmote/route.h>

MOTE_BEGIN_DECLS

/** The mechanism of that name (any case), 0 if we have none of that name. */
uint8_t mote_auth_mechanism(mote_span_t name);
/** Its name on the wire. */
mote_span_t mote_auth_name(uint8_t mechanism);

/** User and password can travel: neither empty user, nor NUL, CR or LF in them, nor some 9000 octets (RFC 4954 4). */
bool mote_auth_is_usable(const mote_credentials_t *credentials);

/** Writes the answer to step number step (0: the initial response, or the answer to the first 334) in base64, without CRLF. PLAIN has step 0; LOGIN 0 the user name, 1 the password. */
void mote_auth_write_answer(mote_writer_t *out, uint8_t mechanism, unsigned step,
                            const mote_credentials_t *credentials);

/** How many answers the mechanism gives. */
unsigned mote_auth_step_count(uint8_t mechanism);

MOTE_END_DECLS

#endif
