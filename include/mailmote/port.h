/**
 * @file
 * What a platform promises: one table of functions, one self for each delivery in flight.
 *
 * Every function returns at once. MOTE_PENDING means: nothing now, call again later; the application calls
 * step() when bytes may have moved. One self has one stream and two datagram slots. Time is never asked of
 * a port.
 *
 * Errors by cause: MOTE_ERR_REFUSED, _UNREACHABLE, _NO_ADDRESS, _RESET, _TIMEOUT, _MEMORY, _LINK_LOST, and for TLS
 * the MOTE_ERR_TLS group. A port never returns a status that its function does not list.
 */
#ifndef MAILMOTE_PORT_H
#define MAILMOTE_PORT_H

#include <mailmote/mail.h>

MOTE_BEGIN_DECLS

/** Flags of send. */
enum {
    MOTE_SEND_MORE = 1,  /**< more of this flight follows at once: hold back a segment that is not full */
    MOTE_SEND_STABLE = 2 /**< the bytes stay unchanged until the stream is closed: no copy needed */
};

/** What a port waits for, as bits. */
enum { MOTE_WANTS_READ = 1, MOTE_WANTS_WRITE = 2 };

/** What TLS has to prove. */
typedef struct mote_tls_policy {
    mote_span_t name; /**< host name or address that the certificate must be for, and (a name) the SNI; read until
                           secure() is no longer pending */
    bool verifies;    /**< false: an explicit choice not to check; the handshake still encrypts */
} mote_tls_policy_t;

/** What TLS has proved, or why not. */
typedef struct mote_tls_result {
    uint8_t protection; /**< mote_protection_t */
    mote_span_t words;  /**< as "TLSv1.3, TLS1-3-AES-256-GCM-SHA384, verified for smtp.example.net", or what was
                             wrong: "certificate expired"; lives until the stream is closed */
} mote_tls_result_t;

typedef struct mote_port {
    /** Fills with unpredictable bytes: MOTE_OK or MOTE_ERR_RANDOM. */
    mote_status_t (*random)(void *self, uint8_t *bytes, size_t size);

    /** The set of MOTE_FAMILY_ for which this device has a usable source address now. */
    unsigned (*families)(void *self);
    /** Our address on the connected stream: MOTE_OK, or MOTE_ERR_NO_ADDRESS. */
    mote_status_t (*own_address)(void *self, mote_ip_t *ip);

    /* ---- datagrams: slots 0 and 1, one question each ---- */

    /**
     * Opens the slot at a fresh, unpredictable port of ours. Open already: closed first. MOTE_OK, MOTE_ERR_RANDOM (no
     * port could be drawn; a port that opens later says so in query_send), or an error by cause.
     */
    mote_status_t (*query_open)(void *self, unsigned slot);
    /** Sends one datagram: MOTE_OK, MOTE_PENDING, or an error as of query_open. */
    mote_status_t (*query_send)(void *self, unsigned slot, const mote_endpoint_t *server, mote_span_t datagram);
    /**
     * Lends the next datagram that came to the slot, whole, and says from whom: MOTE_OK, MOTE_PENDING, or an error
     * of the socket (an ICMP refusal): then *from is the server concerned, or its family is 0. A refusal that came
     * while another server was asked is told too, and told once.
     * Longer ones than the port's room (at least the udp_bytes of the DNS settings) are dropped.
     */
    mote_status_t (*query_lend)(void *self, unsigned slot, mote_endpoint_t *from, mote_span_t *datagram);
    /** The datagram lent is done with. */
    void (*query_taken)(void *self, unsigned slot);
    /** Closes the slot; harmless when closed. */
    void (*query_close)(void *self, unsigned slot);

    /* ---- the stream ---- */

    /**
     * Connects; called again with the same peer while MOTE_PENDING. MOTE_OK when connected, or an error by cause
     * (then the stream is closed). Called on a stream that has been connected, whether it lives or has ended, it
     * gives that up as abort does, and begins a new one.
     */
    mote_status_t (*connect)(void *self, const mote_endpoint_t *peer);
    /**
     * Sends what it can: MOTE_OK with *taken from 1 to bytes.size, MOTE_PENDING with 0, MOTE_ERR_RESET or another
     * cause. A byte counts as taken from the moment it may reach the peer: a TLS port says taken as soon as it
     * has tried a record. The bytes stay in place until taken, and are offered again, perhaps longer.
     */
    mote_status_t (*send)(void *self, mote_span_t bytes, unsigned flags, size_t *taken);
    /**
     * Lends bytes that came, in place: MOTE_OK with at least one, MOTE_PENDING, MOTE_CLOSED after an orderly end
     * (inside TLS only close_notify is one; a bare FIN there is MOTE_ERR_LINK_LOST), or an error by cause. Bytes
     * that came before an end are lent before it is told.
     */
    mote_status_t (*lend)(void *self, mote_span_t *bytes);
    /** So many of the bytes lent are done with. */
    void (*taken)(void *self, size_t size);
    /**
     * Starts TLS on the connected stream; called again while MOTE_PENDING. MOTE_OK with the result, or one of the
     * MOTE_ERR_TLS group, MOTE_ERR_RANDOM, MOTE_ERR_MEMORY or an error of the stream, result->words saying why. NULL: this
     * port has no TLS.
     * One call may take long (a public-key operation): the only one that may. While PENDING it is called again when bytes
     * may have moved, when wants has a WRITE that the stream does not hold back, and every 100 ms.
     */
    mote_status_t (*secure)(void *self, const mote_tls_policy_t *policy, mote_tls_result_t *result);
    /** What the stream and the open slots wait for now: a set of MOTE_WANTS_. */
    unsigned (*wants)(void *self);
    /** Ends the stream in order: what was taken still leaves, then (TLS: close_notify and) FIN. Returns at once. */
    void (*close)(void *self);
    /** Ends it at once: RST, nothing pending leaves. Both are harmless when there is no stream. */
    void (*abort)(void *self);
} mote_port_t;

MOTE_END_DECLS

#endif
