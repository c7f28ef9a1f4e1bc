/**
 * @file
 * Which way a recipient's mail goes: into the mailbox here, to a relay, or to the domain's mail exchangers.
 *
 * A table of the caller's: an exact domain before a suffix rule before the default; within each kind the
 * first row that matches. Nothing matches by accident: a subdomain is not its parent.
 */
#ifndef MAILMOTE_ROUTE_H
#define MAILMOTE_ROUTE_H

#include <mailmote/address.h>

MOTE_BEGIN_DECLS

/** How a hop's stream is protected. Unknown values fail closed: they are refused at start. */
typedef enum mote_tls_mode {
    MOTE_TLS_VERIFIED = 0,  /**< TLS, certificate valid for the host name, or no mail */
    MOTE_TLS_REQUIRED,      /**< TLS or no mail; the certificate is not checked: no help against an active attacker */
    MOTE_TLS_OPPORTUNISTIC, /**< TLS when offered and working, else in the clear (RFC 7435) */
    MOTE_TLS_NONE           /**< in the clear */
} mote_tls_mode_t;

/** SASL mechanisms, as bits of a set. */
enum { MOTE_AUTH_PLAIN = 1, MOTE_AUTH_LOGIN = 2 };

/** A user name and a password: any octets but NUL, CR and LF, 9000 in all. Borrowed until the session has ended. */
typedef struct mote_credentials {
    mote_span_t user;
    mote_span_t password;
} mote_credentials_t;

/** A next hop: a relay, or (host empty) what holds for every mail exchanger. */
typedef struct mote_hop {
    mote_span_t host; /**< host name or IP address (IPv6 without brackets) of a relay; empty for MX */
    uint16_t port;    /**< 25, 465, 587, ... */
    uint8_t tls;      /**< mote_tls_mode_t */
    bool implicit;    /**< TLS from the first octet (RFC 8314 3.3) instead of STARTTLS */
    bool allows_plaintext_auth; /**< the loud override: credentials may travel outside verified TLS */
    uint8_t mechanisms; /**< set of MOTE_AUTH_ this route may use, in our order PLAIN, LOGIN; 0: no AUTH here */
    /**
     * Asked for the credentials when AUTH is due, for exactly this hop (AUTH-28): MOTE_OK, or an error, which
     * holds the route. NULL: none.
     */
    mote_status_t (*credentials)(void *self, const struct mote_hop *hop, mote_credentials_t *credentials);
    void *credentials_self;
} mote_hop_t;

typedef enum mote_route_kind {
    MOTE_ROUTE_LOCAL, /**< into the mailbox here; never leaves */
    MOTE_ROUTE_RELAY, /**< hops: tried in order */
    MOTE_ROUTE_MX     /**< hops[0]: what holds for every exchanger */
} mote_route_kind_t;

typedef struct mote_route {
    mote_span_t domain; /**< "example.net" exactly; ".example.net" every name below it; "" every other domain */
    uint8_t kind;       /**< mote_route_kind_t */
    uint8_t hop_count;  /**< relays: 1 or more; MX: 1; local: 0 */
    const mote_hop_t *hops;
} mote_route_t;

/** Finds the row for a domain (case-blind); NULL if none matches. */
const mote_route_t *mote_route_find(const mote_route_t *routes, size_t count, mote_span_t domain);

/** Checks a table: kinds, modes and counts that can be; every host a name or an address. */
mote_status_t mote_route_check(const mote_route_t *routes, size_t count);

MOTE_END_DECLS

#endif
