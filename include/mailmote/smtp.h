/**
 * @file
 * One SMTP session: the dialogue with one host, for one mail or several (RFC 5321).
 *
 * The engine is pure: it lends bytes to send, takes bytes that came, is told the time and what happened to
 * the stream. It speaks and listens separately: two cursors over one plan (greeting, EHLO, STARTTLS, EHLO,
 * AUTH, MAIL, RCPT..., DATA, content, end of data, QUIT). What may be said runs ahead of what has been heard as
 * far as RFC 2920 allows. A verdict is given the moment its reply is complete.
 *
 * The mail's recipients whose phase is MOTE_PHASE_CHOSEN are this session's; those that a 452 leaves over
 * go into a further transaction.
 */
#ifndef MAILMOTE_SMTP_H
#define MAILMOTE_SMTP_H

#include <mailmote/auth.h>
#include <mailmote/body.h>
#include <mailmote/mail.h>
#include <mailmote/observer.h>
#include <mailmote/reply.h>
#include <mailmote/route.h>

MOTE_BEGIN_DECLS

/** Seconds to wait for each thing; 0 in any field means the default of the same field. */
typedef struct mote_timeouts {
    uint16_t connect_s;  /**< 30: TCP connect, each address (8 while another one is left) */
    uint16_t greeting_s; /**< 300 (RFC 5321 4.5.3.2.1) */
    uint16_t ehlo_s;     /**< 300 */
    uint16_t starttls_s; /**< 120: its reply; the same again for the handshake */
    uint16_t auth_s;     /**< 120: each step */
    uint16_t mail_s;     /**< 300 (4.5.3.2.2) */
    uint16_t rcpt_s;     /**< 300 (4.5.3.2.3) */
    uint16_t data_s;     /**< 120 (4.5.3.2.4) */
    uint16_t block_s;    /**< 180: content, each time bytes were taken (4.5.3.2.5) */
    uint16_t final_s;    /**< 600: the end of data (4.5.3.2.6). Shortening it doubles mails (RFC 1047) */
    uint16_t reset_s;    /**< 20: RSET */
    uint16_t quit_s;     /**< 5: the reply to QUIT; it changes nothing */
    uint16_t total_s;    /**< whole delivery; default 3600 and 60 for each recipient and each 64 KiB */
} mote_timeouts_t;

/** What holds for every session. Borrowed. */
typedef struct mote_smtp_settings {
    mote_span_t hello_name; /**< our name in EHLO: an FQDN; empty: our address as a literal */
    const mote_timeouts_t *timeouts; /**< NULL: defaults */
    const mote_observer_t *observer; /**< NULL: nobody watches */
    bool is_probe;          /**< the plan ends after RCPT: nothing is sent or stored, 2yz to RCPT is ACCEPTED */
    bool keeps_stream;      /**< no QUIT after the mail (not: a probe): the session waits for the next one */
} mote_smtp_settings_t;

/** What the session waits for. */
typedef enum mote_smtp_state {
    MOTE_SMTP_AWAIT_GREETING,
    MOTE_SMTP_AWAIT_EHLO,
    MOTE_SMTP_AWAIT_HELO,
    MOTE_SMTP_AWAIT_STARTTLS,
    MOTE_SMTP_AWAIT_SECURE, /**< for the caller: to start TLS and say mote_smtp_secured */
    MOTE_SMTP_AWAIT_AUTH,
    MOTE_SMTP_AWAIT_MAIL,
    MOTE_SMTP_AWAIT_RCPT,
    MOTE_SMTP_AWAIT_DATA,
    MOTE_SMTP_AWAIT_CONTENT,  /**< for the content to leave; a reply now is an early refusal */
    MOTE_SMTP_AWAIT_FINAL,    /**< for the reply to the end of data */
    MOTE_SMTP_AWAIT_LONE_DOT, /**< for the reply to a lone dot: nobody was accepted (RFC 2920 3.1) */
    MOTE_SMTP_AWAIT_RSET,
    MOTE_SMTP_AWAIT_MORE, /**< idle, in step: for a next mail (keeps_stream) */
    MOTE_SMTP_AWAIT_QUIT,
    MOTE_SMTP_ENDED
} mote_smtp_state_t;

/** How it ended, or that the mail's part is over already though QUIT's reply is still awaited. */
typedef enum mote_smtp_end {
    MOTE_SMTP_RUNNING,
    MOTE_SMTP_DONE,      /**< every chosen recipient has its verdict */
    MOTE_SMTP_NEXT_HOST, /**< those without one go to the next host; their reports say why */
    MOTE_SMTP_IN_CLEAR   /**< opportunistic TLS failed: the same address once more, without TLS */
} mote_smtp_end_t;

/** Flags of output. */
enum {
    MOTE_OUTPUT_MORE = 1,   /**< more of this flight follows: see MOTE_SEND_MORE */
    MOTE_OUTPUT_STABLE = 2, /**< see MOTE_SEND_STABLE */
    MOTE_OUTPUT_CONTENT = 4 /**< octets of the message */
};

/* private: what is kept of an EHLO reply's line and of a challenge while they come */
typedef struct mote_hearing {
    mote_base64_decoder_t challenge;
    uint8_t keyword; /* of the EHLO line at hand */
    uint8_t word_size;
    uint8_t word[20]; /* the longest words that mean something to us: SIZE has up to 20 digits (RFC 1870 4) */
} mote_hearing_t;

typedef struct mote_smtp {
    /* private; what is looked at most stands first, where small cores reach it in one instruction */
    uint8_t state;      /* mote_smtp_state_t: the listening half */
    uint8_t saying;     /* the speaking half: the command to say next */
    uint8_t end;        /* mote_smtp_end_t */
    uint8_t protection; /* mote_protection_t */
    uint8_t extensions; /* what this EHLO offered */
    uint8_t mechanisms; /* and which mechanisms, less those that failed */
    uint8_t mechanism;  /* the one at hand */
    uint8_t auth_step;
    mote_reply_t reply;
    uint16_t flags;
    uint16_t outstanding;    /* commands said and not answered */
    uint16_t unsent;         /* those of them that stand in a room of which nothing has left */
    uint16_t rcpt_said;      /* where the speaking half is among the recipients */
    uint16_t rcpt_due;       /* RCPTs said and not answered */
    uint16_t rcpt_count;     /* RCPTs said in this transaction */
    uint16_t received_count; /* and answered with 2yz */
    uint16_t room_sent;
    uint16_t skip;     /* of the command at hand, when it is longer than the room */
    uint16_t dot_size; /* bytes of the room up to the end of data; 0: not in it */
    mote_buffer_t room; /* commands gathered, and short pieces of content; size is filled */
    const mote_smtp_settings_t *settings;
    const mote_hop_t *hop;
    mote_mail_t *mail;
    const mote_ip_t *own_ip;
    uint32_t now_ms;
    uint32_t since_ms;   /* of what is awaited */
    uint32_t size_limit; /* what SIZE said; 0: nothing */
    mote_span_t stretch; /* of the content, to be lent or copied */
    union {
        mote_hearing_t hearing; /* before a transaction */
        mote_body_t body;       /* within one */
    } at;
} mote_smtp_t;

/**
 * Starts a session on a stream that is connected (and, with hop->implicit, secured already).
 *
 * @param[in] own_ip      our address on the stream, for the literal in EHLO; borrowed
 * @param[in] room        the caller's memory for outgoing commands, 128 bytes or more; a whole group in one write
 *                        needs as much as the group (some 64 a recipient). Borrowed until the session has ended
 * @param[in] protection  of the stream now
 * @param[in] in_clear    TLS failed on this host before: opportunistic goes on without it
 */
void mote_smtp_start(mote_smtp_t *smtp, const mote_smtp_settings_t *settings, const mote_hop_t *hop,
                     mote_mail_t *mail, const mote_ip_t *own_ip, mote_buffer_t room,
                     mote_protection_t protection, bool in_clear, uint32_t now_ms);

/** The next mail on a session in MOTE_SMTP_AWAIT_MORE. */
void mote_smtp_next(mote_smtp_t *smtp, mote_mail_t *mail, uint32_t now_ms);

/**
 * Lends the next bytes to send: MOTE_OK, or MOTE_PENDING when there is nothing to say now. They stay in place until
 * sent covers them; a later lend may only be longer.
 */
mote_status_t mote_smtp_output(mote_smtp_t *smtp, uint32_t now_ms, mote_span_t *bytes, unsigned *flags);
/** The port took so many of them. */
void mote_smtp_sent(mote_smtp_t *smtp, size_t size, uint32_t now_ms);

/**
 * Takes bytes that came. Returns how many were used: fewer than given only when the session has ended. Bytes given
 * while it waits for TLS, or behind the reply that lets TLS begin, end it: nobody may say anything there.
 */
size_t mote_smtp_input(mote_smtp_t *smtp, mote_span_t bytes, uint32_t now_ms);

/** The stream has ended or failed: MOTE_CLOSED or an error. */
void mote_smtp_lost(mote_smtp_t *smtp, mote_status_t status, uint32_t now_ms);

/**
 * How TLS went, in MOTE_SMTP_AWAIT_SECURE. After MOTE_OK everything heard before is forgotten (RFC 3207 4.2).
 */
void mote_smtp_secured(mote_smtp_t *smtp, mote_status_t status, mote_protection_t protection, uint32_t now_ms);

/** Tells the time. Returns by when it wants to be told again, in ms from now. A missed deadline ends the session. */
uint32_t mote_smtp_tick(mote_smtp_t *smtp, uint32_t now_ms);

/** Ends the session now, cut: open recipients are transient, or in doubt after the end of data. */
void mote_smtp_stop(mote_smtp_t *smtp, mote_status_t cause, uint32_t now_ms);

/** Asks an idle session (MOTE_SMTP_AWAIT_MORE) to say QUIT. */
void mote_smtp_quit(mote_smtp_t *smtp, uint32_t now_ms);

static inline mote_smtp_state_t mote_smtp_state(const mote_smtp_t *smtp)
{
    return (mote_smtp_state_t)smtp->state;
}

static inline mote_smtp_end_t mote_smtp_end(const mote_smtp_t *smtp)
{
    return (mote_smtp_end_t)smtp->end;
}

static inline mote_protection_t mote_smtp_protection(const mote_smtp_t *smtp)
{
    return (mote_protection_t)smtp->protection;
}

/** Once ended: whether the stream is to be cut (port abort) rather than closed. */
bool mote_smtp_is_cut(const mote_smtp_t *smtp);
/** Whether a greeting was heard and taken: counts as a session of the attempt. */
bool mote_smtp_was_greeted(const mote_smtp_t *smtp);

/* Fields of mote_timeouts_t, in their order there. */
enum {
    MOTE_TIMEOUT_CONNECT,
    MOTE_TIMEOUT_GREETING,
    MOTE_TIMEOUT_EHLO,
    MOTE_TIMEOUT_STARTTLS,
    MOTE_TIMEOUT_AUTH,
    MOTE_TIMEOUT_MAIL,
    MOTE_TIMEOUT_RCPT,
    MOTE_TIMEOUT_DATA,
    MOTE_TIMEOUT_BLOCK,
    MOTE_TIMEOUT_FINAL,
    MOTE_TIMEOUT_RESET,
    MOTE_TIMEOUT_QUIT
};

/** How long to wait: what the caller set, else the default. For the room above, whose connect and handshake it times. */
uint32_t mote_smtp_timeout_ms(const mote_smtp_settings_t *settings, unsigned timeout);

/** The state's name, as "await-rcpt". */
const char *mote_smtp_state_text(mote_smtp_state_t state);

MOTE_END_DECLS

#endif
