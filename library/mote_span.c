#include <mailmote/span.h>

mote_span_t mote_span_text(const char *text)
{
    return mote_span(text, text != NULL ? strlen(text) : 0);
}

void mote_span_skip(mote_span_t *span, size_t size)
{
    *span = mote_span_slice(*span, size, span->size);
}

void mote_span_cut(mote_span_t *rest, uint8_t octet, mote_span_t *part)
{
    size_t size = mote_span_find(*rest, octet);

    *part = mote_span(rest->data, size);
    mote_span_skip(rest, size + 1);
}

bool mote_span_equals(mote_span_t a, mote_span_t b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

uint8_t mote_lower(uint8_t octet)
{
    return octet >= 'A' && octet <= 'Z' ? (uint8_t)(octet | 0x20) : octet;
}

bool mote_span_equals_ignoring_case(mote_span_t a, mote_span_t b)
{
    if (a.size != b.size) {
        return false;
    }
    while (a.size-- > 0) {
        if (mote_lower(*a.data++) != mote_lower(*b.data++)) {
            return false;
        }
    }
    return true;
}

size_t mote_span_find(mote_span_t span, uint8_t octet)
{
    const uint8_t *found = span.size > 0 ? memchr(span.data, octet, span.size) : NULL;

    return found != NULL ? (size_t)(found - span.data) : span.size;
}

mote_reader_t mote_reader(mote_span_t span)
{
    mote_reader_t in = { span, 0, false };

    return in;
}

size_t mote_reader_left(const mote_reader_t *in)
{
    return in->failed ? 0 : in->span.size - in->offset;
}

mote_span_t mote_read_span(mote_reader_t *in, size_t count)
{
    mote_span_t bytes = { NULL, 0 };

    if (count > mote_reader_left(in)) { /* compared with what is left: a sum could wrap */
        in->failed = true;
    } else if (!in->failed && count > 0) {
        bytes = mote_span(in->span.data + in->offset, count);
        in->offset += count;
    }
    return bytes;
}

uint8_t mote_read_u8(mote_reader_t *in)
{
    mote_span_t bytes = mote_read_span(in, 1);

    return bytes.size == 1 ? bytes.data[0] : 0;
}

uint16_t mote_read_u16(mote_reader_t *in)
{
    mote_span_t bytes = mote_read_span(in, 2);

    return (uint16_t)(bytes.size == 2 ? (unsigned)bytes.data[0] << 8 | bytes.data[1] : 0U);
}

uint32_t mote_read_u32(mote_reader_t *in)
{
    mote_span_t bytes = mote_read_span(in, 4);

    if (bytes.size != 4) {
        return 0;
    }
    return (uint32_t)bytes.data[0] << 24 | (uint32_t)bytes.data[1] << 16 | (uint32_t)bytes.data[2] << 8 | bytes.data[3];
}

mote_writer_t mote_writer(uint8_t *data, size_t capacity)
{
    mote_writer_t out = { data, capacity, 0, 0 };

    return out;
}

size_t mote_writer_stored(const mote_writer_t *out)
{
    size_t beyond_skip = out->size > out->skip ? out->size - out->skip : 0;

    return beyond_skip < out->capacity ? beyond_skip : out->capacity;
}

bool mote_writer_overflowed(const mote_writer_t *out)
{
    return out->size > out->skip && out->size - out->skip > out->capacity;
}

mote_writer_t mote_buffer_writer(const mote_buffer_t *buffer)
{
    return mote_writer(buffer->data + buffer->size, (size_t)(buffer->capacity - buffer->size));
}

void mote_write(mote_writer_t *out, mote_span_t bytes)
{
    size_t passed = out->size < out->skip ? out->skip - out->size : 0; /* of these bytes, before the window */
    size_t stored = mote_writer_stored(out);
    out->size += bytes.size;
    mote_span_skip(&bytes, passed);
    if (bytes.size > out->capacity - stored) {
        bytes.size = out->capacity - stored;
    }
    if (bytes.size > 0) {
        memcpy(out->data + stored, bytes.data, bytes.size);
    }
}

void mote_write_text(mote_writer_t *out, const char *text)
{
    mote_write(out, mote_span_text(text));
}

void mote_write_u8(mote_writer_t *out, uint8_t octet)
{
    mote_write(out, mote_span(&octet, 1));
}

void mote_write_u16(mote_writer_t *out, uint16_t value)
{
    mote_write_u8(out, (uint8_t)(value >> 8));
    mote_write_u8(out, (uint8_t)value);
}

void mote_write_decimal(mote_writer_t *out, uint32_t value)
{
    static const uint32_t powers[] = { 1000000000, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1 };
    bool has_digit = false;

    for (size_t i = 0; i < sizeof powers / sizeof powers[0]; i++) {
        uint8_t digit = '0';

        while (value >= powers[i]) { /* at most nine times: small cores have no division */
            value -= powers[i];
            digit++;
        }
        has_digit |= digit != '0' || powers[i] == 1;
        if (has_digit) {
            mote_write_u8(out, digit);
        }
    }
}

void mote_wipe(void *data, size_t size)
{
    volatile uint8_t *bytes = data;

    for (size_t i = 0; i < size; i++) {
        bytes[i] = 0;
    }
}

bool mote_equals_in_constant_time(const void *a, const void *b, size_t size)
{
    const volatile uint8_t *left = a;
    const volatile uint8_t *right = b;
    uint8_t difference = 0;

    for (size_t i = 0; i < size; i++) {
        difference = (uint8_t)(difference | (left[i] ^ right[i]));
    }
    return difference == 0;
}
