/* A message that comes in pieces, as the fuzzer cuts it. */
#ifndef MAILMOTE_FUZZ_PIECES_H
#define MAILMOTE_FUZZ_PIECES_H

#include <mailmote/mail.h>

typedef struct pieces {
    mote_source_t source;
    mote_span_t text;
    size_t offset;
    size_t piece_bytes;
} pieces_t;

static mote_status_t rewind_pieces(void *self)
{
    ((pieces_t *)self)->offset = 0;
    return MOTE_OK;
}

static mote_status_t next_piece(void *self, mote_span_t *piece)
{
    pieces_t *pieces = self;

    *piece = mote_span_slice(pieces->text, pieces->offset, pieces->piece_bytes);
    pieces->offset += piece->size;
    return piece->size > 0 ? MOTE_OK : MOTE_CLOSED;
}

#endif
