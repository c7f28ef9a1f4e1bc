#include "test.h"

#include "../dns_answer.h"

static dns_message_t message;

static mote_dns_answer_t answer_of(const char *text)
{
    mote_dns_header_t header;
    mote_dns_answer_t answer;

    message_ask(&message, 1, "example.net", "MX");
    message_answer(&message, text);
    assert_int_equal(mote_dns_read(message_span(&message), &header), MOTE_OK);
    assert_int_equal(mote_dns_follow(&header, &answer), MOTE_OK);
    return answer;
}

/* Asks for one host after the other and writes them with blanks between; returns how the last call went. */
static mote_status_t order(const mote_dns_answer_t *answer, uint32_t seed, const mote_span_t *own_names,
                           size_t own_name_count, char *text, size_t capacity)
{
    mote_writer_t out = mote_writer((uint8_t *)text, capacity - 1);
    mote_mx_rank_t rank = { 0, 0 };
    uint32_t limit = MOTE_MX_NO_LIMIT;
    mote_dns_name_t host;
    mote_status_t status;

    while ((status = mote_mx_next(answer, seed, own_names, own_name_count, &rank, &limit, &host)) == MOTE_OK) {
        if (out.size > 0) {
            mote_write_u8(&out, ' ');
        }
        mote_dns_name_write(&out, &host);
    }
    text[mote_writer_stored(&out)] = '\0';
    return status;
}

/* DNS-22, MX-8, MX-9, MX-10, MX-19, MX-20 */
static void orders(void **state)
{
    static const mote_span_t own_names[] = { MOTE_SPAN("other.test"), MOTE_SPAN("Me.example") };
    static const struct {
        const char *answer;
        const char *hosts;
        mote_status_t status; /* of the call that finds none (any more) */
    } cases[] = {
        { "NOERROR | @ MX 10 a.test", "a.test", MOTE_ERR_NO_DATA },
        { "NOERROR | @ MX 20 b.test | @ MX 10 a.test", "a.test b.test", MOTE_ERR_NO_DATA },
        /* MX-10: unsigned, 16 bits */
        { "NOERROR | @ MX 65535 d.test | @ MX 32768 c.test | @ MX 1 b.test | @ MX 0 a.test", "a.test b.test c.test d.test",
          MOTE_ERR_NO_DATA },
        { "NOERROR | @ MX 32768 b.test | @ MX 32767 a.test", "a.test b.test", MOTE_ERR_NO_DATA },
        /* DNS-22 */
        { "NOERROR | @ MX 10 a.test | @ MX 10 a.test | @ MX 10 A.TEST", "a.test", MOTE_ERR_NO_DATA },
        { "NOERROR | @ MX 10 a.test | @ MX 20 a.test", "a.test a.test", MOTE_ERR_NO_DATA }, /* once for each preference */
        { "NOERROR | @ MX 10 mail.a.test | @ MX 10 maila.test", "mail.a.test maila.test", MOTE_ERR_NO_DATA },
        /* MX-8, MX-9 */
        { "NOERROR | @ MX 0 .", "", MOTE_ERR_NULL_MX },
        { "NOERROR | @ MX 17 .", "", MOTE_ERR_NULL_MX },
        { "NOERROR | @ MX 0 . | @ MX 0 .", "", MOTE_ERR_NULL_MX },
        { "NOERROR | @ MX 0 . | @ MX 10 a.test", "a.test", MOTE_ERR_NO_DATA },
        { "NOERROR | @ MX 10 a.test | @ MX 20 .", "a.test", MOTE_ERR_NO_DATA },
        { "NOERROR | @ MX 0 . | stray.test MX 10 a.test", "", MOTE_ERR_NULL_MX },
        /* MX-19, DNS-19 */
        { "NOERROR | @ MX 10 192.0.2.1 | @ MX 20 a.test", "a.test", MOTE_ERR_NO_DATA },
        { "NOERROR | @ MX 10 192.0.2.1", "", MOTE_ERR_NO_DATA },
        { "NOERROR | @ MX 10 [192\\0460\\0462\\0461]", "", MOTE_ERR_NO_DATA },
        { "NOERROR | @ MX 10 evil\\000.test | @ MX 10 a\\.b.test", "", MOTE_ERR_NO_DATA },
        { "NOERROR | @ MX 10 a\\064b.test | @ MX 20 b.test", "b.test", MOTE_ERR_NO_DATA },
        { "NOERROR | @ MX 10 mx", "", MOTE_ERR_NO_DATA },
        { "NOERROR | @ MX 0 . | @ MX 10 192.0.2.1", "", MOTE_ERR_NO_DATA },
        /* MX-20 */
        { "NOERROR | @ MX 5 a.test | @ MX 10 me.EXAMPLE | @ MX 20 b.test", "a.test", MOTE_ERR_NO_DATA },
        { "NOERROR | @ MX 20 b.test | @ MX 10 me.example | @ MX 5 a.test", "a.test", MOTE_ERR_NO_DATA },
        { "NOERROR | @ MX 10 me.example | @ MX 10 a.test", "", MOTE_ERR_OURSELVES },
        { "NOERROR | @ MX 0 me.example", "", MOTE_ERR_OURSELVES },
        { "NOERROR | @ MX 65535 me.example | @ MX 65534 a.test", "a.test", MOTE_ERR_NO_DATA },
        { "NOERROR | @ MX 5 192.0.2.1 | @ MX 10 me.example | @ MX 20 b.test", "", MOTE_ERR_OURSELVES },
        { "NOERROR | @ MX 30 me.example | @ MX 10 other.test | @ MX 5 a.test | @ MX 20 b.test", "a.test",
          MOTE_ERR_NO_DATA },
        { "NOERROR | @ MX 10 xme.example | @ MX 20 me.example.test", "xme.example me.example.test", MOTE_ERR_NO_DATA },
        { "NOERROR | @ MX 10 me\\046example | @ MX 20 a.test", "a.test", MOTE_ERR_NO_DATA }, /* one label: not our name */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_dns_answer_t answer = answer_of(cases[i].answer);
        char text[256];

        CHECK(order(&answer, 77, own_names, COUNT_OF(own_names), text, sizeof text) == cases[i].status, cases[i].answer);
        CHECK(strcmp(text, cases[i].hosts) == 0, cases[i].answer);
    }
}

/* A name of one label can be ours, though never a host to send to. */
static void ourselves_in_one_label(void **state)
{
    static const mote_span_t own_names[] = { MOTE_SPAN("mailhost") };
    mote_dns_answer_t answer = answer_of("NOERROR | @ MX 10 mailhost | @ MX 20 a.test");
    char text[64];

    (void)state;
    assert_int_equal(order(&answer, 1, own_names, 1, text, sizeof text), MOTE_ERR_OURSELVES);
    answer = answer_of("NOERROR | @ MX 10 mailhost");
    assert_int_equal(order(&answer, 1, own_names, 1, text, sizeof text), MOTE_ERR_OURSELVES);
}

/* The limit found by an address (MX-21) holds for the hosts that follow, and no call raises it. */
static void a_limit_by_address(void **state)
{
    mote_dns_answer_t answer = answer_of("NOERROR | @ MX 5 a.test | @ MX 10 b.test | @ MX 20 c.test");
    mote_mx_rank_t rank = { 0, 0 };
    uint32_t limit = MOTE_MX_NO_LIMIT;
    mote_dns_name_t host;

    (void)state;
    assert_int_equal(mote_mx_next(&answer, 1, NULL, 0, &rank, &limit, &host), MOTE_OK);
    assert_int_equal(limit, MOTE_MX_NO_LIMIT);
    limit = 20;
    assert_int_equal(mote_mx_next(&answer, 1, NULL, 0, &rank, &limit, &host), MOTE_OK);
    assert_true(mote_dns_name_equals_text(&host, TEXT("b.test")));
    assert_int_equal(mote_mx_next(&answer, 1, NULL, 0, &rank, &limit, &host), MOTE_ERR_NO_DATA);
    assert_int_equal(limit, 20);
}

/* MX-12: forty hosts, the best one last. */
static void the_best_is_last(void **state)
{
    char text[2048] = "NOERROR";
    mote_mx_rank_t rank = { 0, 0 };
    uint32_t limit = MOTE_MX_NO_LIMIT;
    mote_dns_answer_t answer;
    mote_dns_name_t host;

    (void)state;
    for (unsigned i = 40; i > 0; i--) {
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), " | @ MX %u mx%u.@", i, i);
    }
    answer = answer_of(text);
    for (unsigned i = 1; i <= 40; i++) {
        char name[32];

        (void)snprintf(name, sizeof name, "mx%u.example.net", i);
        assert_int_equal(mote_mx_next(&answer, 7, NULL, 0, &rank, &limit, &host), MOTE_OK);
        assert_true(mote_dns_name_equals_text(&host, mote_span_text(name)));
    }
    assert_int_equal(mote_mx_next(&answer, 7, NULL, 0, &rank, &limit, &host), MOTE_ERR_NO_DATA);
}

static unsigned index_of(const mote_dns_name_t *host)
{
    uint8_t text[64];
    mote_writer_t out = mote_writer(text, sizeof text);

    mote_dns_name_write(&out, host);
    return (unsigned)(text[2] - '1');
}

/* MX-11: over ten thousand seeds each order of equals is as likely as any other. */
static void shuffles(void **state)
{
    static const char *const answers[] = {
        "NOERROR | @ MX 10 mx1.@ | @ MX 10 mx2.@ | @ MX 10 mx3.@",
        "NOERROR | @ MX 10 mx1.a.test | @ MX 10 mx2.b.test | @ MX 10 mx3.somewhere-else.example",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        for (unsigned kind = 0; kind < 2; kind++) {
            unsigned counts[27] = { 0 };

            for (uint32_t seed = 0; seed < 10000; seed++) {
                mote_dns_answer_t answer = answer_of(answers[i]);
                mote_mx_rank_t rank = { 0, 0 };
                uint32_t limit = MOTE_MX_NO_LIMIT;
                mote_dns_name_t host;
                unsigned permutation = 0;

                while (mote_mx_next(&answer, kind == 0 ? seed : seed << 18, NULL, 0, &rank, &limit, &host) == MOTE_OK) {
                    permutation = permutation * 3 + index_of(&host);
                }
                counts[permutation]++;
            }
            /* 10000 / 6 = 1667, standard deviation 37: five of them either way. */
            for (unsigned permutation = 0; permutation < 27; permutation++) {
                unsigned a = permutation / 9, b = permutation / 3 % 3, c = permutation % 3;
                bool is_order = a != b && b != c && a != c;

                CHECK(is_order ? counts[permutation] > 1480 && counts[permutation] < 1855 : counts[permutation] == 0,
                      answers[i]);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders),           cmocka_unit_test(ourselves_in_one_label), cmocka_unit_test(a_limit_by_address),
        cmocka_unit_test(the_best_is_last), cmocka_unit_test(shuffles),
    };

    return cmocka_run_group_tests_name("mx", tests, NULL, NULL);
}
