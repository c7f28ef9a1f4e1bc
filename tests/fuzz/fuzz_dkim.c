#include "fuzz.h"

#include "pieces.h"

#include <mailmote/dkim.h>

/* What was hashed, instead of a hash. */
typedef struct witness {
    uint8_t octets[2][1 << 17];
    size_t size[2];
    unsigned count;
} witness_t;

static mote_status_t start_hash(void *self)
{
    witness_t *witness = self;

    REQUIRE(witness->count < 2);
    witness->size[witness->count++] = 0;
    return MOTE_OK;
}

static void append(witness_t *witness, unsigned index, mote_span_t octets)
{
    REQUIRE(octets.size < sizeof witness->octets[0] - witness->size[index]);
    memcpy(witness->octets[index] + witness->size[index], octets.data, octets.size);
    witness->size[index] += octets.size;
}

static mote_status_t add_to_hash(void *self, mote_span_t octets)
{
    witness_t *witness = self;

    REQUIRE(octets.size > 0);
    append(witness, witness->count - 1, octets);
    return MOTE_OK;
}

static mote_status_t end_hash(void *self, uint8_t digest[MOTE_SHA256_BYTES])
{
    (void)self;
    memset(digest, 'D', MOTE_SHA256_BYTES);
    return MOTE_OK;
}

static mote_status_t sign(void *self, const uint8_t digest[MOTE_SHA256_BYTES], uint8_t *signature, size_t size)
{
    (void)self;
    (void)digest;
    memset(signature, 'S', size);
    return MOTE_OK;
}

/* ---- RFC 6376 once more, over the whole message in memory ---- */

static bool is_blank(uint8_t octet)
{
    return octet == ' ' || octet == '\t';
}

/* The line at the front, its CRLF included. */
static mote_span_t first_line(mote_span_t text)
{
    return mote_span_slice(text, 0, mote_span_find(text, '\n') + 1);
}

static void put(witness_t *out, unsigned index, uint8_t octet)
{
    append(out, index, mote_span(&octet, 1));
}

/* White space becomes one space, none at the end; at_start: none there either. Returns whether anything is left. */
static bool put_relaxed(witness_t *out, unsigned index, mote_span_t text, bool at_start)
{
    bool has_space = false;
    bool has_text = false;

    for (size_t i = 0; i < text.size; i++) {
        uint8_t octet = text.data[i];

        if (octet == '\r' || octet == '\n') {
            continue;
        }
        if (is_blank(octet)) {
            has_space = has_text || !at_start;
            continue;
        }
        if (has_space) {
            put(out, index, ' ');
        }
        put(out, index, octet);
        has_space = false;
        has_text = true;
    }
    return has_text;
}

static void relax_body(witness_t *out, mote_span_t body)
{
    size_t end = 0; /* of the last line that is not empty */

    while (body.size > 0) {
        mote_span_t line = first_line(body);

        if (put_relaxed(out, 0, line, false)) {
            put(out, 0, '\r');
            put(out, 0, '\n');
            end = out->size[0];
        } else {
            put(out, 0, '\r');
            put(out, 0, '\n');
        }
        mote_span_skip(&body, line.size);
    }
    out->size[0] = end;
}

static const char *const names[MOTE_DKIM_FIELD_COUNT] = {
    "from",       "sender",     "reply-to",     "to",           "cc",
    "subject",    "date",       "message-id",   "mime-version", "content-type",
    "content-transfer-encoding", "in-reply-to", "references",   "auto-submitted", "list-id",
    "list-unsubscribe", "list-unsubscribe-post"
};

enum { FIELD_COUNT = 4096 };

/* The fields of the header: where each begins and ends, and its value. Returns the header's size. */
static size_t cut_header(mote_span_t text, mote_span_t *field_names, mote_span_t *values, size_t *count)
{
    size_t at = 0;
    bool is_field = false;

    *count = 0;
    while (at < text.size && text.data[at] != '\r') {
        mote_span_t line = first_line(mote_span_slice(text, at, text.size));
        size_t colon = mote_span_find(line, ':');

        if (is_blank(line.data[0])) {
            if (is_field) {
                values[*count - 1].size += line.size;
            }
        } else if (colon < line.size) {
            size_t name_size = colon;

            while (name_size > 0 && is_blank(line.data[name_size - 1])) {
                name_size--;
            }
            REQUIRE(*count < FIELD_COUNT);
            field_names[*count] = mote_span_slice(line, 0, name_size);
            values[(*count)++] = mote_span(line.data + colon + 1, line.size - colon - 1);
            is_field = true;
        } else {
            is_field = false;
        }
        at += line.size;
    }
    return at;
}

/* Returns how many of a name there are at most. */
static size_t relax(witness_t *out, mote_span_t text)
{
    static mote_span_t field_names[FIELD_COUNT];
    static mote_span_t values[FIELD_COUNT];
    size_t most = 0;
    size_t count;
    size_t size = cut_header(text, field_names, values, &count);

    out->size[0] = 0;
    out->size[1] = 0;
    relax_body(out, mote_span_slice(text, size + 2, text.size));
    for (size_t i = 0; i < MOTE_DKIM_FIELD_COUNT; i++) {
        mote_span_t name = mote_span_text(names[i]);
        size_t found = 0;

        for (size_t k = count; k > 0; k--) {
            if (mote_span_equals_ignoring_case(field_names[k - 1], name)) {
                append(out, 1, name);
                put(out, 1, ':');
                (void)put_relaxed(out, 1, values[k - 1], true);
                put(out, 1, '\r');
                put(out, 1, '\n');
                found++;
            }
        }
        most = found > most ? found : most;
        if (i == 0 && found == 0) {
            return SIZE_MAX; /* RFC 6376 5.4: From must be signed */
        }
    }
    append(out, 1, mote_span_text("dkim-signature:v=1; "));
    return most;
}

/* ---- */

static mote_status_t read_all(mote_source_t *source, uint8_t *out, size_t capacity, size_t *size)
{
    mote_status_t status = source->rewind(source->self);
    mote_span_t piece;

    *size = 0;
    while (status == MOTE_OK) {
        status = source->next(source->self, &piece);
        if (status == MOTE_OK) {
            REQUIRE(piece.size > 0 && piece.size < capacity - *size);
            memcpy(out + *size, piece.data, piece.size);
            *size += piece.size;
        }
    }
    return status;
}

/* DKIM-2 to DKIM-6, DKIM-8: however a message comes in pieces, what is hashed of it is what the RFC says, written down here a
   second time; and what leaves is the signature's field and the message as it travels. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const mote_dkim_crypto_t crypto = { start_hash, add_to_hash, end_hash, sign };
    static witness_t witness;
    static witness_t expected;
    static uint8_t wire[1 << 17];
    static uint8_t sent[1 << 17];
    mote_dkim_settings_t settings = { MOTE_SPAN("example.net"), MOTE_SPAN("s1"), 1751359957, &crypto, &witness };
    uint8_t signature[128];
    pieces_t pieces;
    mote_dkim_t dkim;
    mote_body_t body;
    mote_span_t stretch;
    mote_status_t status;
    size_t wire_size = 0;
    size_t sent_size;
    size_t most;
    bool is_stable;

    size = size < 4096 ? size : 4096;
    memset(&pieces, 0, sizeof pieces);
    pieces.source.rewind = rewind_pieces;
    pieces.source.next = next_piece;
    pieces.source.self = &pieces;
    pieces.source.has_lf_lines = true;
    pieces.source.wire_size = MOTE_SIZE_UNKNOWN;
    pieces.piece_bytes = size > 0 ? 1 + (size_t)data[0] : 1;
    pieces.text = mote_span_slice(mote_span(data, size), 1, size);
    mote_body_start(&body, &pieces.source, 0);
    while ((status = mote_body_next(&body, &stretch, &is_stable)) == MOTE_OK) {
        REQUIRE(stretch.size < sizeof wire - wire_size);
        memcpy(wire + wire_size, stretch.data, stretch.size);
        wire_size += stretch.size;
    }
    witness.count = 0;
    REQUIRE(mote_dkim_start(&dkim, &settings, &pieces.source, signature, sizeof signature) == MOTE_OK);
    if (status != MOTE_CLOSED) {
        REQUIRE(mote_dkim_sign(&dkim) == status); /* it cannot travel */
        return 0;
    }
    most = relax(&expected, mote_span(wire, wire_size));
    status = mote_dkim_sign(&dkim);
    if (most >= UINT8_MAX) {
        REQUIRE(status == MOTE_ERR_CONTENT && dkim.source.rewind(&dkim) == MOTE_ERR_SOURCE);
        return 0;
    }
    REQUIRE(status == MOTE_OK && witness.count == 2);
    REQUIRE(witness.size[0] == expected.size[0] && memcmp(witness.octets[0], expected.octets[0], expected.size[0]) == 0);
    REQUIRE(witness.size[1] > expected.size[1] && memcmp(witness.octets[1], expected.octets[1], expected.size[1]) == 0);
    REQUIRE(read_all(&dkim.source, sent, sizeof sent, &sent_size) == MOTE_CLOSED && sent_size > wire_size);
    REQUIRE(memcmp(sent, "DKIM-Signature: v=1;", 20) == 0);
    REQUIRE(memcmp(sent + sent_size - wire_size, wire, wire_size) == 0);
    return 0;
}
