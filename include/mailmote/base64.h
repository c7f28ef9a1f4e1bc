/**
 * @file
 * Base64 (RFC 4648 4), strict, in constant memory: a stream of octets in, a stream of octets out.
 */
#ifndef MAILMOTE_BASE64_H
#define MAILMOTE_BASE64_H

#include <mailmote/span.h>

MOTE_BEGIN_DECLS

/** Encodes whole groups: three octets each become four letters. */
void mote_base64_groups(const uint8_t *octets, size_t group_count, uint8_t *letters);

/** Encodes through a writer, no line breaks. Start zeroed; put any number of spans; finish once. */
typedef struct mote_base64_encoder {
    mote_writer_t *out;
    uint8_t held[3]; /* private */
    uint8_t held_size;
} mote_base64_encoder_t;

mote_base64_encoder_t mote_base64_encoder(mote_writer_t *out);
void mote_base64_put(mote_base64_encoder_t *encoder, mote_span_t bytes);
/** Writes the last group and its padding, and wipes what was held. */
void mote_base64_finish(mote_base64_encoder_t *encoder);

/** Decodes octet by octet. Start zeroed. */
typedef struct mote_base64_decoder {
    uint16_t bits; /* private */
    uint8_t count; /* characters of the current group, padding included */
    uint8_t padding;
    bool failed;
} mote_base64_decoder_t;

/**
 * Takes one character.
 *
 * @param[out] octet  the decoded octet, when one is complete
 * @return MOTE_OK an octet came out, MOTE_PENDING none yet, MOTE_ERR_PROTOCOL outside the alphabet,
 *         padding before the end, or non-zero bits under the padding. A failure sticks.
 */
mote_status_t mote_base64_octet(mote_base64_decoder_t *decoder, uint8_t character, uint8_t *octet);

/** Whether what was taken so far is a whole encoding: no failure, no open group. */
bool mote_base64_is_complete(const mote_base64_decoder_t *decoder);

MOTE_END_DECLS

#endif
