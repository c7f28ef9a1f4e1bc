#include "test.h"

#include <mailmote/header.h>

#define FIFTY "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* ---- UTF-8 --------------------------------------------------------------------------------------------- */

/* MSG-11, MSG-17: what may stand in a value. */
static void texts(void **state)
{
    static const struct {
        const char *name;
        const char *text;
        size_t size;
        bool is_right;
    } cases[] = {
        { "nothing", "", 0, true },
        { "ASCII", "plain ~", 7, true },
        { "two octets", "\xC2\x80", 2, true },
        { "the last of two", "\xDF\xBF", 2, true },
        { "three", "\xE0\xA0\x80", 3, true },
        { "below the surrogates", "\xED\x9F\xBF", 3, true },
        { "four", "\xF0\x90\x80\x80", 4, true },
        { "the last character", "\xF4\x8F\xBF\xBF", 4, true },
        { "an emoji", "\xF0\x9F\x94\xA5", 4, true },
        { "CR", "a\rb", 3, false },
        { "LF", "a\nb", 3, false },
        { "NUL", "a\0b", 3, false },
        { "tab", "a\tb", 3, false },
        { "escape", "\x1B[2J", 4, false },
        { "DEL", "\x7F", 1, false },
        { "Latin-1", "caf\xE9", 4, false },
        { "a continuation alone", "\x80", 1, false },
        { "overlong two", "\xC0\x80", 2, false },
        { "overlong slash", "\xC1\xAF", 2, false },
        { "overlong three", "\xE0\x9F\xBF", 3, false },
        { "overlong four", "\xF0\x8F\xBF\xBF", 4, false },
        { "a surrogate", "\xED\xA0\x80", 3, false },
        { "beyond the last", "\xF4\x90\x80\x80", 4, false },
        { "no such lead", "\xF5\x80\x80\x80", 4, false },
        { "cut short", "\xE2\x82", 2, false },
        { "cut by ASCII", "\xE2\x82" "a", 3, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_span_t text = exact_copy(mote_span(cases[i].text, cases[i].size));

        CHECK(mote_header_check_text(text) == (cases[i].is_right ? MOTE_OK : MOTE_ERR_CONTENT), cases[i].name);
        free_copy(text);
    }
}

/* ---- fields -------------------------------------------------------------------------------------------- */

/* MSG-12, MSG-14 to MSG-16. */
static void unstructured(void **state)
{
    static const struct {
        const char *name;
        const char *text;
        const char *field;
    } cases[] = {
        { "nothing", "", "Subject:\r\n" },
        { "plain", "Pump 7 is hot", "Subject: Pump 7 is hot\r\n" },
        { "spaces inside stay", "a  b", "Subject: a  b\r\n" },
        { "folded before a space", FIFTY " " FIFTY "  x", "Subject: " FIFTY "\r\n " FIFTY "  x\r\n" },
        { "a first word that fits", FIFTY "bbbbbbbbbbbbbbbbbbb", "Subject: " FIFTY "bbbbbbbbbbbbbbbbbbb\r\n" },
        { "a first word that does not", FIFTY "bbbbbbbbbbbbbbbbbbbb",
          "Subject: =?utf-8?Q?" FIFTY "bbbbb?=\r\n =?utf-8?Q?bbbbbbbbbbbbbbb?=\r\n" },
        { "B without padding but at the end", "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"
          "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4",
          "Subject: =?utf-8?B?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOk?=\r\n =?utf-8?B?w6TDpA==?=\r\n" },
        { "a longer word is cut", FIFTY "bbbbbbbbbbbbbbbbbbbbb",
          "Subject: =?utf-8?Q?" FIFTY "bbbbb?=\r\n =?utf-8?Q?bbbbbbbbbbbbbbbb?=\r\n" },
        { "no character is cut", FIFTY "b\xC3\xA4", "Subject: =?utf-8?Q?" FIFTY "b?=\r\n =?utf-8?Q?=C3=A4?=\r\n" },
        { "Q", "Gr\xC3\xBC\xC3\x9F" "e aus Bonn", "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe_aus_Bonn?=\r\n" },
        { "Q keeps only what a phrase may hold", "\xC3\xBC_(x)!*+-/abcdefghijklmnopq",
          "Subject: =?utf-8?Q?=C3=BC=5F=28x=29!*+-/abcdefghijklmnopq?=\r\n" },
        { "B", "\xE6\xB8\xA9\xE5\xBA\xA6", "Subject: =?utf-8?B?5rip5bqm?=\r\n" },
        { "looks like an encoded-word", "=?utf-8?Q?x?=", "Subject: =?utf-8?Q?=3D=3Futf-8=3FQ=3Fx=3F=3D?=\r\n" },
        { "a space at its start", " x", "Subject: =?utf-8?Q?_x?=\r\n" },
        { "a space at its end", "x ", "Subject: =?utf-8?Q?x_?=\r\n" },
        { "spaces alone", "  ", "Subject: =?utf-8?Q?__?=\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t room[512];
        mote_writer_t out = mote_writer(room, sizeof room);

        mote_header_write_text(&out, TEXT("Subject"), mote_span_text(cases[i].text));
        if (!mote_span_equals(mote_span(room, out.size), mote_span_text(cases[i].field))) {
            fail_msg("%s: %.*s", cases[i].name, (int)out.size, (const char *)room);
        }
    }
}

/* Every line: at most limit octets, not only white space, CRLF at its end and nowhere else. */
static void check_lines(const uint8_t *text, size_t size, size_t limit, const char *name)
{
    size_t line_size = 0;
    bool has_ink = false;

    for (size_t i = 0; i < size; i++) {
        CHECK(text[i] < 0x80 && text[i] != 0, name);
        if (text[i] == '\r') {
            CHECK(i + 1 < size && text[i + 1] == '\n' && has_ink && line_size <= limit, name);
            i++;
            line_size = 0;
            has_ink = false;
            continue;
        }
        CHECK(text[i] != '\n', name);
        has_ink |= text[i] != ' ';
        line_size++;
    }
    CHECK(line_size == 0, name);
}

/* MSG-12, MSG-14: whatever the text and the name of its field, lines of 78, of 76 with encoded-words. */
static void line_lengths(void **state)
{
    static const char *const letters[] = { "a", "a ", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x94\xA5", "a\xC3\xA4 ", "\xF0\x9F\x94\xA5x " };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(letters); i++) {
        for (size_t count = 1; count < 300; count++) {
            for (size_t name_size = 1; name_size <= 60; name_size += 7) {
                char text[3000] = "x";
                uint8_t room[12000];
                mote_writer_t out = mote_writer(room, sizeof room);
                char name[61];

                memset(name, 'X', sizeof name);
                for (size_t k = 0; k < count; k++) {
                    strcat(text, letters[i]);
                }
                mote_header_write_text(&out, mote_span(name, name_size), mote_span_text(text));
                assert_false(mote_writer_overflowed(&out));
                check_lines(room, out.size, memchr(room, '?', out.size) != NULL ? 76 : 78, letters[i]);
            }
        }
    }
}

/* ---- addresses ----------------------------------------------------------------------------------------- */

/* MSG-8, MSG-13, MSG-15, MSG-19. */
static void name_addrs(void **state)
{
    static const struct {
        const char *name;
        const char *display_name;
        const char *field;
    } cases[] = {
        { "no name", "", "To: ops@example.net\r\n" },
        { "atoms", "Pump 7", "To: Pump 7 <ops@example.net>\r\n" },
        { "specials", "Lee, \"Bob\" \\ Co.", "To: \"Lee, \\\"Bob\\\" \\\\ Co.\" <ops@example.net>\r\n" },
        { "two spaces", "Lee  Bob", "To: \"Lee  Bob\" <ops@example.net>\r\n" },
        { "not ASCII", "J\xC3\xBCrgen M.", "To: =?utf-8?Q?J=C3=BCrgen_M=2E?= <ops@example.net>\r\n" },
        { "looks encoded", "=?x?=", "To: =?utf-8?B?PT94Pz0=?= <ops@example.net>\r\n" },
        { "the address on the next line", FIFTY " aaaaaaaaaaa",
          "To: " FIFTY " aaaaaaaaaaa\r\n <ops@example.net>\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const mote_name_addr_t item = { mote_span_text(cases[i].display_name), TEXT("ops@example.net") };
        const mote_name_addrs_t list = { &item, 1 };
        uint8_t room[512];
        mote_writer_t out = mote_writer(room, sizeof room);

        CHECK(mote_header_check_name_addr(&item) == MOTE_OK, cases[i].name);
        mote_header_write_addresses(&out, TEXT("To"), &list);
        if (!mote_span_equals(mote_span(room, out.size), mote_span_text(cases[i].field))) {
            fail_msg("%s: %.*s", cases[i].name, (int)out.size, (const char *)room);
        }
    }
}

static void lists(void **state)
{
    static const char *const names[] = { "", "Ops", "Op, s", "\xC3\x96ps", FIFTY " " FIFTY, "\xF0\x9F\x94\xA5\xF0\x9F\x94\xA5" FIFTY FIFTY,
                                         "a \" b" FIFTY " x" };
    mote_name_addr_t items[60];
    uint8_t room[12001];

    (void)state;
    for (size_t count = 1; count <= COUNT_OF(items); count++) {
        mote_name_addrs_t list = { items, count };
        mote_writer_t out = mote_writer(room, sizeof room - 1);

        items[count - 1].name = mote_span_text(names[(count * 5) % COUNT_OF(names)]);
        items[count - 1].address = count % 4 == 0 ? TEXT(FIFTY "@mail.example.net") : TEXT("ops@example.net");
        mote_header_write_addresses(&out, TEXT("Reply-To"), &list);
        assert_false(mote_writer_overflowed(&out));
        room[out.size] = 0;
        check_lines(room, out.size, 78, (const char *)room);
    }
}

static void refusals(void **state)
{
    static const struct {
        const char *name;
        const char *display_name;
        const char *address;
        mote_status_t status;
    } people[] = {
        { "no address", "Ops", "", MOTE_ERR_ADDRESS },
        { "a second field", "Ops", "ops@example.net>\r\nBcc: <x@example.net", MOTE_ERR_ADDRESS },
        { "a second field in the name", "Ops\r\nBcc: x@example.net", "ops@example.net", MOTE_ERR_CONTENT },
        { "the bare postmaster", "", "postmaster", MOTE_ERR_ADDRESS },
        { "not UTF-8", "J\xFCrgen", "ops@example.net", MOTE_ERR_CONTENT },
    };
    static const struct {
        const char *name;
        const char *ids;
        bool is_right;
    } ids[] = {
        { "one", "<a@b>", true },           { "two", "<a@b> <c.d@e.f>", true }, { "no brackets", "a@b", false },
        { "no at", "<ab>", false },         { "two ats", "<a@b@c>", false },    { "two spaces", "<a@b>  <c@d>", false },
        { "CRLF", "<a@b>\r\n <c@d>", false }, { "a comma", "<a@b>, <c@d>", false }, { "nothing", "", false },
        { "nothing left", "<@abc>", false }, { "nothing right", "<abc@>", false }, { "quotes", "<\"a\"@b>", false },
        { "one that begins otherwise", "a@bcd>", false }, { "one that ends otherwise", "<a@bcd", false },
        { "an address in brackets", "<a@[192.0.2.1]>", true }, { "brackets left", "<[a]@b>", false },
        { "one bracket", "<a@[b>", false }, { "nothing in brackets", "<a@[]>", false }, { "two brackets", "<a@[b][c]>", false },
        { "a colon", "<a@b:c>", false }, { "a bracket's end", "<a@b]>", false },
        { "a control", "<a\x01@b>", false }, { "not ASCII", "<\xC3\xA9@b>", false },
        { "longer than a line", "<" FIFTY FIFTY FIFTY FIFTY FIFTY "@b>", false },
    };
    static const char *const wrong_names[] = { "", "X Y", "X:", "X\r\nY", "\xC3\xBC", FIFTY "aaaaaaaaaaa" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(people); i++) {
        const mote_name_addr_t item = { mote_span_text(people[i].display_name), mote_span_text(people[i].address) };

        CHECK(mote_header_check_name_addr(&item) == people[i].status, people[i].name);
    }
    for (size_t i = 0; i < COUNT_OF(ids); i++) { /* MSG-22 */
        mote_span_t text = exact_copy(mote_span_text(ids[i].ids));

        CHECK((mote_header_check_ids(text) == MOTE_OK) == ids[i].is_right, ids[i].name);
        free_copy(text);
    }
    for (size_t i = 0; i < COUNT_OF(wrong_names); i++) { /* MSG-10 */
        const mote_field_t field = { mote_span_text(wrong_names[i]), TEXT("x") };

        CHECK(mote_header_check_field(&field) == MOTE_ERR_ARGUMENT, wrong_names[i]);
    }
}

/* ---- dates --------------------------------------------------------------------------------------------- */

static void check_date(uint32_t date_s, int16_t zone_minutes, const char *expected)
{
    uint8_t room[64];
    mote_writer_t out = mote_writer(room, sizeof room);

    assert_int_equal(mote_header_check_date(date_s, zone_minutes), MOTE_OK);
    mote_header_write_date(&out, date_s, zone_minutes);
    if (!mote_span_equals(mote_span(room, out.size), mote_span_text(expected))) {
        fail_msg("%s: %.*s", expected, (int)out.size, (const char *)room);
    }
}

/* MSG-1, MSG-2, MSG-4. */
static void dates(void **state)
{
    (void)state;
    check_date(1751359957, 120, "Date: Tue, 01 Jul 2025 10:52:37 +0200\r\n");
    check_date(1751359957, 0, "Date: Tue, 01 Jul 2025 08:52:37 +0000\r\n");
    check_date(1751359957, MOTE_ZONE_UNKNOWN, "Date: Tue, 01 Jul 2025 08:52:37 -0000\r\n");
    check_date(1751359957, -570, "Date: Mon, 30 Jun 2025 23:22:37 -0930\r\n");
    check_date(1751359957, 345, "Date: Tue, 01 Jul 2025 14:37:37 +0545\r\n");
    check_date(1751359957, 840, "Date: Tue, 01 Jul 2025 22:52:37 +1400\r\n");
    check_date(946684800, -1, "Date: Fri, 31 Dec 1999 23:59:00 -0001\r\n");
    check_date(951782400, 0, "Date: Tue, 29 Feb 2000 00:00:00 +0000\r\n");
    check_date(4107542399U, 0, "Date: Sun, 28 Feb 2100 23:59:59 +0000\r\n");
    check_date(4107542400U, 0, "Date: Mon, 01 Mar 2100 00:00:00 +0000\r\n");
    assert_int_equal(mote_header_check_date(0, 0), MOTE_ERR_ARGUMENT);
    assert_int_equal(mote_header_check_date(86400, 0), MOTE_ERR_ARGUMENT); /* 1970: a clock that was never set */
    assert_int_equal(mote_header_check_date(UINT32_MAX, 0), MOTE_ERR_ARGUMENT);
    assert_int_equal(mote_header_check_date(1751359957, 1440), MOTE_ERR_ARGUMENT);
    assert_int_equal(mote_header_check_date(1751359957, -1440), MOTE_ERR_ARGUMENT);
}

/* Days of the calendar one after the other, by another way of counting (MSG-1). */
static void every_day(void **state)
{
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    static const char *const weekdays[] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };

    (void)state;
    for (uint32_t day = 10957; day < 47847; day++) { /* 2000 to 2100 */
        uint32_t z = day + 719468; /* civil_from_days: eras of 400 years that begin in March */
        uint32_t era = z / 146097;
        uint32_t doe = z - era * 146097;
        uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
        uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        uint32_t mp = (5 * doy + 2) / 153;
        uint32_t month = mp < 10 ? mp + 3 : mp - 9;
        char expected[64];

        (void)snprintf(expected, sizeof expected, "Date: %s, %02u %s %u 23:59:59 +0000\r\n", weekdays[day % 7],
                       (unsigned)(doy - (153 * mp + 2) / 5 + 1), months[month - 1],
                       (unsigned)(yoe + era * 400 + (month <= 2 ? 1 : 0)));
        check_date(day * 86400 + 86399, 0, expected);
    }
}

/* ---- file names ---------------------------------------------------------------------------------------- */

/* MSG-34, MSG-35. */
static void file_names(void **state)
{
    static const struct {
        const char *name;
        const char *text;
    } cases[] = {
        { "pump.log", ";\r\n filename=\"pump.log\"" },
        { "a \"b\" \\.txt", ";\r\n filename=\"a \\\"b\\\" \\\\.txt\"" },
        { "50% of it;.txt", ";\r\n filename=\"50% of it;.txt\"" },
        { "F\xC3\xBCllstand 50%.txt", ";\r\n filename*=utf-8''F%C3%BCllstand%2050%25.txt" },
        { "a=b.log  ", ";\r\n filename=\"a=b.log  \"" },
        { "=?x?=", ";\r\n filename*=utf-8''%3D%3Fx%3F%3D" },
        { FIFTY "aaaaa", ";\r\n filename=\"" FIFTY "aaaaa\"" },
        { FIFTY "aaaaaa", ";\r\n filename*0*=utf-8''" FIFTY "aaaaa;\r\n filename*1*=a" },
        { FIFTY "\xF0\x9F\x94\xA5" "b", ";\r\n filename*0*=utf-8''" FIFTY ";\r\n filename*1*=%F0%9F%94%A5b" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t room[512];
        mote_writer_t out = mote_writer(room, sizeof room);

        mote_header_write_file_name(&out, mote_span_text(cases[i].name));
        if (!mote_span_equals(mote_span(room, out.size), mote_span_text(cases[i].text))) {
            fail_msg("%s: %.*s", cases[i].name, (int)out.size, (const char *)room);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),    cmocka_unit_test(unstructured), cmocka_unit_test(line_lengths),
        cmocka_unit_test(name_addrs), cmocka_unit_test(lists),      cmocka_unit_test(refusals),
        cmocka_unit_test(dates),    cmocka_unit_test(every_day),    cmocka_unit_test(file_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
