/**
 * @file
 * How a call went. What that means for the mail is a verdict (mail.h), never a status.
 *
 * Statuses come in groups by who can act: nobody yet (PENDING), the caller, the network, the name
 * servers, the peer, TLS, the mailbox. errno, err_t and mbedTLS codes stop at the port, which keeps the
 * foreign number for its own log.
 */
#ifndef MAILMOTE_STATUS_H
#define MAILMOTE_STATUS_H

#include <mailmote/config.h>

MOTE_BEGIN_DECLS

typedef enum mote_status {
    MOTE_OK = 0,
    MOTE_PENDING, /**< nothing now: call again when bytes may have moved or the deadline has come */
    MOTE_CLOSED,  /**< an orderly end: FIN (inside TLS: close_notify) of a stream, the last byte of a source */

    /* the caller */
    MOTE_ERR_ARGUMENT, /**< a setting or argument that cannot be */
    MOTE_ERR_SPACE,    /**< does not fit the room given; nothing was cut short */
    MOTE_ERR_ADDRESS,  /**< not a Mailbox, domain or address by the RFC's grammar */
    MOTE_ERR_RANDOM,   /**< the random source failed; there is no substitute */
    MOTE_ERR_SOURCE,   /**< the message's source failed */
    MOTE_ERR_CONTENT,  /**< the message holds what may not travel: bare CR or LF, NUL, a line over 998 octets */

    /* the network */
    MOTE_ERR_REFUSED,     /**< connection or datagram refused */
    MOTE_ERR_UNREACHABLE, /**< no route, network down */
    MOTE_ERR_NO_ADDRESS,  /**< this device has no address (of that family) yet */
    MOTE_ERR_RESET,       /**< the peer reset the stream */
    MOTE_ERR_MEMORY,      /**< the platform has no room for now */
    MOTE_ERR_TIMEOUT,     /**< the deadline passed */
    MOTE_ERR_LINK_LOST,   /**< any other end of the link */
    MOTE_ERR_STOPPED,     /**< the caller called stop */

    /* the name servers */
    MOTE_ERR_NO_NAME,   /**< NXDOMAIN: the name does not exist */
    MOTE_ERR_NO_DATA,   /**< the name exists, without records of that type */
    MOTE_ERR_DNS,       /**< no usable answer for now: SERVFAIL, REFUSED, silence, a referral */
    MOTE_ERR_DNS_LOOP,  /**< CNAME loop, or a chain longer than 8 */
    MOTE_ERR_DNS_SPACE, /**< the answer does not fit the buffer given for it */
    MOTE_ERR_NULL_MX,   /**< the domain says that it takes no mail (RFC 7505) */
    MOTE_ERR_OURSELVES, /**< the MX list leads back to this host (RFC 5321 5.1) */
    MOTE_ERR_FORBIDDEN, /**< an address that DNS may not lead to: loopback, multicast, private when refused */

    /* the peer */
    MOTE_ERR_PROTOCOL,  /**< not SMTP, out of step, or out of bounds */
    MOTE_ERR_REPLY_4YZ, /**< a transient negative reply */
    MOTE_ERR_REPLY_5YZ, /**< a permanent negative reply */
    MOTE_ERR_EXTENSION, /**< the server lacks an extension this mail or this route needs */
    MOTE_ERR_AUTH,      /**< no credentials, no mechanism both sides allow, or the server refused them */

    /* TLS */
    MOTE_ERR_TLS,           /**< the handshake or a record failed */
    MOTE_ERR_TLS_UNTRUSTED, /**< the certificate is not acceptable; the result says in words why */
    MOTE_ERR_TLS_SPACE,     /**< a record or certificate chain larger than the port's buffers */
    MOTE_ERR_TLS_MISSING,   /**< TLS is required and this port or this server has none */

    /* the mailbox */
    MOTE_ERR_NO_MAILBOX, /**< no such user here */
    MOTE_ERR_QUOTA,      /**< the mailbox is full */
    MOTE_ERR_STORAGE,    /**< writing failed */
    MOTE_ERR_TOO_LARGE,  /**< larger than this mailbox (or, by SIZE, this server) takes */

    MOTE_STATUS_COUNT
} mote_status_t;

/** A few words for a log, as "connection refused". Never NULL; valid for ever. */
const char *mote_status_text(mote_status_t status);

MOTE_END_DECLS

#endif
