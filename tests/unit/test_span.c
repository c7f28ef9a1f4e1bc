#include "test.h"

static void slices(void **state)
{
    static const struct {
        const char *name;
        size_t offset, size;
        const char *expected;
    } cases[] = {
        { "whole", 0, 5, "hello" },        { "middle", 1, 3, "ell" }, { "more than there is", 3, 9, "lo" },
        { "from the end", 5, 1, "" },      { "past the end", 9, 1, "" }, { "nothing", 2, 0, "" },
        { "huge size", 2, SIZE_MAX, "llo" }, { "huge offset", SIZE_MAX, SIZE_MAX, "" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_span_t slice = mote_span_slice(TEXT("hello"), cases[i].offset, cases[i].size);

        CHECK(mote_span_equals(slice, mote_span_text(cases[i].expected)), cases[i].name);
    }
}

static void comparisons(void **state) /* SEC-9 */
{
    (void)state;
    assert_true(mote_span_equals(mote_span(NULL, 0), TEXT("")));
    assert_false(mote_span_equals(TEXT("a"), TEXT("A")));
    assert_true(mote_span_equals_ignoring_case(TEXT("MaIl.Example-9"), TEXT("mAiL.eXAMPLE-9")));
    assert_false(mote_span_equals_ignoring_case(TEXT("[]"), TEXT("{}"))); /* 0x20 apart, and no letters */
    assert_false(mote_span_equals_ignoring_case(TEXT("\xC4"), TEXT("\xE4")));
    assert_int_equal(mote_span_find(TEXT("a.b"), '.'), 1);
    assert_int_equal(mote_span_find(TEXT("ab"), '.'), 2);
    assert_int_equal(mote_span_find(mote_span(NULL, 0), '.'), 0);
    assert_int_equal(mote_span_text(NULL).size, 0);
    assert_true(mote_equals_in_constant_time("abc", "abc", 3));
    assert_false(mote_equals_in_constant_time("abc", "abd", 3));
}

static void readers(void **state) /* SEC-6 */
{
    mote_span_t bytes = exact_copy(TEXT("\x01\x02\x03\x04\x05\x06\x07"));
    mote_reader_t in = mote_reader(bytes);

    (void)state;
    assert_int_equal(mote_read_u8(&in), 1);
    assert_int_equal(mote_read_u16(&in), 0x0203);
    assert_int_equal(mote_read_u32(&in), 0x04050607);
    assert_int_equal(mote_reader_left(&in), 0);
    assert_false(in.failed);
    assert_int_equal(mote_read_u8(&in), 0);
    assert_true(in.failed);
    in = mote_reader(bytes);
    assert_int_equal(mote_read_span(&in, SIZE_MAX).size, 0); /* a sum would wrap */
    assert_true(in.failed);
    assert_int_equal(mote_read_u8(&in), 0); /* the first failure sticks */
    in = mote_reader(bytes);
    (void)mote_read_span(&in, 5);
    assert_int_equal(mote_read_u32(&in), 0);
    assert_true(in.failed);
    in = mote_reader(bytes);
    (void)mote_read_span(&in, 6);
    assert_int_equal(mote_read_u16(&in), 0); /* half of it is nothing */
    assert_true(in.failed);
    free_copy(bytes);
}

/* Every text through every window: the parts put together are the whole. */
static void writers(void **state)
{
    (void)state;
    for (size_t capacity = 1; capacity <= 40; capacity++) {
        uint8_t whole[64];
        size_t size = 0;
        bool overflowed = true;

        while (overflowed) {
            uint8_t *window = malloc(capacity);
            mote_writer_t out = mote_writer(window, capacity);

            out.skip = size;
            mote_write_text(&out, "RCPT TO:<");
            mote_write_u16(&out, 0x4142);
            mote_write_decimal(&out, 4294967295U);
            mote_write_decimal(&out, 0);
            mote_write_u8(&out, '>');
            assert_int_equal(out.size, 9 + 2 + 10 + 1 + 1);
            memcpy(whole + size, window, mote_writer_stored(&out));
            size += mote_writer_stored(&out);
            overflowed = mote_writer_overflowed(&out);
            free(window);
        }
        assert_int_equal(size, 23);
        assert_memory_equal(whole, "RCPT TO:<AB42949672950>", 23);
    }
}

static void decimals(void **state)
{
    static const uint32_t values[] = { 0, 1, 9, 10, 99, 100, 101, 65535, 999999999, 1000000000, 4294967295U };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        char text[16];
        uint8_t room[16];
        mote_writer_t out = mote_writer(room, sizeof room);

        (void)snprintf(text, sizeof text, "%lu", (unsigned long)values[i]);
        mote_write_decimal(&out, values[i]);
        CHECK(mote_span_equals(mote_span(room, out.size), mote_span_text(text)), text);
    }
}

static void wiping(void **state)
{
    uint8_t secret[8] = "secret!";
    uint8_t zeros[8] = { 0 };

    (void)state;
    mote_wipe(secret, sizeof secret);
    assert_memory_equal(secret, zeros, sizeof zeros);
}

static void words_for_every_status(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MOTE_STATUS_COUNT; i++) {
        assert_non_null(mote_status_text((mote_status_t)i));
        assert_true(strlen(mote_status_text((mote_status_t)i)) > 0);
    }
    assert_string_equal(mote_status_text(MOTE_STATUS_COUNT), "unknown");
    assert_string_equal(mote_status_text((mote_status_t)9999), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices),   cmocka_unit_test(comparisons), cmocka_unit_test(readers),
        cmocka_unit_test(writers),  cmocka_unit_test(decimals),    cmocka_unit_test(wiping),
        cmocka_unit_test(words_for_every_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
