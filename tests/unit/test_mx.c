#include "dns_message.h"

static message_t message;

typedef struct record {
    unsigned preference;
    const char *exchange;
} record_t;

static mote_dns_answer_t put_set(const record_t *records, size_t count)
{
    mote_dns_header_t header;
    mote_dns_answer_t answer;

    put_header(&message, 1, 0x8180, (unsigned)count, 0, 0);
    put_question(&message, "example.net", MOTE_DNS_MX);
    for (size_t i = 0; i < count; i++) {
        put_mx(&message, "@12", records[i].preference, records[i].exchange);
    }
    assert_int_equal(mote_dns_read(bytes_of(&message), &header), MOTE_OK);
    assert_int_equal(mote_dns_follow(bytes_of(&message), &header, &answer), MOTE_OK);
    return answer;
}

/* Walks all hosts in order: "mx1 mx2 ", then how it ended. */
static mote_status_t walk(const mote_dns_answer_t *answer, uint32_t seed, const mote_span_t *own, size_t own_count,
                          char *order)
{
    mote_mx_rank_t rank = { 0, 0 };
    uint32_t limit = MOTE_MX_NO_LIMIT;
    mote_dns_name_t host;
    mote_status_t status;

    order[0] = '\0';
    while ((status = mote_mx_next(answer, seed, own, own_count, &rank, &limit, &host)) == MOTE_OK) {
        uint8_t text[300];
        mote_writer_t out = mote_writer(text, sizeof text);

        mote_dns_name_write(&out, &host);
        strncat(order, (char *)text, mote_span_find(mote_span(text, out.size), '.'));
        strcat(order, " ");
    }
    return status;
}

static const mote_span_t own[] = { { (const uint8_t *)"ME.example.net", 14 } };

static void orders(void **state)
{
    static const struct {
        const char *name;
        record_t records[6];
        const char *order;
        mote_status_t status;
    } cases[] = {
        { "by preference", { { 20, "b.ex.net" }, { 10, "a.ex.net" }, { 30, "c.ex.net" } }, "a b c ", MOTE_ERR_NO_DATA },
        { "unsigned, 16 bits", { { 65535, "d.ex.net" }, { 0, "a.ex.net" }, { 32768, "c.ex.net" }, { 1, "b.ex.net" } },
          "a b c d ", MOTE_ERR_NO_DATA }, /* MX-10 */
        { "duplicates", { { 10, "a.ex.net" }, { 10, "A.EX.net" }, { 20, "b.ex.net" }, { 20, "b.ex.net" } }, "a b ",
          MOTE_ERR_NO_DATA }, /* DNS-22 */
        { "null MX", { { 0, "" } }, "", MOTE_ERR_NULL_MX }, /* MX-8 */
        { "null MX with a preference", { { 10, "" } }, "", MOTE_ERR_NULL_MX },
        { "null MX beside others", { { 0, "" }, { 10, "a.ex.net" } }, "a ", MOTE_ERR_NO_DATA }, /* MX-9 */
        { "an address is no host", { { 5, "192.0.2.1" }, { 10, "a.ex.net" } }, "a ", MOTE_ERR_NO_DATA }, /* MX-19 */
        { "none usable", { { 5, "192.0.2.1" }, { 10, "a_b.ex.net" } }, "", MOTE_ERR_NO_DATA },
        { "ourselves in the middle", { { 10, "me.example.net" }, { 5, "a.ex.net" }, { 20, "b.ex.net" } }, "a ",
          MOTE_ERR_NO_DATA }, /* MX-20 */
        { "ourselves beside an equal", { { 10, "me.example.net" }, { 10, "a.ex.net" } }, "", MOTE_ERR_OURSELVES },
        { "only ourselves", { { 10, "me.example.net" } }, "", MOTE_ERR_OURSELVES },
    };
    char order[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t count = 0;

        while (count < COUNT_OF(cases[i].records) && cases[i].records[count].exchange != NULL) {
            count++;
        }
        for (uint32_t seed = 0; seed < 20; seed++) {
            mote_dns_answer_t answer = put_set(cases[i].records, count);

            CHECK(walk(&answer, seed, own, 1, order) == cases[i].status, cases[i].name);
            CHECK(strcmp(order, cases[i].order) == 0, cases[i].name);
        }
    }
}

/* MX-11: equals are shuffled afresh by each seed; every host is first equally often. */
static void shuffle(void **state)
{
    static const record_t records[] = { { 10, "a.ex.net" }, { 10, "b.ex.net" }, { 10, "c.ex.net" }, { 10, "d.ex.net" } };
    mote_dns_answer_t answer = put_set(records, COUNT_OF(records));
    unsigned first[4] = { 0, 0, 0, 0 };
    unsigned second_after_a[4] = { 0, 0, 0, 0 };
    char order[64];

    (void)state;
    for (uint32_t seed = 0; seed < 10000; seed++) {
        (void)walk(&answer, seed * 2654435761U, NULL, 0, order);
        assert_int_equal(strlen(order), 8);
        first[order[0] - 'a']++;
        if (order[0] == 'a') {
            second_after_a[order[2] - 'a']++;
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_in_range(first[i], 2300, 2700); /* 2500 +- 4.6 standard deviations */
        assert_true(i == 0 || (second_after_a[i] > 700 && second_after_a[i] < 970));
    }
}

static void best_of_forty_is_last(void **state) /* MX-12 */
{
    char names[40][16];
    record_t records[40];
    char order[1024];
    mote_dns_answer_t answer;

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        (void)snprintf(names[i], sizeof names[i], "h%02u.ex.net", i);
        records[i].preference = 100 - i;
        records[i].exchange = names[i];
    }
    answer = put_set(records, 40);
    (void)walk(&answer, 1, NULL, 0, order);
    assert_int_equal(strlen(order), 160);
    assert_memory_equal(order, "h39 h38 h37", 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(orders), cmocka_unit_test(shuffle),
                                        cmocka_unit_test(best_of_forty_is_last) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
