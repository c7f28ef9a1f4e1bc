#include "test.h"

static const struct {
    const char *plain;
    const char *encoded;
} vectors[] = {
    /* RFC 4648 10 */
    { "", "" },         { "f", "Zg==" },         { "fo", "Zm8=" },         { "foo", "Zm9v" },
    { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
    { "\xFB\xEF\xBE\xFF", "++++/w==" },
};

static void encoding(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        mote_span_t plain = mote_span_text(vectors[i].plain);

        for (size_t cut = 0; cut <= plain.size; cut++) {
            uint8_t room[32];
            mote_writer_t out = mote_writer(room, sizeof room);
            mote_base64_encoder_t encoder = mote_base64_encoder(&out);

            mote_base64_put(&encoder, mote_span_slice(plain, 0, cut));
            mote_base64_put(&encoder, mote_span_slice(plain, cut, plain.size));
            mote_base64_finish(&encoder);
            mote_base64_finish(&encoder); /* nothing is left to finish */
            CHECK(mote_span_equals(mote_span(room, out.size), mote_span_text(vectors[i].encoded)), vectors[i].plain);
        }
    }
}

/* Decodes; SIZE_MAX when it fails. */
static size_t decode(mote_span_t text, uint8_t *out)
{
    mote_base64_decoder_t decoder;
    size_t size = 0;

    memset(&decoder, 0, sizeof decoder);
    for (size_t i = 0; i < text.size; i++) {
        mote_status_t status = mote_base64_octet(&decoder, text.data[i], &out[size]);

        size += status == MOTE_OK ? 1U : 0U;
    }
    return mote_base64_is_complete(&decoder) ? size : SIZE_MAX;
}

static void decoding(void **state)
{
    uint8_t out[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        size_t size = decode(mote_span_text(vectors[i].encoded), out);

        CHECK(size == strlen(vectors[i].plain) && memcmp(out, vectors[i].plain, size) == 0, vectors[i].encoded);
    }
}

/* AUTH-8: strict, padding only at the end, nothing but the alphabet. */
static void refusals(void **state)
{
    static const char *const cases[] = { "A",     "AA",    "AAA",   "A===",  "=",     "====",  "AA=A",  "A=BC",   "AA==A",
                                         "AA==AA==", "Zh==", "Zm9=", "Zm9v ", " Zm9v", "Zm\n9v", "Zm9v=", "Zm9-", "Zm_v",
                                         "AAAA=",  "AA=" };
    uint8_t out[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK(decode(mote_span_text(cases[i]), out) == SIZE_MAX, cases[i]);
    }
    for (unsigned octet = 0; octet < 256; octet++) { /* exactly 64 letters and the padding are taken */
        mote_base64_decoder_t decoder;
        bool is_letter = octet != 0 &&
            strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", (int)octet) != NULL;

        memset(&decoder, 0, sizeof decoder);
        assert_int_equal(mote_base64_octet(&decoder, (uint8_t)octet, out), is_letter ? MOTE_PENDING : MOTE_ERR_PROTOCOL);
    }
}

static void every_octet_there_and_back(void **state)
{
    uint8_t plain[256];
    uint8_t encoded[400];
    uint8_t out[400];
    mote_writer_t writer = mote_writer(encoded, sizeof encoded);
    mote_base64_encoder_t encoder = mote_base64_encoder(&writer);

    (void)state;
    for (unsigned i = 0; i < sizeof plain; i++) {
        plain[i] = (uint8_t)i;
    }
    mote_base64_put(&encoder, mote_span(plain, sizeof plain));
    mote_base64_finish(&encoder);
    assert_int_equal(writer.size, 344);
    assert_int_equal(decode(mote_span(encoded, writer.size), out), sizeof plain);
    assert_memory_equal(out, plain, sizeof plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(encoding), cmocka_unit_test(decoding), cmocka_unit_test(refusals),
                                        cmocka_unit_test(every_octet_there_and_back) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
