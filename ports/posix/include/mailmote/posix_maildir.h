/**
 * @file
 * Local delivery into a Maildir: a mailbox.h over folders (https://cr.yp.to/proto/maildir.html).
 *
 * A mail is written into tmp, synced, renamed into new, and the folder is synced: only then it is accepted. Line
 * ends become LF. Return-Path comes first; one that the message brought is left out (RFC 5321 4.4).
 *
 * Which user: %u in the pattern is the local part as written, in any case for postmaster, and only if it is made
 * of letters, digits and - _ + = . with no leading dot; %d is the domain in lower case. A Maildir that does not exist
 * means no such user: none is ever made.
 */
#ifndef MAILMOTE_POSIX_MAILDIR_H
#define MAILMOTE_POSIX_MAILDIR_H

#include <mailmote/mailbox.h>

MOTE_BEGIN_DECLS

typedef struct mote_maildir {
    mote_mailbox_t mailbox; /**< for mote_settings_t */
    mote_span_t pattern;    /* private: borrowed */
    int folder_fd;
    int file_fd;
    uint32_t counter;
    int error;
    char name[128];
    uint8_t state; /* of the header filter */
    uint8_t held_size;
    uint8_t held[16];
    uint16_t size;
    uint8_t buffer[4096];
} mote_maildir_t;

/**
 * Sets up a mailbox over a path pattern, as "/var/mail/%d/%u". The pattern is borrowed.
 *
 * @return MOTE_OK; MOTE_ERR_ARGUMENT: not an absolute path, or a % with anything else behind it
 */
mote_status_t mote_maildir_init(mote_maildir_t *maildir, mote_span_t pattern);

/** errno of the last failure, 0 if there was none. */
int mote_maildir_errno(const mote_maildir_t *maildir);

MOTE_END_DECLS

#endif
