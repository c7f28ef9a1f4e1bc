#include <mailmote/smtp.h>

/* ---- what is true of a state ------------------------------------------------------------------------ */

enum { NO_TIMEOUT = MOTE_TIMEOUT_CONNECT }; /* the connect is not the session's */
MOTE_STATIC_ASSERT(offsetof(mote_timeouts_t, greeting_s) == MOTE_TIMEOUT_GREETING * sizeof(uint16_t), timeouts_stand_in_order);
MOTE_STATIC_ASSERT(offsetof(mote_timeouts_t, quit_s) == MOTE_TIMEOUT_QUIT * sizeof(uint16_t), timeouts_stand_in_order);

/* Replies that may stand in a state besides the answer to what was asked. */
enum {
    MAY_GO_ON = 1,   /* 3yz (RFC 5321 4.2.1: AUTH and DATA; after a lone dot and QUIT no reply matters any more) */
    MAY_REFUSE = 2,  /* 4yz and 5yz though nothing was asked: of the content as it leaves, or of us at all */
    MAY_SAY_ALL = 4  /* anything though nothing was asked */
};

/* The last two columns say what the end of the link means: which verdict (PENDING: a note only, the next host may
   do better), and for recipients in which phases. */
enum {
    CONCERNS_NOBODY = 0,
    CONCERNS_OPEN = MOTE_PHASES_OPEN,
    CONCERNS_RECEIVED = MOTE_PHASES(RECEIVED)
};

typedef struct state_info {
    uint8_t stage;
    uint8_t timeout;
    uint8_t may;
    uint8_t verdict;
    uint8_t concerns;
} state_info_t;

#define ROW(stage, timeout, may, verdict, concerns)                                                              \
    {                                                                                                        \
        MOTE_STAGE_##stage, timeout, may, MOTE_VERDICT_##verdict, CONCERNS_##concerns                          \
    }

static const state_info_t state_info[] = {
    [MOTE_SMTP_AWAIT_GREETING] = ROW(GREETING, MOTE_TIMEOUT_GREETING, MAY_SAY_ALL, PENDING, OPEN), /* 4.5.3.2.1 */
    [MOTE_SMTP_AWAIT_EHLO] = ROW(EHLO, MOTE_TIMEOUT_EHLO, 0, PENDING, OPEN),
    [MOTE_SMTP_AWAIT_HELO] = ROW(EHLO, MOTE_TIMEOUT_EHLO, 0, PENDING, OPEN),
    [MOTE_SMTP_AWAIT_STARTTLS] = ROW(STARTTLS, MOTE_TIMEOUT_STARTTLS, 0, PENDING, OPEN),
    [MOTE_SMTP_AWAIT_SECURE] = ROW(TLS, MOTE_TIMEOUT_STARTTLS, 0, PENDING, OPEN),
    [MOTE_SMTP_AWAIT_AUTH] = ROW(AUTH, MOTE_TIMEOUT_AUTH, MAY_GO_ON, PENDING, OPEN),
    [MOTE_SMTP_AWAIT_MAIL] = ROW(MAIL, MOTE_TIMEOUT_MAIL, 0, PENDING, OPEN),                     /* 4.5.3.2.2 */
    [MOTE_SMTP_AWAIT_RCPT] = ROW(RCPT, MOTE_TIMEOUT_RCPT, 0, TRANSIENT, OPEN),                   /* 4.5.3.2.3 */
    [MOTE_SMTP_AWAIT_DATA] = ROW(DATA, MOTE_TIMEOUT_DATA, MAY_GO_ON, TRANSIENT, RECEIVED),         /* 4.5.3.2.4 */
    [MOTE_SMTP_AWAIT_CONTENT] = ROW(CONTENT, MOTE_TIMEOUT_BLOCK, MAY_REFUSE, TRANSIENT, RECEIVED), /* 4.5.3.2.5 */
    [MOTE_SMTP_AWAIT_FINAL] = ROW(FINAL, MOTE_TIMEOUT_FINAL, MAY_REFUSE, IN_DOUBT, RECEIVED),      /* 4.5.3.2.6 */
    [MOTE_SMTP_AWAIT_LONE_DOT] = ROW(FINAL, MOTE_TIMEOUT_FINAL, MAY_GO_ON, PENDING, OPEN),
    [MOTE_SMTP_AWAIT_RSET] = ROW(MAIL, MOTE_TIMEOUT_RESET, 0, PENDING, OPEN),
    [MOTE_SMTP_AWAIT_MORE] = ROW(NONE, NO_TIMEOUT, MAY_REFUSE, PENDING, NOBODY),
    [MOTE_SMTP_AWAIT_QUIT] = ROW(NONE, MOTE_TIMEOUT_QUIT, MAY_GO_ON | MAY_SAY_ALL, PENDING, NOBODY),
    [MOTE_SMTP_ENDED] = ROW(NONE, NO_TIMEOUT, 0, PENDING, NOBODY),
};

/* What the speaking half says next. */
enum {
    SAY_NOTHING,
    SAY_AUTH,
    SAY_ANSWER, /* to a challenge */
    SAY_MAIL,
    SAY_RCPT,
    SAY_CONTENT,
    SAY_EHLO, /* from here on a word says it */
    SAY_HELO,
    SAY_STARTTLS,
    SAY_CANCEL, /* "*": RFC 4954 4 */
    SAY_DATA,
    SAY_DOT, /* the end of data, also of none */
    SAY_RSET,
    SAY_QUIT
};

/* Extensions, as EHLO keywords. */
enum { EXT_PIPELINING = 1, EXT_8BITMIME = 2, EXT_STARTTLS = 4, EXT_SIZE = 8, EXT_AUTH = 16, EXT_NONE = 128 };

enum {
    FLAG_IN_CLEAR = 1,     /* opportunistic TLS failed on this host before */
    FLAG_IS_CUT = 2,       /* the stream is to be cut, not closed */
    FLAG_WAS_GREETED = 4,
    FLAG_IS_GROUP = 8,     /* commands run ahead of replies (RFC 2920) */
    FLAG_IS_DRAINED = 16,  /* the rest of the group's replies decide nothing: AUTH or MAIL was refused */
    FLAG_IS_EARLY = 32,    /* the reply at hand began before anything that it could answer had left */
    FLAG_AUTH_FAILED = 64,
    FLAG_AUTH_DONE = 128,
    FLAG_AUTH_BARE = 256,  /* without initial response, which was refused (RFC 4954 4) */
    FLAG_IS_CANCELLED = 512,
    FLAG_NO_SIZE = 1024,   /* MAIL with SIZE= was refused: once more without */
    FLAG_WAS_RESET = 2048, /* MAIL was answered 503: once more after RSET */
    FLAG_IS_FULL = 4096,   /* 452: no more recipients in this transaction */
    FLAG_IS_SECRET = 8192, /* the room holds a secret */
    FLAG_QUIT_SAID = 16384,
    FLAG_SOURCE_WAITS = 32768 /* the source has nothing for now */
};

/* RFC 5321 4.5.3.1.4 and RFC 4954 4: a command line with its CRLF. */
enum { COMMAND_BYTES = 512 };

static const mote_span_t crlf = MOTE_SPAN("\r\n");
static const mote_span_t nothing = { NULL, 0 };

static bool has(const mote_smtp_t *smtp, unsigned flag)
{
    return (smtp->flags & flag) != 0;
}

static void set(mote_smtp_t *smtp, unsigned flag)
{
    smtp->flags |= (uint16_t)flag;
}

static void clear(mote_smtp_t *smtp, unsigned flag)
{
    smtp->flags &= (uint16_t)~flag;
}

static bool offers(const mote_smtp_t *smtp, unsigned extension)
{
    return (smtp->extensions & extension) != 0;
}

/* Commands run ahead of replies (RFC 2920). */
static bool is_group(const mote_smtp_t *smtp)
{
    return MOTE_FEATURE_PIPELINING && has(smtp, FLAG_IS_GROUP);
}

/* What still comes of a group decides nothing: AUTH or MAIL was refused. */
static bool is_drained(const mote_smtp_t *smtp)
{
    return MOTE_FEATURE_PIPELINING && has(smtp, FLAG_IS_DRAINED);
}

/* The route cannot do with the protection there is. */
static bool needs_tls(const mote_smtp_t *smtp)
{
    if (smtp->hop->tls == MOTE_TLS_VERIFIED) {
        return smtp->protection != MOTE_PROTECTION_VERIFIED;
    }
    return smtp->hop->tls == MOTE_TLS_REQUIRED && smtp->protection == MOTE_PROTECTION_NONE;
}

static bool needs_auth(const mote_smtp_t *smtp)
{
#if MOTE_FEATURE_AUTH
    return smtp->hop->mechanisms != 0 && smtp->hop->credentials != NULL && !has(smtp, FLAG_AUTH_DONE);
#else
    (void)smtp;
    return false;
#endif
}

static void tell(const mote_smtp_t *smtp, mote_event_t event, mote_span_t bytes)
{
#if MOTE_FEATURE_OBSERVER
    const mote_observer_t *observer = smtp->settings->observer;

    if (observer != NULL) {
        observer->tell(observer->self, event, bytes, smtp->now_ms);
    }
#else
    (void)smtp, (void)event, (void)bytes;
#endif
}

/* ---- recipients and their verdicts ------------------------------------------------------------------ */

/* Why: the reply just heard, or a status with an enhanced code of ours (RFC 3463), in one word. */
typedef unsigned cause_t;
#define CAUSE(status, enhanced) ((cause_t)(status) | (enhanced) << 8)
#define CAUSE_REPLY 0U
#define CAUSE_HELD 0x80U /* an account or configuration fault; goes with another cause */

MOTE_STATIC_ASSERT(MOTE_STATUS_COUNT <= CAUSE_HELD, a_status_leaves_room_for_held);

static bool is_reply(cause_t cause)
{
    return (cause & ~CAUSE_HELD) == CAUSE_REPLY;
}

/* The first recipient in one of the phases; NULL if there is none. */
static mote_recipient_t *find(const mote_smtp_t *smtp, unsigned phases)
{
    return mote_mail_find(smtp->mail, smtp->mail->recipients, phases);
}

static bool has_open(const mote_smtp_t *smtp)
{
    return find(smtp, MOTE_PHASES_OPEN) != NULL;
}

/* Who is to be said next. */
static mote_recipient_t *find_next(const mote_smtp_t *smtp)
{
    return mote_mail_find(smtp->mail, &smtp->mail->recipients[smtp->rcpt_said], MOTE_PHASES(CHOSEN));
}

/* Whom the reply at hand concerns first: its words are kept there while they come. NULL: nobody. Who has a verdict, and is
   asked for at all hosts, keeps the words that came with it. */
static mote_recipient_t *find_hearer(const mote_smtp_t *smtp)
{
    mote_recipient_t *recipient;
    unsigned phases = 0;

    if (is_drained(smtp)) {
        return NULL;
    }
    if (smtp->state < MOTE_SMTP_AWAIT_RCPT) {
        phases = MOTE_PHASES_OPEN;
    } else if (smtp->state == MOTE_SMTP_AWAIT_RCPT) {
        phases = MOTE_PHASES(OFFERED);
    } else if (smtp->state <= MOTE_SMTP_AWAIT_FINAL) {
        phases = MOTE_PHASES(RECEIVED);
    }
    recipient = find(smtp, phases);
    return recipient != NULL && recipient->verdict == MOTE_VERDICT_PENDING ? recipient : NULL;
}

static void fill_report(const mote_smtp_t *smtp, cause_t cause, mote_report_t *report)
{
    const mote_reply_t *reply = &smtp->reply;

    mote_report_set(report, (mote_stage_t)state_info[smtp->state].stage, (mote_status_t)(cause & 0x7F), cause >> 8);
    report->held = (cause & CAUSE_HELD) != 0;
    if (!is_reply(cause)) {
        return;
    }
    report->code = reply->code;
    report->enhanced = reply->enhanced;
    if (report->held && smtp->state == MOTE_SMTP_AWAIT_AUTH) {
        report->status = MOTE_ERR_AUTH;
    } else if (reply->first_digit >= '4') {
        report->status = reply->first_digit == '4' ? MOTE_ERR_REPLY_4YZ : MOTE_ERR_REPLY_5YZ;
    }
}

static void settle(const mote_smtp_t *smtp, mote_recipient_t *recipient, mote_verdict_t verdict)
{
    if (verdict != MOTE_VERDICT_PENDING) {
        mote_recipient_settle(recipient, verdict);
        tell(smtp, MOTE_EVENT_VERDICT, recipient->address);
    }
}

/* For all that are in these phases: writes down why, and gives the verdict if there is one. A reply's words stand in
   the buffer of one of them and go from there to the others. */
static void conclude(const mote_smtp_t *smtp, unsigned phases, mote_verdict_t verdict, cause_t cause)
{
    const mote_recipient_t *hearer = is_reply(cause) ? find_hearer(smtp) : NULL;
    mote_span_t words = hearer != NULL ? mote_buffer_span(&hearer->text) : nothing;
    mote_recipient_t *recipient = smtp->mail->recipients;
    mote_report_t report;

    fill_report(smtp, cause, &report);
    for (; (recipient = mote_mail_find(smtp->mail, recipient, phases)) != NULL; recipient++) {
        mote_recipient_note(recipient, &report, words);
        settle(smtp, recipient, verdict);
    }
}

static mote_verdict_t verdict_of(const mote_smtp_t *smtp)
{
    switch (smtp->reply.first_digit) {
    case '4':
        return MOTE_VERDICT_TRANSIENT;
    case '5':
        return MOTE_VERDICT_PERMANENT;
    default:
        return MOTE_VERDICT_ACCEPTED;
    }
}

/* ---- transitions: an await_ sets the state, nothing else does ---------------------------------------- */

static void await(mote_smtp_t *smtp, mote_smtp_state_t state)
{
    smtp->state = (uint8_t)state;
    smtp->since_ms = smtp->now_ms;
}

/* Where nothing runs ahead, what is awaited is said now. */
static void ask(mote_smtp_t *smtp, mote_smtp_state_t state, unsigned saying)
{
    smtp->saying = (uint8_t)saying;
    await(smtp, state);
}

static void wipe_room(mote_smtp_t *smtp)
{
    if (has(smtp, FLAG_IS_SECRET)) {
        mote_wipe(smtp->room.data, smtp->room.size);
        clear(smtp, FLAG_IS_SECRET);
    }
}

/* Nothing more is done here for those that are open. Who was never asked has a report too. */
static void conclude_session(mote_smtp_t *smtp)
{
    mote_recipient_t *recipient = smtp->mail->recipients;
    mote_report_t report;

    if (smtp->end == MOTE_SMTP_RUNNING) {
        smtp->end = has_open(smtp) ? MOTE_SMTP_NEXT_HOST : MOTE_SMTP_DONE;
    }
    fill_report(smtp, CAUSE(MOTE_ERR_LINK_LOST, MOTE_ENHANCED(4, 4, 2)), &report);
    for (; (recipient = mote_mail_find(smtp->mail, recipient, MOTE_PHASES_OPEN)) != NULL; recipient++) {
        if (recipient->report.stage == MOTE_STAGE_NONE) {
            mote_recipient_note(recipient, &report, nothing);
        }
    }
}

static void end(mote_smtp_t *smtp, bool is_cut)
{
    conclude_session(smtp);
    if (is_cut) {
        set(smtp, FLAG_IS_CUT);
    }
    wipe_room(smtp);
    ask(smtp, MOTE_SMTP_ENDED, SAY_NOTHING);
}

/* The session is in step: it ends with QUIT (RFC 5321 4.1.1.10). Whoever is open goes to the next host. */
static void quit(mote_smtp_t *smtp)
{
    conclude_session(smtp);
    ask(smtp, MOTE_SMTP_AWAIT_QUIT, has(smtp, FLAG_QUIT_SAID) ? SAY_NOTHING : SAY_QUIT);
}

/* This host does not serve: why is written down for those who go on. */
static void leave_host(mote_smtp_t *smtp, cause_t cause)
{
    conclude(smtp, MOTE_PHASES_OPEN, MOTE_VERDICT_PENDING, cause);
    quit(smtp);
}

/* The dialogue cannot go on: by the state's row. */
static void break_off(mote_smtp_t *smtp, cause_t cause, bool is_cut)
{
    const state_info_t *info = &state_info[smtp->state];
    mote_verdict_t verdict = is_drained(smtp) ? MOTE_VERDICT_PENDING : (mote_verdict_t)info->verdict;

    conclude(smtp, info->concerns, verdict, cause);
    end(smtp, is_cut);
}

/* The link has ended, or the time: after an attempt at TLS that need not be, the same address serves without it. */
static void lose_link(mote_smtp_t *smtp, mote_status_t status, bool is_cut)
{
    bool is_securing = smtp->state == MOTE_SMTP_AWAIT_STARTTLS || smtp->state == MOTE_SMTP_AWAIT_SECURE;

    if (is_securing && smtp->hop->tls == MOTE_TLS_OPPORTUNISTIC) {
        smtp->end = MOTE_SMTP_IN_CLEAR;
    }
    break_off(smtp, CAUSE(status, MOTE_ENHANCED(4, 4, 2)), is_cut);
}

/* A reply that cannot stand here, or is none: the two are out of step, and nothing is guessed. */
static void break_step(mote_smtp_t *smtp)
{
    if (smtp->state == MOTE_SMTP_AWAIT_MAIL && !is_drained(smtp)) {
        conclude(smtp, MOTE_PHASES_OPEN, MOTE_VERDICT_TRANSIENT, CAUSE(MOTE_ERR_PROTOCOL, MOTE_ENHANCED(4, 5, 0)));
    }
    break_off(smtp, CAUSE(MOTE_ERR_PROTOCOL, MOTE_ENHANCED(4, 5, 0)), smtp->state != MOTE_SMTP_AWAIT_QUIT);
}

/* ---- the transaction -------------------------------------------------------------------------------- */

static bool declares_8bit(const mote_smtp_t *smtp)
{
    return smtp->mail->source->is_8bit != MOTE_NO && offers(smtp, EXT_8BITMIME);
}

static bool declares_size(const mote_smtp_t *smtp)
{
    return offers(smtp, EXT_SIZE) && smtp->mail->source->wire_size >= 0 && !has(smtp, FLAG_NO_SIZE);
}

/* Why this server cannot take the mail at all (RFC 6152 3, RFC 1870 6.1); CAUSE_REPLY if it can. */
static cause_t why_not_here(const mote_smtp_t *smtp)
{
    const mote_source_t *source = smtp->mail->source;

    if (source->is_8bit == MOTE_YES && !offers(smtp, EXT_8BITMIME)) {
        return CAUSE(MOTE_ERR_EXTENSION, MOTE_ENHANCED(5, 6, 3));
    }
    if (source->wire_size >= 0 && smtp->size_limit != 0 && (uint32_t)source->wire_size > smtp->size_limit) {
        return CAUSE(MOTE_ERR_TOO_LARGE, MOTE_ENHANCED(5, 3, 4));
    }
    return CAUSE_REPLY;
}

/* A probe may go on to other hosts: it keeps none of them waiting. */
static bool keeps_stream(const mote_smtp_t *smtp)
{
    return smtp->settings->keeps_stream && !smtp->settings->is_probe;
}

/* Nothing is left to do for this mail. */
static void finish(mote_smtp_t *smtp, bool needs_reset)
{
    if (!keeps_stream(smtp) || has(smtp, FLAG_AUTH_FAILED)) {
        quit(smtp);
        return;
    }
    conclude_session(smtp);
    if (needs_reset) {
        ask(smtp, MOTE_SMTP_AWAIT_RSET, SAY_RSET);
    } else {
        ask(smtp, MOTE_SMTP_AWAIT_MORE, SAY_NOTHING);
    }
}

/* From MAIL on. */
static void begin_transaction(mote_smtp_t *smtp)
{
    cause_t cause = why_not_here(smtp);
    mote_recipient_t *recipient;

    while ((recipient = find(smtp, MOTE_PHASES(OFFERED))) != NULL) {
        recipient->phase = MOTE_PHASE_CHOSEN; /* in a group that came to nothing, here or elsewhere */
    }
    ask(smtp, MOTE_SMTP_AWAIT_MAIL, SAY_MAIL);
    smtp->rcpt_said = 0;
    smtp->rcpt_due = 0;
    smtp->rcpt_count = 0;
    smtp->received_count = 0;
    clear(smtp, FLAG_IS_DRAINED | FLAG_IS_FULL | FLAG_IS_GROUP);
    if (offers(smtp, EXT_PIPELINING)) {
        set(smtp, FLAG_IS_GROUP);
    }
    if (cause != CAUSE_REPLY) {
        conclude(smtp, MOTE_PHASES_OPEN, MOTE_VERDICT_PERMANENT, cause);
        finish(smtp, false);
    }
}

/* An account or configuration fault: nobody is refused for it, everybody waits for somebody to mend it. */
static void hold(mote_smtp_t *smtp, cause_t cause)
{
    conclude(smtp, MOTE_PHASES_OPEN, MOTE_VERDICT_TRANSIENT, cause | CAUSE_HELD);
    set(smtp, FLAG_AUTH_FAILED);
}

#if MOTE_FEATURE_AUTH
static mote_status_t ask_credentials(const mote_smtp_t *smtp, mote_credentials_t *credentials)
{
    const mote_hop_t *hop = smtp->hop;
    mote_status_t status = hop->credentials(hop->credentials_self, hop, credentials);

    return status == MOTE_OK && !mote_auth_is_usable(credentials) ? MOTE_ERR_AUTH : status;
}

/* AUTH-2, AUTH-3: never in the open, never without. */
static mote_status_t choose_mechanism(mote_smtp_t *smtp, mote_credentials_t *credentials)
{
    unsigned usable = smtp->mechanisms & (unsigned)smtp->hop->mechanisms;

    if (smtp->protection != MOTE_PROTECTION_VERIFIED && !smtp->hop->allows_plaintext_auth) {
        return smtp->protection == MOTE_PROTECTION_NONE ? MOTE_ERR_TLS_MISSING : MOTE_ERR_TLS_UNTRUSTED;
    }
    smtp->mechanism = (uint8_t)(usable & (~usable + 1U)); /* the lowest bit: in our own order */
    return usable != 0 ? ask_credentials(smtp, credentials) : MOTE_ERR_AUTH;
}

/* RFC 4954 4: the initial response goes along where the line does not grow beyond 512 octets. */
static bool has_initial_response(const mote_smtp_t *smtp, const mote_credentials_t *credentials)
{
    /* Four letters for each three octets, among them two NULs. */
    enum { SECRET_BYTES = (COMMAND_BYTES - (sizeof "AUTH PLAIN \r\n" - 1)) / 4 * 3 - 2 };

    return smtp->mechanism == MOTE_AUTH_PLAIN && !has(smtp, FLAG_AUTH_BARE) &&
           credentials->user.size + credentials->password.size <= SECRET_BYTES;
}

static void begin_auth(mote_smtp_t *smtp)
{
    mote_credentials_t credentials;
    mote_status_t status;

    ask(smtp, MOTE_SMTP_AWAIT_AUTH, SAY_AUTH);
    status = choose_mechanism(smtp, &credentials);
    if (status != MOTE_OK) {
        hold(smtp, CAUSE(status, MOTE_ENHANCED(4, 7, 0)));
        quit(smtp);
        return;
    }
    smtp->auth_step = 0;
    clear(smtp, FLAG_IS_CANCELLED | FLAG_IS_GROUP | FLAG_IS_DRAINED);
    if (has_initial_response(smtp, &credentials)) {
        smtp->auth_step = 1;
        begin_transaction(smtp); /* one round trip and no more: the transaction may follow in its group (AUTH-25) */
        if (smtp->state == MOTE_SMTP_AWAIT_MAIL) {
            ask(smtp, MOTE_SMTP_AWAIT_AUTH, SAY_AUTH);
        }
    }
}
#endif

/* Recipients are open, the session is in step and outside a transaction. */
static void go_on(mote_smtp_t *smtp)
{
#if MOTE_FEATURE_AUTH
    if (needs_auth(smtp)) {
        begin_auth(smtp);
        return;
    }
#endif
    begin_transaction(smtp);
}

/* A transaction is over. Recipients left over by a 452, or to be asked again, get a further one. */
static void end_transaction(mote_smtp_t *smtp, bool needs_reset)
{
    if (!has_open(smtp) || has(smtp, FLAG_AUTH_FAILED)) {
        finish(smtp, needs_reset);
    } else if (needs_reset) {
        ask(smtp, MOTE_SMTP_AWAIT_RSET, SAY_RSET); /* RFC 5321 4.1.4 */
    } else {
        go_on(smtp);
    }
}

/* ---- a group's replies, by count (RFC 2920 3.1) -------------------------------------------------------- */

static bool has_rcpt_to_say(const mote_smtp_t *smtp)
{
    return !has(smtp, FLAG_IS_FULL) && smtp->rcpt_count < MOTE_TRANSACTION_RECIPIENT_COUNT &&
           find_next(smtp) != NULL;
}

/* QUIT may ride in this flight: nothing else follows on this session. */
static bool is_last_flight(const mote_smtp_t *smtp)
{
    return is_group(smtp) && !keeps_stream(smtp) && find(smtp, MOTE_PHASES(CHOSEN)) == NULL;
}

/* In a group, what follows MAIL and each RCPT. */
static uint8_t say_next_of_group(const mote_smtp_t *smtp)
{
    if (has_rcpt_to_say(smtp)) {
        return SAY_RCPT;
    }
    if (!smtp->settings->is_probe) {
        return SAY_DATA;
    }
    /* A probe may end its only group with QUIT, unless a refusal could still ask for another try. */
    return is_last_flight(smtp) && !needs_auth(smtp) && !declares_size(smtp) ? SAY_QUIT : SAY_NOTHING;
}

/* What is heard next in a transaction whose commands ran ahead, or are about to. False: nothing. */
static bool hear_next_of_group(mote_smtp_t *smtp)
{
    if (smtp->rcpt_due > 0 || smtp->saying == SAY_RCPT) {
        await(smtp, MOTE_SMTP_AWAIT_RCPT);
    } else if (smtp->outstanding > 0 && has(smtp, FLAG_QUIT_SAID)) {
        quit(smtp);
    } else if (smtp->outstanding > 0) {
        await(smtp, MOTE_SMTP_AWAIT_DATA); /* it is on its way already: its reply must be heard */
    } else {
        return false;
    }
    return true;
}

/* AUTH or MAIL was refused: what ran ahead is heard to its end, and decides nothing. */
static void drain(mote_smtp_t *smtp)
{
    bool is_auth = smtp->state == MOTE_SMTP_AWAIT_AUTH;

    set(smtp, FLAG_IS_DRAINED);
    if (smtp->skip == 0) {
        smtp->saying = SAY_NOTHING; /* a command begun is ended; no other begins */
    }
    if (is_auth && (smtp->outstanding > 0 || smtp->saying == SAY_MAIL)) {
        await(smtp, MOTE_SMTP_AWAIT_MAIL);
    } else if (!hear_next_of_group(smtp)) {
        end_transaction(smtp, !is_auth);
    }
}

/* ---- what comes after EHLO ---------------------------------------------------------------------------- */

static void after_ehlo(mote_smtp_t *smtp)
{
    bool may_have_tls = smtp->hop->tls == MOTE_TLS_OPPORTUNISTIC && !has(smtp, FLAG_IN_CLEAR);

    if (MOTE_FEATURE_TLS && (needs_tls(smtp) || may_have_tls) && smtp->protection == MOTE_PROTECTION_NONE && offers(smtp, EXT_STARTTLS)) {
        ask(smtp, MOTE_SMTP_AWAIT_STARTTLS, SAY_STARTTLS);
    } else if (needs_tls(smtp)) {
        await(smtp, MOTE_SMTP_AWAIT_STARTTLS);
        leave_host(smtp, CAUSE(MOTE_ERR_TLS_MISSING, MOTE_ENHANCED(4, 7, 4)));
    } else {
        go_on(smtp);
    }
}

/* RFC 5321 3.2: HELO where EHLO is unknown, if nothing needs an extension and we have a name to give. */
static bool may_say_helo(const mote_smtp_t *smtp)
{
    uint16_t code = smtp->reply.code;
    bool is_unknown = code == 500 || code == 501 || code == 502 || code == 504;

    return is_unknown && smtp->state == MOTE_SMTP_AWAIT_EHLO && !needs_tls(smtp) && !needs_auth(smtp) &&
           smtp->mail->source->is_8bit != MOTE_YES && smtp->settings->hello_name.size > 0;
}

/* ---- hearing: EHLO keywords --------------------------------------------------------------------------- */

static void forget_offers(mote_smtp_t *smtp)
{
    smtp->extensions = 0;
    smtp->mechanisms = 0;
    smtp->size_limit = 0;
    memset(&smtp->at.hearing, 0, sizeof smtp->at.hearing);
}

/* SIZE has up to 20 digits (RFC 1870 4); what is beyond 32 bits is no limit to us. */
static uint32_t read_size(mote_span_t digits)
{
    uint32_t value = 0;

    for (size_t i = 0; i < digits.size; i++) {
        uint8_t digit = (uint8_t)(digits.data[i] - '0');

        if (digit > 9) {
            return 0;
        }
        value = value > (UINT32_MAX - 9) / 10 ? UINT32_MAX : value * 10 + digit;
    }
    return value;
}

static uint8_t read_keyword(mote_span_t word)
{
    static const struct {
        mote_span_t word;
        uint8_t extension;
    } keywords[] = {
        { MOTE_SPAN("PIPELINING"), EXT_PIPELINING }, { MOTE_SPAN("8BITMIME"), EXT_8BITMIME },
        { MOTE_SPAN("STARTTLS"), EXT_STARTTLS },     { MOTE_SPAN("SIZE"), EXT_SIZE },
        { MOTE_SPAN("AUTH"), EXT_AUTH },
    };

    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (mote_span_equals_ignoring_case(word, keywords[i].word)) {
            return keywords[i].extension;
        }
    }
    return EXT_NONE;
}

/* A word of an EHLO line has ended. One longer than its room means nothing to us. */
static void end_word(mote_smtp_t *smtp)
{
    mote_hearing_t *hearing = &smtp->at.hearing;
    mote_span_t word = mote_span(hearing->word, hearing->word_size);

    if (word.size > sizeof hearing->word) {
        word.size = 0;
    }
    if (hearing->word_size == 0) {
        return;
    }
    if (hearing->keyword == 0) {
        hearing->keyword = read_keyword(word);
        smtp->extensions |= hearing->keyword;
#if MOTE_FEATURE_AUTH
    } else if (hearing->keyword == EXT_AUTH) {
        smtp->mechanisms |= mote_auth_mechanism(word);
#endif
    } else if (hearing->keyword == EXT_SIZE) {
        smtp->size_limit = read_size(word);
        hearing->keyword = EXT_NONE;
    }
    hearing->word_size = 0;
}

/* RFC 5321 4.1.1.1: the first line is the server's name, never a keyword. */
static void hear_ehlo(mote_smtp_t *smtp, mote_reply_event_t event, uint8_t octet)
{
    mote_hearing_t *hearing = &smtp->at.hearing;

    if (event == MOTE_REPLY_LINE_END || event == MOTE_REPLY_DONE) {
        end_word(smtp);
        hearing->keyword = 0;
    } else if (event == MOTE_REPLY_TEXT && smtp->reply.line_count > 0) {
        if (octet == ' ') {
            end_word(smtp);
        } else if (hearing->word_size < sizeof hearing->word) {
            hearing->word[hearing->word_size++] = octet;
        } else {
            hearing->word_size = sizeof hearing->word + 1;
        }
    }
}

/* ---- hearing: one reply, one transition ---------------------------------------------------------------- */

/* A host that does not serve us. Our own relay refusing for good is a configuration fault. */
static cause_t refusal(const mote_smtp_t *smtp)
{
    bool is_relay = smtp->hop->host.size > 0;

    return is_relay && smtp->reply.first_digit == '5' ? CAUSE_HELD : CAUSE_REPLY;
}

static void on_greeting(mote_smtp_t *smtp)
{
    if (smtp->reply.first_digit == '2') {
        set(smtp, FLAG_WAS_GREETED);
        forget_offers(smtp);
        ask(smtp, MOTE_SMTP_AWAIT_EHLO, SAY_EHLO);
    } else {
        leave_host(smtp, refusal(smtp));
    }
}

static void on_ehlo(mote_smtp_t *smtp)
{
    if (smtp->reply.first_digit == '2') {
        after_ehlo(smtp);
    } else if (may_say_helo(smtp)) {
        forget_offers(smtp);
        ask(smtp, MOTE_SMTP_AWAIT_HELO, SAY_HELO);
    } else {
        leave_host(smtp, refusal(smtp));
    }
}

static void on_starttls(mote_smtp_t *smtp)
{
    bool has_left = smtp->room_sent == smtp->room.size;

    if (smtp->reply.code == 220 && has_left) {
        await(smtp, MOTE_SMTP_AWAIT_SECURE);
    } else if (smtp->reply.first_digit == '2') {
        break_step(smtp);
    } else if (smtp->hop->tls == MOTE_TLS_OPPORTUNISTIC) {
        set(smtp, FLAG_IN_CLEAR);
        after_ehlo(smtp);
    } else {
        leave_host(smtp, CAUSE_REPLY);
    }
}

#if MOTE_FEATURE_AUTH
static void on_challenge(mote_smtp_t *smtp)
{
    bool is_due = smtp->auth_step < mote_auth_step_count(smtp->mechanism);
    bool is_readable = mote_base64_is_complete(&smtp->at.hearing.challenge);

    if (has(smtp, FLAG_IS_CANCELLED)) {
        break_step(smtp);
    } else if (is_due && is_readable) {
        ask(smtp, MOTE_SMTP_AWAIT_AUTH, SAY_ANSWER);
    } else if (smtp->outstanding > 0 || smtp->skip > 0) {
        hold(smtp, CAUSE_REPLY); /* the group behind AUTH is taken for the answer: "*" would come too late */
        end(smtp, true);
    } else {
        set(smtp, FLAG_IS_CANCELLED);
        ask(smtp, MOTE_SMTP_AWAIT_AUTH, SAY_CANCEL);
    }
}

/* A refusal of AUTH that is worth another try, once each (RFC 4954 4, 6). */
static bool may_try_again(mote_smtp_t *smtp)
{
    uint16_t code = smtp->reply.code;
    bool had_response = smtp->mechanism == MOTE_AUTH_PLAIN && !has(smtp, FLAG_AUTH_BARE) && smtp->auth_step > 0;

    if (has(smtp, FLAG_IS_CANCELLED)) {
        return false;
    }
    if ((code == 500 || code == 501) && had_response) {
        set(smtp, FLAG_AUTH_BARE);
        return true;
    }
    if (code == 504 || code == 534 || code == 538) {
        smtp->mechanisms &= (uint8_t)~smtp->mechanism;
        return (smtp->mechanisms & smtp->hop->mechanisms) != 0;
    }
    return false;
}

static void on_auth(mote_smtp_t *smtp)
{
    uint16_t code = smtp->reply.code;

    if (code == 334) {
        on_challenge(smtp);
    } else if (smtp->reply.first_digit == '2' && !has(smtp, FLAG_IS_CANCELLED)) {
        set(smtp, FLAG_AUTH_DONE);
        if (is_group(smtp)) {
            await(smtp, MOTE_SMTP_AWAIT_MAIL);
        } else {
            begin_transaction(smtp);
        }
    } else if (smtp->reply.first_digit == '3') {
        break_step(smtp);
    } else if (smtp->reply.first_digit == '4') {
        conclude(smtp, MOTE_PHASES_OPEN, MOTE_VERDICT_PENDING, CAUSE_REPLY); /* no fault of the secret: AUTH-13 */
        set(smtp, FLAG_AUTH_FAILED);
        drain(smtp);
    } else if (may_try_again(smtp)) {
        conclude(smtp, MOTE_PHASES_OPEN, MOTE_VERDICT_PENDING, CAUSE_REPLY);
        drain(smtp);
    } else {
        hold(smtp, CAUSE_REPLY);
        drain(smtp);
    }
}
#endif

/* A refusal of MAIL that is worth another try, once each (RFC 5321 4.1.1.11, 4.1.4). */
static bool may_mail_again(mote_smtp_t *smtp)
{
    uint16_t code = smtp->reply.code;

    if ((code == 455 || code == 501 || code == 504 || code == 555) && declares_size(smtp)) {
        set(smtp, FLAG_NO_SIZE);
        return true;
    }
    if (code == 503 && !has(smtp, FLAG_WAS_RESET)) {
        set(smtp, FLAG_WAS_RESET);
        return true;
    }
    return false;
}

static void on_mail(mote_smtp_t *smtp)
{
    uint16_t code = smtp->reply.code;

    if (is_drained(smtp)) {
        if (!hear_next_of_group(smtp)) {
            end_transaction(smtp, true);
        }
        return;
    }
    if (smtp->reply.first_digit == '2') {
        ask(smtp, MOTE_SMTP_AWAIT_RCPT, is_group(smtp) ? smtp->saying : SAY_RCPT);
        return;
    }
    if (code == 530) {
        hold(smtp, CAUSE_REPLY); /* AUTH-15: authentication is wanted, and we had none to give */
    } else if (may_mail_again(smtp)) {
        conclude(smtp, MOTE_PHASES_OPEN, MOTE_VERDICT_PENDING, CAUSE_REPLY);
    } else {
        conclude(smtp, MOTE_PHASES_OPEN, code == 503 ? MOTE_VERDICT_TRANSIENT : verdict_of(smtp), CAUSE_REPLY);
    }
    drain(smtp);
}

/* RFC 5321 4.5.3.1.10: too many recipients, not too much of anything else. */
static bool is_too_many(const mote_smtp_t *smtp)
{
    const mote_enhanced_t *enhanced = &smtp->reply.enhanced;
    bool is_size = (enhanced->subject == 3 && enhanced->detail == 4) || (enhanced->subject == 2 && enhanced->detail == 3);

    return smtp->received_count > 0 && !smtp->settings->is_probe &&
           (smtp->reply.code == 452 || (smtp->reply.code == 552 && !is_size));
}

/* The reply to RCPT concerns this recipient alone. */
static void on_recipient(mote_smtp_t *smtp, mote_recipient_t *recipient)
{
    mote_verdict_t verdict = verdict_of(smtp);
    cause_t cause = CAUSE_REPLY;
    mote_report_t report;

    if (verdict == MOTE_VERDICT_ACCEPTED) {
        recipient->phase = MOTE_PHASE_RECEIVED;
        verdict = smtp->settings->is_probe ? verdict : MOTE_VERDICT_PENDING;
    } else if (is_too_many(smtp)) {
        set(smtp, FLAG_IS_FULL);
        recipient->phase = MOTE_PHASE_CHOSEN;
        verdict = MOTE_VERDICT_PENDING;
    } else if (smtp->reply.code == 530) {
        cause = CAUSE_HELD; /* AUTH-15 */
        verdict = MOTE_VERDICT_TRANSIENT;
    }
    fill_report(smtp, cause, &report);
    mote_recipient_note(recipient, &report, mote_buffer_span(&recipient->text));
    settle(smtp, recipient, verdict);
}

static void on_rcpt(mote_smtp_t *smtp)
{
    if (!is_drained(smtp)) {
        on_recipient(smtp, find(smtp, MOTE_PHASES(OFFERED)));
    }
    smtp->received_count = (uint16_t)(smtp->received_count + (smtp->reply.first_digit == '2' ? 1 : 0));
    smtp->rcpt_due--;
    if (smtp->saying == SAY_RCPT && smtp->skip == 0) {
        smtp->saying = say_next_of_group(smtp); /* after a 452 no more of them */
    }
    if (hear_next_of_group(smtp)) {
        return;
    }
    if (!is_drained(smtp) && has_rcpt_to_say(smtp)) {
        ask(smtp, MOTE_SMTP_AWAIT_RCPT, SAY_RCPT);
    } else if (!is_drained(smtp) && smtp->received_count > 0 && !smtp->settings->is_probe) {
        ask(smtp, MOTE_SMTP_AWAIT_DATA, SAY_DATA);
    } else {
        end_transaction(smtp, true);
    }
}

static void on_data(mote_smtp_t *smtp)
{
    uint16_t code = smtp->reply.code;

    if (smtp->reply.first_digit < '4' && code != 354) {
        break_step(smtp);
    } else if (code != 354) {
        if (code == 530) {
            hold(smtp, CAUSE_REPLY);
        }
        conclude(smtp, MOTE_PHASES(RECEIVED), verdict_of(smtp), CAUSE_REPLY);
        end_transaction(smtp, true);
    } else if (is_drained(smtp) && (smtp->received_count > 0 || needs_auth(smtp))) {
        end(smtp, true); /* AUTH-26: even a lone dot would send a mail, an empty one */
    } else if (smtp->received_count > 0) {
        mote_body_start(&smtp->at.body, smtp->mail->source,
                        MOTE_BODY_STUFFS_DOTS | (declares_8bit(smtp) ? 0U : MOTE_BODY_REFUSES_8BIT));
        ask(smtp, MOTE_SMTP_AWAIT_CONTENT, SAY_CONTENT);
    } else {
        ask(smtp, MOTE_SMTP_AWAIT_LONE_DOT, SAY_DOT); /* RFC 2920 3.1: nobody was accepted, so no content */
    }
}

/* A refusal that began before the end of data had left: the server has stopped listening. */
static void on_early_refusal(mote_smtp_t *smtp)
{
    conclude(smtp, MOTE_PHASES(RECEIVED), verdict_of(smtp), CAUSE_REPLY);
    end(smtp, true);
}

static void on_final(mote_smtp_t *smtp)
{
    conclude(smtp, MOTE_PHASES(RECEIVED), verdict_of(smtp), CAUSE_REPLY);
    end_transaction(smtp, false);
}

static void on_reset(mote_smtp_t *smtp)
{
    if (smtp->reply.first_digit != '2') {
        quit(smtp);
    } else if (has_open(smtp)) {
        go_on(smtp);
    } else {
        await(smtp, MOTE_SMTP_AWAIT_MORE);
    }
}

/* RFC 5321 3.8: the server closes, whatever was asked. It is a valid reply to the end of data, so there is no doubt. */
static void on_421(mote_smtp_t *smtp)
{
    bool is_content = smtp->state == MOTE_SMTP_AWAIT_CONTENT;

    if (smtp->state == MOTE_SMTP_AWAIT_FINAL) {
        conclude(smtp, MOTE_PHASES(RECEIVED), MOTE_VERDICT_TRANSIENT, CAUSE_REPLY);
    }
    break_off(smtp, CAUSE_REPLY, is_content);
}

/* Whether the reply may stand here: otherwise the two are out of step. */
static bool may_stand(const mote_smtp_t *smtp)
{
    uint8_t digit = smtp->reply.first_digit;
    unsigned may = state_info[smtp->state].may;

    if (digit == '3' && (may & MAY_GO_ON) == 0) {
        return false;
    }
    return !has(smtp, FLAG_IS_EARLY) || smtp->reply.code == 421 ||
           (may & (digit >= '4' ? MAY_REFUSE | MAY_SAY_ALL : MAY_SAY_ALL)) != 0;
}

/* One reply, one transition. */
static void on_reply(mote_smtp_t *smtp)
{
    bool is_early = has(smtp, FLAG_IS_EARLY);

    if (!may_stand(smtp)) {
        break_step(smtp);
        return;
    }
    smtp->outstanding = (uint16_t)(smtp->outstanding - (is_early ? 0 : 1));
    if (smtp->reply.code == 421) {
        on_421(smtp);
        return;
    }
    switch ((mote_smtp_state_t)smtp->state) {
    case MOTE_SMTP_AWAIT_GREETING:
        on_greeting(smtp);
        break;
    case MOTE_SMTP_AWAIT_EHLO:
    case MOTE_SMTP_AWAIT_HELO:
        on_ehlo(smtp);
        break;
    case MOTE_SMTP_AWAIT_STARTTLS:
        if (MOTE_FEATURE_TLS) {
            on_starttls(smtp);
        }
        break;
    case MOTE_SMTP_AWAIT_AUTH:
#if MOTE_FEATURE_AUTH
        on_auth(smtp);
#endif
        break;
    case MOTE_SMTP_AWAIT_MAIL:
        on_mail(smtp);
        break;
    case MOTE_SMTP_AWAIT_RCPT:
        on_rcpt(smtp);
        break;
    case MOTE_SMTP_AWAIT_DATA:
        on_data(smtp);
        break;
    case MOTE_SMTP_AWAIT_CONTENT:
        on_early_refusal(smtp);
        break;
    case MOTE_SMTP_AWAIT_FINAL:
        if (is_early) {
            on_early_refusal(smtp);
        } else {
            on_final(smtp);
        }
        break;
    case MOTE_SMTP_AWAIT_LONE_DOT:
        end_transaction(smtp, false); /* whatever it says, nobody was accepted */
        break;
    case MOTE_SMTP_AWAIT_RSET:
        on_reset(smtp);
        break;
    case MOTE_SMTP_AWAIT_MORE:
    case MOTE_SMTP_AWAIT_QUIT:
        end(smtp, false);
        break;
    case MOTE_SMTP_AWAIT_SECURE:
    case MOTE_SMTP_ENDED:
        break; /* nothing is heard in these */
    }
}

/* The words of a reply are kept where they will be reported: printable, lines joined by a space, without the codes. */
static void keep_word(const mote_smtp_t *smtp, mote_reply_event_t event, uint8_t octet)
{
    mote_recipient_t *hearer = find_hearer(smtp);
    mote_buffer_t *text = hearer != NULL ? &hearer->text : NULL;
    uint16_t line_size = smtp->reply.line_size;

    if (text == NULL) {
        return;
    }
    if (smtp->reply.line_count == 0 && line_size == 4) {
        text->size = 0; /* the code has been read, the text begins */
    }
    if (event == MOTE_REPLY_ENHANCED && text->size < text->capacity && text->size >= line_size - 5) {
        /* What the line showed so far was an enhanced code. It is not there if it came before the command had left. */
        text->size = (uint16_t)(text->size - (line_size - 5));
    } else if ((event == MOTE_REPLY_TEXT || event == MOTE_REPLY_LINE_END) && text->size < text->capacity) {
        bool is_printable = octet >= ' ' && octet <= '~';

        text->data[text->size++] = event == MOTE_REPLY_LINE_END ? ' ' : is_printable ? octet : '?';
    }
}

static mote_reply_event_t hear_octet(mote_smtp_t *smtp, uint8_t octet)
{
    mote_reply_event_t event;

    if (smtp->reply.size == 0) {
        clear(smtp, FLAG_IS_EARLY);
        if (smtp->outstanding == smtp->unsent || smtp->state == MOTE_SMTP_AWAIT_CONTENT) {
            set(smtp, FLAG_IS_EARLY);
        }
        if (smtp->state == MOTE_SMTP_AWAIT_AUTH) {
            memset(&smtp->at.hearing.challenge, 0, sizeof smtp->at.hearing.challenge);
        }
    }
    event = mote_reply_octet(&smtp->reply, octet);
    keep_word(smtp, event, octet);
    if (smtp->state == MOTE_SMTP_AWAIT_EHLO) {
        hear_ehlo(smtp, event, octet);
    }
#if MOTE_FEATURE_AUTH
    if (smtp->state == MOTE_SMTP_AWAIT_AUTH && event == MOTE_REPLY_TEXT) {
        uint8_t decoded;

        (void)mote_base64_octet(&smtp->at.hearing.challenge, octet, &decoded); /* all we ask is that it is base64 */
    }
#endif
    return event;
}

size_t mote_smtp_input(mote_smtp_t *smtp, mote_span_t bytes, uint32_t now_ms)
{
    mote_span_t heard = { bytes.data, 0 }; /* and not told yet */
    size_t used = 0;

    smtp->now_ms = now_ms;
    while (used < bytes.size && smtp->state != MOTE_SMTP_ENDED && smtp->state != MOTE_SMTP_AWAIT_SECURE) {
        mote_reply_event_t event = hear_octet(smtp, bytes.data[used++]);

        heard.size++;
        if (event != MOTE_REPLY_DONE && event != MOTE_REPLY_MALFORMED) {
            continue;
        }
        tell(smtp, MOTE_EVENT_HEARD, heard);
        heard = mote_span(heard.data + heard.size, 0);
        if (event == MOTE_REPLY_DONE) {
            on_reply(smtp);
        } else {
            break_step(smtp);
        }
        memset(&smtp->reply, 0, sizeof smtp->reply);
    }
    if (heard.size > 0) {
        tell(smtp, MOTE_EVENT_HEARD, heard);
    }
    if (smtp->state == MOTE_SMTP_AWAIT_SECURE && used < bytes.size) {
        break_step(smtp); /* RFC 3207 4.2: whoever put these behind the 220 wants them taken for words inside TLS */
    }
    return used;
}

/* ---- speaking ---------------------------------------------------------------------------------------- */

static void write_path(mote_writer_t *out, mote_span_t text)
{
    mote_address_t address;

    /* A delivery has checked it; whoever runs a session alone may not have, and no line may be put into this one. */
    if (text.size > 0 && mote_address_parse(text, &address) == MOTE_OK) {
        mote_address_write(out, &address);
    }
    mote_write_u8(out, '>');
}

static void write_mail(const mote_smtp_t *smtp, mote_writer_t *out)
{
    mote_write_text(out, "MAIL FROM:<");
    write_path(out, smtp->mail->reverse_path);
    if (declares_size(smtp)) { /* RFC 1870 6 */
        mote_write_text(out, " SIZE=");
        mote_write_decimal(out, (uint32_t)smtp->mail->source->wire_size);
    }
    if (declares_8bit(smtp)) { /* RFC 6152 3 */
        mote_write_text(out, " BODY=8BITMIME");
    }
}

#if MOTE_FEATURE_AUTH
static void write_auth(mote_smtp_t *smtp, mote_writer_t *out)
{
    mote_credentials_t credentials;

    if (ask_credentials(smtp, &credentials) != MOTE_OK) {
        set(smtp, FLAG_AUTH_FAILED); /* they were there a moment ago */
        return;
    }
    if (smtp->saying == SAY_AUTH) {
        mote_write_text(out, "AUTH ");
        mote_write(out, mote_auth_name(smtp->mechanism));
        if (smtp->auth_step == 0) {
            return;
        }
        mote_write_u8(out, ' ');
    }
    set(smtp, FLAG_IS_SECRET);
    mote_auth_write_answer(out, smtp->mechanism, smtp->saying == SAY_AUTH ? 0 : smtp->auth_step, &credentials);
}
#endif

static void write_command(mote_smtp_t *smtp, mote_writer_t *out)
{
    static const char *const words[] = { "EHLO ", "HELO ", "STARTTLS", "*", "DATA", ".", "RSET", "QUIT" };

    switch (smtp->saying) {
    case SAY_MAIL:
        write_mail(smtp, out);
        break;
    case SAY_RCPT:
        mote_write_text(out, "RCPT TO:<");
        write_path(out, smtp->mail->recipients[smtp->rcpt_said].address);
        break;
#if MOTE_FEATURE_AUTH
    case SAY_AUTH:
    case SAY_ANSWER:
        write_auth(smtp, out);
        break;
#endif
    default:
        mote_write_text(out, words[smtp->saying - SAY_EHLO]);
        break;
    }
    if (smtp->saying == SAY_EHLO || smtp->saying == SAY_HELO) {
        if (smtp->settings->hello_name.size > 0) {
            mote_write(out, smtp->settings->hello_name);
        } else {
            mote_ip_write_literal(out, smtp->own_ip); /* RFC 5321 4.1.4 */
        }
    }
    mote_write(out, crlf);
}

/* This RCPT is said. */
static void offer_recipient(mote_smtp_t *smtp)
{
    mote_recipient_t *recipient = &smtp->mail->recipients[smtp->rcpt_said];

    smtp->rcpt_said++;
    smtp->rcpt_due++;
    smtp->rcpt_count++;
    if (recipient->phase == MOTE_PHASE_CHOSEN && !is_drained(smtp)) {
        recipient->phase = MOTE_PHASE_OFFERED;
    }
}

/* A command is said: what may follow before its reply (RFC 2920 3.1)? */
static void advance(mote_smtp_t *smtp)
{
    unsigned said = smtp->saying;
    bool runs_ahead = is_group(smtp) && !is_drained(smtp);

    smtp->outstanding++;
    smtp->unsent++;
    smtp->saying = SAY_NOTHING;
    switch (said) {
    case SAY_AUTH:
        smtp->saying = runs_ahead ? SAY_MAIL : SAY_NOTHING;
        break;
    case SAY_ANSWER:
        smtp->auth_step++;
        break;
    case SAY_MAIL:
        smtp->saying = runs_ahead ? say_next_of_group(smtp) : SAY_NOTHING;
        break;
    case SAY_RCPT:
        offer_recipient(smtp);
        smtp->saying = runs_ahead ? say_next_of_group(smtp) : SAY_NOTHING;
        break;
    case SAY_DOT:
        smtp->dot_size = smtp->room.size;
        smtp->saying = smtp->state == MOTE_SMTP_AWAIT_CONTENT && is_last_flight(smtp) ? SAY_QUIT : SAY_NOTHING;
        break;
    case SAY_QUIT:
        set(smtp, FLAG_QUIT_SAID);
        break;
    default:
        break;
    }
}

/* Tells what stands in the room from start on: a command, or as much of a long one as the room holds. */
static void tell_said(const mote_smtp_t *smtp, uint16_t start, bool is_whole)
{
#if MOTE_FEATURE_OBSERVER
    mote_span_t line = mote_buffer_span(&smtp->room);
    bool is_secret = has(smtp, FLAG_IS_SECRET) && (smtp->saying == SAY_AUTH || smtp->saying == SAY_ANSWER);

    mote_span_skip(&line, start);
    if (is_secret) { /* what follows AUTH in the same flight is none */
        line = mote_span_text(smtp->saying == SAY_AUTH ? "AUTH PLAIN ***" : "***");
    } else if (is_whole) {
        line.size -= line.size < crlf.size ? line.size : crlf.size; /* of a long one the last piece may be a lone LF */
    }
    if (is_whole || !is_secret) {
        tell(smtp, MOTE_EVENT_SAID, line);
    }
#else
    (void)smtp, (void)start, (void)is_whole;
#endif
}

/* Says the command at hand. False: the room is full. One longer than the whole room leaves piece by piece. */
static bool say(mote_smtp_t *smtp)
{
    uint16_t start = smtp->room.size;
    mote_writer_t out = mote_buffer_writer(&smtp->room);
    bool is_whole;

    if (smtp->saying == SAY_RCPT && smtp->skip == 0) {
        smtp->rcpt_said = (uint16_t)(find_next(smtp) - smtp->mail->recipients); /* there is one: say_next_of_group */
    }
    out.skip = smtp->skip;
    write_command(smtp, &out);
    if (smtp->saying <= SAY_ANSWER && has(smtp, FLAG_AUTH_FAILED)) {
        hold(smtp, CAUSE(MOTE_ERR_AUTH, MOTE_ENHANCED(4, 7, 0)));
        end(smtp, true); /* part of the line may have left: nothing may follow it */
        return false;
    }
    is_whole = !mote_writer_overflowed(&out);
    if (!is_whole && start > 0) {
        return false;
    }
    smtp->room.size = (uint16_t)(start + mote_writer_stored(&out));
    smtp->skip = (uint16_t)(is_whole ? 0 : smtp->skip + smtp->room.capacity);
    tell_said(smtp, start, is_whole);
    if (is_whole) {
        advance(smtp);
    }
    return is_whole;
}

/* The message cannot go on: never a dot behind half of it (SMTP-56). */
static void lose_content(mote_smtp_t *smtp, mote_status_t status)
{
    bool is_refused = status == MOTE_ERR_CONTENT;

    conclude(smtp, MOTE_PHASES_OPEN, is_refused ? MOTE_VERDICT_PERMANENT : MOTE_VERDICT_TRANSIENT,
                  is_refused ? CAUSE(MOTE_ERR_CONTENT, MOTE_ENHANCED(5, 6, 0)) : CAUSE(MOTE_ERR_SOURCE, MOTE_ENHANCED(4, 3, 0)));
    end(smtp, true);
}

/* Gathers short stretches of content in the room; a long one is lent as it is. False: that is all for now. */
static bool gather(mote_smtp_t *smtp)
{
    mote_writer_t out = mote_buffer_writer(&smtp->room);
    mote_status_t status = MOTE_OK;
    bool is_stable;

    if (smtp->stretch.size == 0) {
        status = mote_body_next(&smtp->at.body, &smtp->stretch, &is_stable);
    }
    if (status != MOTE_OK) {
        smtp->stretch = nothing;
        if (status == MOTE_CLOSED) {
            smtp->saying = SAY_DOT;
        } else if (status == MOTE_PENDING) {
            set(smtp, FLAG_SOURCE_WAITS);
        } else {
            lose_content(smtp, status);
        }
        return status == MOTE_CLOSED;
    }
    if (smtp->stretch.size >= smtp->room.capacity / 2U) {
        return false;
    }
    mote_write(&out, smtp->stretch);
    smtp->room.size = (uint16_t)(smtp->room.size + mote_writer_stored(&out));
    mote_span_skip(&smtp->stretch, mote_writer_stored(&out));
    return smtp->room.size < smtp->room.capacity;
}

static void fill_room(mote_smtp_t *smtp)
{
    bool has_room = true;

    smtp->room.size = 0;
    smtp->room_sent = 0;
    smtp->unsent = 0;
    clear(smtp, FLAG_SOURCE_WAITS);
    while (has_room && smtp->saying != SAY_NOTHING) {
        has_room = smtp->saying == SAY_CONTENT ? gather(smtp) : say(smtp);
    }
}

/* A long stretch of content stands alone: the room is empty while it is lent. */
static bool lends_stretch(const mote_smtp_t *smtp)
{
    return smtp->room.size == 0 && smtp->stretch.size > 0;
}

mote_status_t mote_smtp_output(mote_smtp_t *smtp, uint32_t now_ms, mote_span_t *bytes, unsigned *flags)
{
    smtp->now_ms = now_ms;
    if (smtp->room_sent == smtp->room.size && !lends_stretch(smtp)) {
        fill_room(smtp);
    }
    *flags = smtp->saying != SAY_NOTHING && !has(smtp, FLAG_SOURCE_WAITS) ? MOTE_OUTPUT_MORE : 0U;
    *flags |= smtp->state == MOTE_SMTP_AWAIT_CONTENT ? MOTE_OUTPUT_CONTENT : 0U;
    if (smtp->state == MOTE_SMTP_ENDED) {
        return MOTE_PENDING;
    }
    if (lends_stretch(smtp)) {
        *bytes = smtp->stretch;
        *flags |= smtp->mail->source->is_stable ? MOTE_OUTPUT_STABLE : 0U; /* what the filter adds is never that long */
        return MOTE_OK;
    }
    *bytes = mote_buffer_span(&smtp->room);
    mote_span_skip(bytes, smtp->room_sent);
    return bytes->size > 0 ? MOTE_OK : MOTE_PENDING;
}

void mote_smtp_sent(mote_smtp_t *smtp, size_t size, uint32_t now_ms)
{
    smtp->now_ms = now_ms;
    if (size == 0 || smtp->state == MOTE_SMTP_ENDED) {
        return;
    }
    if (smtp->state == MOTE_SMTP_AWAIT_CONTENT) {
        smtp->since_ms = now_ms; /* RFC 5321 4.5.3.2.5: progress */
    }
    if (lends_stretch(smtp)) {
        MOTE_ASSERT(size <= smtp->stretch.size);
        mote_span_skip(&smtp->stretch, size);
        return;
    }
    MOTE_ASSERT(size <= (size_t)(smtp->room.size - smtp->room_sent));
    smtp->unsent = 0;
    smtp->room_sent = (uint16_t)(smtp->room_sent + size);
    if (smtp->room_sent == smtp->room.size) {
        wipe_room(smtp);
    }
    if (smtp->dot_size != 0 && smtp->room_sent >= smtp->dot_size) {
        smtp->dot_size = 0;
        if (smtp->state == MOTE_SMTP_AWAIT_CONTENT) {
            await(smtp, MOTE_SMTP_AWAIT_FINAL); /* from here on the mail may be there (RFC 1047) */
        }
    }
}

/* ---- the stream, TLS, time ---------------------------------------------------------------------------- */

void mote_smtp_lost(mote_smtp_t *smtp, mote_status_t status, uint32_t now_ms)
{
    smtp->now_ms = now_ms;
    if (smtp->state != MOTE_SMTP_ENDED) {
        lose_link(smtp, status == MOTE_CLOSED ? MOTE_ERR_LINK_LOST : status, status != MOTE_CLOSED);
    }
}

void mote_smtp_secured(mote_smtp_t *smtp, mote_status_t status, mote_protection_t protection, uint32_t now_ms)
{
    MOTE_ASSERT(smtp->state == MOTE_SMTP_AWAIT_SECURE);
    smtp->now_ms = now_ms;
    if (status == MOTE_OK) {
        smtp->protection = (uint8_t)protection;
        status = protection == MOTE_PROTECTION_NONE || needs_tls(smtp) ? MOTE_ERR_TLS_UNTRUSTED : MOTE_OK;
    }
    if (status != MOTE_OK) {
        lose_link(smtp, status, true);
        return;
    }
    forget_offers(smtp); /* RFC 3207 4.2: all that was said before */
    ask(smtp, MOTE_SMTP_AWAIT_EHLO, SAY_EHLO);
}

uint32_t mote_smtp_timeout_ms(const mote_smtp_settings_t *settings, unsigned timeout)
{
    static const uint16_t defaults_s[] = {
        [MOTE_TIMEOUT_CONNECT] = 30, [MOTE_TIMEOUT_GREETING] = 300, [MOTE_TIMEOUT_EHLO] = 300,
        [MOTE_TIMEOUT_STARTTLS] = 120, [MOTE_TIMEOUT_AUTH] = 120, [MOTE_TIMEOUT_MAIL] = 300,
        [MOTE_TIMEOUT_RCPT] = 300, [MOTE_TIMEOUT_DATA] = 120, [MOTE_TIMEOUT_BLOCK] = 180,
        [MOTE_TIMEOUT_FINAL] = 600, [MOTE_TIMEOUT_RESET] = 20, [MOTE_TIMEOUT_QUIT] = 5,
    };
    uint16_t seconds = 0;

    if (settings->timeouts != NULL) {
        memcpy(&seconds, (const uint8_t *)settings->timeouts + timeout * sizeof seconds, sizeof seconds);
    }
    return (seconds != 0 ? seconds : defaults_s[timeout]) * UINT32_C(1000);
}

uint32_t mote_smtp_tick(mote_smtp_t *smtp, uint32_t now_ms)
{
    uint32_t waited_ms = now_ms - smtp->since_ms;
    uint32_t limit_ms;

    smtp->now_ms = now_ms;
    if (state_info[smtp->state].timeout == NO_TIMEOUT) {
        return UINT32_MAX;
    }
    limit_ms = mote_smtp_timeout_ms(smtp->settings, state_info[smtp->state].timeout);
    if (waited_ms < limit_ms) {
        return limit_ms - waited_ms;
    }
    lose_link(smtp, MOTE_ERR_TIMEOUT, smtp->state != MOTE_SMTP_AWAIT_QUIT);
    return 0;
}

void mote_smtp_stop(mote_smtp_t *smtp, mote_status_t cause, uint32_t now_ms)
{
    cause_t stopped = CAUSE(cause, MOTE_ENHANCED(4, 4, 7));
    mote_recipient_t *recipient;
    mote_smtp_state_t state = (mote_smtp_state_t)smtp->state;

    smtp->now_ms = now_ms;
    if (state == MOTE_SMTP_AWAIT_FINAL) {
        conclude(smtp, MOTE_PHASES(RECEIVED), MOTE_VERDICT_IN_DOUBT, stopped);
    }
    /* Who goes to the next host already keeps the reason for that. */
    if (smtp->end == MOTE_SMTP_RUNNING) {
        conclude(smtp, MOTE_PHASES_OPEN, MOTE_VERDICT_PENDING, stopped);
    }
    while ((recipient = find(smtp, MOTE_PHASES_OPEN)) != NULL) {
        settle(smtp, recipient, MOTE_VERDICT_TRANSIENT);
    }
    if (state != MOTE_SMTP_ENDED) {
        smtp->end = MOTE_SMTP_DONE;
        end(smtp, true);
    }
}

/* ---- start ------------------------------------------------------------------------------------------- */

void mote_smtp_start(mote_smtp_t *smtp, const mote_smtp_settings_t *settings, const mote_hop_t *hop, mote_mail_t *mail,
                     const mote_ip_t *own_ip, mote_buffer_t room, mote_protection_t protection, bool in_clear,
                     uint32_t now_ms)
{
    memset(smtp, 0, sizeof *smtp);
    smtp->settings = settings;
    smtp->hop = hop;
    smtp->mail = mail;
    smtp->own_ip = own_ip;
    smtp->room = room;
    smtp->room.size = 0;
    smtp->protection = (uint8_t)protection;
    smtp->now_ms = now_ms;
    if (in_clear) {
        set(smtp, FLAG_IN_CLEAR);
    }
    await(smtp, MOTE_SMTP_AWAIT_GREETING);
}

void mote_smtp_next(mote_smtp_t *smtp, mote_mail_t *mail, uint32_t now_ms)
{
    MOTE_ASSERT(smtp->state == MOTE_SMTP_AWAIT_MORE);
    smtp->mail = mail;
    smtp->now_ms = now_ms;
    smtp->end = MOTE_SMTP_RUNNING;
    clear(smtp, FLAG_WAS_RESET);
    go_on(smtp);
}

void mote_smtp_quit(mote_smtp_t *smtp, uint32_t now_ms)
{
    smtp->now_ms = now_ms;
    if (smtp->state == MOTE_SMTP_AWAIT_MORE) {
        quit(smtp);
    }
}

bool mote_smtp_is_cut(const mote_smtp_t *smtp)
{
    return has(smtp, FLAG_IS_CUT);
}

bool mote_smtp_was_greeted(const mote_smtp_t *smtp)
{
    return has(smtp, FLAG_WAS_GREETED);
}

const char *mote_smtp_state_text(mote_smtp_state_t state)
{
    static const char *const names[] = {
        "await-greeting", "await-ehlo", "await-helo",    "await-starttls", "await-secure",   "await-auth", "await-mail", "await-rcpt",
        "await-data",     "await-content", "await-final", "await-lone-dot", "await-rset", "await-more", "await-quit", "ended",
    };

    return (unsigned)state <= MOTE_SMTP_ENDED ? names[state] : "unknown";
}
