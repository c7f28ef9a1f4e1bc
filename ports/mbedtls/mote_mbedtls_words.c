/* What happened in a handshake, for a person. */

#include "mote_mbedtls_inside.h"

#include "mote_tls_name.h"

#include <mbedtls/net_sockets.h>
#include <mbedtls/version.h>

/* ---- alerts ---- */

/* RFC 8446 6: what a server may say before it hangs up, and where we know it, what it means for the user. */
static const struct {
    uint8_t alert;
    const char *words;
} alerts[] = {
    {10,   "unexpected_message"                                                                          },
    { 20,  "bad_record_mac"                                                                              },
    { 22,  "record_overflow"                                                                             },
    { 40,
     "handshake_failure: no key exchange, suite or signature in common (forward secret AEAD suites only)"},
    { 42,  "bad_certificate"                                                                             },
    { 47,  "illegal_parameter"                                                                           },
    { 48,  "unknown_ca"                                                                                  },
    { 49,  "access_denied"                                                                               },
    { 50,  "decode_error"                                                                                },
    { 51,  "decrypt_error"                                                                               },
    { 70,  "protocol_version: it speaks neither TLS 1.2 nor 1.3"                                         },
    { 71,  "insufficient_security"                                                                       },
    { 80,  "internal_error"                                                                              },
    { 86,  "inappropriate_fallback"                                                                      },
    { 90,  "user_canceled"                                                                               },
    { 109, "missing_extension"                                                                           },
    { 110, "unsupported_extension"                                                                       },
    { 112, "unrecognized_name: it does not serve this host name"                                         },
    { 116, "certificate_required: it wants a client certificate"                                         },
};

/* mbedTLS 4 has a call for it; 3.6 keeps it where the message was. */
#if MBEDTLS_VERSION_NUMBER >= 0x04000000
static uint8_t alert_number(const mote_mbedtls_t *tls)
{
    return (uint8_t)mbedtls_ssl_get_fatal_alert(&tls->ssl);
}
#else
static uint8_t alert_number(const mote_mbedtls_t *tls)
{
    return tls->ssl.MBEDTLS_PRIVATE(in_msg)[1];
}
#endif

static void write_alert(mote_writer_t *out, uint8_t alert)
{
    size_t i;

    mote_write_text(out, "server refused with alert ");
    for (i = 0; i < sizeof alerts / sizeof alerts[0]; i++) {
        if (alerts[i].alert == alert) {
            mote_write_text(out, alerts[i].words);
            return;
        }
    }
    mote_write_decimal(out, alert);
}

/* ---- records ---- */

/* RFC 8446 5.1 */
static bool is_record_header(const uint8_t header[5])
{
    return header[0] >= 20 && header[0] <= 23 && header[1] == 3;
}

static size_t record_size(const uint8_t header[5])
{
    return (size_t)header[3] << 8 | header[4];
}

bool mote_mbedtls_is_out_of_room(const mote_mbedtls_t *tls, int code)
{
    /* A record that does not fit at all; one whose content turns out too large; a handshake message (a certificate
       chain) that comes in several records and does not fit as a whole. */
    return code == MBEDTLS_ERR_SSL_BAD_INPUT_DATA ||
           (code == MBEDTLS_ERR_SSL_INVALID_RECORD && is_record_header(tls->header) &&
            record_size(tls->header) > MBEDTLS_SSL_IN_CONTENT_LEN);
}

static void write_room(mote_mbedtls_t *tls)
{
    if (record_size(tls->header) > MBEDTLS_SSL_IN_CONTENT_LEN) {
        mote_write_text(&tls->words, "server sent a record of ");
        mote_write_decimal(&tls->words, (uint32_t)record_size(tls->header));
        mote_write_text(&tls->words, " bytes");
    } else {
        mote_write_text(&tls->words, "server sent a certificate chain");
    }
    mote_write_text(&tls->words, " larger than this build's buffer of ");
    mote_write_decimal(&tls->words, MBEDTLS_SSL_IN_CONTENT_LEN);
}

/* ---- codes ---- */

/* A code of mbedTLS is minus (a module's number, in steps of 0x80, plus a detail of a lower module). */
enum { HIGH_BITS = 0x7f80, LOW_BITS = 0x7f, PEM_ALLOC_FAILED = -0x1180 };

bool mote_mbedtls_is_out_of_memory(int code)
{
    int high = -(-code & HIGH_BITS);
    int low = -(-code & LOW_BITS);

    return high == MBEDTLS_ERR_SSL_ALLOC_FAILED || high == MBEDTLS_ERR_X509_ALLOC_FAILED ||
           high == MBEDTLS_ERR_PK_ALLOC_FAILED || high == PEM_ALLOC_FAILED ||
           low == MBEDTLS_ERR_ASN1_ALLOC_FAILED || low == MBEDTLS_ERR_MPI_ALLOC_FAILED;
}

/* MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED and MBEDTLS_ERR_ENTROPY_SOURCE_FAILED, whose headers a build may lack. */
static bool is_out_of_randomness(int code)
{
    int low = -code & LOW_BITS;

    return low == 0x34 || low == 0x3c;
}

static bool is_about_certificate(int code)
{
    int module = -code & HIGH_BITS;

    return (module >= 0x2000 && module <= 0x2f80) || (module >= 0x3900 && module <= 0x3f00);
}

static void write_code(mote_writer_t *out, int code)
{
    static const char digits[] = "0123456789abcdef";
    int shift;

    mote_write_text(out, "TLS handshake failed (mbedTLS -0x");
    for (shift = 12; shift >= 0; shift -= 4) {
        mote_write_u8(out, (uint8_t)digits[((unsigned)-code >> shift) & 15]);
    }
    mote_write_u8(out, ')');
}

static mote_status_t say(mote_mbedtls_t *tls, mote_status_t status, const char *words)
{
    mote_write_text(&tls->words, words);
    return status;
}

mote_status_t mote_mbedtls_explain(mote_mbedtls_t *tls, int code)
{
    if (!tls->policy->verifies) {
        tls->words.size = 0; /* what was wrong with the certificate is not what ended it */
    }
    if (tls->link != MOTE_OK) {
        mote_write_text(&tls->words, mote_status_text(tls->link));
        return say(tls, tls->link, " during the TLS handshake");
    }
    if (mote_mbedtls_is_out_of_memory(code)) {
        return say(tls, MOTE_ERR_MEMORY, "not enough memory for TLS");
    }
    if (is_out_of_randomness(code)) {
        return say(tls, MOTE_ERR_RANDOM, mote_status_text(MOTE_ERR_RANDOM));
    }
    if (code == MBEDTLS_ERR_X509_FATAL_ERROR) {
        return say(tls, MOTE_ERR_TLS_SPACE, "certificate chain is too long for this build");
    }
    if (tls->flags != 0 && tls->policy->verifies) {
        return MOTE_ERR_TLS_UNTRUSTED; /* the check has said why */
    }
    if (mote_mbedtls_is_out_of_room(tls, code)) {
        write_room(tls);
        return MOTE_ERR_TLS_SPACE;
    }
    switch (code) {
    case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
        write_alert(&tls->words, alert_number(tls));
        return MOTE_ERR_TLS;
    case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
        return say(tls, MOTE_ERR_TLS, "server speaks only TLS 1.1 or older");
    case MBEDTLS_ERR_SSL_CONN_EOF:
        return say(tls, MOTE_ERR_LINK_LOST, "server closed the connection during the TLS handshake");
    case MBEDTLS_ERR_SSL_INVALID_RECORD:
        return say(tls, MOTE_ERR_TLS,
                   is_record_header(tls->header) ? "server sent a broken TLS record"
                                                 : "what the server sent is not TLS");
    case MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER:
        return say(tls, MOTE_ERR_TLS,
                   "server sent what this mbedTLS refuses (3.6.6 does so with RSA-PSS in TLS 1.2)");
    case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
        return say(tls, MOTE_ERR_TLS, "server agrees to no safe way to encrypt");
    default:
        break;
    }
    if (is_about_certificate(code)) {
        return say(tls, MOTE_ERR_TLS_UNTRUSTED, "server's certificate cannot be read");
    }
    write_code(&tls->words, code);
    return MOTE_ERR_TLS;
}

void mote_mbedtls_describe(mote_mbedtls_t *tls)
{
    mote_span_t name = mote_tls_name_bare(tls->policy->name);

    if (mote_writer_stored(&tls->words) > 0) {
        mote_write_text(&tls->words, "; ");
    }
    mote_write_text(&tls->words, mbedtls_ssl_get_version(&tls->ssl));
    mote_write_text(&tls->words, ", ");
    mote_write_text(&tls->words, mbedtls_ssl_get_ciphersuite(&tls->ssl));
    if (tls->flags == 0 && name.size > 0) {
        mote_write_text(&tls->words, tls->policy->verifies ? ", verified for " : ", certificate good for ");
        mote_write(&tls->words, name);
    }
    if (!tls->policy->verifies) {
        mote_write_text(&tls->words, ", not authenticated");
    }
    if (!tls->has_checked) {
        mote_write_text(&tls->words, ", resumed");
    }
    if (tls->has_skipped_dates) {
        mote_write_text(&tls->words, ", dates not checked: the clock is not set");
    }
}
