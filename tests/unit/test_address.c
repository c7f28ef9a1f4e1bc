#include "test.h"

/* ADDR-1 to ADDR-3, ADDR-6 to ADDR-11: what is a Mailbox (RFC 5321 4.1.2). */
static const char *const good[] = {
    "joe@example.net",
    "JOE@EXAMPLE.NET",
    "j@a.bc",
    "a.b@example.net",
    "a.b.c.d@example.net",
    "o'hara@example.net",
    "joe+tag@example.net",
    "joe%host@example.net",
    "a!b@example.net",
    "#$%&*/=\?^_`{|}~-@example.net",
    "1@example.net",
    "123.456@example.net",
    "-@example.net",
    "joe@a-b.example",
    "joe@1example.net",
    "joe@example.n2t",
    "joe@xn--bcher-kva.example",
    "joe@3com.example",
    "\"joe\"@example.net",
    "\"joe smith\"@example.net",
    "\"a@b\"@example.net",
    "\"<>\"@example.net",
    "\"a\\\"b\"@example.net",
    "\"\\\\\"@example.net",
    "\"a.b.\"@example.net",
    "\"\"@example.net",
    "\" \"@example.net",
    "\"a,b;c:d\"@example.net",
    "\"\\a\"@example.net",
    "joe@[192.0.2.1]",
    "joe@[IPv6:2001:db8::1]",
    "joe@[ipv6:::1]",
    "\"x\"@[192.0.2.1]",
    "postmaster",
    "Postmaster",
    "POSTMASTER",
    "postmaster@example.net",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.net",
    "a@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example",
    "a@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "joe@a.b.c.d.e.f.example",
    "a@b.c",
    "=@example.net",
    "{x}@example.net",
    "joe@example.museum",
    "joe@example.xn--p1ai",
    "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"@example.net",
    "root@mail-1.example.co.uk",
    "x-y_z@example.net",
    "joe@e-x.ample",
};

/* And what is none: nothing here may reach a command line. Rows hold NULs. */
static const struct {
    const char *text;
    size_t size;
} bad[] = {
#define ROW(literal) { literal, sizeof(literal) - 1 }
    ROW(""),
    ROW("@"),
    ROW("joe"),
    ROW("joe@"),
    ROW("@example.net"),
    ROW("joe@example"),
    ROW("joe@localhost"),
    ROW("joe@example.net."),
    ROW("joe@.example.net"),
    ROW("joe@example..net"),
    ROW("joe@-example.net"),
    ROW("joe@example-.net"),
    ROW("joe@exa_mple.net"),
    ROW("joe@example.net "),
    ROW(" joe@example.net"),
    ROW("joe @example.net"),
    ROW("joe@ example.net"),
    ROW("joe@exam ple.net"),
    ROW("joe@@example.net"),
    ROW("joe@a@example.net"),
    ROW("joe.@example.net"),
    ROW(".joe@example.net"),
    ROW("jo..e@example.net"),
    ROW(".@example.net"),
    ROW("joe,@example.net"),
    ROW("jo,e@example.net"),
    ROW("joe;@example.net"),
    ROW("joe:@example.net"),
    ROW("jo:e@example.net"),
    ROW("<joe@example.net>"),
    ROW("joe@example.net>"),
    ROW("joe@example.net> NOTIFY=NEVER"),
    ROW("joe@example.net SIZE=1"),
    ROW("jo(e)@example.net"),
    ROW("jo)e@example.net"),
    ROW("jo[e@example.net"),
    ROW("jo]e@example.net"),
    ROW("jo\\e@example.net"),
    ROW("jo\"e@example.net"),
    ROW("\"joe@example.net"),
    ROW("joe\"@example.net"),
    ROW("\"joe\"\"@example.net"),
    ROW("\"joe\"x@example.net"),
    ROW("\"joe\".x@example.net"),
    ROW("x.\"joe\"@example.net"),
    ROW("\"jo\"e\"@example.net"),
    ROW("\"joe\\\"@example.net"),
    ROW("\"\\"),
    ROW("\""),
    ROW("\"a"),
    ROW("\"\\\"@example.net"),
    ROW("joe@192.0.2.1"),
    ROW("joe@3232235777"),
    ROW("joe@example.123"),
    ROW("joe@1.2"),
    ROW("joe@0x7f.1"),
    ROW("joe@[192.0.2.1"),
    ROW("joe@192.0.2.1]"),
    ROW("joe@[192.0.2.256]"),
    ROW("joe@[192.0.2]"),
    ROW("joe@[127.1]"),
    ROW("joe@[0x7f.0.0.1]"),
    ROW("joe@[192.0.2.01]"),
    ROW("joe@[]"),
    ROW("joe@["),
    ROW("joe@[[192.0.2.1]]"),
    ROW("joe@[192.0.2.1].net"),
    ROW("joe@[IPv6:]"),
    ROW("joe@[IPv6:192.0.2.1]"),
    ROW("joe@[2001:db8::1]"),
    ROW("joe@[IPv6:2001:db8::1%eth0]"),
    ROW("joe@[IPv6:fe80::1%25eth0]"),
    ROW("joe@[x400:abc]"),
    ROW("joe@[IPv4:192.0.2.1]"),
    ROW("joe@[ 192.0.2.1]"),
    ROW("joe@[192.0.2.1 ]"),
    ROW("@a,@b:joe@example.net"),
    ROW("<@a,@b:joe@example.net>"),
    ROW("@a:joe@example.net"),
    ROW("joe@example.net,ann@example.net"),
    ROW("joe@example.net\r\n"),
    ROW("joe@exa\rmple.net"),
    ROW("joe@exa\nmple.net"),
    ROW("jo\re@example.net"),
    ROW("jo\ne@example.net"),
    ROW("\r\njoe@example.net"),
    ROW("\"a\r\nRCPT TO:<x@y.zz>\"@example.net"),
    ROW("\"a\rb\"@example.net"),
    ROW("\"a\nb\"@example.net"),
    ROW("\"a\\\rb\"@example.net"),
    ROW("\"a\\\nb\"@example.net"),
    ROW("\"a\tb\"@example.net"),
    ROW("jo\te@example.net"),
    ROW("\"a\177b\"@example.net"),
    ROW("jo\177e@example.net"),
    ROW("joe@exam\177ple.net"),
    ROW("jo\033e@example.net"),
    ROW("\"jo\033e\"@example.net"),
    ROW("jo\001e@example.net"),
    ROW("\"\001\"@example.net"),
    ROW("\"\\\001\"@example.net"),
    ROW("joe@exam\001ple.net"),
    ROW("j\303\266e@example.net"),
    ROW("\"j\303\266e\"@example.net"),
    ROW("joe@b\303\274cher.example"),
    ROW("joe@example.n\303\251t"),
    ROW("jo\200e@example.net"),
    ROW("jo\377e@example.net"),
    ROW("joe@example.net\200"),
    ROW("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.net"),
    ROW("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"@example.net"),
    ROW("a@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example"),
    ROW("a@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example"),
    ROW("postmaster@"),
    ROW("@postmaster"),
    ROW("postmaste"),
    ROW("postmasterr"),
    ROW("joe@example.net/x"),
    ROW("joe@example.net\?x"),
    ROW("joe@exam/ple.net"),
    ROW("joe@exam+ple.net"),
    ROW("joe@exam!ple.net"),
    ROW("joe@exam#ple.net"),
    ROW("joe@exam%ple.net"),
    ROW("joe@exam&ple.net"),
    ROW("joe@exam*ple.net"),
    ROW("joe@exam'ple.net"),
    ROW("joe@*.example.net"),
    ROW("joe@example.net:25"),
    ROW("mailto:joe@example.net"),
    ROW("joe@example.net\0"),
    ROW("jo\000e@example.net"),
    ROW("\"jo\000e\"@example.net"),
    ROW("\"jo\\\000e\"@example.net"),
    ROW("joe@exam\000ple.net"),
    ROW("joe@example\000.net"),
    ROW("\000"),
    ROW("joe@example.-net"),
    ROW("joe@example.net-"),
    ROW("joe@--.--"),
    ROW("joe@a.-"),
    ROW("joe@ex.ample."),
    ROW("joe@."),
    ROW("joe@.."),
    ROW("joe@a..b"),
    ROW("joe at example.net"),
    ROW("joe@example,net"),
    ROW("joe@example;net"),
    ROW("joe@(comment)example.net"),
    ROW("joe(comment)@example.net"),
    ROW("\"joe\"@\"example.net\""),
    ROW("joe@\"example.net\""),
    ROW("joe@[192.0.2.1]x"),
    ROW("\"joe\" @example.net"),
    ROW("\"joe\"@ example.net"),
    ROW("Joe <joe@example.net>"),
    ROW("joe@example.net\v"),
    ROW("joe@example.net\f"),
#undef ROW
};

static void mailboxes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        mote_span_t text = exact_copy(mote_span_text(good[i]));
        mote_address_t address;

        CHECK(mote_address_parse(text, &address) == MOTE_OK, good[i]);
        free_copy(text);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        mote_span_t text = exact_copy(mote_span(bad[i].text, bad[i].size));
        mote_address_t address;

        CHECK(mote_address_parse(text, &address) != MOTE_OK, bad[i].text);
        free_copy(text);
    }
    assert_true(COUNT_OF(good) + COUNT_OF(bad) >= 200);
}

static void parts(void **state)
{
    mote_address_t address;

    (void)state;
    assert_int_equal(mote_address_parse(TEXT("\"a@b\"@Example.NET"), &address), MOTE_OK);
    assert_true(mote_span_equals(address.local_part, TEXT("\"a@b\"")));
    assert_true(mote_span_equals(address.domain, TEXT("Example.NET")));
    assert_int_equal(address.kind, MOTE_ADDRESS_DOMAIN);
    assert_int_equal(mote_address_parse(TEXT("joe@[IPv6:2001:db8::1]"), &address), MOTE_OK);
    assert_int_equal(address.kind, MOTE_ADDRESS_LITERAL);
    assert_int_equal(address.ip.family, MOTE_FAMILY_IPV6);
    assert_true(mote_span_equals(address.domain, TEXT("[IPv6:2001:db8::1]")));
    assert_int_equal(mote_address_parse(TEXT("PostMaster"), &address), MOTE_OK);
    assert_int_equal(address.kind, MOTE_ADDRESS_POSTMASTER);
    assert_int_equal(address.domain.size, 0);
}

/* ADDR-5, MX-31: domains in any case, local parts exactly, quoting that changes nothing ignored. */
static void equality(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        bool are_equal;
    } cases[] = {
        { "joe@example.net", "joe@EXAMPLE.net", true },
        { "joe@example.net", "Joe@example.net", false },
        { "joe@example.net", "\"joe\"@example.net", true },
        { "joe@example.net", "\"j\\oe\"@example.net", true },
        { "joe@example.net", "\"joe \"@example.net", false },
        { "joe@example.net", "jo@example.net", false },
        { "joe@example.net", "joe@example.org", false },
        { "\"a\\\"b\"@example.net", "\"a\\\"b\"@example.net", true },
        { "joe@[192.0.2.1]", "joe@[192.0.2.1]", true },
        { "joe@[IPv6:2001:db8::1]", "joe@[IPv6:2001:DB8:0::1]", true },
        { "joe@[192.0.2.1]", "joe@[192.0.2.2]", false },
        { "joe@[192.0.2.1]", "joe@example.net", false },
        { "postmaster", "POSTMASTER", true },
        { "postmaster", "postmaster@example.net", false },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_address_t a;
        mote_address_t b;

        CHECK(mote_address_parse(mote_span_text(cases[i].a), &a) == MOTE_OK, cases[i].a);
        CHECK(mote_address_parse(mote_span_text(cases[i].b), &b) == MOTE_OK, cases[i].b);
        CHECK(mote_address_equals(&a, &b) == cases[i].are_equal, cases[i].b);
        CHECK(mote_address_equals(&b, &a) == cases[i].are_equal, cases[i].b);
    }
}

/* ADDR-4, ADDR-5: the local part goes out as it is, less quotes that change nothing. */
static void writing(void **state)
{
    static const char *const cases[][2] = {
        { "Joe+Tag%x!y@Example.NET", "Joe+Tag%x!y@Example.NET" },
        { "\"joe\"@example.net", "joe@example.net" },
        { "\"joe.\"@example.net", "\"joe.\"@example.net" },
        { "\"joe smith\"@example.net", "\"joe smith\"@example.net" },
        { "\"j\\oe\"@example.net", "\"j\\oe\"@example.net" },
        { "\"\"@example.net", "\"\"@example.net" },
        { "joe@[192.0.2.1]", "joe@[192.0.2.1]" },
        { "Postmaster", "Postmaster" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t room[64];
        mote_writer_t out = mote_writer(room, sizeof room);
        mote_address_t address;

        CHECK(mote_address_parse(mote_span_text(cases[i][0]), &address) == MOTE_OK, cases[i][0]);
        mote_address_write(&out, &address);
        CHECK(mote_span_equals(mote_span(room, out.size), mote_span_text(cases[i][1])), cases[i][0]);
    }
}

static void lengths(void **state) /* ADDR-7 */
{
    uint8_t text[300];
    mote_address_t address;

    (void)state;
    memset(text, 'a', sizeof text);
    text[64] = '@';
    for (size_t i = 128; i < sizeof text; i += 60) {
        text[i] = '.';
    }
    assert_int_equal(mote_address_parse(mote_span(text, 254), &address), MOTE_OK);
    assert_int_equal(mote_address_parse(mote_span(text, 255), &address), MOTE_ERR_SPACE);
    assert_false(mote_domain_is_valid(mote_span(text, 253))); /* the '@' */
    text[30] = text[64] = '.';
    assert_true(mote_domain_is_valid(mote_span(text, 253))); /* RFC 1035 2.3.4: 255 octets on the wire */
    assert_false(mote_domain_is_valid(mote_span(text, 254)));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(mailboxes), cmocka_unit_test(parts), cmocka_unit_test(equality),
                                        cmocka_unit_test(writing), cmocka_unit_test(lengths) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
