/**
 * @file
 * Bytes: a span is borrowed bytes, a reader walks one, a writer fills memory.
 *
 * Only mote_span.c does pointer arithmetic. In readers and writers the first failure sticks, so that a
 * parser is the RFC's list of fields and one check at the end.
 */
#ifndef MAILMOTE_SPAN_H
#define MAILMOTE_SPAN_H

#include <mailmote/status.h>

MOTE_BEGIN_DECLS

/** Borrowed bytes. Never NUL-terminated. data may be NULL when size is 0. */
typedef struct mote_span {
    const uint8_t *data;
    size_t size;
} mote_span_t;

/** A span over a string literal, as an initializer: mote_span_t crlf = MOTE_SPAN("\r\n"). */
#define MOTE_SPAN(literal)                                                                                   \
    {                                                                                                        \
        (const uint8_t *)(literal), sizeof(literal) - 1                                                      \
    }

static inline mote_span_t mote_span(const void *data, size_t size)
{
    mote_span_t span = { (const uint8_t *)data, size }; /* for C++ */

    return span;
}

/** A span over a C string, without its NUL. NULL gives the empty span. */
mote_span_t mote_span_text(const char *text);
/** The part from offset on, at most size bytes; offsets past the end give the empty span. */
static inline mote_span_t mote_span_slice(mote_span_t span, size_t offset, size_t size)
{
    if (offset >= span.size) {
        return mote_span(NULL, 0);
    }
    return mote_span(span.data + offset, size < span.size - offset ? size : span.size - offset);
}

/** Leaves out the first size bytes; all of them if there are fewer. */
void mote_span_skip(mote_span_t *span, size_t size);
/** Takes what stands before the first such octet, or all, into part; the rest begins behind the octet. */
void mote_span_cut(mote_span_t *rest, uint8_t octet, mote_span_t *part);

bool mote_span_equals(mote_span_t a, mote_span_t b);
/** ASCII letters compare equal in either case; no locale (RFC 4343 3). */
bool mote_span_equals_ignoring_case(mote_span_t a, mote_span_t b);
/** Offset of the first such octet, or size if there is none. */
size_t mote_span_find(mote_span_t span, uint8_t octet);

/** ASCII lower case; other octets as they are. */
uint8_t mote_lower(uint8_t octet);

/** A room for bytes: the caller's memory, how much of it there is and how much is used. */
typedef struct mote_buffer {
    uint8_t *data;
    uint16_t capacity;
    uint16_t size;
} mote_buffer_t;

/** What has been written into the buffer. */
static inline mote_span_t mote_buffer_span(const mote_buffer_t *buffer)
{
    return mote_span(buffer->data, buffer->size);
}

/** Walks a span. After a failed read every further read fails and gives 0. */
typedef struct mote_reader {
    mote_span_t span;
    size_t offset;
    bool failed;
} mote_reader_t;

mote_reader_t mote_reader(mote_span_t span);
uint8_t mote_read_u8(mote_reader_t *in);
uint16_t mote_read_u16(mote_reader_t *in); /* network byte order */
uint32_t mote_read_u32(mote_reader_t *in);
/** The next count bytes, borrowed; the empty span on failure. */
mote_span_t mote_read_span(mote_reader_t *in, size_t count);
size_t mote_reader_left(const mote_reader_t *in);

/**
 * Fills memory through a window: of all that is written, the first skip bytes are passed over and the next
 * capacity bytes are stored. So text of any length goes through a buffer of any size, written anew with a
 * larger skip each time, and nothing has to be kept between.
 */
typedef struct mote_writer {
    uint8_t *data;
    size_t capacity;
    size_t skip;
    size_t size; /**< bytes written so far, passed over and overflowing ones included */
} mote_writer_t;

/** A writer without skip. */
mote_writer_t mote_writer(uint8_t *data, size_t capacity);
/** A writer into what is left of a buffer; the buffer's size stays as it is. */
mote_writer_t mote_buffer_writer(const mote_buffer_t *buffer);
void mote_write(mote_writer_t *out, mote_span_t bytes);
void mote_write_text(mote_writer_t *out, const char *text);
void mote_write_u8(mote_writer_t *out, uint8_t octet);
void mote_write_u16(mote_writer_t *out, uint16_t value); /* network byte order */
/** Decimal digits without leading zeros. */
void mote_write_decimal(mote_writer_t *out, uint32_t value);
/** How many bytes of the window are filled. */
size_t mote_writer_stored(const mote_writer_t *out);
/** Whether bytes were written beyond the window. */
bool mote_writer_overflowed(const mote_writer_t *out);

/** Overwrites a secret in a way that the compiler may not drop. */
void mote_wipe(void *data, size_t size);
/** Compares secrets in time that depends on the size alone. */
bool mote_equals_in_constant_time(const void *a, const void *b, size_t size);

MOTE_END_DECLS

#endif
