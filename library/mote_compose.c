#include <mailmote/base64.h>
#include <mailmote/compose.h>

/* Where the message is being read. */
enum {
    AT_HEADER,  /* the fields of the message */
    AT_PREFIX,  /* what stands before a part: delimiters and the part's own header; behind the last part, the end */
    AT_REWIND,  /* a part's source is to be rewound */
    AT_CONTENT, /* a part itself */
    AT_END,
    HAS_FAILED, /* while it was read; it may be read again */
    IS_REFUSED  /* by start or scan, for good */
};

/* A text's encoding: known after the scan. */
enum { QUOTED_PRINTABLE, PLAIN };

/* Multiparts, from the outermost to the innermost. */
enum { MIXED = 1, RELATED = 2, ALTERNATIVE = 4 };

/* RFC 2045 6.7, 6.8: an encoded line has 76 characters, the soft line break's '=' among them. RFC 5322 2.1.1: 78. */
enum { PLAIN_LINE = 78, BASE64_LINE = 76, BASE64_LINE_OCTETS = 57, QUOTED_LINE = 75 };

/* The most that one octet of a text becomes: itself and one held back, each with a soft line break. */
enum { TEXT_STEP_BYTES = 12 };

static const mote_span_t crlf = MOTE_SPAN("\r\n");

static bool is_text(const mote_part_t *part)
{
    return part->role <= MOTE_PART_HTML;
}

/* ---- what is refused ----------------------------------------------------------------------------------- */

/* Whether the name is that of a field which is made here, or which only others may make. */
static bool is_reserved(mote_span_t name)
{
    static const mote_span_t content = MOTE_SPAN("Content-");
    mote_span_t names = MOTE_SPAN("Date\nFrom\nSender\nReply-To\nTo\nCc\nBcc\nSubject\nMessage-ID\nIn-Reply-To\nReferences\n"
                                  "Return-Path\nReceived\nAuto-Submitted\nMIME-Version");

    while (names.size > 0) {
        mote_span_t reserved;

        mote_span_cut(&names, '\n', &reserved);
        if (mote_span_equals_ignoring_case(name, reserved)) {
            return true;
        }
    }
    return mote_span_equals_ignoring_case(mote_span_slice(name, 0, content.size), content);
}

static mote_status_t check_list(mote_compose_t *compose, const char *name, const mote_name_addrs_t *list)
{
    mote_status_t status = MOTE_OK;

    compose->fault = name;
    for (size_t i = 0; i < list->count && status == MOTE_OK; i++) {
        status = mote_header_check_name_addr(&list->items[i]);
    }
    return status;
}

static mote_status_t check_ids(mote_compose_t *compose, const char *name, mote_span_t ids)
{
    compose->fault = name;
    return ids.size > 0 ? mote_header_check_ids(ids) : MOTE_OK;
}

static mote_status_t check_people(mote_compose_t *compose)
{
    const mote_message_t *message = compose->message;
    const mote_name_addrs_t sender = { &message->sender, message->sender.address.size > 0 ? 1 : 0 };
    mote_status_t status = check_list(compose, "From", &message->from);

    if (status == MOTE_OK && message->from.count == 0) {
        return MOTE_ERR_ADDRESS;
    }
    if (status == MOTE_OK) {
        status = check_list(compose, "Sender", &sender);
    }
    if (status == MOTE_OK && message->from.count > 1 && sender.count == 0) {
        return MOTE_ERR_ADDRESS; /* RFC 5322 3.6.2 */
    }
    if (status == MOTE_OK) {
        status = check_list(compose, "Reply-To", &message->reply_to);
    }
    if (status == MOTE_OK) {
        status = check_list(compose, "To", &message->to);
    }
    return status == MOTE_OK ? check_list(compose, "Cc", &message->cc) : status;
}

static mote_status_t check_seed(mote_compose_t *compose)
{
    uint8_t any = 0;

    compose->fault = "Message-ID";
    for (size_t i = 0; i < MOTE_SEED_BYTES; i++) {
        any = (uint8_t)(any | compose->message->seed[i]);
    }
    if (any == 0) {
        return MOTE_ERR_RANDOM;
    }
    return compose->message->id_domain.size == 0 || mote_domain_is_valid(compose->message->id_domain) ? MOTE_OK
                                                                                                      : MOTE_ERR_ADDRESS;
}

static mote_status_t check_fields(mote_compose_t *compose)
{
    const mote_message_t *message = compose->message;
    mote_status_t status;

    compose->fault = "Subject";
    status = mote_header_check_text(message->subject);
    if (status == MOTE_OK && message->date_s != 0) {
        compose->fault = "Date";
        status = mote_header_check_date(message->date_s, message->zone_minutes);
    }
    if (status == MOTE_OK) {
        status = check_seed(compose);
    }
    if (status == MOTE_OK) {
        status = check_ids(compose, "In-Reply-To", message->in_reply_to);
    }
    if (status == MOTE_OK) {
        status = check_ids(compose, "References", message->references);
    }
    for (size_t i = 0; i < message->field_count && status == MOTE_OK; i++) {
        compose->fault = "a further field";
        status = is_reserved(message->fields[i].name) ? MOTE_ERR_ARGUMENT : mote_header_check_field(&message->fields[i]);
    }
    return status;
}

/* RFC 2045 5.1. */
static size_t measure_token(mote_span_t text)
{
    static const uint8_t specials[] = "()<>@,;:\\\"/[]?=";
    size_t size = 0;

    while (size < text.size && text.data[size] > ' ' && text.data[size] < 0x7F &&
           memchr(specials, text.data[size], sizeof specials - 1) == NULL) {
        size++;
    }
    return size;
}

/* type "/" subtype, and parameters of printable ASCII. */
static bool is_type(mote_span_t text)
{
    static const mote_span_t multipart = MOTE_SPAN("multipart");
    static const mote_span_t message = MOTE_SPAN("message");
    size_t size = measure_token(text);
    mote_span_t type = mote_span_slice(text, 0, size);
    mote_span_t rest = mote_span_slice(text, size + 1, text.size);
    size_t subtype_size = measure_token(rest);

    if (size == 0 || text.size > 127 || size == text.size || text.data[size] != '/' || subtype_size == 0 ||
        mote_span_equals_ignoring_case(type, multipart) || mote_span_equals_ignoring_case(type, message)) {
        return false;
    }
    for (size_t i = subtype_size; i < rest.size; i++) {
        if (rest.data[i] < ' ' || rest.data[i] > 126 || (i == subtype_size && rest.data[i] != ';')) {
            return false;
        }
    }
    return true;
}

/* A name, not a way to one. */
static mote_status_t check_name(mote_span_t name)
{
    bool is_dots = name.size > 0 && name.size <= 2 && name.data[0] == '.' && name.data[name.size - 1] == '.';

    if (is_dots || mote_span_find(name, '/') < name.size || mote_span_find(name, '\\') < name.size) {
        return MOTE_ERR_ARGUMENT;
    }
    return mote_header_check_text(name);
}

static bool is_content_id(mote_span_t id)
{
    for (size_t i = 0; i < id.size; i++) {
        if (id.data[i] <= ' ' || id.data[i] > 126 || id.data[i] == '<' || id.data[i] == '>') {
            return false;
        }
    }
    return id.size <= 127;
}

static mote_status_t check_part(mote_compose_t *compose, const mote_part_t *part)
{
    if (is_text(part)) {
        return MOTE_OK;
    }
    compose->fault = "content_id";
    if (!is_content_id(part->content_id) || (part->content_id.size > 0) != (part->role == MOTE_PART_INLINE)) {
        return MOTE_ERR_ARGUMENT;
    }
    compose->fault = "type";
    if (part->type.size > 0 && !is_type(part->type)) {
        return MOTE_ERR_ARGUMENT;
    }
    compose->fault = "file name";
    return check_name(part->name);
}

/* Their order, and which multiparts they need. */
static mote_status_t check_parts(mote_compose_t *compose)
{
    const mote_message_t *message = compose->message;
    unsigned counts[MOTE_PART_ATTACHMENT + 1] = { 0, 0, 0, 0 };
    mote_status_t status = MOTE_OK;

    for (size_t i = 0; i < message->part_count && status == MOTE_OK; i++) {
        uint8_t role = message->parts[i].role;

        compose->fault = "parts";
        if (role > MOTE_PART_ATTACHMENT || (i > 0 && role < message->parts[i - 1].role) ||
            (role <= MOTE_PART_HTML && counts[role] > 0)) {
            return MOTE_ERR_ARGUMENT;
        }
        counts[role]++;
        status = check_part(compose, &message->parts[i]);
    }
    if (counts[MOTE_PART_TEXT] > 0 && counts[MOTE_PART_HTML] > 0) {
        compose->levels |= ALTERNATIVE;
    }
    if (counts[MOTE_PART_HTML] > 0 && counts[MOTE_PART_INLINE] > 0) {
        compose->levels |= RELATED;
    }
    if (counts[MOTE_PART_ATTACHMENT] > 0 || (counts[MOTE_PART_HTML] == 0 && counts[MOTE_PART_INLINE] > 0)) {
        compose->levels |= MIXED;
    }
    return status;
}

/* ---- the header ---------------------------------------------------------------------------------------- */

static void write_texts(mote_writer_t *out, const char *before, const char *text, const char *behind)
{
    mote_write_text(out, before);
    mote_write_text(out, text);
    mote_write_text(out, behind);
}

static void write_seed(mote_writer_t *out, const mote_message_t *message)
{
    static const uint8_t digits[16] = { "0123456789abcdef" };

    for (size_t i = 0; i < MOTE_SEED_BYTES; i++) {
        mote_write_u8(out, digits[message->seed[i] >> 4]);
        mote_write_u8(out, digits[message->seed[i] & 15]);
    }
}

void mote_compose_write_id(mote_writer_t *out, const mote_message_t *message)
{
    mote_span_t domain = message->id_domain;
    bool is_valid = mote_domain_is_valid(domain);
    mote_address_t from;

    if (domain.size == 0 && message->from.count > 0 &&
        mote_address_parse(message->from.items[0].address, &from) == MOTE_OK) {
        domain = from.domain; /* perhaps an address in brackets; a bare postmaster has none */
        is_valid = domain.size > 0;
    }
    if (!is_valid) {
        return; /* start has refused it; whoever calls this alone gets nothing, not another field */
    }
    mote_write_u8(out, '<');
    write_seed(out, message);
    mote_write_u8(out, '@');
    mote_write(out, domain);
    mote_write_u8(out, '>');
}

static void write_list(mote_writer_t *out, const char *name, const mote_name_addrs_t *list)
{
    if (list->count > 0) {
        mote_header_write_addresses(out, mote_span_text(name), list);
    }
}

static void write_words(mote_writer_t *out, const char *name, mote_span_t words)
{
    if (words.size > 0) {
        mote_header_write_words(out, mote_span_text(name), words);
    }
}

static void write_people(mote_writer_t *out, const mote_message_t *message)
{
    const mote_name_addrs_t sender = { &message->sender, message->sender.address.size > 0 ? 1 : 0 };

    write_list(out, "From", &message->from);
    write_list(out, "Sender", &sender);
    write_list(out, "Reply-To", &message->reply_to);
    write_list(out, "To", &message->to);
    write_list(out, "Cc", &message->cc);
    if (message->to.count == 0 && message->cc.count == 0) {
        mote_write_text(out, "To: undisclosed-recipients:;\r\n");
    }
}

static void write_header(mote_writer_t *out, const mote_message_t *message)
{
    static const mote_span_t subject = MOTE_SPAN("Subject");

    if (message->date_s != 0) {
        mote_header_write_date(out, message->date_s, message->zone_minutes);
    }
    write_people(out, message);
    if (message->subject.size > 0) {
        mote_header_write_text(out, subject, message->subject);
    }
    mote_write_text(out, "Message-ID: ");
    mote_compose_write_id(out, message);
    mote_write(out, crlf);
    write_words(out, "In-Reply-To", message->in_reply_to);
    write_words(out, "References", message->references);
    if (message->auto_submitted != MOTE_AUTO_NO) { /* RFC 3834 5.1, 5.2 */
        write_texts(out, "Auto-Submitted: auto-", message->auto_submitted == MOTE_AUTO_REPLIED ? "replied" : "generated", "\r\n");
    }
    for (size_t i = 0; i < message->field_count; i++) {
        mote_header_write_text(out, message->fields[i].name, message->fields[i].value);
    }
    mote_write_text(out, "MIME-Version: 1.0\r\n");
}

/* ---- what stands around the parts ---------------------------------------------------------------------- */

/* The multiparts that a part stands in; none behind the last. */
static unsigned levels_of(const mote_compose_t *compose, size_t index)
{
    if (index >= compose->message->part_count) {
        return 0;
    }
    if (is_text(&compose->message->parts[index])) {
        return compose->levels;
    }
    return compose->message->parts[index].role == MOTE_PART_INLINE ? compose->levels & (MIXED | RELATED) : (unsigned)MIXED;
}

static unsigned innermost(unsigned levels)
{
    return (levels & ALTERNATIVE) != 0 ? ALTERNATIVE : (levels & RELATED) != 0 ? RELATED : levels & MIXED;
}

/* RFC 2046 5.1.1. "=_" can stand neither in quoted-printable nor in base64, and a text that holds it is not sent plain. */
static void write_boundary(mote_writer_t *out, const mote_message_t *message, unsigned level)
{
    mote_write_text(out, level == MIXED ? "=_m" : level == RELATED ? "=_r" : "=_a");
    write_seed(out, message);
}

/* The CRLF in front belongs to the delimiter; behind a header it is the empty line. */
static void write_delimiter(mote_writer_t *out, const mote_message_t *message, unsigned level, const char *end)
{
    mote_write_text(out, "\r\n--");
    write_boundary(out, message, level);
    mote_write_text(out, end);
}

static void open_multipart(const mote_compose_t *compose, mote_writer_t *out, unsigned level)
{
    write_texts(out, "Content-Type: multipart/", level == MIXED ? "mixed" : level == RELATED ? "related" : "alternative", ";\r\n ");
    if (level == RELATED) { /* RFC 2387 3.1: the type of what is shown */
        write_texts(out, "type=\"", (compose->levels & ALTERNATIVE) != 0 ? "multipart/alternative" : "text/html", "\";\r\n ");
    }
    mote_write_text(out, "boundary=\"");
    write_boundary(out, compose->message, level);
    mote_write_text(out, "\"\r\n");
}

static void write_encoding(mote_writer_t *out, const char *name)
{
    write_texts(out, "Content-Transfer-Encoding: ", name, "\r\n");
}

static void write_text_header(mote_writer_t *out, const mote_part_t *part)
{
    write_texts(out, "Content-Type: text/", part->role == MOTE_PART_TEXT ? "plain" : "html", "; charset=");
    mote_write_text(out, part->is_ascii ? "us-ascii\r\n" : "utf-8\r\n");
    write_encoding(out, part->encoding == PLAIN ? "7bit" : "quoted-printable");
}

static void write_part_header(mote_writer_t *out, const mote_part_t *part)
{
    static const mote_span_t octets = MOTE_SPAN("application/octet-stream");

    if (is_text(part)) {
        write_text_header(out, part);
        return;
    }
    write_words(out, "Content-Type", part->type.size > 0 ? part->type : octets);
    write_encoding(out, "base64");
    if (part->role == MOTE_PART_INLINE) {
        mote_write_text(out, "Content-ID: <");
        mote_write(out, part->content_id);
        mote_write_text(out, ">\r\n");
    }
    mote_write_text(out, "Content-Disposition: ");
    mote_write_text(out, part->role == MOTE_PART_INLINE ? "inline" : "attachment");
    if (part->name.size > 0) {
        mote_header_write_file_name(out, part->name);
    }
    mote_write(out, crlf);
}

/* From the part before to this one: multiparts that end, multiparts that begin, the delimiter, the part's header. */
static void write_prefix(const mote_compose_t *compose, mote_writer_t *out)
{
    const mote_message_t *message = compose->message;
    unsigned before = compose->part > 0 ? levels_of(compose, compose->part - 1) : 0;
    unsigned now = levels_of(compose, compose->part);

    for (unsigned level = ALTERNATIVE; level > 0; level >>= 1) {
        if ((before & ~now & level) != 0) {
            write_delimiter(out, message, level, "--");
        }
    }
    for (unsigned level = MIXED; level <= ALTERNATIVE; level <<= 1) {
        unsigned around = innermost(now & (level - 1));

        if ((now & ~before & level) == 0) {
            continue;
        }
        if (around != 0) {
            write_delimiter(out, message, around, "\r\n");
        }
        open_multipart(compose, out, level);
    }
    if (compose->part < message->part_count) {
        if (now != 0) {
            write_delimiter(out, message, innermost(now), "\r\n");
        }
        write_part_header(out, &message->parts[compose->part]);
    }
    if (compose->part < message->part_count || before != 0 || message->part_count == 0 || compose->column != 0) {
        mote_write(out, crlf); /* the end of a header, of the last delimiter, of a text that ends in mid-line */
    }
}

/* ---- text: 7bit and quoted-printable (RFC 2045 6.7) ---------------------------------------------------- */

/* 33 to 126 without '='. */
static bool is_literal(uint8_t octet)
{
    return octet > ' ' && octet < 0x7F && octet != '=';
}

static bool is_blank(uint8_t octet)
{
    return octet == ' ' || octet == '\t';
}

/* An encoder's octet; it has looked for room before (TEXT_STEP_BYTES). */
static void put(mote_writer_t *out, uint8_t octet)
{
    MOTE_ASSERT(out->size < out->capacity);
    out->data[out->size++] = octet;
}

static void end_line(mote_compose_t *compose, mote_writer_t *out)
{
    put(out, '\r');
    put(out, '\n');
    compose->column = 0;
    compose->from_size = 0;
}

/* A line is full: a soft line break, which a plain text cannot have. */
static void make_room(mote_compose_t *compose, mote_writer_t *out, bool is_plain, unsigned width)
{
    if (compose->column + width > (is_plain ? (unsigned)PLAIN_LINE : (unsigned)QUOTED_LINE)) {
        compose->has_failed |= is_plain;
        put(out, '=');
        end_line(compose, out);
    }
}

static void put_escaped(mote_compose_t *compose, mote_writer_t *out, bool is_plain, uint8_t octet)
{
    static const uint8_t digits[16] = { "0123456789ABCDEF" };

    make_room(compose, out, is_plain, 3);
    compose->has_failed |= is_plain;
    put(out, '=');
    put(out, digits[octet >> 4]);
    put(out, digits[octet & 15]);
    compose->column = (uint8_t)(compose->column + 3);
}

/* RFC 2049 3: a line that begins with "." or "From " comes through some gateways changed. */
static bool is_endangered(mote_compose_t *compose, uint8_t octet)
{
    static const uint8_t from[5] = { "From " };

    if (compose->column != compose->from_size || compose->column >= sizeof from || octet != from[compose->column]) {
        return compose->column == 0 && octet == '.';
    }
    compose->from_size++;
    return compose->from_size == sizeof from; /* "From=20" */
}

static void put_literal(mote_compose_t *compose, mote_writer_t *out, bool is_plain, uint8_t octet)
{
    make_room(compose, out, is_plain, 1);
    if (is_endangered(compose, octet)) {
        put_escaped(compose, out, is_plain, octet);
        return;
    }
    put(out, octet);
    compose->column++;
}

/* What was held back until it was known what follows: a CR, or a blank that may be the line's last. */
static void put_held(mote_compose_t *compose, mote_writer_t *out, bool is_plain, bool is_last)
{
    uint8_t held = compose->held[0];

    compose->held_size = 0;
    if (held == '\r' || is_last) {
        put_escaped(compose, out, is_plain, held);
    } else {
        put_literal(compose, out, is_plain, held);
    }
}

static void put_text_octet(mote_compose_t *compose, mote_writer_t *out, bool is_plain, uint8_t octet)
{
    if (compose->held_size > 0 && compose->held[0] == '\r' && octet == '\n') {
        compose->held_size = 0;
    } else if (compose->held_size > 0) {
        put_held(compose, out, is_plain, octet == '\r' || octet == '\n');
    }
    if (octet == '\n') {
        end_line(compose, out);
    } else if (octet == '\r' || is_blank(octet)) {
        compose->held[0] = octet;
        compose->held_size = 1;
    } else if (is_literal(octet) || (is_plain && octet == '=' && compose->column != 2)) { /* never "--=_" */
        put_literal(compose, out, is_plain, octet);
    } else {
        put_escaped(compose, out, is_plain, octet);
    }
}

/* Octets at the front that no encoding changes in mid-line, a word at a time: 32 to 126 without '='. */
static size_t measure_plain(mote_span_t text)
{
    static const size_t ones = ~(size_t)0 / 255;
    size_t word;
    size_t size = 0;

    for (; size + sizeof word <= text.size; size += sizeof word) {
        memcpy(&word, text.data + size, sizeof word);
        if (((word | (word - ones * ' ') | (word + ones) | ((word ^ ones * '=') - ones)) & ones * 128) != 0) {
            break; /* an octet over 127, under 32, or that is 127 or '=': each shows in its highest bit */
        }
    }
    while (size < text.size && (is_literal(text.data[size]) || text.data[size] == ' ')) {
        size++;
    }
    return size;
}

/* Octets at the front of the text that go as they are: they fit this line and the room, end with no blank, which may be the
   line's last, and do not begin the line as what is_endangered looks for. */
static size_t measure_run(const mote_compose_t *compose, bool is_plain, size_t room)
{
    size_t line_left = (is_plain ? (size_t)PLAIN_LINE : (size_t)QUOTED_LINE) - compose->column;
    mote_span_t text = compose->input;
    size_t size;

    if (text.data[0] >= 0x80 || compose->held_size > 0 || compose->utf8.left > 0 ||
        (compose->column == compose->from_size && (compose->column > 0 || text.data[0] == '.' || text.data[0] == 'F'))) {
        return 0;
    }
    size = measure_plain(mote_span_slice(text, 0, line_left < room ? line_left : room));
    while (size > 0 && text.data[size - 1] == ' ') {
        size--;
    }
    return size;
}

/* Encodes what fits into the room. */
static mote_status_t encode_text(mote_compose_t *compose, mote_writer_t *out, const mote_part_t *part)
{
    bool is_plain = part->encoding == PLAIN;

    while (compose->input.size > 0 && compose->capacity - out->size >= TEXT_STEP_BYTES) {
        size_t run = measure_run(compose, is_plain, compose->capacity - out->size);
        uint8_t octet = compose->input.data[0];

        if (run > 0) {
            mote_write(out, mote_span_slice(compose->input, 0, run));
            compose->column = (uint8_t)(compose->column + run);
        } else {
            if (!mote_utf8_take(&compose->utf8, octet)) {
                return MOTE_ERR_CONTENT;
            }
            compose->has_8bit |= octet >= 0x80;
            put_text_octet(compose, out, is_plain, octet);
            run = 1;
        }
        compose->input = mote_span_slice(compose->input, run, compose->input.size);
    }
    return compose->has_failed ? MOTE_ERR_CONTENT : MOTE_OK;
}

static mote_status_t finish_text(mote_compose_t *compose, mote_writer_t *out, const mote_part_t *part)
{
    if (compose->held_size > 0) {
        put_held(compose, out, part->encoding == PLAIN, true);
    }
    return compose->has_failed || compose->utf8.left > 0 ? MOTE_ERR_CONTENT : MOTE_OK;
}

/* ---- everything else: base64 (RFC 2045 6.8) ------------------------------------------------------------ */

/* One group at this place in the line; the CRLF of the line before is written only now, since the last line has none. */
static void put_group(mote_compose_t *compose, mote_writer_t *out, size_t size)
{
    uint8_t letters[4];

    if (compose->column == BASE64_LINE) {
        end_line(compose, out);
    }
    mote_base64_groups(compose->held, 1, letters);
    for (size_t i = size + 1; i < sizeof letters; i++) {
        letters[i] = '=';
    }
    mote_write(out, mote_span(letters, sizeof letters));
    compose->column = (uint8_t)(compose->column + sizeof letters);
    memset(compose->held, 0, sizeof compose->held);
    compose->held_size = 0;
}

/* A whole line at once. */
static void put_base64_line(mote_compose_t *compose, mote_writer_t *out)
{
    uint8_t letters[BASE64_LINE];

    if (compose->column == BASE64_LINE) {
        end_line(compose, out);
    }
    mote_base64_groups(compose->input.data, BASE64_LINE_OCTETS / 3, letters);
    mote_write(out, mote_span(letters, sizeof letters));
    compose->column = BASE64_LINE;
    compose->input = mote_span_slice(compose->input, BASE64_LINE_OCTETS, compose->input.size);
}

static void encode_base64(mote_compose_t *compose, mote_writer_t *out)
{
    while (compose->input.size > 0 && compose->capacity - out->size >= TEXT_STEP_BYTES) {
        bool is_line_start = compose->held_size == 0 && (compose->column == 0 || compose->column == BASE64_LINE);

        if (is_line_start && compose->input.size >= BASE64_LINE_OCTETS) {
            if (compose->capacity - out->size < BASE64_LINE + crlf.size) {
                break; /* it goes whole into an empty room */
            }
            put_base64_line(compose, out);
            continue;
        }
        compose->held[compose->held_size++] = compose->input.data[0];
        compose->input = mote_span_slice(compose->input, 1, compose->input.size);
        if (compose->held_size == sizeof compose->held) {
            put_group(compose, out, sizeof compose->held);
        }
    }
}

/* Octets that so many become. Small cores have no division: lines by halves, then what the last line holds. */
static int32_t base64_size(uint32_t size)
{
    uint32_t line_count = 0;
    uint32_t letters = 0;

    if (size > (uint32_t)INT32_MAX / 2) {
        return MOTE_SIZE_UNKNOWN;
    }
    for (uint32_t lines = (uint32_t)1 << 25; lines > 0; lines >>= 1) {
        if (size >= lines * BASE64_LINE_OCTETS) {
            size -= lines * BASE64_LINE_OCTETS;
            line_count += lines;
        }
    }
    for (; size > 0; size -= size < 3 ? size : 3) {
        letters += 4;
    }
    if (letters == 0 && line_count > 0) {
        line_count--;
        letters = BASE64_LINE;
    }
    return (int32_t)(line_count * (BASE64_LINE + 2) + letters);
}

/* ---- a part ------------------------------------------------------------------------------------------------ */

static void begin_part(mote_compose_t *compose)
{
    compose->input = mote_span(NULL, 0);
    compose->taken = 0;
    compose->column = 0;
    memset(compose->held, 0, sizeof compose->held);
    compose->held_size = 0;
    compose->from_size = 0;
    compose->has_failed = false;
    compose->has_8bit = false;
    memset(&compose->utf8, 0, sizeof compose->utf8);
}

static mote_status_t rewind_part(const mote_part_t *part)
{
    return part->source != NULL ? part->source->rewind(part->source->self) : MOTE_OK;
}

/* The next piece of the part, CLOSED behind the last. Exactly as many octets must come as were said or scanned. */
static mote_status_t read_part(mote_compose_t *compose, const mote_part_t *part)
{
    uint32_t left = part->source_size - compose->taken;
    mote_status_t status = MOTE_OK;

    if (part->source == NULL) {
        compose->input = compose->taken == 0 ? part->content : mote_span(NULL, 0);
        status = compose->input.size > 0 ? MOTE_OK : MOTE_CLOSED;
        compose->taken = (uint32_t)(status == MOTE_OK);
        return status;
    }
    status = part->source->next(part->source->self, &compose->input);
    if (status == MOTE_PENDING || (status == MOTE_CLOSED && (left == 0 || part->source_size == 0))) {
        return status;
    }
    if (status != MOTE_OK || compose->input.size == 0 || (part->source_size > 0 && compose->input.size > left) ||
        compose->input.size > UINT32_MAX - compose->taken) {
        return MOTE_ERR_SOURCE;
    }
    compose->taken += (uint32_t)compose->input.size;
    return MOTE_OK;
}

/* Encodes into the room until it is nearly full. CLOSED: the part's last octet is in it. */
static mote_status_t encode_part(mote_compose_t *compose, mote_writer_t *out)
{
    const mote_part_t *part = &compose->message->parts[compose->part];
    mote_status_t status = MOTE_OK;

    while (status == MOTE_OK && compose->capacity - out->size >= TEXT_STEP_BYTES) {
        if (compose->input.size == 0) {
            status = read_part(compose, part);
        }
        if (status == MOTE_OK && is_text(part)) {
            status = encode_text(compose, out, part);
        } else if (status == MOTE_OK) {
            encode_base64(compose, out);
        } else if (status == MOTE_CLOSED && is_text(part)) {
            status = finish_text(compose, out, part) == MOTE_OK ? MOTE_CLOSED : MOTE_ERR_CONTENT;
        } else if (status == MOTE_CLOSED && compose->held_size > 0) {
            put_group(compose, out, compose->held_size);
        }
        if (compose->input.size > 0) {
            break; /* what is left wants an empty room */
        }
    }
    return status;
}

/* ---- the source ---------------------------------------------------------------------------------------- */

static mote_status_t rewind_compose(void *self)
{
    mote_compose_t *compose = self;

    if (compose->step == IS_REFUSED) {
        return MOTE_ERR_SOURCE;
    }
    begin_part(compose);
    compose->step = AT_HEADER;
    compose->part = 0;
    compose->offset = 0;
    return MOTE_OK;
}

/* Lends the next stretch of what is written whole each time and passes by the window of the room. */
static void write_stretch(mote_compose_t *compose, mote_span_t *piece)
{
    mote_writer_t out = mote_writer(compose->room, compose->capacity);

    out.skip = compose->offset;
    if (compose->step == AT_HEADER) {
        write_header(&out, compose->message);
    } else {
        write_prefix(compose, &out);
    }
    *piece = mote_span(compose->room, mote_writer_stored(&out));
    compose->offset += (uint32_t)piece->size;
    if (mote_writer_overflowed(&out)) {
        return;
    }
    compose->offset = 0;
    if (compose->step == AT_HEADER) {
        compose->step = AT_PREFIX;
    } else {
        compose->step = compose->part < compose->message->part_count ? AT_REWIND : AT_END;
    }
}

/* Lends the next stretch of a part; empty where it ends with what was lent before. */
static mote_status_t encode_stretch(mote_compose_t *compose, mote_span_t *piece)
{
    mote_writer_t out = mote_writer(compose->room, compose->capacity);
    mote_status_t status = encode_part(compose, &out);

    *piece = mote_span(compose->room, out.size);
    if (status == MOTE_CLOSED) {
        compose->step = AT_PREFIX;
        compose->part++;
        return MOTE_OK;
    }
    return status == MOTE_PENDING && out.size > 0 ? MOTE_OK : status;
}

static mote_status_t next_of_compose(void *self, mote_span_t *piece)
{
    mote_compose_t *compose = self;
    mote_status_t status = MOTE_OK;

    *piece = mote_span(NULL, 0);
    while (status == MOTE_OK && piece->size == 0) {
        switch (compose->step) {
        case AT_HEADER:
        case AT_PREFIX:
            write_stretch(compose, piece);
            break;
        case AT_REWIND:
            begin_part(compose);
            status = rewind_part(&compose->message->parts[compose->part]);
            compose->step = status == MOTE_OK ? AT_CONTENT : AT_REWIND;
            break;
        case AT_CONTENT:
            status = encode_stretch(compose, piece);
            break;
        case AT_END:
            return MOTE_CLOSED;
        default:
            return MOTE_ERR_SOURCE;
        }
    }
    if (status != MOTE_OK && status != MOTE_PENDING) {
        compose->step = HAS_FAILED; /* never cut short: it does not end */
        status = MOTE_ERR_SOURCE;
    }
    return status;
}

mote_status_t mote_compose_start(mote_compose_t *compose, const mote_message_t *message, uint8_t *room, size_t capacity)
{
    mote_status_t status;

    memset(compose, 0, sizeof *compose);
    compose->message = message;
    compose->room = room;
    compose->capacity = capacity;
    compose->source.rewind = rewind_compose;
    compose->source.next = next_of_compose;
    compose->source.self = compose;
    compose->source.wire_size = MOTE_SIZE_UNKNOWN;
    compose->source.is_8bit = MOTE_NO;
    compose->source.is_canonical = MOTE_YES;
    compose->step = IS_REFUSED; /* until all is well */
    if (capacity < MOTE_COMPOSE_ROOM_BYTES) {
        compose->fault = "room";
        return MOTE_ERR_SPACE;
    }
    status = check_people(compose);
    if (status == MOTE_OK) {
        status = check_fields(compose);
    }
    if (status == MOTE_OK) {
        status = check_parts(compose);
    }
    if (status != MOTE_OK) {
        return status;
    }
    compose->fault = NULL;
    for (size_t i = 0; i < message->part_count; i++) { /* as before a scan: another message may have had the parts */
        message->parts[i].encoding = QUOTED_PRINTABLE;
        message->parts[i].is_ascii = false;
        message->parts[i].encoded_size = MOTE_SIZE_UNKNOWN;
    }
    compose->step = AT_HEADER;
    return rewind_compose(compose);
}

/* ---- the scan ------------------------------------------------------------------------------------------ */

/* Reads a text to its end and counts what it becomes. */
static mote_status_t scan_text(mote_compose_t *compose, mote_part_t *part)
{
    mote_status_t status = MOTE_OK;

    while (status == MOTE_OK) {
        mote_writer_t out = mote_writer(compose->room, compose->capacity);

        status = encode_part(compose, &out);
        if (part->encoded_size >= 0) {
            part->encoded_size = out.size > (size_t)(INT32_MAX - part->encoded_size)
                                     ? MOTE_SIZE_UNKNOWN
                                     : part->encoded_size + (int32_t)out.size;
        }
    }
    if (status == MOTE_CLOSED) {
        part->is_ascii = !compose->has_8bit;
    }
    return status;
}

static mote_status_t scan_octets(mote_compose_t *compose, mote_part_t *part)
{
    mote_status_t status = MOTE_OK;

    if (part->source == NULL || part->source_size > 0) {
        compose->taken = part->source_size;
        part->encoded_size = part->source != NULL || part->content.size <= INT32_MAX
                                 ? base64_size(part->source != NULL ? part->source_size : (uint32_t)part->content.size)
                                 : MOTE_SIZE_UNKNOWN;
        return MOTE_CLOSED;
    }
    while (status == MOTE_OK) {
        status = read_part(compose, part);
    }
    part->encoded_size = base64_size(compose->taken);
    return status;
}

static const char *fault_of(const mote_part_t *part)
{
    static const char *const names[] = { "text", "HTML", "inline part", "attachment" };

    return names[part->role];
}

/* Everything that is written, and everything that is encoded. */
static int32_t measure(mote_compose_t *compose)
{
    const mote_message_t *message = compose->message;
    mote_writer_t counter = mote_writer(NULL, 0);
    uint32_t size;

    write_header(&counter, message);
    for (compose->part = 0; compose->part < message->part_count; compose->part++) {
        write_prefix(compose, &counter);
    }
    write_prefix(compose, &counter);
    size = (uint32_t)counter.size;
    for (size_t i = 0; i < message->part_count; i++) {
        int32_t encoded_size = message->parts[i].encoded_size;

        if (encoded_size < 0 || size + (uint32_t)encoded_size > (uint32_t)INT32_MAX) {
            return MOTE_SIZE_UNKNOWN;
        }
        size += (uint32_t)encoded_size;
    }
    return (int32_t)size;
}

mote_status_t mote_compose_scan(mote_compose_t *compose)
{
    const mote_message_t *message = compose->message;
    mote_status_t status = MOTE_OK;

    if (compose->step >= HAS_FAILED) {
        return MOTE_ERR_ARGUMENT;
    }
    while (compose->part < message->part_count) {
        mote_part_t *part = &message->parts[compose->part];

        if (compose->step != AT_CONTENT) {
            begin_part(compose);
            part->encoded_size = 0;
            part->encoding = compose->step == AT_REWIND ? QUOTED_PRINTABLE : PLAIN; /* plain first, if it can be */
            status = rewind_part(part);
            compose->step = status == MOTE_OK ? AT_CONTENT : compose->step;
        }
        if (compose->step == AT_CONTENT) {
            status = is_text(part) ? scan_text(compose, part) : scan_octets(compose, part);
        }
        if (status == MOTE_ERR_CONTENT && part->encoding == PLAIN) {
            compose->step = AT_REWIND;
            continue;
        }
        if (status == MOTE_PENDING) {
            return MOTE_PENDING;
        }
        if (status != MOTE_CLOSED) {
            compose->fault = fault_of(part);
            compose->step = IS_REFUSED;
            return status;
        }
        part->source_size = part->source != NULL ? compose->taken : 0; /* and no other size from now on */
        compose->step = AT_HEADER;
        compose->part++;
    }
    compose->source.wire_size = measure(compose);
    return rewind_compose(compose);
}
