/**
 * @file
 * The message on the wire: line ends, dots, and nothing that may not travel (RFC 5321 4.5.2, 2.3.8).
 *
 * A filter over a source. Stretches that need no change are lent through, whatever their size; only what
 * must be put in between (a dot, a CRLF) is ours. Bare CR, bare LF (unless the source has_lf_lines), NUL and
 * lines of more than 998 octets end it with MOTE_ERR_CONTENT before they are lent, so that the octets that
 * leave always match (text CRLF)*.
 */
#ifndef MAILMOTE_BODY_H
#define MAILMOTE_BODY_H

#include <mailmote/mail.h>

MOTE_BEGIN_DECLS

/** RFC 5321 4.5.3.1.6: octets of a line without its CRLF; an added dot is not counted. */
enum { MOTE_LINE_BYTES = 998 };

/** What the filter does besides line ends. */
enum {
    MOTE_BODY_STUFFS_DOTS = 1,    /**< a leading dot is doubled: DATA, not a mailbox */
    MOTE_BODY_REFUSES_8BIT = 2    /**< an octet from 0x80 on is MOTE_ERR_CONTENT: no 8BITMIME here */
};

typedef struct mote_body {
    mote_source_t *source; /* private */
    mote_span_t piece;     /* what is left of the source's piece */
    size_t clean_size;     /* octets at its front that have passed every check */
    uint32_t line;         /* number of the line being checked, from 0 */
    uint16_t line_size;    /* octets of it so far */
    uint8_t flags;
    uint8_t state;
    bool is_after_cr; /* the last octet checked was a CR */
} mote_body_t;

/** Starts at the first byte. May be called again: the source is rewound at the first next(). */
void mote_body_start(mote_body_t *body, mote_source_t *source, unsigned flags);

/**
 * Lends the next stretch of wire octets, valid until the next call.
 *
 * @param[out] is_stable  the stretch stays unchanged until the stream is closed
 * @return MOTE_OK a stretch of at least one octet
 *         MOTE_PENDING the source has nothing yet
 *         MOTE_CLOSED all is lent, the last line ended by CRLF (an empty message is no line at all)
 *         MOTE_ERR_SOURCE, MOTE_ERR_CONTENT it must not be sent; sticks
 */
mote_status_t mote_body_next(mote_body_t *body, mote_span_t *stretch, bool *is_stable);

/**
 * Reads the source once from its beginning and fills in wire_size, is_8bit and is_canonical (unless that is MOTE_NO
 * already), so that what cannot travel is known before a connection is made. Where no lone LF was met, has_lf_lines is
 * cleared: one that comes later was not there, and is refused.
 *
 * @param[in,out] body  zeroed before the first call; the same again after MOTE_PENDING
 * @param[out]    line  number of the line (from 1) that cannot travel, with MOTE_ERR_CONTENT; may be NULL
 * @return MOTE_OK; MOTE_PENDING (call again with the same body); MOTE_ERR_SOURCE; MOTE_ERR_CONTENT
 */
mote_status_t mote_body_scan(mote_body_t *body, mote_source_t *source, uint32_t *line);

MOTE_END_DECLS

#endif
