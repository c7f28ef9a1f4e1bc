#include "report.h"

#include <sysexits.h>

void report_clean(FILE *out, mote_span_t text)
{
    for (size_t i = 0; i < text.size; i++) {
        fputc(text.data[i] >= ' ' && text.data[i] <= '~' ? text.data[i] : '?', out);
    }
}

static void print_address(FILE *out, const mote_ip_t *ip)
{
    uint8_t text[40];
    mote_writer_t writer = mote_writer(text, sizeof text);

    mote_ip_write(&writer, ip);
    report_clean(out, mote_span(text, mote_writer_stored(&writer)));
}

/* ---- plain ---------------------------------------------------------------------------------------------- */

static void print_peer(const mote_recipient_t *recipient, const char *preposition)
{
    if (recipient->host.size > 0) {
        printf(" %s ", preposition);
        report_clean(stdout, mote_buffer_span(&recipient->host));
    }
    if (recipient->peer.family != 0) {
        printf(" [");
        print_address(stdout, &recipient->peer);
        printf("]");
    }
}

static void print_enhanced(const mote_report_t *report, const char *before, const char *behind)
{
    if (report->enhanced.klass != 0) {
        printf("%s%u.%u.%u%s", before, report->enhanced.klass, report->enhanced.subject, report->enhanced.detail, behind);
    }
}

static void print_reason(const mote_recipient_t *recipient)
{
    const mote_report_t *report = &recipient->report;

    if (report->code != 0) { /* as the server said it */
        printf(": %u ", report->code);
        print_enhanced(report, "", " ");
        report_clean(stdout, mote_buffer_span(&recipient->text));
        return;
    }
    printf(": %s", mote_status_text((mote_status_t)report->status));
    if (recipient->text.size > 0) {
        printf(": ");
        report_clean(stdout, mote_buffer_span(&recipient->text));
    }
    print_enhanced(report, " (", ")");
}

static void print_plain(const mote_recipient_t *recipient)
{
    const mote_report_t *report = &recipient->report;

    report_clean(stdout, recipient->address);
    printf(": %s", mote_verdict_text((mote_verdict_t)recipient->verdict));
    if (recipient->verdict == MOTE_VERDICT_ACCEPTED && report->stage == MOTE_STAGE_MAILBOX) {
        printf(" by the mailbox here\n");
        return;
    }
    if (recipient->verdict == MOTE_VERDICT_ACCEPTED) {
        print_peer(recipient, "by");
    } else {
        printf("%s, %s", report->held ? " and held" : "", mote_stage_text((mote_stage_t)report->stage));
        print_peer(recipient, "at");
    }
    print_reason(recipient);
    printf("\n");
}

/* ---- JSON ----------------------------------------------------------------------------------------------- */

static void print_string(mote_span_t text)
{
    putchar('"');
    for (size_t i = 0; i < text.size; i++) {
        uint8_t octet = text.data[i];

        if (octet == '"' || octet == '\\') {
            printf("\\%c", octet);
        } else if (octet < ' ' || octet > '~') {
            printf("\\u%04x", octet); /* octets, not characters: nothing here is known to be UTF-8 */
        } else {
            putchar(octet);
        }
    }
    putchar('"');
}

static void print_json(const mote_recipient_t *recipient, uint32_t ms)
{
    static const char *const protections[] = { "none", "encrypted", "verified" };
    const mote_report_t *report = &recipient->report;

    printf("{\"address\": ");
    print_string(recipient->address);
    printf(", \"verdict\": \"%s\", \"held\": %s, \"stage\": \"%s\", \"host\": ",
           mote_verdict_text((mote_verdict_t)recipient->verdict), report->held ? "true" : "false",
           mote_stage_text((mote_stage_t)report->stage));
    print_string(mote_buffer_span(&recipient->host));
    printf(", \"ip\": \"");
    print_address(stdout, &recipient->peer);
    printf("\", \"tls\": \"%s\", \"code\": %u, \"enhanced\": \"", protections[recipient->protection], report->code);
    print_enhanced(report, "", "");
    printf("\", \"reason\": \"%s\", \"text\": ", mote_status_text((mote_status_t)report->status));
    print_string(mote_buffer_span(&recipient->text));
    printf(", \"milliseconds\": %lu}\n", (unsigned long)ms);
}

void report_recipient(const report_t *report, const mote_recipient_t *recipient, uint32_t ms)
{
    if (report->is_quiet && recipient->verdict == MOTE_VERDICT_ACCEPTED) {
        return;
    }
    if (report->is_json) {
        print_json(recipient, ms);
    } else {
        print_plain(recipient);
    }
}

/* ---- the exit code -------------------------------------------------------------------------------------- */

/* RFC 3463 3.2: subject 1 is addressing; 7 and 8 there, and whatever is said to MAIL, speak of the sender. */
static bool is_no_user(const mote_report_t *report)
{
    const mote_enhanced_t *enhanced = &report->enhanced;

    if (report->status == MOTE_ERR_NO_MAILBOX) {
        return true;
    }
    if (report->code == 0 || report->stage == MOTE_STAGE_MAIL) {
        return false;
    }
    if (enhanced->klass != 0) {
        return enhanced->klass == 5 && enhanced->subject == 1 && enhanced->detail != 7 && enhanced->detail != 8;
    }
    return report->stage == MOTE_STAGE_RCPT && (report->code == 550 || report->code == 551 || report->code == 553);
}

static int refusal_code(const mote_report_t *report)
{
    if (report->stage == MOTE_STAGE_ADDRESS) {
        return EX_DATAERR;
    }
    if (report->code == 0 && (report->stage == MOTE_STAGE_MX || report->stage == MOTE_STAGE_HOST)) {
        return EX_NOHOST;
    }
    return is_no_user(report) ? EX_NOUSER : EX_UNAVAILABLE;
}

int report_exit_code(const mote_recipient_t *recipients, size_t count)
{
    int code = EX_OK;
    bool is_held = false;

    for (size_t i = 0; i < count; i++) {
        const mote_recipient_t *recipient = &recipients[i];

        if (recipient->verdict == MOTE_VERDICT_PERMANENT) {
            code = code == EX_OK ? refusal_code(&recipient->report) : code;
        } else if (recipient->verdict != MOTE_VERDICT_ACCEPTED) {
            if (!recipient->report.held) {
                return EX_TEMPFAIL;
            }
            is_held = true;
        }
    }
    return is_held ? EX_NOPERM : code;
}
