#include <mailmote/mail.h>

const char *mote_stage_text(mote_stage_t stage)
{
    static const char *const texts[MOTE_STAGE_COUNT] = {
        [MOTE_STAGE_NONE] = "none",         [MOTE_STAGE_ADDRESS] = "address",   [MOTE_STAGE_ROUTE] = "route",
        [MOTE_STAGE_MX] = "mx",             [MOTE_STAGE_HOST] = "host",         [MOTE_STAGE_CONNECT] = "connect",
        [MOTE_STAGE_TLS] = "tls",           [MOTE_STAGE_GREETING] = "greeting", [MOTE_STAGE_EHLO] = "ehlo",
        [MOTE_STAGE_STARTTLS] = "starttls", [MOTE_STAGE_AUTH] = "auth",         [MOTE_STAGE_MAIL] = "mail",
        [MOTE_STAGE_RCPT] = "rcpt",         [MOTE_STAGE_DATA] = "data",         [MOTE_STAGE_CONTENT] = "content",
        [MOTE_STAGE_FINAL] = "final",       [MOTE_STAGE_MAILBOX] = "mailbox",
    };

    return (unsigned)stage < MOTE_STAGE_COUNT ? texts[stage] : "unknown";
}

const char *mote_verdict_text(mote_verdict_t verdict)
{
    switch (verdict) {
    case MOTE_VERDICT_PENDING:
        return "pending";
    case MOTE_VERDICT_ACCEPTED:
        return "accepted";
    case MOTE_VERDICT_TRANSIENT:
        return "transient";
    case MOTE_VERDICT_PERMANENT:
        return "permanent";
    case MOTE_VERDICT_IN_DOUBT:
        return "in doubt";
    }
    return "unknown";
}

static mote_status_t rewind_memory(void *self)
{
    mote_memory_source_t *memory = self;

    memory->is_read = false;
    return MOTE_OK;
}

static mote_status_t next_of_memory(void *self, mote_span_t *piece)
{
    mote_memory_source_t *memory = self;

    if (memory->is_read || memory->message.size == 0) {
        return MOTE_CLOSED;
    }
    memory->is_read = true;
    *piece = memory->message;
    return MOTE_OK;
}

void mote_memory_source_init(mote_memory_source_t *memory, mote_span_t message)
{
    memset(memory, 0, sizeof *memory);
    memory->message = message;
    memory->source.rewind = rewind_memory;
    memory->source.next = next_of_memory;
    memory->source.self = memory;
    memory->source.wire_size = MOTE_SIZE_UNKNOWN;
    memory->source.is_stable = true;
}

mote_recipient_t *mote_mail_find(const mote_mail_t *mail, mote_recipient_t *recipient, unsigned phases)
{
    const mote_recipient_t *end = mail->recipients + mail->recipient_count;

    for (; recipient != end; recipient++) {
        if ((phases >> recipient->phase & 1U) != 0) {
            return recipient;
        }
    }
    return NULL;
}

void mote_report_set(mote_report_t *report, mote_stage_t stage, mote_status_t status, unsigned enhanced)
{
    memset(report, 0, sizeof *report);
    report->stage = (uint8_t)stage;
    report->status = (uint8_t)status;
    if (enhanced != 0) {
        report->enhanced.klass = (uint8_t)(4 + (enhanced >> 7));
        report->enhanced.subject = enhanced >> 4 & 7;
        report->enhanced.detail = enhanced & 15;
    }
}

void mote_recipient_note(mote_recipient_t *recipient, const mote_report_t *report, mote_span_t text)
{
    size_t size = text.size < recipient->text.capacity ? text.size : recipient->text.capacity;

    if (recipient->verdict != MOTE_VERDICT_PENDING) {
        return;
    }
    recipient->report = *report;
    if (size > 0) {
        memmove(recipient->text.data, text.data, size); /* the text may stand there already */
    }
    recipient->text.size = (uint16_t)size;
}

void mote_recipient_settle(mote_recipient_t *recipient, mote_verdict_t verdict)
{
    if (recipient->verdict == MOTE_VERDICT_PENDING) {
        recipient->verdict = (uint8_t)verdict;
    }
    recipient->phase = MOTE_PHASE_SETTLED;
}
