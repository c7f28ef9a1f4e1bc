#include "test.h"

/* A source that hands out a text cut into pieces at the places the bits of cuts say, each in memory of its own. */
typedef struct cut_source {
    mote_source_t source;
    mote_span_t text;
    uint32_t cuts;
    size_t offset;
    uint8_t *piece;
    size_t fails_at; /* the source fails instead of handing out this octet */
    unsigned pending; /* so many times PENDING before each piece */
    unsigned waited;
    unsigned rewinds;
} cut_source_t;

static mote_status_t rewind_cut(void *self)
{
    cut_source_t *cut = self;

    cut->offset = 0;
    cut->rewinds++;
    return MOTE_OK;
}

static mote_status_t next_cut(void *self, mote_span_t *piece)
{
    cut_source_t *cut = self;
    size_t size = 0;

    free(cut->piece); /* "valid until the next call": a sanitizer sees whoever looks later */
    cut->piece = NULL;
    if (cut->waited++ < cut->pending) {
        return MOTE_PENDING;
    }
    cut->waited = 0;
    if (cut->offset == cut->text.size) {
        return MOTE_CLOSED;
    }
    if (cut->offset >= cut->fails_at) {
        return MOTE_ERR_SOURCE;
    }
    do {
        size++;
    } while (cut->offset + size < cut->text.size &&
             (cut->offset + size > 32 || (cut->cuts >> (cut->offset + size - 1) & 1) == 0));
    cut->piece = malloc(size);
    assert_non_null(cut->piece);
    memcpy(cut->piece, cut->text.data + cut->offset, size);
    *piece = mote_span(cut->piece, size);
    cut->offset += size;
    return MOTE_OK;
}

static void init_cut(cut_source_t *cut, mote_span_t text, uint32_t cuts)
{
    memset(cut, 0, sizeof *cut);
    cut->source.rewind = rewind_cut;
    cut->source.next = next_cut;
    cut->source.self = cut;
    cut->source.wire_size = MOTE_SIZE_UNKNOWN;
    cut->text = text;
    cut->cuts = cuts;
    cut->fails_at = SIZE_MAX;
}

/* Reads the whole body into out. Returns how it ended. */
static mote_status_t read_body(mote_source_t *source, unsigned flags, uint8_t *out, size_t *size)
{
    mote_body_t body;
    mote_span_t stretch;
    mote_status_t status;
    bool is_stable;

    *size = 0;
    mote_body_start(&body, source, flags);
    while ((status = mote_body_next(&body, &stretch, &is_stable)) == MOTE_OK || status == MOTE_PENDING) {
        if (status == MOTE_OK) {
            assert_true(stretch.size > 0);
            memcpy(out + *size, stretch.data, stretch.size);
            *size += stretch.size;
        }
    }
    assert_int_equal(mote_body_next(&body, &stretch, &is_stable), status); /* it sticks */
    return status;
}

enum { STUFF = MOTE_BODY_STUFFS_DOTS, SEVEN = MOTE_BODY_REFUSES_8BIT };

static const struct {
    const char *name;
    mote_span_t text;
    mote_span_t wire; /* size 0 and text not empty: refused */
    bool has_lf;
    unsigned flags;
} cases[] = {
#define ROW(name, text, wire, lf, flags) { name, { (const uint8_t *)(text), sizeof(text) - 1 }, { (const uint8_t *)(wire), sizeof(wire) - 1 }, lf, flags }
    ROW("empty", "", "", false, STUFF),
    ROW("one line", "a\r\n", "a\r\n", false, STUFF),
    ROW("no final line end", "a", "a\r\n", false, STUFF),
    ROW("empty lines", "\r\n\r\n", "\r\n\r\n", false, STUFF),
    ROW("dot first", ".\r\n", "..\r\n", false, STUFF),
    ROW("dots", "..\r\n.a\r\na.\r\n", "...\r\n..a\r\na.\r\n", false, STUFF),
    ROW("lone dot without an end", ".", "..\r\n", false, STUFF),
    ROW("dot behind every line end", "\r\n.\r\n.\r\n", "\r\n..\r\n..\r\n", false, STUFF),
    ROW("not stuffed for a mailbox", ".\r\n..a\r\n", ".\r\n..a\r\n", false, 0),
    ROW("LF is refused", "a\nb\r\n", "", false, STUFF),
    ROW("LF first", "\n", "", false, STUFF),
    ROW("CR is refused", "a\rb\r\n", "", false, STUFF),
    ROW("CR CR LF", "a\r\r\n", "", false, STUFF),
    ROW("CR at the end", "a\r", "", false, STUFF),
    ROW("lone CR", "\r", "", false, STUFF),
    ROW("NUL", "a\0b\r\n", "", false, STUFF),
    ROW("NUL alone", "\0", "", false, STUFF),
    ROW("text: LF becomes CRLF", "a\nb\n", "a\r\nb\r\n", true, STUFF),
    ROW("text: CRLF stays", "a\r\nb\n", "a\r\nb\r\n", true, STUFF),
    ROW("text: empty lines", "\n\n", "\r\n\r\n", true, STUFF),
    ROW("text: dots", ".\n..\na.\n.", "..\r\n...\r\na.\r\n..\r\n", true, STUFF),
    ROW("text: no final line end", "a\nb", "a\r\nb\r\n", true, STUFF),
    ROW("text: CR is refused", "a\rb\n", "", true, STUFF),
    ROW("text: CR CR LF", "a\r\r\n", "", true, STUFF),
    ROW("text: CR at the end", "a\n\r", "", true, STUFF),
    ROW("text: LF CR", "\n\ra\n", "", true, STUFF),
    ROW("8-bit", "\xC3\xA4\r\n", "\xC3\xA4\r\n", false, STUFF),
    ROW("8-bit refused", "\xC3\xA4\r\n", "", false, STUFF | SEVEN),
    ROW("8-bit refused late", "aaaaaaaaaaaaaaa\r\n\x80\r\n", "", false, STUFF | SEVEN),
    ROW("7-bit passes", "\x7F\x01\r\n", "\x7F\x01\r\n", false, STUFF | SEVEN),
    /* SEC-1: the sequences of SMTP smuggling end nothing */
    ROW("LF . LF", "a\n.\nb\r\n", "", false, STUFF),
    ROW("LF . CRLF", "a\n.\r\nb\r\n", "", false, STUFF),
    ROW("CR . CR", "a\r.\rb\r\n", "", false, STUFF),
    ROW("CR . LF", "a\r.\nb\r\n", "", false, STUFF),
    ROW("CRLF . LF", "a\r\n.\nb\r\n", "", false, STUFF),
    ROW("CRLF . CR", "a\r\n.\rb\r\n", "", false, STUFF),
    ROW("CR . CRLF", "a\r.\r\nb\r\n", "", false, STUFF),
    ROW("LF . CR", "a\n.\rb\r\n", "", false, STUFF),
    ROW("CRLF NUL . CRLF", "a\r\n\0.\r\nb\r\n", "", false, STUFF),
    ROW("CRLF . CRLF", "a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n", false, STUFF),
    ROW("text: LF . LF", "a\n.\nb\n", "a\r\n..\r\nb\r\n", true, STUFF),
    ROW("text: CRLF . LF", "a\r\n.\nb\n", "a\r\n..\r\nb\r\n", true, STUFF),
    ROW("text: LF . CRLF", "a\n.\r\nb\n", "a\r\n..\r\nb\r\n", true, STUFF),
#undef ROW
};

/* Every case through every way to cut it into pieces: the same octets, or the same refusal. */
static void every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t places = cases[i].text.size > 0 ? cases[i].text.size - 1 : 0;

        places = places > 10 ? 10 : places;
        for (uint32_t cuts = 0; cuts < UINT32_C(1) << places; cuts++) {
            cut_source_t cut;
            uint8_t out[256];
            size_t size;
            bool is_refused = cases[i].wire.size == 0 && cases[i].text.size > 0;
            mote_status_t status;

            init_cut(&cut, cases[i].text, cuts);
            cut.source.has_lf_lines = cases[i].has_lf;
            cut.pending = cuts & 1;
            status = read_body(&cut.source, cases[i].flags, out, &size);
            CHECK(status == (is_refused ? MOTE_ERR_CONTENT : MOTE_CLOSED), cases[i].name);
            CHECK(is_refused || mote_span_equals(mote_span(out, size), cases[i].wire), cases[i].name);
            /* what left before a refusal is whole lines and parts of lines, never a bare CR or LF */
            for (size_t at = 0; at < size; at++) {
                CHECK(out[at] != '\n' || (at > 0 && out[at - 1] == '\r'), cases[i].name);
                CHECK(out[at] != '\r' || at + 1 == size || out[at + 1] == '\n', cases[i].name);
                CHECK(out[at] != 0, cases[i].name);
            }
            CHECK(size == 0 || out[size - 1] != '\r', cases[i].name);
            free(cut.piece);
        }
    }
}

/* The scan says beforehand what the filter will do. */
static void scans(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cut_source_t cut;
        mote_body_t body;
        mote_status_t status;
        uint8_t out[256];
        size_t size;
        bool is_refused = cases[i].wire.size == 0 && cases[i].text.size > 0;

        if ((cases[i].flags & SEVEN) != 0) {
            continue; /* not the scan's business */
        }
        init_cut(&cut, cases[i].text, 0x55);
        cut.source.has_lf_lines = cases[i].has_lf;
        cut.pending = 1;
        memset(&body, 0, sizeof body);
        while ((status = mote_body_scan(&body, &cut.source, NULL)) == MOTE_PENDING) {
        }
        CHECK(status == (is_refused ? MOTE_ERR_CONTENT : MOTE_OK), cases[i].name);
        if (!is_refused) {
            CHECK(read_body(&cut.source, 0, out, &size) == MOTE_CLOSED, cases[i].name);
            CHECK(cut.source.wire_size == (int32_t)size, cases[i].name); /* EXT-10 */
            CHECK(cut.source.is_canonical == (mote_span_equals(cases[i].text, mote_span(out, size)) ? MOTE_YES : MOTE_NO),
                  cases[i].name);
            /* a source known to be canonical gives the same octets the fast way */
            CHECK(read_body(&cut.source, cases[i].flags, out, &size) == MOTE_CLOSED, cases[i].name);
            CHECK(mote_span_equals(mote_span(out, size), cases[i].wire), cases[i].name);
        }
        free(cut.piece);
    }
}

static void long_lines(void **state) /* SMTP-51 */
{
    static const char *const ends[] = { "\r\n", "\n", "" };

    (void)state;
    for (size_t size = 997; size <= 1000; size++) {
        for (size_t end = 0; end < COUNT_OF(ends); end++) {
            for (unsigned first = 0; first < 2; first++) {
                uint8_t text[1100];
                uint8_t out[1200];
                size_t out_size;
                cut_source_t cut;

                memset(text, first == 0 ? 'x' : '.', size);
                memcpy(text + size, ends[end], strlen(ends[end]) + 1);
                init_cut(&cut, mote_span(text, size + strlen(ends[end])), 0x80);
                cut.source.has_lf_lines = true;
                assert_int_equal(read_body(&cut.source, STUFF, out, &out_size),
                                 size <= MOTE_LINE_BYTES ? MOTE_CLOSED : MOTE_ERR_CONTENT);
                if (size <= MOTE_LINE_BYTES) {
                    assert_int_equal(out_size, size + 2 + first); /* an added dot is not counted */
                }
                free(cut.piece);
            }
        }
    }
}

/* Longer than a window of checks, with everything that may straddle its edge. */
static void windows(void **state)
{
    uint8_t *text = malloc(20000);
    uint8_t *out = malloc(60000);

    (void)state;
    for (size_t shift = 0; shift < 6; shift++) {
        mote_memory_source_t memory;
        size_t size = shift;
        size_t out_size;
        size_t at = 0;

        memset(text, 'x', shift);
        while (size + 8 < 20000) {
            memcpy(text + size, size % 3 == 0 ? ".ab\r\n" : "..c\r\n", 5);
            size += 5;
        }
        mote_memory_source_init(&memory, mote_span(text, size));
        assert_int_equal(read_body(&memory.source, STUFF, out, &out_size), MOTE_CLOSED);
        for (size_t i = 0; i < size; i++) { /* the other way round, by hand */
            if (text[i] == '.' && (i == 0 || text[i - 1] == '\n')) {
                assert_int_equal(out[at++], '.');
            }
            assert_int_equal(out[at++], text[i]);
        }
        assert_int_equal(at, out_size);
    }
    free(text);
    free(out);
}

static void refused_line_is_told(void **state)
{
    static const struct {
        mote_span_t text;
        uint32_t line;
    } rows[] = {
        { { (const uint8_t *)"a\nb\nc\rd\n", 8 }, 3 }, { { (const uint8_t *)"a\n\0\n", 4 }, 2 },
        { { (const uint8_t *)"\r", 1 }, 1 },           { { (const uint8_t *)"a\nb\0", 4 }, 2 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        cut_source_t cut;
        mote_body_t body;
        uint32_t line = 0;

        init_cut(&cut, rows[i].text, 0);
        cut.source.has_lf_lines = true;
        memset(&body, 0, sizeof body);
        assert_int_equal(mote_body_scan(&body, &cut.source, &line), MOTE_ERR_CONTENT);
        assert_int_equal(line, rows[i].line);
        free(cut.piece);
    }
}

/* SMTP-56: a source that fails ends the message without its end, wherever it fails. */
static void failing_source(void **state)
{
    mote_span_t text = TEXT("line one\r\n.line two\r\n");

    (void)state;
    for (size_t at = 0; at < text.size; at++) {
        cut_source_t cut;
        uint8_t out[64];
        size_t size;

        init_cut(&cut, text, 0xFFFFFFFF);
        cut.fails_at = at;
        assert_int_equal(read_body(&cut.source, STUFF, out, &size), MOTE_ERR_SOURCE);
        assert_true(size <= at + 1);
        free(cut.piece);
    }
}

static void facts(void **state)
{
    mote_memory_source_t memory;
    mote_body_t body;

    (void)state;
    mote_memory_source_init(&memory, TEXT("caf\xC3\xA9\r\n"));
    memset(&body, 0, sizeof body);
    assert_int_equal(mote_body_scan(&body, &memory.source, NULL), MOTE_OK);
    assert_int_equal(memory.source.is_8bit, MOTE_YES);
    mote_memory_source_init(&memory, TEXT("plain text, longer than four words of any machine\r\n"));
    memset(&body, 0, sizeof body);
    assert_int_equal(mote_body_scan(&body, &memory.source, NULL), MOTE_OK);
    assert_int_equal(memory.source.is_8bit, MOTE_NO);
    assert_int_equal(memory.source.is_canonical, MOTE_YES);
}

/* An empty piece that is called OK is no piece: a source that has nothing says so. */
static mote_status_t next_nothing(void *self, mote_span_t *piece)
{
    (void)self;
    *piece = mote_span(NULL, 0);
    return MOTE_OK;
}

static void empty_pieces(void **state)
{
    mote_memory_source_t memory;
    mote_body_t body;
    uint8_t out[8];
    size_t size;

    (void)state;
    mote_memory_source_init(&memory, TEXT("a\r\n"));
    memory.source.next = next_nothing;
    assert_int_equal(read_body(&memory.source, STUFF, out, &size), MOTE_ERR_SOURCE);
    memset(&body, 0, sizeof body);
    assert_int_equal(mote_body_scan(&body, &memory.source, NULL), MOTE_ERR_SOURCE);
}

/* What is canonical has no lone LF, whatever else was said of its lines. */
static void canonical_lf_lines(void **state)
{
    mote_memory_source_t memory;
    uint8_t out[64];
    size_t size;

    (void)state;
    mote_memory_source_init(&memory, TEXT("a\r\n.b\r\n"));
    memory.source.has_lf_lines = true;
    memory.source.is_canonical = MOTE_YES;
    assert_int_equal(read_body(&memory.source, STUFF, out, &size), MOTE_CLOSED);
    assert_true(mote_span_equals(mote_span(out, size), TEXT("a\r\n..b\r\n")));
}

/* Two CRs where a checked window ends: the first is not taken for the start of the line's end. */
static void cr_at_a_window(void **state)
{
    static uint8_t text[4096 + 64];
    static uint8_t out[2 * sizeof text];
    mote_memory_source_t memory;
    size_t size;

    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t i = 998; i < 4096; i += 1000) {
        memcpy(text + i, "\r\n", 2);
    }
    memcpy(text + 4094, "\r\r\n", 3);
    memcpy(text + sizeof text - 2, "\r\n", 2);
    mote_memory_source_init(&memory, mote_span(text, sizeof text));
    assert_int_equal(read_body(&memory.source, STUFF, out, &size), MOTE_ERR_CONTENT);
    assert_true(size <= 4095);
}

/* More than 31 bits can count is a size unknown, and stays it; the end that a last line gets is counted too. */
static mote_status_t next_endless(void *self, mote_span_t *piece)
{
    static uint8_t line[32 * 1000];
    mote_memory_source_t *memory = self;

    if (line[0] == 0) {
        memset(line, 'x', sizeof line);
        for (size_t i = 998; i < sizeof line; i += 1000) {
            memcpy(line + i, "\r\n", 2);
        }
    }
    *piece = memory->is_read ? TEXT("end") : mote_span(line, sizeof line);
    memory->is_read = true;
    return memory->message.size-- > 0 ? MOTE_OK : MOTE_CLOSED;
}

static void sizes_beyond(void **state)
{
    static const struct {
        int32_t before;
        size_t pieces;
        int32_t size;
    } rows[] = {
        { INT32_MAX - 2 - 32000 - 3, 2, INT32_MAX }, /* "end" and the line end added */
        { INT32_MAX - 2 - 32000 - 2, 2, MOTE_SIZE_UNKNOWN },
        { INT32_MAX - 2 - 31999, 1, MOTE_SIZE_UNKNOWN },
        { INT32_MAX - 2 - 31999, 2, MOTE_SIZE_UNKNOWN },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        mote_memory_source_t memory;
        mote_body_t body;

        mote_memory_source_init(&memory, mote_span("", rows[i].pieces));
        memory.source.next = next_endless;
        mote_body_start(&body, &memory.source, 0); /* as if so much had been scanned before */
        memory.source.wire_size = rows[i].before;
        memory.source.is_canonical = MOTE_YES;
        assert_int_equal(mote_body_scan(&body, &memory.source, NULL), MOTE_OK);
        assert_int_equal(memory.source.wire_size, rows[i].size);
    }
}

/* What others may write to is looked at again as it leaves, and only as the lines it was scanned as. */
static void changed_since(void **state)
{
    char text[] = "one\r\ntwo\r\n";
    uint8_t out[64];
    size_t size;
    mote_memory_source_t memory;
    mote_body_t body;

    (void)state;
    mote_memory_source_init(&memory, mote_span_text(text));
    memory.source.is_canonical = MOTE_NO;
    memory.source.has_lf_lines = true;
    memset(&body, 0, sizeof body);
    assert_int_equal(mote_body_scan(&body, &memory.source, NULL), MOTE_OK);
    assert_int_equal(memory.source.is_canonical, MOTE_NO);
    assert_int_equal(read_body(&memory.source, STUFF, out, &size), MOTE_CLOSED);
    text[3] = 'x'; /* "onex\ntwo" */
    assert_int_equal(read_body(&memory.source, STUFF, out, &size), MOTE_ERR_CONTENT);
    assert_int_equal(size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split), cmocka_unit_test(scans),   cmocka_unit_test(long_lines),
        cmocka_unit_test(empty_pieces), cmocka_unit_test(canonical_lf_lines), cmocka_unit_test(cr_at_a_window), cmocka_unit_test(sizes_beyond),
        cmocka_unit_test(windows),     cmocka_unit_test(refused_line_is_told), cmocka_unit_test(failing_source),
        cmocka_unit_test(facts),       cmocka_unit_test(changed_since),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
