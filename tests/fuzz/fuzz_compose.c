#include "fuzz.h"

#include <mailmote/compose.h>

/* Cuts the next part of the input, up to a line feed. */
static mote_span_t cut(mote_span_t *input)
{
    size_t size = mote_span_find(*input, '\n');
    mote_span_t part = mote_span_slice(*input, 0, size);

    *input = mote_span_slice(*input, size + 1, input->size);
    return part;
}

static const uint8_t *find(const uint8_t *text, size_t size, const char *word)
{
    size_t word_size = strlen(word);

    for (size_t i = 0; i + word_size <= size; i++) {
        if (memcmp(text + i, word, word_size) == 0) {
            return text + i;
        }
    }
    return NULL;
}

/* MSG-11, MSG-12, MSG-31: whatever is said, the header has the fields that we made and no other, each line is 7-bit, ends
   with CRLF and fits, and no text can end the part it stands in. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[1 << 17];
    mote_span_t input = mote_span(data, size < 8192 ? size : 8192);
    mote_part_t parts[2];
    mote_message_t message;
    mote_name_addr_t from = { { NULL, 0 }, MOTE_SPAN("a@example.net") };
    mote_field_t field = { MOTE_SPAN("X-A"), { NULL, 0 } };
    mote_compose_t compose;
    uint8_t room[300];
    mote_span_t piece;
    mote_status_t status;
    size_t out_size = 0;
    size_t line_size = 0;
    unsigned field_count = 0;
    unsigned delimiter_count = 0;
    const uint8_t *at;

    memset(&message, 0, sizeof message);
    memset(parts, 0, sizeof parts);
    memset(message.seed, 'Z', sizeof message.seed);
    message.subject = cut(&input);
    from.name = cut(&input);
    field.value = cut(&input);
    parts[1].name = cut(&input);
    parts[1].type = cut(&input);
    parts[1].role = MOTE_PART_ATTACHMENT;
    parts[0].content = input;
    message.from.items = &from;
    message.from.count = 1;
    message.fields = &field;
    message.field_count = 1;
    message.parts = parts;
    message.part_count = 2;
    if (mote_compose_start(&compose, &message, room, MOTE_COMPOSE_ROOM_BYTES + (size & 127)) != MOTE_OK ||
        mote_compose_scan(&compose) != MOTE_OK) {
        REQUIRE(compose.fault != NULL);
        return 0;
    }
    while ((status = compose.source.next(&compose, &piece)) == MOTE_OK) {
        REQUIRE(piece.size > 0 && piece.size < sizeof out - out_size);
        memcpy(out + out_size, piece.data, piece.size);
        out_size += piece.size;
    }
    REQUIRE(status == MOTE_CLOSED && compose.source.wire_size == (int32_t)out_size);
    for (size_t i = 0; i < out_size; i++) {
        REQUIRE(out[i] < 0x80 && out[i] != 0 && (out[i] != '\n' || (i > 0 && out[i - 1] == '\r')));
        REQUIRE(out[i] != '\r' || (i + 1 < out_size && out[i + 1] == '\n'));
        line_size = out[i] == '\n' ? 0 : line_size + 1;
        REQUIRE(line_size <= 200);
    }
    at = find(out, out_size, "\r\n\r\n");
    REQUIRE(at != NULL);
    for (const uint8_t *line = out; line < at; line++) {
        field_count += (line == out || line[-1] == '\n') && *line != ' ' ? 1U : 0U;
    }
    REQUIRE(field_count == 6 + (message.subject.size > 0 ? 1U : 0U) + 1); /* From To ID Auto X-A MIME Content-Type */
    for (at = out; (at = find(at, out_size - (size_t)(at - out), "\r\n--=_m")) != NULL; at++) {
        delimiter_count++;
    }
    REQUIRE(delimiter_count == 3);
    return 0;
}
