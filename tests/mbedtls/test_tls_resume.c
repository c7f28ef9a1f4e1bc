/* Sessions kept in the caller's memory: what is resumed, and all that must not be. */

#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static pair_t pair;
static uint8_t kept[2048];
static size_t capacity;
static time_t time_ahead_s;

time_t __real_time(time_t *when);
time_t __wrap_time(time_t *when);

time_t __wrap_time(time_t *when)
{
    time_t now = __real_time(NULL) + time_ahead_s;

    if (when != NULL) {
        *when = now;
    }
    return now;
}

/* How a server lets a session be resumed. */
typedef enum way { TICKET_1_2, ID_1_2, TICKET_1_3, WAY_COUNT } way_t;
static const char *const way_names[] = { "ticket of TLS 1.2", "session ID of TLS 1.2", "ticket of TLS 1.3" };

static void start_way_with(way_t way, const peer_certificate_t *certificate)
{
    int version = way == TICKET_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;

    time_ahead_s = 0;
    capacity = MOTE_MBEDTLS_SESSION_BYTES;
    memset(kept, 0x5a, sizeof kept);
    pair_start_with(&pair, certificate, version, version, NULL);
    SSL_CTX_set_session_id_context(pair.peer.context, (const unsigned char *)"peer", 4);
    if (way == ID_1_2) {
        SSL_CTX_set_options(pair.peer.context, SSL_OP_NO_TICKET);
    }
    peer_again(&pair.peer); /* each connection takes what its context says when it begins */
    mote_mbedtls_keep_session(&pair.tls, kept, capacity);
}

static void start_way(way_t way)
{
    static const peer_certificate_t certificate = { .san = "DNS:" PAIR_NAME ",DNS:mail.example.net" };

    start_way_with(way, &certificate);
}

static void connect_to(uint16_t port)
{
    mote_endpoint_t endpoint = { .port = port };

    assert_int_equal(mote_mbedtls_port.connect(&pair.tls, &endpoint), MOTE_OK);
}

/* The device has hung up and calls again. */
static void call_again(void)
{
    mote_mbedtls_port.close(&pair.tls);
    peer_again(&pair.peer);
    pair.heard_size = 0;
    mote_mbedtls_init(&pair.tls, &pair.shared, &peer_port, &pair.peer, pair.room, sizeof pair.room);
    mote_mbedtls_keep_session(&pair.tls, kept, capacity);
    connect_to(0);
}

static void expect(way_t way, bool is_resumed, const char *when)
{
    mote_status_t status = pair_converse(&pair);

    if (status != MOTE_OK || SSL_session_reused(pair.peer.ssl) != is_resumed ||
        (strstr(pair.words, ", resumed") != NULL) != is_resumed) {
        fail_msg("%s, %s: %s, \"%s\"", way_names[way], when, mote_status_text(status), pair.words);
    }
    if (pair.policy.verifies) {
        assert_int_equal(pair.result.protection, MOTE_PROTECTION_VERIFIED);
        assert_non_null(strstr(pair.words, ", verified for "));
    }
}

static void start_and_talk(way_t way)
{
    start_way(way);
    connect_to(0);
    expect(way, false, "first");
}

static bool hello_names_the_server(void)
{
    size_t i;

    for (i = 0; i + sizeof PAIR_NAME <= sizeof pair.peer.hello &&
                memcmp(pair.peer.hello + i, PAIR_NAME, sizeof PAIR_NAME - 1) != 0;
         i++) {
    }
    return i + sizeof PAIR_NAME <= sizeof pair.peer.hello;
}

/* TLS-24, PERF-8 */
static void a_second_connection_resumes(void **state)
{
    size_t full;
    unsigned i;
    way_t way;

    (void)state;
    for (way = 0; way < WAY_COUNT; way++) {
        start_and_talk(way);
        full = pair.peer.to_client_count + pair.peer.from_client_count;
        for (i = 0; i < 3; i++) {
            call_again();
            expect(way, true, "again");
            assert_true(hello_names_the_server()); /* TLS-19 */
        }
        print_message("%s: %u octets in full, %u resumed\n", way_names[way], (unsigned)full,
                      (unsigned)(pair.peer.to_client_count + pair.peer.from_client_count));
        assert_true(pair.peer.to_client_count + pair.peer.from_client_count < full);
        pair_stop(&pair);
    }
}

static void a_resumed_dialogue_passes_octet_by_octet(void **state)
{
    way_t way;

    (void)state;
    for (way = 0; way < WAY_COUNT; way++) {
        start_and_talk(way);
        call_again();
        pair.peer.chunk_bytes = 1;
        pair.peer.pends_often = true;
        expect(way, true, "octet by octet");
        pair_stop(&pair);
    }
}

/* No early data, and in TLS 1.3 never without a fresh key exchange (TLS-22, TLS-25). */
static void the_hello_offers_a_session_and_no_more(void **state)
{
    static const uint8_t modes[] = { 0, TLSEXT_TYPE_psk_kex_modes, 0, 2, 1, 1 /* psk_dhe_ke */ };
    size_t i;

    (void)state;
    start_and_talk(TICKET_1_3);
    call_again();
    expect(TICKET_1_3, true, "again");
    for (i = 0; i < pair.peer.hello_extension_count; i++) {
        assert_int_not_equal(pair.peer.hello_extensions[i], TLSEXT_TYPE_early_data);
    }
    for (i = 0;
         i + sizeof modes < sizeof pair.peer.hello && memcmp(pair.peer.hello + i, modes, sizeof modes) != 0;
         i++) {
    }
    assert_true(i + sizeof modes < sizeof pair.peer.hello);
    pair_stop(&pair);
}

/* Another group than the one of the key share: the ClientHello goes out twice, the ticket with both. */
static void a_server_may_ask_for_another_key_share(void **state)
{
    (void)state;
    start_way(TICKET_1_3);
    connect_to(0);
    assert_int_equal(SSL_set1_groups_list(pair.peer.ssl, "P-384"), 1);
    expect(TICKET_1_3, false, "first");
    call_again();
    assert_int_equal(SSL_set1_groups_list(pair.peer.ssl, "P-384"), 1);
    expect(TICKET_1_3, true, "P-384");
    pair_stop(&pair);
}

/* PERF-8: refused, it costs no further connection. */
static void a_server_that_knows_the_session_no_more_gets_a_full_handshake(void **state)
{
    unsigned char keys[80] = { 1 };
    way_t way;

    (void)state;
    for (way = 0; way < WAY_COUNT; way++) {
        start_and_talk(way);
        SSL_CTX_set_tlsext_ticket_keys(pair.peer.context, keys, sizeof keys);
        SSL_CTX_set_session_id_context(pair.peer.context, (const unsigned char *)"new", 3); /* what it keeps is of another */
        call_again();
        expect(way, false, "keys lost");
        call_again();
        expect(way, true, "after a full handshake");
        pair_stop(&pair);
    }
}

/* ---- what must not be resumed ---- */

static void other_name(void)
{
    pair.policy.name = mote_span_text("mail.example.net");
}

static void shorter_name(void)
{
    pair.policy.name = mote_span_text("mail.example.net.");
}

static void other_port(void)
{
    connect_to(587);
}

static void further_ca(void)
{
    assert_int_equal(mote_mbedtls_add_ca_in_place(&pair.shared, peer_root(KEY_RSA)), MOTE_OK);
}

static void smaller_records(void)
{
    pair.shared.max_fragment_bytes = 1024;
}

static void no_verification(void)
{
    pair.policy.verifies = false;
}

static void no_room(void)
{
    mote_mbedtls_keep_session(&pair.tls, NULL, 0);
}

static void no_content(void)
{
    memset(kept, 0, sizeof kept);
}

static void shorter_room(void)
{
    mote_mbedtls_keep_session(&pair.tls, kept, 100);
}

static void a_day_later(void)
{
    time_ahead_s = 24 * 3600 + 1; /* the servers here say 300 s (TLS 1.2) and 7200 s, or nothing */
}

static void before(void)
{
    time_ahead_s = -3600; /* the clock was set back: nobody knows how old it is */
}

/* TLS-24: bound to name, port, mode and anchors; to the ticket's life; off unless asked for. */
static void a_session_is_for_what_it_was_made_for_alone(void **state)
{
    static const struct {
        const char *label;
        void (*change)(void);
    } rows[] = {
        {"another name",             other_name     },
        { "another name and a dot",  shorter_name   },
        { "another port",            other_port     },
        { "a further CA",            further_ca     },
        { "smaller records",         smaller_records},
        { "without verification",    no_verification},
        { "no room",                 no_room        },
        { "content lost",            no_content     },
        { "content cut off",         shorter_room   },
        { "after the ticket's life", a_day_later    },
        { "before it was made",      before         },
    };
    size_t i;

    (void)state;
    for (i = 0; i < WAY_COUNT * sizeof rows / sizeof rows[0]; i++) {
        if (i % WAY_COUNT == TICKET_1_3 && rows[i / WAY_COUNT].change == smaller_records) {
            continue; /* asked for in TLS 1.2 alone */
        }
        start_and_talk(i % WAY_COUNT);
        call_again();
        rows[i / WAY_COUNT].change();
        expect(i % WAY_COUNT, false, rows[i / WAY_COUNT].label);
        pair_stop(&pair);
    }
}

/* TLS-24: what was not verified is never resumed as if it were: it is not even kept. */
static void a_session_without_verification_is_not_kept(void **state)
{
    static const peer_certificate_t bad[] = {
        {.san = "DNS:" PAIR_NAME, .issuer = BY_STRANGER },
        { .san = "DNS:other.example.net"                     },
        { .san = "DNS:" PAIR_NAME,  .from_days = -9, .to_days = -2 },
        { .san = "DNS:" PAIR_NAME      }
    };
    size_t i;
    size_t at;

    (void)state;
    for (i = 0; i < WAY_COUNT * sizeof bad / sizeof bad[0]; i++) {
        start_way_with(i % WAY_COUNT, &bad[i / WAY_COUNT]);
        connect_to(0);
        pair.policy.verifies = false;
        expect(i % WAY_COUNT, false, "first");
        for (at = 0; at < sizeof kept; at++) {
            assert_int_equal(kept[at], 0x5a);
        }
        call_again();
        pair.policy.verifies = true;
        assert_int_equal(pair_secure(&pair), i / WAY_COUNT == 3 ? MOTE_OK : MOTE_ERR_TLS_UNTRUSTED);
        assert_int_equal(SSL_session_reused(pair.peer.ssl), 0);
        pair_stop(&pair);
    }
}

/* With another CA alone the server is not to be believed, whatever was kept. */
static void a_ca_that_is_no_longer_trusted_ends_it(void **state)
{
    way_t way;

    (void)state;
    for (way = 0; way < WAY_COUNT; way++) {
        start_and_talk(way);
        call_again();
        mote_mbedtls_shared_free(&pair.shared);
        assert_int_equal(mote_mbedtls_add_ca_in_place(&pair.shared, peer_root(KEY_RSA)), MOTE_OK);
        assert_int_equal(pair_secure(&pair), MOTE_ERR_TLS_UNTRUSTED);
        pair_stop(&pair);
    }
}

/* A certificate that has expired since is not believed for the session's sake; nor a session older than a week. */
static void a_session_ends_with_its_certificate_and_after_a_week(void **state)
{
    static const peer_certificate_t short_lived = { .san = "DNS:" PAIR_NAME, .from_days = -1, .to_days = 2 };
    way_t way;

    (void)state;
    for (way = 0; way < WAY_COUNT; way++) {
        start_way_with(way, &short_lived);
        SSL_CTX_set_timeout(pair.peer.context, 20L * 24 * 3600);
        connect_to(0);
        expect(way, false, "first");
        call_again();
        time_ahead_s = 3 * 24 * 3600;
        assert_int_equal(pair_secure(&pair), MOTE_ERR_TLS_UNTRUSTED);
        assert_non_null(strstr(pair.words, "expired on "));
        pair_stop(&pair);

        start_way(way);
        SSL_CTX_set_timeout(pair.peer.context, 20L * 24 * 3600);
        connect_to(0);
        expect(way, false, "first");
        call_again();
        time_ahead_s = 7 * 24 * 3600;
        expect(way, false, "a week later");
        pair_stop(&pair);
    }
}

static void while_the_clock_is_not_set_nothing_is_resumed_or_kept(void **state)
{
    uint8_t before_it[sizeof kept];

    (void)state;
    start_and_talk(TICKET_1_3);
    memcpy(before_it, kept, sizeof kept);
    call_again();
    pair.shared.accepts_unset_clock = true;
    time_ahead_s = -__real_time(NULL);
    expect(TICKET_1_3, false, "no clock");
    assert_memory_equal(kept, before_it, sizeof kept);
    pair_stop(&pair);
}

/* PORT-9: any octet may be another one; then it is as if nothing had been kept. */
static void damaged_content_is_never_believed(void **state)
{
    size_t size;
    size_t at;
    way_t way;

    (void)state;
    for (way = 0; way < WAY_COUNT; way++) {
        start_and_talk(way);
        for (size = MOTE_MBEDTLS_SESSION_BYTES; kept[size - 1] == 0x5a; size--) {
        }
        for (at = 0; at < size; at += at % 32 < 4 ? 1 : 11) {
            call_again();
            kept[at] ^= 0x10;
            expect(way, false, "damaged");
        }
        assert_true(at > 180);
        pair_stop(&pair);
    }
}

static void random_content_is_never_believed(void **state)
{
    unsigned number = 1;
    size_t at;
    way_t way;

    (void)state;
    for (way = 0; way < WAY_COUNT; way++) {
        start_way(way);
        connect_to(0);
        for (at = 0; at < sizeof kept; at++) {
            number = number * 1103515245u + 12345u;
            kept[at] = (uint8_t)(number >> 16);
        }
        expect(way, false, "random");
        pair_stop(&pair);
    }
}

/* In any room nothing behind it is touched; the least that holds a session is found. */
static void a_session_is_kept_where_it_fits(void **state)
{
    size_t at;
    way_t way;

    (void)state;
    for (way = 0; way < WAY_COUNT; way++) {
        bool is_resumed = false;

        start_way(way);
        for (capacity = 0; capacity < 600 && !is_resumed; capacity += capacity < 150 ? 50 : 17) {
            memset(kept, 0x5a, sizeof kept);
            call_again();
            expect(way, false, "first");
            for (at = capacity; at < sizeof kept; at++) {
                assert_int_equal(kept[at], 0x5a);
            }
            call_again();
            assert_int_equal(pair_converse(&pair), MOTE_OK);
            is_resumed = SSL_session_reused(pair.peer.ssl) != 0;
        }
        print_message("%s: kept in %u bytes\n", way_names[way], (unsigned)capacity - 17);
        assert_true(is_resumed && capacity > 150);
        pair_stop(&pair);
    }
}

/* ---- spent ---- */

static bool is_forgotten(void)
{
    size_t at;

    for (at = 0; at < capacity && kept[at] == 0; at++) {
    }
    return at == capacity;
}

static void a_session_whose_handshake_failed_is_forgotten(void **state)
{
    way_t way;

    (void)state;
    for (way = 0; way < WAY_COUNT; way++) {
        start_and_talk(way);
        call_again();
        pair.peer.cut_at = 60;
        assert_int_equal(pair_secure(&pair), MOTE_ERR_LINK_LOST);
        assert_true(is_forgotten());
        call_again();
        expect(way, false, "after a failure");
        pair_stop(&pair);
    }
}

/* Postfix gives no further ticket in a resumed session. */
static void a_ticket_is_good_until_another_comes(void **state)
{
    unsigned i;

    (void)state;
    start_and_talk(TICKET_1_3);
    for (i = 0; i < 3; i++) {
        call_again();
        SSL_set_num_tickets(pair.peer.ssl, 0);
        expect(TICKET_1_3, true, "the same ticket");
    }
    time_ahead_s = 7200; /* its life counts from when it came */
    call_again();
    expect(TICKET_1_3, false, "the ticket's time is over");
    pair_stop(&pair);
}

static void a_server_that_gives_no_session_leaves_none(void **state)
{
    (void)state;
    start_and_talk(TICKET_1_2);
    SSL_CTX_set_options(pair.peer.context, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(pair.peer.context, SSL_SESS_CACHE_OFF);
    call_again();
    expect(TICKET_1_2, false, "no tickets any more");
    pair_stop(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_connection_resumes),
        cmocka_unit_test(a_resumed_dialogue_passes_octet_by_octet),
        cmocka_unit_test(the_hello_offers_a_session_and_no_more),
        cmocka_unit_test(a_server_may_ask_for_another_key_share),
        cmocka_unit_test(a_server_that_knows_the_session_no_more_gets_a_full_handshake),
        cmocka_unit_test(a_session_is_for_what_it_was_made_for_alone),
        cmocka_unit_test(a_session_without_verification_is_not_kept),
        cmocka_unit_test(a_ca_that_is_no_longer_trusted_ends_it),
        cmocka_unit_test(a_session_ends_with_its_certificate_and_after_a_week),
        cmocka_unit_test(while_the_clock_is_not_set_nothing_is_resumed_or_kept),
        cmocka_unit_test(damaged_content_is_never_believed),
        cmocka_unit_test(random_content_is_never_believed),
        cmocka_unit_test(a_session_is_kept_where_it_fits),
        cmocka_unit_test(a_session_whose_handshake_failed_is_forgotten),
        cmocka_unit_test(a_ticket_is_good_until_another_comes),
        cmocka_unit_test(a_server_that_gives_no_session_leaves_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
