/* The same port over an mbedTLS that a small device would build: no malloc, an arena; records of 4 KiB at most. */

#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <mbedtls/memory_buffer_alloc.h>
#include <psa/crypto.h>
#include <sys/random.h>

#include <cmocka.h>

static pair_t pair;
static uint8_t arena[64 * 1024];
static bool has_random = true;

psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context, uint8_t *output,
                                             size_t output_size, size_t *output_length)
{
    (void)context;
    if (!has_random || getrandom(output, output_size, 0) != (ssize_t)output_size) {
        return PSA_ERROR_INSUFFICIENT_ENTROPY;
    }
    *output_length = output_size;
    return PSA_SUCCESS;
}

static size_t arena_in_use(void)
{
    size_t bytes;
    size_t blocks;

    mbedtls_memory_buffer_alloc_cur_get(&bytes, &blocks);
    return bytes;
}

static int begin_arena(void **state)
{
    (void)state;
    mbedtls_memory_buffer_alloc_init(arena, sizeof arena);
    return 0;
}

static int end_arena(void **state)
{
    size_t left = arena_in_use();

    (void)state;
    mbedtls_memory_buffer_alloc_free();
    return left == 0 ? 0 : -1;
}

static void say_words(const char *part)
{
    if (strstr(pair.words, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", pair.words, part);
    }
}

static void a_dialogue_passes_in_an_arena(void **state)
{
    static const struct {
        const char *label;
        peer_certificate_t certificate;
        int version;
    } rows[] = {
        {"TLS 1.2, P-256 chain",  { .san = "DNS:" PAIR_NAME, .issuer = BY_INTERMEDIATE }, TLS1_2_VERSION},
        { "TLS 1.3, P-256 chain", { .san = "DNS:" PAIR_NAME, .issuer = BY_INTERMEDIATE }, TLS1_3_VERSION},
        { "TLS 1.2, RSA chain",
         { .san = "DNS:" PAIR_NAME, .issuer = BY_INTERMEDIATE, .key = KEY_RSA },
         TLS1_2_VERSION                                                                                 },
        { "TLS 1.3, RSA chain",
         { .san = "DNS:" PAIR_NAME, .issuer = BY_INTERMEDIATE, .key = KEY_RSA },
         TLS1_3_VERSION                                                                                 },
    };
    size_t bytes;
    size_t blocks;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pair_start_with(&pair, &rows[i].certificate, rows[i].version, rows[i].version, NULL);
        mbedtls_memory_buffer_alloc_max_reset();
        assert_int_equal(pair_converse(&pair), MOTE_OK);
        mbedtls_memory_buffer_alloc_max_get(&bytes, &blocks);
        print_message("arena: %s: %u in %u blocks\n", rows[i].label, (unsigned)bytes, (unsigned)blocks);
        pair_stop(&pair);
        assert_int_equal(arena_in_use(), 0);
    }
}

/* TLS-26: larger than the buffer is an error with a name of its own, and no byte of it is lent. */
static void a_record_larger_than_the_buffer_is_told(void **state)
{
    static char text[6000];
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    mote_span_t bytes;
    size_t i;

    (void)state;
    for (i = 0; i < 2; i++) {
        pair_start(&pair, versions[i]);
        assert_int_equal(pair_secure(&pair), MOTE_OK);
        peer_work(&pair.peer);
        peer_say_bytes(&pair.peer, text, sizeof text);
        assert_int_equal(mote_mbedtls_port.lend(&pair.tls, &bytes), MOTE_ERR_TLS_SPACE);
        assert_int_equal(mote_mbedtls_port.lend(&pair.tls, &bytes), MOTE_ERR_TLS_SPACE);
        pair_stop(&pair);
    }
}

static void a_server_that_is_asked_for_smaller_records_sends_them(void **state)
{
    static char text[20000];

    (void)state;
    pair_start(&pair, 0);
    pair.shared.max_fragment_bytes = 1024;
    assert_int_equal(pair_secure(&pair), MOTE_OK);
    say_words("TLSv1.2");
    peer_work(&pair.peer);
    peer_say_bytes(&pair.peer, text, sizeof text);
    assert_int_equal(pair_hear(&pair, sizeof text), MOTE_OK);
    pair_stop(&pair);

    pair_start(&pair, 0);
    pair.shared.max_fragment_bytes = 2048; /* more than the smaller of the two buffers */
    assert_int_equal(pair_secure(&pair), MOTE_ERR_TLS);
    say_words("max_fragment_bytes is no size that this mbedTLS can ask for");
    pair_stop(&pair);
}

static void record_size_limit_is_offered_in_tls_1_3(void **state)
{
    static const uint8_t limit[] = { 0, 28, 0, 2, 4096 >> 8, 0 }; /* RFC 8449 4 */
    size_t i;

    (void)state;
    pair_start(&pair, 0);
    assert_int_equal(pair_secure(&pair), MOTE_OK);
    say_words("TLSv1.3");
    for (i = 0; i < sizeof pair.peer.hello - 6 && memcmp(pair.peer.hello + i, limit, sizeof limit) != 0;
         i++) {
    }
    assert_true(i < sizeof pair.peer.hello - 6);
    pair_stop(&pair);
}

/* TLS-27 */
static void a_chain_larger_than_the_buffer_is_told(void **state)
{
    static const peer_certificate_t chain = { .san = "DNS:" PAIR_NAME,
                                              .issuer = BY_LONG_CHAIN,
                                              .key = KEY_RSA };
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    size_t i;

    (void)state;
    for (i = 0; i < 4; i++) {
        pair_start_with(&pair, &chain, versions[i % 2], versions[i % 2], NULL);
        if (i >= 2) {
            SSL_set_max_send_fragment(pair.peer.ssl, 1024);
        }
        assert_int_equal(pair_secure(&pair), MOTE_ERR_TLS_SPACE);
        say_words(i < 2 ? "server sent a record of " : "server sent a certificate chain");
        say_words(" larger than this build's buffer of 4096");
        pair_stop(&pair);
    }
}

/* TLS-32 */
static void a_random_source_that_fails_ends_the_attempt(void **state)
{
    (void)state;
    has_random = false;
    pair_start(&pair, 0);
    assert_int_equal(pair_secure(&pair), MOTE_ERR_RANDOM);
    assert_int_equal(pair.peer.from_client_count, 0);
    pair_stop(&pair);
    has_random = true;
}

static void an_arena_too_small_ends_the_handshake_cleanly(void **state)
{
    static const peer_certificate_t certificate = { .san = "DNS:" PAIR_NAME, .issuer = BY_INTERMEDIATE };
    mote_status_t status = MOTE_ERR_MEMORY;
    size_t size;

    (void)state;
    mbedtls_memory_buffer_alloc_free();
    for (size = 4096; size < sizeof arena && status != MOTE_OK; size += 256) {
        mbedtls_memory_buffer_alloc_init(arena, size);
        pair_start_with(&pair, &certificate, TLS1_3_VERSION, TLS1_3_VERSION, NULL);
        status = pair_secure(&pair);
        if (size < 8000) {
            assert_int_equal(status, MOTE_ERR_MEMORY);
        }
        pair_stop(&pair);
        mbedtls_memory_buffer_alloc_free();
    }
    assert_int_equal(status, MOTE_OK);
    print_message("arena: smallest that TLS 1.3 with a P-256 chain passes with: %u\n",
                  (unsigned)(size - 256));
    mbedtls_memory_buffer_alloc_init(arena, sizeof arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dialogue_passes_in_an_arena),
        cmocka_unit_test(a_record_larger_than_the_buffer_is_told),
        cmocka_unit_test(a_server_that_is_asked_for_smaller_records_sends_them),
        cmocka_unit_test(record_size_limit_is_offered_in_tls_1_3),
        cmocka_unit_test(a_chain_larger_than_the_buffer_is_told),
        cmocka_unit_test(a_random_source_that_fails_ends_the_attempt),
        cmocka_unit_test(an_arena_too_small_ends_the_handshake_cleanly),
    };

    return cmocka_run_group_tests(tests, begin_arena, end_arena);
}
