/* Which certificates are acceptable, for which names, and what is said of the others. Each row meets a server of TLS
   1.2 and one of TLS 1.3, and a caller who verifies and one who does not. */

#include "peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

typedef struct row {
    const char *label;
    peer_certificate_t certificate;
    const char *name;
    const char *words;    /* NULL: verified. Otherwise what the result must say */
    mote_status_t status; /* 0 with words: MOTE_ERR_TLS_UNTRUSTED */
} row_t;

#define NAME "smtp.example.net"

/* clang-format off */
static const row_t rows[] = {
    /* TLS-12: the chain */
    { "signed by a trusted root", { .san = "DNS:" NAME }, NAME, NULL, 0 },
    { "an intermediate between", { .san = "DNS:" NAME, .issuer = BY_INTERMEDIATE }, NAME, NULL, 0 },
    { "RSA chain", { .san = "DNS:" NAME, .issuer = BY_INTERMEDIATE, .key = KEY_RSA }, NAME, NULL, 0 },
    { "P-384 chain", { .san = "DNS:" NAME, .issuer = BY_INTERMEDIATE, .key = KEY_P384 }, NAME, NULL, 0 },
    { "P-521 chain", { .san = "DNS:" NAME, .issuer = BY_INTERMEDIATE, .key = KEY_P521 }, NAME, NULL, 0 },
    { "self-signed", { .san = "DNS:" NAME, .issuer = BY_SELF }, NAME, "certificate is self-signed", 0 },
    { "signed by a root not trusted", { .san = "DNS:" NAME, .issuer = BY_STRANGER }, NAME,
      "certificate not signed by a trusted CA (issuer A Stranger)", 0 },
    { "issuer is no CA", { .san = "DNS:" NAME, .issuer = BY_SERVER }, NAME,
      "certificate not signed by a trusted CA (issuer No CA)", 0 },
    { "expired", { .san = "DNS:" NAME, .from_days = -60, .to_days = -2 }, NAME, "certificate expired on 20",
      0 },
    { "not yet valid", { .san = "DNS:" NAME, .from_days = 2, .to_days = 30 }, NAME,
      "certificate is not valid before 20", 0 },
    { "intermediate expired", { .san = "DNS:" NAME, .issuer = BY_EXPIRED_CA }, NAME,
      "CA certificate Old Intermediate expired on 20", 0 },
    { "signed with SHA-1", { .san = "DNS:" NAME, .is_weak = true }, NAME, "has a weak key or signature", 0 },
    { "chain longer than mbedTLS follows", { .san = "DNS:" NAME, .issuer = BY_LONG_CHAIN }, NAME,
      "certificate chain is too long", MOTE_ERR_TLS_SPACE }, /* TLS-27 */

    /* TLS-12: what it is for */
    { "for clients only", { .san = "DNS:" NAME, .eku = "clientAuth" }, NAME, "not meant for a TLS server",
      0 },
    { "for servers and clients", { .san = "DNS:" NAME, .eku = "serverAuth,clientAuth" }, NAME, NULL, 0 },
    { "for anything", { .san = "DNS:" NAME, .eku = "" }, NAME, NULL, 0 },
    { "for signatures", { .san = "DNS:" NAME, .ku = "digitalSignature" }, NAME, NULL, 0 },
    { "for encipherment only", { .san = "DNS:" NAME, .ku = "keyEncipherment", .key = KEY_RSA }, NAME,
      "not meant for a TLS server", 0 },

    /* TLS-14, TLS-16: the name */
    { "another name", { .san = "DNS:mail.example.org" }, NAME,
      "certificate is for mail.example.org, not " NAME, 0 },
    { "two other names", { .san = "DNS:a.example.org,DNS:b.example.org" }, NAME,
      "certificate is for a.example.org and b.example.org, not " NAME, 0 },
    { "many other names", { .san = "DNS:a.example.org,DNS:b.example.org,DNS:c.example.org" }, NAME,
      "certificate is for a.example.org and b.example.org and others, not " NAME, 0 },
    { "the third name", { .san = "DNS:a.example,DNS:b.example,DNS:" NAME }, NAME, NULL, 0 },
    { "other case", { .san = "DNS:SMTP.Example.NET" }, NAME, NULL, 0 },
    { "other case, asked", { .san = "DNS:" NAME }, "SMTP.EXAMPLE.net", NULL, 0 },
    { "asked with its last dot", { .san = "DNS:" NAME }, NAME ".", NULL, 0 },
    { "right CN, wrong SAN", { .san = "DNS:mail.example.org", .common_name = NAME }, NAME,
      "certificate is for mail.example.org, not " NAME, 0 },
    { "right CN, no SAN", { .common_name = NAME }, NAME,
      "certificate is for no host at all (subjectAltName), not " NAME, 0 },
    { "right name as mail address and URI", { .san = "email:" NAME "@" NAME ",URI:smtp://" NAME }, NAME,
      "certificate is for no host at all", 0 },
    { "a longer name", { .san = "DNS:x." NAME }, NAME, "not " NAME, 0 },
    { "a shorter name", { .san = "DNS:example.net" }, NAME, "not " NAME, 0 },

    /* TLS-15: wildcards */
    { "wildcard", { .san = "DNS:*.example.net" }, NAME, NULL, 0 },
    { "wildcard, two labels", { .san = "DNS:*.example.net" }, "a.b.example.net", "not a.b.example.net", 0 },
    { "wildcard, no label", { .san = "DNS:*.example.net" }, "example.net", "not example.net", 0 },
    { "wildcard for a top-level domain", { .san = "DNS:*.example" }, "mail.example", "not mail.example", 0 },
    { "wildcard within a label", { .san = "DNS:s*.example.net" }, NAME, "not " NAME, 0 },
    { "two wildcards", { .san = "DNS:*.*.net" }, NAME, "not " NAME, 0 },
    { "wildcard in second place", { .san = "DNS:smtp.*.net" }, NAME, "not " NAME, 0 },
    { "wildcard alone", { .san = "DNS:*" }, NAME, "not " NAME, 0 },

    /* TLS-17: addresses */
    { "IPv4 address", { .san = "IP:192.0.2.1" }, "192.0.2.1", NULL, 0 },
    { "IPv6 address", { .san = "IP:2001:db8::1" }, "2001:db8:0::1", NULL, 0 },
    { "another IPv4 address", { .san = "IP:192.0.2.2" }, "192.0.2.1",
      "certificate is for 192.0.2.2, not 192.0.2.1", 0 },
    { "address as a DNS name", { .san = "DNS:192.0.2.1" }, "192.0.2.1", "not 192.0.2.1", 0 },
    { "a DNS name of the address's octets", { .san = "DNS:a.bc" }, "97.46.98.99", "not 97.46.98.99", 0 },
    { "address as CN", { .common_name = "192.0.2.1" }, "192.0.2.1", "not 192.0.2.1", 0 },
    { "name where an address is", { .san = "IP:192.0.2.1" }, NAME,
      "certificate is for 192.0.2.1, not " NAME, 0 },
    { "mapped address", { .san = "IP:::ffff:192.0.2.1" }, "192.0.2.1", "not 192.0.2.1", 0 },

    /* TLS-18: odd octets */
    { "NUL after the right name", { .raw_name = NAME "\0.evil.example", .raw_name_size = 30 }, NAME,
      "certificate is for smtp.example.net?.evil.example, not " NAME, 0 },
    { "NUL at the end", { .raw_name = NAME "\0", .raw_name_size = 17 }, NAME,
      "smtp.example.net?, not " NAME, 0 },
    { "escape sequences are not passed on", { .raw_name = "\033[31m%n.example", .raw_name_size = 15 }, NAME,
      "certificate is for ?[31m%n.example, not " NAME, 0 },
    { "dot at the end", { .raw_name = NAME ".", .raw_name_size = 17 }, NAME, "not " NAME, 0 },
    { "empty name", { .raw_name = "", .raw_name_size = 0 }, NAME, "not " NAME, 0 },
};
/* clang-format on */

typedef struct outcome {
    mote_status_t status;
    uint8_t protection;
    char words[MOTE_MBEDTLS_WORDS_BYTES + 1];
} outcome_t;

static outcome_t meet(const row_t *row, int version, bool verifies)
{
    static peer_t peer;
    static mote_mbedtls_t tls;
    uint8_t room[64];
    mote_mbedtls_shared_t shared;
    mote_tls_policy_t policy = { mote_span_text(row->name), verifies };
    mote_tls_result_t result;
    outcome_t outcome;
    unsigned tries = 0;

    mote_mbedtls_shared_init(&shared);
    assert_int_equal(mote_mbedtls_add_ca_in_place(&shared, peer_root(row->certificate.key)), MOTE_OK);
    peer_start(&peer, &row->certificate, version, version, NULL);
    mote_mbedtls_init(&tls, &shared, &peer_port, &peer, room, sizeof room);
    do {
        outcome.status = mote_mbedtls_port.secure(&tls, &policy, &result);
    } while (outcome.status == MOTE_PENDING && ++tries < 20);
    outcome.protection = result.protection;
    snprintf(outcome.words, sizeof outcome.words, "%.*s", (int)result.words.size,
             (const char *)result.words.data);
    mote_mbedtls_port.abort(&tls);
    mote_mbedtls_shared_free(&shared);
    peer_stop(&peer);
    return outcome;
}

static void fail_row(const row_t *row, int version, const outcome_t *outcome)
{
    fail_msg("%s, TLS 1.%d: status %d (%s), protection %d, \"%s\"", row->label, version - TLS1_VERSION,
             outcome->status, mote_status_text(outcome->status), outcome->protection, outcome->words);
}

static void verify_row(const row_t *row, int version)
{
    outcome_t outcome = meet(row, version, true);
    mote_status_t status = row->words == NULL       ? MOTE_OK
                           : row->status != MOTE_OK ? row->status
                                                    : MOTE_ERR_TLS_UNTRUSTED;
    uint8_t protection = row->words == NULL ? MOTE_PROTECTION_VERIFIED : MOTE_PROTECTION_NONE;

    if (outcome.status != status || outcome.protection != protection ||
        strstr(outcome.words, row->words == NULL ? ", verified for " : row->words) == NULL) {
        fail_row(row, version, &outcome);
    }
}

/* TLS-33: who does not ask for proof goes on, and is told what is missing. */
static void accept_row(const row_t *row, int version)
{
    outcome_t outcome = meet(row, version, false);

    if (row->status != MOTE_OK) {
        return; /* such a chain cannot be read at all */
    }
    if (outcome.status != MOTE_OK || outcome.protection != MOTE_PROTECTION_ENCRYPTED ||
        strstr(outcome.words, "not authenticated") == NULL ||
        strstr(outcome.words, row->words == NULL ? "certificate good for " : row->words) == NULL) {
        fail_row(row, version, &outcome);
    }
}

static void certificates_are_judged(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        verify_row(&rows[i], TLS1_3_VERSION);
        verify_row(&rows[i], TLS1_2_VERSION);
    }
}

static void certificates_are_described_to_who_does_not_verify(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        accept_row(&rows[i], i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_are_judged),
        cmocka_unit_test(certificates_are_described_to_who_does_not_verify),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
