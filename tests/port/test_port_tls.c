/* ports/mbedtls over ports/posix conforms, in the clear and inside TLS. The other end is OpenSSL over a socket. */
#define _XOPEN_SOURCE 700
#include "../unit/test.h"
#include "peer.h"
#include "sockets.h"

#include <mailmote/posix.h>

#include <openssl/err.h>
#include <signal.h>

#define SERVER_NAME "smtp.example.net"

static port_bench_t bench;
static port_bench_t sockets; /* what lies below */
static mote_posix_t posix;
static mote_mbedtls_shared_t shared;
static mote_mbedtls_t tls;
static uint8_t room[MOTE_MBEDTLS_INPUT_BYTES];
static peer_t peer; /* for its certificate */
static SSL *ssl;
static mote_tls_policy_t policy = { .name = MOTE_SPAN(SERVER_NAME), .verifies = true };

static void drop_ssl(void)
{
    SSL_free(ssl);
    ssl = NULL;
}

static void listen_again(void)
{
    drop_ssl();
    sockets.listen();
}

static bool accept_one(void)
{
    if (!sockets.accept()) {
        return false;
    }
    ssl = SSL_new(peer.context);
    assert_non_null(ssl);
    SSL_set_accept_state(ssl);
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    assert_int_equal(SSL_set_fd(ssl, sockets_stream()), 1);
    return true;
}

static void pass_time(void)
{
    sockets.pass_time();
    if (ssl != NULL && !SSL_is_init_finished(ssl)) {
        (void)SSL_do_handshake(ssl);
        ERR_clear_error();
    }
}

static size_t say(const uint8_t *bytes, size_t size)
{
    int count = SSL_write(ssl, bytes, (int)size);

    ERR_clear_error();
    return count > 0 ? (size_t)count : 0;
}

static bench_heard_t hear(uint8_t *bytes, size_t capacity, size_t *size)
{
    int count = SSL_read(ssl, bytes, (int)capacity);
    int error = SSL_get_error(ssl, count);

    ERR_clear_error();
    *size = count > 0 ? (size_t)count : 0;
    if (count > 0) {
        return HEARD_BYTES;
    }
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? HEARD_NOTHING :
           error == SSL_ERROR_ZERO_RETURN                                 ? HEARD_END :
                                                                            HEARD_RESET;
}

static void end(void)
{
    (void)SSL_shutdown(ssl);
    ERR_clear_error();
    sockets.end();
}

static int set_up(void **state)
{
    static const peer_certificate_t certificate = { .san = "DNS:" SERVER_NAME };

    (void)state;
    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to sockets without a care */
    peer_start(&peer, &certificate, 0, 0, NULL);
    sockets_set_up(&sockets);
    mote_posix_init(&posix);
    posix.allows_loopback_source = true;
    mote_mbedtls_shared_init(&shared);
    assert_int_equal(mote_mbedtls_add_ca_in_place(&shared, peer_root(KEY_P256)), MOTE_OK);
    mote_mbedtls_init(&tls, &shared, &mote_posix_port, &posix, room, sizeof room);
    bench = sockets;
    bench.port = &mote_mbedtls_port;
    bench.self = &tls;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    drop_ssl();
    mote_mbedtls_port.abort(&tls);
    mote_posix_close(&posix);
    sockets_tear_down();
    mote_mbedtls_shared_free(&shared);
    peer_stop(&peer);
    return 0;
}

static void check(void)
{
    const char *name;
    const char *wrong = port_conformance(&bench, &name);

    if (wrong != NULL) {
        fail_msg("%s: %s", name, wrong);
    }
}

static void conforms_in_the_clear(void **state)
{
    (void)state;
    check();
}

static void conforms_inside_tls(void **state)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

    (void)state;
    bench.policy = &policy;
    bench.pass_time = pass_time;
    bench.listen = listen_again;
    bench.accept = accept_one;
    bench.say = say;
    bench.hear = hear;
    bench.end = end;
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        assert_int_equal(SSL_CTX_set_max_proto_version(peer.context, versions[i]), 1);
        check();
    }
}

/* A delivery that waits for its turn at TLS leaves the processor alone, also when its server has gone meanwhile or speaks. */
static void waiting_costs_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        static mote_posix_run_t run;
        mote_hop_t hop = { .host = TEXT("127.0.0.1"), .port = bench.server.port, .tls = MOTE_TLS_VERIFIED, .implicit = true };
        mote_route_t route = { .kind = MOTE_ROUTE_RELAY, .hops = &hop, .hop_count = 1 };
        mote_settings_t settings = { .routes = &route, .route_count = 1 };
        mote_posix_loop_t loop = { NULL, 0 };
        mote_recipient_t recipient = { .address = TEXT("ops@a.example") };
        mote_memory_source_t message;
        mote_mail_t mail = { .recipients = &recipient, .recipient_count = 1, .source = &message.source };
        unsigned step_count = 0;

        mote_memory_source_init(&message, TEXT("Subject: x\r\n\r\nhello\r\n"));
        shared.session_limit = 1;
        shared.session_count = 1; /* another delivery's */
        mote_posix_run_init(&run);
        run.port = &mote_mbedtls_port;
        run.self = &tls;
        mote_mbedtls_init(&tls, &shared, &mote_posix_port, &run.posix, room, sizeof room);
        sockets.listen();
        assert_int_equal(mote_posix_loop_add(&loop, &run, &settings, NULL, &mail), MOTE_OK);
        while (!sockets.accept()) {
            (void)mote_posix_loop_step(&loop, 1);
        }
        if (i == 0) {
            sockets.end();
        } else {
            (void)sockets.say((const uint8_t *)"HELLO", 5);
        }
        while (mote_posix_loop_step(&loop, 1000) > 0) {
            assert_true(++step_count < 20);
        }
        assert_int_equal(recipient.verdict, MOTE_VERDICT_TRANSIENT);
        assert_int_equal(recipient.report.status, i == 0 ? MOTE_ERR_LINK_LOST : MOTE_ERR_TLS);
        shared.session_count = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(waiting_costs_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(conforms_in_the_clear, set_up, tear_down),
        cmocka_unit_test_setup_teardown(conforms_inside_tls, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
