#include "test.h"

/* AUTH-1: names in any case, whole. */
static void mechanisms(void **state)
{
    static const struct {
        const char *name;
        uint8_t mechanism;
    } cases[] = {
        { "PLAIN", MOTE_AUTH_PLAIN }, { "plain", MOTE_AUTH_PLAIN }, { "LOGIN", MOTE_AUTH_LOGIN }, { "Login", MOTE_AUTH_LOGIN },
        { "PLAI", 0 },                { "PLAINS", 0 },              { "CRAM-MD5", 0 },            { "", 0 },
        { "EXTERNAL", 0 },            { "SCRAM-SHA-256", 0 },       { "XOAUTH2", 0 },             { "GSSAPI", 0 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK(mote_auth_mechanism(mote_span_text(cases[i].name)) == cases[i].mechanism, cases[i].name);
    }
    assert_true(mote_span_equals(mote_auth_name(MOTE_AUTH_PLAIN), TEXT("PLAIN")));
    assert_true(mote_span_equals(mote_auth_name(MOTE_AUTH_LOGIN), TEXT("LOGIN")));
    assert_int_equal(mote_auth_step_count(MOTE_AUTH_PLAIN), 1);
    assert_int_equal(mote_auth_step_count(MOTE_AUTH_LOGIN), 2);
}

/* AUTH-4, AUTH-27: any octets but NUL, CR and LF, as they are; a user, at least. */
static void usable(void **state)
{
    static const struct {
        const char *name;
        mote_credentials_t credentials;
        bool is_usable;
    } cases[] = {
        { "both", { MOTE_SPAN("joe"), MOTE_SPAN("secret") }, true },
        { "no password", { MOTE_SPAN("joe"), MOTE_SPAN("") }, true },
        { "no user", { MOTE_SPAN(""), MOTE_SPAN("secret") }, false },
        { "UTF-8", { MOTE_SPAN("j\xc3\xb6"), MOTE_SPAN("\xe2\x82\xac \t;#=") }, true },
        { "NUL in the user", { MOTE_SPAN("j\0e"), MOTE_SPAN("secret") }, false },
        { "NUL in the password", { MOTE_SPAN("joe"), MOTE_SPAN("sec\0ret") }, false },
        { "CR in the user", { MOTE_SPAN("joe\r"), MOTE_SPAN("secret") }, false },
        { "LF in the password", { MOTE_SPAN("joe"), MOTE_SPAN("\nsecret") }, false },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK(mote_auth_is_usable(&cases[i].credentials) == cases[i].is_usable, cases[i].name);
    }
}

/* RFC 4954 4: the longest answer fits its line; what is longer is not begun. */
static void the_longest(void **state)
{
    static uint8_t secret[70000];
    mote_credentials_t credentials = { TEXT("joe"), mote_span(secret, 0) };
    size_t longest = 0;

    (void)state;
    memset(secret, 'x', sizeof secret);
    for (size_t i = 0; i < sizeof secret; i++) {
        mote_writer_t out = mote_writer(NULL, 0);

        credentials.password.size = i;
        if (mote_auth_is_usable(&credentials)) {
            longest = i;
            mote_auth_write_answer(&out, MOTE_AUTH_PLAIN, 0, &credentials);
            assert_true(out.size + 2 <= 12288);
        }
    }
    assert_in_range(longest, 9000, 9300);
    credentials.user = mote_span(secret, sizeof secret);
    assert_false(mote_auth_is_usable(&credentials));
    credentials.password.size = 0;
    assert_false(mote_auth_is_usable(&credentials));
}

/* AUTH-4, AUTH-17: the answers, whole and through any window. */
static void answers(void **state)
{
    static const struct {
        const char *name;
        uint8_t mechanism;
        unsigned step;
        mote_credentials_t credentials;
        const char *answer;
    } cases[] = {
        { "PLAIN, RFC 4616 4", MOTE_AUTH_PLAIN, 0, { MOTE_SPAN("tim"), MOTE_SPAN("tanstaaftanstaaf") }, "AHRpbQB0YW5zdGFhZnRhbnN0YWFm" },
        { "PLAIN without a password", MOTE_AUTH_PLAIN, 0, { MOTE_SPAN("tim"), MOTE_SPAN("") }, "AHRpbQA=" },
        { "LOGIN, the user", MOTE_AUTH_LOGIN, 0, { MOTE_SPAN("tim"), MOTE_SPAN("tanstaaf") }, "dGlt" },
        { "LOGIN, the password", MOTE_AUTH_LOGIN, 1, { MOTE_SPAN("tim"), MOTE_SPAN("tanstaaf") }, "dGFuc3RhYWY=" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t size = strlen(cases[i].answer);

        for (size_t skip = 0; skip <= size; skip++) {
            uint8_t window[7];
            mote_writer_t out = mote_writer(window, sizeof window);
            size_t stored;

            out.skip = skip;
            mote_auth_write_answer(&out, cases[i].mechanism, cases[i].step, &cases[i].credentials);
            stored = mote_writer_stored(&out);
            CHECK(out.size == size, cases[i].name);
            CHECK(stored == (size - skip < sizeof window ? size - skip : sizeof window), cases[i].name);
            CHECK(memcmp(window, cases[i].answer + skip, stored) == 0, cases[i].name);
        }
    }
}

/* AUTH-4, AUTH-5: 255 octets and more of each part are carried. */
static void long_parts(void **state)
{
    static uint8_t part[300];
    mote_credentials_t credentials = { { part, sizeof part }, { part, sizeof part } };
    mote_writer_t out = mote_writer(NULL, 0);

    (void)state;
    memset(part, 'x', sizeof part);
    assert_true(mote_auth_is_usable(&credentials));
    mote_auth_write_answer(&out, MOTE_AUTH_PLAIN, 0, &credentials);
    assert_int_equal(out.size, 804); /* 602 octets, in groups of 3 */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(mechanisms), cmocka_unit_test(usable), cmocka_unit_test(the_longest), cmocka_unit_test(answers),
                                        cmocka_unit_test(long_parts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
