#include "test.h"

#include "../dns_answer.h"

static dns_message_t message;

static const char *build(const char *name, const char *type, const char *answer)
{
    message_ask(&message, 0x1234, name, type);
    message_answer(&message, answer);
    return answer;
}

/* Reads a message from memory that ends exactly where it ends. */
static mote_status_t read_exactly(mote_span_t bytes)
{
    mote_span_t copy = exact_copy(bytes);
    mote_dns_header_t header;
    mote_status_t status = mote_dns_read(copy, &header);

    free_copy(copy);
    return status;
}

/* ---- names ---------------------------------------------------------------------------------------------- */

/* DNS-12, DNS-13, DNS-15. Octets from 12 on stand behind a header of zeros; the name is at the offset. Text NULL: malformed. */
static void names_on_the_wire(void **state)
{
    static const struct {
        const char *name;
        const char *octets;
        size_t size;
        uint16_t offset;
        const char *text;
    } cases[] = {
#define OCTETS(literal) literal, sizeof(literal) - 1
        { "plain", OCTETS("\3mx1\7example\3net\0"), 12, "mx1.example.net" },
        { "letters are lowered", OCTETS("\3MX1\2NZ\0"), 12, "mx1.nz" },
        { "the root", OCTETS("\0"), 12, "" },
        { "a pointer back", OCTETS("\3net\0\1a\xC0\x0C"), 17, "a.net" },
        { "two pointers back", OCTETS("\3net\0\1a\xC0\x0C\1b\xC0\x11"), 21, "b.a.net" },
        { "a pointer to the root", OCTETS("\0\1a\xC0\x0C"), 13, "a" },
        { "a pointer to a pointer", OCTETS("\1a\0\xC0\x0C\xC0\x0F"), 17, "a" },
        { "octets that no text holds", OCTETS("\6\x1b[2J.\x80\2\0 \0"), 12, "?[2j??.??" }, /* DNS-19 */
        { "no octet", OCTETS(""), 12, NULL },
        { "no root at the end", OCTETS("\3net"), 12, NULL },
        { "a label past the end", OCTETS("\4net"), 12, NULL },
        { "half a pointer", OCTETS("\1a\xC0"), 12, NULL },
        { "a pointer to itself", OCTETS("\xC0\x0C"), 12, NULL },
        { "a pointer to its own name", OCTETS("\1a\xC0\x0C"), 12, NULL },
        { "a cycle of two", OCTETS("\xC0\x0E\xC0\x0C"), 14, NULL },
        { "a cycle of two, from the first", OCTETS("\xC0\x0E\xC0\x0C"), 12, NULL },
        { "a pointer forward", OCTETS("\xC0\x0E\1a\0"), 12, NULL },
        { "a pointer beyond the end", OCTETS("\1a\0\xC0\xFF"), 15, NULL },
        { "a pointer to 0x3FFF", OCTETS("\1a\0\xFF\xFF"), 15, NULL },
        { "a pointer into the header", OCTETS("\1a\0\xC0\x0B"), 15, NULL },
        { "a pointer to the very start", OCTETS("\1a\0\xC0\x00"), 15, NULL },
        { "a pointer to a malformed label", OCTETS("\x40\0\xC0\x0C"), 14, NULL },
        { "a pointer back, and from there forward", OCTETS("\xC0\x11\0\0\0\1a\0\xC0\x0C"), 20, NULL },
#define LETTERS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 64 */
        { "label type 01", OCTETS("\x40" LETTERS "\0"), 12, NULL }, /* each would be a name if its length were one */
        { "label type 10", OCTETS("\x80" LETTERS LETTERS "\0"), 12, NULL },
        { "label type 10, high", OCTETS("\xBF" LETTERS LETTERS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0"), 12, NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t octets[256] = { 0 };
        uint8_t wire[MOTE_DNS_NAME_BYTES];
        uint8_t text[256];
        mote_writer_t out = mote_writer(text, sizeof text);
        mote_dns_name_t name = { { NULL, 0 }, cases[i].offset };
        size_t size;

        memcpy(octets + 12, cases[i].octets, cases[i].size);
        name.message = exact_copy(mote_span(octets, 12 + cases[i].size));
        size = mote_dns_name_copy(&name, wire, sizeof wire);
        CHECK((size != 0) == (cases[i].text != NULL), cases[i].name);
        if (cases[i].text != NULL) {
            CHECK(size == (cases[i].text[0] != '\0' ? strlen(cases[i].text) + 2 : 1), cases[i].name);
            mote_dns_name_write(&out, &name);
            CHECK(mote_span_equals(mote_span(text, out.size), mote_span_text(cases[i].text)), cases[i].name);
            CHECK(mote_dns_name_is_root(&name) == (size == 1), cases[i].name);
            CHECK(mote_dns_name_equals(&name, &name), cases[i].name);
            CHECK(mote_dns_name_copy(&name, wire, size) == size, cases[i].name);
            CHECK(mote_dns_name_copy(&name, wire, size - 1) == 0, cases[i].name);
        } else {
            CHECK(!mote_dns_name_is_host(&name), cases[i].name);
            CHECK(!mote_dns_name_is_root(&name), cases[i].name);
            CHECK(!mote_dns_name_equals_text(&name, TEXT("a")), cases[i].name);
        }
        free_copy(name.message);
    }
}

/* DNS-14. Labels of 62 octets and one of the size that makes the whole 255 or 256, by pointer or not. */
static void longest_names(void **state)
{
    (void)state;
    for (unsigned is_pointer = 0; is_pointer <= 1; is_pointer++) {
        for (unsigned last = 2; last <= 3; last++) { /* 4 * 63 + (1 + 1) + 1 = 255 */
            uint8_t wire[300];
            mote_dns_name_t name = { { NULL, 0 }, 12 };

            message.size = 12;
            memset(message.bytes, 0, sizeof message.bytes);
            if (is_pointer != 0) {
                message_u8(&message, last - 1);
                message.size += last - 1;
                message_u8(&message, 0);
                name.offset = (uint16_t)message.size;
            }
            for (unsigned i = 0; i < 4; i++) {
                message_u8(&message, 62);
                memset(message.bytes + message.size, 'a', 62);
                message.size += 62;
            }
            if (is_pointer != 0) {
                message_u16(&message, 0xC00C);
            } else {
                message_u8(&message, last - 1);
                message.size += last - 1;
                message_u8(&message, 0);
            }
            name.message = message_span(&message);
            assert_int_equal(mote_dns_name_copy(&name, wire, sizeof wire), last == 2 ? 255 : 0);
        }
    }
}

/* DNS-14: the same inside a message, where the data of an MX is a name of 255 octets, or of 256. */
static void longest_exchange(void **state)
{
    (void)state;
    for (unsigned last = 61; last <= 62; last++) {
        char text[300] = "NOERROR | @ MX 10 ";

        for (unsigned i = 0; i < 4; i++) {
            unsigned size = i < 3 ? 63 : last;

            for (unsigned k = 0; k < size; k++) {
                strcat(text, "a");
            }
            strcat(text, i < 3 ? "." : "");
        }
        build("example.net", "MX", text);
        assert_int_equal(read_exactly(message_span(&message)), last == 61 ? MOTE_OK : MOTE_ERR_PROTOCOL);
    }
}

/* DNS-12, DNS-18: pointers to pointers end, and end soon. */
static void pointer_chains(void **state)
{
    static const struct {
        unsigned count;
        bool is_good;
    } cases[] = { { 1, true }, { 60, true }, { 127, true }, { 128, false }, { 8000, false } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t wire[MOTE_DNS_NAME_BYTES];
        mote_dns_name_t name;

        message.size = 12;
        message_name(&message, "a.example");
        for (unsigned at = 12, k = 0; k < cases[i].count; k++) {
            unsigned here = (unsigned)message.size;

            message_u16(&message, 0xC000 | at);
            at = here;
        }
        name.message = message_span(&message);
        name.offset = (uint16_t)(message.size - 2);
        assert_int_equal(mote_dns_name_copy(&name, wire, sizeof wire), cases[i].is_good ? 11 : 0);
    }
}

/* DNS-26, DNS-27, DNS-30: what is no host name has no wire form. */
static void names_from_text(void **state)
{
    static const char label_of_63[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {
        { "example.net", 13 },   { "localhost", 11 }, { "a.b.c", 7 },       { "1.example", 11 },
        { "xn--bcher-kva.example", 23 }, { "9a", 4 }, { "a-b.c", 7 },       { "", 0 },
        { ".", 0 },              { "example.net.", 0 }, { ".example", 0 },  { "a..b", 0 },
        { "192.0.2.1", 0 },      { "1.2", 0 },         { "a.1", 0 },        { "-a.b", 0 },
        { "a-.b", 0 },           { "a_b.c", 0 },       { "_dmarc.a", 0 },   { "a b.c", 0 },
        { "b\xC3\xBC" "cher.example", 0 },             { "a@b.c", 0 },      { "[192.0.2.1]", 0 },
        { "2001:db8::1", 0 },
    };
    uint8_t wire[300];
    char text[300];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK(mote_dns_name_from_text(mote_span_text(cases[i].text), wire, sizeof wire) == cases[i].size, cases[i].text);
        if (cases[i].size > 0) {
            CHECK(mote_dns_name_from_text(mote_span_text(cases[i].text), wire, cases[i].size - 1) == 0, cases[i].text);
        }
    }
    assert_int_equal(mote_dns_name_from_text(TEXT("a\0b.c"), wire, sizeof wire), 0);
    assert_int_equal(mote_dns_name_from_text(mote_span_text(label_of_63), wire, sizeof wire), 65);
    (void)snprintf(text, sizeof text, "%sa", label_of_63);
    assert_int_equal(mote_dns_name_from_text(mote_span_text(text), wire, sizeof wire), 0);
    (void)snprintf(text, sizeof text, "%s.%s.%s.%.61s", label_of_63, label_of_63, label_of_63, label_of_63);
    assert_int_equal(strlen(text), MOTE_DNS_TEXT_BYTES);
    assert_int_equal(mote_dns_name_from_text(mote_span_text(text), wire, sizeof wire), MOTE_DNS_NAME_BYTES);
    (void)snprintf(text, sizeof text, "%s.%s.%s.%.62s", label_of_63, label_of_63, label_of_63, label_of_63);
    assert_int_equal(mote_dns_name_from_text(mote_span_text(text), wire, sizeof wire), 0);
    assert_int_equal(mote_dns_name_from_text(TEXT("Mx.nz"), wire, sizeof wire), 7);
    assert_memory_equal(wire, "\2Mx\2nz\0", 7);
}

/* DNS-19, MX-19: which names can be mail hosts. In the message a label may hold anything. */
static void hosts(void **state)
{
    static const struct {
        const char *name;
        bool is_host;
        const char *text; /* it must not be equal to, unless it is a host */
    } cases[] = {
        { "mx.example.net", true, "MX.example.NET" },
        { "a-1.b", true, "A-1.b" },
        { "1.2.3.4a", true, "1.2.3.4A" },
        { "mx", false, "mx.mx" },
        { ".", false, "" },
        { "192.0.2.1", false, "192.0.2.1a" },
        { "evil\\000.example", false, "evil" },
        { "evil\\000.example", false, "evil.example" },
        { "a\\046b.example", false, "a.b.example" },
        { "mx\\064example.net", false, "mx.example.net" },
        { "mx\\032.example.net", false, "mx.example.net" },
        { "mx\\255.example.net", false, "mx.example.net" },
        { "mx\\010.example.net", false, "mx.example.net" },
        { "mx_1.example.net", false, "mx-1.example.net" },
        { "-mx.example.net", false, "mx.example.net" },
        { "mx-.example.net", false, "mx.example.net" },
        { "[192\\0460\\0462\\0461]", false, "192.0.2.1" },
        { "\\091.example", false, "{.example" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_dns_name_t name = { { NULL, 0 }, 12 };

        message.size = 12;
        message_name(&message, cases[i].name);
        name.message = message_span(&message);
        CHECK(mote_dns_name_is_host(&name) == cases[i].is_host, cases[i].name);
        CHECK(mote_dns_name_equals_text(&name, mote_span_text(cases[i].text)) == cases[i].is_host, cases[i].name);
    }
}

/* DNS-25 */
static void equal_names(void **state)
{
    static const struct {
        const char *a, *b;
        bool is_equal;
    } cases[] = {
        { "mx.example", "MX.eXample", true },   { "mx.example", "mx.exampl", false },
        { "mx.example", "mx.example.net", false }, { "a\\046b", "a.b", false },
        { "a", ".", false },                    { ".", ".", true },
        { "\\091", "\\123", false },            { "\\196", "\\228", false }, /* 0x20 apart, and no letters */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_dns_name_t a = { { NULL, 0 }, 12 };
        mote_dns_name_t b = a;

        message.size = 12;
        message_name(&message, cases[i].a);
        b.offset = (uint16_t)message.size;
        message_name(&message, cases[i].b);
        a.message = b.message = message_span(&message);
        CHECK(mote_dns_name_equals(&a, &b) == cases[i].is_equal, cases[i].a);
        CHECK(mote_dns_name_equals(&b, &a) == cases[i].is_equal, cases[i].a);
        if (cases[i].is_equal) {
            CHECK(mote_dns_name_hash(&a, 7) == mote_dns_name_hash(&b, 7), cases[i].a);
            CHECK(mote_dns_name_hash(&a, 7) != mote_dns_name_hash(&b, 8), cases[i].a);
        }
    }
}

/* A name that leads nowhere equals none, not even itself, and whoever walks over it comes back. */
static void names_to_nowhere(void **state)
{
    static const struct {
        const char *name;
        const char *octets;
        size_t size;
        const char *text; /* the labels before the end */
    } cases[] = {
        { "a pointer to itself", "\xC0\x0C", 2, "" },
        { "a label, then a pointer to it", "\2mx\xC0\x0C", 5, "mx" },
        { "no end", "\2mx\2nz", 6, "mx.nz" },
        { "a label cut short", "\2mx\5nz", 6, "mx" },
        { "nothing at all", "", 0, "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_dns_name_t good = { { NULL, 0 }, 12 };
        mote_dns_name_t bad = { { NULL, 0 }, 12 };
        uint8_t octets[32] = { 0 };
        uint8_t text[32];
        mote_writer_t out = mote_writer(text, sizeof text);

        message_ask(&message, 1, "mx.nz", "MX");
        good.message = message_span(&message);
        memcpy(octets + 12, cases[i].octets, cases[i].size);
        bad.message = exact_copy(mote_span(octets, 12 + cases[i].size));
        CHECK(!mote_dns_name_equals(&bad, &good) && !mote_dns_name_equals(&good, &bad), cases[i].name);
        CHECK(!mote_dns_name_equals_text(&bad, TEXT("mx.nz")), cases[i].name);
        mote_dns_name_write(&out, &bad);
        CHECK(mote_span_equals(mote_span(text, out.size), mote_span_text(cases[i].text)), cases[i].name);
        CHECK(mote_dns_name_hash(&bad, 1) == mote_dns_name_hash(&bad, 1), cases[i].name);
        free_copy(bad.message);
    }
}

/* ---- messages ------------------------------------------------------------------------------------------- */

/* DNS-5, DNS-20, DNS-44: what is not a response to one question, or has more than one OPT, is none at all. */
static void headers(void **state)
{
    static const struct {
        const char *answer;
        mote_status_t status;
        unsigned rcode;
    } cases[] = {
        { "NOERROR | @ MX 10 mx.@", MOTE_OK, MOTE_DNS_NOERROR },
        { "NXDOMAIN", MOTE_OK, MOTE_DNS_NXDOMAIN },
        { "SERVFAIL opt", MOTE_OK, MOTE_DNS_SERVFAIL },
        { "BADVERS", MOTE_OK, MOTE_DNS_BADVERS },
        { "BADVERS REFUSED", MOTE_OK, 16 | MOTE_DNS_REFUSED },
        { "NOERROR opt-opt", MOTE_ERR_PROTOCOL, 0 },
        { "NOERROR | additional | example.net OPT", MOTE_ERR_PROTOCOL, 0 },
        { "NOERROR | additional | @ OPT", MOTE_ERR_PROTOCOL, 0 },
        { "NOERROR | additional | . class=512 ttl=0x8000 OPT 000A0008AABBCCDDEEFF0011", MOTE_OK, 0 }, /* a cookie */
        { "NOERROR query", MOTE_ERR_PROTOCOL, 0 },
        { "NOERROR opcode", MOTE_ERR_PROTOCOL, 0 },
        { "NOERROR no-question", MOTE_ERR_PROTOCOL, 0 },
        { "NOERROR two-questions", MOTE_ERR_PROTOCOL, 0 },
        { "NOERROR chaos", MOTE_ERR_PROTOCOL, 0 },
        { "NOERROR | @ TYPE65534 DEADBEEF | @ MX 10 mx.@", MOTE_OK, 0 },
        { "NOERROR | @ class=3 A \\# 0000", MOTE_OK, 0 },  /* another class's A is no address */
        { "NOERROR | @ class=3 MX \\# C0", MOTE_OK, 0 },
        { "NOERROR | @ TYPE65534 \\# C0FF", MOTE_OK, 0 },  /* names in unknown data are not names */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_dns_header_t header;

        build("example.net", "MX", cases[i].answer);
        CHECK(mote_dns_read(message_span(&message), &header) == cases[i].status, cases[i].answer);
        if (cases[i].status == MOTE_OK) {
            CHECK(header.rcode == cases[i].rcode, cases[i].answer);
            CHECK(header.id == 0x1234 && header.question_type == MOTE_DNS_MX, cases[i].answer);
            CHECK(mote_dns_name_equals_text(&header.question, TEXT("example.net")), cases[i].answer);
            CHECK(header.recursion_available && !header.truncated, cases[i].answer);
        }
    }
    build("example.net", "MX", "NOERROR tc no-ra | @ MX 10 mx.@");
    for (size_t size = 0; size <= message.size; size++) { /* truncated: all but the question may be missing */
        mote_dns_header_t header;
        mote_span_t copy = exact_copy(mote_span(message.bytes, size));

        assert_int_equal(mote_dns_read(copy, &header), size < 12 + 13 + 4 ? MOTE_ERR_PROTOCOL : MOTE_OK);
        assert_true(size < 12 + 13 + 4 || (header.truncated && !header.recursion_available));
        free_copy(copy);
    }
}

/* DNS-11, DNS-16, DNS-17: no part of a good message is good. */
static void every_truncation(void **state)
{
    (void)state;
    build("example.net", "MX",
          "NOERROR opt | @ MX 10 mx1.@ | alias.@ CNAME @ | @ TXT 03616263 | @ TYPE999 AABB | authority | @ NS ns.@ | @ SOA |"
          "additional | mx1.@ A 192.0.2.1 | mx1.example.net AAAA 2001:db8::1");
    for (size_t size = 0; size < message.size; size++) {
        assert_int_equal(read_exactly(mote_span(message.bytes, size)), MOTE_ERR_PROTOCOL);
    }
    assert_int_equal(read_exactly(message_span(&message)), MOTE_OK);
}

/* Every octet of a good message changed to every value: nothing is read outside (the sanitizer's test). */
static void every_octet_changed(void **state)
{
    mote_span_t copy;

    (void)state;
    build("e.nz", "MX", "NOERROR opt | alias.@ CNAME @ | @ MX 10 mx1.@ | authority | @ SOA | additional | mx1.@ A 192.0.2.1");
    copy = exact_copy(message_span(&message));
    for (size_t i = 0; i < copy.size; i++) {
        for (unsigned value = 0; value < 256; value++) {
            mote_dns_header_t header;
            mote_dns_answer_t answer;
            mote_dns_record_t record;

            ((uint8_t *)copy.data)[i] = (uint8_t)value;
            if (mote_dns_read(copy, &header) == MOTE_OK && !header.truncated &&
                mote_dns_follow(&header, &answer) == MOTE_OK) {
                while (mote_dns_next(&answer, &record)) {
                    assert_true(record.exchange.message.size == 0 || record.exchange.offset < copy.size);
                }
            }
        }
        ((uint8_t *)copy.data)[i] = message.bytes[i];
    }
    free_copy(copy);
}

/* DNS-16: the data of every type, one octet shorter and longer. */
static void data_sizes(void **state)
{
    static const struct {
        const char *record; /* in hexadecimal */
        bool is_good;
    } cases[] = {
        { "@ A \\# C0000201", true },       { "@ A \\# C00002", false },       { "@ A \\# C000020100", false },
        { "@ AAAA \\# 20010DB8000000000000000000000001", true },
        { "@ AAAA \\# 20010DB80000000000000000000001", false },
        { "@ AAAA \\# 20010DB800000000000000000000000100", false },
        { "@ MX \\# 000A026D7800", true },  { "@ MX \\# 000A026D78", false },  { "@ MX \\# 000A026D780000", false },
        { "@ MX \\# 000A026D78C00C", true }, { "@ MX \\# 000A026D78C0", false }, { "@ MX \\# 000A026D78C00C00", false },
        { "@ MX \\# 000A00", true },        { "@ MX \\# 000A", false },        { "@ MX \\# 00", false },
        { "@ MX \\#", false },              { "@ MX \\# 000AC00C", true },     { "@ MX \\# 000AC02C", false },
        { "@ MX \\# 000AC0FF", false },     { "@ MX \\# 000A41", false },
        { "@ CNAME \\# 016100", true },     { "@ CNAME \\# 0161", false },     { "@ CNAME \\# 01610000", false },
        { "@ CNAME \\# C00C", true },       { "@ CNAME \\# C0", false },       { "@ CNAME \\# C00C00", false },
        { "@ CNAME \\#", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char answer[128];

        /* In every section; also with a good record behind it, whose octets a long name would eat. */
        for (unsigned k = 0; k < 3; k++) {
            static const char *const sections[] = { "answer", "authority", "additional" };

            (void)snprintf(answer, sizeof answer, "NOERROR | %s | %s | @ A 192.0.2.9", sections[k], cases[i].record);
            build("example.net", "MX", answer);
            CHECK(read_exactly(message_span(&message)) == (cases[i].is_good ? MOTE_OK : MOTE_ERR_PROTOCOL), answer);
        }
    }
}

/* DNS-17, DNS-18: counts are believed as far as there are bytes; the largest message is walked once. */
static void counts(void **state)
{
    mote_dns_header_t header;
    mote_dns_answer_t answer;
    mote_dns_record_t record;
    unsigned count = 0;

    (void)state;
    for (unsigned section = 1; section <= 3; section++) {
        build("example.net", "MX", "NOERROR | @ MX 10 mx.@");
        message_patch_u16(&message, 4 + 2 * section, 65535);
        assert_int_equal(mote_dns_read(message_span(&message), &header), MOTE_ERR_PROTOCOL);
    }
    build("example.net", "A", "NOERROR");
    for (unsigned i = 0; i < 4000; i++) {
        message_u16(&message, 0xC00C);
        message_u16(&message, MOTE_DNS_A);
        message_u16(&message, 1);
        message_u32(&message, 60);
        message_u16(&message, 4);
        message_u32(&message, 0xC0000201);
    }
    message_patch_u16(&message, 6, 4000);
    assert_int_equal(mote_dns_read(message_span(&message), &header), MOTE_OK);
    assert_int_equal(mote_dns_follow(&header, &answer), MOTE_OK);
    while (mote_dns_next(&answer, &record)) {
        count++;
    }
    assert_int_equal(count, 4000);
    message.size = sizeof message.bytes; /* a TCP message has at most 65535 octets */
    assert_int_equal(mote_dns_read(message_span(&message), &header), MOTE_ERR_PROTOCOL);
}

/* 5000 records whose owners are chains of pointers, and a chain of aliases against their order: the worst there is. */
static void the_most_work(void **state)
{
    mote_dns_header_t header;
    mote_dns_answer_t answer;
    unsigned deepest = 12;

    (void)state;
    build("a.example", "A", "NOERROR");
    message_u8(&message, 0);
    message_u16(&message, 999);
    message_u16(&message, 1);
    message_u32(&message, 0);
    message_u16(&message, 252);
    for (unsigned i = 0; i < 126; i++) {
        unsigned here = (unsigned)message.size;

        message_u16(&message, 0xC000 | deepest);
        deepest = here;
    }
    for (unsigned i = 0; i < 4990; i++) {
        message_u16(&message, 0xC000 | deepest);
        message_u16(&message, MOTE_DNS_A);
        message_u16(&message, 3);
        message_u32(&message, 0);
        message_u16(&message, 0);
    }
    message_patch_u16(&message, 6, 4991);
    assert_int_equal(mote_dns_read(message_span(&message), &header), MOTE_OK);
    assert_int_equal(mote_dns_follow(&header, &answer), MOTE_ERR_NO_DATA);
}

/* DNS-48 to DNS-53, DNS-9, DNS-10: what a message means for the question. */
static void meanings(void **state)
{
    static const struct {
        const char *answer;
        mote_status_t status;
        const char *owner;
    } cases[] = {
        { "NOERROR | @ A 192.0.2.1", MOTE_OK, "a.example" },
        { "NOERROR no-ra | @ A 192.0.2.1", MOTE_OK, "a.example" },
        { "NOERROR | A.EXAMPLE A 192.0.2.1", MOTE_OK, "a.example" },
        /* DNS-9: what somebody else owns is nobody's business */
        { "NOERROR | victim.example A 192.0.2.66", MOTE_ERR_NO_DATA, "a.example" },
        { "NOERROR | @ class=3 A 192.0.2.66", MOTE_ERR_NO_DATA, "a.example" },
        { "NOERROR | @ AAAA 2001:db8::66", MOTE_ERR_NO_DATA, "a.example" },
        { "NOERROR | authority | @ A 192.0.2.66", MOTE_ERR_NO_DATA, "a.example" },
        { "NOERROR | additional | @ A 192.0.2.66", MOTE_ERR_NO_DATA, "a.example" },
        /* DNS-49: RFC 2308 2.2, types 1 to 3, and a referral */
        { "NOERROR | authority | example SOA | example NS ns.example", MOTE_ERR_NO_DATA, "a.example" },
        { "NOERROR | authority | example SOA", MOTE_ERR_NO_DATA, "a.example" },
        { "NOERROR no-ra | authority | example SOA", MOTE_ERR_NO_DATA, "a.example" },
        { "NOERROR", MOTE_ERR_NO_DATA, "a.example" },
        { "NOERROR no-ra", MOTE_ERR_DNS, "a.example" },
        { "NOERROR | authority | example NS ns.example", MOTE_ERR_DNS, "a.example" },
        { "NOERROR aa | authority | . NS a.root-servers.net", MOTE_ERR_DNS, "a.example" },
        { "NOERROR | additional | example SOA", MOTE_ERR_NO_DATA, "a.example" },
        /* DNS-50 */
        { "NXDOMAIN", MOTE_ERR_NO_NAME, "a.example" },
        { "NXDOMAIN | authority | example SOA", MOTE_ERR_NO_NAME, "a.example" },
        { "NXDOMAIN | @ CNAME b.example | authority | example SOA", MOTE_ERR_NO_NAME, "b.example" },
        { "NXDOMAIN | @ A 192.0.2.1", MOTE_ERR_DNS, "a.example" },
        /* DNS-51: in any order, also when the chain ends elsewhere */
        { "NOERROR | @ CNAME b.example | b.example A 192.0.2.1", MOTE_OK, "b.example" },
        { "NOERROR | b.example A 192.0.2.1 | @ CNAME b.example", MOTE_OK, "b.example" },
        { "NOERROR | c.example A 192.0.2.1 | b.example CNAME c.example | @ CNAME b.example", MOTE_OK, "c.example" },
        { "NOERROR | @ CNAME b.example", MOTE_PENDING, "b.example" },
        { "NOERROR | b.example CNAME c.example | @ CNAME b.example", MOTE_PENDING, "c.example" },
        { "NOERROR | @ CNAME b.example | authority | example NS ns.example", MOTE_PENDING, "b.example" },
        { "NOERROR | @ CNAME b.example | authority | example SOA", MOTE_ERR_NO_DATA, "b.example" },
        { "NOERROR | @ CNAME b.example | b.example AAAA 2001:db8::1", MOTE_PENDING, "b.example" },
        { "NOERROR | z.example CNAME b.example | b.example A 192.0.2.1", MOTE_ERR_NO_DATA, "a.example" },
        { "NOERROR | @ class=3 CNAME b.example | b.example A 192.0.2.1", MOTE_ERR_NO_DATA, "a.example" },
        /* DNS-53 */
        { "NOERROR | example DNAME b.test | @ CNAME a.b.test | a.b.test A 192.0.2.1", MOTE_OK, "a.b.test" },
        /* DNS-52 */
        { "NOERROR | @ CNAME @", MOTE_ERR_DNS_LOOP, NULL },
        { "NOERROR | @ CNAME b.example | b.example CNAME @", MOTE_ERR_DNS_LOOP, NULL },
        { "NOERROR | @ CNAME c1.x | c1.x CNAME c2.x | c2.x CNAME c3.x | c3.x CNAME c4.x | c4.x CNAME c5.x |"
          "c5.x CNAME c6.x | c6.x CNAME c7.x | c7.x CNAME c8.x | c8.x A 192.0.2.8", MOTE_OK, "c8.x" },
        { "NOERROR | @ CNAME c1.x | c1.x CNAME c2.x | c2.x CNAME c3.x | c3.x CNAME c4.x | c4.x CNAME c5.x |"
          "c5.x CNAME c6.x | c6.x CNAME c7.x | c7.x CNAME c8.x | c8.x CNAME c9.x | c9.x A 192.0.2.9",
          MOTE_ERR_DNS_LOOP, NULL },
        { "NOERROR | c8.x A 192.0.2.8 | c7.x CNAME c8.x | c6.x CNAME c7.x | c5.x CNAME c6.x | c4.x CNAME c5.x |"
          "c3.x CNAME c4.x | c2.x CNAME c3.x | c1.x CNAME c2.x | @ CNAME c1.x", MOTE_OK, "c8.x" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_dns_header_t header;
        mote_dns_answer_t answer;
        mote_dns_record_t record;
        mote_span_t copy;

        build("a.example", "A", cases[i].answer);
        copy = exact_copy(message_span(&message));
        CHECK(mote_dns_read(copy, &header) == MOTE_OK, cases[i].answer);
        CHECK(mote_dns_follow(&header, &answer) == cases[i].status, cases[i].answer);
        CHECK(cases[i].owner == NULL || mote_dns_name_equals_text(&answer.owner, mote_span_text(cases[i].owner)),
              cases[i].answer);
        CHECK(cases[i].status != MOTE_OK || (mote_dns_next(&answer, &record) && !mote_dns_next(&answer, &record)),
              cases[i].answer);
        free_copy(copy);
    }
}

/* DNS-9, DNS-10, DNS-21 */
static void records(void **state)
{
    mote_dns_header_t header;
    mote_dns_answer_t answer;
    mote_dns_record_t record;

    (void)state;
    build("example.net", "MX",
          "NOERROR | @ ttl=60 MX 65535 mx1.@ | stray.example MX 1 evil.example | @ TXT 00 |"
          "@ ttl=0x80000001 MX 0 . | additional | @ MX 5 evil.example");
    assert_int_equal(mote_dns_read(message_span(&message), &header), MOTE_OK);
    assert_int_equal(mote_dns_follow(&header, &answer), MOTE_OK);
    assert_true(mote_dns_next(&answer, &record));
    assert_int_equal(record.ttl_s, 60);
    assert_int_equal(record.preference, 65535);
    assert_true(mote_dns_name_equals_text(&record.exchange, TEXT("mx1.example.net")));
    assert_true(mote_dns_next(&answer, &record));
    assert_int_equal(record.ttl_s, 0); /* DNS-21 */
    assert_int_equal(record.preference, 0);
    assert_true(mote_dns_name_is_root(&record.exchange));
    assert_false(mote_dns_next(&answer, &record));
    assert_false(mote_dns_next(&answer, &record));

    build("mx1.example.net", "AAAA", "NOERROR | @ ttl=0x7FFFFFFF AAAA 2001:db8::25");
    assert_int_equal(mote_dns_read(message_span(&message), &header), MOTE_OK);
    assert_int_equal(mote_dns_follow(&header, &answer), MOTE_OK);
    assert_true(mote_dns_next(&answer, &record));
    assert_int_equal(record.ttl_s, 0x7FFFFFFF);
    assert_int_equal(record.ip.family, MOTE_FAMILY_IPV6);
    assert_int_equal(record.ip.bytes[0], 0x20);
    assert_int_equal(record.ip.bytes[15], 0x25);
    assert_int_equal(record.exchange.message.size, 0);

    build("mx1.example.net", "A", "NOERROR | @ A 192.0.2.25");
    assert_int_equal(mote_dns_read(message_span(&message), &header), MOTE_OK);
    assert_int_equal(mote_dns_follow(&header, &answer), MOTE_OK);
    assert_true(mote_dns_next(&answer, &record));
    assert_int_equal(record.ip.family, MOTE_FAMILY_IPV4);
    assert_int_equal(record.ip.bytes[3], 25);
    assert_int_equal(record.ip.bytes[4], 0);

    /* An alias beside other data (which RFC 2181 10.1 forbids) is passed over. */
    build("mx1.example.net", "A", "NOERROR | @ A 192.0.2.25 | @ CNAME b.example | @ A 192.0.2.26");
    assert_int_equal(mote_dns_read(message_span(&message), &header), MOTE_OK);
    assert_int_equal(mote_dns_follow(&header, &answer), MOTE_OK);
    assert_true(mote_dns_next(&answer, &record) && record.ip.bytes[3] == 25);
    assert_true(mote_dns_next(&answer, &record) && record.ip.bytes[3] == 26);
    assert_false(mote_dns_next(&answer, &record));

    /* Data that is longer than an address is nobody's address. */
    build("mx1.example.net", "TXT", "NOERROR | @ TXT \\# 000102030405060708090A0B0C0D0E0F10");
    assert_int_equal(mote_dns_read(message_span(&message), &header), MOTE_OK);
    assert_int_equal(mote_dns_follow(&header, &answer), MOTE_OK);
    assert_true(mote_dns_next(&answer, &record));
    assert_int_equal(record.ip.family, 0);

    /* What was read and has gone since (its end is cut off) is no record. */
    build("mx1.example.net", "A", "NOERROR | @ A 192.0.2.25");
    assert_int_equal(mote_dns_read(message_span(&message), &header), MOTE_OK);
    assert_int_equal(mote_dns_follow(&header, &answer), MOTE_OK);
    answer.owner.message.size--;
    assert_false(mote_dns_next(&answer, &record));
}

/* A pointer has 14 bits: no name beyond them is where one leads, though its lower bits are the same. */
static void names_beyond_pointers(void **state)
{
    static char filler[2 * 0x4000];
    static char text[sizeof filler + 128];
    mote_dns_header_t header;
    mote_dns_answer_t answer;
    /* Before the alias's target stand the header, the question, the filler and twice an owner with its fixed part. */
    size_t size = 0x400C - (12 + 17 + 4) - 12 - 12;

    (void)state;
    memset(filler, 'a', 2 * size);
    (void)snprintf(text, sizeof text, "NOERROR | @ TXT \\# %s | @ CNAME b.example | @ A 192.0.2.66", filler);
    build("mx1.example.net", "A", text);
    assert_int_equal(message.bytes[0x400C], 1);
    assert_int_equal(message.bytes[0x400D], 'b');
    assert_int_equal(mote_dns_read(message_span(&message), &header), MOTE_OK);
    assert_int_equal(mote_dns_follow(&header, &answer), MOTE_PENDING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_on_the_wire), cmocka_unit_test(longest_names),       cmocka_unit_test(longest_exchange),
        cmocka_unit_test(pointer_chains),    cmocka_unit_test(names_to_nowhere),
        cmocka_unit_test(names_from_text),   cmocka_unit_test(hosts),               cmocka_unit_test(equal_names),
        cmocka_unit_test(headers),           cmocka_unit_test(every_truncation),    cmocka_unit_test(every_octet_changed),
        cmocka_unit_test(data_sizes),        cmocka_unit_test(counts),              cmocka_unit_test(the_most_work),
        cmocka_unit_test(meanings),          cmocka_unit_test(records),             cmocka_unit_test(names_beyond_pointers),
    };

    return cmocka_run_group_tests_name("dns", tests, NULL, NULL);
}
