/**
 * @file
 * Between the sources of this port: what one calls in another. No application includes it.
 */
#ifndef MOTE_MBEDTLS_INSIDE_H
#define MOTE_MBEDTLS_INSIDE_H

#include <mailmote/mbedtls.h>

/* ---- mote_mbedtls_check.c: is this certificate the one that was meant? ---- */

/** Why no certificate could be acceptable under this policy, or NULL. */
const char *mote_mbedtls_obstacle(const mote_mbedtls_t *tls);

/** The callback of mbedTLS for each certificate of the chain, from the anchor's end to the server's own (depth 0).
 *  Adds to *flags what is wrong with the name; writes into tls->words what is wrong first. */
int mote_mbedtls_check(void *self, mbedtls_x509_crt *certificate, int depth, uint32_t *flags);

/** After the handshake: the flags that mbedTLS found later than the callback, in words if there are none yet. */
void mote_mbedtls_check_rest(mote_mbedtls_t *tls);

/** Whether the clock tells a time at which certificates can be verified. */
bool mote_mbedtls_is_clock_set(void);

/* ---- mote_mbedtls_resume.c: sessions kept in the caller's memory ---- */

/** Reached through a table, so that who keeps no session links none of it. */
typedef struct mote_mbedtls_keeper {
    /** Before the handshake: offers the kept session, if there is one that fits. 0, or an error of mbedTLS. */
    int (*resume)(mote_mbedtls_t *tls);
    /** Notes until when a certificate of the chain is valid: a session is no longer of use than that. */
    void (*note_end)(mote_mbedtls_t *tls, const mbedtls_x509_crt *certificate);
    /** After the handshake: keeps the session, or forgets the one that was of no use. */
    void (*settle)(mote_mbedtls_t *tls, bool has_failed);
    /** A ticket of TLS 1.3 has come: keeps it. */
    void (*keep)(mote_mbedtls_t *tls);
} mote_mbedtls_keeper_t;

/* ---- mote_mbedtls_trust.c ---- */

/** What a parser of mbedTLS gave (0, how many certificates of a bundle it could not read, or an error), as a status. */
mote_status_t mote_mbedtls_anchored(const mote_mbedtls_shared_t *shared, int code);

/* ---- mote_mbedtls_words.c: what happened, for a person ---- */

/** Why a handshake ended with this code of mbedTLS. Writes tls->words unless a reason stands there. */
mote_status_t mote_mbedtls_explain(mote_mbedtls_t *tls, int code);

/** Whether a code of mbedTLS, from whichever module, says that the heap is full. */
bool mote_mbedtls_is_out_of_memory(int code);

/** Whether this code of mbedTLS says that the server sent more than this build's buffer holds. */
bool mote_mbedtls_is_out_of_room(const mote_mbedtls_t *tls, int code);

/** What was agreed and proved. */
void mote_mbedtls_describe(mote_mbedtls_t *tls);

#endif
