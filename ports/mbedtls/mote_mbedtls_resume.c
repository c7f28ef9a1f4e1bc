/* TLS sessions kept in the caller's memory, so that the next connection to the same server needs no certificates.
   What is kept may be lost or damaged at any time: a digest over all of it, and over what it was made for, decides. */

#include "mote_mbedtls_inside.h"

#include "mote_tls_name.h"

#include <mbedtls/platform.h>
#include <psa/crypto.h>

/* RFC 9325 3.4, RFC 8446 4.6.1: a week from the handshake that showed the certificate. RFC 5246 F.1.4: a day where the server
   names no time. */
#define SESSION_S      ((uint64_t)7 * 24 * 3600)
#define SESSION_LESS_S ((uint64_t)24 * 3600)

enum { DIGEST_BYTES = 32 };

/* What lies before the session as mbedTLS writes it. Copied in and out: the caller's memory has no alignment. */
typedef struct kept {
    uint8_t digest[DIGEST_BYTES]; /* over what it is bound to, the rest of this, and the session */
    mote_mbedtls_proof_t proof;
    uint64_t ticket_end_s;
    uint64_t size; /* of the session */
} kept_t;

static uint64_t now_s(void)
{
#if defined(MBEDTLS_HAVE_TIME)
    return (uint64_t)mbedtls_time(NULL);
#else
    return 0; /* never used: without a clock nothing is kept */
#endif
}

static void add(psa_hash_operation_t *hash, psa_status_t *status, const void *bytes, size_t size)
{
    if (*status == PSA_SUCCESS) {
        *status = psa_hash_update(hash, bytes, size);
    }
}

/* A session belongs to a name, a port, the CAs that were trusted, and the record size that was asked for (RFC 6066 4). */
static psa_status_t digest_binding(const mote_mbedtls_t *tls, psa_hash_operation_t *hash)
{
    psa_status_t status = psa_hash_setup(hash, PSA_ALG_SHA_256);
    mote_span_t name = mote_tls_name_bare(tls->policy->name);
    const mbedtls_x509_crt *anchor;

    add(hash, &status, &name.size, sizeof name.size);
    add(hash, &status, name.data, name.size);
    add(hash, &status, &tls->port, sizeof tls->port);
    add(hash, &status, &tls->shared->max_fragment_bytes, sizeof tls->shared->max_fragment_bytes);
    for (anchor = &tls->shared->anchors; anchor != NULL; anchor = anchor->next) {
        add(hash, &status, anchor->raw.p, anchor->raw.len);
    }
    return status;
}

static psa_status_t digest_kept(const mote_mbedtls_t *tls, const kept_t *kept, psa_hash_operation_t *hash)
{
    psa_status_t status = psa_hash_setup(hash, PSA_ALG_SHA_256);

    add(hash, &status, tls->binding, sizeof tls->binding);
    add(hash, &status, (const uint8_t *)kept + DIGEST_BYTES, sizeof *kept - DIGEST_BYTES);
    add(hash, &status, tls->kept + sizeof *kept, (size_t)kept->size);
    return status;
}

static bool finish(psa_hash_operation_t *hash, psa_status_t status, uint8_t digest[DIGEST_BYTES])
{
    size_t size = 0;

    if (status == PSA_SUCCESS) {
        status = psa_hash_finish(hash, digest, DIGEST_BYTES, &size);
    }
    (void)psa_hash_abort(hash);
    return status == PSA_SUCCESS && size == DIGEST_BYTES;
}

/* Only a session whose certificate is verified is kept, or asked for; then its dates need a clock. */
static bool has_place(mote_mbedtls_t *tls)
{
    psa_hash_operation_t hash = PSA_HASH_OPERATION_INIT;

    return tls->kept_capacity > sizeof(kept_t) && tls->policy->verifies && mote_mbedtls_is_clock_set() &&
           finish(&hash, digest_binding(tls, &hash), tls->binding);
}

static void forget(mote_mbedtls_t *tls)
{
    mote_wipe(tls->kept, tls->kept_capacity);
}

/* ---- keeping ---- */

#if defined(MBEDTLS_SSL_SESSION_TICKETS)
static uint64_t ticket_life(const mbedtls_ssl_session *session)
{
    return session->MBEDTLS_PRIVATE(ticket_len) > 0 ? session->MBEDTLS_PRIVATE(ticket_lifetime) : 0;
}

static bool can_be_resumed(const mbedtls_ssl_session *session)
{
    return session->MBEDTLS_PRIVATE(ticket_len) > 0 ||
           (session->MBEDTLS_PRIVATE(tls_version) == MBEDTLS_SSL_VERSION_TLS1_2 &&
            session->MBEDTLS_PRIVATE(id_len) > 0);
}
#else
static uint64_t ticket_life(const mbedtls_ssl_session *session)
{
    (void)session;
    return 0;
}

static bool can_be_resumed(const mbedtls_ssl_session *session)
{
    return session->MBEDTLS_PRIVATE(id_len) > 0;
}
#endif

/* The certificate has been looked at; it would be most of what is kept. */
static void drop_certificate(mbedtls_ssl_session *session)
{
#if defined(MBEDTLS_SSL_KEEP_PEER_CERTIFICATE)
    if (session->MBEDTLS_PRIVATE(peer_cert) != NULL) {
        mbedtls_x509_crt_free(session->MBEDTLS_PRIVATE(peer_cert));
        mbedtls_free(session->MBEDTLS_PRIVATE(peer_cert));
        session->MBEDTLS_PRIVATE(peer_cert) = NULL;
    }
#else
    (void)session;
#endif
}

static bool store(mote_mbedtls_t *tls, const mbedtls_ssl_session *session)
{
    uint64_t life = ticket_life(session);
    psa_hash_operation_t hash = PSA_HASH_OPERATION_INIT;
    size_t size = 0;
    kept_t kept;

    memset(&kept, 0, sizeof kept); /* what lies between its fields is digested too */
    if (!can_be_resumed(session) || mbedtls_ssl_session_save(session, tls->kept + sizeof kept,
                                                             tls->kept_capacity - sizeof kept, &size) != 0) {
        return false;
    }
    kept.proof = tls->proof;
    kept.ticket_end_s = now_s() + (life > 0 ? life : SESSION_LESS_S);
    kept.size = size;
    if (!finish(&hash, digest_kept(tls, &kept, &hash), kept.digest)) {
        return false;
    }
    memcpy(tls->kept, &kept, sizeof kept);
    return true;
}

static void keep(mote_mbedtls_t *tls)
{
    mbedtls_ssl_session session;

    if (!tls->keeps || tls->flags != 0) {
        return;
    }
    mbedtls_ssl_session_init(&session);
    if (mbedtls_ssl_get_session(&tls->ssl, &session) == 0) {
        drop_certificate(&session);
        if (!store(tls, &session)) {
            forget(tls);
        }
    }
    mbedtls_ssl_session_free(&session);
}

/* ---- asking for it ---- */

static bool is_past(const kept_t *kept)
{
    uint64_t now = now_s();

    return now < kept->proof.made_s || now - kept->proof.made_s >= SESSION_S ||
           now + 1 > kept->ticket_end_s || mbedtls_x509_time_is_past(&kept->proof.end) != 0;
}

static bool is_whole(const mote_mbedtls_t *tls, kept_t *kept)
{
    psa_hash_operation_t hash = PSA_HASH_OPERATION_INIT;
    uint8_t digest[DIGEST_BYTES];

    memcpy(kept, tls->kept, sizeof *kept);
    return kept->size <= tls->kept_capacity - sizeof *kept &&
           finish(&hash, digest_kept(tls, kept, &hash), digest) &&
           memcmp(digest, kept->digest, sizeof digest) == 0;
}

static int resume(mote_mbedtls_t *tls)
{
    mbedtls_ssl_session session;
    kept_t kept;
    int code;

    tls->keeps = has_place(tls);
    if (!tls->keeps || !is_whole(tls, &kept) || is_past(&kept)) {
        return 0;
    }
    mbedtls_ssl_session_init(&session);
    code = mbedtls_ssl_session_load(&session, tls->kept + sizeof kept, (size_t)kept.size);
    if (code == 0) {
        code = mbedtls_ssl_set_session(&tls->ssl, &session);
    }
    mbedtls_ssl_session_free(&session);
    if (code == 0) {
        tls->has_offered = true;
        tls->proof = kept.proof;
    }
    return mote_mbedtls_is_out_of_memory(code) ? code
                                               : 0; /* one that this mbedTLS cannot use is as good as none */
}

/* ---- what the handshake came to ---- */

/* What was kept is of no more use when it was refused, or was part of a failure. In TLS 1.2 the new session has come within
   the handshake, in TLS 1.3 tickets come later. One that was taken stays until its time is over: RFC 8446 C.4 would use each
   ticket once, lest an observer sees who comes again, but Postfix gives no second one, and who mails to its relay from the
   same address is known by that. */
static void settle(mote_mbedtls_t *tls, bool has_failed)
{
    if (tls->has_offered && (has_failed || tls->has_fresh_proof)) {
        forget(tls);
    }
    if (has_failed || !tls->has_fresh_proof) {
        return;
    }
    tls->proof.made_s = now_s();
    if (mbedtls_ssl_get_version_number(&tls->ssl) == MBEDTLS_SSL_VERSION_TLS1_2) {
        keep(tls);
    }
}

static uint64_t rank(const mbedtls_x509_time *time)
{
    return ((((((uint64_t)time->year << 4 | (uint64_t)time->mon) << 5 | (uint64_t)time->day) << 5) |
             (uint64_t)time->hour)
                << 6 |
            (uint64_t)time->min)
               << 6 |
           (uint64_t)time->sec;
}

static void note_end(mote_mbedtls_t *tls, const mbedtls_x509_crt *certificate)
{
    if (!tls->has_fresh_proof || rank(&certificate->valid_to) < rank(&tls->proof.end)) {
        tls->proof.end = certificate->valid_to;
    }
    tls->has_fresh_proof = true;
}

void mote_mbedtls_keep_session(mote_mbedtls_t *tls, uint8_t *room, size_t capacity)
{
    static const mote_mbedtls_keeper_t keeper = { resume, note_end, settle, keep };

    tls->keeper = room != NULL ? &keeper : NULL;
    tls->kept = room;
    tls->kept_capacity = room != NULL ? capacity : 0;
}
