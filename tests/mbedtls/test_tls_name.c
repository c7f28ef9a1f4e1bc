/* Which dNSName is for which host: a table. */

#include "mote_tls_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef struct row {
    const char *label;
    mote_span_t presented;
    mote_span_t name;
    bool matches;
} row_t;

#define LABEL_63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"
#define LABELS_252                                                                                           \
    LABEL_63 "." LABEL_63 "." LABEL_63 "."                                                                   \
             "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"

/* clang-format off */
static const row_t rows[] = {
    { "equal", MOTE_SPAN("mail.example.net"), MOTE_SPAN("mail.example.net"), true },
    { "case of letters", MOTE_SPAN("Mail.EXAMPLE.net"), MOTE_SPAN("mail.example.NET"), true },
    { "digits, hyphen, underscore", MOTE_SPAN("m_1-x.example"), MOTE_SPAN("m_1-x.example"), true },
    { "A-label", MOTE_SPAN("xn--bcher-kva.example"), MOTE_SPAN("xn--bcher-kva.example"), true },
    { "one label", MOTE_SPAN("mailhost"), MOTE_SPAN("mailhost"), true },
    { "longest label and name", MOTE_SPAN(LABELS_252), MOTE_SPAN(LABELS_252), true },

    { "other name", MOTE_SPAN("mail.example.org"), MOTE_SPAN("mail.example.net"), false },
    { "presented is longer", MOTE_SPAN("mail.example.net.org"), MOTE_SPAN("mail.example.net"), false },
    { "presented is shorter", MOTE_SPAN("example.net"), MOTE_SPAN("mail.example.net"), false },
    { "a suffix of the label", MOTE_SPAN("ail.example.net"), MOTE_SPAN("mail.example.net"), false },
    { "'@' is not '`', '[' not '{'", MOTE_SPAN("a[.example"), MOTE_SPAN("a{.example"), false },
    { "nothing presented", MOTE_SPAN(""), MOTE_SPAN("mail.example.net"), false },
    { "nothing meant", MOTE_SPAN("mail.example.net"), MOTE_SPAN(""), false },
    { "nothing at all", MOTE_SPAN(""), MOTE_SPAN(""), false },
    { "dot at the end", MOTE_SPAN("mail.example.net."), MOTE_SPAN("mail.example.net"), false },
    { "dot at the start", MOTE_SPAN(".example.net"), MOTE_SPAN(".example.net"), false },
    { "two dots", MOTE_SPAN("mail..net"), MOTE_SPAN("mail..net"), false },
    { "label of 64", MOTE_SPAN(LABEL_63 "g.net"), MOTE_SPAN(LABEL_63 "g.net"), false },
    { "name of 254", MOTE_SPAN(LABELS_252 ".a"), MOTE_SPAN(LABELS_252 ".a"), false },
    { "UTF-8", MOTE_SPAN("b\xc3\xbc" "cher.example"), MOTE_SPAN("b\xc3\xbc" "cher.example"), false },

    { "NUL after the name", MOTE_SPAN("good.example\0.evil.example"), MOTE_SPAN("good.example"), false },
    { "NUL at the end", MOTE_SPAN("good.example\0"), MOTE_SPAN("good.example"), false },
    { "NUL in both", MOTE_SPAN("good.example\0"), MOTE_SPAN("good.example\0"), false },
    { "NUL in a wildcard", MOTE_SPAN("*.good.example\0.evil.example"), MOTE_SPAN("a.good.example"), false },
    { "blank", MOTE_SPAN("good.example "), MOTE_SPAN("good.example"), false },

    { "wildcard", MOTE_SPAN("*.example.net"), MOTE_SPAN("mail.example.net"), true },
    { "wildcard, case of letters", MOTE_SPAN("*.Example.net"), MOTE_SPAN("MAIL.eXAMPLE.NET"), true },
    { "wildcard for an A-label", MOTE_SPAN("*.example.net"), MOTE_SPAN("xn--bcher-kva.example.net"), true },
    { "wildcard takes one label only", MOTE_SPAN("*.example.net"), MOTE_SPAN("a.b.example.net"), false },
    { "wildcard takes a label", MOTE_SPAN("*.example.net"), MOTE_SPAN("example.net"), false },
    { "wildcard takes no empty label", MOTE_SPAN("*.example.net"), MOTE_SPAN(".example.net"), false },
    { "wildcard of a top-level domain", MOTE_SPAN("*.example"), MOTE_SPAN("mail.example"), false },
    { "wildcard of the root", MOTE_SPAN("*."), MOTE_SPAN("mail."), false },
    { "star alone", MOTE_SPAN("*"), MOTE_SPAN("mail"), false },
    { "star at the end of a label", MOTE_SPAN("f*.example.net"), MOTE_SPAN("foo.example.net"), false },
    { "star at the start of a label", MOTE_SPAN("*o.example.net"), MOTE_SPAN("foo.example.net"), false },
    { "star within a label", MOTE_SPAN("f*o.example.net"), MOTE_SPAN("foo.example.net"), false },
    { "two stars", MOTE_SPAN("*.*.net"), MOTE_SPAN("mail.example.net"), false },
    { "star in second place", MOTE_SPAN("mail.*.net"), MOTE_SPAN("mail.example.net"), false },
    { "star meant literally", MOTE_SPAN("*.example.net"), MOTE_SPAN("*.example.net"), false },
};
/* clang-format on */

static void names_are_compared_label_by_label(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (mote_tls_name_matches(rows[i].presented, rows[i].name) != rows[i].matches) {
            fail_msg("%s", rows[i].label);
        }
    }
}

static void addresses_are_compared_octet_by_octet(void **state)
{
    const mote_span_t v4 = MOTE_SPAN("\xc0\x00\x02\x01");
    const mote_span_t v4_and_more = MOTE_SPAN("\xc0\x00\x02\x01\x00");
    const mote_span_t v4_mapped = MOTE_SPAN("\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01");
    const mote_span_t v6 = MOTE_SPAN("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01");
    const mote_span_t text = MOTE_SPAN("192.0.2.1");
    mote_ip_t ip;

    (void)state;
    assert_int_equal(mote_ip_parse(mote_span_text("192.0.2.1"), &ip), MOTE_OK);
    assert_true(mote_tls_name_matches_ip(v4, &ip));
    assert_false(mote_tls_name_matches_ip(v4_and_more, &ip));
    assert_false(mote_tls_name_matches_ip(v4_mapped, &ip));
    assert_false(mote_tls_name_matches_ip(text, &ip));
    assert_false(mote_tls_name_matches_ip(mote_span(NULL, 0), &ip));
    assert_int_equal(mote_ip_parse(mote_span_text("2001:db8::1"), &ip), MOTE_OK);
    assert_true(mote_tls_name_matches_ip(v6, &ip));
    assert_false(mote_tls_name_matches_ip(v4, &ip));
}

static void one_dot_at_the_end_is_taken_off(void **state)
{
    const mote_span_t dotted = MOTE_SPAN("mail.example.");
    const mote_span_t bare = MOTE_SPAN("mail.example");
    const mote_span_t root = MOTE_SPAN(".");

    (void)state;
    assert_true(mote_span_equals(mote_tls_name_bare(dotted), bare));
    assert_true(mote_span_equals(mote_tls_name_bare(bare), bare));
    assert_true(mote_span_equals(mote_tls_name_bare(root), root));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_compared_label_by_label),
        cmocka_unit_test(addresses_are_compared_octet_by_octet),
        cmocka_unit_test(one_dot_at_the_end_is_taken_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
