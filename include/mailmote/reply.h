/**
 * @file
 * SMTP replies, octet by octet, without a line buffer (RFC 5321 4.2, RFC 2034).
 *
 * A reply is three digits (the first 2 to 5), then a hyphen (more lines follow), a space or the end of the
 * line; all lines carry the same code; only CRLF ends a line. Anything else is malformed, and so is a reply
 * beyond the bounds below: an endless reply costs no memory and ends.
 */
#ifndef MAILMOTE_REPLY_H
#define MAILMOTE_REPLY_H

#include <mailmote/mail.h>

MOTE_BEGIN_DECLS

enum { MOTE_REPLY_LINE_BYTES = 4096, MOTE_REPLY_LINE_COUNT = 128, MOTE_REPLY_BYTES = 32768 };

typedef enum mote_reply_event {
    MOTE_REPLY_NOTHING,  /**< the octet belongs to the frame: code, hyphen, CR */
    MOTE_REPLY_TEXT,     /**< the octet is text; the first ones of a line may turn out to be an enhanced code */
    MOTE_REPLY_ENHANCED, /**< this octet, a space or a CR, ends an enhanced code: all text of this line so far was it */
    MOTE_REPLY_LINE_END, /**< a line has ended, more follow */
    MOTE_REPLY_DONE,     /**< the reply is complete */
    MOTE_REPLY_MALFORMED /**< not a reply; sticks */
} mote_reply_event_t;

/** Start zeroed; zero it again before the next reply. */
typedef struct mote_reply {
    uint16_t code;            /**< of the first line */
    mote_enhanced_t enhanced; /**< standing first in a line's text, its class equal to the code's (EXT-17) */
    uint8_t line_count;       /**< lines ended so far */
    uint8_t state;            /* private: where in the line */
    uint8_t first_digit;
    bool is_last_line; /* this line's code is not followed by a hyphen */
    uint8_t shown;     /* how much of an enhanced code the line has shown */
    bool has_digit;
    uint16_t line_code;
    uint16_t line_size;
    uint16_t size;
    mote_enhanced_t candidate;
} mote_reply_t;

mote_reply_event_t mote_reply_octet(mote_reply_t *reply, uint8_t octet);

MOTE_END_DECLS

#endif
