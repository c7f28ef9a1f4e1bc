/* What a dialogue (tests/dialogues/dns) cannot say: octets, IDs, randomness, sizes. */
#include "test.h"

#include "../dns_answer.h"

typedef struct dice {
    mote_random_t random;
    uint32_t state;
    unsigned good_count; /* so many fills succeed */
    unsigned fill_count;
} dice_t;

static mote_status_t throw_dice(void *self, uint8_t *bytes, size_t size)
{
    dice_t *dice = self;

    if (dice->fill_count++ >= dice->good_count) {
        return MOTE_ERR_RANDOM;
    }
    for (size_t i = 0; i < size; i++) {
        dice->state = dice->state * 1664525U + 1013904223U;
        bytes[i] = (uint8_t)(dice->state >> 24);
    }
    return MOTE_OK;
}

static dice_t dice_of(unsigned good_count)
{
    dice_t dice = { { throw_dice, NULL }, 1, good_count, 0 };

    return dice;
}

static const mote_endpoint_t servers[9] = {
    { { MOTE_FAMILY_IPV4, { 192, 0, 2, 51 } }, 53, 0 }, { { MOTE_FAMILY_IPV4, { 192, 0, 2, 52 } }, 53, 0 },
    { { MOTE_FAMILY_IPV4, { 192, 0, 2, 53 } }, 53, 0 }, { { MOTE_FAMILY_IPV4, { 192, 0, 2, 54 } }, 53, 0 },
    { { MOTE_FAMILY_IPV4, { 192, 0, 2, 55 } }, 53, 0 }, { { MOTE_FAMILY_IPV4, { 192, 0, 2, 56 } }, 53, 0 },
    { { MOTE_FAMILY_IPV4, { 192, 0, 2, 57 } }, 53, 0 }, { { MOTE_FAMILY_IPV4, { 192, 0, 2, 58 } }, 53, 0 },
    { { MOTE_FAMILY_IPV4, { 192, 0, 2, 59 } }, 53, 0 },
};

static mote_resolver_t resolver;
static mote_question_t question;
static dns_message_t message;

static mote_status_t start(const mote_dns_settings_t *settings, dice_t *dice, const char *name, unsigned what)
{
    dice->random.self = dice;
    memset(&resolver, 0x5A, sizeof resolver);
    resolver.question = &question;
    return mote_resolver_start(&resolver, settings, &dice->random, mote_span_text(name), what,
                               MOTE_FAMILY_IPV4 | MOTE_FAMILY_IPV6, 0);
}

/* DNS-1, DNS-29, DNS-42: the octets of each kind of question. */
static void questions(void **state)
{
    static const struct {
        const char *name;
        unsigned what, slot;
        const char *type_octets;
    } cases[] = {
        { "MX", MOTE_RESOLVER_MX, 0, "\0\x0F" },
        { "A", MOTE_RESOLVER_ADDRESSES, 0, "\0\1" },
        { "AAAA", MOTE_RESOLVER_ADDRESSES, 1, "\0\x1C" },
    };
    const mote_dns_settings_t settings = { .servers = servers, .server_count = 1 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        static const char before[] = "\1\0\0\1\0\0\0\0\0\1\2Mx\2nz";
        static const char after[] = "\0\1\0\0\x29\x04\xD0\0\0\0\0\0";
        dice_t dice = dice_of(9);
        const mote_endpoint_t *server = NULL;
        mote_span_t query;

        CHECK(start(&settings, &dice, "mX.Nz", cases[i].what) == MOTE_OK, cases[i].name);
        CHECK(mote_resolver_output(&resolver, cases[i].slot, &query, &server) == MOTE_RESOLVER_WANTS_SEND, cases[i].name);
        CHECK(server == &servers[0], cases[i].name);
        CHECK(query.size == 12 + 7 + 4 + 11, cases[i].name);
        CHECK(mote_span_equals_ignoring_case(mote_span_slice(query, 2, 10 + 7),
                                             mote_span(before, sizeof before)), cases[i].name);
        CHECK(memcmp(query.data + 19, cases[i].type_octets, 2) == 0, cases[i].name);
        CHECK(memcmp(query.data + 21, after, sizeof after) == 0, cases[i].name);
        CHECK(cases[i].what == MOTE_RESOLVER_ADDRESSES ||
                  mote_resolver_output(&resolver, 1, &query, &server) == MOTE_RESOLVER_WANTS_NOTHING, cases[i].name);
    }
}

/* DNS-2: all 16 bits of the ID come from the random source. */
static void ids(void **state)
{
    const mote_dns_settings_t settings = { .servers = servers, .server_count = 1 };
    dice_t dice = dice_of(UINT32_MAX);
    static uint16_t seen[65536];
    unsigned bits[16] = { 0 };
    unsigned distinct = 0;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        const mote_endpoint_t *server;
        mote_span_t query;
        uint16_t id;

        assert_int_equal(start(&settings, &dice, "example.net", MOTE_RESOLVER_MX), MOTE_OK);
        assert_int_equal(mote_resolver_output(&resolver, 0, &query, &server), MOTE_RESOLVER_WANTS_SEND);
        id = (uint16_t)(query.data[0] << 8 | query.data[1]);
        distinct += seen[id]++ == 0;
        for (unsigned bit = 0; bit < 16; bit++) {
            bits[bit] += (unsigned)id >> bit & 1U;
        }
    }
    assert_int_equal(dice.fill_count, 100000);
    assert_true(distinct > 45000); /* 65536 * (1 - e^-1.53) = 51300 */
    for (unsigned bit = 0; bit < 16; bit++) {
        assert_true(bits[bit] > 49000 && bits[bit] < 51000);
    }
}

/* A random source that fails ends the question, whenever it fails. */
static void randomness_fails(void **state)
{
    const mote_dns_settings_t settings = { .servers = servers, .server_count = 1, .mixes_case = true };

    (void)state;
    for (unsigned good_count = 0; good_count < 4; good_count++) { /* two for the case of 13 octets, one for each ID */
        dice_t dice = dice_of(good_count);
        const mote_endpoint_t *server;
        mote_span_t query;

        assert_int_equal(start(&settings, &dice, "example.net", MOTE_RESOLVER_ADDRESSES), MOTE_ERR_RANDOM);
        for (unsigned slot = 0; slot < MOTE_RESOLVER_SLOT_COUNT; slot++) {
            assert_int_equal(mote_resolver_status(&resolver, slot), MOTE_ERR_RANDOM);
            assert_int_equal(mote_resolver_output(&resolver, slot, &query, &server), MOTE_RESOLVER_WANTS_NOTHING);
        }
        assert_int_equal(mote_resolver_stream(&resolver, &query, &server), MOTE_RESOLVER_STREAM_IDLE);
        assert_int_equal(mote_resolver_tick(&resolver, 0), UINT32_MAX);
    }
    for (unsigned good_count = 3; good_count <= 5; good_count++) { /* the alias needs two more */
        dice_t dice = dice_of(good_count);
        mote_dns_settings_t plain = settings;
        mote_dns_answer_t answer;
        mote_span_t query;
        const mote_endpoint_t *server;

        plain.mixes_case = false;
        assert_int_equal(start(&plain, &dice, "example.net", MOTE_RESOLVER_ADDRESSES), MOTE_OK);
        for (unsigned slot = 0; slot < MOTE_RESOLVER_SLOT_COUNT; slot++) {
            assert_int_equal(mote_resolver_output(&resolver, slot, &query, &server), MOTE_RESOLVER_WANTS_SEND);
            mote_resolver_sent(&resolver, slot, MOTE_OK);
            message.size = query.size;
            memcpy(message.bytes, query.data, query.size);
        }
        message_answer(&message, "NOERROR | @ CNAME b.example");
        assert_int_equal(mote_resolver_input(&resolver, 1, MOTE_OK, &servers[0], message_span(&message), &answer),
                         good_count < 4 ? MOTE_ERR_RANDOM : MOTE_PENDING);
        assert_int_equal(mote_resolver_status(&resolver, 0), good_count < 4 ? MOTE_ERR_RANDOM : MOTE_PENDING);
    }
}

/* 0x20: the case of every letter is drawn, and no other octet is touched. */
static void mixed_case(void **state)
{
    const mote_dns_settings_t settings = { .servers = servers, .server_count = 1, .mixes_case = true };
    static const char name[] = "abcdefghij-0123456789.klmnopqrst.uvwxyz";
    unsigned upper[sizeof name] = { 0 };
    dice_t dice = dice_of(UINT32_MAX);

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        const mote_endpoint_t *server;
        mote_span_t query;
        uint8_t text[sizeof name + 1];
        mote_writer_t out = mote_writer(text, sizeof text);
        mote_dns_name_t asked;

        assert_int_equal(start(&settings, &dice, name, MOTE_RESOLVER_MX), MOTE_OK);
        assert_int_equal(mote_resolver_output(&resolver, 0, &query, &server), MOTE_RESOLVER_WANTS_SEND);
        asked = mote_question_name(&question);
        mote_dns_name_write(&out, &asked);
        assert_true(mote_span_equals(mote_span(text, out.size), mote_span_text(name)));
        for (size_t k = 0; k < sizeof name - 1; k++) {
            uint8_t octet = query.data[13 + k];

            upper[k] += octet >= 'A' && octet <= 'Z';
        }
    }
    for (size_t k = 0; k < sizeof name - 1; k++) {
        bool is_letter = name[k] >= 'a' && name[k] <= 'z';

        assert_true(is_letter ? upper[k] > 850 && upper[k] < 1150 : upper[k] == 0);
    }
}

/* How many servers there may be. */
static void server_counts(void **state)
{
    (void)state;
    for (uint8_t count = 0; count <= 9; count++) {
        const mote_dns_settings_t settings = { .servers = servers, .server_count = count };
        dice_t dice = dice_of(9);
        mote_span_t query;
        const mote_endpoint_t *server;

        assert_int_equal(start(&settings, &dice, "example.net", MOTE_RESOLVER_MX),
                         count >= 1 && count <= 8 ? MOTE_OK : MOTE_ERR_DNS);
        for (unsigned i = 0; count <= 8 && i < count; i++) { /* each is asked, and its failure asks the next */
            assert_int_equal(mote_resolver_output(&resolver, 0, &query, &server), MOTE_RESOLVER_WANTS_SEND);
            assert_ptr_equal(server, &servers[i]);
            mote_resolver_sent(&resolver, 0, MOTE_ERR_UNREACHABLE);
        }
        assert_int_equal(mote_resolver_status(&resolver, 0), MOTE_ERR_DNS);
    }
}

/* The longest name there is, asked from text and from an answer; and a name that is already in its place. */
static void longest_names(void **state)
{
    const mote_dns_settings_t settings = { .servers = servers, .server_count = 1 };
    char text[MOTE_DNS_TEXT_BYTES + 1];
    dice_t dice = dice_of(99);
    mote_span_t query;
    const mote_endpoint_t *server;
    mote_dns_name_t name = { { NULL, 0 }, 12 };

    (void)state;
    memset(text, 'a', sizeof text);
    text[63] = text[127] = text[191] = '.';
    text[MOTE_DNS_TEXT_BYTES] = '\0';
    assert_int_equal(start(&settings, &dice, text, MOTE_RESOLVER_MX), MOTE_OK);
    assert_int_equal(mote_resolver_output(&resolver, 0, &query, &server), MOTE_RESOLVER_WANTS_SEND);
    assert_int_equal(query.size, MOTE_DNS_QUERY_BYTES);
    message_ask(&message, 1, text, "MX");
    name.message = message_span(&message);
    assert_int_equal(mote_resolver_start_name(&resolver, &settings, &dice.random, &name, MOTE_RESOLVER_ADDRESSES,
                                              MOTE_FAMILY_IPV6, 0), MOTE_OK);
    name = mote_question_name(&question);
    assert_true(mote_dns_name_equals_text(&name, mote_span_text(text)));
    assert_int_equal(mote_resolver_start_name(&resolver, &settings, &dice.random, &name, MOTE_RESOLVER_ADDRESSES,
                                              MOTE_FAMILY_IPV4, 0), MOTE_OK);
    name = mote_question_name(&question);
    assert_true(mote_dns_name_equals_text(&name, mote_span_text(text)));
    assert_int_equal(mote_resolver_status(&resolver, 0), MOTE_PENDING);
    assert_int_equal(mote_resolver_status(&resolver, 1), MOTE_ERR_NO_DATA);
}

/* A name out of an answer is checked as one from a caller is: what must not leave does not. */
static void names_from_answers(void **state)
{
    static const struct {
        const char *name;
        mote_status_t status;
    } cases[] = {
        { "mx.example.net", MOTE_OK },      { "mx.LOCALHOST", MOTE_ERR_NO_NAME }, { "mx.onion", MOTE_ERR_NO_NAME },
        { "mx.local", MOTE_ERR_NO_NAME },   { "mx.local.example", MOTE_OK },      { "mx.xlocal", MOTE_OK },
    };
    const mote_dns_settings_t settings = { .servers = servers, .server_count = 1 };
    dice_t dice = dice_of(99);
    mote_dns_name_t malformed;

    (void)state;
    dice.random.self = &dice;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_dns_name_t name = { { NULL, 0 }, 12 };

        message_ask(&message, 1, cases[i].name, "MX");
        name.message = message_span(&message);
        CHECK(mote_resolver_start_name(&resolver, &settings, &dice.random, &name, MOTE_RESOLVER_ADDRESSES,
                                       MOTE_FAMILY_IPV4, 0) == cases[i].status, cases[i].name);
    }
    malformed.message = TEXT("\0\0\0\0\0\0\0\0\0\0\0\0\xC0\x0C");
    malformed.offset = 12;
    assert_int_equal(mote_resolver_start_name(&resolver, &settings, &dice.random, &malformed, MOTE_RESOLVER_ADDRESSES,
                                              MOTE_FAMILY_IPV4, 0), MOTE_ERR_ADDRESS);
    assert_int_equal(mote_resolver_status(&resolver, 0), MOTE_ERR_ADDRESS);
}

/* The question's answer comes truncated, and the question leaves once more, on the stream. */
static void turn_to_stream(mote_span_t query)
{
    const mote_endpoint_t *server;
    mote_dns_answer_t answer;

    message.size = query.size;
    memcpy(message.bytes, query.data, query.size);
    message_answer(&message, "NOERROR tc");
    assert_int_equal(mote_resolver_input(&resolver, 0, MOTE_OK, &servers[0], message_span(&message), &answer), MOTE_PENDING);
    (void)mote_resolver_tick(&resolver, 0);
    assert_int_equal(mote_resolver_stream(&resolver, &query, &server), MOTE_RESOLVER_STREAM_CONNECT);
    mote_resolver_stream_event(&resolver, MOTE_OK);
    assert_int_equal(mote_resolver_stream(&resolver, &query, &server), MOTE_RESOLVER_STREAM_SEND);
    mote_resolver_stream_sent(&resolver, query.size);
}

/* DNS-36: the longest answers that the two length octets can announce, into the largest room a caller can give. */
static void longest_answers(void **state)
{
    static uint8_t room[UINT16_MAX];
    const mote_dns_settings_t settings = { .servers = servers, .server_count = 1, .tcp_buffer = room, .tcp_capacity = UINT16_MAX };

    (void)state;
    for (unsigned size = UINT16_MAX - 3; size <= UINT16_MAX; size++) {
        static char text[2 * UINT16_MAX + 64];
        uint8_t length[2] = { (uint8_t)(size >> 8), (uint8_t)size };
        dice_t dice = dice_of(9);
        const mote_endpoint_t *server;
        mote_dns_answer_t answer;
        mote_span_t query;
        size_t used;
        int digits;

        assert_int_equal(start(&settings, &dice, "example.net", MOTE_RESOLVER_MX), MOTE_OK);
        assert_int_equal(mote_resolver_output(&resolver, 0, &query, &server), MOTE_RESOLVER_WANTS_SEND);
        mote_resolver_sent(&resolver, 0, MOTE_OK);
        turn_to_stream(query);
        digits = (int)(2 * (size - 29 - 19 - 12)); /* header and question, the MX, the other record but its data */
        (void)snprintf(text, sizeof text, "NOERROR | @ MX 10 a.b | @ TXT \\# %0*d", digits, 0);
        message_answer(&message, text);
        assert_int_equal(message.size, size);
        assert_int_equal(mote_resolver_stream_input(&resolver, mote_span(length, 2), &used, &answer), MOTE_PENDING);
        assert_int_equal(mote_resolver_stream_input(&resolver, message_span(&message), &used, &answer), MOTE_OK);
        assert_int_equal(used, size);
    }
}

/* 0x20 keeps forgeries out of datagrams; over a stream, where nobody can slip one in, the letters may come back in
   any case. And a transmission that was not asked for is none. */
static void other_case_over_a_stream(void **state)
{
    static uint8_t room[512];
    const mote_dns_settings_t settings = { .servers = servers, .server_count = 1, .tcp_buffer = room, .tcp_capacity = sizeof room,
                                           .mixes_case = true };
    dice_t dice = dice_of(9);
    const mote_endpoint_t *server;
    mote_dns_answer_t answer;
    mote_span_t query;
    uint8_t length[2] = { 0, 0 };
    size_t used;

    (void)state;
    assert_int_equal(start(&settings, &dice, "example.net", MOTE_RESOLVER_MX), MOTE_OK);
    assert_int_equal(mote_resolver_output(&resolver, 0, &query, &server), MOTE_RESOLVER_WANTS_SEND);
    mote_resolver_sent(&resolver, 0, MOTE_OK);
    mote_resolver_sent(&resolver, 0, MOTE_ERR_UNREACHABLE);
    assert_int_equal(mote_resolver_status(&resolver, 0), MOTE_PENDING);
    turn_to_stream(query);
    message_answer(&message, "NOERROR | @ MX 10 mx.@");
    for (size_t i = 13; i < 13 + 7; i++) {
        message.bytes[i] ^= 0x20;
    }
    length[1] = (uint8_t)message.size;
    assert_int_equal(mote_resolver_stream_input(&resolver, mote_span(length, 2), &used, &answer), MOTE_PENDING);
    assert_int_equal(mote_resolver_stream_input(&resolver, message_span(&message), &used, &answer), MOTE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions),     cmocka_unit_test(ids),           cmocka_unit_test(randomness_fails),
        cmocka_unit_test(mixed_case),    cmocka_unit_test(server_counts), cmocka_unit_test(longest_names),
        cmocka_unit_test(names_from_answers), cmocka_unit_test(longest_answers), cmocka_unit_test(other_case_over_a_stream),
    };

    return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
