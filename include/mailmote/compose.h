/**
 * @file
 * A message composed while it is read: header, text, HTML, inline images, attachments of any size.
 *
 *     static mote_part_t parts[2];                        the words and a log
 *     parts[0].content = mote_span_text("Pressure is low.\n");
 *     parts[1].role = MOTE_PART_ATTACHMENT;
 *     parts[1].name = mote_span_text("pump.log");
 *     parts[1].content = mote_span(log, log_size);
 *     message.from = ...; message.to = ...; message.subject = ...; message.parts = parts; message.part_count = 2;
 *     mote_compose_start(&compose, &message, room, sizeof room);
 *     mote_compose_scan(&compose);
 *     mail.source = &compose.source;
 *
 * compose is a source (mail.h): it produces header, quoted-printable and base64 as they are asked for. Its state and
 * the caller's room are all it needs, whatever is sent. It may be read any number of times, for a signature
 * (dkim.h), for each further host, for a retry next week, and gives the same octets each time: date and seed are
 * kept with the message by whoever retries.
 *
 * What leaves is 7-bit: text as 7bit where quoted-printable would change nothing, else quoted-printable; everything else
 * as base64. Parts are nested as mail programs expect them:
 *
 *     mixed ─┬─ related ─┬─ alternative ─┬─ text
 *            │           │               └─ HTML
 *            │           └─ inline images
 *            └─ attachments
 *
 * and each of the multiparts is there only where it is needed. Bcc recipients stand in the envelope (mote_mail_t)
 * and nowhere else.
 *
 * @source RFC 5322 (header), RFC 2045, 2046, 2047, 2183, 2231, 2387 (MIME), RFC 3834 (Auto-Submitted)
 */
#ifndef MAILMOTE_COMPOSE_H
#define MAILMOTE_COMPOSE_H

#include <mailmote/header.h>
#include <mailmote/mail.h>

MOTE_BEGIN_DECLS

/** What a part is. Parts stand in this order, with one text and one HTML at most. */
typedef enum mote_part_role {
    MOTE_PART_TEXT,      /**< the words, UTF-8; a line ends with LF or CRLF */
    MOTE_PART_HTML,      /**< the same words as HTML, UTF-8 */
    MOTE_PART_INLINE,    /**< shown within the HTML, by its content_id */
    MOTE_PART_ATTACHMENT /**< any octets; they arrive as they are */
} mote_part_role_t;

/** One part. Zero it, then set what there is. */
typedef struct mote_part {
    mote_span_t content;    /**< the octets, where they lie in memory; not looked at if there is a source */
    mote_source_t *source;  /**< or where they come from. Only its rewind and next are used, its traits are not */
    uint32_t source_size;   /**< octets the source gives; 0: not known. Exactly these many must come */
    mote_span_t type;       /**< inline, attachment: as image/png, parameters allowed; empty: application/octet-stream.
                                 multipart/ and message/ cannot be (RFC 2045 6.4: they may not be base64) */
    mote_span_t name;       /**< file name, UTF-8, no path; empty: none */
    mote_span_t content_id; /**< inline: the HTML says cid:… to it; no angle brackets, no spaces */
    uint8_t role;           /**< mote_part_role_t */

    uint8_t encoding; /* private: mote_compose_scan has seen the text */
    bool is_ascii;
    int32_t encoded_size;
} mote_part_t;

/** RFC 3834 5.1: who speaks. */
typedef enum mote_auto_submitted {
    MOTE_AUTO_GENERATED, /**< a device on its own: nobody's holiday notice answers */
    MOTE_AUTO_REPLIED,   /**< a device that was asked by a mail */
    MOTE_AUTO_NO         /**< a person: no field */
} mote_auto_submitted_t;

enum { MOTE_SEED_BYTES = 16, MOTE_COMPOSE_ROOM_BYTES = 80 };

/** What is to be said. Zero it, then set what there is; all of it is borrowed. */
typedef struct mote_message {
    mote_name_addrs_t from; /**< at least one; with several of them a sender */
    mote_name_addr_t sender;
    mote_name_addrs_t reply_to;
    mote_name_addrs_t to; /**< neither to nor cc: "undisclosed-recipients:;" */
    mote_name_addrs_t cc;
    mote_span_t subject;
    uint32_t date_s; /**< the moment of composing, seconds since 1970; 0: the clock is not set, and no Date is made up.
                          A submission server may add one (RFC 6409 8.2); toward an MX wait for the time instead */
    int16_t zone_minutes;          /**< east of UTC, or MOTE_ZONE_UNKNOWN */
    uint8_t auto_submitted;        /**< mote_auto_submitted_t */
    uint8_t seed[MOTE_SEED_BYTES]; /**< random, never all zero, a new one for each message: Message-ID and boundaries are
                                        made of it. A retry keeps it */
    mote_span_t id_domain;         /**< right half of the Message-ID; empty: the domain of from */
    mote_span_t in_reply_to;       /**< earlier Message-IDs, <a@b>, with a space between: the alerts of one incident */
    mote_span_t references;        /**< make one thread */
    const mote_field_t *fields;    /**< further fields; none of those made here, no Bcc, no trace field */
    size_t field_count;
    mote_part_t *parts;
    size_t part_count;
} mote_message_t;

/** A message being composed: some hundred bytes. */
typedef struct mote_compose {
    mote_source_t source; /**< for mote_mail_t, or for dkim.h */
    const char *fault;    /**< after a refusal: the field or part it was for, as "Subject" */

    const mote_message_t *message; /* private */
    uint8_t *room;
    size_t capacity;
    mote_span_t input; /* what is left of the part's piece */
    uint32_t taken;    /* octets of the part that were read */
    uint32_t offset;   /* octets of this stretch of header that were lent */
    size_t part;
    uint8_t step;
    uint8_t levels; /* multiparts in use */
    uint8_t column; /* of the encoded line */
    uint8_t held[3];
    uint8_t held_size;
    uint8_t from_size; /* octets of "From " at the start of this line */
    bool has_failed;
    bool has_8bit;
    mote_utf8_t utf8;
} mote_compose_t;

/**
 * Checks everything that is said in the header and starts at the first octet. Contents of parts are not read.
 *
 * @param[in] room      the caller's, for the octets being lent
 * @param[in] capacity  MOTE_COMPOSE_ROOM_BYTES or more; some hundred bytes make it faster
 *
 * @return MOTE_OK
 *         MOTE_ERR_SPACE     the room is too small
 *         MOTE_ERR_RANDOM    the seed is all zero
 *         MOTE_ERR_ADDRESS   an address is none
 *         MOTE_ERR_CONTENT   a control character, or not UTF-8
 *         MOTE_ERR_ARGUMENT  anything else that cannot be: a date, a type, a name with a path, parts out of order,
 *                            a field that is made here
 *         compose->fault names the field.
 */
mote_status_t mote_compose_start(mote_compose_t *compose, const mote_message_t *message, uint8_t *room, size_t capacity);

/**
 * Reads the texts (and parts of unknown size) once: then texts that need no encoding go without, and
 * source.wire_size is exact. Without it texts are quoted-printable, and the size is unknown.
 *
 * @return MOTE_OK
 *         MOTE_PENDING      a source has nothing yet: call again
 *         MOTE_ERR_SOURCE   a source failed, or gave another size than was said
 *         MOTE_ERR_CONTENT  a text that is not UTF-8; compose->fault says which
 */
mote_status_t mote_compose_scan(mote_compose_t *compose);

/** Writes the Message-ID, <…> included, to be remembered for a later in_reply_to. Nothing where id_domain, or without
 *  one the address of from, is none. */
void mote_compose_write_id(mote_writer_t *out, const mote_message_t *message);

MOTE_END_DECLS

#endif
