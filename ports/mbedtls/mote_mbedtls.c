/* The port table: calls for the inner port go through, and from `secure` on the stream is TLS. */

#include "mote_mbedtls_inside.h"

#include "mote_tls_name.h"

#include <mbedtls/net_sockets.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/version.h>

/* What one call may read from the inner port: two of the largest records. A peer that sends tickets, empty records
   or warnings without end keeps no caller for longer. */
enum { RECEIVE_BUDGET = 2 * (16384 + 256 + 5) };

/* RFC 9325 4.2: forward secret and AEAD, the cheaper ones first. Suites that this mbedTLS was built without are
   passed over by it; AES-256 is not, where its AES knows short keys only. */
static const int suites[] = {
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
#if !defined(MBEDTLS_AES_ONLY_128_BIT_KEY_LENGTH)
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
#endif
    0,
};

/* mbedTLS 3.6.6 offers rsa_pss_rsae and, against RFC 8446 4.2.3, refuses it from a server of TLS 1.2. A server that goes by
   our order takes the first that it knows, so those stand last. In TLS 1.3 rsa_pkcs1 is for certificates alone. */
static const uint16_t signatures[] = {
    MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256, MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
    MBEDTLS_TLS1_3_SIG_ECDSA_SECP521R1_SHA512, MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,
    MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,       MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,
    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,
    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,    MBEDTLS_TLS1_3_SIG_NONE,
};

/* ---- the inner stream, as mbedTLS sees it ---- */

static int push(void *self, const unsigned char *bytes, size_t size)
{
    mote_mbedtls_t *tls = self;
    size_t taken = 0;
    mote_status_t status = tls->inner->send(tls->inner_self, mote_span(bytes, size), tls->send_flags, &taken);

    tls->has_output_left = taken < size;
    if (status == MOTE_OK && taken > 0) {
        return (int)taken;
    }
    if (status == MOTE_OK || status == MOTE_PENDING) {
        tls->is_blocked = true;
        return MBEDTLS_ERR_SSL_WANT_WRITE;
    }
    tls->link = status;
    return MBEDTLS_ERR_NET_SEND_FAILED;
}

/* Keeps the header of the record at hand. mbedTLS reads a header, then what it announces, never across. */
static void follow_records(mote_mbedtls_t *tls, mote_span_t bytes)
{
    size_t i;

    for (i = 0; i < bytes.size && tls->record_left == 0; i++) {
        tls->header[tls->header_size] = bytes.data[i];
        tls->header_size++;
        if (tls->header_size == sizeof tls->header) {
            tls->header_size = 0;
            tls->record_left = (uint16_t)(tls->header[3] << 8 | tls->header[4]);
        }
    }
    tls->record_left =
        (uint16_t)(tls->record_left > bytes.size - i ? tls->record_left - (bytes.size - i) : 0);
}

static int pull(void *self, unsigned char *bytes, size_t size)
{
    mote_mbedtls_t *tls = self;
    mote_span_t lent = { NULL, 0 };
    mote_status_t status;

    if (tls->receive_budget == 0) {
        tls->has_input_left = true;
        tls->is_blocked = true;
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    status = tls->inner->lend(tls->inner_self, &lent);
    if (status == MOTE_OK && lent.size > 0) {
        lent = mote_span_slice(lent, 0, size < tls->receive_budget ? size : tls->receive_budget);
        memcpy(bytes, lent.data, lent.size);
        follow_records(tls, lent);
        tls->receive_budget -= lent.size;
        tls->inner->taken(tls->inner_self, lent.size);
        return (int)lent.size;
    }
    if (status == MOTE_OK || status == MOTE_PENDING) {
        tls->is_blocked = true;
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    if (status == MOTE_CLOSED) {
        return 0; /* a bare FIN: mbedTLS tells it from a close_notify */
    }
    tls->link = status;
    return MBEDTLS_ERR_NET_RECV_FAILED;
}

/* Before each call into mbedTLS. */
static void begin_call(mote_mbedtls_t *tls)
{
    tls->receive_budget = RECEIVE_BUDGET;
    tls->is_blocked = false;
    tls->has_input_left = false;
}

/**
 * Whether the call into mbedTLS is to be made again at once. It asks to be called again also where there is more
 * to read: after a warning, after a ticket (which is no error, whatever its code). Each round costs something, so
 * that it ends.
 */
static bool goes_on(mote_mbedtls_t *tls, int code)
{
    bool is_midway = code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;

    if (code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET && tls->keeper != NULL) {
        tls->keeper->keep(tls);
    }
    if (!is_midway || tls->is_blocked) {
        return false;
    }
    tls->receive_budget -= tls->receive_budget > 0;
    return true;
}

/* A code that means: call again later. */
static bool is_waiting(mote_mbedtls_t *tls, int code)
{
    if (code == MBEDTLS_ERR_SSL_CRYPTO_IN_PROGRESS || code == MBEDTLS_ERR_SSL_ASYNC_IN_PROGRESS) {
        tls->has_input_left = true; /* a computation in slices: nothing on the stream will wake us */
        return true;
    }
    return code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE ||
           code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
}

/* ---- a session begins and ends ---- */

static void forget_words(mote_mbedtls_t *tls)
{
    tls->words = mote_writer(tls->words_room, sizeof tls->words_room);
}

/* Everything back to mbedTLS's heap, wiped; the words stay. */
static void free_session(mote_mbedtls_t *tls)
{
    if (tls->state == MOTE_MBEDTLS_HANDSHAKE || tls->state == MOTE_MBEDTLS_SECURED) {
        mbedtls_ssl_free(&tls->ssl);
        mbedtls_ssl_config_free(&tls->config);
        mote_wipe(tls->input, tls->input_capacity);
        tls->shared->session_count--;
    }
    tls->input_size = 0;
    tls->input_offset = 0;
    tls->has_output_left = false;
    tls->has_input_left = false;
    tls->send_flags = 0;
}

static mote_status_t fail(mote_mbedtls_t *tls, mote_status_t status)
{
    free_session(tls);
    tls->state = MOTE_MBEDTLS_FAILED;
    return status;
}

static mote_status_t refuse(mote_mbedtls_t *tls, mote_status_t status, const char *words)
{
    mote_write_text(&tls->words, words);
    return fail(tls, status);
}

static void end_session(mote_mbedtls_t *tls)
{
    free_session(tls);
    tls->state = MOTE_MBEDTLS_CLEAR;
    forget_words(tls);
}

static mote_status_t hold_psa(mote_mbedtls_shared_t *shared)
{
    mote_status_t status = MOTE_OK;

    if (!shared->holds_psa) {
        status = mote_psa_acquire();
        shared->holds_psa = status == MOTE_OK;
    }
    return status;
}

/* RFC 6066 4. mbedTLS 3.6 refuses the answer that OpenSSL gives to it in TLS 1.3 (it forgets there that it has asked),
   so it is asked for where TLS 1.2 is all that is offered. In TLS 1.3 the same is said by record_size_limit (RFC 8449),
   by itself, where mbedTLS is built with MBEDTLS_SSL_RECORD_SIZE_LIMIT. */
#if defined(MBEDTLS_SSL_MAX_FRAGMENT_LENGTH) && defined(MBEDTLS_SSL_PROTO_TLS1_2)
static int limit_fragments(mbedtls_ssl_config *config, uint16_t bytes)
{
    unsigned char code;

    for (code = MBEDTLS_SSL_MAX_FRAG_LEN_512; code < MBEDTLS_SSL_MAX_FRAG_LEN_INVALID; code++) {
        if (bytes == 256u << code) {
            mbedtls_ssl_conf_max_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
            return mbedtls_ssl_conf_max_frag_len(config, code);
        }
    }
    return bytes == 0 ? 0 : MBEDTLS_ERR_SSL_BAD_INPUT_DATA;
}
#else
static int limit_fragments(mbedtls_ssl_config *config, uint16_t bytes)
{
    (void)config;
    return bytes == 0 ? 0 : MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE;
}
#endif

/* Whether sessions may be resumed. In TLS 1.3 with a fresh key exchange always, and without early data. What mbedTLS was
   built without is not there to be set. */
static void allow_resuming(mbedtls_ssl_config *config, bool keeps)
{
    (void)config;
    (void)keeps;
#if defined(MBEDTLS_SSL_PROTO_TLS1_3)
    mbedtls_ssl_conf_tls13_key_exchange_modes(config, keeps
                                                          ? MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ALL
                                                          : MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL);
#endif
#if defined(MBEDTLS_SSL_SESSION_TICKETS)
    mbedtls_ssl_conf_session_tickets(config, keeps ? MBEDTLS_SSL_SESSION_TICKETS_ENABLED
                                                   : MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
#if defined(MBEDTLS_SSL_PROTO_TLS1_3) && MBEDTLS_VERSION_NUMBER >= 0x03060100
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
        config, keeps ? MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED
                      : MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_DISABLED);
#endif
#endif
#if defined(MBEDTLS_SSL_RENEGOTIATION)
    mbedtls_ssl_conf_renegotiation(config, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
}

static int configure(mote_mbedtls_t *tls)
{
    mbedtls_ssl_config *config = &tls->config;
    bool verifies = tls->policy->verifies;
    int code = mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                           MBEDTLS_SSL_PRESET_DEFAULT);

    if (code != 0) {
        return code;
    }
    mbedtls_ssl_conf_rng(config, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2); /* RFC 8996 */
    mbedtls_ssl_conf_ciphersuites(config, suites);
    mbedtls_ssl_conf_sig_algs(config, signatures);
    mbedtls_ssl_conf_legacy_renegotiation(config, MBEDTLS_SSL_LEGACY_BREAK_HANDSHAKE); /* RFC 5746 3.4 */
    mbedtls_ssl_conf_authmode(config, verifies ? MBEDTLS_SSL_VERIFY_REQUIRED : MBEDTLS_SSL_VERIFY_OPTIONAL);
    mbedtls_ssl_conf_verify(config, mote_mbedtls_check, tls);
    allow_resuming(config, tls->keeper != NULL && verifies);
    if (tls->shared->anchors.version != 0) {
        mbedtls_ssl_conf_ca_chain(config, &tls->shared->anchors, NULL);
    }
    return 0;
}

/* RFC 6066 3: SNI carries a host name without its last dot, never an address. mbedTLS wants a C string. */
static int name_server(mote_mbedtls_t *tls)
{
    mote_span_t name = mote_tls_name_bare(tls->policy->name);
    char text[254];

    if (!mote_tls_name_is_host(name) || mote_ip_is_spelled(name)) {
        return mbedtls_ssl_set_hostname(&tls->ssl, NULL);
    }
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    return mbedtls_ssl_set_hostname(&tls->ssl, text);
}

static void clear_session(mote_mbedtls_t *tls)
{
    tls->flags = 0;
    tls->error = 0;
    tls->link = MOTE_OK;
    tls->end = MOTE_OK;
    tls->has_checked = false;
    tls->has_skipped_dates = false;
    tls->has_offered = false;
    tls->has_fresh_proof = false;
    tls->header_size = 0;
    tls->record_left = 0;
    mbedtls_ssl_config_init(&tls->config);
    mbedtls_ssl_init(&tls->ssl);
}

static mote_status_t set_up_session(mote_mbedtls_t *tls)
{
    int code = configure(tls);

    if (code == 0 && limit_fragments(&tls->config, tls->shared->max_fragment_bytes) != 0) {
        return refuse(tls, MOTE_ERR_TLS, "max_fragment_bytes is no size that this mbedTLS can ask for");
    }
    if (code == 0) {
        code = mbedtls_ssl_setup(&tls->ssl, &tls->config);
    }
    if (code == 0) {
        code = name_server(tls);
    }
    if (code == 0 && tls->keeper != NULL) {
        code = tls->keeper->resume(tls);
    }
    if (code != 0) {
        tls->error = code;
        return fail(tls, mote_mbedtls_explain(tls, code));
    }
    mbedtls_ssl_set_bio(&tls->ssl, tls, push, pull, NULL);
    return MOTE_OK;
}

/* Another holds TLS. Whatever the stream has to say meanwhile ends the wait: a server speaks no TLS before we have, and what
   nobody reads would keep a caller that waits for it from sleeping. */
static mote_status_t await_turn(mote_mbedtls_t *tls)
{
    mote_span_t bytes;
    mote_status_t status = tls->inner->lend(tls->inner_self, &bytes);

    if (status == MOTE_PENDING) {
        return MOTE_PENDING;
    }
    return status == MOTE_OK ? refuse(tls, MOTE_ERR_TLS, "what the server sent is not TLS")
                             : refuse(tls, status == MOTE_CLOSED ? MOTE_ERR_LINK_LOST : status,
                                      "server closed the connection before TLS could begin");
}

static mote_status_t begin_session(mote_mbedtls_t *tls)
{
    mote_mbedtls_shared_t *shared = tls->shared;
    const char *obstacle = mote_mbedtls_obstacle(tls);
    mote_status_t status;

    forget_words(tls);
    if (obstacle != NULL) {
        return refuse(tls, MOTE_ERR_TLS_UNTRUSTED, obstacle);
    }
    if (shared->session_limit != 0 && shared->session_count >= shared->session_limit) {
        return await_turn(tls);
    }
    status = hold_psa(shared);
    if (status != MOTE_OK) {
        return refuse(tls, status, mote_status_text(status));
    }
    shared->session_count++;
    tls->state = MOTE_MBEDTLS_HANDSHAKE;
    clear_session(tls);
    return set_up_session(tls);
}

/* ---- the handshake ---- */

static int step_handshake(mote_mbedtls_t *tls)
{
    int code = 0;

    while ((code == 0 || goes_on(tls, code)) && !mbedtls_ssl_is_handshake_over(&tls->ssl)) {
        if (tls->shared->between_steps != NULL) {
            tls->shared->between_steps(tls->shared->context);
        }
        code = mbedtls_ssl_handshake_step(&tls->ssl);
    }
    return code;
}

static mote_status_t shake_hands(mote_mbedtls_t *tls)
{
    int code;

    begin_call(tls);
    code = step_handshake(tls);
    if (code != 0 && is_waiting(tls, code)) {
        return MOTE_PENDING;
    }
    mote_mbedtls_check_rest(tls);
    if (tls->keeper != NULL) {
        tls->keeper->settle(tls, code != 0 || tls->flags != 0);
    }
    if (code != 0) {
        tls->error = code;
        return fail(tls, mote_mbedtls_explain(tls, code));
    }
    if (tls->policy->verifies && tls->flags != 0) { /* mbedTLS should have ended it by itself */
        return fail(tls, MOTE_ERR_TLS_UNTRUSTED);
    }
    tls->state = MOTE_MBEDTLS_SECURED;
    mote_mbedtls_describe(tls);
    return MOTE_OK;
}

static mote_status_t secure_stream(void *self, const mote_tls_policy_t *policy, mote_tls_result_t *result)
{
    mote_mbedtls_t *tls = self;
    mote_status_t status = MOTE_OK;

    tls->policy = policy;
    if (tls->state == MOTE_MBEDTLS_CLEAR) {
        status = begin_session(tls);
    }
    if (status == MOTE_OK) {
        status = tls->state == MOTE_MBEDTLS_HANDSHAKE ? shake_hands(tls) : MOTE_ERR_TLS;
    }
    tls->policy = NULL;
    result->protection = MOTE_PROTECTION_NONE;
    if (status == MOTE_OK) {
        result->protection = policy->verifies ? MOTE_PROTECTION_VERIFIED : MOTE_PROTECTION_ENCRYPTED;
    }
    result->words = mote_span(tls->words_room, mote_writer_stored(&tls->words));
    return status;
}

/* ---- records ---- */

/* Why a secured stream is of no more use. */
static mote_status_t broken(mote_mbedtls_t *tls, int code)
{
    tls->error = code;
    if (tls->link != MOTE_OK) {
        return tls->link;
    }
    if (code == 0 || code == MBEDTLS_ERR_SSL_CONN_EOF) {
        return MOTE_ERR_LINK_LOST; /* RFC 8446 6.1: a FIN without close_notify may be an attacker's */
    }
    if (mote_mbedtls_is_out_of_memory(code)) {
        return MOTE_ERR_MEMORY;
    }
    return mote_mbedtls_is_out_of_room(tls, code) ? MOTE_ERR_TLS_SPACE : MOTE_ERR_TLS;
}

/**
 * Sends what is left of a record that was tried. Its bytes count as taken since then, and mbedTLS has them:
 * it looks at the length alone, and wants the first one again.
 */
static mote_status_t flush(mote_mbedtls_t *tls)
{
    int code;

    if (!tls->has_output_left) {
        return MOTE_OK;
    }
    begin_call(tls);
    code = mbedtls_ssl_write(&tls->ssl, tls->input, tls->tried_size);
    if (code >= 0) {
        return MOTE_OK;
    }
    return is_waiting(tls, code) ? MOTE_PENDING : broken(tls, code);
}

static mote_status_t send_record(mote_mbedtls_t *tls, mote_span_t bytes, unsigned flags, size_t *taken)
{
    int limit = mbedtls_ssl_get_max_out_record_payload(&tls->ssl);
    mote_span_t record = mote_span_slice(bytes, 0, limit > 0 ? (size_t)limit : 0);
    int code;

    begin_call(tls);
    tls->tried_size = record.size;
    tls->send_flags = (flags & MOTE_SEND_MORE) != 0 || record.size < bytes.size ? MOTE_SEND_MORE : 0;
    code = mbedtls_ssl_write(&tls->ssl, record.data, record.size);
    if (code > 0 || (tls->has_output_left && is_waiting(tls, code))) {
        *taken = record.size;
        return MOTE_OK;
    }
    return is_waiting(tls, code) ? MOTE_PENDING : broken(tls, code);
}

static mote_status_t send_bytes(void *self, mote_span_t bytes, unsigned flags, size_t *taken)
{
    mote_mbedtls_t *tls = self;
    mote_status_t status;

    *taken = 0;
    if (tls->state == MOTE_MBEDTLS_CLEAR) {
        return tls->inner->send(tls->inner_self, bytes, flags, taken);
    }
    if (tls->state != MOTE_MBEDTLS_SECURED) {
        return MOTE_ERR_TLS;
    }
    status = flush(tls);
    return status == MOTE_OK ? send_record(tls, bytes, flags, taken) : status;
}

static mote_status_t receive(mote_mbedtls_t *tls)
{
    int code;

    begin_call(tls);
    do {
        code = mbedtls_ssl_read(&tls->ssl, tls->input, tls->input_capacity);
    } while (goes_on(tls, code));

    if (code > 0) {
        tls->input_size = (size_t)code;
        tls->input_offset = 0;
        return MOTE_OK;
    }
    if (is_waiting(tls, code)) {
        return MOTE_PENDING;
    }
    tls->end = code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ? MOTE_CLOSED : broken(tls, code);
    return tls->end;
}

static mote_status_t lend_bytes(void *self, mote_span_t *bytes)
{
    mote_mbedtls_t *tls = self;
    mote_status_t status = MOTE_OK;

    if (tls->state == MOTE_MBEDTLS_CLEAR) {
        return tls->inner->lend(tls->inner_self, bytes);
    }
    if (tls->state != MOTE_MBEDTLS_SECURED) {
        return MOTE_ERR_TLS;
    }
    if (tls->end != MOTE_OK) {
        return tls->end;
    }
    if (tls->input_offset == tls->input_size) {
        (void)flush(
            tls); /* a peer that takes nothing from us may still have something to say; send tells an error */
        status = receive(tls);
    }
    if (status == MOTE_OK) {
        *bytes = mote_span(tls->input + tls->input_offset, tls->input_size - tls->input_offset);
    }
    return status;
}

static void take_bytes(void *self, size_t size)
{
    mote_mbedtls_t *tls = self;

    if (tls->state == MOTE_MBEDTLS_CLEAR) {
        tls->inner->taken(tls->inner_self, size);
        return;
    }
    MOTE_ASSERT(size <= tls->input_size - tls->input_offset);
    tls->input_offset += size;
}

static unsigned wants(void *self)
{
    mote_mbedtls_t *tls = self;
    unsigned wanted = tls->inner->wants(tls->inner_self);

    /* A stream that can be written to wakes at once, which is what work left undone needs. */
    return tls->has_output_left || tls->has_input_left ? wanted | MOTE_WANTS_WRITE : wanted;
}

/* RFC 8446 6.1: close_notify before the FIN; the peer's is not waited for. What the inner port cannot take now is
   dropped: then the peer sees an end without close_notify, which it must not take for an orderly one. */
static void close_stream(void *self)
{
    mote_mbedtls_t *tls = self;

    if (tls->state == MOTE_MBEDTLS_SECURED && tls->link == MOTE_OK) {
        tls->send_flags = 0;
        if (flush(tls) == MOTE_OK) {
            begin_call(tls);
            (void)mbedtls_ssl_close_notify(&tls->ssl);
        }
    }
    end_session(tls);
    tls->inner->close(tls->inner_self);
}

static void abort_stream(void *self)
{
    mote_mbedtls_t *tls = self;

    end_session(tls);
    tls->inner->abort(tls->inner_self);
}

/* ---- what goes straight through ---- */

static mote_status_t random_bytes(void *self, uint8_t *bytes, size_t size)
{
    mote_mbedtls_t *tls = self;

    return tls->inner->random(tls->inner_self, bytes, size);
}

static unsigned families(void *self)
{
    mote_mbedtls_t *tls = self;

    return tls->inner->families(tls->inner_self);
}

static mote_status_t own_address(void *self, mote_ip_t *ip)
{
    mote_mbedtls_t *tls = self;

    return tls->inner->own_address(tls->inner_self, ip);
}

static mote_status_t query_open(void *self, unsigned slot)
{
    mote_mbedtls_t *tls = self;

    return tls->inner->query_open(tls->inner_self, slot);
}

static mote_status_t query_send(void *self, unsigned slot, const mote_endpoint_t *server,
                                mote_span_t datagram)
{
    mote_mbedtls_t *tls = self;

    return tls->inner->query_send(tls->inner_self, slot, server, datagram);
}

static mote_status_t query_lend(void *self, unsigned slot, mote_endpoint_t *from, mote_span_t *datagram)
{
    mote_mbedtls_t *tls = self;

    return tls->inner->query_lend(tls->inner_self, slot, from, datagram);
}

static void query_taken(void *self, unsigned slot)
{
    mote_mbedtls_t *tls = self;

    tls->inner->query_taken(tls->inner_self, slot);
}

static void query_close(void *self, unsigned slot)
{
    mote_mbedtls_t *tls = self;

    tls->inner->query_close(tls->inner_self, slot);
}

static mote_status_t connect_stream(void *self, const mote_endpoint_t *peer)
{
    mote_mbedtls_t *tls = self;

    end_session(tls); /* a new stream begins in the clear */
    tls->port = peer->port;
    return tls->inner->connect(tls->inner_self, peer);
}

/* ---- the table ---- */

const mote_port_t mote_mbedtls_port = {
    .random = random_bytes,
    .families = families,
    .own_address = own_address,
    .query_open = query_open,
    .query_send = query_send,
    .query_lend = query_lend,
    .query_taken = query_taken,
    .query_close = query_close,
    .connect = connect_stream,
    .send = send_bytes,
    .lend = lend_bytes,
    .taken = take_bytes,
    .secure = secure_stream,
    .wants = wants,
    .close = close_stream,
    .abort = abort_stream,
};

void mote_mbedtls_init(mote_mbedtls_t *tls, mote_mbedtls_shared_t *shared, const mote_port_t *inner,
                       void *inner_self, uint8_t *input, size_t input_capacity)
{
    memset(tls, 0, sizeof *tls);
    tls->shared = shared;
    tls->inner = inner;
    tls->inner_self = inner_self;
    tls->input = input;
    tls->input_capacity = input_capacity;
    forget_words(tls);
}

int mote_mbedtls_error(const mote_mbedtls_t *tls)
{
    return tls->error;
}
