#include "dns_message.h"

static message_t message;

/* An answer with two MX records, compressed names and additional addresses. */
static void put_good(void)
{
    put_header(&message, 0x1234, 0x8180, 2, 0, 2);
    put_question(&message, "example.net", MOTE_DNS_MX);
    put_mx(&message, "@12", 10, "mx1@12");
    put_mx(&message, "@12", 20, "mx2@12");
    put_a(&message, "mx1@12", "192.0.2.1");
    put_a(&message, "mx2@12", "2001:db8::2");
}

static mote_status_t follow(mote_span_t bytes, mote_dns_answer_t *answer)
{
    mote_dns_header_t header;
    mote_status_t status = mote_dns_read(bytes, &header);

    return status == MOTE_OK ? mote_dns_follow(bytes, &header, answer) : status;
}

static void check_name(const mote_dns_name_t *name, const char *text)
{
    uint8_t room[256];
    mote_writer_t out = mote_writer(room, sizeof room);

    mote_dns_name_write(&out, name);
    CHECK(mote_span_equals(mote_span(room, mote_writer_stored(&out)), mote_span_text(text)), text);
}

static void good_answer(void **state)
{
    mote_dns_answer_t answer;
    mote_dns_record_t record;
    mote_span_t bytes;

    (void)state;
    put_good();
    bytes = exact_copy(bytes_of(&message));
    assert_int_equal(follow(bytes, &answer), MOTE_OK);
    assert_true(mote_dns_next(&answer, &record));
    assert_int_equal(record.preference, 10);
    assert_int_equal(record.ttl_s, 300);
    check_name(&record.exchange, "mx1.example.net");
    assert_true(mote_dns_next(&answer, &record));
    assert_int_equal(record.preference, 20);
    check_name(&record.exchange, "mx2.example.net");
    assert_false(mote_dns_next(&answer, &record)); /* DNS-10: additional records are no answers */
    assert_false(mote_dns_next(&answer, &record));
    free_copy(bytes);
}

/* DNS-11: every truncation of a good message is refused. */
static void every_length(void **state)
{
    (void)state;
    put_good();
    for (size_t size = 0; size < message.size; size++) {
        mote_span_t bytes = exact_copy(mote_span(message.bytes, size));
        mote_dns_answer_t answer;

        assert_int_equal(follow(bytes, &answer), MOTE_ERR_PROTOCOL);
        free_copy(bytes);
    }
}

/* Every octet changed to every value: whatever is taken is walked to its end, inside its bytes. */
static void every_octet(void **state)
{
    (void)state;
    put_good();
    for (size_t at = 0; at < message.size; at++) {
        for (unsigned value = 0; value < 256; value++) {
            mote_span_t bytes = exact_copy(bytes_of(&message));
            mote_dns_answer_t answer;
            mote_dns_record_t record;
            unsigned count = 0;

            ((uint8_t *)bytes.data)[at] = (uint8_t)value;
            if (follow(bytes, &answer) == MOTE_OK) {
                while (mote_dns_next(&answer, &record)) {
                    uint8_t room[300];
                    mote_writer_t out = mote_writer(room, sizeof room);

                    mote_dns_name_write(&out, &record.exchange);
                    (void)mote_dns_name_is_host(&record.exchange);
                    count++;
                }
                assert_true(count <= 2);
            }
            free_copy(bytes);
        }
    }
}

static void headers(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
        mote_status_t status;
    } cases[] = {
        { "not a response", 2, 0x01, MOTE_ERR_PROTOCOL },
        { "opcode 1", 2, 0x89, MOTE_ERR_PROTOCOL },
        { "no question", 5, 0, MOTE_ERR_PROTOCOL },
        { "two questions", 5, 2, MOTE_ERR_PROTOCOL },
        { "class CH", 28, 3, MOTE_ERR_PROTOCOL },
        { "65282 answers", 6, 0xFF, MOTE_ERR_PROTOCOL }, /* DNS-17 */
        { "truncated", 2, 0x83, MOTE_OK },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_dns_header_t header;

        put_good();
        message.bytes[cases[i].at] = cases[i].value;
        CHECK(mote_dns_read(bytes_of(&message), &header) == cases[i].status, cases[i].name);
    }
}

/* DNS-12, DNS-13, DNS-14, DNS-15: names. Each stands at offset 12 of a message. */
static void names(void **state)
{
    static const struct {
        const char *name;
        const char *bytes;
        size_t size;
        size_t wire_size; /* 0: malformed */
    } cases[] = {
#define ROW(name, bytes, wire) { name, bytes, sizeof(bytes) - 1, wire }
        ROW("root", "\0", 1),
        ROW("one label", "\1a\0", 3),
        ROW("no end", "\1a", 0),
        ROW("label over the end", "\5a\0", 0),
        ROW("label type 01", "\x41" "a\0", 0),
        ROW("label type 10", "\x80" "a\0", 0),
        ROW("length 64", "\x40" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0", 0),
        ROW("self pointer", "\xC0\x0C", 0),
        ROW("pointer forward", "\xC0\x0E\1a\0", 0),
        ROW("pointer to itself behind a label", "\1a\xC0\x0C", 0),
        ROW("pointer into itself", "\1a\xC0\x0D", 0),
        ROW("pointer into the header", "\xC0\x00", 0),
        ROW("pointer beyond the end", "\xFF\xFF", 0),
        ROW("half a pointer", "\xC0", 0),
        ROW("two-cycle", "\xC0\x0E\xC0\x0C", 0),
#undef ROW
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t bytes[128] = { 0 };
        mote_span_t copy;
        uint8_t wire[255];
        mote_dns_name_t name;

        memcpy(bytes + 12, cases[i].bytes, cases[i].size);
        copy = exact_copy(mote_span(bytes, 12 + cases[i].size));
        name.message = copy;
        name.offset = 12;
        CHECK(mote_dns_name_copy(&name, wire, sizeof wire) == cases[i].wire_size, cases[i].name);
        CHECK(cases[i].wire_size != 0 || !mote_dns_name_is_host(&name), cases[i].name);
        free_copy(copy);
    }
}

static void long_names(void **state)
{
    uint8_t wire[300];
    char text[300];
    mote_dns_name_t name;

    (void)state;
    for (unsigned last = 60; last <= 62; last++) { /* 64 + 64 + 64 + last + 1 + 1: 254, 255, 256 */
        message.size = 12;
        text[0] = '\0';
        for (unsigned i = 0; i < 4; i++) {
            char label[65];

            memset(label, 'a', sizeof label);
            label[i < 3 ? 63 : last] = '\0';
            strcat(strcat(text, label), i < 3 ? "." : "");
        }
        put_name(&message, text);
        name.message = bytes_of(&message);
        name.offset = 12;
        assert_int_equal(mote_dns_name_copy(&name, wire, sizeof wire), last <= 61 ? 194 + last : 0);
        assert_int_equal(mote_dns_name_from_text(mote_span_text(text), wire, sizeof wire), last <= 61 ? 194 + last : 0);
        assert_int_equal(mote_dns_name_copy(&name, wire, 100), 0);
    }
    /* a chain of 60 pointers, each to the one before, ends; a name that grows over 255 through them does not */
    message.size = 12;
    put_name(&message, "a");
    for (unsigned i = 0; i < 60; i++) {
        put_u16(&message, 0xC000U | (i == 0 ? 12U : (unsigned)message.size - 2));
    }
    name.message = bytes_of(&message);
    name.offset = (uint16_t)(message.size - 2);
    assert_int_equal(mote_dns_name_copy(&name, wire, sizeof wire), 3);
    message.size = 12;
    put_name(&message, "a");
    for (unsigned i = 0; i < 200; i++) {
        size_t before = message.size - (i == 0 ? 3U : 4U);

        put_u8(&message, 1);
        put_u8(&message, 'b');
        put_u16(&message, 0xC000U | (unsigned)before);
    }
    name.message = bytes_of(&message);
    name.offset = (uint16_t)(message.size - 4);
    assert_int_equal(mote_dns_name_copy(&name, wire, sizeof wire), 0);
}

/* DNS-19, MX-19: what can be a mail host. */
static void hosts(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        bool is_host;
    } cases[] = {
#define ROW(bytes, is_host) { bytes, sizeof(bytes), is_host }
        ROW("\2mx\7example", true),       ROW("\2MX\1a", true),          ROW("\2mx", false),
        ROW("\0", false),                 ROW("\3m\0x\1a", false),       ROW("\3m.x\1a", false),
        ROW("\3m@x\1a", false),           ROW("\3m x\1a", false),        ROW("\3m\x80x\1a", false),
        ROW("\3m\nx\1a", false),          ROW("\3m_x\1a", false),        ROW("\2-x\1a", false),
        ROW("\2x-\1a", false),            ROW("\3x-y\1a", true),         ROW("\3" "192\1" "0\1" "2\1" "1", false),
        ROW("\3" "192\1" "a", true),      ROW("\1a\1" "1", false),       ROW("\3" "1.2\1a", false),
#undef ROW
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t bytes[64] = { 0 };
        mote_dns_name_t name = { { bytes, 12 + cases[i].size }, 12 };

        memcpy(bytes + 12, cases[i].bytes, cases[i].size);
        CHECK(mote_dns_name_is_host(&name) == cases[i].is_host, cases[i].bytes);
    }
}

static void texts(void **state) /* DNS-26, DNS-27, DNS-30 */
{
    static const struct {
        const char *text;
        bool is_name;
    } cases[] = {
        { "example.net", true }, { "localhost", true },  { "", false },           { ".", false },      { "a.", false },
        { ".a", false },         { "a..b", false },      { "a_b.c", false },      { "-a.b", false },   { "192.0.2.1", false },
        { "b\xC3\xBC" "cher.example", false }, { "a b.c", false }, { "1a.b2", true }, { "1.2a", true },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t wire[255];

        CHECK((mote_dns_name_from_text(mote_span_text(cases[i].text), wire, sizeof wire) != 0) == cases[i].is_name,
              cases[i].text);
    }
}

static void equality(void **state) /* DNS-25 */
{
    mote_dns_name_t a;
    mote_dns_name_t b;

    (void)state;
    put_header(&message, 1, 0x8180, 1, 0, 0);
    put_question(&message, "Example.NET", MOTE_DNS_MX);
    put_mx(&message, "eXaMPLE@20", 10, "mx@12");
    a.message = bytes_of(&message);
    a.offset = 12;
    b.message = bytes_of(&message);
    b.offset = 29;
    assert_true(mote_dns_name_equals(&a, &b));
    assert_true(mote_dns_name_equals_text(&b, TEXT("example.net")));
    assert_false(mote_dns_name_equals_text(&b, TEXT("example.ne")));
    assert_false(mote_dns_name_equals_text(&b, TEXT("example.net.x")));
    assert_false(mote_dns_name_equals_text(&b, TEXT("example")));
    assert_false(mote_dns_name_equals_text(&b, TEXT("")));
    assert_int_equal(mote_dns_name_hash(&a, 7), mote_dns_name_hash(&b, 7));
    assert_true(mote_dns_name_hash(&a, 7) != mote_dns_name_hash(&a, 8));
}

/* DNS-16: RDATA one octet too short and too long, for each type. */
static void rdata(void **state)
{
    static const unsigned types[] = { MOTE_DNS_A, MOTE_DNS_AAAA, MOTE_DNS_CNAME, MOTE_DNS_MX };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        for (int extra = -1; extra <= 1; extra++) {
            mote_dns_header_t header;
            size_t start;

            put_header(&message, 1, 0x8180, 1, 0, 0);
            put_question(&message, "example.net", types[i]);
            start = begin_record(&message, "@12", types[i], 300);
            if (types[i] == MOTE_DNS_MX) {
                put_u16(&message, 10);
            }
            if (types[i] == MOTE_DNS_MX || types[i] == MOTE_DNS_CNAME) {
                put_name(&message, "mx.example.net");
            } else {
                message.size += types[i] == MOTE_DNS_A ? 4 : 16;
            }
            end_record(&message, start);
            message.bytes[start - 1] = (uint8_t)(message.bytes[start - 1] + extra);
            message.size = (size_t)((int)message.size + extra);
            message.bytes[message.size - 1] = 0;
            assert_int_equal(mote_dns_read(bytes_of(&message), &header), extra == 0 ? MOTE_OK : MOTE_ERR_PROTOCOL);
        }
    }
}

static void opt_records(void **state) /* DNS-44 */
{
    mote_dns_header_t header;

    (void)state;
    put_header(&message, 1, 0x8180, 0, 0, 1);
    put_question(&message, "example.net", MOTE_DNS_MX);
    put_bare(&message, "", MOTE_DNS_OPT, 0x01000000); /* the upper bits of BADVERS, 16 */
    assert_int_equal(mote_dns_read(bytes_of(&message), &header), MOTE_OK);
    assert_int_equal(header.rcode, MOTE_DNS_BADVERS);
    message.bytes[11] = 2;
    put_bare(&message, "", MOTE_DNS_OPT, 0);
    assert_int_equal(mote_dns_read(bytes_of(&message), &header), MOTE_ERR_PROTOCOL);
    put_header(&message, 1, 0x8180, 0, 0, 1);
    put_question(&message, "example.net", MOTE_DNS_MX);
    put_bare(&message, "@12", MOTE_DNS_OPT, 0);
    assert_int_equal(mote_dns_read(bytes_of(&message), &header), MOTE_ERR_PROTOCOL);
}

/* The meaning of an answer: conformance 2, DNS-9, DNS-20, DNS-49 to DNS-52. */
static void put_case(const char *what)
{
    unsigned counts[3] = { 0, 0, 0 };
    unsigned section = 0;
    unsigned flags = 0x8180;

    put_header(&message, 1, 0, 0, 0, 0);
    put_question(&message, "a.example", MOTE_DNS_MX);
    for (; *what != '\0'; what++) {
        counts[section] += strchr("|!-", *what) == NULL ? 1 : 0;
        switch (*what) {
        case '|': /* the next section */
            section++;
            break;
        case '!': /* NXDOMAIN */
            flags |= 3;
            break;
        case '-': /* no recursion available */
            flags &= ~0x80U;
            break;
        case 'm':
            put_mx(&message, "a.example", 10, "mx.example");
            break;
        case 'M': /* at the end of an alias */
            put_mx(&message, "b.example", 10, "mx.example");
            break;
        case 'v': /* nobody asked */
            put_mx(&message, "victim.example", 10, "evil.example");
            break;
        case 'x': /* an unknown type */
            put_bare(&message, "a.example", 65534, 300);
            break;
        case 'a': /* a to b, b to c, ... : aliases in turn */
        case 'b':
        case 'c':
        case 'd':
        case 'e':
        case 'f':
        case 'g':
        case 'h':
        case 'i': {
            char owner[] = "a.example";
            char target[] = "b.example";

            owner[0] = *what;
            target[0] = (char)(*what + 1);
            put_cname(&message, owner, target);
            break;
        }
        case 'L': /* b back to a */
            put_cname(&message, "b.example", "a.example");
            break;
        case 'J': /* the MX of the ninth and of the tenth name */
            put_mx(&message, "i.example", 10, "mx.example");
            break;
        case 'K':
            put_mx(&message, "j.example", 10, "mx.example");
            break;
        case 'S':
            put_bare(&message, "example", MOTE_DNS_SOA, 300);
            break;
        case 'N':
            put_bare(&message, "example", MOTE_DNS_NS, 300);
            break;
        default:
            fail();
        }
    }
    message.bytes[2] = (uint8_t)(flags >> 8);
    message.bytes[3] = (uint8_t)flags;
    for (unsigned i = 0; i < 3; i++) {
        message.bytes[7 + 2 * i] = (uint8_t)counts[i];
    }
}

static void meanings(void **state)
{
    static const struct {
        const char *what;
        mote_status_t status;
    } cases[] = {
        { "m", MOTE_OK },                  /* an answer */
        { "xvm", MOTE_OK },                /* behind what nobody asked for */
        { "v", MOTE_ERR_NO_DATA },         /* only that */
        { "vv|N", MOTE_ERR_DNS },
        { "aM", MOTE_OK },                 /* an alias */
        { "Ma", MOTE_OK },                 /* in another order */
        { "a", MOTE_PENDING },             /* its end is elsewhere */
        { "a|N", MOTE_PENDING },
        { "a|S", MOTE_ERR_NO_DATA },       /* its end has no such record */
        { "a!", MOTE_ERR_NO_NAME },        /* its end does not exist */
        { "!", MOTE_ERR_NO_NAME },
        { "!|S", MOTE_ERR_NO_NAME },
        { "", MOTE_ERR_NO_DATA },          /* RFC 2308 2.2: types 1 to 3 */
        { "|S", MOTE_ERR_NO_DATA },
        { "|SN", MOTE_ERR_NO_DATA },
        { "|NS", MOTE_ERR_NO_DATA },
        { "|N", MOTE_ERR_DNS },            /* a referral */
        { "-", MOTE_ERR_DNS },             /* empty, from one that does no recursion */
        { "-|S", MOTE_ERR_NO_DATA },       /* but it is authoritative */
        { "-m", MOTE_OK },
        { "aL", MOTE_ERR_DNS_LOOP },
        { "abcdefghJ", MOTE_OK },          /* eight aliases */
        { "abcdefghiK", MOTE_ERR_DNS_LOOP }, /* nine */
        { "hgfedcbaJ", MOTE_OK },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_span_t bytes;
        mote_dns_answer_t answer;

        put_case(cases[i].what);
        bytes = exact_copy(bytes_of(&message));
        CHECK(follow(bytes, &answer) == cases[i].status, cases[i].what);
        free_copy(bytes);
    }
}

static void large_answers_are_bounded(void **state) /* DNS-18 */
{
    mote_dns_answer_t answer;
    mote_dns_record_t record;
    unsigned count = 0;

    (void)state;
    put_header(&message, 1, 0x8180, 0, 0, 0);
    put_question(&message, "example.net", MOTE_DNS_A);
    while (message.size < 65500) {
        put_a(&message, "@12", "192.0.2.1");
        count++;
    }
    message.bytes[6] = (uint8_t)(count >> 8);
    message.bytes[7] = (uint8_t)count;
    assert_int_equal(follow(bytes_of(&message), &answer), MOTE_OK);
    while (mote_dns_next(&answer, &record)) {
        count--;
    }
    assert_int_equal(count, 0);
}

static void ttl_with_the_top_bit(void **state) /* DNS-21 */
{
    mote_dns_answer_t answer;
    mote_dns_record_t record;

    (void)state;
    put_header(&message, 1, 0x8180, 1, 0, 0);
    put_question(&message, "example.net", MOTE_DNS_A);
    put_a(&message, "@12", "192.0.2.1");
    message.bytes[message.size - 10] = 0x80;
    assert_int_equal(follow(bytes_of(&message), &answer), MOTE_OK);
    assert_true(mote_dns_next(&answer, &record));
    assert_int_equal(record.ttl_s, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_answer), cmocka_unit_test(every_length), cmocka_unit_test(every_octet),
        cmocka_unit_test(headers),     cmocka_unit_test(names),        cmocka_unit_test(long_names),
        cmocka_unit_test(hosts),       cmocka_unit_test(texts),        cmocka_unit_test(equality),
        cmocka_unit_test(rdata),       cmocka_unit_test(opt_records),  cmocka_unit_test(meanings),
        cmocka_unit_test(large_answers_are_bounded), cmocka_unit_test(ttl_with_the_top_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
