/**
 * @file
 * Local delivery into a Maildir: a mailbox.h over folders (https://cr.yp.to/proto/maildir.html).
 *
 * A mail is written into tmp, synced, renamed into new, and the folder is synced: only then it is accepted. Line
 * ends become LF. Return-Path comes first; one that the message brought is left out. A Received field follows (RFC
 * 5321 4.4); all else stays as it is.
 *
 * Which user: %u in the pattern is the local part as written, and only if it is made of letters, digits and - _ + = .
 * with no leading dot; %d is the domain in lower case. Upper and lower case are different users, except for
 * postmaster, whose mail goes where mote_maildir_set_postmaster says, else to a user of that name.
 *
 * A folder that does not exist means no such user: none is ever made, only tmp and new inside it. From the first name
 * with a % on no symbolic link is followed: who may write below cannot lead a mail elsewhere.
 *
 * A full disk or a failing one is MOTE_ERR_STORAGE, a user's quota MOTE_ERR_QUOTA, and a file larger than may be written
 * (RLIMIT_FSIZE) MOTE_ERR_TOO_LARGE, if the process ignores SIGXFSZ. Files are the process's user's, mode 0600.
 */
#ifndef MAILMOTE_POSIX_MAILDIR_H
#define MAILMOTE_POSIX_MAILDIR_H

#include <mailmote/mailbox.h>

MOTE_BEGIN_DECLS

typedef struct mote_maildir {
    mote_mailbox_t mailbox; /**< for mote_settings_t */
    int64_t (*now_s)(void); /**< seconds since 1970 for the Received field, set to time(2); NULL or a time of 0: no field */
    mote_span_t pattern;    /* private: borrowed */
    mote_address_t postmaster;
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

/**
 * Whose mail postmaster's is, in every local domain and without one (RFC 5321 4.5.1 wants it to have a reader): a user of
 * this mailbox, as ops@example.net. The address is borrowed.
 *
 * @return MOTE_OK, MOTE_ERR_ADDRESS
 */
mote_status_t mote_maildir_set_postmaster(mote_maildir_t *maildir, mote_span_t address);

/** errno of the last failure, 0 if there was none. */
int mote_maildir_errno(const mote_maildir_t *maildir);

MOTE_END_DECLS

#endif
