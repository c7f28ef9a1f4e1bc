/**
 * @file
 * Header fields as text: folded, encoded, and unable to smuggle in another field.
 *
 * Every value is checked once, by its own function, and then written by another through a writer, with the field's
 * name in front and CRLF behind. Values are UTF-8; what leaves is ASCII. Lines are folded where white space
 * stands already, at 78 octets where that can be (RFC 5322 2.1.1), and never grow over 998.
 */
#ifndef MAILMOTE_HEADER_H
#define MAILMOTE_HEADER_H

#include <mailmote/address.h>

MOTE_BEGIN_DECLS

/** A person or a list in a header: "Pump 7" <pump@example.net>. */
typedef struct mote_name_addr {
    mote_span_t name;    /**< the display name, UTF-8; empty: none */
    mote_span_t address; /**< a Mailbox with its domain (address.h) */
} mote_name_addr_t;

/** Several of them, borrowed. */
typedef struct mote_name_addrs {
    const mote_name_addr_t *items;
    size_t count;
} mote_name_addrs_t;

/** A further field. */
typedef struct mote_field {
    mote_span_t name;  /**< without its colon */
    mote_span_t value; /**< UTF-8 */
} mote_field_t;

/** zone_minutes of a device that knows UTC but not its own zone: written -0000 (RFC 5322 3.3). */
enum { MOTE_ZONE_UNKNOWN = INT16_MIN };

/** Checks UTF-8 octet by octet (RFC 3629 4). Start zeroed. */
typedef struct mote_utf8 {
    uint8_t left; /**< octets that the character at hand still needs */
    uint8_t low;  /* private: what the next octet may be */
    uint8_t high;
} mote_utf8_t;

/** Takes one octet; false: it cannot stand here. */
bool mote_utf8_take(mote_utf8_t *utf8, uint8_t octet);

/* ---- checks: MOTE_OK, or MOTE_ERR_CONTENT, MOTE_ERR_ADDRESS, MOTE_ERR_ARGUMENT ---- */

/** Text of a value: UTF-8 without any control character (CONTENT). */
mote_status_t mote_header_check_text(mote_span_t text);
/** A display name and an address with a domain (CONTENT, ADDRESS). */
mote_status_t mote_header_check_name_addr(const mote_name_addr_t *item);
/** A further field: a name of 1 to 60 printable octets without colon (ARGUMENT), a value (CONTENT). */
mote_status_t mote_header_check_field(const mote_field_t *field);
/** One or more msg-ids in angle brackets with single spaces between, each at most 250 octets (CONTENT). */
mote_status_t mote_header_check_ids(mote_span_t ids);
/** A date from 2000 on that is in the calendar to 2105, a zone within a day (ARGUMENT). */
mote_status_t mote_header_check_date(uint32_t date_s, int16_t zone_minutes);

/* ---- fields ---- */

/** Unstructured text. As it is where that is safe; else as encoded-words (RFC 2047). */
void mote_header_write_text(mote_writer_t *out, mote_span_t name, mote_span_t text);
/** A list of mailboxes, folded at its commas. */
void mote_header_write_addresses(mote_writer_t *out, mote_span_t name, const mote_name_addrs_t *list);
/** Words that are never encoded: msg-ids, keywords. */
void mote_header_write_words(mote_writer_t *out, mote_span_t name, mote_span_t words);
/** Date: the moment as seconds since 1970 (UTC), told in the zone (minutes east of UTC). */
void mote_header_write_date(mote_writer_t *out, uint32_t date_s, int16_t zone_minutes);
/** ";" CRLF and the parameter filename, quoted or by RFC 2231; no CRLF behind. */
void mote_header_write_file_name(mote_writer_t *out, mote_span_t name);

MOTE_END_DECLS

#endif
