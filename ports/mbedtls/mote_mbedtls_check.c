/* Is this certificate the one that was meant? mbedTLS checks chain, dates, constraints and usages; the name is ours,
   because mbedTLS takes the subject's CN where subjectAltName is missing (RFC 9525 appendix A: don't). */

#include "mote_mbedtls_inside.h"

#include "mote_tls_name.h"

#include <mbedtls/asn1.h>
#include <mbedtls/platform_time.h>

/* A clock before 2025 has not been set: this code is younger. */
#define CLOCK_FLOOR 1735689600

bool mote_mbedtls_is_clock_set(void)
{
#if defined(MBEDTLS_HAVE_TIME_DATE)
    return mbedtls_time(NULL) >= CLOCK_FLOOR;
#else
    return false; /* this mbedTLS looks at no dates at all */
#endif
}

const char *mote_mbedtls_obstacle(const mote_mbedtls_t *tls)
{
    mote_span_t name = mote_tls_name_bare(tls->policy->name);

    if (name.size > 0 && !mote_ip_is_spelled(name) && !mote_tls_name_is_host(name)) {
        return "not a host name that a certificate could be for";
    }
    if (!tls->policy->verifies) {
        return NULL;
    }
    if (name.size == 0) {
        return "no name to verify the certificate for";
    }
    if (tls->shared->anchors.version == 0) {
        return "no trusted CA certificates are loaded";
    }
    if (!mote_mbedtls_is_clock_set() && !tls->shared->accepts_unset_clock) {
        return "the clock is not set, so no certificate can be verified";
    }
    return NULL;
}

/* ---- the name ---- */

static uint8_t san_kind(const mbedtls_x509_sequence *san)
{
    return (uint8_t)(san->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK);
}

static mote_span_t san_octets(const mbedtls_x509_sequence *san)
{
    return mote_span(san->buf.p, san->buf.len);
}

/* RFC 9525 6.2: an address is looked for in iPAddress alone, a name in dNSName alone. */
static bool is_for(const mbedtls_x509_crt *certificate, mote_span_t name)
{
    const mbedtls_x509_sequence *san;
    mote_ip_t ip;
    bool is_ip = mote_ip_parse(name, &ip) == MOTE_OK;

    if (!is_ip && mote_ip_is_spelled(name)) {
        return false; /* an address of a family this build has not */
    }
    for (san = &certificate->subject_alt_names; san != NULL; san = san->next) {
        if (is_ip ? san_kind(san) == MBEDTLS_X509_SAN_IP_ADDRESS &&
                        mote_tls_name_matches_ip(san_octets(san), &ip)
                  : san_kind(san) == MBEDTLS_X509_SAN_DNS_NAME &&
                        mote_tls_name_matches(san_octets(san), name)) {
            return true;
        }
    }
    return false;
}

/* ---- the reason, in words ---- */

/* What a peer wrote is cleaned before it meets a log or a terminal. */
static void write_clean(mote_writer_t *out, mote_span_t text)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        mote_write_u8(out, text.data[i] >= ' ' && text.data[i] <= '~' ? text.data[i] : '?');
    }
}

static void write_two_digits(mote_writer_t *out, int value)
{
    mote_write_text(out, value < 10 ? "-0" : "-");
    mote_write_decimal(out, (uint32_t)value);
}

static void write_date(mote_writer_t *out, const mbedtls_x509_time *date)
{
    mote_write_decimal(out, (uint32_t)date->year);
    write_two_digits(out, date->mon);
    write_two_digits(out, date->day);
}

/* The common name, or the last part where there is none. */
static void write_distinguished(mote_writer_t *out, const mbedtls_x509_name *name)
{
    static const uint8_t common_name[] = { 0x55, 4, 3 }; /* RFC 5280 A.1: id-at-commonName */
    const mbedtls_x509_name *part = name;

    while (part->next != NULL && !mote_span_equals(mote_span(part->oid.p, part->oid.len),
                                                   mote_span(common_name, sizeof common_name))) {
        part = part->next;
    }
    write_clean(out, mote_span(part->val.p, part->val.len));
}

static void write_ip(mote_writer_t *out, mote_span_t octets)
{
    mote_ip_t ip = { 0, { 0 } };

    ip.family = octets.size == 4 ? MOTE_FAMILY_IPV4 : MOTE_FAMILY_IPV6;
    if (octets.size <= sizeof ip.bytes) {
        memcpy(ip.bytes, octets.data, octets.size);
        mote_ip_write(out, &ip);
    } else {
        mote_write_text(out, "an address of another family");
    }
}

static void write_names(mote_writer_t *out, const mbedtls_x509_crt *certificate)
{
    const mbedtls_x509_sequence *san;
    unsigned count = 0;

    for (san = &certificate->subject_alt_names; san != NULL; san = san->next) {
        if (san_kind(san) != MBEDTLS_X509_SAN_DNS_NAME && san_kind(san) != MBEDTLS_X509_SAN_IP_ADDRESS) {
            continue;
        }
        if (count == 2) {
            mote_write_text(out, " and others");
            return;
        }
        mote_write_text(out, count == 0 ? "certificate is for " : " and ");
        if (san_kind(san) == MBEDTLS_X509_SAN_DNS_NAME) {
            write_clean(out, san_octets(san));
        } else {
            write_ip(out, san_octets(san));
        }
        count++;
    }
    if (count == 0) {
        mote_write_text(out, "certificate is for no host at all (subjectAltName)");
    }
}

static bool is_self_issued(const mbedtls_x509_crt *certificate)
{
    return mote_span_equals(mote_span(certificate->subject_raw.p, certificate->subject_raw.len),
                            mote_span(certificate->issuer_raw.p, certificate->issuer_raw.len));
}

static void write_subject(mote_writer_t *out, const mbedtls_x509_crt *certificate, int depth)
{
    if (depth > 0) {
        mote_write_text(out, "CA ");
    }
    mote_write_text(out, "certificate ");
    if (depth > 0) {
        write_distinguished(out, &certificate->subject);
        mote_write_u8(out, ' ');
    }
}

static void write_reason(mote_writer_t *out, const mote_mbedtls_t *tls, const mbedtls_x509_crt *certificate,
                         int depth, uint32_t flags)
{
    if ((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0) {
        if (depth == 0 && is_self_issued(certificate)) {
            mote_write_text(out, "certificate is self-signed");
        } else {
            mote_write_text(out, "certificate not signed by a trusted CA (issuer ");
            write_distinguished(out, &certificate->issuer);
            mote_write_u8(out, ')');
        }
    } else if ((flags & MBEDTLS_X509_BADCERT_EXPIRED) != 0) {
        write_subject(out, certificate, depth);
        mote_write_text(out, "expired on ");
        write_date(out, &certificate->valid_to);
    } else if ((flags & MBEDTLS_X509_BADCERT_FUTURE) != 0) {
        write_subject(out, certificate, depth);
        mote_write_text(out, "is not valid before ");
        write_date(out, &certificate->valid_from);
    } else if ((flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) != 0) {
        write_names(out, certificate);
        mote_write_text(out, ", not ");
        write_clean(out, mote_tls_name_bare(tls->policy->name));
    } else if ((flags & (MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK |
                         MBEDTLS_X509_BADCERT_BAD_KEY)) != 0) {
        write_subject(out, certificate, depth);
        mote_write_text(out, "has a weak key or signature");
    } else {
        mote_write_text(out, "certificate is not acceptable");
    }
}

/* ---- the callback ---- */

int mote_mbedtls_check(void *self, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
    mote_mbedtls_t *tls = self;
    mote_span_t name = mote_tls_name_bare(tls->policy->name);

    if (tls->keeper != NULL) {
        tls->keeper->note_end(tls, certificate);
    }
    if (depth == 0) {
        tls->has_checked = true;
        if (name.size > 0 && !is_for(certificate, name)) {
            *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
        }
    }
    if (tls->shared->accepts_unset_clock && !mote_mbedtls_is_clock_set()) {
        *flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE);
        tls->has_skipped_dates = true;
    }
    if (*flags != 0 && tls->flags == 0) {
        write_reason(&tls->words, tls, certificate, depth, *flags);
    }
    tls->flags |= *flags;
    return 0;
}

/* The keys prove that it is the server whose certificate was checked when the session began. */
static bool is_resumed(mote_mbedtls_t *tls)
{
    return tls->has_offered && !tls->has_checked && mbedtls_ssl_is_handshake_over(&tls->ssl);
}

void mote_mbedtls_check_rest(mote_mbedtls_t *tls)
{
    uint32_t flags = 0;

    if (tls->has_checked || is_resumed(tls)) {
        flags = mbedtls_ssl_get_verify_result(&tls->ssl);
    } else if (mbedtls_ssl_is_handshake_over(&tls->ssl)) {
        flags = MBEDTLS_X509_BADCERT_MISSING; /* no suite of ours lets a server go without one */
    }
    if (flags != 0 && tls->flags == 0) {
        mote_write_text(&tls->words, tls->has_checked ? "certificate is not meant for a TLS server"
                                                      : "server showed no certificate");
    }
    tls->flags |= flags;
}
