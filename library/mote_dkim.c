#include <mailmote/base64.h>
#include <mailmote/dkim.h>

/* What is being done. */
enum {
    IN_BODY_PASS,   /* fields are counted, the body is hashed */
    IN_FIELD_PASS,  /* one instance of one field is hashed */
    AT_FIELD,       /* the signature's field is lent */
    AT_MESSAGE,     /* the message itself */
    HAS_FAILED
};

/* Where the reader of the header stands. */
enum { AT_LINE_START, AT_NAME, AT_VALUE, AT_EMPTY_LINE, AT_BODY };

/* RFC 6376 5.4.1. From must be the first. Signed where they are there; the first ones once more than that. */
enum { OVERSIGNED_COUNT = 11 };
static const char *const names[MOTE_DKIM_FIELD_COUNT] = {
    "from",       "sender",     "reply-to",     "to",           "cc",
    "subject",    "date",       "message-id",   "mime-version", "content-type",
    "content-transfer-encoding", "in-reply-to", "references",   "auto-submitted", "list-id",
    "list-unsubscribe", "list-unsubscribe-post"
};

static const mote_span_t crlf = MOTE_SPAN("\r\n");

static bool is_blank(uint8_t octet)
{
    return octet == ' ' || octet == '\t';
}

/* ---- the field ----------------------------------------------------------------------------------------- */

/* RFC 6376 3.5: h=, in the order in which the fields are hashed; folded behind its colons. */
static void write_names(const mote_dkim_t *dkim, mote_writer_t *out)
{
    size_t column = sizeof " q=dns/txt; h=" - 1;
    bool is_first = true;

    mote_write_text(out, "; h=");
    for (size_t i = 0; i < MOTE_DKIM_FIELD_COUNT; i++) {
        unsigned count = dkim->counts[i] + (i < OVERSIGNED_COUNT ? 1U : 0U);

        for (; count > 0; count--) {
            if (!is_first) {
                mote_write_u8(out, ':');
                column++;
            }
            is_first = false;
            if (column + strlen(names[i]) > 70) {
                mote_write_text(out, "\r\n  ");
                column = 6;
            }
            mote_write_text(out, names[i]);
            column += strlen(names[i]);
        }
    }
}

static void write_base64(mote_writer_t *out, mote_span_t octets)
{
    mote_base64_encoder_t encoder = mote_base64_encoder(out);

    mote_base64_put(&encoder, octets);
    mote_base64_finish(&encoder);
}

/* The field up to "b=", which is what is hashed of it. */
static void write_field(const mote_dkim_t *dkim, mote_writer_t *out)
{
    const mote_dkim_settings_t *settings = dkim->settings;

    mote_write_text(out, "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n d=");
    mote_write(out, settings->domain);
    mote_write_text(out, ";\r\n s=");
    mote_write(out, settings->selector);
    if (settings->date_s != 0) {
        mote_write_text(out, "; t=");
        mote_write_decimal(out, settings->date_s);
    }
    mote_write_text(out, ";\r\n bh=");
    write_base64(out, mote_span(dkim->body_hash, sizeof dkim->body_hash));
    mote_write_text(out, ";\r\n q=dns/txt");
    write_names(dkim, out);
    mote_write_text(out, ";\r\n b=");
}

static void write_signature(const mote_dkim_t *dkim, mote_writer_t *out)
{
    enum { LINE_OCTETS = 54 }; /* 72 letters */
    mote_span_t left = mote_span(dkim->signature, dkim->signature_size);

    while (left.size > 0) {
        write_base64(out, mote_span_slice(left, 0, LINE_OCTETS));
        left = mote_span_slice(left, LINE_OCTETS, left.size);
        mote_write_text(out, left.size > 0 ? "\r\n  " : "\r\n");
    }
}

/* ---- what is hashed ------------------------------------------------------------------------------------ */

static mote_status_t hash_block(mote_dkim_t *dkim)
{
    mote_span_t block = mote_span(dkim->block, dkim->block_size);

    dkim->block_size = 0;
    return block.size > 0 ? dkim->settings->crypto->hash_add(dkim->settings->crypto_self, block) : MOTE_OK;
}

static mote_status_t hash(mote_dkim_t *dkim, mote_span_t octets)
{
    mote_status_t status = MOTE_OK;

    if (octets.size > sizeof dkim->block - dkim->block_size) {
        status = hash_block(dkim);
    }
    if (octets.size > sizeof dkim->block) {
        return status == MOTE_OK ? dkim->settings->crypto->hash_add(dkim->settings->crypto_self, octets) : status;
    }
    memcpy(dkim->block + dkim->block_size, octets.data, octets.size);
    dkim->block_size = (uint8_t)(dkim->block_size + octets.size);
    return status;
}

static mote_status_t end_hash(mote_dkim_t *dkim, uint8_t digest[MOTE_SHA256_BYTES])
{
    mote_status_t status = hash_block(dkim);

    return status == MOTE_OK ? dkim->settings->crypto->hash_end(dkim->settings->crypto_self, digest) : status;
}

/* Octets of text, behind what was held back: the line ends of empty lines, one space for white space. */
static mote_status_t hash_text(mote_dkim_t *dkim, mote_span_t text)
{
    static const mote_span_t space = MOTE_SPAN(" ");
    mote_status_t status = MOTE_OK;

    for (; dkim->line_count > 0 && status == MOTE_OK; dkim->line_count--) {
        status = hash(dkim, crlf);
    }
    if (dkim->has_space && status == MOTE_OK) {
        status = hash(dkim, space);
    }
    dkim->has_space = false;
    dkim->has_text = true;
    return status == MOTE_OK ? hash(dkim, text) : status;
}

/* How many octets at the front are neither white space nor a line's end. */
static size_t measure_text(mote_span_t octets)
{
    size_t size = 0;

    while (size < octets.size && !is_blank(octets.data[size]) && octets.data[size] != '\r' && octets.data[size] != '\n') {
        size++;
    }
    return size;
}

/* RFC 6376 3.4.4: white space becomes one space, none at the ends of lines, no empty lines at the end. */
static mote_status_t hash_body(mote_dkim_t *dkim, mote_span_t octets)
{
    mote_status_t status = MOTE_OK;

    while (octets.size > 0 && status == MOTE_OK) {
        size_t size = measure_text(octets);
        uint8_t octet = octets.data[0];

        if (size > 0) {
            status = hash_text(dkim, mote_span_slice(octets, 0, size));
        } else {
            size = 1;
            dkim->has_space = is_blank(octet);
            dkim->line_count += octet == '\n' ? 1U : 0U;
        }
        octets = mote_span_slice(octets, size, octets.size);
    }
    return status;
}

/* RFC 6376 3.4.2, an octet of a value: unfolded, white space becomes one space, none at its ends. */
static mote_status_t hash_value(mote_dkim_t *dkim, uint8_t octet)
{
    if (octet == '\r' || octet == '\n') {
        return MOTE_OK;
    }
    if (is_blank(octet)) {
        dkim->has_space = dkim->has_text;
        return MOTE_OK;
    }
    return hash_text(dkim, mote_span(&octet, 1));
}

static mote_status_t begin_value(mote_dkim_t *dkim, const char *name)
{
    static const mote_span_t colon = MOTE_SPAN(":");
    mote_status_t status = hash(dkim, mote_span_text(name));

    dkim->has_text = false;
    dkim->has_space = false;
    return status == MOTE_OK ? hash(dkim, colon) : status;
}

/* ---- the header, octet by octet ------------------------------------------------------------------------ */

static size_t find_name(const mote_dkim_t *dkim)
{
    size_t index = 0;

    while (index < MOTE_DKIM_FIELD_COUNT &&
           !mote_span_equals(mote_span(dkim->name, dkim->name_size), mote_span_text(names[index]))) {
        index++;
    }
    return index;
}

/* The colon: counts the field, or knows the one whose turn it is. */
static mote_status_t end_name(mote_dkim_t *dkim)
{
    size_t index = find_name(dkim);

    dkim->place = AT_VALUE;
    if (index == MOTE_DKIM_FIELD_COUNT) {
        return MOTE_OK;
    }
    if (dkim->step == IN_BODY_PASS) {
        dkim->counts[index]++;
        return dkim->counts[index] < UINT8_MAX ? MOTE_OK : MOTE_ERR_CONTENT;
    }
    if (index != dkim->field) {
        return MOTE_OK;
    }
    dkim->is_selected = dkim->seen++ == dkim->instance;
    return dkim->is_selected ? begin_value(dkim, names[index]) : MOTE_OK;
}

static mote_status_t end_field(mote_dkim_t *dkim)
{
    bool was_selected = dkim->is_selected;

    dkim->is_selected = false;
    return was_selected ? hash(dkim, crlf) : MOTE_OK;
}

/* A name that fills the room is none of ours, nor one with white space elsewhere than before its colon (RFC 5322 4.5). */
static void add_to_name(mote_dkim_t *dkim, uint8_t octet)
{
    if (is_blank(octet)) {
        dkim->has_space = true;
    } else if (dkim->has_space) {
        dkim->name_size = sizeof dkim->name;
    } else if (dkim->name_size < sizeof dkim->name) {
        dkim->name[dkim->name_size++] = mote_lower(octet);
    }
}

static mote_status_t start_line(mote_dkim_t *dkim, uint8_t octet)
{
    if (is_blank(octet)) { /* the field goes on */
        dkim->place = AT_VALUE;
        return dkim->is_selected ? hash_value(dkim, octet) : MOTE_OK;
    }
    dkim->place = octet == '\r' ? AT_EMPTY_LINE : AT_NAME;
    dkim->name_size = 0;
    dkim->has_space = false;
    add_to_name(dkim, octet);
    return end_field(dkim);
}

static mote_status_t read_octet(mote_dkim_t *dkim, uint8_t octet)
{
    switch (dkim->place) {
    case AT_LINE_START:
        return start_line(dkim, octet);
    case AT_NAME:
        if (octet == ':') {
            return end_name(dkim);
        }
        add_to_name(dkim, octet);
        break;
    case AT_VALUE:
        if (dkim->is_selected) {
            mote_status_t status = hash_value(dkim, octet);

            if (status != MOTE_OK) {
                return status;
            }
        }
        break;
    default: /* AT_EMPTY_LINE: its LF */
        dkim->place = AT_BODY;
        return MOTE_OK;
    }
    if (octet == '\n') {
        dkim->place = AT_LINE_START;
    }
    return MOTE_OK;
}

static mote_status_t read_stretch(mote_dkim_t *dkim, mote_span_t stretch)
{
    mote_status_t status = MOTE_OK;
    size_t at = 0;

    for (; at < stretch.size && dkim->place != AT_BODY && status == MOTE_OK; at++) {
        status = read_octet(dkim, stretch.data[at]);
    }
    if (status == MOTE_OK && dkim->step == IN_BODY_PASS && at < stretch.size) {
        status = hash_body(dkim, mote_span_slice(stretch, at, stretch.size));
    }
    return status;
}

/* ---- the passes ---------------------------------------------------------------------------------------- */

static void begin_pass(mote_dkim_t *dkim)
{
    mote_body_start(&dkim->body, dkim->message, 0);
    dkim->place = AT_LINE_START;
    dkim->seen = 0;
    dkim->is_selected = false;
    dkim->has_text = false;
    dkim->has_space = false;
    dkim->line_count = 0;
}

/* Reads the message, or its header alone. CLOSED: done. */
static mote_status_t pass(mote_dkim_t *dkim)
{
    mote_status_t status = MOTE_OK;
    mote_span_t stretch;
    bool is_stable;

    while (status == MOTE_OK) {
        if (dkim->step == IN_FIELD_PASS && dkim->place == AT_BODY) {
            return MOTE_CLOSED;
        }
        status = mote_body_next(&dkim->body, &stretch, &is_stable);
        if (status == MOTE_OK) {
            status = read_stretch(dkim, stretch);
        }
    }
    if (status == MOTE_CLOSED && (status = end_field(dkim)) == MOTE_OK) { /* the message may end with its header */
        status = MOTE_CLOSED;
    }
    return status;
}

/* The next instance of a field that is there: from the bottom up (RFC 6376 5.4.2). False: all are hashed. */
static bool choose_next(mote_dkim_t *dkim)
{
    while (dkim->instance == 0) {
        dkim->field++;
        if (dkim->field == MOTE_DKIM_FIELD_COUNT) {
            return false;
        }
        dkim->instance = dkim->counts[dkim->field];
    }
    dkim->instance--;
    return true;
}

static mote_status_t end_body_pass(mote_dkim_t *dkim)
{
    mote_status_t status = dkim->has_text ? hash(dkim, crlf) : MOTE_OK; /* of its last line */

    if (status == MOTE_OK) {
        status = end_hash(dkim, dkim->body_hash);
    }
    if (status == MOTE_OK && dkim->counts[0] == 0) {
        status = MOTE_ERR_CONTENT; /* RFC 6376 5.4: From must be signed */
    }
    if (status == MOTE_OK) {
        status = dkim->settings->crypto->hash_start(dkim->settings->crypto_self);
    }
    dkim->step = IN_FIELD_PASS;
    dkim->field = 0;
    dkim->instance = dkim->counts[0];
    return status;
}

/* The signature's own field comes last, without CRLF (RFC 6376 3.7). */
static mote_status_t sign(mote_dkim_t *dkim)
{
    uint8_t digest[MOTE_SHA256_BYTES];
    mote_writer_t out;
    mote_status_t status = begin_value(dkim, "dkim-signature");

    for (size_t skip = sizeof "DKIM-Signature:" - 1; status == MOTE_OK; skip += sizeof dkim->room) {
        out = mote_writer(dkim->room, sizeof dkim->room);
        out.skip = skip;
        write_field(dkim, &out);
        for (size_t i = 0; i < mote_writer_stored(&out) && status == MOTE_OK; i++) {
            status = hash_value(dkim, dkim->room[i]);
        }
        if (!mote_writer_overflowed(&out)) {
            break;
        }
    }
    if (status == MOTE_OK) {
        status = end_hash(dkim, digest);
    }
    return status == MOTE_OK
               ? dkim->settings->crypto->sign(dkim->settings->crypto_self, digest, dkim->signature, dkim->signature_size)
               : status;
}

static void end_signing(mote_dkim_t *dkim)
{
    mote_writer_t counter = mote_writer(NULL, 0);
    const mote_source_t *message = dkim->message;

    write_field(dkim, &counter);
    write_signature(dkim, &counter);
    dkim->source.wire_size = MOTE_SIZE_UNKNOWN;
    if (message->wire_size >= 0 && counter.size <= (size_t)(INT32_MAX - message->wire_size)) {
        dkim->source.wire_size = message->wire_size + (int32_t)counter.size;
    }
    dkim->source.is_8bit = message->is_8bit;
    (void)dkim->source.rewind(dkim);
}

static mote_status_t fail(mote_dkim_t *dkim, mote_status_t status)
{
    dkim->step = HAS_FAILED;
    return status;
}

mote_status_t mote_dkim_sign(mote_dkim_t *dkim)
{
    mote_status_t status;

    while (dkim->step == IN_BODY_PASS || dkim->step == IN_FIELD_PASS) {
        status = pass(dkim);
        if (status == MOTE_PENDING) {
            return status;
        }
        status = status != MOTE_CLOSED ? status : dkim->step == IN_BODY_PASS ? end_body_pass(dkim) : MOTE_OK;
        if (status == MOTE_OK && !choose_next(dkim)) {
            status = sign(dkim);
            dkim->step = AT_FIELD;
        }
        if (status != MOTE_OK) {
            return fail(dkim, status);
        }
        begin_pass(dkim);
    }
    if (dkim->step == HAS_FAILED) {
        return MOTE_ERR_ARGUMENT;
    }
    end_signing(dkim);
    return MOTE_OK;
}

/* ---- the source ---------------------------------------------------------------------------------------- */

static mote_status_t rewind_dkim(void *self)
{
    mote_dkim_t *dkim = self;

    if (dkim->step != AT_FIELD && dkim->step != AT_MESSAGE) {
        return MOTE_ERR_SOURCE; /* not signed */
    }
    dkim->step = AT_FIELD;
    dkim->offset = 0;
    /* What this source says of 8-bit octets is believed; others may write to the one below meanwhile. */
    mote_body_start(&dkim->body, dkim->message, dkim->source.is_8bit == MOTE_NO ? MOTE_BODY_REFUSES_8BIT : 0U);
    return MOTE_OK;
}

static mote_status_t next_of_dkim(void *self, mote_span_t *piece)
{
    mote_dkim_t *dkim = self;
    mote_writer_t out = mote_writer(dkim->room, sizeof dkim->room);
    bool is_stable;

    if (dkim->step == AT_FIELD) {
        out.skip = dkim->offset;
        write_field(dkim, &out);
        write_signature(dkim, &out);
        *piece = mote_span(dkim->room, mote_writer_stored(&out));
        dkim->offset += (uint32_t)piece->size;
        dkim->step = mote_writer_overflowed(&out) ? AT_FIELD : AT_MESSAGE;
        return MOTE_OK;
    }
    return dkim->step == AT_MESSAGE ? mote_body_next(&dkim->body, piece, &is_stable) : MOTE_ERR_SOURCE;
}

/* RFC 6376 3.1: labels with dots between. */
static bool is_selector(mote_span_t selector)
{
    for (size_t i = 0; i < selector.size; i++) {
        uint8_t lower = mote_lower(selector.data[i]);

        if (!(lower >= 'a' && lower <= 'z') && !(lower >= '0' && lower <= '9') && lower != '-' && lower != '_' && lower != '.') {
            return false;
        }
    }
    return selector.size >= 1 && selector.size <= 63;
}

mote_status_t mote_dkim_start(mote_dkim_t *dkim, const mote_dkim_settings_t *settings, mote_source_t *message,
                              uint8_t *signature, size_t signature_size)
{
    mote_status_t status;

    memset(dkim, 0, sizeof *dkim);
    dkim->settings = settings;
    dkim->message = message;
    dkim->signature = signature;
    dkim->signature_size = signature_size;
    dkim->source.rewind = rewind_dkim;
    dkim->source.next = next_of_dkim;
    dkim->source.self = dkim;
    dkim->source.wire_size = MOTE_SIZE_UNKNOWN;
    dkim->source.is_canonical = MOTE_YES;
    begin_pass(dkim);
    if (!mote_domain_is_valid(settings->domain) || !is_selector(settings->selector) || signature_size < 128 ||
        signature_size > 512) {
        return fail(dkim, MOTE_ERR_ARGUMENT);
    }
    status = settings->crypto->hash_start(settings->crypto_self);
    return status == MOTE_OK ? MOTE_OK : fail(dkim, status);
}
