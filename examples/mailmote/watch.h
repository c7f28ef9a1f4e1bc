/* What the observer tells, for a person: the dialogue of -v, the steps of check, progress, times of verdicts. */
#ifndef WATCH_H
#define WATCH_H

#include <mailmote/mail.h>
#include <mailmote/observer.h>
#include <mailmote/posix_maildir.h>

enum { WATCH_LINE_BYTES = 600, WATCH_STEP_COUNT = 16, WATCH_STEP_BYTES = 80 };

typedef struct watch {
    mote_observer_t observer; /* for the settings */
    bool shows_dialogue;      /* on stderr */
    bool shows_steps;         /* on stdout */
    bool shows_progress;      /* on stderr */
    const mote_mail_t *mail;
    const mote_maildir_t *maildir; /* or NULL */
    uint32_t *verdict_ms;          /* one a recipient */
    uint32_t start_ms;
    mote_event_t last_event;
    int32_t total_size;
    int64_t sent_size;
    int percent;
    size_t line_size;
    uint8_t line[WATCH_LINE_BYTES];                   /* of the reply being heard */
    char steps[WATCH_STEP_COUNT][WATCH_STEP_BYTES]; /* said and not answered yet */
    size_t step_count;
} watch_t;

void watch_init(watch_t *watch, const mote_mail_t *mail, uint32_t *verdict_ms, uint32_t now_ms);
/* Ends a line of progress. */
void watch_end(watch_t *watch);

#endif
