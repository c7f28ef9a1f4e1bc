/* The console: words and numbers, without printf. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <mailmote/span.h>

#include <stdint.h>

void console_text(const char *text);
/** Printable ASCII of what a peer may have chosen; everything else is '?'. */
void console_span(mote_span_t text);
void console_number(uint32_t number);
/** A line: words, a number, words. */
void console_line(const char *before, uint32_t number, const char *after);

#endif
