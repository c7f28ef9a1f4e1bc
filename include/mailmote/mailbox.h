/**
 * @file
 * Local delivery: what the mailbox of this machine (a Maildir, a screen, flash) promises.
 *
 * For each local recipient: begin, put until all is put, commit; or abort at any moment after a begin that
 * was MOTE_OK. Content comes canonical: CRLF line ends, no dots added. Every function may say MOTE_PENDING and
 * is then called again with the same arguments.
 */
#ifndef MAILMOTE_MAILBOX_H
#define MAILMOTE_MAILBOX_H

#include <mailmote/mail.h>

MOTE_BEGIN_DECLS

typedef struct mote_mailbox {
    /**
     * Opens a new mail for a recipient. reverse_path may be empty (the null sender, which is always taken).
     * The mailbox writes Return-Path itself, and drops one that the message begins with (RFC 5321 4.4).
     *
     * @param[in] size  octets to come, or MOTE_SIZE_UNKNOWN
     * @return MOTE_OK, MOTE_PENDING, MOTE_ERR_NO_MAILBOX (permanent), MOTE_ERR_TOO_LARGE (permanent),
     *         MOTE_ERR_QUOTA or MOTE_ERR_STORAGE (transient)
     */
    mote_status_t (*begin)(void *self, mote_span_t reverse_path, const mote_address_t *recipient, int32_t size);
    /** Takes all of the bytes or none: MOTE_OK, MOTE_PENDING, or an error as of begin. */
    mote_status_t (*put)(void *self, mote_span_t bytes);
    /** The mail is stored, also after a loss of power, when this says MOTE_OK: only then it is accepted. */
    mote_status_t (*commit)(void *self);
    /** Leaves nothing behind. */
    void (*abort)(void *self);
    void *self;
} mote_mailbox_t;

MOTE_END_DECLS

#endif
