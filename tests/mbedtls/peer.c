#include "peer.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "peer: %s failed\n", what);
        ERR_print_errors_fp(stderr);
        exit(99);
    }
}
#define MUST(expression) must((expression) != 0, #expression)

/* ---- keys and certificates ---- */

static EVP_PKEY *new_key(peer_key_t kind)
{
    static const char *const curves[] = { "P-256", NULL, "P-384", "P-521" };

    return kind == KEY_RSA ? EVP_RSA_gen(2048) : EVP_EC_gen(curves[kind]);
}

/* Slot 0 is the server's key, others are the CAs'. Made once: RSA keys are slow. */
static EVP_PKEY *key_of(peer_key_t kind, unsigned slot)
{
    static EVP_PKEY *keys[KEY_COUNT][3];

    if (keys[kind][slot] == NULL) {
        keys[kind][slot] = new_key(kind);
        MUST(keys[kind][slot] != NULL);
    }
    return keys[kind][slot];
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    MUST(extension != NULL);
    MUST(X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

static void add_raw_name(X509 *certificate, const char *octets, size_t size)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();

    MUST(ASN1_STRING_set(text, octets, (int)size));
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    MUST(sk_GENERAL_NAME_push(names, name));
    MUST(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0));
    GENERAL_NAMES_free(names);
}

static X509 *new_certificate(const char *common_name, EVP_PKEY *key, int from_days, int to_days)
{
    static long serial = 1;
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);

    MUST(X509_set_version(certificate, 2));
    MUST(ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial));
    MUST(X509_gmtime_adj(X509_getm_notBefore(certificate), (long)from_days * 86400) != NULL);
    MUST(X509_gmtime_adj(X509_getm_notAfter(certificate), (long)to_days * 86400) != NULL);
    MUST(X509_set_pubkey(certificate, key));
    MUST(X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC, (const unsigned char *)"mailmote tests", -1,
                                    -1, 0));
    MUST(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1,
                                    0));
    return certificate;
}

static void sign(X509 *certificate, X509 *issuer, EVP_PKEY *key, const EVP_MD *hash)
{
    MUST(X509_set_issuer_name(certificate, X509_get_subject_name(issuer)));
    MUST(X509_sign(certificate, key, hash));
}

static X509 *new_ca(const char *name, peer_key_t kind, X509 *issuer, EVP_PKEY *issuer_key, unsigned slot,
                    int to_days)
{
    X509 *ca = new_certificate(name, key_of(kind, slot), to_days - 30, to_days);

    add_extension(ca, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(ca, NID_key_usage, "critical,keyCertSign,cRLSign");
    sign(ca, issuer == NULL ? ca : issuer, issuer_key, EVP_sha256());
    return ca;
}

static X509 *root_of(peer_key_t kind)
{
    static X509 *roots[KEY_COUNT];

    if (roots[kind] == NULL) {
        roots[kind] = new_ca("Test Root", kind, NULL, key_of(kind, 1), 1, 29);
    }
    return roots[kind];
}

mote_span_t peer_root(peer_key_t kind)
{
    static unsigned char *der[KEY_COUNT];
    int size = i2d_X509(root_of(kind), der[kind] == NULL ? &der[kind] : NULL);

    return mote_span(der[kind], (size_t)size);
}

mote_span_t peer_root_pem(peer_key_t kind)
{
    static char pem[4096];
    BIO *memory = BIO_new(BIO_s_mem());
    int size;

    MUST(PEM_write_bio_X509(memory, root_of(kind)));
    size = BIO_read(memory, pem, sizeof pem - 1);
    MUST(size > 0);
    pem[size] = '\0';
    BIO_free(memory);
    return mote_span(pem, (size_t)size + 1);
}

static unsigned char *own_der;
static int own_size;

mote_span_t peer_own_certificate(void)
{
    return mote_span(own_der, (size_t)own_size);
}

static X509 *new_server_certificate(const peer_certificate_t *spec)
{
    bool is_usual = spec->from_days == 0 && spec->to_days == 0;
    X509 *certificate =
        new_certificate(spec->common_name != NULL ? spec->common_name : "A Server", key_of(spec->key, 0),
                        is_usual ? -1 : spec->from_days, is_usual ? 30 : spec->to_days);

    add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE");
    if (spec->san != NULL) {
        add_extension(certificate, NID_subject_alt_name, spec->san);
    }
    if (spec->raw_name != NULL) {
        add_raw_name(certificate, spec->raw_name, spec->raw_name_size);
    }
    if (spec->eku == NULL || spec->eku[0] != '\0') {
        add_extension(certificate, NID_ext_key_usage, spec->eku == NULL ? "serverAuth" : spec->eku);
    }
    if (spec->ku != NULL) {
        add_extension(certificate, NID_key_usage, spec->ku);
    }
    return certificate;
}

static void send_along(SSL_CTX *context, X509 *certificate)
{
    MUST(SSL_CTX_add_extra_chain_cert(context, certificate));
}

static X509 *sign_by_ca(const peer_certificate_t *spec, X509 *certificate, X509 *ca, const EVP_MD *hash)
{
    sign(certificate, ca, key_of(spec->key, 2), hash);
    return ca;
}

/* The server's own end of the chain comes first (RFC 5246 7.4.2). */
static void sign_by_long_chain(SSL_CTX *context, const peer_certificate_t *spec, X509 *certificate)
{
    X509 *chain[12];
    char name[16];
    int i;

    for (i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "CA %d", i);
        chain[i] = new_ca(name, spec->key, i == 0 ? root_of(spec->key) : chain[i - 1],
                          key_of(spec->key, i == 0 ? 1 : 2), 2, 29);
    }
    sign(certificate, chain[11], key_of(spec->key, 2), EVP_sha256());
    for (i = 11; i >= 0; i--) {
        send_along(context, chain[i]);
    }
}

static void issue(SSL_CTX *context, const peer_certificate_t *spec, X509 *certificate)
{
    const EVP_MD *hash = spec->is_weak ? EVP_sha1() : EVP_sha256();
    EVP_PKEY *root_key = key_of(spec->key, 1);
    X509 *root = root_of(spec->key);
    X509 *ca;

    switch (spec->issuer) {
    case BY_ROOT:
        sign(certificate, root, root_key, hash);
        break;
    case BY_INTERMEDIATE:
        ca = new_ca("Test Intermediate", spec->key, root, root_key, 2, 29);
        send_along(context, sign_by_ca(spec, certificate, ca, hash));
        break;
    case BY_SELF:
        sign(certificate, certificate, key_of(spec->key, 0), hash);
        break;
    case BY_STRANGER:
        ca = new_ca("A Stranger", spec->key, NULL, key_of(spec->key, 2), 2, 29);
        send_along(context, sign_by_ca(spec, certificate, ca, hash));
        break;
    case BY_SERVER:
        ca = new_certificate("No CA", key_of(spec->key, 2), -1, 29);
        add_extension(ca, NID_basic_constraints, "critical,CA:FALSE");
        sign(ca, root, root_key, EVP_sha256());
        send_along(context, sign_by_ca(spec, certificate, ca, hash));
        break;
    case BY_EXPIRED_CA:
        ca = new_ca("Old Intermediate", spec->key, root, root_key, 2, -10);
        send_along(context, sign_by_ca(spec, certificate, ca, hash));
        break;
    case BY_LONG_CHAIN:
        sign_by_long_chain(context, spec, certificate);
        break;
    }
}

static void show_certificate(SSL_CTX *context, const peer_certificate_t *spec)
{
    X509 *certificate = new_server_certificate(spec);

    issue(context, spec, certificate);
    OPENSSL_free(own_der);
    own_der = NULL;
    own_size = i2d_X509(certificate, &own_der);
    MUST(SSL_CTX_use_certificate(context, certificate));
    MUST(SSL_CTX_use_PrivateKey(context, key_of(spec->key, 0)));
    X509_free(certificate);
}

/* ---- the server ---- */

static uint16_t u16(const unsigned char *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* Writes down what the ClientHello offers. */
static int on_client_hello(SSL *ssl, int *alert, void *context)
{
    peer_t *peer = context;
    const unsigned char *data;
    size_t size;
    size_t i;
    int *types;

    (void)alert;
    size = SSL_client_hello_get0_ciphers(ssl, &data);
    for (i = 0; i + 1 < size && peer->hello_suite_count < 64; i += 2) {
        peer->hello_suites[peer->hello_suite_count++] = u16(data + i);
    }
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &data, &size)) {
        for (i = 1; i + 1 < size && peer->hello_version_count < 8; i += 2) {
            peer->hello_versions[peer->hello_version_count++] = u16(data + i);
        }
    }
    MUST(SSL_client_hello_get1_extensions_present(ssl, &types, &size));
    for (i = 0; i < size && peer->hello_extension_count < 64; i++) {
        peer->has_renegotiation_info |= types[i] == TLSEXT_TYPE_renegotiate;
        peer->hello_extensions[peer->hello_extension_count++] = (uint8_t)(types[i] < 256 ? types[i] : 255);
    }
    OPENSSL_free(types);
    return SSL_CLIENT_HELLO_SUCCESS;
}

static void start_ssl(peer_t *peer)
{
    peer->ssl = SSL_new(peer->context);
    peer->in = BIO_new(BIO_s_mem());
    peer->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(peer->in, -1);
    SSL_set_bio(peer->ssl, peer->in, peer->out);
    SSL_set_accept_state(peer->ssl);
}

void peer_start(peer_t *peer, const peer_certificate_t *certificate, int least_version, int most_version,
                const char *suites)
{
    memset(peer, 0, sizeof *peer);
    peer->context = SSL_CTX_new(TLS_server_method());
    MUST(peer->context != NULL);
    SSL_CTX_set_security_level(peer->context, 0);
    MUST(SSL_CTX_set_min_proto_version(peer->context, least_version));
    MUST(SSL_CTX_set_max_proto_version(peer->context, most_version));
    MUST(suites == NULL || SSL_CTX_set_cipher_list(peer->context, suites));
    SSL_CTX_set_client_hello_cb(peer->context, on_client_hello, peer);
    show_certificate(peer->context, certificate);
    start_ssl(peer);
}

void peer_again(peer_t *peer)
{
    SSL_CTX *context = peer->context;

    if (SSL_is_init_finished(peer->ssl)) {
        SSL_set_shutdown(peer->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* or the session is thrown away */
    }
    SSL_free(peer->ssl);
    memset(peer, 0, sizeof *peer);
    peer->context = context;
    SSL_CTX_set_client_hello_cb(context, on_client_hello, peer);
    start_ssl(peer);
}

void peer_stop(peer_t *peer)
{
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->context);
    peer->ssl = NULL;
    peer->context = NULL;
}

/* ---- the link ---- */

static void enqueue(peer_t *peer, const void *bytes, size_t size)
{
    MUST(peer->queue_size + size <= sizeof peer->queue);
    memcpy(peer->queue + peer->queue_size, bytes, size);
    peer->queue_size += size;
}

/* What the server sends, record by record. */
static void drain(peer_t *peer)
{
    unsigned char record[5 + 16384 + 256];
    size_t size;

    while (BIO_read(peer->out, record, 5) == 5) {
        size = u16(record + 3);
        MUST(BIO_read(peer->out, record + 5, (int)size) == (int)size);
        if (size > peer->largest_record) {
            peer->largest_record = size;
        }
        enqueue(peer, record, 5 + size);
    }
}

void peer_work(peer_t *peer)
{
    int size;

    if (peer->speech != NULL || peer->ssl == NULL) {
        return;
    }
    do {
        size =
            SSL_read(peer->ssl, peer->heard + peer->heard_size, (int)(sizeof peer->heard - peer->heard_size));
        if (size > 0) {
            peer->heard_size += (size_t)size;
            peer->record_count++;
        }
    } while (size > 0);
    if (SSL_get_error(peer->ssl, size) == SSL_ERROR_SSL) {
        peer->has_failed = true;
    }
    ERR_clear_error();
    if (peer->sni[0] == '\0' && SSL_get_servername(peer->ssl, TLSEXT_NAMETYPE_host_name) != NULL) {
        snprintf(peer->sni, sizeof peer->sni, "%s", SSL_get_servername(peer->ssl, TLSEXT_NAMETYPE_host_name));
    }
    drain(peer);
}

void peer_say_bytes(peer_t *peer, const void *bytes, size_t size)
{
    MUST(SSL_write(peer->ssl, bytes, (int)size) == (int)size);
    drain(peer);
}

void peer_say(peer_t *peer, const char *text)
{
    peer_say_bytes(peer, text, strlen(text));
}

void peer_say_goodbye(peer_t *peer)
{
    SSL_shutdown(peer->ssl);
    drain(peer);
}

void peer_hang_up(peer_t *peer)
{
    peer->cut_at = peer->to_client_count + (peer->queue_size - peer->queue_offset);
}

/* ---- the port ---- */

/* Every other, but in no rhythm that a caller could fall into. */
static bool is_odd_by_chance(unsigned number)
{
    return (number * 2654435761u >> 16 & 1) != 0;
}

/* One more call on the stream: whether it fails or must wait. */
static mote_status_t count_call(peer_t *peer)
{
    peer->call_count++;
    if (peer->fail_at != 0 && peer->call_count >= peer->fail_at) {
        return peer->fail_status;
    }
    if (peer->call_count == peer->pending_at || (peer->pends_often && is_odd_by_chance(peer->call_count))) {
        return MOTE_PENDING;
    }
    return MOTE_OK;
}

static size_t within_chunk(const peer_t *peer, size_t size)
{
    return peer->chunk_bytes != 0 && size > peer->chunk_bytes ? peer->chunk_bytes : size;
}

static mote_status_t link_send(void *self, mote_span_t bytes, unsigned flags, size_t *taken)
{
    peer_t *peer = self;
    mote_status_t status = count_call(peer);

    *taken = 0;
    if (status != MOTE_OK || peer->is_stuffed) {
        return status != MOTE_OK ? status : MOTE_PENDING;
    }
    *taken = within_chunk(peer, bytes.size);
    peer->last_send_flags = flags;
    if (peer->from_client_count + *taken <= sizeof peer->hello) {
        memcpy(peer->hello + peer->from_client_count, bytes.data, *taken);
    }
    peer->from_client_count += *taken;
    if (peer->ssl != NULL) {
        MUST(BIO_write(peer->in, bytes.data, (int)*taken) == (int)*taken);
    }
    return MOTE_OK;
}

static mote_status_t link_lend(void *self, mote_span_t *bytes)
{
    peer_t *peer = self;
    mote_status_t status = count_call(peer);
    size_t size;

    if (status != MOTE_OK) {
        return status;
    }
    peer_work(peer);
    if (peer->speech != NULL) {
        enqueue(peer, peer->speech, strlen(peer->speech));
        peer->speech = "";
    }
    size = within_chunk(peer, peer->queue_size - peer->queue_offset);
    if (peer->cut_at != 0 && peer->to_client_count + size > peer->cut_at) {
        size = peer->cut_at - peer->to_client_count;
    }
    if (size == 0) {
        return peer->cut_at != 0 && peer->to_client_count == peer->cut_at ? MOTE_CLOSED : MOTE_PENDING;
    }
    *bytes = mote_span(peer->queue + peer->queue_offset, size);
    return MOTE_OK;
}

static void link_taken(void *self, size_t size)
{
    peer_t *peer = self;

    MUST(size <= peer->queue_size - peer->queue_offset);
    peer->queue_offset += size;
    peer->to_client_count += size;
    if (peer->queue_offset == peer->queue_size) {
        peer->queue_offset = 0;
        peer->queue_size = 0;
    }
}

static unsigned link_wants(void *self)
{
    (void)self;
    return MOTE_WANTS_READ;
}

static void link_close(void *self)
{
    ((peer_t *)self)->close_count++;
}

static void link_abort(void *self)
{
    ((peer_t *)self)->abort_count++;
}

static mote_status_t link_connect(void *self, const mote_endpoint_t *endpoint)
{
    (void)endpoint;
    ((peer_t *)self)->connect_count++;
    return MOTE_OK;
}

/* ---- what only goes through: each says by a number of its own that it was reached ---- */

static mote_status_t link_random(void *self, uint8_t *bytes, size_t size)
{
    (void)self;
    memset(bytes, 7, size);
    return MOTE_OK;
}

static unsigned link_families(void *self)
{
    (void)self;
    return 3;
}

static mote_status_t link_own_address(void *self, mote_ip_t *ip)
{
    (void)self;
    ip->family = MOTE_FAMILY_IPV4;
    return MOTE_OK;
}

static mote_status_t link_query_open(void *self, unsigned slot)
{
    ((peer_t *)self)->query_count += slot;
    return MOTE_OK;
}

static mote_status_t link_query_send(void *self, unsigned slot, const mote_endpoint_t *server,
                                     mote_span_t datagram)
{
    ((peer_t *)self)->query_count += slot + server->port + (unsigned)datagram.size;
    return MOTE_ERR_REFUSED;
}

static mote_status_t link_query_lend(void *self, unsigned slot, mote_endpoint_t *from, mote_span_t *datagram)
{
    (void)datagram;
    from->port = 53;
    ((peer_t *)self)->query_count += slot;
    return MOTE_ERR_UNREACHABLE;
}

static void link_query_taken(void *self, unsigned slot)
{
    ((peer_t *)self)->query_count += slot;
}

static void link_query_close(void *self, unsigned slot)
{
    ((peer_t *)self)->query_count += slot;
}

const mote_port_t peer_port = {
    .random = link_random,
    .families = link_families,
    .own_address = link_own_address,
    .query_open = link_query_open,
    .query_send = link_query_send,
    .query_lend = link_query_lend,
    .query_taken = link_query_taken,
    .query_close = link_query_close,
    .connect = link_connect,
    .send = link_send,
    .lend = link_lend,
    .taken = link_taken,
    .secure = NULL,
    .wants = link_wants,
    .close = link_close,
    .abort = link_abort,
};
