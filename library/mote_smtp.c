#include <mailmote/smtp.h>

/* ---- what is true of a state ------------------------------------------------------------------------ */

/* What the end of the link in a state means for the recipients that are still open. */
enum {
    LOSS_NEXT,      /* nothing was asked for them: the next host */
    LOSS_TRANSIENT, /* they were under way: try again later */
    LOSS_DOUBT,     /* the mail may be there */
    LOSS_OVER       /* nothing any more */
};

typedef struct state_info {
    const char *name;
    uint8_t stage;
    uint8_t loss;
    uint8_t timeout; /* which field of mote_timeouts_t */
} state_info_t;

enum { NO_TIMEOUT, GREETING_S, EHLO_S, STARTTLS_S, AUTH_S, MAIL_S, RCPT_S, DATA_S, BLOCK_S, FINAL_S, RESET_S, QUIT_S };

static const state_info_t state_info[] = {
    [MOTE_SMTP_AWAIT_GREETING] = { "await-greeting", MOTE_STAGE_GREETING, LOSS_NEXT, GREETING_S },
    [MOTE_SMTP_AWAIT_EHLO] = { "await-ehlo", MOTE_STAGE_EHLO, LOSS_NEXT, EHLO_S },
    [MOTE_SMTP_AWAIT_HELO] = { "await-helo", MOTE_STAGE_EHLO, LOSS_NEXT, EHLO_S },
    [MOTE_SMTP_AWAIT_STARTTLS] = { "await-starttls", MOTE_STAGE_STARTTLS, LOSS_NEXT, STARTTLS_S },
    [MOTE_SMTP_AWAIT_SECURE] = { "await-secure", MOTE_STAGE_TLS, LOSS_NEXT, STARTTLS_S },
    [MOTE_SMTP_AWAIT_AUTH] = { "await-auth", MOTE_STAGE_AUTH, LOSS_NEXT, AUTH_S },
    [MOTE_SMTP_AWAIT_MAIL] = { "await-mail", MOTE_STAGE_MAIL, LOSS_NEXT, MAIL_S },
    [MOTE_SMTP_AWAIT_RCPT] = { "await-rcpt", MOTE_STAGE_RCPT, LOSS_TRANSIENT, RCPT_S },
    [MOTE_SMTP_AWAIT_DATA] = { "await-data", MOTE_STAGE_DATA, LOSS_TRANSIENT, DATA_S },
    [MOTE_SMTP_AWAIT_CONTENT] = { "await-content", MOTE_STAGE_CONTENT, LOSS_TRANSIENT, BLOCK_S },
    [MOTE_SMTP_AWAIT_FINAL] = { "await-final", MOTE_STAGE_FINAL, LOSS_DOUBT, FINAL_S },
    [MOTE_SMTP_AWAIT_LONE_DOT] = { "await-lone-dot", MOTE_STAGE_FINAL, LOSS_NEXT, FINAL_S },
    [MOTE_SMTP_AWAIT_RSET] = { "await-rset", MOTE_STAGE_MAIL, LOSS_NEXT, RESET_S },
    [MOTE_SMTP_AWAIT_MORE] = { "await-more", MOTE_STAGE_NONE, LOSS_OVER, NO_TIMEOUT },
    [MOTE_SMTP_AWAIT_QUIT] = { "await-quit", MOTE_STAGE_NONE, LOSS_OVER, QUIT_S },
    [MOTE_SMTP_ENDED] = { "ended", MOTE_STAGE_NONE, LOSS_OVER, NO_TIMEOUT },
};

/* What the speaking half says next. */
enum {
    SAY_NOTHING,
    SAY_EHLO,
    SAY_HELO,
    SAY_STARTTLS,
    SAY_AUTH,
    SAY_ANSWER, /* to a challenge */
    SAY_CANCEL, /* "*": RFC 4954 4 */
    SAY_MAIL,
    SAY_RCPT,
    SAY_DATA,
    SAY_CONTENT,
    SAY_DOT, /* the end of data, also of none */
    SAY_RSET,
    SAY_QUIT
};

/* Extensions, and EHLO keywords with parameters. */
enum { EXT_PIPELINING = 1, EXT_8BITMIME = 2, EXT_STARTTLS = 4, EXT_SIZE = 8, EXT_AUTH = 16 };

enum {
    FLAG_IN_CLEAR = 1,     /* opportunistic TLS failed on this host before */
    FLAG_IS_CUT = 2,       /* the stream is to be cut, not closed */
    FLAG_WAS_GREETED = 4,
    FLAG_IS_GROUP = 8,     /* commands run ahead of replies (RFC 2920) */
    FLAG_IS_DRAINED = 16,  /* the rest of the group's replies decide nothing: AUTH or MAIL was refused */
    FLAG_IS_EARLY = 32,    /* the reply at hand began before anything was asked */
    FLAG_AUTH_FAILED = 64,
    FLAG_AUTH_DONE = 128,
    FLAG_AUTH_BARE = 256,  /* without initial response: it was refused, or would not fit (RFC 4954 4) */
    FLAG_IS_CANCELLED = 512,
    FLAG_NO_SIZE = 1024,   /* MAIL with SIZE= was refused: once more without */
    FLAG_WAS_RESET = 2048, /* MAIL was answered 503: once more after RSET */
    FLAG_IS_FULL = 4096,   /* 452: no more recipients in this transaction */
    FLAG_IS_SECRET = 8192, /* the room holds a secret */
    FLAG_QUIT_SAID = 16384
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

static bool is_relay(const mote_smtp_t *smtp)
{
    return smtp->hop->host.size > 0;
}

static bool needs_auth(const mote_smtp_t *smtp)
{
#if MOTE_FEATURE_AUTH
    return smtp->hop->mechanisms != 0 && !has(smtp, FLAG_AUTH_DONE);
#else
    (void)smtp;
    return false;
#endif
}

static void tell(const mote_smtp_t *smtp, mote_event_t event, mote_span_t bytes, uint32_t now_ms)
{
#if MOTE_FEATURE_OBSERVER
    const mote_observer_t *observer = smtp->settings->observer;

    if (observer != NULL) {
        observer->tell(observer->self, event, bytes, now_ms);
    }
#else
    (void)smtp, (void)event, (void)bytes, (void)now_ms;
#endif
}

/* ---- recipients and their verdicts ------------------------------------------------------------------ */

/* The first recipient from index on in a phase; the count if there is none. */
static uint16_t find_phase(const mote_smtp_t *smtp, uint16_t index, mote_phase_t phase)
{
    const mote_mail_t *mail = smtp->mail;

    while (index < mail->recipient_count && mail->recipients[index].phase != phase) {
        index++;
    }
    return index;
}

static bool has_open(const mote_smtp_t *smtp)
{
    return mote_mail_next_open(smtp->mail, 0) < smtp->mail->recipient_count;
}

/* Whom the reply at hand concerns first: its words are kept there while they come. NULL: nobody. */
static mote_recipient_t *find_hearer(const mote_smtp_t *smtp)
{
    mote_mail_t *mail = smtp->mail;
    uint16_t index;

    if (smtp->state == MOTE_SMTP_AWAIT_RCPT) {
        index = find_phase(smtp, 0, MOTE_PHASE_OFFERED);
    } else if (smtp->state >= MOTE_SMTP_AWAIT_DATA && smtp->state <= MOTE_SMTP_AWAIT_FINAL) {
        index = find_phase(smtp, 0, MOTE_PHASE_RECEIVED);
    } else if (smtp->state < MOTE_SMTP_AWAIT_RCPT) {
        index = mote_mail_next_open(mail, 0);
    } else {
        return NULL;
    }
    if (index == mail->recipient_count || mail->recipients[index].verdict != MOTE_VERDICT_PENDING) {
        return NULL;
    }
    return &mail->recipients[index];
}

static mote_report_t report_of(const mote_smtp_t *smtp, mote_status_t status)
{
    mote_report_t report = { state_info[smtp->state].stage, (uint8_t)status, false, 0, { 0, 0, 0 } };

    return report;
}

/* The report of the reply just heard. */
static mote_report_t report_reply(const mote_smtp_t *smtp)
{
    uint16_t code = smtp->reply.code;
    mote_report_t report = report_of(smtp, code < 400 ? MOTE_OK : code < 500 ? MOTE_ERR_REPLY_4YZ : MOTE_ERR_REPLY_5YZ);

    report.code = code;
    report.enhanced = smtp->reply.enhanced;
    return report;
}

static mote_report_t report_ours(const mote_smtp_t *smtp, mote_status_t status, uint8_t klass, uint16_t subject,
                                 uint16_t detail)
{
    mote_report_t report = report_of(smtp, status);

    report.enhanced.klass = klass;
    report.enhanced.subject = subject;
    report.enhanced.detail = detail;
    return report;
}

/* The words of the reply at hand, as far as they were kept. */
static mote_span_t words_of(const mote_smtp_t *smtp)
{
    const mote_recipient_t *hearer = find_hearer(smtp);

    return hearer != NULL ? mote_buffer_span(&hearer->text) : nothing;
}

static void settle(mote_smtp_t *smtp, mote_recipient_t *recipient, const mote_report_t *report, mote_span_t words,
                   mote_verdict_t verdict)
{
    mote_recipient_note(recipient, report, words);
    mote_recipient_settle(recipient, verdict);
    tell(smtp, MOTE_EVENT_VERDICT, recipient->address, smtp->since_ms);
}

/* Gives a verdict to all that are open from a phase on: RECEIVED, or CHOSEN for everybody. With PENDING it only
   writes down why. The words may stand in the first one's buffer: that one is settled like the others. */
static void settle_open(mote_smtp_t *smtp, mote_phase_t from, const mote_report_t *report, mote_span_t words,
                        mote_verdict_t verdict)
{
    mote_mail_t *mail = smtp->mail;

    for (uint16_t i = mote_mail_next_open(mail, 0); i < mail->recipient_count; i = mote_mail_next_open(mail, i + 1U)) {
        mote_recipient_t *recipient = &mail->recipients[i];

        if (recipient->phase < from) {
            continue;
        }
        if (verdict == MOTE_VERDICT_PENDING) {
            mote_recipient_note(recipient, report, words);
        } else {
            settle(smtp, recipient, report, words, verdict);
        }
    }
}

static mote_verdict_t verdict_of(const mote_smtp_t *smtp)
{
    return smtp->reply.code < 500 ? MOTE_VERDICT_TRANSIENT : MOTE_VERDICT_PERMANENT;
}

/* ---- transitions: an await_ sets the state, nothing else does ---------------------------------------- */

static void await(mote_smtp_t *smtp, mote_smtp_state_t state, uint32_t now_ms)
{
    smtp->state = (uint8_t)state;
    smtp->since_ms = now_ms;
}

/* In lock-step what is awaited is said now; in a group it has been said, or is about to be. */
static void ask(mote_smtp_t *smtp, mote_smtp_state_t state, unsigned saying, uint32_t now_ms)
{
    smtp->saying = (uint8_t)saying;
    await(smtp, state, now_ms);
}

static void end(mote_smtp_t *smtp, bool is_cut, uint32_t now_ms)
{
    if (smtp->end == MOTE_SMTP_RUNNING) {
        smtp->end = has_open(smtp) ? MOTE_SMTP_NEXT_HOST : MOTE_SMTP_DONE;
    }
    if (is_cut) {
        set(smtp, FLAG_IS_CUT);
    }
    smtp->saying = SAY_NOTHING;
    await(smtp, MOTE_SMTP_ENDED, now_ms);
}

/* The session is in step: it ends with QUIT (RFC 5321 4.1.1.10). Whoever is open goes to the next host. */
static void quit(mote_smtp_t *smtp, uint32_t now_ms)
{
    smtp->end = has_open(smtp) ? MOTE_SMTP_NEXT_HOST : MOTE_SMTP_DONE;
    ask(smtp, MOTE_SMTP_AWAIT_QUIT, has(smtp, FLAG_QUIT_SAID) ? SAY_NOTHING : SAY_QUIT, now_ms);
}

/* This host does not serve: why is written down for those who go on. */
static void leave_host(mote_smtp_t *smtp, const mote_report_t *report, uint32_t now_ms)
{
    settle_open(smtp, MOTE_PHASE_CHOSEN, report, words_of(smtp), MOTE_VERDICT_PENDING);
    quit(smtp, now_ms);
}

static bool may_go_in_clear(const mote_smtp_t *smtp)
{
    return smtp->hop->tls == MOTE_TLS_OPPORTUNISTIC &&
           (smtp->state == MOTE_SMTP_AWAIT_STARTTLS || smtp->state == MOTE_SMTP_AWAIT_SECURE);
}

/* The dialogue cannot go on: by the state's row, with that report. Malformed replies and time-outs are cut. */
static void break_off(mote_smtp_t *smtp, const mote_report_t *report, mote_span_t words, bool is_cut, uint32_t now_ms)
{
    switch (state_info[smtp->state].loss) {
    case LOSS_NEXT:
        settle_open(smtp, MOTE_PHASE_CHOSEN, report, words, MOTE_VERDICT_PENDING);
        break;
    case LOSS_TRANSIENT:
        settle_open(smtp, smtp->state == MOTE_SMTP_AWAIT_RCPT ? MOTE_PHASE_CHOSEN : MOTE_PHASE_RECEIVED, report, words,
                    MOTE_VERDICT_TRANSIENT);
        break;
    case LOSS_DOUBT:
        settle_open(smtp, MOTE_PHASE_RECEIVED, report, words, MOTE_VERDICT_IN_DOUBT);
        break;
    default:
        break;
    }
    end(smtp, is_cut, now_ms);
}

static void break_off_for(mote_smtp_t *smtp, mote_status_t status, bool is_cut, uint32_t now_ms)
{
    mote_report_t report = report_ours(smtp, status, 4, 4, 2);

    break_off(smtp, &report, nothing, is_cut, now_ms);
}

/* A reply that cannot stand here, or is none. MAIL is then settled: the table's S10. */
static void break_step(mote_smtp_t *smtp, mote_status_t status, uint32_t now_ms)
{
    mote_report_t report = report_ours(smtp, status, 4, 5, 0);

    if (smtp->state == MOTE_SMTP_AWAIT_MAIL) {
        settle_open(smtp, MOTE_PHASE_CHOSEN, &report, nothing, MOTE_VERDICT_TRANSIENT);
    }
    break_off(smtp, &report, nothing, true, now_ms);
}

/* ---- the transaction -------------------------------------------------------------------------------- */

static bool declares_8bit(const mote_smtp_t *smtp)
{
    return smtp->mail->source->is_8bit != MOTE_NO && offers(smtp, EXT_8BITMIME);
}

/* What this server cannot take is refused before it is offered (RFC 6152 3, RFC 1870 6.1). */
static bool is_refused_here(mote_smtp_t *smtp)
{
    const mote_source_t *source = smtp->mail->source;
    mote_report_t report;

    if (source->is_8bit == MOTE_YES && !offers(smtp, EXT_8BITMIME)) {
        report = report_ours(smtp, MOTE_ERR_EXTENSION, 5, 6, 3);
    } else if (source->wire_size >= 0 && smtp->size_limit != 0 && (uint32_t)source->wire_size > smtp->size_limit) {
        report = report_ours(smtp, MOTE_ERR_TOO_LARGE, 5, 3, 4);
    } else {
        return false;
    }
    report.stage = MOTE_STAGE_MAIL;
    settle_open(smtp, MOTE_PHASE_CHOSEN, &report, nothing, MOTE_VERDICT_PERMANENT);
    return true;
}

static void finish(mote_smtp_t *smtp, bool needs_reset, uint32_t now_ms)
{
    if (!smtp->settings->keeps_stream || has(smtp, FLAG_AUTH_FAILED)) {
        quit(smtp, now_ms);
        return;
    }
    smtp->end = MOTE_SMTP_DONE;
    if (needs_reset) {
        ask(smtp, MOTE_SMTP_AWAIT_RSET, SAY_RSET, now_ms);
    } else {
        ask(smtp, MOTE_SMTP_AWAIT_MORE, SAY_NOTHING, now_ms);
    }
}

/* From MAIL on, behind AUTH in one group where that is allowed (AUTH-25). */
static void begin_transaction(mote_smtp_t *smtp, bool is_behind_auth, uint32_t now_ms)
{
    smtp->rcpt_said = 0;
    smtp->rcpt_due = 0;
    smtp->rcpt_count = 0;
    smtp->received_count = 0;
    clear(smtp, FLAG_IS_DRAINED | FLAG_IS_FULL | FLAG_IS_GROUP);
#if MOTE_FEATURE_PIPELINING
    if (offers(smtp, EXT_PIPELINING)) {
        set(smtp, FLAG_IS_GROUP);
    }
#endif
    if (is_refused_here(smtp)) {
        finish(smtp, false, now_ms);
    } else if (!is_behind_auth) {
        ask(smtp, MOTE_SMTP_AWAIT_MAIL, SAY_MAIL, now_ms);
    }
}

static void begin_auth(mote_smtp_t *smtp, uint32_t now_ms);

/* A transaction is over. Recipients left over by a 452, or to be asked again, get a further one. */
static void end_transaction(mote_smtp_t *smtp, bool needs_reset, uint32_t now_ms)
{
    if (!has_open(smtp)) {
        finish(smtp, needs_reset, now_ms);
    } else if (needs_auth(smtp)) {
        begin_auth(smtp, now_ms);
    } else if (needs_reset) {
        ask(smtp, MOTE_SMTP_AWAIT_RSET, SAY_RSET, now_ms); /* RFC 5321 4.1.4 */
    } else {
        begin_transaction(smtp, false, now_ms);
    }
}

/* Recipients that were offered are to be asked again. */
static void take_back(mote_smtp_t *smtp)
{
    for (uint16_t i = 0; (i = find_phase(smtp, i, MOTE_PHASE_OFFERED)) < smtp->mail->recipient_count; i++) {
        smtp->mail->recipients[i].phase = MOTE_PHASE_CHOSEN;
    }
}

/* AUTH or MAIL was refused: the rest of a group is heard to its end, and decides nothing (RFC 2920 3.1). */
static void drain(mote_smtp_t *smtp, bool needs_reset, uint32_t now_ms)
{
    take_back(smtp);
    if (smtp->outstanding == 0) {
        smtp->saying = SAY_NOTHING; /* nothing ran ahead: what was not said yet need not be */
        end_transaction(smtp, needs_reset, now_ms);
        return;
    }
    set(smtp, FLAG_IS_DRAINED);
    if (smtp->saying != SAY_NOTHING && smtp->skip == 0) {
        smtp->saying = SAY_NOTHING;
    }
    await(smtp, MOTE_SMTP_AWAIT_RCPT, now_ms);
}

/* An account or configuration fault: nobody is refused for it, everybody waits for somebody to mend it. */
static void hold(mote_smtp_t *smtp, const mote_report_t *given, mote_span_t words)
{
    mote_report_t report = *given;

    report.held = true;
    settle_open(smtp, MOTE_PHASE_CHOSEN, &report, words, MOTE_VERDICT_TRANSIENT);
    set(smtp, FLAG_AUTH_FAILED);
}

/* ---- TLS and AUTH: what comes after EHLO ------------------------------------------------------------- */

#if MOTE_FEATURE_AUTH
static mote_status_t ask_credentials(const mote_smtp_t *smtp, mote_credentials_t *credentials)
{
    const mote_hop_t *hop = smtp->hop;
    mote_status_t status = MOTE_ERR_AUTH;

    memset(credentials, 0, sizeof *credentials);
    if (hop->credentials != NULL) {
        status = hop->credentials(hop->credentials_self, hop, credentials);
    }
    return status == MOTE_OK && !mote_auth_is_usable(credentials) ? MOTE_ERR_AUTH : status;
}

/* RFC 4954 4: the initial response goes along where the line does not grow beyond 512 octets. */
static bool has_initial_response(const mote_smtp_t *smtp, const mote_credentials_t *credentials)
{
    return smtp->mechanism == MOTE_AUTH_PLAIN && !has(smtp, FLAG_AUTH_BARE) &&
           mote_auth_answer_size(MOTE_AUTH_PLAIN, 0, credentials) + sizeof "AUTH PLAIN \r\n" - 1 <= COMMAND_BYTES;
}

static void begin_auth(mote_smtp_t *smtp, uint32_t now_ms)
{
    unsigned usable = smtp->mechanisms & smtp->hop->mechanisms;
    bool is_safe = smtp->protection == MOTE_PROTECTION_VERIFIED || smtp->hop->allows_plaintext_auth;
    mote_credentials_t credentials;

    await(smtp, MOTE_SMTP_AWAIT_AUTH, now_ms);
    if (!is_safe || usable == 0 || ask_credentials(smtp, &credentials) != MOTE_OK) {
        mote_report_t report = report_ours(smtp, is_safe ? MOTE_ERR_AUTH : MOTE_ERR_TLS_UNTRUSTED, 4, 7, 0);

        hold(smtp, &report, nothing); /* AUTH-2, AUTH-3: never without, never in the open */
        quit(smtp, now_ms);
        return;
    }
    smtp->mechanism = (uint8_t)(usable & MOTE_AUTH_PLAIN ? MOTE_AUTH_PLAIN : MOTE_AUTH_LOGIN);
    smtp->auth_step = 0;
    clear(smtp, FLAG_IS_CANCELLED | FLAG_IS_GROUP);
    if (has_initial_response(smtp, &credentials)) {
        smtp->auth_step = 1;
        begin_transaction(smtp, true, now_ms);
        if (smtp->state != MOTE_SMTP_AWAIT_AUTH) {
            return;
        }
    }
    smtp->saying = SAY_AUTH;
}
#else
static void begin_auth(mote_smtp_t *smtp, uint32_t now_ms)
{
    begin_transaction(smtp, false, now_ms);
}
#endif

static void after_ehlo(mote_smtp_t *smtp, uint32_t now_ms)
{
    unsigned tls = smtp->hop->tls;
    bool wants_tls = smtp->protection == MOTE_PROTECTION_NONE && tls != MOTE_TLS_NONE &&
                     !(tls == MOTE_TLS_OPPORTUNISTIC && has(smtp, FLAG_IN_CLEAR));

    if (wants_tls && offers(smtp, EXT_STARTTLS)) {
        ask(smtp, MOTE_SMTP_AWAIT_STARTTLS, SAY_STARTTLS, now_ms);
    } else if (wants_tls && tls != MOTE_TLS_OPPORTUNISTIC) {
        mote_report_t report = report_ours(smtp, MOTE_ERR_TLS_MISSING, 4, 7, 4);

        report.stage = MOTE_STAGE_STARTTLS;
        settle_open(smtp, MOTE_PHASE_CHOSEN, &report, nothing, MOTE_VERDICT_PENDING);
        quit(smtp, now_ms);
    } else if (needs_auth(smtp)) {
        begin_auth(smtp, now_ms);
    } else {
        begin_transaction(smtp, false, now_ms);
    }
}

/* RFC 5321 3.2: HELO where EHLO is unknown, if nothing needs an extension and we have a name to give. */
static bool may_say_helo(const mote_smtp_t *smtp)
{
    uint16_t code = smtp->reply.code;
    bool is_unknown = code == 500 || code == 501 || code == 502 || code == 504;
    bool needs_tls = smtp->protection == MOTE_PROTECTION_NONE && smtp->hop->tls < MOTE_TLS_OPPORTUNISTIC;

    return is_unknown && !needs_tls && !needs_auth(smtp) && smtp->mail->source->is_8bit != MOTE_YES &&
           smtp->settings->hello_name.size > 0;
}

/* ---- hearing: EHLO keywords --------------------------------------------------------------------------- */

static void forget_offers(mote_smtp_t *smtp)
{
    smtp->extensions = 0;
    smtp->mechanisms = 0;
    smtp->size_limit = 0;
    smtp->keyword = 0;
    smtp->word_size = 0;
}

/* The digits of SIZE, up to 20 of them (RFC 1870 4); what is beyond 32 bits is no limit to us. */
static uint32_t read_size(mote_span_t digits)
{
    uint32_t value = 0;

    for (size_t i = 0; i < digits.size; i++) {
        uint8_t digit = (uint8_t)(digits.data[i] - '0');

        if (digit > 9) {
            return 0;
        }
        if (value > (UINT32_MAX - 9) / 10) {
            return UINT32_MAX;
        }
        value = value * 10 + digit;
    }
    return value;
}

static uint8_t keyword_of(mote_span_t word)
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
    return 128; /* a keyword of no meaning to us */
}

/* A word of an EHLO line has ended. Words longer than the room for one mean nothing to us. */
static void end_word(mote_smtp_t *smtp)
{
    mote_span_t word = mote_span(smtp->word, smtp->word_size);

    if (smtp->word_size == 0) {
        return;
    }
    if (smtp->word_size > sizeof smtp->word) {
        word = nothing;
    }
    if (smtp->keyword == 0) {
        smtp->keyword = keyword_of(word);
        smtp->extensions |= (uint8_t)(smtp->keyword & 31);
#if MOTE_FEATURE_AUTH
    } else if (smtp->keyword == EXT_AUTH) {
        smtp->mechanisms |= mote_auth_mechanism(word);
#endif
    } else if (smtp->keyword == EXT_SIZE) {
        smtp->size_limit = read_size(word);
        smtp->keyword = 128;
    }
    smtp->word_size = 0;
}

/* RFC 5321 4.1.1.1: the first line is the server's name, never a keyword. */
static void hear_ehlo(mote_smtp_t *smtp, mote_reply_event_t event, uint8_t octet)
{
    if (event == MOTE_REPLY_LINE_END || event == MOTE_REPLY_DONE) {
        end_word(smtp);
        smtp->keyword = 0;
    } else if (event == MOTE_REPLY_TEXT && smtp->reply.line_count > 0) {
        if (octet == ' ') {
            end_word(smtp);
        } else if (smtp->word_size < sizeof smtp->word) {
            smtp->word[smtp->word_size++] = octet;
        } else {
            smtp->word_size = sizeof smtp->word + 1;
        }
    }
}

/* ---- hearing: one reply, one transition ---------------------------------------------------------------- */

static void on_greeting(mote_smtp_t *smtp, uint32_t now_ms)
{
    mote_report_t report = report_reply(smtp);

    if (smtp->reply.code < 300) {
        set(smtp, FLAG_WAS_GREETED);
        forget_offers(smtp);
        ask(smtp, MOTE_SMTP_AWAIT_EHLO, SAY_EHLO, now_ms);
    } else {
        report.held = is_relay(smtp) && smtp->reply.code >= 500;
        leave_host(smtp, &report, now_ms);
    }
}

static void on_ehlo(mote_smtp_t *smtp, uint32_t now_ms)
{
    if (smtp->reply.code < 300) {
        after_ehlo(smtp, now_ms);
    } else if (smtp->state == MOTE_SMTP_AWAIT_EHLO && may_say_helo(smtp)) {
        ask(smtp, MOTE_SMTP_AWAIT_HELO, SAY_HELO, now_ms);
    } else {
        mote_report_t report = report_reply(smtp);

        report.held = is_relay(smtp) && smtp->reply.code >= 500;
        leave_host(smtp, &report, now_ms);
    }
}

static void on_starttls(mote_smtp_t *smtp, uint32_t now_ms)
{
    if (smtp->reply.code == 220) {
        await(smtp, MOTE_SMTP_AWAIT_SECURE, now_ms);
    } else if (smtp->reply.code < 300) {
        break_step(smtp, MOTE_ERR_PROTOCOL, now_ms);
    } else if (smtp->hop->tls == MOTE_TLS_OPPORTUNISTIC) {
        set(smtp, FLAG_IN_CLEAR);
        after_ehlo(smtp, now_ms);
    } else {
        mote_report_t report = report_reply(smtp);

        leave_host(smtp, &report, now_ms);
    }
}

#if MOTE_FEATURE_AUTH
/* AUTH has failed for good, with everything that ran behind it. */
static void fail_auth(mote_smtp_t *smtp, uint32_t now_ms)
{
    mote_report_t report = report_reply(smtp);

    report.status = MOTE_ERR_AUTH;
    hold(smtp, &report, words_of(smtp));
    drain(smtp, false, now_ms);
}

static void on_challenge(mote_smtp_t *smtp, uint32_t now_ms)
{
    bool is_due = smtp->auth_step < mote_auth_step_count(smtp->mechanism) && !has(smtp, FLAG_IS_GROUP);

    if (is_due && mote_base64_is_complete(&smtp->challenge) && !has(smtp, FLAG_IS_CANCELLED)) {
        ask(smtp, MOTE_SMTP_AWAIT_AUTH, SAY_ANSWER, now_ms);
    } else if (has(smtp, FLAG_IS_CANCELLED) || smtp->outstanding > 0) {
        break_step(smtp, MOTE_ERR_PROTOCOL, now_ms); /* "*" is no option behind a group, nor twice */
    } else {
        set(smtp, FLAG_IS_CANCELLED);
        smtp->saying = SAY_NOTHING;
        ask(smtp, MOTE_SMTP_AWAIT_AUTH, SAY_CANCEL, now_ms);
    }
}

/* A refusal of AUTH that is worth another try, once each (RFC 4954 4, 6). */
static bool may_try_again(mote_smtp_t *smtp)
{
    uint16_t code = smtp->reply.code;

    if (has(smtp, FLAG_IS_CANCELLED)) {
        return false;
    }
    if ((code == 500 || code == 501) && smtp->mechanism == MOTE_AUTH_PLAIN && !has(smtp, FLAG_AUTH_BARE)) {
        set(smtp, FLAG_AUTH_BARE);
        return true;
    }
    if (code == 504 || code == 534 || code == 538) {
        smtp->mechanisms &= (uint8_t)~smtp->mechanism;
        return (smtp->mechanisms & smtp->hop->mechanisms) != 0;
    }
    return false;
}

static void on_auth(mote_smtp_t *smtp, uint32_t now_ms)
{
    uint16_t code = smtp->reply.code;

    if (code == 334) {
        on_challenge(smtp, now_ms);
    } else if (code >= 300 && code < 400) {
        break_step(smtp, MOTE_ERR_PROTOCOL, now_ms);
    } else if (code < 300 && !has(smtp, FLAG_IS_CANCELLED)) {
        set(smtp, FLAG_AUTH_DONE);
        if (has(smtp, FLAG_IS_GROUP)) {
            await(smtp, MOTE_SMTP_AWAIT_MAIL, now_ms);
        } else {
            begin_transaction(smtp, false, now_ms);
        }
    } else if (code >= 400 && code < 500) {
        mote_report_t report = report_reply(smtp); /* the secret is not blamed (AUTH-13) */

        report.status = MOTE_ERR_AUTH;
        settle_open(smtp, MOTE_PHASE_CHOSEN, &report, words_of(smtp), MOTE_VERDICT_PENDING);
        set(smtp, FLAG_AUTH_FAILED);
        if (smtp->outstanding > 0) {
            end(smtp, true, now_ms); /* a group is behind it: not worth hearing */
        } else {
            quit(smtp, now_ms);
        }
    } else if (may_try_again(smtp)) {
        drain(smtp, false, now_ms);
    } else {
        fail_auth(smtp, now_ms);
    }
}
#endif

static bool had_optional_parameters(const mote_smtp_t *smtp)
{
    return offers(smtp, EXT_SIZE) && smtp->mail->source->wire_size >= 0 && !has(smtp, FLAG_NO_SIZE);
}

static void on_mail(mote_smtp_t *smtp, uint32_t now_ms)
{
    uint16_t code = smtp->reply.code;
    mote_report_t report = report_reply(smtp);

    if (code < 300) {
        if (has(smtp, FLAG_IS_GROUP)) {
            await(smtp, MOTE_SMTP_AWAIT_RCPT, now_ms);
        } else {
            ask(smtp, MOTE_SMTP_AWAIT_RCPT, SAY_RCPT, now_ms);
        }
        return;
    }
    if (code == 530) { /* AUTH-15: authentication is wanted and we have none */
        hold(smtp, &report, words_of(smtp));
    } else if ((code == 455 || code == 501 || code == 504 || code == 555) && had_optional_parameters(smtp)) {
        set(smtp, FLAG_NO_SIZE);
        settle_open(smtp, MOTE_PHASE_CHOSEN, &report, words_of(smtp), MOTE_VERDICT_PENDING);
    } else if (code == 503 && !has(smtp, FLAG_WAS_RESET)) {
        set(smtp, FLAG_WAS_RESET);
        settle_open(smtp, MOTE_PHASE_CHOSEN, &report, words_of(smtp), MOTE_VERDICT_PENDING);
    } else {
        settle_open(smtp, MOTE_PHASE_CHOSEN, &report, words_of(smtp),
                    code == 503 ? MOTE_VERDICT_TRANSIENT : verdict_of(smtp));
    }
    drain(smtp, true, now_ms);
}

/* RFC 5321 4.5.3.1.10: too many recipients, not too much of anything else. */
static bool is_full(const mote_smtp_t *smtp)
{
    const mote_enhanced_t *enhanced = &smtp->reply.enhanced;
    bool is_size = (enhanced->subject == 3 && enhanced->detail == 4) || (enhanced->subject == 2 && enhanced->detail == 3);

    return smtp->received_count > 0 && (smtp->reply.code == 452 || (smtp->reply.code == 552 && !is_size));
}

/* A refusal here concerns this recipient alone. */
static void settle_rcpt(mote_smtp_t *smtp, mote_recipient_t *recipient)
{
    mote_report_t report = report_reply(smtp);
    mote_span_t words = mote_buffer_span(&recipient->text);

    if (smtp->reply.code < 300) {
        smtp->received_count++;
        recipient->phase = MOTE_PHASE_RECEIVED;
        mote_recipient_note(recipient, &report, words);
        if (smtp->settings->is_probe) {
            settle(smtp, recipient, &report, words, MOTE_VERDICT_ACCEPTED);
        }
    } else if (is_full(smtp) && !smtp->settings->is_probe) {
        set(smtp, FLAG_IS_FULL);
        recipient->phase = MOTE_PHASE_CHOSEN;
        mote_recipient_note(recipient, &report, words);
    } else {
        report.held = smtp->reply.code == 530;
        settle(smtp, recipient, &report, words, report.held ? MOTE_VERDICT_TRANSIENT : verdict_of(smtp));
    }
}

static bool has_rcpt_to_say(const mote_smtp_t *smtp)
{
    return !has(smtp, FLAG_IS_FULL) && smtp->rcpt_count < MOTE_TRANSACTION_RECIPIENT_COUNT &&
           find_phase(smtp, smtp->rcpt_said, MOTE_PHASE_CHOSEN) < smtp->mail->recipient_count;
}

static void on_rcpt(mote_smtp_t *smtp, uint32_t now_ms)
{
    uint16_t index = find_phase(smtp, 0, MOTE_PHASE_OFFERED);
    bool is_drained = has(smtp, FLAG_IS_DRAINED);

    if (index < smtp->mail->recipient_count && !is_drained) {
        settle_rcpt(smtp, &smtp->mail->recipients[index]);
    }
    smtp->rcpt_due = (uint16_t)(smtp->rcpt_due > 0 ? smtp->rcpt_due - 1 : 0);
    if (smtp->rcpt_due > 0 || (has(smtp, FLAG_IS_GROUP) && smtp->saying == SAY_RCPT)) {
        await(smtp, MOTE_SMTP_AWAIT_RCPT, now_ms);
    } else if (has(smtp, FLAG_IS_GROUP) && smtp->outstanding > 0) {
        await(smtp, MOTE_SMTP_AWAIT_DATA, now_ms); /* DATA is on its way already: its reply must be heard */
    } else if (is_drained) {
        end_transaction(smtp, true, now_ms);
    } else if (has_rcpt_to_say(smtp) && !has(smtp, FLAG_IS_GROUP)) {
        ask(smtp, MOTE_SMTP_AWAIT_RCPT, SAY_RCPT, now_ms);
    } else if (smtp->received_count > 0 && !smtp->settings->is_probe) {
        ask(smtp, MOTE_SMTP_AWAIT_DATA, SAY_DATA, now_ms);
    } else {
        smtp->saying = SAY_NOTHING;
        end_transaction(smtp, true, now_ms);
    }
}

static void on_data(mote_smtp_t *smtp, uint32_t now_ms)
{
    uint16_t code = smtp->reply.code;
    mote_report_t report = report_reply(smtp);

    if (code == 354 && smtp->received_count > 0 && !has(smtp, FLAG_IS_DRAINED)) {
        unsigned flags = MOTE_BODY_STUFFS_DOTS | (declares_8bit(smtp) ? 0U : MOTE_BODY_REFUSES_8BIT);

        mote_body_start(&smtp->body, smtp->mail->source, flags);
        ask(smtp, MOTE_SMTP_AWAIT_CONTENT, SAY_CONTENT, now_ms);
    } else if (code == 354 && has(smtp, FLAG_AUTH_FAILED | FLAG_IS_DRAINED) && smtp->received_count + smtp->mechanism > 0 &&
               !has(smtp, FLAG_AUTH_DONE)) {
        end(smtp, true, now_ms); /* AUTH-26: even a lone dot would send a mail, an empty one */
    } else if (code == 354) {
        ask(smtp, MOTE_SMTP_AWAIT_LONE_DOT, SAY_DOT, now_ms); /* RFC 2920 3.1: nobody was accepted, so no content */
    } else if (code < 400) {
        break_step(smtp, MOTE_ERR_PROTOCOL, now_ms);
    } else {
        if (code == 530) {
            hold(smtp, &report, words_of(smtp));
        }
        settle_open(smtp, MOTE_PHASE_RECEIVED, &report, words_of(smtp), verdict_of(smtp));
        end_transaction(smtp, true, now_ms);
    }
}

/* A reply before the end of data: the server has stopped listening. */
static void on_early_refusal(mote_smtp_t *smtp, uint32_t now_ms)
{
    mote_report_t report = report_reply(smtp);

    if (smtp->reply.code < 400) {
        break_step(smtp, MOTE_ERR_PROTOCOL, now_ms);
        return;
    }
    settle_open(smtp, MOTE_PHASE_RECEIVED, &report, words_of(smtp), verdict_of(smtp));
    end(smtp, true, now_ms);
}

static void on_final(mote_smtp_t *smtp, uint32_t now_ms)
{
    mote_report_t report = report_reply(smtp);

    if (smtp->reply.code >= 300 && smtp->reply.code < 400) {
        break_step(smtp, MOTE_ERR_PROTOCOL, now_ms);
        return;
    }
    settle_open(smtp, MOTE_PHASE_RECEIVED, &report, words_of(smtp),
                smtp->reply.code < 300 ? MOTE_VERDICT_ACCEPTED : verdict_of(smtp));
    end_transaction(smtp, false, now_ms);
}

static void on_reset(mote_smtp_t *smtp, uint32_t now_ms)
{
    if (smtp->reply.code >= 300) {
        quit(smtp, now_ms);
    } else if (has_open(smtp)) {
        begin_transaction(smtp, false, now_ms);
    } else {
        ask(smtp, MOTE_SMTP_AWAIT_MORE, SAY_NOTHING, now_ms);
    }
}

/* RFC 5321 3.8: the server closes, whatever was asked. A valid reply to the end of data is no doubt. */
static void on_421(mote_smtp_t *smtp, uint32_t now_ms)
{
    mote_report_t report = report_reply(smtp);
    mote_span_t words = words_of(smtp);

    if (smtp->state == MOTE_SMTP_AWAIT_FINAL) {
        settle_open(smtp, MOTE_PHASE_RECEIVED, &report, words, MOTE_VERDICT_TRANSIENT);
    }
    break_off(smtp, &report, words, false, now_ms);
}

/* One reply, one transition. */
static void on_reply(mote_smtp_t *smtp, uint32_t now_ms)
{
    uint16_t code = smtp->reply.code;
    bool is_intermediate = code >= 300 && code < 400;

    if (smtp->outstanding > 0 && !has(smtp, FLAG_IS_EARLY)) {
        smtp->outstanding--;
    } else if (smtp->state != MOTE_SMTP_AWAIT_GREETING && smtp->state != MOTE_SMTP_AWAIT_CONTENT && code != 421) {
        break_step(smtp, MOTE_ERR_PROTOCOL, now_ms); /* more replies than commands: never a guess */
        return;
    }
    if (code == 421 && smtp->state != MOTE_SMTP_AWAIT_QUIT) {
        on_421(smtp, now_ms);
        return;
    }
    if (is_intermediate && smtp->state != MOTE_SMTP_AWAIT_AUTH && smtp->state != MOTE_SMTP_AWAIT_DATA &&
        smtp->state < MOTE_SMTP_AWAIT_LONE_DOT) {
        break_step(smtp, MOTE_ERR_PROTOCOL, now_ms); /* RFC 5321 4.2.1: only AUTH and DATA go on */
        return;
    }
    switch ((mote_smtp_state_t)smtp->state) {
    case MOTE_SMTP_AWAIT_GREETING:
        on_greeting(smtp, now_ms);
        break;
    case MOTE_SMTP_AWAIT_EHLO:
    case MOTE_SMTP_AWAIT_HELO:
        on_ehlo(smtp, now_ms);
        break;
    case MOTE_SMTP_AWAIT_STARTTLS:
        on_starttls(smtp, now_ms);
        break;
    case MOTE_SMTP_AWAIT_AUTH:
#if MOTE_FEATURE_AUTH
        on_auth(smtp, now_ms);
#endif
        break;
    case MOTE_SMTP_AWAIT_MAIL:
        on_mail(smtp, now_ms);
        break;
    case MOTE_SMTP_AWAIT_RCPT:
        on_rcpt(smtp, now_ms);
        break;
    case MOTE_SMTP_AWAIT_DATA:
        on_data(smtp, now_ms);
        break;
    case MOTE_SMTP_AWAIT_CONTENT:
        on_early_refusal(smtp, now_ms);
        break;
    case MOTE_SMTP_AWAIT_FINAL:
        on_final(smtp, now_ms);
        break;
    case MOTE_SMTP_AWAIT_LONE_DOT:
        end_transaction(smtp, false, now_ms); /* whatever it answers, nobody was accepted */
        break;
    case MOTE_SMTP_AWAIT_RSET:
        on_reset(smtp, now_ms);
        break;
    case MOTE_SMTP_AWAIT_QUIT:
        end(smtp, false, now_ms);
        break;
    case MOTE_SMTP_AWAIT_SECURE:
    case MOTE_SMTP_AWAIT_MORE:
    case MOTE_SMTP_ENDED:
        break_step(smtp, MOTE_ERR_PROTOCOL, now_ms);
        break;
    }
}

/* The words of a reply are kept where they will be reported: printable, cut at the room given. */
static void keep_word(mote_smtp_t *smtp, mote_reply_event_t event, uint8_t octet)
{
    mote_recipient_t *hearer = find_hearer(smtp);
    bool is_first = smtp->reply.line_count == 0 && smtp->reply.line_size == 4;

    if (hearer == NULL) {
        return;
    }
    if (is_first) {
        hearer->text.size = 0;
    }
    if ((event == MOTE_REPLY_TEXT || event == MOTE_REPLY_LINE_END) && hearer->text.size < hearer->text.capacity) {
        bool is_printable = octet >= ' ' && octet <= '~';

        hearer->text.data[hearer->text.size++] = event == MOTE_REPLY_LINE_END ? ' ' : is_printable ? octet : '?';
    }
}

static void hear_octet(mote_smtp_t *smtp, uint8_t octet, uint32_t now_ms)
{
    mote_reply_event_t event;

    if (smtp->reply.size == 0) {
        clear(smtp, FLAG_IS_EARLY);
        if (smtp->outstanding == 0) {
            set(smtp, FLAG_IS_EARLY);
        }
        memset(&smtp->challenge, 0, sizeof smtp->challenge);
    }
    event = mote_reply_octet(&smtp->reply, octet);
    keep_word(smtp, event, octet);
    if (smtp->state == MOTE_SMTP_AWAIT_EHLO) {
        hear_ehlo(smtp, event, octet);
    }
#if MOTE_FEATURE_AUTH
    if (smtp->state == MOTE_SMTP_AWAIT_AUTH && event == MOTE_REPLY_TEXT && smtp->reply.code == 334) {
        uint8_t decoded;

        (void)mote_base64_octet(&smtp->challenge, octet, &decoded); /* PLAIN and LOGIN only ask that it is base64 */
    }
#endif
    if (event == MOTE_REPLY_MALFORMED) {
        break_step(smtp, MOTE_ERR_PROTOCOL, now_ms);
    } else if (event == MOTE_REPLY_DONE) {
        on_reply(smtp, now_ms);
        memset(&smtp->reply, 0, sizeof smtp->reply);
    }
}

size_t mote_smtp_input(mote_smtp_t *smtp, mote_span_t bytes, uint32_t now_ms)
{
    size_t used = 0;

    while (used < bytes.size && smtp->state != MOTE_SMTP_ENDED && smtp->state != MOTE_SMTP_AWAIT_SECURE) {
        hear_octet(smtp, bytes.data[used++], now_ms);
    }
    tell(smtp, MOTE_EVENT_HEARD, mote_span_slice(bytes, 0, used), now_ms);
    if (smtp->state == MOTE_SMTP_AWAIT_SECURE && used < bytes.size) {
        /* TLS-5: whoever put these behind the 220 wants them taken for words said inside TLS. */
        break_step(smtp, MOTE_ERR_PROTOCOL, now_ms);
    }
    return used;
}

/* ---- speaking ---------------------------------------------------------------------------------------- */

static void write_hello(mote_smtp_t *smtp, mote_writer_t *out)
{
    if (smtp->settings->hello_name.size > 0) {
        mote_write(out, smtp->settings->hello_name);
    } else {
        mote_ip_write_literal(out, smtp->own_ip); /* RFC 5321 4.1.4 */
    }
}

static void write_path(mote_writer_t *out, mote_span_t text)
{
    mote_address_t address;

    if (text.size > 0 && mote_address_parse(text, &address) == MOTE_OK) {
        mote_address_write(out, &address);
    }
    mote_write_u8(out, '>');
}

static void write_mail(mote_smtp_t *smtp, mote_writer_t *out)
{
    mote_write_text(out, "MAIL FROM:<");
    write_path(out, smtp->mail->reverse_path);
    if (had_optional_parameters(smtp)) { /* RFC 1870 6 */
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
        mote_write_u8(out, '*'); /* they were there a moment ago */
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
    static const char *const words[] = {
        [SAY_EHLO] = "EHLO ", [SAY_HELO] = "HELO ", [SAY_STARTTLS] = "STARTTLS", [SAY_CANCEL] = "*",
        [SAY_DATA] = "DATA",  [SAY_DOT] = ".",      [SAY_RSET] = "RSET",         [SAY_QUIT] = "QUIT",
    };

    switch (smtp->saying) {
    case SAY_MAIL:
        write_mail(smtp, out);
        break;
    case SAY_RCPT:
        mote_write_text(out, "RCPT TO:<");
        write_path(out, smtp->mail->recipients[find_phase(smtp, smtp->rcpt_said, MOTE_PHASE_CHOSEN)].address);
        break;
#if MOTE_FEATURE_AUTH
    case SAY_AUTH:
    case SAY_ANSWER:
        write_auth(smtp, out);
        break;
#endif
    default:
        mote_write_text(out, words[smtp->saying]);
        if (smtp->saying == SAY_EHLO || smtp->saying == SAY_HELO) {
            write_hello(smtp, out);
        }
        break;
    }
    mote_write(out, crlf);
}

/* May QUIT ride with the end of data? Nothing else follows on this session. */
static bool is_last_mail(const mote_smtp_t *smtp)
{
    return !smtp->settings->keeps_stream && offers(smtp, EXT_PIPELINING) && has(smtp, FLAG_IS_GROUP) &&
           find_phase(smtp, 0, MOTE_PHASE_CHOSEN) == smtp->mail->recipient_count;
}

/* A command is said: what may follow before its reply (RFC 2920 3.1)? */
static void advance(mote_smtp_t *smtp)
{
    unsigned said = smtp->saying;
    bool is_group = has(smtp, FLAG_IS_GROUP);

    smtp->outstanding++;
    smtp->saying = SAY_NOTHING;
    switch (said) {
    case SAY_AUTH:
        smtp->saying = is_group ? SAY_MAIL : SAY_NOTHING;
        break;
    case SAY_ANSWER:
        smtp->auth_step++;
        break;
    case SAY_MAIL:
        smtp->saying = is_group ? SAY_RCPT : SAY_NOTHING;
        break;
    case SAY_RCPT:
        smtp->rcpt_said = find_phase(smtp, smtp->rcpt_said, MOTE_PHASE_CHOSEN);
        smtp->mail->recipients[smtp->rcpt_said++].phase = MOTE_PHASE_OFFERED;
        smtp->rcpt_due++;
        smtp->rcpt_count++;
        if (is_group) {
            smtp->saying = has_rcpt_to_say(smtp) ? SAY_RCPT : smtp->settings->is_probe ? SAY_NOTHING : SAY_DATA;
        }
        break;
    case SAY_DOT:
        smtp->dot_size = smtp->room.size;
        smtp->saying = smtp->state == MOTE_SMTP_AWAIT_CONTENT && is_last_mail(smtp) ? SAY_QUIT : SAY_NOTHING;
        break;
    case SAY_QUIT:
        set(smtp, FLAG_QUIT_SAID);
        break;
    default:
        break;
    }
}

static void tell_said(mote_smtp_t *smtp, unsigned said, uint16_t start, uint32_t now_ms)
{
#if MOTE_FEATURE_OBSERVER
    mote_span_t line = mote_span_slice(mote_buffer_span(&smtp->room), start, smtp->room.size);

    if (line.size >= 2) {
        line.size -= 2;
    }
    if (said == SAY_AUTH && has(smtp, FLAG_IS_SECRET)) {
        line = mote_span_text("AUTH PLAIN ***");
    } else if (said == SAY_ANSWER) {
        line = mote_span_text("***");
    }
    tell(smtp, MOTE_EVENT_SAID, line, now_ms);
#else
    (void)smtp, (void)said, (void)start, (void)now_ms;
#endif
}

/* Says the command at hand, as much of it as the room still holds. False: the room is full. */
static bool say(mote_smtp_t *smtp, uint32_t now_ms)
{
    uint16_t start = smtp->room.size;
    unsigned said = smtp->saying;
    mote_writer_t out = mote_writer(smtp->room.data, smtp->room.capacity);

    out.data = smtp->room.data + start;
    out.capacity = (size_t)(smtp->room.capacity - start);
    out.skip = smtp->skip;
    write_command(smtp, &out);
    smtp->room.size = (uint16_t)(start + mote_writer_stored(&out));
    if (mote_writer_overflowed(&out)) {
        smtp->skip = (uint16_t)(smtp->skip + mote_writer_stored(&out));
        return false;
    }
    smtp->skip = 0;
    tell_said(smtp, said, start, now_ms);
    advance(smtp);
    return true;
}

/* The message cannot go on: never a dot behind half of it (SMTP-56). */
static void lose_content(mote_smtp_t *smtp, mote_status_t status, uint32_t now_ms)
{
    bool is_ours = status == MOTE_ERR_CONTENT;
    mote_report_t report = is_ours ? report_ours(smtp, status, 5, 6, 0) : report_ours(smtp, status, 4, 3, 0);

    settle_open(smtp, MOTE_PHASE_CHOSEN, &report, nothing, is_ours ? MOTE_VERDICT_PERMANENT : MOTE_VERDICT_TRANSIENT);
    end(smtp, true, now_ms);
}

/* Gathers short stretches of content in the room; a long one is lent as it is. False: enough is there. */
static bool gather(mote_smtp_t *smtp, uint32_t now_ms)
{
    size_t left = (size_t)(smtp->room.capacity - smtp->room.size);
    mote_span_t part;
    bool is_stable;
    mote_status_t status;

    if (smtp->stretch.size == 0) {
        status = mote_body_next(&smtp->body, &smtp->stretch, &is_stable);
        if (status == MOTE_CLOSED) {
            smtp->saying = SAY_DOT;
            return true;
        }
        if (status != MOTE_OK) {
            smtp->stretch = nothing;
            if (status != MOTE_PENDING) {
                lose_content(smtp, status, now_ms);
            }
            return false;
        }
    }
    if (smtp->stretch.size >= smtp->room.capacity / 2U) {
        return false;
    }
    part = mote_span_slice(smtp->stretch, 0, left);
    memcpy(smtp->room.data + smtp->room.size, part.data, part.size);
    smtp->room.size = (uint16_t)(smtp->room.size + part.size);
    smtp->stretch = mote_span_slice(smtp->stretch, part.size, smtp->stretch.size);
    return part.size < left;
}

static void fill_room(mote_smtp_t *smtp, uint32_t now_ms)
{
    bool has_room = true;

    if (has(smtp, FLAG_IS_SECRET)) {
        mote_wipe(smtp->room.data, smtp->room.size);
        clear(smtp, FLAG_IS_SECRET);
    }
    smtp->room.size = 0;
    smtp->room_sent = 0;
    while (has_room && smtp->saying != SAY_NOTHING) {
        has_room = smtp->saying == SAY_CONTENT ? gather(smtp, now_ms) : say(smtp, now_ms);
    }
}

mote_status_t mote_smtp_output(mote_smtp_t *smtp, uint32_t now_ms, mote_span_t *bytes, unsigned *flags)
{
    *flags = 0;
    if (smtp->state == MOTE_SMTP_ENDED || smtp->state == MOTE_SMTP_AWAIT_SECURE) {
        return MOTE_PENDING;
    }
    if (smtp->room_sent == smtp->room.size && !(smtp->stretch.size > 0 && smtp->room.size == 0)) {
        fill_room(smtp, now_ms);
    }
    if (smtp->state == MOTE_SMTP_AWAIT_CONTENT) {
        *flags |= MOTE_OUTPUT_CONTENT;
    }
    *flags |= smtp->saying != SAY_NOTHING ? MOTE_OUTPUT_MORE : 0U;
    if (smtp->room_sent < smtp->room.size) {
        *bytes = mote_span_slice(mote_buffer_span(&smtp->room), smtp->room_sent, smtp->room.size);
        return MOTE_OK;
    }
    if (smtp->stretch.size > 0) {
        *bytes = smtp->stretch;
        *flags |= smtp->mail->source->is_stable ? MOTE_OUTPUT_STABLE : 0U;
        return MOTE_OK;
    }
    return MOTE_PENDING;
}

void mote_smtp_sent(mote_smtp_t *smtp, size_t size, uint32_t now_ms)
{
    if (smtp->state == MOTE_SMTP_AWAIT_CONTENT) {
        smtp->since_ms = now_ms; /* RFC 5321 4.5.3.2.5: progress */
    }
    if (smtp->room_sent == smtp->room.size) {
        MOTE_ASSERT(size <= smtp->stretch.size);
        smtp->stretch = mote_span_slice(smtp->stretch, size, smtp->stretch.size);
        return;
    }
    MOTE_ASSERT(size <= (size_t)(smtp->room.size - smtp->room_sent));
    smtp->room_sent = (uint16_t)(smtp->room_sent + size);
    if (smtp->dot_size != 0 && smtp->room_sent >= smtp->dot_size) {
        smtp->dot_size = 0;
        if (smtp->state == MOTE_SMTP_AWAIT_CONTENT) {
            await(smtp, MOTE_SMTP_AWAIT_FINAL, now_ms); /* from here on it may be there (RFC 1047) */
        }
    }
}

/* ---- the stream, TLS, time ---------------------------------------------------------------------------- */

void mote_smtp_lost(mote_smtp_t *smtp, mote_status_t status, uint32_t now_ms)
{
    if (smtp->state == MOTE_SMTP_ENDED) {
        return;
    }
    if (may_go_in_clear(smtp)) {
        smtp->end = MOTE_SMTP_IN_CLEAR;
    }
    break_off_for(smtp, status == MOTE_CLOSED ? MOTE_ERR_LINK_LOST : status, status != MOTE_CLOSED, now_ms);
}

void mote_smtp_secured(mote_smtp_t *smtp, mote_status_t status, mote_protection_t protection, uint32_t now_ms)
{
    MOTE_ASSERT(smtp->state == MOTE_SMTP_AWAIT_SECURE);
    if (status == MOTE_OK && smtp->hop->tls == MOTE_TLS_VERIFIED && protection != MOTE_PROTECTION_VERIFIED) {
        status = MOTE_ERR_TLS_UNTRUSTED;
    }
    if (status != MOTE_OK) {
        if (may_go_in_clear(smtp)) {
            smtp->end = MOTE_SMTP_IN_CLEAR;
        }
        break_off_for(smtp, status, true, now_ms);
        return;
    }
    smtp->protection = (uint8_t)protection;
    forget_offers(smtp); /* RFC 3207 4.2: all that was said before */
    ask(smtp, MOTE_SMTP_AWAIT_EHLO, SAY_EHLO, now_ms);
}

static uint32_t timeout_ms(const mote_smtp_t *smtp)
{
    static const uint16_t defaults_s[] = {
        [GREETING_S] = 300, [EHLO_S] = 300, [STARTTLS_S] = 120, [AUTH_S] = 120, [MAIL_S] = 300, [RCPT_S] = 300,
        [DATA_S] = 120,     [BLOCK_S] = 180, [FINAL_S] = 600,   [RESET_S] = 20, [QUIT_S] = 5,
    };
    static const uint8_t offsets[] = {
        [GREETING_S] = offsetof(mote_timeouts_t, greeting_s), [EHLO_S] = offsetof(mote_timeouts_t, ehlo_s),
        [STARTTLS_S] = offsetof(mote_timeouts_t, starttls_s), [AUTH_S] = offsetof(mote_timeouts_t, auth_s),
        [MAIL_S] = offsetof(mote_timeouts_t, mail_s),         [RCPT_S] = offsetof(mote_timeouts_t, rcpt_s),
        [DATA_S] = offsetof(mote_timeouts_t, data_s),         [BLOCK_S] = offsetof(mote_timeouts_t, block_s),
        [FINAL_S] = offsetof(mote_timeouts_t, final_s),       [RESET_S] = offsetof(mote_timeouts_t, reset_s),
        [QUIT_S] = offsetof(mote_timeouts_t, quit_s),
    };
    unsigned timeout = state_info[smtp->state].timeout;
    uint16_t seconds = 0;

    if (timeout == NO_TIMEOUT) {
        return UINT32_MAX;
    }
    if (smtp->settings->timeouts != NULL) {
        memcpy(&seconds, (const uint8_t *)smtp->settings->timeouts + offsets[timeout], sizeof seconds);
    }
    return (seconds != 0 ? seconds : defaults_s[timeout]) * UINT32_C(1000);
}

uint32_t mote_smtp_tick(mote_smtp_t *smtp, uint32_t now_ms)
{
    uint32_t limit_ms = timeout_ms(smtp);
    uint32_t waited_ms = now_ms - smtp->since_ms;

    if (limit_ms == UINT32_MAX) {
        return UINT32_MAX;
    }
    if (waited_ms < limit_ms) {
        return limit_ms - waited_ms;
    }
    if (may_go_in_clear(smtp)) {
        smtp->end = MOTE_SMTP_IN_CLEAR;
    }
    if (smtp->state == MOTE_SMTP_AWAIT_QUIT) {
        end(smtp, false, now_ms);
    } else {
        break_step(smtp, MOTE_ERR_TIMEOUT, now_ms);
    }
    return 0;
}

void mote_smtp_stop(mote_smtp_t *smtp, mote_status_t cause, uint32_t now_ms)
{
    mote_report_t report = report_ours(smtp, cause, 4, 4, 7);

    if (smtp->state == MOTE_SMTP_ENDED) {
        return;
    }
    if (state_info[smtp->state].loss == LOSS_NEXT) {
        settle_open(smtp, MOTE_PHASE_CHOSEN, &report, nothing, MOTE_VERDICT_TRANSIENT);
    }
    break_off(smtp, &report, nothing, true, now_ms);
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
    if (in_clear) {
        set(smtp, FLAG_IN_CLEAR);
    }
    await(smtp, MOTE_SMTP_AWAIT_GREETING, now_ms);
}

void mote_smtp_next(mote_smtp_t *smtp, mote_mail_t *mail, uint32_t now_ms)
{
    MOTE_ASSERT(smtp->state == MOTE_SMTP_AWAIT_MORE);
    smtp->mail = mail;
    smtp->end = MOTE_SMTP_RUNNING;
    clear(smtp, FLAG_WAS_RESET);
    begin_transaction(smtp, false, now_ms);
}

void mote_smtp_quit(mote_smtp_t *smtp, uint32_t now_ms)
{
    if (smtp->state == MOTE_SMTP_AWAIT_MORE) {
        quit(smtp, now_ms);
    }
}

mote_smtp_state_t mote_smtp_state(const mote_smtp_t *smtp)
{
    return (mote_smtp_state_t)smtp->state;
}

mote_smtp_end_t mote_smtp_end(const mote_smtp_t *smtp)
{
    return (mote_smtp_end_t)smtp->end;
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
    return (unsigned)state <= MOTE_SMTP_ENDED ? state_info[state].name : "unknown";
}
