#include <mailmote/base64.h>

static uint8_t letter_of(unsigned value)
{
    static const uint8_t alphabet[64] = { "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" };

    return alphabet[value & 63];
}

mote_base64_encoder_t mote_base64_encoder(mote_writer_t *out)
{
    mote_base64_encoder_t encoder = { out, { 0, 0, 0 }, 0 };

    return encoder;
}

void mote_base64_groups(const uint8_t *octets, size_t group_count, uint8_t *letters)
{
    for (; group_count > 0; group_count--) {
        *letters++ = letter_of(octets[0] >> 2);
        *letters++ = letter_of((unsigned)octets[0] << 4 | octets[1] >> 4);
        *letters++ = letter_of((unsigned)octets[1] << 2 | octets[2] >> 6);
        *letters++ = letter_of(octets[2]);
        octets += 3;
    }
}

/* Of a last group of one or two octets, the letters without bits are padding. */
static void write_group(mote_base64_encoder_t *encoder)
{
    uint8_t group[4];

    mote_base64_groups(encoder->held, 1, group); /* what is not held is 0 */
    for (size_t i = encoder->held_size + 1U; i < sizeof group; i++) {
        group[i] = '=';
    }
    mote_write(encoder->out, mote_span(group, sizeof group));
    mote_wipe(group, sizeof group);
    mote_wipe(encoder->held, sizeof encoder->held);
    encoder->held_size = 0;
}

void mote_base64_put(mote_base64_encoder_t *encoder, mote_span_t bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        encoder->held[encoder->held_size++] = bytes.data[i];
        if (encoder->held_size == sizeof encoder->held) {
            write_group(encoder);
        }
    }
}

void mote_base64_finish(mote_base64_encoder_t *encoder)
{
    if (encoder->held_size > 0) {
        write_group(encoder);
    }
}

/* The value of a letter, 64 for what is none. */
static uint8_t value_of(uint8_t letter)
{
    if (letter >= 'A' && letter <= 'Z') {
        return (uint8_t)(letter - 'A');
    }
    if (letter >= 'a' && letter <= 'z') {
        return (uint8_t)(letter - 'a' + 26);
    }
    if (letter >= '0' && letter <= '9') {
        return (uint8_t)(letter - '0' + 52);
    }
    return letter == '+' ? 62 : letter == '/' ? 63 : 64;
}

static mote_status_t fail(mote_base64_decoder_t *decoder)
{
    decoder->failed = true;
    return MOTE_ERR_PROTOCOL;
}

/* Padding is the third and fourth, or the fourth character of a group, over bits that are 0. */
static mote_status_t take_padding(mote_base64_decoder_t *decoder)
{
    unsigned unused_bits = decoder->count == 2 ? 4 : 2;

    if (decoder->count < 2 || (decoder->padding == 0 && (decoder->bits & ((1U << unused_bits) - 1)) != 0)) {
        return fail(decoder);
    }
    decoder->padding++;
    decoder->count = (uint8_t)((decoder->count + 1) & 3);
    return MOTE_PENDING;
}

mote_status_t mote_base64_octet(mote_base64_decoder_t *decoder, uint8_t character, uint8_t *octet)
{
    uint8_t value = value_of(character);
    uint8_t count = decoder->count;

    if (decoder->failed || (decoder->padding > 0 && (count == 0 || character != '='))) {
        return fail(decoder);
    }
    if (character == '=') {
        return take_padding(decoder);
    }
    if (value == 64) {
        return fail(decoder);
    }
    decoder->bits = (uint16_t)(decoder->bits << 6 | value);
    decoder->count = (uint8_t)((count + 1) & 3);
    if (count == 0) {
        return MOTE_PENDING;
    }
    *octet = (uint8_t)(decoder->bits >> (6 - 2 * count)); /* 4, 2 and 0 bits are left over */
    return MOTE_OK;
}

bool mote_base64_is_complete(const mote_base64_decoder_t *decoder)
{
    return !decoder->failed && decoder->count == 0;
}
