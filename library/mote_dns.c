#include <mailmote/address.h>
#include <mailmote/dns.h>

enum {
    CLASS_IN = 1,
    ALIAS_COUNT = 8,  /* of one chain (RFC 1034 5.2.2 asks for a limit) */
    JUMP_COUNT = 127, /* of one name: it has no more labels than that, so more pointers lead nowhere */
    LABEL_BYTES = 63,
    POINTER = 0xC0
};

/* Two octets in network order; the caller knows that they are there. */
static uint16_t u16_at(mote_span_t message, size_t offset)
{
    return (uint16_t)((unsigned)message.data[offset] << 8 | message.data[offset + 1]);
}

/* ---- names ---------------------------------------------------------------------------------------------- */

/* Walks the labels of a name. A pointer must lead to before where the name (or the part behind the last pointer)
   began, so that every walk ends (RFC 9267 2). */
typedef struct label_walk {
    mote_span_t message;
    mote_span_t label; /* the one read last; the root is an empty one */
    size_t offset;     /* behind it */
    size_t limit;      /* pointers lead below this */
    size_t end;        /* behind the first pointer; 0: none yet */
    uint16_t size;     /* of the name so far, length octets included */
    uint8_t jump_count;
} label_walk_t;

static void begin_walk(label_walk_t *walk, const mote_dns_name_t *name)
{
    memset(walk, 0, sizeof *walk);
    walk->message = name->message;
    walk->offset = name->offset;
    walk->limit = name->offset;
}

/* Reads the next label. False: malformed. Not to be called again after the root. */
static bool next_label(label_walk_t *walk)
{
    mote_span_t message = walk->message;
    size_t offset = walk->offset;
    size_t size;

    while (offset < message.size && message.data[offset] >= POINTER) {
        size_t target = offset + 1 < message.size ? u16_at(message, offset) & 0x3FFFU : 0;

        if (target < MOTE_DNS_HEADER_BYTES || target >= walk->limit || ++walk->jump_count > JUMP_COUNT) {
            return false;
        }
        walk->end = walk->end == 0 ? offset + 2 : walk->end;
        walk->limit = offset = target;
    }
    if (offset >= message.size) {
        return false;
    }
    size = message.data[offset++];
    walk->label = mote_span(&message.data[offset], size);
    walk->offset = offset + size;
    walk->size = (uint16_t)(walk->size + 1 + size);
    return size <= LABEL_BYTES && walk->offset <= message.size && walk->size <= MOTE_DNS_NAME_BYTES;
}

/* Offset behind a name, 0 if it is malformed. Owners are followed no further than to the first label behind a pointer:
   the rest is looked at when they are compared, and most of them never are. */
static size_t end_of_name(const mote_dns_name_t *name, bool is_followed)
{
    label_walk_t walk;

    begin_walk(&walk, name);
    do {
        if (!next_label(&walk)) {
            return 0;
        }
    } while (walk.label.size > 0 && (is_followed || walk.end == 0));
    return walk.end != 0 ? walk.end : walk.offset;
}

bool mote_dns_name_equals(const mote_dns_name_t *a, const mote_dns_name_t *b)
{
    label_walk_t left;
    label_walk_t right;

    begin_walk(&left, a);
    begin_walk(&right, b);
    do {
        if (!next_label(&left) || !next_label(&right) || !mote_span_equals_ignoring_case(left.label, right.label)) {
            return false;
        }
        if (left.label.data == right.label.data) {
            return true; /* both have come to the same place: so are all labels that follow */
        }
    } while (left.label.size > 0);
    return true;
}

bool mote_dns_name_equals_text(const mote_dns_name_t *name, mote_span_t text)
{
    label_walk_t walk;
    mote_span_t label;

    begin_walk(&walk, name);
    while (next_label(&walk)) {
        if (walk.label.size == 0) {
            return text.size == 0 && walk.size > 1;
        }
        mote_span_cut(&text, '.', &label);
        if (!mote_span_equals_ignoring_case(walk.label, label)) {
            return false;
        }
    }
    return false;
}

bool mote_dns_name_is_root(const mote_dns_name_t *name)
{
    label_walk_t walk;

    begin_walk(&walk, name);
    return next_label(&walk) && walk.label.size == 0;
}

bool mote_dns_name_is_host(const mote_dns_name_t *name)
{
    label_walk_t walk;
    bool is_numeric = true; /* the last label's: an address in letters is no name */
    unsigned label_count = 0;

    begin_walk(&walk, name);
    while (next_label(&walk)) {
        if (walk.label.size == 0) {
            return label_count >= 2 && !is_numeric;
        }
        if (!mote_label_is_host(walk.label, &is_numeric)) {
            return false;
        }
        label_count++;
    }
    return false;
}

size_t mote_dns_name_from_text(mote_span_t text, uint8_t *wire, size_t capacity)
{
    mote_writer_t out = mote_writer(wire, capacity);
    mote_span_t label;

    if (mote_domain_label_count(text) == 0) {
        return 0;
    }
    while (text.size > 0) {
        mote_span_cut(&text, '.', &label);
        mote_write_u8(&out, (uint8_t)label.size);
        mote_write(&out, label);
    }
    mote_write_u8(&out, 0);
    return mote_writer_overflowed(&out) || out.size > MOTE_DNS_NAME_BYTES ? 0 : out.size;
}

size_t mote_dns_name_copy(const mote_dns_name_t *name, uint8_t *wire, size_t capacity)
{
    label_walk_t walk;
    mote_writer_t out = mote_writer(wire, capacity);

    begin_walk(&walk, name);
    do {
        if (!next_label(&walk)) {
            return 0;
        }
        mote_write_u8(&out, (uint8_t)walk.label.size);
        mote_write(&out, walk.label);
    } while (walk.label.size > 0);
    return mote_writer_overflowed(&out) ? 0 : out.size;
}

void mote_dns_name_write(mote_writer_t *out, const mote_dns_name_t *name)
{
    label_walk_t walk;

    begin_walk(&walk, name);
    while (next_label(&walk) && walk.label.size > 0) {
        if (walk.size > walk.label.size + 1) {
            mote_write_u8(out, '.'); /* not before the first */
        }
        for (size_t i = 0; i < walk.label.size; i++) {
            uint8_t octet = mote_lower(walk.label.data[i]);

            mote_write_u8(out, octet > ' ' && octet <= '~' && octet != '.' ? octet : '?');
        }
    }
}

uint32_t mote_dns_name_hash(const mote_dns_name_t *name, uint32_t seed)
{
    label_walk_t walk;
    uint32_t hash = seed;

    begin_walk(&walk, name);
    while (next_label(&walk) && walk.label.size > 0) {
        hash = (hash ^ (uint32_t)walk.label.size) * UINT32_C(16777619); /* else a.bc would be ab.c */
        for (size_t i = 0; i < walk.label.size; i++) {
            hash = (hash ^ (walk.label.data[i] | 0x20U)) * UINT32_C(16777619); /* FNV-1a; case-blind */
        }
    }
    hash = (hash ^ hash >> 16) * UINT32_C(0x85EBCA6B); /* every bit of the seed reaches every bit (MurmurHash3) */
    hash = (hash ^ hash >> 13) * UINT32_C(0xC2B2AE35);
    return hash ^ hash >> 16;
}

/* ---- records -------------------------------------------------------------------------------------------- */

typedef struct raw_record {
    mote_dns_name_t owner;
    uint16_t type;
    uint16_t klass;
    uint16_t offset; /* of the data */
    uint16_t size;
} raw_record_t;

enum { FIXED_BYTES = 10 }; /* type, class, TTL, length of the data */

/* Reads the record at *offset, whose data must lie inside the message, and moves behind it. */
static bool read_record(mote_span_t message, uint16_t *offset, raw_record_t *record)
{
    size_t end;

    record->owner.message = message;
    record->owner.offset = *offset;
    end = end_of_name(&record->owner, false);
    if (end == 0 || end + FIXED_BYTES > message.size) {
        return false;
    }
    record->type = u16_at(message, end);
    record->klass = u16_at(message, end + 2);
    record->size = u16_at(message, end + 8);
    record->offset = (uint16_t)(end + FIXED_BYTES);
    *offset = (uint16_t)(record->offset + record->size);
    return record->size <= message.size - record->offset;
}

/* RFC 9267 5: the data is exactly as long as its type says, a name ends where the data ends. Data of other types and
   classes is not looked at (RFC 3597 3). */
static MOTE_NOINLINE bool is_data_sound(const raw_record_t *record)
{
    mote_dns_name_t name = { record->owner.message, record->offset };

    if (record->klass != CLASS_IN) {
        return true;
    }
    switch (record->type) {
    case MOTE_DNS_A:
        return record->size == 4;
    case MOTE_DNS_AAAA:
        return record->size == 16;
    case MOTE_DNS_MX:
        name.offset = (uint16_t)(name.offset + 2);
        break;
    case MOTE_DNS_CNAME:
        break;
    default:
        return true;
    }
    return end_of_name(&name, true) == (size_t)record->offset + record->size;
}

/* ---- messages ------------------------------------------------------------------------------------------- */

/* RFC 6891 6.1.1: one OPT, owned by the root; 6.1.3: the upper bits of the code stand where a TTL would. */
static bool take_opt(const raw_record_t *record, mote_dns_header_t *header)
{
    mote_span_t message = record->owner.message;
    bool is_good = !header->has_opt && message.data[record->owner.offset] == 0;

    header->has_opt = true;
    header->rcode |= (uint16_t)(message.data[record->offset - 6] << 4);
    return is_good;
}

/* All records of all sections, so that what is used later is known to be sound. The counts are believed only as far
   as there are bytes (RFC 9267 6). */
static bool check_records(mote_span_t message, mote_dns_header_t *header)
{
    uint16_t offset = header->answer_offset;
    unsigned authority = header->answer_count;
    unsigned additional = authority + u16_at(message, 8);
    unsigned end = additional + u16_at(message, 10);
    raw_record_t record;

    for (unsigned i = 0; i < end; i++) {
        if (!read_record(message, &offset, &record) || !is_data_sound(&record) ||
            (record.type == MOTE_DNS_OPT && !take_opt(&record, header))) {
            return false;
        }
        if (i >= authority && i < additional) {
            header->has_soa |= record.type == MOTE_DNS_SOA;
            header->has_ns |= record.type == MOTE_DNS_NS;
        }
    }
    return true;
}

mote_status_t mote_dns_read(mote_span_t message, mote_dns_header_t *header)
{
    unsigned flags;
    size_t end;

    memset(header, 0, sizeof *header);
    if (message.size < MOTE_DNS_HEADER_BYTES || message.size > UINT16_MAX) {
        return MOTE_ERR_PROTOCOL;
    }
    flags = u16_at(message, 2);
    header->question.message = message;
    header->question.offset = MOTE_DNS_HEADER_BYTES;
    end = end_of_name(&header->question, false);
    if ((flags & 0xF800) != 0x8000 || u16_at(message, 4) != 1 || end == 0 || message.size - end < 4 ||
        u16_at(message, end + 2) != CLASS_IN) { /* a response, opcode 0, one question, class IN */
        return MOTE_ERR_PROTOCOL;
    }
    header->id = u16_at(message, 0);
    header->rcode = flags & 0x000F;
    header->truncated = (flags & 0x0200) != 0;
    header->recursion_available = (flags & 0x0080) != 0;
    header->question_type = u16_at(message, end);
    header->answer_offset = (uint16_t)(end + 4);
    header->answer_count = u16_at(message, 6);
    /* A truncated message is not read further: it may end anywhere (RFC 2181 9). */
    return header->truncated || check_records(message, header) ? MOTE_OK : MOTE_ERR_PROTOCOL;
}

/* What a message without a record for the chain's end means. */
static mote_status_t judge_absence(const mote_dns_header_t *header, bool has_alias)
{
    if (header->rcode == MOTE_DNS_NXDOMAIN) {
        return MOTE_ERR_NO_NAME; /* RFC 2308 2.1: of the chain's end */
    }
    if (header->has_soa) {
        return MOTE_ERR_NO_DATA; /* RFC 2308 2.2 */
    }
    if (has_alias) {
        return MOTE_PENDING; /* the chain ends outside this message */
    }
    /* NS alone is a referral; nothing at all is believed only from a server that does recursion. */
    return !header->has_ns && header->recursion_available ? MOTE_ERR_NO_DATA : MOTE_ERR_DNS;
}

static void rewind_answer(mote_dns_answer_t *answer, const mote_dns_header_t *header)
{
    answer->record_count = header->answer_count;
    answer->offset = header->answer_offset;
}

/* Whether the owner of a record is the name; nearly always it is a pointer straight to it. */
static bool is_owner(const mote_dns_name_t *owner, const mote_dns_name_t *name)
{
    return u16_at(owner->message, owner->offset) - (POINTER << 8) == name->offset || mote_dns_name_equals(owner, name);
}

/* The next record of the chain's end that has the type, or is an alias. */
static bool find_record(mote_dns_answer_t *answer, raw_record_t *record)
{
    while (answer->record_count > 0) {
        answer->record_count--;
        if (!read_record(answer->owner.message, &answer->offset, record)) {
            answer->record_count = 0; /* cannot be: the message was checked */
        } else if ((record->type == answer->type || record->type == MOTE_DNS_CNAME) && record->klass == CLASS_IN &&
                   is_owner(&record->owner, &answer->owner)) {
            return true;
        }
    }
    return false;
}

mote_status_t mote_dns_follow(const mote_dns_header_t *header, mote_dns_answer_t *answer)
{
    raw_record_t record;

    answer->owner = header->question;
    answer->type = header->question_type;
    answer->alias_count = 0;
    rewind_answer(answer, header);
    while (find_record(answer, &record)) {
        if (record.type == answer->type) {
            rewind_answer(answer, header);
            return header->rcode == MOTE_DNS_NOERROR ? MOTE_OK : MOTE_ERR_DNS; /* NXDOMAIN would belie it */
        }
        if (++answer->alias_count > ALIAS_COUNT) {
            return MOTE_ERR_DNS_LOOP;
        }
        answer->owner.offset = record.offset;
        rewind_answer(answer, header); /* its own records may stand before the alias */
    }
    return judge_absence(header, answer->alias_count > 0);
}

bool mote_dns_next(mote_dns_answer_t *answer, mote_dns_record_t *record)
{
    mote_span_t message = answer->owner.message;
    raw_record_t raw;

    memset(record, 0, sizeof *record);
    do {
        if (!find_record(answer, &raw)) {
            return false;
        }
    } while (raw.type != answer->type);
    if ((message.data[raw.offset - 6] & 0x80) == 0) { /* RFC 2181 8 */
        record->ttl_s = (uint32_t)u16_at(message, raw.offset - 6U) << 16 | u16_at(message, raw.offset - 4U);
    }
    if (raw.type == MOTE_DNS_MX) {
        record->preference = u16_at(message, raw.offset);
        record->exchange.message = message;
        record->exchange.offset = (uint16_t)(raw.offset + 2);
    } else if (raw.size <= MOTE_IP_BYTES) {
        record->ip.family = raw.type == MOTE_DNS_A ? MOTE_FAMILY_IPV4 : MOTE_FAMILY_IPV6;
        memcpy(record->ip.bytes, &message.data[raw.offset], raw.size);
    }
    return true;
}
