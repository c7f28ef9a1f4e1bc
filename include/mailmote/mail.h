/**
 * @file
 * A mail: envelope, recipients with their verdicts, and where the message's bytes come from.
 *
 * All memory is the caller's and is borrowed until the mail has ended: addresses, the array of recipients,
 * the buffers in them, the source. Envelope and header are separate inputs: nothing here is taken from the
 * message's header.
 */
#ifndef MAILMOTE_MAIL_H
#define MAILMOTE_MAIL_H

#include <mailmote/address.h>

MOTE_BEGIN_DECLS

/** What became of a recipient. */
typedef enum mote_verdict {
    MOTE_VERDICT_PENDING = 0, /**< no answer yet                                          */
    MOTE_VERDICT_ACCEPTED,    /**< 2yz after the final dot: the server answers for it now (local mail: the
                                   mailbox's commit; a probe: 2yz to RCPT)                */
    MOTE_VERDICT_TRANSIENT,   /**< keep the message and try again later                   */
    MOTE_VERDICT_PERMANENT,   /**< no retry will help: tell a human                       */
    MOTE_VERDICT_IN_DOUBT     /**< no valid reply came after the final dot: the mail may be there, and a
                                   retry may double it (RFC 1047)                         */
} mote_verdict_t;

/** How far the mail had come: the last thing asked for, in the order of a delivery. */
typedef enum mote_stage {
    MOTE_STAGE_NONE,
    MOTE_STAGE_ADDRESS,  /**< the recipient's address itself */
    MOTE_STAGE_ROUTE,    /**< which way it goes */
    MOTE_STAGE_MX,       /**< the MX records of its domain */
    MOTE_STAGE_HOST,     /**< the addresses of the host */
    MOTE_STAGE_CONNECT,  /**< the TCP connection */
    MOTE_STAGE_TLS,      /**< the TLS handshake, the certificate */
    MOTE_STAGE_GREETING, /**< the server's greeting */
    MOTE_STAGE_EHLO,
    MOTE_STAGE_STARTTLS,
    MOTE_STAGE_AUTH,
    MOTE_STAGE_MAIL,
    MOTE_STAGE_RCPT,
    MOTE_STAGE_DATA,
    MOTE_STAGE_CONTENT, /**< sending the message, up to and without the end of data */
    MOTE_STAGE_FINAL,   /**< the reply to the end of data */
    MOTE_STAGE_MAILBOX, /**< the mailbox here */
    MOTE_STAGE_COUNT
} mote_stage_t;

/** One word, as "rcpt". Never NULL. */
const char *mote_stage_text(mote_stage_t stage);
/** One word, as "accepted". Never NULL. */
const char *mote_verdict_text(mote_verdict_t verdict);

/** How the stream was protected when the verdict came. */
typedef enum mote_protection {
    MOTE_PROTECTION_NONE,
    MOTE_PROTECTION_ENCRYPTED, /**< TLS, the peer not authenticated */
    MOTE_PROTECTION_VERIFIED   /**< TLS, certificate and name verified */
} mote_protection_t;

/** An enhanced status code (RFC 3463): 5.1.1. klass 0: none was given. */
typedef struct mote_enhanced {
    uint8_t klass;
    uint16_t subject;
    uint16_t detail;
} mote_enhanced_t;

/** Why a verdict is what it is. */
typedef struct mote_report {
    uint8_t stage;  /**< mote_stage_t */
    uint8_t status; /**< mote_status_t: the cause; MOTE_OK with an accepting reply */
    bool held;      /**< an account or configuration fault stopped the route: wrong password, own relay refuses */
    uint16_t code;  /**< reply code, 0 if no reply decided */
    mote_enhanced_t enhanced; /**< the server's, or ours where no reply decided (RFC 3463) */
} mote_report_t;

/** One recipient: the caller sets the first group of fields, the delivery fills the others. */
typedef struct mote_recipient {
    mote_span_t address; /**< a Mailbox (address.h), without angle brackets */
    mote_buffer_t text;  /**< the caller's room for the server's words (or, where TLS failed, what was wrong in words);
                              capacity 0: not kept. Without the codes, lines joined by a space. Cleaned: printable
                              ASCII, everything else is '?'; cut at the capacity. 64 to 128 bytes say enough */
    mote_buffer_t host;  /**< the caller's room for the name of the host spoken to; a name that does not fit is left out */

    uint8_t verdict;    /**< mote_verdict_t */
    uint8_t phase;      /* private: mote_phase_t */
    mote_report_t report;
    mote_ip_t peer;     /**< the address spoken to; family 0 if there was none */
    uint8_t protection; /**< mote_protection_t */
} mote_recipient_t;

/* private: where a recipient stands within a delivery */
typedef enum mote_phase {
    MOTE_PHASE_WAITING,   /* its next hop's turn has not come */
    MOTE_PHASE_CHOSEN,    /* the session at hand is for it */
    MOTE_PHASE_OFFERED,   /* RCPT was said in this transaction */
    MOTE_PHASE_RECEIVED,  /* and answered with 2yz: the reply to the end of data decides */
    MOTE_PHASE_SETTLED,   /* it has its verdict */
    MOTE_PHASE_DUPLICATE  /* the same mailbox stands earlier in the list: takes that one's verdict at the end */
} mote_phase_t;

/* ---- the message's bytes ---- */

enum { MOTE_SIZE_UNKNOWN = -1 };

/** Something known about a message, or not. */
typedef enum mote_known { MOTE_UNKNOWN, MOTE_NO, MOTE_YES } mote_known_t;

/**
 * A source lends the message piece by piece. It can be read more than once: each further host rewinds it.
 * Traits that are not known can be found out by mote_body_scan (body.h) before the delivery starts.
 */
typedef struct mote_source {
    /** Starts again at the first byte: MOTE_OK, MOTE_PENDING (call again) or MOTE_ERR_SOURCE. */
    mote_status_t (*rewind)(void *self);
    /**
     * Lends the next piece, valid until the next call: MOTE_OK with at least one byte, MOTE_CLOSED after the
     * last one (only this ends the message), MOTE_PENDING nothing yet, MOTE_ERR_SOURCE (the message is not
     * sent: it is never cut short).
     */
    mote_status_t (*next)(void *self, mote_span_t *piece);
    void *self;

    int32_t wire_size;   /**< octets on the wire: line ends as CRLF, added dots not counted; or MOTE_SIZE_UNKNOWN */
    uint8_t is_8bit;     /**< mote_known_t: holds octets from 0x80 on */
    uint8_t is_canonical; /**< mote_known_t: CRLF line ends only, the last line ended too, lines of at most 998
                              octets, no NUL. MOTE_YES is believed: then only dots are looked for. MOTE_NO stays, also
                              after a scan: so it starts where others may change what is read (a file) */
    bool has_lf_lines;   /**< text of this platform: a lone LF is a line end and leaves as CRLF. Otherwise a lone LF
                              is refused (MOTE_ERR_CONTENT), as a lone CR always is */
    bool is_stable;      /**< the pieces stay unchanged until the stream is closed (flash, a mapped file): not copied */
} mote_source_t;

/** A source over one piece of memory, borrowed: text and state in one. */
typedef struct mote_memory_source {
    mote_source_t source;
    mote_span_t message;
    bool is_read;
} mote_memory_source_t;

/** Sets up a source over memory that stays unchanged until the delivery has ended. Traits start unknown. */
void mote_memory_source_init(mote_memory_source_t *memory, mote_span_t message);

typedef struct mote_mail {
    mote_span_t reverse_path; /**< a Mailbox, or empty: the null sender <> (RFC 5321 4.5.5) */
    mote_recipient_t *recipients;
    uint16_t recipient_count; /**< 1 or more */
    mote_source_t *source;
} mote_mail_t;

/* ---- for the rooms above: smtp, delivery ---- */

/** Sets of phases. Open: the session at hand is for the recipient, and it has no verdict. */
#define MOTE_PHASES(phase) (1U << MOTE_PHASE_##phase)
#define MOTE_PHASES_OPEN (MOTE_PHASES(CHOSEN) | MOTE_PHASES(OFFERED) | MOTE_PHASES(RECEIVED))

/** The first recipient in one of the phases, from this one on (it may stand behind the last); NULL if there is none. */
mote_recipient_t *mote_mail_find(const mote_mail_t *mail, mote_recipient_t *recipient, unsigned phases);

/** An enhanced code of ours in one octet: class 4 or 5, subjects to 7, details to 15. 0: none. */
#define MOTE_ENHANCED(klass, subject, detail) (((klass) == 5 ? 0x80U : 0U) | (subject) << 4 | (detail))

/** A report without a reply. */
void mote_report_set(mote_report_t *report, mote_stage_t stage, mote_status_t status, unsigned enhanced);

/** Writes down why, without a verdict: the last word if no other host is left. text may be empty. After a verdict
 *  nothing is written down any more. */
void mote_recipient_note(mote_recipient_t *recipient, const mote_report_t *report, mote_span_t text);
/** Gives the verdict; one that was given stands. The report is the last note's. */
void mote_recipient_settle(mote_recipient_t *recipient, mote_verdict_t verdict);

MOTE_END_DECLS

#endif
