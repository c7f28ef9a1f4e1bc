/* DNS answers for tests, written as a postmaster would write them:

       NOERROR | @ MX 10 mx1.@ | @ MX 20 mx2.example.org | additional | mx1.@ A 192.0.2.1

   Parts stand between bars. The first is the code and perhaps more words: tc, no-ra, aa, query (not a response), opcode
   (not a standard one), wrong-id, no-question, two-questions, chaos (the question's class), opt, opt-opt (two of them).
   A record is owner, type, data; ttl=N and class=N may stand before the type. "@" is the name asked, written as a
   pointer to the question; other names are whole and without a dot at the end, "." is the root. \DDD is an octet. Type
   TYPEn takes hexadecimal data, and so do all types after "\#". "question NAME TYPE" puts another question. */
#ifndef DNS_ANSWER_H
#define DNS_ANSWER_H

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mailmote/mailmote.h>

typedef struct dns_message {
    size_t size;
    uint8_t bytes[65536];
} dns_message_t;

static inline void message_u8(dns_message_t *message, unsigned value)
{
    if (message->size < sizeof message->bytes) {
        message->bytes[message->size++] = (uint8_t)value;
    }
}

static inline void message_u16(dns_message_t *message, unsigned value)
{
    message_u8(message, value >> 8);
    message_u8(message, value & 0xFF);
}

static inline void message_u32(dns_message_t *message, unsigned long value)
{
    message_u16(message, (unsigned)(value >> 16 & 0xFFFF));
    message_u16(message, (unsigned)(value & 0xFFFF));
}

static inline void message_patch_u16(dns_message_t *message, size_t at, unsigned value)
{
    message->bytes[at] = (uint8_t)(value >> 8);
    message->bytes[at + 1] = (uint8_t)value;
}

static inline unsigned message_peek_u16(const dns_message_t *message, size_t at)
{
    return (unsigned)message->bytes[at] << 8 | message->bytes[at + 1];
}

static inline void message_name(dns_message_t *message, const char *text)
{
    while (*text != '\0' && strcmp(text, ".") != 0) {
        size_t length_at = message->size;

        if (strcmp(text, "@") == 0) {
            message_u16(message, 0xC00C);
            return;
        }
        message_u8(message, 0);
        for (; *text != '\0' && *text != '.'; text++) {
            if (*text == '\\') {
                message_u8(message, (unsigned)((text[1] - '0') * 100 + (text[2] - '0') * 10 + text[3] - '0'));
                text += 3;
            } else {
                message_u8(message, (uint8_t)*text);
            }
        }
        message->bytes[length_at] = (uint8_t)(message->size - length_at - 1);
        text += *text == '.';
    }
    message_u8(message, 0);
}

static inline unsigned message_type(const char *text)
{
    static const struct {
        const char *text;
        unsigned type;
    } types[] = { { "A", 1 },    { "NS", 2 },   { "CNAME", 5 }, { "SOA", 6 }, { "MX", 15 },
                  { "TXT", 16 }, { "AAAA", 28 }, { "DNAME", 39 }, { "OPT", 41 } };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(text, types[i].text) == 0) {
            return types[i].type;
        }
    }
    if (strncmp(text, "TYPE", 4) != 0) {
        fprintf(stderr, "no such type: %s\n", text);
        abort();
    }
    return (unsigned)strtoul(text + 4, NULL, 10);
}

static inline void message_hex(dns_message_t *message, const char *text)
{
    for (; isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1]); text += 2) {
        char octet[3] = { text[0], text[1], '\0' };

        message_u8(message, (unsigned)strtoul(octet, NULL, 16));
    }
}

static inline void message_data(dns_message_t *message, unsigned type, char **words, unsigned count)
{
    mote_ip_t ip = { 0 };

    if (count > 0 && strcmp(words[0], "\\#") == 0) {
        message_hex(message, count > 1 ? words[1] : "");
    } else if (type == MOTE_DNS_MX) {
        message_u16(message, (unsigned)strtoul(words[0], NULL, 10));
        message_name(message, words[1]);
    } else if (type == MOTE_DNS_CNAME || type == MOTE_DNS_NS || type == 39) {
        message_name(message, words[0]);
    } else if (type == MOTE_DNS_SOA) {
        message_name(message, "ns.example");
        message_name(message, "hostmaster.example");
        for (unsigned i = 0; i < 5; i++) {
            message_u32(message, 3600);
        }
    } else if (type == MOTE_DNS_A || type == MOTE_DNS_AAAA) {
        if (mote_ip_parse(mote_span_text(words[0]), &ip) != MOTE_OK) {
            fprintf(stderr, "not an address: %s\n", words[0]);
            abort();
        }
        for (unsigned i = 0; i < (type == MOTE_DNS_A ? 4U : 16U); i++) {
            message_u8(message, ip.bytes[i]);
        }
    } else if (count > 0) {
        message_hex(message, words[0]);
    }
}

/* One record; section 1 answer, 2 authority, 3 additional. */
static inline void message_record(dns_message_t *message, unsigned section, char **words, unsigned count)
{
    unsigned long ttl = 3600;
    unsigned klass = 1;
    unsigned type;
    unsigned i = 1;
    size_t size_at;

    for (; i < count && strchr(words[i], '=') != NULL; i++) {
        if (strncmp(words[i], "ttl=", 4) == 0) {
            ttl = strtoul(words[i] + 4, NULL, 0);
        } else {
            klass = (unsigned)strtoul(words[i] + 6, NULL, 0);
        }
    }
    type = message_type(words[i]);
    message_name(message, words[0]);
    message_u16(message, type);
    message_u16(message, klass);
    message_u32(message, ttl);
    size_at = message->size;
    message_u16(message, 0);
    message_data(message, type, words + i + 1, count - i - 1);
    message_patch_u16(message, size_at, (unsigned)(message->size - size_at - 2));
    message_patch_u16(message, 4 + 2 * section, message_peek_u16(message, 4 + 2 * section) + 1);
}

static inline void message_opt(dns_message_t *message, unsigned extended)
{
    char *words[] = { (char *)".", (char *)"class=1232", (char *)"OPT" };

    message_record(message, 3, words, 3);
    message->bytes[message->size - 6] = (uint8_t)extended;
}

static inline unsigned message_split(char *text, char **words, unsigned capacity)
{
    unsigned count = 0;

    for (char *word = strtok(text, " \t"); word != NULL && count < capacity; word = strtok(NULL, " \t")) {
        words[count++] = word;
    }
    return count;
}

/* The first part: the code and other words. Returns bits: 1 opt, 2 a second one, 4 BADVERS. */
static inline unsigned message_head(dns_message_t *message, char **words, unsigned count)
{
    static const char *const codes[] = { "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
                                         "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH" };
    unsigned opts = 0;

    message->bytes[2] = 0x81; /* a response, recursion desired */
    message->bytes[3] = 0x80; /* recursion available */
    for (unsigned i = 0; i < count; i++) {
        const char *word = words[i];
        bool is_code = false;

        for (unsigned code = 0; code < sizeof codes / sizeof codes[0]; code++) {
            if (strcmp(word, codes[code]) == 0) {
                message->bytes[3] = (uint8_t)(message->bytes[3] | code);
                is_code = true;
            }
        }
        if (strcmp(word, "tc") == 0) {
            message->bytes[2] |= 0x02;
        } else if (strcmp(word, "aa") == 0) {
            message->bytes[2] |= 0x04;
        } else if (strcmp(word, "query") == 0) {
            message->bytes[2] &= 0x7F;
        } else if (strcmp(word, "opcode") == 0) {
            message->bytes[2] |= 0x20;
        } else if (strcmp(word, "no-ra") == 0) {
            message->bytes[3] &= 0x7F;
        } else if (strcmp(word, "wrong-id") == 0) {
            message->bytes[1] ^= 1;
        } else if (strcmp(word, "no-question") == 0) {
            message->bytes[5] = 0;
            message->size = MOTE_DNS_HEADER_BYTES;
        } else if (strcmp(word, "two-questions") == 0) {
            size_t size = message->size - MOTE_DNS_HEADER_BYTES;

            memcpy(message->bytes + message->size, message->bytes + MOTE_DNS_HEADER_BYTES, size);
            message->bytes[5] = 2;
            message->size += size;
        } else if (strcmp(word, "chaos") == 0) {
            message->bytes[message->size - 1] = 3;
        } else if (strcmp(word, "opt") == 0) {
            opts |= 1;
        } else if (strcmp(word, "opt-opt") == 0) {
            opts |= 3;
        } else if (strcmp(word, "BADVERS") == 0) {
            opts |= 5;
        } else if (!is_code) {
            fprintf(stderr, "no such word: %s\n", word);
            abort();
        }
    }
    return opts;
}

/* Writes the question: header, name, type and class IN. */
static inline void message_ask(dns_message_t *message, unsigned id, const char *name, const char *type)
{
    message->size = 0;
    message_u16(message, id);
    message_u16(message, 0x0100);
    message_u16(message, 1);
    message_u16(message, 0);
    message_u32(message, 0);
    message_name(message, name);
    message_u16(message, message_type(type));
    message_u16(message, 1);
}

/* Turns the question in message (whose records, an OPT, are dropped) into the answer the text describes. */
static inline void message_answer(dns_message_t *message, const char *text)
{
    char *copy = malloc(strlen(text) + 1);
    char *part = copy;
    unsigned section = 1;
    unsigned opts = 0;
    bool is_first = true;
    size_t end = MOTE_DNS_HEADER_BYTES;

    while (message->bytes[end] != 0) {
        end += 1U + message->bytes[end];
    }
    message->size = end + 5;
    memset(message->bytes + 6, 0, 6);
    strcpy(copy, text);
    while (part != NULL) {
        char *bar = strchr(part, '|');
        char *words[8];
        unsigned count;

        if (bar != NULL) {
            *bar = '\0';
        }
        count = message_split(part, words, 8);
        if (is_first) {
            opts = message_head(message, words, count);
        } else if (count == 3 && strcmp(words[0], "question") == 0) {
            message->size = MOTE_DNS_HEADER_BYTES;
            message_name(message, words[1]);
            message_u16(message, message_type(words[2]));
            message_u16(message, 1);
        } else if (count == 1) {
            section = strcmp(words[0], "authority") == 0 ? 2 : strcmp(words[0], "additional") == 0 ? 3 : 1;
        } else if (count > 1) {
            message_record(message, section, words, count);
        }
        is_first = false;
        part = bar != NULL ? bar + 1 : NULL;
    }
    for (unsigned i = 0; i < 2; i++) {
        if ((opts >> i & 1) != 0) {
            message_opt(message, (opts & 4) != 0 ? 1 : 0);
        }
    }
    free(copy);
}

static inline mote_span_t message_span(const dns_message_t *message)
{
    return mote_span(message->bytes, message->size);
}

#endif
