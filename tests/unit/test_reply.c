#include "test.h"

/* Reads octets until a reply is done or malformed: MOTE_PENDING while it goes on. */
static mote_status_t read_reply(mote_reply_t *reply, mote_span_t bytes, char *text, size_t *used)
{
    memset(reply, 0, sizeof *reply);
    for (*used = 0; *used < bytes.size;) {
        uint8_t octet = bytes.data[(*used)++];

        switch (mote_reply_octet(reply, octet)) {
        case MOTE_REPLY_TEXT:
            text += sprintf(text, "%c", octet);
            break;
        case MOTE_REPLY_ENHANCED:
            text += sprintf(text, "^");
            break;
        case MOTE_REPLY_LINE_END:
            text += sprintf(text, "|");
            break;
        case MOTE_REPLY_DONE:
            return MOTE_OK;
        case MOTE_REPLY_MALFORMED:
            return MOTE_ERR_PROTOCOL;
        case MOTE_REPLY_NOTHING:
            break;
        }
    }
    return MOTE_PENDING;
}

/* SMTP-13, SMTP-14, SMTP-15, SMTP-17, SMTP-18, SMTP-19, SMTP-22, SEC-11: what is a reply and what is none. */
static void replies(void **state)
{
    static const struct {
        const char *name;
        const char *octets;
        mote_status_t status;
        uint16_t code;
        const char *text; /* ^ ends an enhanced code, | a line */
    } cases[] = {
        { "one line", "250 ok\r\n", MOTE_OK, 250, "ok" },                                           /* 4.2 */
        { "text may be missing", "250\r\n", MOTE_OK, 250, "" },                                     /* 4.2 */
        { "a space and no text", "250 \r\n", MOTE_OK, 250, "" },
        { "several lines", "250-one\r\n250-two\r\n250 three\r\n", MOTE_OK, 250, "one|two|three" },  /* 4.2.1 */
        { "a bare code ends several lines", "250-one\r\n250\r\n", MOTE_OK, 250, "one|" },
        { "a bare code with a hyphen", "250-\r\n250 x\r\n", MOTE_OK, 250, "|x" },
        { "more to come", "250-one\r\n", MOTE_PENDING, 250, "one|" },
        { "unknown codes are codes", "571 x\r\n", MOTE_OK, 571, "x" },
        { "any second digit", "299 x\r\n", MOTE_OK, 299, "x" },
        { "a tab is text", "250 a\tb\r\n", MOTE_OK, 250, "a\tb" },
        { "8-bit is text", "250 \xc3\xa4\r\n", MOTE_OK, 250, "\xc3\xa4" },
        { "text like a code", "250 250 ok\r\n", MOTE_OK, 250, "250 ok" },
        { "code changes mid-reply", "250-one\r\n251 two\r\n", MOTE_ERR_PROTOCOL, 250, "one|" }, /* 4.2.1 */
        { "code changes in its last digit", "250-one\r\n259", MOTE_ERR_PROTOCOL, 250, "one|" },
        { "bare LF is no line end", "250 ok\n", MOTE_ERR_PROTOCOL, 250, "ok" }, /* 2.3.8 */
        { "bare LF behind the code", "250\n", MOTE_ERR_PROTOCOL, 250, "" },
        { "bare CR is no line end", "250 ok\rx", MOTE_ERR_PROTOCOL, 250, "ok" },
        { "two CRs", "250 ok\r\r\n", MOTE_ERR_PROTOCOL, 250, "ok" },
        { "CR within the code", "25\r\n", MOTE_ERR_PROTOCOL, 0, "" },
        { "NUL", "250 a\0b\r\n", MOTE_PENDING, 250, "a" }, /* the C string ends there; see bounds */
        { "two digits", "25 ok\r\n", MOTE_ERR_PROTOCOL, 0, "" },
        { "four digits", "2500 ok\r\n", MOTE_ERR_PROTOCOL, 250, "" },
        { "digit 1", "150 ok\r\n", MOTE_ERR_PROTOCOL, 0, "" },
        { "digit 6", "650 ok\r\n", MOTE_ERR_PROTOCOL, 0, "" },
        { "digit 9", "999 ok\r\n", MOTE_ERR_PROTOCOL, 0, "" },
        { "a letter", "2x0 ok\r\n", MOTE_ERR_PROTOCOL, 0, "" },
        { "a space in front", " 250 ok\r\n", MOTE_ERR_PROTOCOL, 0, "" },
        { "an empty line", "\r\n", MOTE_ERR_PROTOCOL, 0, "" },
        { "an empty line between", "250-a\r\n\r\n", MOTE_ERR_PROTOCOL, 250, "a|" },
        { "another separator", "250+ok\r\n", MOTE_ERR_PROTOCOL, 250, "" },
        { "SSH", "SSH-2.0-x\r\n", MOTE_ERR_PROTOCOL, 0, "" },
        { "HTTP", "HTTP/1.1 400 Bad Request\r\n", MOTE_ERR_PROTOCOL, 0, "" },
        { "TLS", "\x15\x03\x01", MOTE_ERR_PROTOCOL, 0, "" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_span_t bytes = exact_copy(mote_span_text(cases[i].octets));
        mote_reply_t reply;
        char text[200] = "";
        size_t used;

        CHECK(read_reply(&reply, bytes, text, &used) == cases[i].status, cases[i].name);
        CHECK(reply.code == cases[i].code, cases[i].name);
        CHECK(strcmp(text, cases[i].text) == 0, cases[i].name);
        CHECK(cases[i].status != MOTE_OK || used == bytes.size, cases[i].name);
        if (cases[i].status == MOTE_ERR_PROTOCOL) {
            CHECK(mote_reply_octet(&reply, '2') == MOTE_REPLY_MALFORMED, cases[i].name); /* sticks */
        }
        free_copy(bytes);
    }
}

/* EXT-17, EXT-18: an enhanced code stands first in a line's text, and its class is the code's. */
static void enhanced_codes(void **state)
{
    static const struct {
        const char *name;
        const char *octets;
        mote_enhanced_t enhanced;
        const char *text;
    } cases[] = {
        { "with words", "550 5.1.1 no such user\r\n", { 5, 1, 1 }, "5.1.1^no such user" },
        { "alone", "250 2.0.0\r\n", { 2, 0, 0 }, "2.0.0^" },
        { "three digits each", "450 4.123.999 x\r\n", { 4, 123, 999 }, "4.123.999^x" },
        { "on a later line", "550-sorry\r\n550 5.1.1 x\r\n", { 5, 1, 1 }, "sorry|5.1.1^x" },
        { "the first one counts", "550-5.1.1 a\r\n550 5.7.1 b\r\n", { 5, 1, 1 }, "5.1.1^a|5.7.1^b" },
        { "another class", "250 5.1.1 x\r\n", { 0, 0, 0 }, "5.1.1 x" },
        { "another class, the other way", "550 4.1.1 x\r\n", { 0, 0, 0 }, "4.1.1 x" },
        { "not first", "550 no 5.1.1 x\r\n", { 0, 0, 0 }, "no 5.1.1 x" },
        { "behind a second space", "550  5.1.1 x\r\n", { 0, 0, 0 }, " 5.1.1 x" },
        { "two parts", "550 5.1 x\r\n", { 0, 0, 0 }, "5.1 x" },
        { "no subject", "550 5..1 x\r\n", { 0, 0, 0 }, "5..1 x" },
        { "no detail", "550 5.1. x\r\n", { 0, 0, 0 }, "5.1. x" },
        { "four digits", "550 5.1000.1 x\r\n", { 0, 0, 0 }, "5.1000.1 x" },
        { "four digits of detail", "550 5.1.1000 x\r\n", { 0, 0, 0 }, "5.1.1000 x" },
        { "a version number", "220 2.3.4beta ready\r\n", { 0, 0, 0 }, "2.3.4beta ready" },
        { "four parts", "220 2.3.4.5 ready\r\n", { 0, 0, 0 }, "2.3.4.5 ready" },
        { "there is none of class 3", "354 3.0.0 go\r\n", { 0, 0, 0 }, "3.0.0 go" },
        { "no text", "550\r\n", { 0, 0, 0 }, "" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_reply_t reply;
        char text[200] = "";
        size_t used;

        CHECK(read_reply(&reply, mote_span_text(cases[i].octets), text, &used) == MOTE_OK, cases[i].name);
        CHECK(reply.enhanced.klass == cases[i].enhanced.klass, cases[i].name);
        CHECK(reply.enhanced.klass == 0 || (reply.enhanced.subject == cases[i].enhanced.subject &&
                                            reply.enhanced.detail == cases[i].enhanced.detail),
              cases[i].name);
        CHECK(strcmp(text, cases[i].text) == 0, cases[i].name);
    }
}

/* Feeds the same octets again and again. Returns how many were taken before the reply ended or went wrong. */
static size_t feed(mote_reply_t *reply, const char *octets, size_t limit)
{
    size_t size = strlen(octets);

    for (size_t i = 0; i < limit; i++) {
        mote_reply_event_t event = mote_reply_octet(reply, (uint8_t)octets[i % size]);

        if (event == MOTE_REPLY_DONE || event == MOTE_REPLY_MALFORMED) {
            return i;
        }
    }
    return limit;
}

/* SMTP-21, SMTP-12, SEC-3: an endless reply ends, at a line too long, a line too many, an octet too many. */
static void bounds(void **state)
{
    mote_reply_t reply;
    char line[300];

    (void)state;
    memset(&reply, 0, sizeof reply);
    assert_int_equal(feed(&reply, "250 ", 4), 4);
    assert_int_equal(feed(&reply, "x", MOTE_REPLY_LINE_BYTES - 4), MOTE_REPLY_LINE_BYTES - 4);
    assert_int_equal(mote_reply_octet(&reply, '\r'), MOTE_REPLY_MALFORMED);

    memset(&reply, 0, sizeof reply);
    assert_int_equal(feed(&reply, "250-x\r\n", 7 * MOTE_REPLY_LINE_COUNT), 7 * MOTE_REPLY_LINE_COUNT - 1);
    assert_int_equal(mote_reply_octet(&reply, '2'), MOTE_REPLY_MALFORMED);

    memset(&reply, 0, sizeof reply);
    memset(line, 'x', sizeof line);
    memcpy(line, "250-", 4);
    memcpy(line + 297, "\r\n", 3); /* 299 octets a line: 32768 are reached within the 110th */
    assert_int_equal(feed(&reply, line, 40000), MOTE_REPLY_BYTES);

    memset(&reply, 0, sizeof reply);
    assert_int_equal(feed(&reply, "250 a", 5), 5);
    assert_int_equal(mote_reply_octet(&reply, 0), MOTE_REPLY_MALFORMED); /* NUL */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(replies), cmocka_unit_test(enhanced_codes), cmocka_unit_test(bounds) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
