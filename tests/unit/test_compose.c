#include "test.h"

#include <mailmote/body.h>
#include <mailmote/compose.h>

static const mote_name_addr_t pump = { MOTE_SPAN("Pump 7"), MOTE_SPAN("pump@example.net") };
static const mote_name_addr_t ops = { MOTE_SPAN(""), MOTE_SPAN("ops@example.net") };

/* A message that is complete but for its parts. */
static mote_message_t make_message(mote_part_t *parts, size_t part_count)
{
    mote_message_t message;

    memset(&message, 0, sizeof message);
    memset(message.seed, 0xA5, sizeof message.seed);
    message.from.items = &pump;
    message.from.count = 1;
    message.to.items = &ops;
    message.to.count = 1;
    message.subject = TEXT("Pressure");
    message.date_s = 1751359957;
    message.parts = parts;
    message.part_count = part_count;
    return message;
}

#define HEAD                                                                                                  \
    "Date: Tue, 01 Jul 2025 08:52:37 +0000\r\n"                                                               \
    "From: Pump 7 <pump@example.net>\r\n"                                                                     \
    "To: ops@example.net\r\n"                                                                                 \
    "Subject: Pressure\r\n"                                                                                   \
    "Message-ID: <a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5@example.net>\r\n"                                          \
    "Auto-Submitted: auto-generated\r\n"                                                                      \
    "MIME-Version: 1.0\r\n"
#define SEED "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"

/* A source that gives its text in pieces, and says "nothing yet" before each. */
typedef struct pieces {
    mote_source_t source;
    mote_span_t text;
    size_t piece_size;
    size_t offset;
    bool is_pending;
    size_t failing_at; /* offset at which it fails */
} pieces_t;

static mote_status_t rewind_pieces(void *self)
{
    pieces_t *pieces = self;

    pieces->offset = 0;
    return MOTE_OK;
}

static mote_status_t next_piece(void *self, mote_span_t *piece)
{
    pieces_t *pieces = self;

    pieces->is_pending = !pieces->is_pending;
    if (pieces->is_pending) {
        return MOTE_PENDING;
    }
    if (pieces->offset >= pieces->failing_at) {
        return MOTE_ERR_SOURCE;
    }
    *piece = mote_span_slice(pieces->text, pieces->offset, pieces->piece_size);
    pieces->offset += piece->size;
    return piece->size > 0 ? MOTE_OK : MOTE_CLOSED;
}

static void init_pieces(pieces_t *pieces, mote_span_t text, size_t piece_size)
{
    memset(pieces, 0, sizeof *pieces);
    pieces->source.rewind = rewind_pieces;
    pieces->source.next = next_piece;
    pieces->source.self = pieces;
    pieces->text = text;
    pieces->piece_size = piece_size;
    pieces->failing_at = SIZE_MAX;
}

static mote_status_t scan(mote_compose_t *compose)
{
    mote_status_t status;

    while ((status = mote_compose_scan(compose)) == MOTE_PENDING) {
    }
    return status;
}

/* Reads it from its beginning. */
static mote_status_t read_all(mote_source_t *source, uint8_t *text, size_t capacity, size_t *size)
{
    mote_span_t piece;
    mote_status_t status = source->rewind(source->self);

    *size = 0;
    while (status == MOTE_OK || status == MOTE_PENDING) {
        status = source->next(source->self, &piece);
        if (status == MOTE_OK) {
            assert_true(piece.size > 0 && piece.size <= capacity - *size);
            memcpy(text + *size, piece.data, piece.size);
            *size += piece.size;
        }
    }
    return status;
}

/* Composes with this room; the size said is the size read, and a second reading gives the same. */
static size_t compose_whole(const mote_message_t *message, size_t room_size, uint8_t *text, size_t capacity, const char *name)
{
    static uint8_t again[300000];
    uint8_t *room = malloc(room_size);
    mote_compose_t compose;
    mote_body_t body;
    size_t size = 0;
    size_t again_size = 0;
    int32_t wire_size;

    assert_non_null(room);
    CHECK(mote_compose_start(&compose, message, room, room_size) == MOTE_OK, name);
    CHECK(scan(&compose) == MOTE_OK, name);
    CHECK(read_all(&compose.source, text, capacity, &size) == MOTE_CLOSED, name);
    CHECK(compose.source.wire_size == (int32_t)size, name);
    CHECK(read_all(&compose.source, again, sizeof again, &again_size) == MOTE_CLOSED, name);
    CHECK(again_size == size && memcmp(text, again, size) == 0, name);
    wire_size = compose.source.wire_size;
    memset(&body, 0, sizeof body); /* what it says of itself is so: canonical, 7-bit, that many octets */
    while (mote_body_scan(&body, &compose.source, NULL) == MOTE_PENDING) {
    }
    CHECK(compose.source.wire_size == wire_size && compose.source.is_8bit == MOTE_NO &&
          compose.source.is_canonical == MOTE_YES, name);
    free(room);
    return size;
}

/* ---- text ---------------------------------------------------------------------------------------------- */

#define TEXT_7BIT "Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
#define TEXT_QP "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
#define ASCII_QP "Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
#define FORTY "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    const char *name;
    const char *text;
    size_t size;
    const char *body; /* header of the part, and what follows */
} texts[] = { /* MSG-23 to MSG-29; DKIM-7: 7 bits, whatever was given; SMTP-54: one empty line */
#define ROW(name, text, body) { name, text, sizeof(text) - 1, body }
    ROW("nothing", "", TEXT_7BIT),
    ROW("a line", "hello\n", TEXT_7BIT "hello\r\n"),
    ROW("CRLF", "hello\r\nyou\r\n", TEXT_7BIT "hello\r\nyou\r\n"),
    ROW("no end", "hello", TEXT_7BIT "hello\r\n"),
    ROW("empty lines", "\n\na\n\n", TEXT_7BIT "\r\n\r\na\r\n\r\n"),
    ROW("a tab within", "a\tb c\n", TEXT_7BIT "a\tb c\r\n"),
    ROW("78 octets", FORTY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n", TEXT_7BIT FORTY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n"),
    ROW("79 octets", FORTY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n",
        ASCII_QP FORTY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb=\r\nbbbb\r\n"),
    ROW("umlaut", "F\xC3\xBClle = 4\n", TEXT_QP "F=C3=BClle =3D 4\r\n"),
    ROW("an equals sign", "ab = c\n", TEXT_7BIT "ab = c\r\n"),
    ROW("a delimiter", "--=_m" SEED "\n", ASCII_QP "--=3D_m" SEED "\r\n"),
    ROW("blank at a line's end", "a \nb\t\r\n", ASCII_QP "a=20\r\nb=09\r\n"),
    ROW("blank at the end", "a ", ASCII_QP "a=20\r\n"),
    ROW("lone dot", "a\n.\nb\n", ASCII_QP "a\r\n=2E\r\nb\r\n"),
    ROW("From at a line's start", "From here\nFromage\n From\n", ASCII_QP "From=20here\r\nFromage\r\n From\r\n"),
    ROW("lone CR", "a\rb\n", ASCII_QP "a=0Db\r\n"),
    ROW("CR at the end", "a\r", ASCII_QP "a=0D\r\n"),
    ROW("CR CR LF", "a\r\r\n", ASCII_QP "a=0D\r\n"),
    ROW("NUL", "a\0b\n", ASCII_QP "a=00b\r\n"),
    ROW("escape within line limits", FORTY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\xC3\xA9\n",
        TEXT_QP FORTY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb=C3=\r\n=A9\r\n"),
    ROW("a control within a word", "abcdefghijkl\x1Fmnopqrstuvwx\n", ASCII_QP "abcdefghijkl=1Fmnopqrstuvwx\r\n"),
    ROW("DEL within a word", "abcdefghijkl\x7Fmnopqrstuvwx\n", ASCII_QP "abcdefghijkl=7Fmnopqrstuvwx\r\n"),
    ROW("an equals sign within a word", "\xC3\xA9 abcdefghi=jklmnopqrs\n", TEXT_QP "=C3=A9 abcdefghi=3Djklmnopqrs\r\n"),
    ROW("blanks and a tab", "\xC3\xA9  a \t b   \n", TEXT_QP "=C3=A9  a \t b  =20\r\n"),
    ROW("dot behind a soft break", FORTY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.\xC3\xA9\n",
        TEXT_QP FORTY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb=\r\n=2E=C3=A9\r\n"),
    ROW("From behind a soft break", FORTY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbFrom \xC3\xA9\n",
        TEXT_QP FORTY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb=\r\nFrom=20=C3=A9\r\n"),
    ROW("a blank before a soft break", FORTY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb c \xC3\xA9\n",
        TEXT_QP FORTY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb =\r\nc =C3=A9\r\n"),
    ROW("a blank behind a soft break", FORTY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb c \xC3\xA9\n",
        TEXT_QP FORTY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb=\r\n c =C3=A9\r\n"),
#undef ROW
};

static void every_text(void **state)
{
    static uint8_t text[4000];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        for (size_t room_size = MOTE_COMPOSE_ROOM_BYTES; room_size < 140; room_size += 7) {
            mote_part_t part;
            mote_message_t message = make_message(&part, 1);
            char expected[4000];
            size_t size;

            memset(&part, 0, sizeof part);
            part.content = exact_copy(mote_span(texts[i].text, texts[i].size));
            size = compose_whole(&message, room_size, text, sizeof text, texts[i].name);
            (void)snprintf(expected, sizeof expected, "%s%s", HEAD, texts[i].body);
            if (!mote_span_equals(mote_span(text, size), mote_span_text(expected))) {
                fail_msg("%s: %.*s", texts[i].name, (int)size, (const char *)text);
            }
            free_copy(part.content);
        }
    }
}

/* MSG-37, MSG-38: however the text comes, the same octets leave. */
static void text_in_pieces(void **state)
{
    static uint8_t whole[4000];
    static uint8_t cut[4000];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        for (size_t piece_size = 1; piece_size < 80; piece_size += 3) {
            mote_part_t part;
            mote_message_t message = make_message(&part, 1);
            pieces_t pieces;
            size_t size;

            memset(&part, 0, sizeof part);
            part.content = mote_span(texts[i].text, texts[i].size);
            size = compose_whole(&message, 200, whole, sizeof whole, texts[i].name);
            init_pieces(&pieces, part.content, piece_size);
            memset(&part, 0, sizeof part);
            part.source = &pieces.source;
            CHECK(compose_whole(&message, 80, cut, sizeof cut, texts[i].name) == size, texts[i].name);
            CHECK(memcmp(whole, cut, size) == 0, texts[i].name);
        }
    }
}

/* ---- parts --------------------------------------------------------------------------------------------- */

#define HTML "Content-Type: text/html; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n<p>hi</p>"
#define IMAGE                                                                                                 \
    "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <logo.png>\r\n"              \
    "Content-Disposition: inline;\r\n filename=\"logo.png\"\r\n\r\niVBORw=="
#define LOG                                                                                                   \
    "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"                         \
    "Content-Disposition: attachment;\r\n filename=\"pump.log\"\r\n\r\nbG9n"
#define M "\r\n--=_m" SEED
#define R "\r\n--=_r" SEED
#define A "\r\n--=_a" SEED
#define MIXED "Content-Type: multipart/mixed;\r\n boundary=\"=_m" SEED "\"\r\n"
#define RELATED(type) "Content-Type: multipart/related;\r\n type=\"" type "\";\r\n boundary=\"=_r" SEED "\"\r\n"
#define ALTERNATIVE "Content-Type: multipart/alternative;\r\n boundary=\"=_a" SEED "\"\r\n"

/* MSG-30 to MSG-33; SMTP-54: one empty line behind the header, also where nothing follows. t, h, i, a: text, HTML, inline, attachment. */
static void trees(void **state)
{
    static const struct {
        const char *roles;
        const char *body;
    } cases[] = {
        { "", "\r\n" },
        { "t", TEXT_7BIT "hi\r\n" },
        { "h", HTML "\r\n" },
        { "th", ALTERNATIVE A "\r\n" TEXT_7BIT "hi" A "\r\n" HTML A "--\r\n" },
        { "ta", MIXED M "\r\n" TEXT_7BIT "hi" M "\r\n" LOG M "--\r\n" },
        { "a", MIXED M "\r\n" LOG M "--\r\n" },
        { "aa", MIXED M "\r\n" LOG M "\r\n" LOG M "--\r\n" },
        { "ti", MIXED M "\r\n" TEXT_7BIT "hi" M "\r\n" IMAGE M "--\r\n" },
        { "hi", RELATED("text/html") R "\r\n" HTML R "\r\n" IMAGE R "--\r\n" },
        { "thi", RELATED("multipart/alternative") R "\r\n" ALTERNATIVE A "\r\n" TEXT_7BIT "hi" A "\r\n" HTML A "--" R "\r\n" IMAGE
              R "--\r\n" },
        { "tha", MIXED M "\r\n" ALTERNATIVE A "\r\n" TEXT_7BIT "hi" A "\r\n" HTML A "--" M "\r\n" LOG M "--\r\n" },
        { "thia", MIXED M "\r\n" RELATED("multipart/alternative") R "\r\n" ALTERNATIVE A "\r\n" TEXT_7BIT "hi" A "\r\n" HTML A "--" R
              "\r\n" IMAGE R "--" M "\r\n" LOG M "--\r\n" },
        { "hia", MIXED M "\r\n" RELATED("text/html") R "\r\n" HTML R "\r\n" IMAGE R "--" M "\r\n" LOG M "--\r\n" },
    };
    static uint8_t text[4000];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t room_size = MOTE_COMPOSE_ROOM_BYTES; room_size < 1000; room_size += 333) {
            mote_part_t parts[4];
            mote_message_t message = make_message(parts, strlen(cases[i].roles));
            char expected[4000];
            size_t size;

            memset(parts, 0, sizeof parts);
            for (size_t k = 0; k < message.part_count; k++) {
                const char role = cases[i].roles[k];

                parts[k].role = role == 't'   ? MOTE_PART_TEXT
                                : role == 'h' ? MOTE_PART_HTML
                                : role == 'i' ? MOTE_PART_INLINE
                                              : MOTE_PART_ATTACHMENT;
                parts[k].content = role == 't'   ? TEXT("hi")
                                   : role == 'h' ? TEXT("<p>hi</p>")
                                   : role == 'i' ? TEXT("\x89PNG")
                                                 : TEXT("log");
                if (role == 'i') {
                    parts[k].type = TEXT("image/png");
                    parts[k].content_id = TEXT("logo.png");
                }
                if (role == 'i' || role == 'a') {
                    parts[k].name = role == 'i' ? TEXT("logo.png") : TEXT("pump.log");
                }
            }
            size = compose_whole(&message, room_size, text, sizeof text, cases[i].roles);
            (void)snprintf(expected, sizeof expected, "%s%s", HEAD, cases[i].body);
            if (!mote_span_equals(mote_span(text, size), mote_span_text(expected))) {
                fail_msg("%s: %.*s", cases[i].roles, (int)size, (const char *)text);
            }
        }
    }
}

/* MSG-27: attachments of every size near a line's, in every cut and every room: decoded they are what was given. */
static void attachments(void **state)
{
    static uint8_t text[8000];
    static uint8_t octets[400];

    (void)state;
    for (size_t i = 0; i < sizeof octets; i++) {
        octets[i] = (uint8_t)(i * 37 + 11);
    }
    for (size_t size = 0; size < sizeof octets; size += size < 180 ? 1 : 19) {
        for (size_t piece_size = 1; piece_size < 200; piece_size = piece_size * 2 + 1) {
            mote_part_t part;
            mote_message_t message = make_message(&part, 1);
            mote_base64_decoder_t decoder;
            pieces_t pieces;
            const char *at;
            size_t column = 0;
            size_t got = 0;

            memset(&part, 0, sizeof part);
            memset(&decoder, 0, sizeof decoder);
            init_pieces(&pieces, mote_span(octets, size), piece_size);
            part.role = MOTE_PART_ATTACHMENT;
            part.source = &pieces.source;
            part.source_size = (piece_size & 2) != 0 ? (uint32_t)size : 0;
            text[compose_whole(&message, 80 + piece_size, text, sizeof text - 1, "attachment")] = 0;
            at = strstr((const char *)text, "Disposition: attachment\r\n\r\n") + 27;
            for (; strncmp(at, M, sizeof M - 1) != 0; at++) {
                uint8_t octet = 0;

                if (*at == '\r' || *at == '\n') {
                    column = 0;
                    continue;
                }
                column++;
                assert_true(column <= 76);
                if (mote_base64_octet(&decoder, (uint8_t)*at, &octet) == MOTE_OK) {
                    assert_int_equal(octet, octets[got]);
                    got++;
                }
            }
            assert_true(mote_base64_is_complete(&decoder));
            assert_int_equal(got, size);
        }
    }
}

/* A 100 MB generator: the size is known before, nothing grows (MSG-36, MSG-37). */
static mote_status_t next_of_zeros(void *self, mote_span_t *piece)
{
    static const uint8_t zeros[10000];
    uint32_t *left = self;

    if (*left == 0) {
        return MOTE_CLOSED;
    }
    *piece = mote_span(zeros, *left < sizeof zeros ? *left : sizeof zeros);
    *left -= (uint32_t)piece->size;
    return MOTE_OK;
}

static mote_status_t rewind_zeros(void *self)
{
    *(uint32_t *)self = 100000000;
    return MOTE_OK;
}

static void hundred_megabytes(void **state)
{
    uint8_t room[1000];
    uint32_t left = 0;
    mote_source_t zeros;
    mote_part_t part;
    mote_message_t message = make_message(&part, 1);
    mote_compose_t compose;
    mote_span_t piece;
    mote_status_t status;
    int64_t size = 0;

    (void)state;
    memset(&zeros, 0, sizeof zeros);
    zeros.next = next_of_zeros;
    zeros.rewind = rewind_zeros;
    zeros.self = &left;
    memset(&part, 0, sizeof part);
    part.role = MOTE_PART_ATTACHMENT;
    part.source = &zeros;
    part.source_size = 100000000;
    assert_int_equal(mote_compose_start(&compose, &message, room, sizeof room), MOTE_OK);
    assert_int_equal(mote_compose_scan(&compose), MOTE_OK);
    while ((status = compose.source.next(&compose, &piece)) == MOTE_OK) {
        size += (int64_t)piece.size;
    }
    assert_int_equal(status, MOTE_CLOSED);
    assert_int_equal(size, compose.source.wire_size);
    assert_true(size > 136000000);
    assert_true(sizeof compose <= 256);
}

/* ---- what must not be ---------------------------------------------------------------------------------- */

/* A source that fails, ends early, gives too much, or gives a text that cannot be: the message never ends. */
static void sources_at_fault(void **state)
{
    static const struct {
        const char *name;
        const char *text;
        uint32_t said_size;
        size_t failing_at;
        uint8_t role;
        mote_status_t status; /* of the scan */
    } cases[] = {
        { "fails at once", "0123456789", 0, 0, MOTE_PART_ATTACHMENT, MOTE_ERR_SOURCE },
        { "fails in the middle", "0123456789", 0, 4, MOTE_PART_ATTACHMENT, MOTE_ERR_SOURCE },
        { "ends early", "0123456789", 11, SIZE_MAX, MOTE_PART_ATTACHMENT, MOTE_OK },
        { "gives too much", "0123456789", 9, SIZE_MAX, MOTE_PART_ATTACHMENT, MOTE_OK },
        { "text fails", "0123456789", 0, 4, MOTE_PART_TEXT, MOTE_ERR_SOURCE },
        { "text ends early", "0123456789", 11, SIZE_MAX, MOTE_PART_TEXT, MOTE_ERR_SOURCE },
        { "Latin-1", "caf\xE9 au lait", 0, SIZE_MAX, MOTE_PART_HTML, MOTE_ERR_CONTENT },
        { "a character cut short", "caf\xC3", 0, SIZE_MAX, MOTE_PART_TEXT, MOTE_ERR_CONTENT },
    };
    static uint8_t text[2000];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (int is_scanned = 0; is_scanned < 2; is_scanned++) {
            mote_part_t part;
            mote_message_t message = make_message(&part, 1);
            mote_compose_t compose;
            pieces_t pieces;
            uint8_t room[100];
            size_t size;

            memset(&part, 0, sizeof part);
            init_pieces(&pieces, mote_span_text(cases[i].text), 4);
            pieces.failing_at = cases[i].failing_at;
            part.role = cases[i].role;
            part.source = &pieces.source;
            part.source_size = cases[i].said_size;
            CHECK(mote_compose_start(&compose, &message, room, sizeof room) == MOTE_OK, cases[i].name);
            if (is_scanned != 0) {
                CHECK(scan(&compose) == cases[i].status, cases[i].name);
                CHECK((compose.fault != NULL) == (cases[i].status != MOTE_OK), cases[i].name);
            }
            CHECK(read_all(&compose.source, text, sizeof text, &size) == MOTE_ERR_SOURCE, cases[i].name);
        }
    }
}

/* A source that cannot be rewound, now or ever, and one whose pieces are empty or longer than anything: named, and never
   taken for an end. */
typedef struct odd_source {
    mote_source_t source;
    mote_span_t piece;
    mote_status_t rewound;
    unsigned rewind_count;
} odd_source_t;

static mote_status_t rewind_odd(void *self)
{
    odd_source_t *odd = self;

    return odd->rewind_count++ % 2 == 0 ? odd->rewound : MOTE_OK;
}

static mote_status_t next_of_odd(void *self, mote_span_t *piece)
{
    *piece = ((odd_source_t *)self)->piece;
    return MOTE_OK;
}

static void odd_sources(void **state)
{
    static const struct {
        const char *name;
        uint8_t role;
        mote_status_t rewound;
        size_t piece_size;
    } cases[] = {
        { "an attachment that cannot be rewound", MOTE_PART_ATTACHMENT, MOTE_ERR_SOURCE, 0 },
        { "a text that cannot be rewound", MOTE_PART_TEXT, MOTE_ERR_SOURCE, 0 },
        { "empty pieces", MOTE_PART_ATTACHMENT, MOTE_OK, 0 },
        { "empty pieces of text, rewound at the second try", MOTE_PART_TEXT, MOTE_PENDING, 0 },
        { "more than can be counted", MOTE_PART_ATTACHMENT, MOTE_PENDING, 0xF0000000U },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        odd_source_t odd = { { rewind_odd, next_of_odd, &odd, MOTE_SIZE_UNKNOWN, 0, 0, false, false }, { NULL, 0 }, cases[i].rewound, 0 };
        mote_part_t part;
        mote_message_t message = make_message(&part, 1);
        mote_compose_t compose;
        uint8_t room[100];
        uint8_t text[2000];
        size_t size;

        memset(&part, 0, sizeof part);
        part.role = cases[i].role;
        part.source = &odd.source;
        odd.piece.size = cases[i].piece_size; /* nobody looks at what is in it */
        CHECK(mote_compose_start(&compose, &message, room, sizeof room) == MOTE_OK, cases[i].name);
        CHECK(scan(&compose) == MOTE_ERR_SOURCE, cases[i].name);
        CHECK(compose.fault != NULL && strcmp(compose.fault, cases[i].role == MOTE_PART_TEXT ? "text" : "attachment") == 0,
              cases[i].name);
        CHECK(read_all(&compose.source, text, sizeof text, &size) == MOTE_ERR_SOURCE, cases[i].name);
        if (cases[i].piece_size == 0) { /* and without a scan */
            odd.rewind_count = 0;
            CHECK(mote_compose_start(&compose, &message, room, sizeof room) == MOTE_OK, cases[i].name);
            CHECK(read_all(&compose.source, text, sizeof text, &size) == MOTE_ERR_SOURCE, cases[i].name);
        }
    }
}

/* Sizes that a message cannot have are not known, never wrong. Nothing of it is read. */
static void sizes_beyond(void **state)
{
    static const struct {
        uint32_t sizes[2];
        bool is_known;
    } cases[] = { { { 700000000, 100 }, true }, { { 800000000, 800000000 }, false }, { { 1500000000, 1 }, false }, { { 1, UINT32_MAX }, false } };
    mote_source_t source = { NULL, NULL, NULL, MOTE_SIZE_UNKNOWN, 0, 0, false, false };

    (void)state;
    source.rewind = rewind_zeros;
    source.next = next_of_zeros;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint32_t left = 0;
        mote_part_t parts[2];
        mote_message_t message = make_message(parts, 2);
        mote_compose_t compose;
        uint8_t room[100];

        source.self = &left;
        memset(parts, 0, sizeof parts);
        for (size_t k = 0; k < 2; k++) {
            parts[k].role = MOTE_PART_ATTACHMENT;
            parts[k].source = &source;
            parts[k].source_size = cases[i].sizes[k];
        }
        assert_int_equal(mote_compose_start(&compose, &message, room, sizeof room), MOTE_OK);
        assert_int_equal(mote_compose_scan(&compose), MOTE_OK);
        assert_int_equal(compose.source.wire_size >= 0, cases[i].is_known);
    }
}

/* A text that changes after the scan cannot make the message other than it was said to be. */
static void text_that_changes(void **state)
{
    static const char *const later[] = { "0123\xC3\xA9", "01234567", "012345", "01\r345x", "From 01", ". 23456" };
    static uint8_t text[2000];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(later); i++) {
        mote_part_t part;
        mote_message_t message = make_message(&part, 1);
        mote_compose_t compose;
        pieces_t pieces;
        uint8_t room[100];
        size_t size;

        memset(&part, 0, sizeof part);
        init_pieces(&pieces, TEXT("0123456"), 4);
        part.source = &pieces.source;
        assert_int_equal(mote_compose_start(&compose, &message, room, sizeof room), MOTE_OK);
        assert_int_equal(scan(&compose), MOTE_OK);
        pieces.text = mote_span_text(later[i]);
        CHECK(read_all(&compose.source, text, sizeof text, &size) == MOTE_ERR_SOURCE, later[i]);
    }
}

#define LONG FORTY FORTY FORTY FORTY

static mote_status_t start_with(const mote_message_t *message, const char **fault)
{
    static mote_compose_t compose;
    static uint8_t room[100];
    mote_status_t status = mote_compose_start(&compose, message, room, sizeof room);

    *fault = compose.fault;
    if (status != MOTE_OK) {
        mote_span_t piece;

        assert_int_equal(compose.source.next(&compose, &piece), MOTE_ERR_SOURCE); /* and it cannot be read, */
        assert_int_equal(compose.source.rewind(&compose), MOTE_ERR_SOURCE); /* whoever did not listen */
        assert_int_equal(compose.source.next(&compose, &piece), MOTE_ERR_SOURCE);
        assert_int_equal(mote_compose_scan(&compose), MOTE_ERR_ARGUMENT);
    }
    return status;
}

#define REFUSED(expected, field)                                                                              \
    do {                                                                                                      \
        assert_int_equal(start_with(&message, &fault), expected);                                             \
        assert_string_equal(fault, field);                                                                    \
        message = make_message(&part, 1);                                                                     \
    } while (0)

/* MSG-5, MSG-6, MSG-10, MSG-11, MSG-35: each names its field. */
static void refused_fields(void **state)
{
    static const mote_name_addr_t evil = { MOTE_SPAN("x\r\nBcc: y@example.net"), MOTE_SPAN("x@example.net") };
    static const mote_name_addr_t wrong = { MOTE_SPAN(""), MOTE_SPAN("x@example.net>, <y@example.net") };
    static const mote_name_addr_t two[2] = { { MOTE_SPAN(""), MOTE_SPAN("a@example.net") }, { MOTE_SPAN(""), MOTE_SPAN("b@example.net") } };
    static const char *const made_here[] = { "Date", "FROM", "sender", "Reply-To", "To", "Cc", "Bcc", "Subject", "Message-ID",
                                             "In-Reply-To", "References", "MIME-Version", "Content-Type", "Content-Anything",
                                             "Auto-Submitted", "Return-Path", "Received" };
    static const char *const wrong_types[] = { "image", "image/", "/png", "image/p;x=" LONG, "image/png x", "multipart/mixed", "Message/rfc822",
                                               "image/png\r\nX: y", "im age/png", "image/png;\x7F", "image/p\xC3\xA9" };
    static const char *const wrong_names[] = { "/etc/passwd", "..", ".", "a/b", "a\\b", "a\r\nb", "a\xE9", "\x1B[2J" };
    static const char *const wrong_ids[] = { "", "x>\r\nX: y", "a b", "a<b", "a>b", "a\x7F", "a\xC3\xA9", LONG };
    static const mote_name_addr_t wrong_first[2] = { { MOTE_SPAN(""), MOTE_SPAN("x") }, { MOTE_SPAN(""), MOTE_SPAN("b@example.net") } };
    mote_part_t part;
    mote_message_t message = make_message(&part, 1);
    const char *fault;

    (void)state;
    memset(&part, 0, sizeof part);
    assert_int_equal(start_with(&message, &fault), MOTE_OK);
    assert_null(fault);
    message.from.count = 0;
    REFUSED(MOTE_ERR_ADDRESS, "From");
    message.from.items = &evil;
    REFUSED(MOTE_ERR_CONTENT, "From");
    message.from.items = two;
    message.from.count = 2;
    REFUSED(MOTE_ERR_ADDRESS, "Sender");
    message.sender = wrong;
    REFUSED(MOTE_ERR_ADDRESS, "Sender");
    message.reply_to.items = &wrong;
    message.reply_to.count = 1;
    REFUSED(MOTE_ERR_ADDRESS, "Reply-To");
    message.to.items = &wrong;
    REFUSED(MOTE_ERR_ADDRESS, "To");
    message.to.items = wrong_first;
    message.to.count = 2;
    REFUSED(MOTE_ERR_ADDRESS, "To");
    message.cc.items = &evil;
    message.cc.count = 1;
    REFUSED(MOTE_ERR_CONTENT, "Cc");
    message.subject = TEXT("x\r\nBcc: y@example.net");
    REFUSED(MOTE_ERR_CONTENT, "Subject");
    message.date_s = 1000;
    REFUSED(MOTE_ERR_ARGUMENT, "Date");
    memset(message.seed, 0, sizeof message.seed);
    REFUSED(MOTE_ERR_RANDOM, "Message-ID");
    message.id_domain = TEXT("x>\r\nBcc: y");
    REFUSED(MOTE_ERR_ADDRESS, "Message-ID");
    message.in_reply_to = TEXT("no id");
    REFUSED(MOTE_ERR_CONTENT, "In-Reply-To");
    message.references = TEXT("<a@b>\r\n <c@d>");
    REFUSED(MOTE_ERR_CONTENT, "References");
    for (size_t i = 0; i < COUNT_OF(made_here); i++) {
        const mote_field_t field = { mote_span_text(made_here[i]), TEXT("x") };

        message.fields = &field;
        message.field_count = 1;
        REFUSED(MOTE_ERR_ARGUMENT, "a further field");
    }
    part.role = MOTE_PART_ATTACHMENT;
    for (size_t i = 0; i < COUNT_OF(wrong_types); i++) {
        part.type = mote_span_text(wrong_types[i]);
        REFUSED(MOTE_ERR_ARGUMENT, "type");
    }
    part.type = mote_span(NULL, 0);
    for (size_t i = 0; i < COUNT_OF(wrong_names); i++) {
        part.name = mote_span_text(wrong_names[i]);
        CHECK(start_with(&message, &fault) == (i < 5 ? MOTE_ERR_ARGUMENT : MOTE_ERR_CONTENT), wrong_names[i]);
        assert_string_equal(fault, "file name");
    }
    part.name = mote_span(NULL, 0);
    part.content_id = TEXT("x");
    REFUSED(MOTE_ERR_ARGUMENT, "content_id"); /* an attachment has none */
    part.role = MOTE_PART_INLINE;
    for (size_t i = 0; i < COUNT_OF(wrong_ids); i++) {
        part.content_id = mote_span_text(wrong_ids[i]);
        REFUSED(MOTE_ERR_ARGUMENT, "content_id");
    }
    part.content_id = TEXT("x");
    part.type = TEXT("text/csv; charset=utf-8");
    part.name = TEXT(".x");
    assert_int_equal(start_with(&message, &fault), MOTE_OK);
    part.role = 9;
    REFUSED(MOTE_ERR_ARGUMENT, "parts");
}

static void refused_order(void **state)
{
    static const uint8_t wrong[][3] = { { 1, 0, 3 }, { 3, 0, 3 }, { 2, 3, 3 }, { 0, 0, 3 }, { 0, 1, 1 }, { 0, 3, 2 } };
    mote_part_t parts[3];
    mote_message_t message = make_message(parts, 3);
    mote_compose_t compose;
    uint8_t room[100];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        memset(parts, 0, sizeof parts);
        for (size_t k = 0; k < 3; k++) {
            parts[k].role = wrong[i][k];
            parts[k].content_id = wrong[i][k] == MOTE_PART_INLINE && k > 0 ? TEXT("x") : mote_span(NULL, 0);
        }
        assert_int_equal(mote_compose_start(&compose, &message, room, sizeof room), MOTE_ERR_ARGUMENT);
    }
    message.part_count = 0;
    assert_int_equal(mote_compose_start(&compose, &message, room, MOTE_COMPOSE_ROOM_BYTES - 1), MOTE_ERR_SPACE);
}

/* MSG-3, MSG-4, MSG-7 to MSG-9, MSG-18 to MSG-20, MSG-22, MSG-41: everything a header can say. */
static void whole_header(void **state)
{
    static const mote_name_addr_t from[2] = { { MOTE_SPAN("Lee, B."), MOTE_SPAN("lee@example.net") }, { MOTE_SPAN(""), MOTE_SPAN("b@example.net") } };
    static const mote_field_t fields[2] = { { MOTE_SPAN("List-Id"), MOTE_SPAN("<alerts.example.net>") },
                                            { MOTE_SPAN("X-Place"), MOTE_SPAN("K\xC3\xB6ln") } };
    static uint8_t text[2000];
    mote_message_t message = make_message(NULL, 0);
    size_t size;

    (void)state;
    message.from.items = from;
    message.from.count = 2;
    message.sender = pump;
    message.reply_to.items = &ops;
    message.reply_to.count = 1;
    message.cc.items = from;
    message.cc.count = 2;
    message.zone_minutes = MOTE_ZONE_UNKNOWN;
    message.auto_submitted = MOTE_AUTO_REPLIED;
    message.id_domain = TEXT("mail.example.net");
    message.in_reply_to = TEXT("<1@example.net>");
    message.references = TEXT("<0@example.net> <1@example.net>");
    message.fields = fields;
    message.field_count = 2;
    size = compose_whole(&message, 80, text, sizeof text - 1, "header");
    text[size] = 0;
    assert_string_equal((char *)text,
                        "Date: Tue, 01 Jul 2025 08:52:37 -0000\r\n"
                        "From: \"Lee, B.\" <lee@example.net>, b@example.net\r\n"
                        "Sender: Pump 7 <pump@example.net>\r\n"
                        "Reply-To: ops@example.net\r\n"
                        "To: ops@example.net\r\n"
                        "Cc: \"Lee, B.\" <lee@example.net>, b@example.net\r\n"
                        "Subject: Pressure\r\n"
                        "Message-ID: <" SEED "@mail.example.net>\r\n"
                        "In-Reply-To: <1@example.net>\r\n"
                        "References: <0@example.net> <1@example.net>\r\n"
                        "Auto-Submitted: auto-replied\r\n"
                        "List-Id: <alerts.example.net>\r\n"
                        "X-Place: =?utf-8?Q?K=C3=B6ln?=\r\n"
                        "MIME-Version: 1.0\r\n"
                        "\r\n");
    message = make_message(NULL, 0); /* nobody to be named, no clock, a person */
    message.to.count = 0;
    message.date_s = 0;
    message.auto_submitted = MOTE_AUTO_NO;
    message.subject = TEXT("");
    size = compose_whole(&message, 1000, text, sizeof text - 1, "header");
    text[size] = 0;
    assert_string_equal((char *)text, "From: Pump 7 <pump@example.net>\r\n"
                                      "To: undisclosed-recipients:;\r\n"
                                      "Message-ID: <" SEED "@example.net>\r\n"
                                      "MIME-Version: 1.0\r\n"
                                      "\r\n");
    message.cc.items = &ops; /* a copy alone */
    message.cc.count = 1;
    size = compose_whole(&message, 1000, text, sizeof text - 1, "header");
    text[size] = 0;
    assert_non_null(strstr((char *)text, "example.net>\r\nCc: ops@example.net\r\nMessage-ID"));
}

/* Whoever writes the Message-ID alone, without start, gets one that a later in_reply_to may be, or nothing. */
static void id_alone(void **state)
{
    static const struct {
        const char *from;
        const char *id_domain;
        const char *id;
    } rows[] = {
        { "pump@example.net", "", "<" SEED "@example.net>" },
        { "pump", "mail.example.net", "<" SEED "@mail.example.net>" },
        { "pump@[192.0.2.1]", "", "<" SEED "@[192.0.2.1]>" },
        { "pump@[IPv6:2001:db8::1]", "", "<" SEED "@[IPv6:2001:db8::1]>" },
        { "", "", "" },
        { "pump", "", "" },
        { "postmaster", "", "" },
        { "pump@example.net>\r\nBcc: x@example.net", "", "" },
        { "pump@example.net", "example.net>\r\nBcc: <x@example.net", "" },
    };

    (void)state;
    for (size_t i = 0; i <= COUNT_OF(rows); i++) {
        bool has_from = i < COUNT_OF(rows);
        const mote_name_addr_t from = { mote_span(NULL, 0), mote_span_text(has_from ? rows[i].from : "") };
        const char *id = has_from ? rows[i].id : "";
        mote_message_t message = make_message(NULL, 0);
        uint8_t text[128];
        mote_writer_t out = mote_writer(text, sizeof text);

        message.from.items = &from;
        message.from.count = has_from ? 1 : 0;
        message.id_domain = mote_span_text(has_from ? rows[i].id_domain : "");
        mote_compose_write_id(&out, &message);
        CHECK(mote_span_equals(mote_span(text, out.size), mote_span_text(id)), id);
        CHECK(out.size == 0 || mote_header_check_ids(mote_span(text, out.size)) == MOTE_OK, id);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text),       cmocka_unit_test(text_in_pieces),    cmocka_unit_test(trees),
        cmocka_unit_test(attachments),      cmocka_unit_test(hundred_megabytes), cmocka_unit_test(sources_at_fault),
        cmocka_unit_test(text_that_changes), cmocka_unit_test(refused_fields),   cmocka_unit_test(refused_order),
        cmocka_unit_test(whole_header),     cmocka_unit_test(odd_sources),       cmocka_unit_test(sizes_beyond),
        cmocka_unit_test(id_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
