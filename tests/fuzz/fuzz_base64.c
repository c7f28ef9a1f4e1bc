#include "fuzz.h"

/* What decodes encodes to the same text; and every text encodes and decodes to itself. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mote_base64_decoder_t decoder;
    uint8_t *decoded = malloc(size + 1);
    uint8_t *encoded = malloc(2 * size + 8);
    mote_writer_t out = mote_writer(encoded, 2 * size + 8);
    mote_base64_encoder_t encoder = mote_base64_encoder(&out);
    size_t count = 0;

    memset(&decoder, 0, sizeof decoder);
    for (size_t i = 0; i < size; i++) {
        count += mote_base64_octet(&decoder, data[i], &decoded[count]) == MOTE_OK ? 1U : 0U;
    }
    if (mote_base64_is_complete(&decoder)) {
        mote_base64_put(&encoder, mote_span(decoded, count));
        mote_base64_finish(&encoder);
        REQUIRE(mote_span_equals(mote_span(encoded, out.size), mote_span(data, size)));
    }
    free(decoded);
    free(encoded);
    return 0;
}
