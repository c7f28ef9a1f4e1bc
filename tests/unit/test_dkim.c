#include "test.h"

#include <mailmote/dkim.h>

/* Cryptography that shows what it was given: hash number n is n everywhere, and its input is kept. */
typedef struct witness {
    uint8_t input[2][4000];
    size_t size[2];
    unsigned count; /* hashes started */
    unsigned calls;
    unsigned failing_call;
} witness_t;

static mote_status_t call(witness_t *witness)
{
    return ++witness->calls == witness->failing_call ? MOTE_ERR_MEMORY : MOTE_OK;
}

static mote_status_t start_hash(void *self)
{
    witness_t *witness = self;

    assert_true(witness->count < 2);
    witness->size[witness->count++] = 0;
    return call(witness);
}

static mote_status_t add_to_hash(void *self, mote_span_t octets)
{
    witness_t *witness = self;
    size_t *size = &witness->size[witness->count - 1];

    assert_true(octets.size > 0 && octets.size < sizeof witness->input[0] - *size);
    memcpy(witness->input[witness->count - 1] + *size, octets.data, octets.size);
    *size += octets.size;
    return call(witness);
}

static mote_status_t end_hash(void *self, uint8_t digest[MOTE_SHA256_BYTES])
{
    memset(digest, (int)((witness_t *)self)->count, MOTE_SHA256_BYTES);
    return call(self);
}

static mote_status_t sign(void *self, const uint8_t digest[MOTE_SHA256_BYTES], uint8_t *signature, size_t size)
{
    assert_int_equal(digest[0], 2);
    memset(signature, 'S', size);
    return call(self);
}

static const mote_dkim_crypto_t crypto = { start_hash, add_to_hash, end_hash, sign };

typedef struct pieces {
    mote_source_t source;
    mote_span_t text;
    size_t piece_size;
    size_t offset;
    bool is_pending;
} pieces_t;

static mote_status_t rewind_pieces(void *self)
{
    ((pieces_t *)self)->offset = 0;
    return MOTE_OK;
}

static mote_status_t next_piece(void *self, mote_span_t *piece)
{
    pieces_t *pieces = self;

    pieces->is_pending = !pieces->is_pending;
    if (pieces->is_pending) {
        return MOTE_PENDING;
    }
    *piece = mote_span_slice(pieces->text, pieces->offset, pieces->piece_size);
    pieces->offset += piece->size;
    return piece->size > 0 ? MOTE_OK : MOTE_CLOSED;
}

static void init_pieces(pieces_t *pieces, const char *text, size_t piece_size)
{
    memset(pieces, 0, sizeof *pieces);
    pieces->source.rewind = rewind_pieces;
    pieces->source.next = next_piece;
    pieces->source.self = pieces;
    pieces->source.has_lf_lines = true;
    pieces->source.wire_size = (int32_t)strlen(text);
    pieces->text = mote_span_text(text);
    pieces->piece_size = piece_size;
}

static mote_dkim_settings_t settings_for(witness_t *witness)
{
    mote_dkim_settings_t settings = { TEXT("example.net"), TEXT("s1"), 1751359957, &crypto, NULL };

    memset(witness, 0, sizeof *witness);
    settings.crypto_self = witness;
    return settings;
}

static mote_status_t sign_all(mote_dkim_t *dkim)
{
    mote_status_t status;

    while ((status = mote_dkim_sign(dkim)) == MOTE_PENDING) {
    }
    return status;
}

#define FROM "From: a@example.net\r\n"
#define BH "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define OWN(h)                                                                                                \
    "dkim-signature:v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=s1; t=1751359957; bh=" BH          \
    "; q=dns/txt; h=" h "; b="
#define LONG "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"
#define H_FROM "from:from:sender:reply-to:to:cc:subject:date:message-id: mime-version:content-type:content-transfer-encoding"

/* DKIM-2, DKIM-4 to DKIM-6: what is hashed, by RFC 6376 3.4.5 and 5.4.2. */
static void canonical_forms(void **state)
{
    static const struct {
        const char *name;
        const char *message;
        const char *body;
        const char *header;
    } cases[] = {
        { "no body", FROM, "", "from:a@example.net\r\n" OWN(H_FROM) },
        { "an empty body", FROM "\r\n", "", "from:a@example.net\r\n" OWN(H_FROM) },
        { "empty lines alone", FROM "\r\n\r\n\r\n \r\n", "", "from:a@example.net\r\n" OWN(H_FROM) },
        { "the RFC's example", "A: X\r\nFROM : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n", "from:Y Z\r\n" OWN(H_FROM) },
        { "empty lines within", FROM "\r\na\r\n\r\n\r\nb\r\n\r\n", "a\r\n\r\n\r\nb\r\n", "from:a@example.net\r\n" OWN(H_FROM) },
        { "dots are not doubled yet", FROM "\r\n.\r\n..\r\n", ".\r\n..\r\n", "from:a@example.net\r\n" OWN(H_FROM) },
        { "line ends made right", "From: a@example.net\n\nx\ny", "x\r\ny\r\n", "from:a@example.net\r\n" OWN(H_FROM) },
        { "not ours to sign", "Received: by x\r\nReturn-Path: <x>\r\nBcc: y\r\nX-A: b\r\n" FROM "\r\n", "",
          "from:a@example.net\r\n" OWN(H_FROM) },
        { "twice, from the bottom up", "To: one\r\n" FROM "To: two\r\n\r\n", "",
          "from:a@example.net\r\nto:two\r\nto:one\r\n"
          OWN("from:from:sender:reply-to:to:to:to:cc:subject:date: message-id:mime-version:content-type:content-transfer-encoding") },
        { "a short name behind a fold", FROM "To: x\r\nCc: y\r\nSubject: z\r\n\r\n", "",
          "from:a@example.net\r\nto:x\r\ncc:y\r\nsubject:z\r\n"
          OWN("from:from:sender:reply-to:to:to:cc:cc:subject:subject: date:message-id:mime-version:content-type: content-transfer-encoding") },
        { "a long name is none of ours", FROM "From-and-some-more-letters-that-do-not-fit: x\r\n\r\n", "",
          "from:a@example.net\r\n" OWN(H_FROM) },
        { "a word longer than a block", FROM "\r\n" LONG LONG " " LONG "\r\n", LONG LONG " " LONG "\r\n",
          "from:a@example.net\r\n" OWN(H_FROM) },
        { "white space within a name", "Fr om: x\r\n" FROM "Sub\tject: x\r\n\r\na\r\n", "a\r\n",
          "from:a@example.net\r\n" OWN(H_FROM) },
        { "a line that is no field", FROM "no field\r\n\r\n", "", "from:a@example.net\r\n" OWN(H_FROM) },
        { "an empty value", FROM "Subject:\r\nReferences: <a@b>\r\n  <c@d>\r\n\r\n", "",
          "from:a@example.net\r\nsubject:\r\nreferences:<a@b> <c@d>\r\n"
          OWN("from:from:sender:reply-to:to:cc:subject:subject:date: message-id:mime-version:content-type:"
              "content-transfer-encoding: references") },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t piece_size = 1; piece_size < 200; piece_size += 13) {
            uint8_t signature[128];
            witness_t witness;
            mote_dkim_settings_t settings = settings_for(&witness);
            mote_dkim_t dkim;
            pieces_t pieces;

            init_pieces(&pieces, cases[i].message, piece_size);
            assert_int_equal(mote_dkim_start(&dkim, &settings, &pieces.source, signature, sizeof signature), MOTE_OK);
            CHECK(sign_all(&dkim) == MOTE_OK, cases[i].name);
            witness.input[0][witness.size[0]] = 0;
            witness.input[1][witness.size[1]] = 0;
            if (strcmp((const char *)witness.input[0], cases[i].body) != 0) {
                fail_msg("%s: body: %s", cases[i].name, (const char *)witness.input[0]);
            }
            if (strcmp((const char *)witness.input[1], cases[i].header) != 0) {
                fail_msg("%s: header: %s", cases[i].name, (const char *)witness.input[1]);
            }
        }
    }
}

/* DKIM-3, DKIM-8: the field, then the message with its line ends made right; as often as it is asked for. */
static void what_leaves(void **state)
{
    static const char expected[] =
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n d=example.net;\r\n s=s1; t=1751359957;\r\n bh=" BH ";\r\n"
        " q=dns/txt; h=from:from:sender:reply-to:to:cc:subject:date:message-id:\r\n  mime-version:content-type:content-transfer-encoding;\r\n"
        " b=U1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NT\r\n"
        "  U1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NT\r\n"
        "  U1NTU1NTU1NTU1NTU1NTU1NTU1M=\r\n" FROM "\r\n.x\r\n";
    uint8_t signature[128];
    witness_t witness;
    mote_dkim_settings_t settings = settings_for(&witness);
    mote_dkim_t dkim;
    pieces_t pieces;

    (void)state;
    init_pieces(&pieces, FROM "\r\n.x\r\n", 7);
    assert_int_equal(mote_dkim_start(&dkim, &settings, &pieces.source, signature, sizeof signature), MOTE_OK);
    assert_int_equal(dkim.source.rewind(&dkim), MOTE_ERR_SOURCE); /* not signed yet */
    assert_int_equal(sign_all(&dkim), MOTE_OK);
    assert_int_equal(dkim.source.wire_size, sizeof expected - 1);
    for (unsigned round = 0; round < 3; round++) {
        char text[2000];
        size_t size = 0;
        mote_span_t piece;
        mote_status_t status = dkim.source.rewind(&dkim);

        while (status == MOTE_OK || status == MOTE_PENDING) {
            status = dkim.source.next(&dkim, &piece);
            if (status == MOTE_OK) {
                assert_true(piece.size > 0 && piece.size < sizeof text - size);
                memcpy(text + size, piece.data, piece.size);
                size += piece.size;
            }
        }
        assert_int_equal(status, MOTE_CLOSED);
        text[size] = 0;
        assert_string_equal(text, expected);
    }
}

/* DKIM-1: no short key; nothing that could break out of the field; no message without From. */
static void refusals(void **state)
{
    static const struct {
        const char *domain;
        const char *selector;
        size_t signature_size;
    } wrong[] = {
        { "", "s1", 256 },        { "example", "s1", 256 },           { "example.net;x", "s1", 256 }, { "example.net", "", 256 },
        { "example.net", "s 1", 256 }, { "example.net", "s1\r\nX: y", 256 }, { "example.net", "s1", 64 },    { "example.net", "s1", 1024 },
        { "example.net", "s`", 256 }, { "example.net", "s{", 256 }, { "example.net", "s/", 256 }, { "example.net", "s:", 256 },
        { "example.net", LONG "aaaa", 256 },
    };
    uint8_t signature[1024];
    witness_t witness;
    mote_dkim_t dkim;
    pieces_t pieces;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        mote_dkim_settings_t settings = settings_for(&witness);

        settings.domain = mote_span_text(wrong[i].domain);
        settings.selector = mote_span_text(wrong[i].selector);
        init_pieces(&pieces, FROM "\r\n", 100);
        CHECK(mote_dkim_start(&dkim, &settings, &pieces.source, signature, wrong[i].signature_size) == MOTE_ERR_ARGUMENT,
              wrong[i].domain);
        CHECK(mote_dkim_sign(&dkim) != MOTE_OK && dkim.source.rewind(&dkim) == MOTE_ERR_SOURCE, wrong[i].selector);
    }
    for (unsigned i = 0; i < 2; i++) {
        mote_dkim_settings_t settings = settings_for(&witness);

        init_pieces(&pieces, i == 0 ? "To: x\r\n\r\nFrom: body\r\n" : FROM "\r\na\rb\r\n", 100);
        assert_int_equal(mote_dkim_start(&dkim, &settings, &pieces.source, signature, 256), MOTE_OK);
        assert_int_equal(sign_all(&dkim), MOTE_ERR_CONTENT);
        assert_int_equal(dkim.source.rewind(&dkim), MOTE_ERR_SOURCE);
    }
}

/* DKIM-8: more fields of one name than can be counted; a size too large to be said; no clock; every selector there may be. */
static void limits(void **state)
{
    static char text[4000] = FROM;
    uint8_t signature[128];
    witness_t witness;
    mote_dkim_settings_t settings = settings_for(&witness);
    mote_dkim_t dkim;
    pieces_t pieces;
    mote_span_t piece;

    (void)state;
    for (unsigned count = 0; count < 255; count++) {
        strcat(text, "To: x\r\n");
    }
    init_pieces(&pieces, text, 100);
    assert_int_equal(mote_dkim_start(&dkim, &settings, &pieces.source, signature, sizeof signature), MOTE_OK);
    assert_int_equal(dkim.source.next(&dkim, &piece), MOTE_ERR_SOURCE); /* not signed yet */
    assert_int_equal(sign_all(&dkim), MOTE_ERR_CONTENT);
    settings = settings_for(&witness);
    settings.date_s = 0;
    settings.selector = TEXT("Az-09_b.c");
    init_pieces(&pieces, FROM "\r\n", 100);
    pieces.source.wire_size = INT32_MAX - 100;
    assert_int_equal(mote_dkim_start(&dkim, &settings, &pieces.source, signature, sizeof signature), MOTE_OK);
    assert_int_equal(sign_all(&dkim), MOTE_OK);
    assert_int_equal(dkim.source.wire_size, MOTE_SIZE_UNKNOWN);
    witness.input[1][witness.size[1]] = 0;
    assert_non_null(strstr((char *)witness.input[1], "s=Az-09_b.c; bh=")); /* and no t= */
}

/* Blocks that fill within a word, between two, with line ends, at a field's end. */
static const char *const failing_texts[] = {
    FROM "Subject: one two three four five six seven eight nine ten\r\n\r\nbody\r\n",
    FROM "Subject: " LONG " x\r\nTo: " LONG "x\r\n\r\n" LONG "aaaa x\r\n" LONG "aaa\r\n\r\n\r\nx\r\n" LONG LONG "\r\n",
    FROM "To: abcdefghijklmnopqrstuvwxyz1234567\r\nCc: x\r\n\r\n" LONG "aaaa\r\n" LONG "\r\n\r\n\r\n \r\nx\r\n",
    FROM "\r\n" LONG "aaaa\r\n x\r\n",
    FROM "To: abcdefghijklmnopqrstuvwxyz1234567890abcde\r\n",
    FROM "To: abcdefghijklmnopqrstuvwxyz1234567890abcd\r\nCc: x\r\n\r\n" LONG "aaa\r\n.",
};

/* Each call of the crypto fails at its turn: no signature, and nothing is lent unsigned. */
static void failing_crypto(void **state)
{
    uint8_t signature[128];
    witness_t witness;
    unsigned failing_call = 0;
    unsigned which = 0;
    mote_status_t status;

    (void)state;
    do {
        mote_dkim_settings_t settings = settings_for(&witness);
        mote_dkim_t dkim;
        pieces_t pieces;

        witness.failing_call = ++failing_call;
        init_pieces(&pieces, failing_texts[which], 500);
        status = mote_dkim_start(&dkim, &settings, &pieces.source, signature, sizeof signature);
        if (status == MOTE_OK) {
            status = sign_all(&dkim);
        }
        assert_true(status == MOTE_OK || status == MOTE_ERR_MEMORY);
        assert_int_equal(dkim.source.rewind(&dkim), status == MOTE_OK ? MOTE_OK : MOTE_ERR_SOURCE);
        assert_true(status != MOTE_OK || failing_call > 8);
        which += status == MOTE_OK ? 1U : 0U;
        failing_call = status == MOTE_OK ? 0 : failing_call;
    } while (which < COUNT_OF(failing_texts));
}

/* Others may write to the message after it was signed: what was 7-bit then does not leave otherwise (RFC 6152 3). */
static void changed_since(void **state)
{
    char text[] = "From: x\n\nca fe\n";
    uint8_t signature[128];
    witness_t witness;
    mote_dkim_settings_t settings = settings_for(&witness);
    mote_dkim_t dkim;
    mote_body_t body;
    pieces_t pieces;
    mote_span_t stretch;
    bool is_stable;
    mote_status_t status;

    (void)state;
    init_pieces(&pieces, text, 3);
    pieces.source.is_8bit = MOTE_NO;
    assert_int_equal(mote_dkim_start(&dkim, &settings, &pieces.source, signature, sizeof signature), MOTE_OK);
    assert_int_equal(sign_all(&dkim), MOTE_OK);
    text[sizeof "From: x\n\nca" - 1] = (char)0xE9;
    mote_body_start(&body, &dkim.source, MOTE_BODY_REFUSES_8BIT);
    while ((status = mote_body_next(&body, &stretch, &is_stable)) == MOTE_OK || status == MOTE_PENDING) {
        assert_true(status == MOTE_PENDING || mote_span_find(stretch, 0xE9) == stretch.size);
    }
    assert_int_equal(status, MOTE_ERR_SOURCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(changed_since),    cmocka_unit_test(canonical_forms), cmocka_unit_test(what_leaves), cmocka_unit_test(refusals),
                                        cmocka_unit_test(failing_crypto),  cmocka_unit_test(limits) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
