/* Builds DNS messages octet by octet, for tests: names as text, compression where the text says so. */
#ifndef DNS_MESSAGE_H
#define DNS_MESSAGE_H

#include "test.h"

typedef struct message {
    uint8_t bytes[66000];
    size_t size;
} message_t;

static inline void put_u8(message_t *message, unsigned value)
{
    message->bytes[message->size++] = (uint8_t)value;
}

static inline void put_u16(message_t *message, unsigned value)
{
    put_u8(message, value >> 8);
    put_u8(message, value & 255);
}

static inline void put_u32(message_t *message, unsigned long value)
{
    put_u16(message, (unsigned)(value >> 16));
    put_u16(message, (unsigned)(value & 65535));
}

/* "mx.example.net", "" for the root, "mx@12": labels, then a pointer to offset 12. */
static inline void put_name(message_t *message, const char *text)
{
    while (*text != '\0' && *text != '@') {
        size_t size = strcspn(text, ".@");

        put_u8(message, (unsigned)size);
        memcpy(message->bytes + message->size, text, size);
        message->size += size;
        text += size + (text[size] == '.' ? 1 : 0);
    }
    if (*text == '@') {
        put_u16(message, 0xC000U | (unsigned)atoi(text + 1));
    } else {
        put_u8(message, 0);
    }
}

static inline void put_header(message_t *message, unsigned id, unsigned flags, unsigned answers, unsigned authorities,
                              unsigned additionals)
{
    message->size = 0;
    put_u16(message, id);
    put_u16(message, flags);
    put_u16(message, 1);
    put_u16(message, answers);
    put_u16(message, authorities);
    put_u16(message, additionals);
}

static inline void put_question(message_t *message, const char *name, unsigned type)
{
    put_name(message, name);
    put_u16(message, type);
    put_u16(message, 1);
}

/* Up to RDLENGTH, whose place is returned; end_record fills it in. */
static inline size_t begin_record(message_t *message, const char *owner, unsigned type, unsigned long ttl)
{
    put_name(message, owner);
    put_u16(message, type);
    put_u16(message, 1);
    put_u32(message, ttl);
    put_u16(message, 0);
    return message->size;
}

static inline void end_record(message_t *message, size_t start)
{
    size_t size = message->size - start;

    message->bytes[start - 2] = (uint8_t)(size >> 8);
    message->bytes[start - 1] = (uint8_t)size;
}

static inline void put_mx(message_t *message, const char *owner, unsigned preference, const char *exchange)
{
    size_t start = begin_record(message, owner, MOTE_DNS_MX, 300);

    put_u16(message, preference);
    put_name(message, exchange);
    end_record(message, start);
}

static inline void put_cname(message_t *message, const char *owner, const char *target)
{
    size_t start = begin_record(message, owner, MOTE_DNS_CNAME, 300);

    put_name(message, target);
    end_record(message, start);
}

static inline void put_a(message_t *message, const char *owner, const char *address)
{
    size_t start = begin_record(message, owner, MOTE_DNS_A, 300);
    mote_ip_t ip;

    assert_int_equal(mote_ip_parse(mote_span_text(address), &ip), MOTE_OK);
    if (ip.family == MOTE_FAMILY_IPV6) {
        message->bytes[start - 9] = MOTE_DNS_AAAA;
    }
    memcpy(message->bytes + message->size, ip.bytes, ip.family == MOTE_FAMILY_IPV6 ? 16 : 4);
    message->size += ip.family == MOTE_FAMILY_IPV6 ? 16 : 4;
    end_record(message, start);
}

/* SOA or NS with no sensible data: only the type counts. */
static inline void put_bare(message_t *message, const char *owner, unsigned type, unsigned long ttl)
{
    end_record(message, begin_record(message, owner, type, ttl));
}

static inline mote_span_t bytes_of(const message_t *message)
{
    return mote_span(message->bytes, message->size);
}

#endif
