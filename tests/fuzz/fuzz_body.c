#include "fuzz.h"

#include "pieces.h"

/* SMTP-50, SEC-1: what leaves matches (text CRLF)*, holds no line that is a lone dot, and un-stuffed it is the message.
   The first octet chooses flags and how the rest is cut into pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pieces_t pieces;
    mote_body_t body;
    mote_span_t stretch;
    mote_status_t status;
    bool is_stable;
    uint8_t *out = malloc(3 * size + 8);
    size_t out_size = 0;
    size_t in = 0;
    bool is_line_start = true;

    memset(&pieces, 0, sizeof pieces);
    if (size > 0) {
        pieces.source.rewind = rewind_pieces;
        pieces.source.next = next_piece;
        pieces.source.self = &pieces;
        pieces.source.wire_size = MOTE_SIZE_UNKNOWN;
        pieces.source.has_lf_lines = (data[0] & 1) != 0;
        pieces.piece_bytes = 1U + (data[0] >> 2);
        pieces.text = mote_span(data + 1, size - 1);
        if ((data[0] & 2) != 0) {
            memset(&body, 0, sizeof body);
            if (mote_body_scan(&body, &pieces.source, NULL) != MOTE_OK) {
                free(out);
                return 0;
            }
        }
        mote_body_start(&body, &pieces.source, MOTE_BODY_STUFFS_DOTS);
        while ((status = mote_body_next(&body, &stretch, &is_stable)) == MOTE_OK) {
            REQUIRE(stretch.size > 0 && out_size + stretch.size <= 3 * size + 8);
            memcpy(out + out_size, stretch.data, stretch.size);
            out_size += stretch.size;
        }
        REQUIRE(status == MOTE_CLOSED || status == MOTE_ERR_CONTENT);
        for (size_t i = 0; i < out_size && status == MOTE_CLOSED; i++) {
            if (is_line_start && out[i] == '.') {
                i++;
                REQUIRE(i < out_size && out[i] == '.'); /* every leading dot is doubled */
            }
            is_line_start = out[i] == '\n';
            REQUIRE(out[i] != 0 && (out[i] != '\n' || (i > 0 && out[i - 1] == '\r')));
            REQUIRE(out[i] != '\r' || (i + 1 < out_size && out[i + 1] == '\n'));
            if (in < pieces.text.size && out[i] == pieces.text.data[in]) {
                in++;
            } else {
                REQUIRE(out[i] == '\r' || (out[i] == '\n' && i + 1 == out_size)); /* a line end that was added */
            }
        }
        REQUIRE(status != MOTE_CLOSED || (in == pieces.text.size && is_line_start));
        REQUIRE(status == MOTE_CLOSED || out_size == 0 || out[out_size - 1] != '\r');
    }
    free(out);
    return 0;
}
