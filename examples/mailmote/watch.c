#include "watch.h"

#include "report.h"

#include <string.h>

/* ---- steps: what was asked, and its answer -------------------------------------------------------------- */

static void push_step(watch_t *watch, mote_span_t text)
{
    if (watch->step_count < WATCH_STEP_COUNT) {
        size_t size = text.size < WATCH_STEP_BYTES - 1 ? text.size : WATCH_STEP_BYTES - 1;

        memcpy(watch->steps[watch->step_count], text.data, size);
        watch->steps[watch->step_count++][size] = '\0';
    }
}

static void print_step(const watch_t *watch, const char *what, mote_span_t text, uint32_t now_ms)
{
    printf("%7lu ms  %s", (unsigned long)(now_ms - watch->start_ms), what);
    report_clean(stdout, text);
    printf("\n");
}

/* The last line of a reply has come: it answers the first step that is open. */
static void answer_step(watch_t *watch, mote_span_t line, uint32_t now_ms)
{
    char what[WATCH_STEP_BYTES + 8];

    (void)snprintf(what, sizeof what, "%s: ", watch->step_count > 0 ? watch->steps[0] : "greeting");
    print_step(watch, what, line, now_ms);
    if (watch->step_count > 0) {
        watch->step_count--;
        memmove(watch->steps[0], watch->steps[1], watch->step_count * sizeof watch->steps[0]);
    }
}

/* ---- lines of replies ----------------------------------------------------------------------------------- */

static void end_line(watch_t *watch, uint32_t now_ms)
{
    mote_span_t line = mote_span(watch->line, watch->line_size);

    watch->line_size = 0;
    if (line.size > 0 && line.data[line.size - 1] == '\r') {
        line.size--;
    }
    if (watch->shows_dialogue) {
        fprintf(stderr, "S: ");
        report_clean(stderr, line);
        fprintf(stderr, "\n");
    }
    if (watch->shows_steps && (line.size < 4 || line.data[3] != '-')) {
        answer_step(watch, line, now_ms);
    }
}

static void hear(watch_t *watch, mote_span_t bytes, uint32_t now_ms)
{
    for (size_t i = 0; i < bytes.size; i++) {
        if (bytes.data[i] == '\n') {
            end_line(watch, now_ms);
        } else if (watch->line_size < WATCH_LINE_BYTES) {
            watch->line[watch->line_size++] = bytes.data[i];
        }
    }
}

/* ---- events --------------------------------------------------------------------------------------------- */

static void show_progress(watch_t *watch, size_t size)
{
    int percent;

    watch->sent_size += (int64_t)size;
    percent = watch->total_size > 0 ? (int)(watch->sent_size * 100 / watch->total_size) : 0;
    percent = percent > 100 ? 100 : percent; /* added dots count here, not in the size */
    if (percent != watch->percent) {
        watch->percent = percent;
        fprintf(stderr, "\rsending: %3d %%", percent);
    }
}

/* Where no server spoke: what the status leaves out goes where its words would stand. */
static void add_words(const watch_t *watch, mote_recipient_t *recipient)
{
    const mote_report_t *report = &recipient->report;
    mote_writer_t out = mote_buffer_writer(&recipient->text);

    if (recipient->text.size > 0) {
        return;
    }
    if (report->stage == MOTE_STAGE_ROUTE && report->status == MOTE_ERR_ADDRESS) {
        mote_write_text(&out, "without a relay mail goes to domains only");
    } else if (report->stage == MOTE_STAGE_AUTH && report->status == MOTE_ERR_AUTH && report->code == 0) {
        mote_write_text(&out, "the server offers no AUTH here that relay_auth allows");
    } else if (report->stage == MOTE_STAGE_MAILBOX && report->status != MOTE_ERR_NO_MAILBOX && watch->maildir != NULL &&
               mote_maildir_errno(watch->maildir) != 0) {
        mote_write_text(&out, strerror(mote_maildir_errno(watch->maildir)));
    }
    recipient->text.size = (uint16_t)mote_writer_stored(&out);
}

static void note_verdict(watch_t *watch, mote_span_t address, uint32_t now_ms)
{
    for (size_t i = 0; i < watch->mail->recipient_count; i++) {
        bool is_first = watch->verdict_ms[i] == 0; /* check --all goes on asking, and the first verdict stands */

        if (is_first && watch->mail->recipients[i].address.data == address.data) {
            watch->verdict_ms[i] = now_ms - watch->start_ms;
            add_words(watch, &watch->mail->recipients[i]);
        }
    }
}

/* Why a host was left: its words, or the cause as it stands in the reports of those concerned. These say nothing of it any
   more where check --all goes on after a verdict. */
static mote_span_t reason_of(const watch_t *watch, mote_span_t words)
{
    const mote_recipient_t *recipient = mote_mail_find(watch->mail, watch->mail->recipients, MOTE_PHASES_OPEN);

    if (words.size > 0 || recipient == NULL) {
        return words;
    }
    if (recipient->verdict != MOTE_VERDICT_PENDING) {
        return mote_span_text(watch->last_event == MOTE_EVENT_HOST         ? "no address that could be tried"
                              : watch->last_event == MOTE_EVENT_CONNECTING ? "no connection"
                                                                           : "no answer about the recipient");
    }
    return mote_span_text(mote_status_text((mote_status_t)recipient->report.status));
}

static void tell_line(const watch_t *watch, const char *what, mote_span_t text, uint32_t now_ms)
{
    if (watch->shows_dialogue) {
        fprintf(stderr, "* %s", what);
        report_clean(stderr, text);
        fprintf(stderr, "\n");
    }
    if (watch->shows_steps) {
        print_step(watch, what, text, now_ms);
    }
}

static void tell(void *self, mote_event_t event, mote_span_t bytes, uint32_t now_ms)
{
    watch_t *watch = self;

    switch (event) {
    case MOTE_EVENT_ROUTE:
        tell_line(watch, "for ", bytes, now_ms);
        break;
    case MOTE_EVENT_ASKING_MX:
        tell_line(watch, "asking for the MX of ", bytes, now_ms);
        break;
    case MOTE_EVENT_HOST:
        tell_line(watch, "host ", bytes, now_ms);
        break;
    case MOTE_EVENT_CONNECTING:
        tell_line(watch, "connecting to ", bytes, now_ms);
        break;
    case MOTE_EVENT_CONNECTED:
        watch->step_count = 0;
        watch->line_size = 0;
        tell_line(watch, "connected to ", bytes, now_ms);
        break;
    case MOTE_EVENT_SECURED:
        tell_line(watch, "TLS: ", bytes, now_ms);
        break;
    case MOTE_EVENT_SAID:
        if (watch->shows_dialogue) {
            fprintf(stderr, "C: ");
            report_clean(stderr, bytes);
            fprintf(stderr, "\n");
        }
        push_step(watch, bytes);
        if (mote_span_equals(bytes, mote_span_text("DATA"))) {
            watch->sent_size = 0; /* the message begins, perhaps once more and elsewhere */
        }
        break;
    case MOTE_EVENT_HEARD:
        hear(watch, bytes, now_ms);
        break;
    case MOTE_EVENT_CONTENT:
        if (watch->shows_progress) {
            show_progress(watch, bytes.size);
        }
        break;
    case MOTE_EVENT_FAILED:
        tell_line(watch, "given up: ", reason_of(watch, bytes), now_ms);
        break;
    case MOTE_EVENT_WARNING:
        tell_line(watch, "warning: ", bytes, now_ms);
        break;
    case MOTE_EVENT_VERDICT:
        note_verdict(watch, bytes, now_ms);
        break;
    }
    watch->last_event = event;
}

void watch_init(watch_t *watch, const mote_mail_t *mail, uint32_t *verdict_ms, uint32_t now_ms)
{
    memset(watch, 0, sizeof *watch);
    watch->observer.tell = tell;
    watch->observer.self = watch;
    watch->mail = mail;
    watch->verdict_ms = verdict_ms;
    watch->start_ms = now_ms;
    watch->percent = -1;
}

void watch_end(watch_t *watch)
{
    if (watch->percent >= 0) {
        fprintf(stderr, "\n");
    }
}
