/**
 * @file
 * DNS messages as bytes: writing a question, reading an answer (RFC 1035 4).
 *
 * Nothing is stored: an answer is read in place, record by record, while the caller still holds its bytes.
 * Every name pointer must point strictly backwards, so every name ends; every length stays inside the
 * message; counts in the header are believed only as far as there are bytes (RFC 9267).
 */
#ifndef MAILMOTE_DNS_H
#define MAILMOTE_DNS_H

#include <mailmote/ip.h>

MOTE_BEGIN_DECLS

enum {
    MOTE_DNS_NAME_BYTES = 255, /* a name on the wire, length octets and root included (RFC 1035 2.3.4) */
    MOTE_DNS_TEXT_BYTES = 253, /* the same in letters and dots, without a trailing dot */
    MOTE_DNS_HEADER_BYTES = 12,
    /* header, name, type and class, an OPT record */
    MOTE_DNS_QUERY_BYTES = MOTE_DNS_HEADER_BYTES + MOTE_DNS_NAME_BYTES + 4 + 11
};

/** Record types (RFC 1035 3.2.2, RFC 3596 2.1, RFC 6891 6.1.1). */
enum {
    MOTE_DNS_A = 1,
    MOTE_DNS_NS = 2,
    MOTE_DNS_CNAME = 5,
    MOTE_DNS_SOA = 6,
    MOTE_DNS_MX = 15,
    MOTE_DNS_AAAA = 28,
    MOTE_DNS_OPT = 41
};

/** Response codes, extended bits joined in (RFC 1035 4.1.1, RFC 6891 6.1.3). */
enum {
    MOTE_DNS_NOERROR = 0,
    MOTE_DNS_FORMERR = 1,
    MOTE_DNS_SERVFAIL = 2,
    MOTE_DNS_NXDOMAIN = 3,
    MOTE_DNS_NOTIMP = 4,
    MOTE_DNS_REFUSED = 5,
    MOTE_DNS_BADVERS = 16
};

/** A name inside a message, perhaps compressed. */
typedef struct mote_dns_name {
    mote_span_t message;
    uint16_t offset;
} mote_dns_name_t;

/**
 * Writes a name of letters and dots in wire form.
 *
 * @return its size on the wire, 0 if it is not a host name (see mote_domain_is_valid, but a single label
 *         is taken here), or if it does not fit into capacity
 */
size_t mote_dns_name_from_text(mote_span_t text, uint8_t *wire, size_t capacity);

/**
 * Copies a name out of a message, uncompressed, in wire form.
 *
 * @return its size, 0 if it is malformed or does not fit
 */
size_t mote_dns_name_copy(const mote_dns_name_t *name, uint8_t *wire, size_t capacity);

/** Writes a name in lower case letters and dots, without a trailing dot. An octet that no text of a name holds, which an
 *  alias may lead to, is written as '?': what a report or a terminal gets is printable, and a dot parts labels. */
void mote_dns_name_write(mote_writer_t *out, const mote_dns_name_t *name);

/**
 * Whether the name can be a mail host: labels of letters, digits and hyphens, at least two of them, and
 * not an address in letters. A label with NUL, '.', '@', space, control or 8-bit octets is none (DNS-19).
 */
bool mote_dns_name_is_host(const mote_dns_name_t *name);
bool mote_dns_name_is_root(const mote_dns_name_t *name);
/** Case-blind in ASCII (RFC 4343). */
bool mote_dns_name_equals(const mote_dns_name_t *a, const mote_dns_name_t *b);
/** Compares with a name in letters and dots. */
bool mote_dns_name_equals_text(const mote_dns_name_t *name, mote_span_t text);

/** A number drawn from the name, in any case, and a seed: another seed gives another order of names. */
uint32_t mote_dns_name_hash(const mote_dns_name_t *name, uint32_t seed);

/** What a received message is, after the checks that concern the whole of it. */
typedef struct mote_dns_header {
    uint16_t id;
    uint16_t rcode; /**< with the extended bits of an OPT record */
    bool truncated;
    bool recursion_available;
    uint16_t question_type;
    mote_dns_name_t question;
    uint16_t answer_offset; /* private: the answer section, and what the others hold */
    uint16_t answer_count;
    bool has_soa; /* in the authority section */
    bool has_ns;
    bool has_opt;
} mote_dns_header_t;

/** Walks the answers to a question: the records of the type asked, owned by the end of the alias chain. */
typedef struct mote_dns_answer {
    mote_dns_name_t owner; /**< the end of the CNAME chain, inside the message: the owner of the records */
    uint16_t type;
    uint8_t alias_count;   /**< aliases followed to get there */
    uint16_t record_count; /* private: answers left to look at, and where */
    uint16_t offset;
} mote_dns_answer_t;

/** One record of an answer. */
typedef struct mote_dns_record {
    uint32_t ttl_s;           /**< 0 if its top bit was set (RFC 2181 8) */
    uint16_t preference;      /**< MX */
    mote_dns_name_t exchange; /**< MX */
    mote_ip_t ip;             /**< A, AAAA */
} mote_dns_record_t;

/**
 * Checks a whole message: header, sections, lengths, names, at most one OPT.
 *
 * @return MOTE_OK; MOTE_ERR_PROTOCOL malformed, not a response, or not exactly one question of class IN
 */
mote_status_t mote_dns_read(mote_span_t message, mote_dns_header_t *header);

/**
 * Follows the CNAME chain through the answer section (in any order of records, at most 8 aliases) and says
 * what the message means for the question. header is of this message, checked by mote_dns_read, NOERROR or
 * NXDOMAIN.
 *
 * @param[out] answer  walks the records found; owner is the chain's end in any case
 * @return MOTE_OK            there is at least one record of the type
 *         MOTE_PENDING       the chain ends outside this message: ask again at answer->owner
 *         MOTE_ERR_NO_NAME   NXDOMAIN (of the chain's end)
 *         MOTE_ERR_NO_DATA   NOERROR, no record, and SOA in authority or no NS there (RFC 2308 2.2)
 *         MOTE_ERR_DNS       a referral or an otherwise useless answer (records beside NXDOMAIN): try the next server
 *         MOTE_ERR_DNS_LOOP  a loop, or more than 8 aliases
 */
mote_status_t mote_dns_follow(const mote_dns_header_t *header, mote_dns_answer_t *answer);

/** The next record of the answer; false when there is no more. */
bool mote_dns_next(mote_dns_answer_t *answer, mote_dns_record_t *record);

MOTE_END_DECLS

#endif
