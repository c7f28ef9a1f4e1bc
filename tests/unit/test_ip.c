#include "test.h"

/* ADDR-10, DNS-27: an address is exactly an address, and everything else is none. */
static const struct {
    const char *text;
    const char *canonical; /* NULL: refused */
} addresses[] = {
    { "192.0.2.1", "192.0.2.1" },
    { "0.0.0.0", "0.0.0.0" },
    { "255.255.255.255", "255.255.255.255" },
    { "256.0.0.1", NULL },
    { "192.0.2", NULL },
    { "192.0.2.1.1", NULL },
    { "192.0.2.", NULL },
    { ".192.0.2.1", NULL },
    { "192..2.1", NULL },
    { "192.0.2.01", NULL },
    { "192.0.2.1 ", NULL },
    { " 192.0.2.1", NULL },
    { "127.1", NULL },
    { "0x7f.0.0.1", NULL },
    { "0177.0.0.1", NULL },
    { "3232235777", NULL },
    { "1000.0.0.1", NULL },
    { "99999999999.0.0.1", NULL },
    { "", NULL },
    { "::", "::" },
    { "::1", "::1" },
    { "1::", "1::" },
    { "2001:db8::1", "2001:db8::1" },
    { "2001:DB8:0:0:0:0:0:1", "2001:db8::1" },
    { "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" }, /* RFC 5952 4.2.2: one zero group is not "::" */
    { "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
    { "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" }, /* RFC 5952 4.2.3: the first of equal runs */
    { "0:0:0:0:0:0:0:0", "::" },
    { "0001:0002:0003:0004:0005:0006:0007:0008", "1:2:3:4:5:6:7:8" },
    { "::ffff:192.0.2.1", "::ffff:c000:201" },
    { "1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:c000:201" },
    { "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
    { "1:2:3:4:5:6:7:192.0.2.1", NULL },
    { "192.0.2.1::", NULL },
    { "::192.0.2.1:1", NULL },
    { "1:2:3:4:5:6:7", NULL },
    { "1:2:3:4:5:6:7:8:9", NULL },
    { "1::2::3", NULL },
    { ":::", NULL },
    { ":1:2:3:4:5:6:7", NULL },
    { "1:2:3:4:5:6:7:", NULL },
    { "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" },
    { "::1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7" },
    { "1:2:3:4::5:6:7:8", NULL }, /* "::" stands for at least one group */
    { "12345::", NULL },
    { "g::", NULL },
    { "fe80::1%eth0", NULL },
    { "[::1]", NULL },
    { "example", NULL },
};

static void texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        mote_span_t text = exact_copy(mote_span_text(addresses[i].text));
        mote_ip_t ip;
        mote_status_t status = mote_ip_parse(text, &ip);

        CHECK((status == MOTE_OK) == (addresses[i].canonical != NULL), addresses[i].text);
        if (status == MOTE_OK) {
            uint8_t room[39];
            mote_writer_t out = mote_writer(room, sizeof room);
            mote_ip_t again;

            mote_ip_write(&out, &ip);
            CHECK(!mote_writer_overflowed(&out), addresses[i].text);
            CHECK(mote_span_equals(mote_span(room, out.size), mote_span_text(addresses[i].canonical)), addresses[i].text);
            CHECK(mote_ip_parse(mote_span(room, out.size), &again) == MOTE_OK, addresses[i].text);
            CHECK(mote_ip_equals(&ip, &again), addresses[i].text);
        }
        free_copy(text);
    }
}

static void literals(void **state)
{
    static const char *const cases[][2] = {
        { "192.0.2.1", "[192.0.2.1]" },
        { "2001:db8::1", "[IPv6:2001:db8::1]" },
        { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "[IPv6:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t room[46];
        mote_writer_t out = mote_writer(room, sizeof room);
        mote_ip_t ip;

        assert_int_equal(mote_ip_parse(mote_span_text(cases[i][0]), &ip), MOTE_OK);
        mote_ip_write_literal(&out, &ip);
        CHECK(mote_span_equals(mote_span(room, out.size), mote_span_text(cases[i][1])), cases[i][0]);
    }
}

/* ADDR-10: brackets on both sides, and a tag for IPv6 alone. */
static void literals_read(void **state)
{
    static const struct {
        const char *text;
        bool is_right;
    } cases[] = {
        { "[192.0.2.1]", true },  { "[IPv6:2001:db8::1]", true }, { "[ipv6:::1]", true },     { "x192.0.2.1]", false },
        { "[192.0.2.1x", false }, { "[IPv6:192.0.2.1]", false },  { "[2001:db8::1]", false }, { "[]", false },
        { "[", false },           { "", false },                  { "[IPv6:]", false },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_ip_t ip;

        CHECK((mote_ip_parse_literal(mote_span_text(cases[i].text), &ip) == MOTE_OK) == cases[i].is_right, cases[i].text);
    }
}

/* MX-21, MX-22, MX-23: how far an address reaches (RFC 6890). */
static void reaches(void **state)
{
    static const struct {
        const char *text;
        mote_reach_t reach;
    } cases[] = {
        { "192.0.2.1", MOTE_REACH_GLOBAL },       { "9.255.255.255", MOTE_REACH_GLOBAL },
        { "10.0.0.1", MOTE_REACH_PRIVATE },       { "11.0.0.0", MOTE_REACH_GLOBAL },
        { "172.15.255.255", MOTE_REACH_GLOBAL },  { "172.16.0.0", MOTE_REACH_PRIVATE },
        { "172.31.255.255", MOTE_REACH_PRIVATE }, { "172.32.0.0", MOTE_REACH_GLOBAL },
        { "192.168.0.1", MOTE_REACH_PRIVATE },    { "192.169.0.1", MOTE_REACH_GLOBAL },
        { "100.63.255.255", MOTE_REACH_GLOBAL },  { "100.64.0.0", MOTE_REACH_PRIVATE },
        { "100.127.255.255", MOTE_REACH_PRIVATE }, { "100.128.0.0", MOTE_REACH_GLOBAL },
        { "127.0.0.1", MOTE_REACH_LOOPBACK },     { "127.255.255.255", MOTE_REACH_LOOPBACK },
        { "0.0.0.0", MOTE_REACH_NEVER },          { "0.1.2.3", MOTE_REACH_NEVER },
        { "169.254.0.1", MOTE_REACH_NEVER },      { "169.253.0.1", MOTE_REACH_GLOBAL },
        { "223.255.255.255", MOTE_REACH_GLOBAL }, { "224.0.0.1", MOTE_REACH_NEVER },
        { "239.255.255.255", MOTE_REACH_NEVER },  { "240.0.0.1", MOTE_REACH_NEVER },
        { "255.255.255.255", MOTE_REACH_NEVER },  { "2001:db8::1", MOTE_REACH_GLOBAL },
        { "::", MOTE_REACH_NEVER },               { "::1", MOTE_REACH_LOOPBACK },
        { "64:ff9b::10.0.0.5", MOTE_REACH_PRIVATE }, { "64:ff9b::192.0.2.33", MOTE_REACH_GLOBAL },
        { "64:ff9b::127.0.0.1", MOTE_REACH_LOOPBACK }, { "64:ff9b:1::10.0.0.5", MOTE_REACH_PRIVATE },
        { "64:ff9b:1:ffff::1", MOTE_REACH_PRIVATE }, { "64:ff9b:2::10.0.0.5", MOTE_REACH_GLOBAL },
        { "::1.0.0.1", MOTE_REACH_NEVER },        { "::0.1.0.1", MOTE_REACH_NEVER },
        { "::0.0.1.1", MOTE_REACH_NEVER },        { "::1:0:1", MOTE_REACH_GLOBAL },
        { "::100:0:1", MOTE_REACH_GLOBAL },       { "fe00::1", MOTE_REACH_GLOBAL },
        { "::2", MOTE_REACH_NEVER },              { "::127.0.0.1", MOTE_REACH_NEVER },
        { "fe80::1", MOTE_REACH_NEVER },          { "febf::1", MOTE_REACH_NEVER },
        { "fec0::1", MOTE_REACH_NEVER },          { "ff02::1", MOTE_REACH_NEVER },
        { "fc00::1", MOTE_REACH_PRIVATE },        { "fdff::1", MOTE_REACH_PRIVATE },
        { "::ffff:127.0.0.1", MOTE_REACH_NEVER },  { "::ffff:10.0.0.1", MOTE_REACH_NEVER },
        { "::ffff:224.0.0.1", MOTE_REACH_NEVER }, { "::ffff:192.0.2.1", MOTE_REACH_NEVER },
        { "::ffff:0.0.0.0", MOTE_REACH_NEVER },   { "::ffff:169.254.1.1", MOTE_REACH_NEVER },
    };
    mote_ip_t none = { 0, { 0 } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_ip_t ip;

        CHECK(mote_ip_parse(mote_span_text(cases[i].text), &ip) == MOTE_OK, cases[i].text);
        CHECK(mote_ip_reach(&ip) == cases[i].reach, cases[i].text);
    }
    assert_int_equal(mote_ip_reach(&none), MOTE_REACH_NEVER);
}

static void spellings(void **state)
{
    (void)state;
    assert_true(mote_ip_is_spelled(TEXT("127.1")));
    assert_true(mote_ip_is_spelled(TEXT("3232235777")));
    assert_true(mote_ip_is_spelled(TEXT("::1")));
    assert_false(mote_ip_is_spelled(TEXT("1a")));
    assert_false(mote_ip_is_spelled(TEXT("mx1.example.net")));
    assert_false(mote_ip_is_spelled(TEXT("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(texts), cmocka_unit_test(literals), cmocka_unit_test(literals_read), cmocka_unit_test(reaches),
                                        cmocka_unit_test(spellings) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
