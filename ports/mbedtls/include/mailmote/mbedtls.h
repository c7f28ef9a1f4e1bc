/**
 * @file
 * TLS by mbedTLS 3.6, laid over any other port.
 *
 * mote_mbedtls_port is a port table whose self is a mote_mbedtls_t. It hands every call on to the inner port it
 * was given, adds `secure`, and from then on speaks TLS over the inner port's stream:
 *
 *     static mote_mbedtls_shared_t trust;             (one for all deliveries: the trusted CAs, the settings)
 *     mote_mbedtls_shared_init(&trust);
 *     mote_mbedtls_add_system_ca(&trust, NULL);
 *     mote_mbedtls_init(&tls, &trust, &inner_port, &inner_self, room, sizeof room);
 *     ... a delivery with port &mote_mbedtls_port and self &tls ...
 *
 * What is checked when a policy says `verifies`: the chain up to a trusted CA with signatures, validity, basic
 * constraints and key usage, the purpose "TLS server" (RFC 5280 6), and the name, over subjectAltName alone
 * (RFC 9525 6). No trusted CA, no name, or a clock that is not set: the handshake is refused before it begins.
 * Without `verifies` the same is checked, and the result's words say what would have been wrong; the result
 * is then MOTE_PROTECTION_ENCRYPTED in any case.
 *
 * TLS 1.2 and 1.3, forward secret AEAD suites only, no renegotiation, no early data, no compression. Sessions are resumed
 * where the caller gives room to keep one (mote_mbedtls_keep_session), with a fresh key exchange in TLS 1.3.
 *
 * Memory: contexts are the caller's; mbedTLS takes its buffers from mbedtls_calloc (on a device: its static arena)
 * in `secure` and in mote_mbedtls_add_*. Close and abort give all of a session back, wiped.
 * Threads: each delivery belongs to one thread at a time. mote_mbedtls_shared_t is only read by deliveries,
 * unless session_limit is set; call mote_psa_acquire() once before the threads start.
 *
 * @source RFC 8446, RFC 5246, RFC 9325 (which TLS), RFC 5280, RFC 9525 (certificates), RFC 3207, RFC 8314 (mail)
 */
#ifndef MAILMOTE_MBEDTLS_H
#define MAILMOTE_MBEDTLS_H

#include <mailmote/port.h>

#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

MOTE_BEGIN_DECLS

/** A room for received bytes that holds the usual reply to EHLO in one piece. Any size from 1 on works. */
#define MOTE_MBEDTLS_INPUT_BYTES 1024

/** Room for the words of a result: a version, a suite and a long host name, or two names that differ. */
#define MOTE_MBEDTLS_WORDS_BYTES 192

/** Room for a kept session: tickets of most servers need 300 to 450 bytes in all. */
#define MOTE_MBEDTLS_SESSION_BYTES 512

/** What all deliveries share: the trusted CAs and the settings. Lives longer than the deliveries. */
typedef struct mote_mbedtls_shared {
    /* Settings: init gives the defaults, change them before the first delivery starts. */

    /** max_fragment_length to ask for (RFC 6066 4): 512, 1024, 2048 or 4096, at most the smaller of mbedTLS's two
     *  buffers; or 0: not asked for (the default). mbedTLS 3.6 can ask for it in TLS 1.2 alone, so TLS 1.3 is then
     *  not offered; there, build it with MBEDTLS_SSL_RECORD_SIZE_LIMIT instead. */
    uint16_t max_fragment_bytes;
    /** Sessions at one time; further ones stay MOTE_PENDING in `secure`, until their server speaks or hangs up. 0 (the
     *  default): no limit. An arena that holds one session needs 1. */
    uint8_t session_limit;
    /** true: while the clock is not set, the validity dates of certificates are not looked at, and the result's words
     *  say so. false (the default): then no certificate is acceptable. */
    bool accepts_unset_clock;
    /** Called between the steps of a handshake, each of which may take long (seconds, on a small device): feed the
     *  watchdog, move packets. Must not call into this delivery. NULL: nothing. */
    void (*between_steps)(void *context);
    void *context;

    /* private */
    mbedtls_x509_crt anchors;
    unsigned session_count;
    bool holds_psa;
} mote_mbedtls_shared_t;

/** No trusted CA, the settings at their defaults. */
void mote_mbedtls_shared_init(mote_mbedtls_shared_t *shared);

/**
 * Trusts the CA certificates given: one in DER, or any number in PEM. Copied. A single one is how a private CA is pinned.
 * A server's own self-signed certificate may stand here too.
 *
 * @param[in] certificates  DER, or PEM text with its terminating NUL counted in the size (as mbedTLS wants it)
 *
 * @return MOTE_OK            at least one was taken; in a bundle those that mbedTLS cannot read are passed over
 *         MOTE_ERR_ARGUMENT  none can be read
 *         MOTE_ERR_MEMORY    the heap is full
 */
mote_status_t mote_mbedtls_add_ca(mote_mbedtls_shared_t *shared, mote_span_t certificates);

/** As mote_mbedtls_add_ca with one certificate in DER, which is not copied: it stays where it is (flash) until
 *  mote_mbedtls_shared_free. */
mote_status_t mote_mbedtls_add_ca_in_place(mote_mbedtls_shared_t *shared, mote_span_t der);

/* ---- where there are files (mote_mbedtls_files.c) ---- */

/** As mote_mbedtls_add_ca, from a PEM or DER file. MOTE_ERR_SOURCE: it cannot be read. */
mote_status_t mote_mbedtls_add_ca_file(mote_mbedtls_shared_t *shared, const char *path);

/** As mote_mbedtls_add_ca_file, for all files of a directory; those that are no certificate are passed over. */
mote_status_t mote_mbedtls_add_ca_directory(mote_mbedtls_shared_t *shared, const char *path);

/**
 * Trusts the CAs that this system trusts: the first bundle found at the places where systems keep it.
 *
 * @param[out] path  which it was, or NULL where nothing was found; may be NULL
 * @return MOTE_OK, MOTE_ERR_SOURCE (no bundle found), MOTE_ERR_ARGUMENT, MOTE_ERR_MEMORY
 */
mote_status_t mote_mbedtls_add_system_ca(mote_mbedtls_shared_t *shared, const char **path);

/** Forgets the CAs. No delivery may be using it any more. */
void mote_mbedtls_shared_free(mote_mbedtls_shared_t *shared);

/* ---- PSA Crypto is one for the whole process ---- */

/**
 * Counts one more user of PSA Crypto, which the first one starts. `secure` does so by itself; a program
 * that uses PSA on its own takes part in the count, or the last TLS session would take PSA away from it.
 * The count is the one writable variable of this port.
 *
 * @return MOTE_OK
 *         MOTE_ERR_RANDOM  the random source is not seeded (yet)
 *         MOTE_ERR_MEMORY  the heap is full
 */
mote_status_t mote_psa_acquire(void);
/** One user less; the last one ends PSA Crypto. */
void mote_psa_release(void);

/* ---- one delivery ---- */

/* private */
typedef enum mote_mbedtls_state {
    MOTE_MBEDTLS_CLEAR,     /* calls go straight to the inner port */
    MOTE_MBEDTLS_HANDSHAKE, /* secure has begun */
    MOTE_MBEDTLS_SECURED,
    MOTE_MBEDTLS_FAILED /* nothing passes any more, least of all in the clear */
} mote_mbedtls_state_t;

/* private: when a certificate was verified, and until when it and all above it are valid */
typedef struct mote_mbedtls_proof {
    uint64_t made_s;
    mbedtls_x509_time end;
} mote_mbedtls_proof_t;

/** The TLS of one delivery in flight: the self of mote_mbedtls_port. */
typedef struct mote_mbedtls {
    /* private */
    mote_mbedtls_shared_t *shared;
    const mote_port_t *inner;
    void *inner_self;
    const mote_tls_policy_t *policy; /* during secure only */

    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;

    uint8_t *input; /* the caller's room for what was decrypted and not yet taken */
    size_t input_capacity;
    size_t input_size;
    size_t input_offset;

    const struct mote_mbedtls_keeper *keeper; /* NULL: no session is kept */
    uint8_t *kept;                            /* the caller's room for it */
    size_t kept_capacity;
    uint8_t binding[32]; /* what a session of this delivery is good for, as a digest */
    mote_mbedtls_proof_t proof;
    uint16_t port; /* of the server */

    size_t tried_size;     /* bytes of the record that is on its way out */
    size_t receive_budget; /* octets that this call may still read from the inner port */
    uint32_t flags;        /* what is wrong with the certificate: MBEDTLS_X509_BADCERT_ */
    int error;             /* the last mbedTLS code, for a log */
    mote_status_t link;    /* why the inner stream ended, or MOTE_OK */
    mote_status_t end;     /* why nothing more is received, or MOTE_OK */
    uint8_t state;         /* mote_mbedtls_state_t */
    uint8_t send_flags;    /* MORE, handed down */
    uint16_t record_left;  /* octets of the record at hand that are still to be read */
    uint8_t header_size;   /* how many of the next header have been read */
    uint8_t header[5];     /* of the record at hand: says why mbedTLS refused it */
    bool is_blocked;       /* the inner port gave or took nothing more in this call */
    bool has_output_left;  /* a record has not left wholly */
    bool has_input_left;   /* this call's budget ran out, not the input */
    bool has_checked;      /* the server's own certificate went through the check */
    bool has_skipped_dates;
    bool keeps;           /* the policy and the clock let a session be kept */
    bool has_offered;     /* the kept session went into the ClientHello */
    bool has_fresh_proof; /* a certificate came in this handshake */
    mote_writer_t words;
    uint8_t words_room[MOTE_MBEDTLS_WORDS_BYTES];
} mote_mbedtls_t;

/**
 * Lays TLS over another port. Nothing is allocated until `secure`.
 *
 * @param[in] shared          trusted CAs and settings; lives longer than this
 * @param[in] inner           the port below, and its self
 * @param[in] input           room for received bytes, the caller's, wiped when the stream ends
 * @param[in] input_capacity  1 or more; MOTE_MBEDTLS_INPUT_BYTES is a good size
 */
void mote_mbedtls_init(mote_mbedtls_t *tls, mote_mbedtls_shared_t *shared, const mote_port_t *inner,
                       void *inner_self, uint8_t *input, size_t input_capacity);

/**
 * Keeps the session with the last server in the caller's memory, so that the next connection to it begins without
 * certificates: fewer octets, and most of the computing saved. Without this call, or with NULL, nothing is kept.
 *
 * Kept is one session, whose certificate was verified; it is offered again only under a policy that verifies, to the
 * same name and port, with the same trusted CAs, for a week after the certificate was verified, while that is valid, and
 * as long as the server said. A ticket of TLS 1.3 may be offered more than once (RFC 8446 C.4 advises
 * against it for the sake of privacy). The clock must be set. The server may refuse it: a full
 * handshake follows on the same connection. (Only one that has changed to another version of TLS since ends that one
 * attempt: the session is forgotten, the next attempt begins anew.) The result's words end with "resumed" where it was taken.
 *
 * The room may lose its content or have it damaged at any time (RAM that sleeps, flash): then it is as if nothing had
 * been kept. A session that does not fit is not kept. Deliveries may share the room one after another, and in one thread
 * also at the same time. What lies in it is secret and is believed: who can write it can pretend to be the server.
 * Overwrite it to forget.
 *
 * @param[in,out] room  any content at first; lives as long as tls is used
 * @param[in] capacity  bytes; MOTE_MBEDTLS_SESSION_BYTES suits most servers
 *
 * @source RFC 5246 7.4.1.2, RFC 5077 (TLS 1.2), RFC 8446 2.2, 4.6.1, RFC 9325 3.4
 */
void mote_mbedtls_keep_session(mote_mbedtls_t *tls, uint8_t *room, size_t capacity);

/** The port table; its self is a mote_mbedtls_t. */
extern const mote_port_t mote_mbedtls_port;

/** The last code of mbedTLS that was an error, for a log; 0 if there was none. */
int mote_mbedtls_error(const mote_mbedtls_t *tls);

MOTE_END_DECLS

#endif
