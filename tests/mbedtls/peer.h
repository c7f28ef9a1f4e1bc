/**
 * @file
 * The other end for tests of ports/mbedtls: a server by OpenSSL in this very process, and between the two a link that
 * loses, splits and delays as told. The link is a port table, so that the port under test lies over it.
 */
#ifndef PEER_H
#define PEER_H

#include <mailmote/mbedtls.h>

#include <openssl/ssl.h>

/* ---- certificates ---- */

typedef enum peer_key { KEY_P256, KEY_RSA, KEY_P384, KEY_P521, KEY_COUNT } peer_key_t;

typedef enum peer_issuer {
    BY_ROOT,         /* a root that is trusted, with a key of the same kind */
    BY_INTERMEDIATE, /* a CA below it, sent along */
    BY_SELF,
    BY_STRANGER,   /* a root that is not trusted */
    BY_SERVER,     /* a certificate of the trusted root that is no CA */
    BY_EXPIRED_CA, /* an intermediate whose time is over */
    BY_LONG_CHAIN  /* more intermediates than mbedTLS follows */
} peer_issuer_t;

typedef struct peer_certificate {
    const char *san; /* as OpenSSL writes it: "DNS:a.example,IP:192.0.2.1"; NULL: none */
    peer_issuer_t issuer;
    peer_key_t key;
    int from_days, to_days; /* from now; 0 and 0: yesterday to in a month */
    const char *common_name;
    const char *eku;      /* NULL: serverAuth; "": none */
    const char *ku;       /* NULL: none */
    const char *raw_name; /* one dNSName of exactly these octets */
    size_t raw_name_size;
    bool is_weak; /* signed with SHA-1 */
} peer_certificate_t;

/** The trusted root for keys of this kind, in DER; lives for ever. */
mote_span_t peer_root(peer_key_t key);
/** The same in PEM, with its NUL. */
mote_span_t peer_root_pem(peer_key_t key);
/** The certificate itself in DER (of the last peer_start). */
mote_span_t peer_own_certificate(void);

/* ---- the link and the server ---- */

typedef struct peer {
    /* how the link behaves; 0 everywhere: perfectly */
    size_t chunk_bytes;  /* no call moves more than so many bytes */
    unsigned pending_at; /* this call (1..) is PENDING, once */
    bool pends_often;    /* each second call is PENDING */
    unsigned fail_at;    /* this call and all later ones end with: */
    mote_status_t fail_status;
    size_t cut_at;      /* after so many bytes to the client a FIN comes */
    bool is_stuffed;    /* nothing can be sent */
    const char *speech; /* no TLS at all: this text is what the server sends */

    /* what was seen */
    unsigned call_count;
    size_t to_client_count; /* bytes that the client took */
    size_t from_client_count;
    unsigned close_count, abort_count, connect_count, query_count;
    unsigned last_send_flags;
    size_t largest_record; /* that the server sent, its content */
    unsigned record_count; /* application data that the client sent */
    char heard[70000];     /* what the client said inside TLS */
    size_t heard_size;
    char sni[256];
    uint8_t hello_extensions[64]; /* types below 256, in the ClientHello */
    size_t hello_extension_count;
    bool has_renegotiation_info;
    uint16_t hello_suites[64];
    size_t hello_suite_count;
    uint16_t hello_versions[8];
    size_t hello_version_count;
    uint8_t hello[1024]; /* the first octets from the client */
    bool has_failed;     /* the server's side of the handshake failed */

    /* private */
    uint8_t queue[400000];
    size_t queue_size, queue_offset;
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out;
} peer_t;

extern const mote_port_t peer_port;

/** A server with this certificate. Versions as of OpenSSL (TLS1_2_VERSION), 0 for any; suites NULL for the usual. */
void peer_start(peer_t *peer, const peer_certificate_t *certificate, int least_version, int most_version,
                const char *suites);
void peer_stop(peer_t *peer);
/** The same server is there for a further connection. */
void peer_again(peer_t *peer);

/** The server says this. */
void peer_say(peer_t *peer, const char *text);
void peer_say_bytes(peer_t *peer, const void *bytes, size_t size);
/** Lets the server work off what has come, and puts what it sends on the link. */
void peer_work(peer_t *peer);
/** close_notify, and nothing more. */
void peer_say_goodbye(peer_t *peer);
/** A FIN, after all that is on its way. */
void peer_hang_up(peer_t *peer);

#endif
