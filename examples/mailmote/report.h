/* What became of each recipient: a plain line or a JSON object; and the exit code. */
#ifndef REPORT_H
#define REPORT_H

#include <mailmote/mail.h>

#include <stdio.h>

typedef struct report {
    bool is_json;
    bool is_quiet; /* says nothing of what was accepted */
} report_t;

/* Writes one recipient's line to stdout. */
void report_recipient(const report_t *report, const mote_recipient_t *recipient, uint32_t ms);

/* The exit code for all of them: sysexits.h, the first that holds of 75, 77, the first refusal's 68, 67 or 69, 0. */
int report_exit_code(const mote_recipient_t *recipients, size_t count);

/* Text from the network: printable ASCII, everything else as '?'. */
void report_clean(FILE *out, mote_span_t text);

#endif
