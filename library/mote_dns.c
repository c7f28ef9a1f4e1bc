#include <mailmote/dns.h>

enum {
    CLASS_IN = 1,
    ALIAS_COUNT = 8,     /* of one chain (RFC 1034 5.2.2 asks for a limit) */
    RECORD_COUNT = 4096, /* looked at in one message: more is work for nothing */
    LABEL_BYTES = 63,
    POINTER = 0xC0
};

/* ---- names ---------------------------------------------------------------------------------------------- */

/* Walks the labels of a name. A pointer must lead to before where the name (or the part behind the last pointer)
   began, so that every walk ends (RFC 9267 2). */
typedef struct label_walk {
    mote_span_t message;
    size_t offset; /* of the next length octet */
    size_t start;  /* pointers lead below this */
    size_t end;    /* behind the name where it stands; 0 until known */
    size_t size;   /* of the name, length octets and root included */
    bool failed;
} label_walk_t;

static label_walk_t walk_labels(mote_span_t message, size_t offset)
{
    label_walk_t walk = { message, offset, offset, 0, 0, false };

    return walk;
}

static bool fail_walk(label_walk_t *walk)
{
    walk->failed = true;
    return false;
}

static bool follow_pointer(label_walk_t *walk, uint8_t high)
{
    size_t target;

    if (walk->offset + 1 >= walk->message.size) {
        return fail_walk(walk);
    }
    target = (size_t)(high & 0x3F) << 8 | walk->message.data[walk->offset + 1];
    walk->end = walk->end == 0 ? walk->offset + 2 : walk->end;
    if (target < MOTE_DNS_HEADER_BYTES || target >= walk->start) {
        return fail_walk(walk);
    }
    walk->start = target;
    walk->offset = target;
    return true;
}

/* The next label; the root is an empty one. False: the name was over before, or it is malformed. */
static bool next_label(label_walk_t *walk, mote_span_t *label)
{
    uint8_t length;

    do {
        if (walk->failed || walk->offset >= walk->message.size) {
            return fail_walk(walk);
        }
        length = walk->message.data[walk->offset];
        if (length >= POINTER && !follow_pointer(walk, length)) {
            return false;
        }
    } while (length >= POINTER);
    walk->size += 1U + length;
    if (length > LABEL_BYTES || length > walk->message.size - walk->offset - 1 || walk->size > MOTE_DNS_NAME_BYTES) {
        return fail_walk(walk);
    }
    *label = mote_span_slice(walk->message, walk->offset + 1, length);
    walk->offset += 1U + length;
    if (length == 0) {
        walk->end = walk->end == 0 ? walk->offset : walk->end;
    }
    return true;
}

/* Offset behind the name that stands at offset; 0 if it is malformed. */
static size_t skip_name(mote_span_t message, size_t offset)
{
    label_walk_t walk = walk_labels(message, offset);
    mote_span_t label;

    do {
        if (!next_label(&walk, &label)) {
            return 0;
        }
    } while (label.size > 0);
    return walk.end;
}

bool mote_dns_name_equals(const mote_dns_name_t *a, const mote_dns_name_t *b)
{
    label_walk_t left = walk_labels(a->message, a->offset);
    label_walk_t right = walk_labels(b->message, b->offset);
    mote_span_t left_label;
    mote_span_t right_label;

    do {
        if (!next_label(&left, &left_label) || !next_label(&right, &right_label) ||
            !mote_span_equals_ignoring_case(left_label, right_label)) {
            return false;
        }
    } while (left_label.size > 0);
    return true;
}

bool mote_dns_name_equals_text(const mote_dns_name_t *name, mote_span_t text)
{
    label_walk_t walk = walk_labels(name->message, name->offset);
    mote_span_t label;

    while (next_label(&walk, &label) && label.size > 0) {
        size_t size = mote_span_find(text, '.');

        if (!mote_span_equals_ignoring_case(label, mote_span_slice(text, 0, size))) {
            return false;
        }
        text = mote_span_slice(text, size + 1, text.size);
    }
    return !walk.failed && text.size == 0 && walk.size > 1;
}

bool mote_dns_name_is_root(const mote_dns_name_t *name)
{
    label_walk_t walk = walk_labels(name->message, name->offset);
    mote_span_t label;

    return next_label(&walk, &label) && label.size == 0;
}

/* Letters, digits, inner hyphens (RFC 1123 2.1). */
static bool is_host_label(mote_span_t label, bool *is_numeric)
{
    *is_numeric = true;
    for (size_t i = 0; i < label.size; i++) {
        uint8_t octet = mote_lower(label.data[i]);
        bool is_digit = octet >= '0' && octet <= '9';
        bool is_inner = i > 0 && i + 1 < label.size;

        *is_numeric &= is_digit;
        if (!is_digit && !(octet >= 'a' && octet <= 'z') && !(octet == '-' && is_inner)) {
            return false;
        }
    }
    return label.size > 0;
}

bool mote_dns_name_is_host(const mote_dns_name_t *name)
{
    label_walk_t walk = walk_labels(name->message, name->offset);
    mote_span_t label;
    bool is_numeric = true; /* the last label's: an address in letters is no name */
    unsigned label_count = 0;

    while (next_label(&walk, &label)) {
        if (label.size == 0) {
            return label_count >= 2 && !is_numeric;
        }
        if (!is_host_label(label, &is_numeric)) {
            return false;
        }
        label_count++;
    }
    return false;
}

size_t mote_dns_name_from_text(mote_span_t text, uint8_t *wire, size_t capacity)
{
    mote_writer_t out = mote_writer(wire, capacity);
    bool is_numeric = true;

    while (text.size > 0) {
        size_t size = mote_span_find(text, '.');
        mote_span_t label = mote_span_slice(text, 0, size);

        if (!is_host_label(label, &is_numeric) || size > LABEL_BYTES || size + 1 == text.size) {
            return 0;
        }
        mote_write_u8(&out, (uint8_t)size);
        mote_write(&out, label);
        text = mote_span_slice(text, size + 1, text.size);
    }
    mote_write_u8(&out, 0);
    return is_numeric || mote_writer_overflowed(&out) || out.size > MOTE_DNS_NAME_BYTES ? 0 : out.size;
}

size_t mote_dns_name_copy(const mote_dns_name_t *name, uint8_t *wire, size_t capacity)
{
    label_walk_t walk = walk_labels(name->message, name->offset);
    mote_writer_t out = mote_writer(wire, capacity);
    mote_span_t label;

    do {
        if (!next_label(&walk, &label)) {
            return 0;
        }
        mote_write_u8(&out, (uint8_t)label.size);
        mote_write(&out, label);
    } while (label.size > 0);
    return mote_writer_overflowed(&out) ? 0 : out.size;
}

void mote_dns_name_write(mote_writer_t *out, const mote_dns_name_t *name)
{
    label_walk_t walk = walk_labels(name->message, name->offset);
    mote_span_t label;
    bool is_first = true;

    while (next_label(&walk, &label) && label.size > 0) {
        if (!is_first) {
            mote_write_u8(out, '.');
        }
        for (size_t i = 0; i < label.size; i++) {
            mote_write_u8(out, mote_lower(label.data[i]));
        }
        is_first = false;
    }
}

/* ---- records -------------------------------------------------------------------------------------------- */

typedef struct raw_record {
    size_t owner;
    uint16_t type;
    uint16_t klass;
    uint32_t ttl_s;
    mote_span_t rdata;
    size_t rdata_offset;
} raw_record_t;

/* Reads the record at *offset, whose data must lie inside the message, and moves behind it. */
static bool read_record(mote_span_t message, size_t *offset, raw_record_t *record)
{
    size_t end = skip_name(message, *offset);
    mote_reader_t in = mote_reader(message);
    uint16_t size;

    if (end == 0) {
        return false;
    }
    in.offset = end;
    record->owner = *offset;
    record->type = mote_read_u16(&in);
    record->klass = mote_read_u16(&in);
    record->ttl_s = mote_read_u32(&in);
    size = mote_read_u16(&in);
    record->rdata_offset = in.offset;
    record->rdata = mote_read_span(&in, size);
    *offset = in.offset;
    return !in.failed;
}

/* RFC 9267 5: the data is exactly as long as its type says, names ending where it ends. */
static bool is_rdata_sound(mote_span_t message, const raw_record_t *record)
{
    size_t end = record->rdata_offset + record->rdata.size;

    switch (record->type) {
    case MOTE_DNS_A:
        return record->rdata.size == 4;
    case MOTE_DNS_AAAA:
        return record->rdata.size == 16;
    case MOTE_DNS_CNAME:
        return skip_name(message, record->rdata_offset) == end;
    case MOTE_DNS_MX:
        return record->rdata.size > 2 && skip_name(message, record->rdata_offset + 2) == end;
    default:
        return true;
    }
}

/* ---- messages ------------------------------------------------------------------------------------------- */

enum { COUNT_AT = 4, ANSWERS = 1, AUTHORITIES = 2 };

static uint16_t count_at(mote_span_t message, unsigned section)
{
    mote_reader_t in = mote_reader(message);

    in.offset = COUNT_AT + 2 * section;
    return mote_read_u16(&in);
}

/* Offset behind the one question; 0 if it is malformed. */
static size_t skip_question(mote_span_t message)
{
    size_t end = skip_name(message, MOTE_DNS_HEADER_BYTES);

    return end == 0 || message.size - end < 4 ? 0 : end + 4;
}

/* All records of all sections, so that what is used later is known to be sound. */
static bool check_records(mote_span_t message, size_t offset, mote_dns_header_t *header)
{
    unsigned opt_count = 0;

    for (unsigned section = ANSWERS; section <= 3; section++) {
        for (unsigned left = count_at(message, section); left > 0; left--) {
            raw_record_t record;

            if (!read_record(message, &offset, &record) || !is_rdata_sound(message, &record)) {
                return false;
            }
            if (record.type == MOTE_DNS_OPT) { /* RFC 6891 6.1.1: one, owned by the root; 6.1.3: more of RCODE */
                opt_count++;
                header->rcode |= (uint16_t)(record.ttl_s >> 20 & 0xFF0);
                if (opt_count > 1 || message.data[record.owner] != 0) {
                    return false;
                }
            }
        }
    }
    return true;
}

mote_status_t mote_dns_read(mote_span_t message, mote_dns_header_t *header)
{
    mote_reader_t in = mote_reader(message);
    uint16_t flags;
    size_t offset;

    memset(header, 0, sizeof *header);
    header->id = mote_read_u16(&in);
    flags = mote_read_u16(&in);
    if (message.size < MOTE_DNS_HEADER_BYTES || message.size > UINT16_MAX || (flags & 0xF800) != 0x8000 ||
        count_at(message, 0) != 1) {
        return MOTE_ERR_PROTOCOL; /* QR, opcode 0, one question */
    }
    header->truncated = (flags & 0x0200) != 0;
    header->recursion_available = (flags & 0x0080) != 0;
    header->rcode = flags & 0x000F;
    header->question.message = message;
    header->question.offset = MOTE_DNS_HEADER_BYTES;
    offset = skip_question(message);
    if (offset == 0) {
        return MOTE_ERR_PROTOCOL;
    }
    in.offset = offset - 4;
    header->question_type = mote_read_u16(&in);
    if (mote_read_u16(&in) != CLASS_IN) {
        return MOTE_ERR_PROTOCOL;
    }
    /* A truncated message is not read further: it may end anywhere (RFC 2181 9). */
    return header->truncated || check_records(message, offset, header) ? MOTE_OK : MOTE_ERR_PROTOCOL;
}

/* Looks through the answer section for a record of the type owned by owner. */
static bool find_answer(mote_span_t message, const mote_dns_name_t *owner, uint16_t type, mote_dns_name_t *target)
{
    size_t offset = skip_question(message);
    unsigned left = count_at(message, ANSWERS);

    for (unsigned i = 0; i < left && i < RECORD_COUNT; i++) {
        raw_record_t record;
        mote_dns_name_t name = { message, (uint16_t)offset };

        if (!read_record(message, &offset, &record)) {
            return false;
        }
        if (record.type == type && record.klass == CLASS_IN && mote_dns_name_equals(&name, owner)) {
            target->message = message;
            target->offset = (uint16_t)record.rdata_offset;
            return true;
        }
    }
    return false;
}

/* What the authority section says: SOA before NS before nothing (0). */
static uint16_t look_at_authority(mote_span_t message)
{
    size_t offset = skip_question(message);
    unsigned answers = count_at(message, ANSWERS);
    unsigned left = answers + count_at(message, AUTHORITIES);
    uint16_t found = 0;

    for (unsigned i = 0; i < left && i < RECORD_COUNT; i++) {
        raw_record_t record;

        if (!read_record(message, &offset, &record)) {
            break;
        }
        if (i >= answers && record.type == MOTE_DNS_SOA) {
            return MOTE_DNS_SOA;
        }
        if (i >= answers && record.type == MOTE_DNS_NS) {
            found = MOTE_DNS_NS;
        }
    }
    return found;
}

/* What a message without a record for the chain's end means. */
static mote_status_t judge_absence(mote_span_t message, const mote_dns_header_t *header, bool has_alias)
{
    uint16_t authority = look_at_authority(message);

    if (header->rcode == MOTE_DNS_NXDOMAIN) {
        return MOTE_ERR_NO_NAME; /* RFC 2308 2.1: of the chain's end */
    }
    if (authority == MOTE_DNS_SOA) {
        return MOTE_ERR_NO_DATA; /* RFC 2308 2.2 */
    }
    if (has_alias) {
        return MOTE_PENDING; /* the chain ends outside this message */
    }
    /* NS alone is a referral; nothing at all is believed only from a server that does recursion. */
    return authority == 0 && header->recursion_available ? MOTE_ERR_NO_DATA : MOTE_ERR_DNS;
}

mote_status_t mote_dns_follow(mote_span_t message, const mote_dns_header_t *header, mote_dns_answer_t *answer)
{
    mote_dns_name_t target;

    answer->message = message;
    answer->owner = header->question;
    answer->type = header->question_type;
    answer->record_count = count_at(message, ANSWERS);
    answer->offset = (uint16_t)skip_question(message);
    for (unsigned alias_count = 0; alias_count <= ALIAS_COUNT; alias_count++) {
        if (find_answer(message, &answer->owner, answer->type, &target)) {
            return MOTE_OK;
        }
        if (!find_answer(message, &answer->owner, MOTE_DNS_CNAME, &target)) {
            return judge_absence(message, header, alias_count > 0);
        }
        answer->owner = target;
    }
    return MOTE_ERR_DNS_LOOP;
}

uint32_t mote_dns_name_hash(const mote_dns_name_t *name, uint32_t seed)
{
    label_walk_t walk = walk_labels(name->message, name->offset);
    uint32_t hash = seed ^ UINT32_C(2166136261);
    mote_span_t label;

    while (next_label(&walk, &label) && label.size > 0) {
        for (size_t i = 0; i < label.size; i++) {
            hash = (hash ^ mote_lower(label.data[i])) * UINT32_C(16777619); /* FNV-1a */
        }
        hash = (hash ^ '.') * UINT32_C(16777619);
    }
    hash = (hash ^ hash >> 16) * UINT32_C(0x85EBCA6B); /* every bit of the seed reaches every bit (MurmurHash3) */
    hash = (hash ^ hash >> 13) * UINT32_C(0xC2B2AE35);
    return hash ^ hash >> 16;
}

bool mote_dns_next(mote_dns_answer_t *answer, mote_dns_record_t *record)
{
    size_t offset = answer->offset;

    while (answer->record_count > 0) {
        mote_dns_name_t name = { answer->message, (uint16_t)offset };
        raw_record_t raw;

        if (!read_record(answer->message, &offset, &raw)) {
            break;
        }
        answer->record_count--;
        answer->offset = (uint16_t)offset;
        if (raw.type != answer->type || raw.klass != CLASS_IN || !mote_dns_name_equals(&name, &answer->owner)) {
            continue;
        }
        memset(record, 0, sizeof *record);
        record->ttl_s = raw.ttl_s >> 31 != 0 ? 0 : raw.ttl_s;
        if (raw.type == MOTE_DNS_MX) {
            record->preference = (uint16_t)(raw.rdata.data[0] << 8 | raw.rdata.data[1]);
            record->exchange.message = answer->message;
            record->exchange.offset = (uint16_t)(raw.rdata_offset + 2);
        } else if (raw.rdata.size <= MOTE_IP_BYTES) {
            record->ip.family = raw.type == MOTE_DNS_A ? MOTE_FAMILY_IPV4 : MOTE_FAMILY_IPV6;
            memcpy(record->ip.bytes, raw.rdata.data, raw.rdata.size);
        }
        return true;
    }
    answer->record_count = 0;
    return false;
}
