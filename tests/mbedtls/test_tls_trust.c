/* What is trusted, what stands in the way of a handshake, and what the heap sees of it. The program is linked with
   calloc, free, time and psa_crypto_init wrapped, so that they can fail. */

#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <malloc.h>
#include <psa/crypto.h>
#include <sys/stat.h>

#include <cmocka.h>

static pair_t pair;

/* ---- the wrapped ones ---- */

static unsigned calloc_count, calloc_fails_at;
static size_t heap_now, heap_peak;
static time_t fixed_time;
static psa_status_t psa_init_status;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void __real_free(void *memory);
void __wrap_free(void *memory);
time_t __real_time(time_t *at);
time_t __wrap_time(time_t *at);
psa_status_t __real_psa_crypto_init(void);
psa_status_t __wrap_psa_crypto_init(void);

void *__wrap_calloc(size_t count, size_t size)
{
    void *memory;

    calloc_count++;
    if (calloc_count == calloc_fails_at) {
        return NULL;
    }
    memory = __real_calloc(count, size);
    heap_now += malloc_usable_size(memory);
    heap_peak = heap_now > heap_peak ? heap_now : heap_peak;
    return memory;
}

void __wrap_free(void *memory)
{
    heap_now -= memory == NULL ? 0 : malloc_usable_size(memory);
    __real_free(memory);
}

time_t __wrap_time(time_t *at)
{
    return fixed_time != 0 ? fixed_time : __real_time(at);
}

psa_status_t __wrap_psa_crypto_init(void)
{
    return psa_init_status != PSA_SUCCESS ? psa_init_status : __real_psa_crypto_init();
}

/* ---- obstacles ---- */

/* TLS-12, TLS-20: refused before an octet is sent. */
static void without_name_or_anchor_nothing_begins(void **state)
{
    static const struct {
        const char *label;
        mote_span_t name;
        bool has_anchor, verifies;
        const char *words;
    } rows[] = {
        {"no name",                        { NULL, 0 },                    true,  true,  "no name to verify the certificate for"},
        { "no anchor",                     MOTE_SPAN(PAIR_NAME),           false, true,  "no trusted CA certificates are loaded"},
        { "NUL in the name",               MOTE_SPAN(PAIR_NAME "\0.evil"), true,  true,  "not a host name"                      },
        { "NUL in the name, not verified", MOTE_SPAN(PAIR_NAME "\0.evil"), true,  false, "not a host name"                      },
        { "blank in the name",             MOTE_SPAN("smtp example"),      true,  true,  "not a host name"                      },
        { "wildcard as name",              MOTE_SPAN("*.example.net"),     true,  true,  "not a host name"                      },
        { "UTF-8 in the name",
         MOTE_SPAN("b\xc3\xbc"
                    "cher.example"),
         true,                                                                    true,  "not a host name"                      },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pair_start(&pair, 0);
        pair.policy.name = rows[i].name;
        pair.policy.verifies = rows[i].verifies;
        if (!rows[i].has_anchor) {
            mote_mbedtls_shared_free(&pair.shared);
        }
        if (pair_secure(&pair) != MOTE_ERR_TLS_UNTRUSTED || strstr(pair.words, rows[i].words) == NULL) {
            fail_msg("%s: \"%s\"", rows[i].label, pair.words);
        }
        assert_int_equal(pair.peer.call_count, 0);
        pair_stop(&pair);
    }
}

static void who_does_not_verify_needs_neither_name_nor_anchor(void **state)
{
    (void)state;
    pair_start(&pair, 0);
    mote_mbedtls_shared_free(&pair.shared);
    pair.policy.name = mote_span(NULL, 0);
    pair.policy.verifies = false;
    assert_int_equal(pair_secure(&pair), MOTE_OK);
    assert_int_equal(pair.result.protection, MOTE_PROTECTION_ENCRYPTED);
    assert_non_null(strstr(pair.words, "certificate not signed by a trusted CA (issuer Test Root); TLSv1.3"));
    assert_non_null(strstr(pair.words, "not authenticated"));
    pair_stop(&pair);
}

/* TLS-31 */
static void while_the_clock_is_not_set_no_certificate_is_acceptable(void **state)
{
    static const peer_certificate_t expired = { .san = "DNS:" PAIR_NAME, .from_days = -60, .to_days = -2 };

    (void)state;
    fixed_time = 1000; /* some minutes after a start in 1970 */
    pair_start(&pair, 0);
    assert_int_equal(pair_secure(&pair), MOTE_ERR_TLS_UNTRUSTED);
    assert_string_equal(pair.words, "the clock is not set, so no certificate can be verified");
    assert_int_equal(pair.peer.call_count, 0);
    pair_stop(&pair);

    pair_start(&pair, 0);
    pair.shared.accepts_unset_clock = true;
    assert_int_equal(pair_secure(&pair), MOTE_OK);
    assert_int_equal(pair.result.protection, MOTE_PROTECTION_VERIFIED);
    assert_non_null(
        strstr(pair.words, "verified for " PAIR_NAME ", dates not checked: the clock is not set"));
    pair_stop(&pair);

    pair_start(&pair, 0);
    pair.policy.verifies = false;
    assert_int_equal(pair_secure(&pair), MOTE_OK);
    assert_non_null(strstr(pair.words, "is not valid before 20"));
    pair_stop(&pair);

    fixed_time = 0; /* the choice is about an unset clock, not about dates */
    pair_start_with(&pair, &expired, 0, 0, NULL);
    pair.shared.accepts_unset_clock = true;
    assert_int_equal(pair_secure(&pair), MOTE_ERR_TLS_UNTRUSTED);
    pair_stop(&pair);
}

/* TLS-32 */
static void without_a_seeded_random_source_nothing_begins(void **state)
{
    (void)state;
    pair_start(&pair, 0);
    psa_init_status = PSA_ERROR_INSUFFICIENT_ENTROPY;
    assert_int_equal(pair_secure(&pair), MOTE_ERR_RANDOM);
    assert_int_equal(pair.peer.call_count, 0);
    psa_init_status = PSA_SUCCESS;
    mote_mbedtls_port.abort(&pair.tls);
    assert_int_equal(pair_secure(&pair), MOTE_OK); /* the next attempt finds it seeded */
    pair_stop(&pair);
}

static void sessions_beyond_the_limit_wait(void **state)
{
    static pair_t second;

    (void)state;
    pair_start(&pair, 0);
    pair_start(&second, 0);
    pair.shared.session_limit = 1;
    second.tls.shared = &pair.shared;
    assert_int_equal(pair_secure(&pair), MOTE_OK);
    assert_int_equal(mote_mbedtls_port.secure(&second.tls, &second.policy, &second.result), MOTE_PENDING);
    assert_int_equal(mote_mbedtls_port.secure(&second.tls, &second.policy, &second.result), MOTE_PENDING);
    assert_int_equal(second.peer.from_client_count, 0);
    mote_mbedtls_port.close(&pair.tls);
    assert_int_equal(pair_secure(&second), MOTE_OK);
    mote_mbedtls_port.abort(&second.tls);
    assert_int_equal(pair.shared.session_count, 0);
    pair_stop(&second);
    pair_stop(&pair);
}

static void psa_lives_as_long_as_it_has_users(void **state)
{
    uint8_t random[4];

    (void)state;
    assert_int_equal(psa_generate_random(random, sizeof random), PSA_ERROR_BAD_STATE);
    assert_int_equal(mote_psa_acquire(), MOTE_OK);
    pair_start(&pair, 0);
    assert_int_equal(pair_secure(&pair), MOTE_OK);
    pair_stop(&pair);
    assert_int_equal(psa_generate_random(random, sizeof random), PSA_SUCCESS);
    mote_psa_release();
    assert_int_equal(psa_generate_random(random, sizeof random), PSA_ERROR_BAD_STATE);
}

/* ---- trusted CAs ---- */

static mote_status_t secure_with(mote_status_t (*add)(mote_mbedtls_shared_t *shared, mote_span_t bytes),
                                 mote_span_t bytes)
{
    mote_status_t status;

    pair_start(&pair, 0);
    mote_mbedtls_shared_free(&pair.shared);
    status = add(&pair.shared, bytes);
    if (status == MOTE_OK) {
        status = pair_secure(&pair);
    }
    pair_stop(&pair);
    return status;
}

static void anchors_come_in_der_and_pem(void **state)
{
    static char two[8192];
    mote_span_t pem = peer_root_pem(KEY_RSA);

    (void)state;
    assert_int_equal(secure_with(mote_mbedtls_add_ca, peer_root(KEY_P256)), MOTE_OK);
    assert_int_equal(secure_with(mote_mbedtls_add_ca_in_place, peer_root(KEY_P256)), MOTE_OK);
    assert_int_equal(secure_with(mote_mbedtls_add_ca, peer_root(KEY_P384)),
                     MOTE_ERR_TLS_UNTRUSTED); /* another root */

    snprintf(two, sizeof two, "# roots\n%s%s", (const char *)pem.data,
             "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    pem = peer_root_pem(KEY_P256);
    strcat(two, (const char *)pem.data);
    assert_int_equal(secure_with(mote_mbedtls_add_ca, mote_span(two, strlen(two) + 1)), MOTE_OK);
}

static void what_is_no_certificate_is_refused(void **state)
{
    mote_span_t cut = peer_root(KEY_P256);

    (void)state;
    cut.size--;
    assert_int_equal(secure_with(mote_mbedtls_add_ca, cut), MOTE_ERR_ARGUMENT);
    assert_int_equal(secure_with(mote_mbedtls_add_ca_in_place, cut), MOTE_ERR_ARGUMENT);
    assert_int_equal(secure_with(mote_mbedtls_add_ca, mote_span_text("junk")), MOTE_ERR_ARGUMENT);
    assert_int_equal(secure_with(mote_mbedtls_add_ca, mote_span("", 1)), MOTE_ERR_ARGUMENT);
    assert_int_equal(secure_with(mote_mbedtls_add_ca, mote_span(NULL, 0)), MOTE_ERR_ARGUMENT);
}

/* A junk file after a good one must not pass for a good one. */
static void a_bad_addition_is_told_and_leaves_the_good_ones(void **state)
{
    mote_mbedtls_shared_t shared;

    (void)state;
    mote_mbedtls_shared_init(&shared);
    assert_int_equal(mote_mbedtls_add_ca(&shared, peer_root(KEY_P256)), MOTE_OK);
    assert_int_equal(mote_mbedtls_add_ca(&shared, mote_span_text("junk")), MOTE_ERR_ARGUMENT);
    assert_int_equal(shared.anchors.version, 3);
    mote_mbedtls_shared_free(&shared);
}

/* The server's own self-signed certificate, or a single CA, is trust enough. */
static void a_single_certificate_can_be_pinned(void **state)
{
    static const peer_certificate_t own = { .san = "DNS:" PAIR_NAME, .issuer = BY_SELF };

    (void)state;
    pair_start_with(&pair, &own, 0, 0, NULL);
    mote_mbedtls_shared_free(&pair.shared);
    assert_int_equal(mote_mbedtls_add_ca(&pair.shared, peer_own_certificate()), MOTE_OK);
    assert_int_equal(pair_secure(&pair), MOTE_OK);
    pair_stop(&pair);

    pair_start_with(&pair, &own, 0, 0, NULL); /* pinned or not, it must be for this host */
    mote_mbedtls_shared_free(&pair.shared);
    assert_int_equal(mote_mbedtls_add_ca(&pair.shared, peer_own_certificate()), MOTE_OK);
    pair.policy.name = mote_span_text("mail.example.org");
    assert_int_equal(pair_secure(&pair), MOTE_ERR_TLS_UNTRUSTED);
    pair_stop(&pair);
}

static void write_file(const char *path, mote_span_t bytes)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
    fclose(file);
}

static void anchors_come_from_files_and_directories(void **state)
{
    char directory[] = "/tmp/mote-tls-XXXXXX";
    char good[64];
    char junk[64];
    mote_span_t pem = peer_root_pem(KEY_P256);
    mote_mbedtls_shared_t shared;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(good, sizeof good, "%s/a.pem", directory);
    snprintf(junk, sizeof junk, "%s/b.pem", directory);
    write_file(good, mote_span(pem.data, pem.size - 1));
    write_file(junk, mote_span_text("junk"));
    mote_mbedtls_shared_init(&shared);
    assert_int_equal(mote_mbedtls_add_ca_file(&shared, junk), MOTE_ERR_ARGUMENT);
    assert_int_equal(mote_mbedtls_add_ca_file(&shared, "/nowhere/at/all"), MOTE_ERR_SOURCE);
    assert_int_equal(mote_mbedtls_add_ca_file(&shared, good), MOTE_OK);
    mote_mbedtls_shared_free(&shared);
    assert_int_equal(mote_mbedtls_add_ca_directory(&shared, directory), MOTE_OK);
    assert_int_equal(shared.anchors.version, 3);
    mote_mbedtls_shared_free(&shared);
    assert_int_equal(mote_mbedtls_add_ca_directory(&shared, "/nowhere/at/all"), MOTE_ERR_SOURCE);
    mote_mbedtls_shared_free(&shared);
    unlink(good);
    assert_int_equal(mote_mbedtls_add_ca_directory(&shared, directory), MOTE_ERR_ARGUMENT);
    mote_mbedtls_shared_free(&shared);
    unlink(junk);
    assert_int_equal(mote_mbedtls_add_ca_directory(&shared, directory), MOTE_ERR_ARGUMENT);
    mote_mbedtls_shared_free(&shared);
    rmdir(directory);
}

static void the_systems_bundle_is_found(void **state)
{
    mote_mbedtls_shared_t shared;
    const char *path = "";
    mote_status_t status;
    size_t before = heap_now;

    (void)state;
    mote_mbedtls_shared_init(&shared);
    status = mote_mbedtls_add_system_ca(&shared, &path);
    if (status == MOTE_ERR_SOURCE) {
        assert_null(path);
        skip();
    }
    assert_int_equal(status, MOTE_OK);
    assert_int_equal(access(path, R_OK), 0);
    print_message("trust: %s, %u bytes of heap\n", path, (unsigned)(heap_now - before));
    mote_mbedtls_shared_free(&shared);
    assert_int_equal(heap_now, before);
}

/* ---- the heap ---- */

static void report_heap(const char *label, int version, const peer_certificate_t *certificate)
{
    size_t before;
    size_t whole = heap_now;

    pair_start_with(&pair, certificate, version, version, NULL);
    assert_int_equal(mote_psa_acquire(), MOTE_OK);
    before = heap_now;
    heap_peak = before;
    calloc_count = 0;
    assert_int_equal(pair_secure(&pair), MOTE_OK);
    print_message("heap: %s: %u in the handshake, %u after it, %u allocations\n", label,
                  (unsigned)(heap_peak - before), (unsigned)(heap_now - before), calloc_count);
    assert_in_range(heap_peak - before, 1, 80000);
    mote_psa_release();
    pair_stop(&pair);
    assert_int_equal(heap_now, whole);
}

static void a_session_gives_all_of_its_heap_back(void **state)
{
    static const peer_certificate_t p256 = { .san = "DNS:" PAIR_NAME, .issuer = BY_INTERMEDIATE };
    static const peer_certificate_t rsa = { .san = "DNS:" PAIR_NAME,
                                            .issuer = BY_INTERMEDIATE,
                                            .key = KEY_RSA };
    static const peer_certificate_t p384 = { .san = "DNS:" PAIR_NAME,
                                             .issuer = BY_INTERMEDIATE,
                                             .key = KEY_P384 };

    (void)state;
    report_heap("TLS 1.2, P-256 chain", TLS1_2_VERSION, &p256);
    report_heap("TLS 1.2, RSA-2048 chain", TLS1_2_VERSION, &rsa);
    report_heap("TLS 1.3, P-256 chain", TLS1_3_VERSION, &p256);
    report_heap("TLS 1.3, P-384 chain", TLS1_3_VERSION, &p384);
    report_heap("TLS 1.3, RSA-2048 chain", TLS1_3_VERSION, &rsa);
    print_message("context: %u per delivery, %u shared\n", (unsigned)sizeof(mote_mbedtls_t),
                  (unsigned)sizeof(mote_mbedtls_shared_t));
}

/* Allocations fail, one in each handshake: never a success without proof, never a leak, never a crash. The thousands
   in the arithmetic are left out: there mbedTLS 3.6.6 itself may leak or read uninitialised memory when one fails. */
static void a_full_heap_ends_the_handshake_cleanly(void **state)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    mote_status_t status;
    unsigned k;
    size_t i;

    (void)state;
    for (i = 0; i < 2; i++) {
        size_t before = heap_now;

        pair_start(&pair, versions[i]);
        calloc_count = 0;
        assert_int_equal(pair_secure(&pair), MOTE_OK);
        assert_true(calloc_count > 100);
        pair_stop(&pair);
        for (k = 1; k <= 100; k++) {
            pair_start(&pair, versions[i]);
            calloc_count = 0;
            calloc_fails_at = k;
            status = pair_secure(&pair);
            calloc_fails_at = 0;
            pair_stop(&pair);
            if ((status == MOTE_OK && pair.result.protection != MOTE_PROTECTION_VERIFIED) ||
                heap_now != before) {
                fail_msg("TLS 1.%d, allocation %u: %s, %d bytes leaked", versions[i] - TLS1_VERSION, k,
                         mote_status_text(status), (int)(heap_now - before));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(psa_lives_as_long_as_it_has_users),
        cmocka_unit_test(without_name_or_anchor_nothing_begins),
        cmocka_unit_test(who_does_not_verify_needs_neither_name_nor_anchor),
        cmocka_unit_test(while_the_clock_is_not_set_no_certificate_is_acceptable),
        cmocka_unit_test(without_a_seeded_random_source_nothing_begins),
        cmocka_unit_test(sessions_beyond_the_limit_wait),
        cmocka_unit_test(anchors_come_in_der_and_pem),
        cmocka_unit_test(what_is_no_certificate_is_refused),
        cmocka_unit_test(a_bad_addition_is_told_and_leaves_the_good_ones),
        cmocka_unit_test(a_single_certificate_can_be_pinned),
        cmocka_unit_test(anchors_come_from_files_and_directories),
        cmocka_unit_test(the_systems_bundle_is_found),
        cmocka_unit_test(a_session_gives_all_of_its_heap_back),
        cmocka_unit_test(a_full_heap_ends_the_handshake_cleanly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
