/* A message made of the command line's words and files. */
#ifndef COMPOSED_H
#define COMPOSED_H

#include "config.h"

#include <mailmote/compose.h>

/* What was said on the command line. */
typedef struct composed_options {
    const char *subject;
    const char *text; /* the words, or "-": standard input */
    const char *html; /* a file */
    const char *thread;
    option_list_t attachments; /* files */
    option_list_t inlines;
    option_list_t cc;
    option_list_t bcc;
    option_list_t fields; /* "Name: value" */
} composed_options_t;

enum { COMPOSED_PART_COUNT = 2 + 2 * LIST_COUNT, COMPOSED_ROOM_BYTES = 8192 };

typedef struct composed {
    mote_message_t message;
    mote_compose_t compose; /* compose.source: the message */
    mote_part_t parts[COMPOSED_PART_COUNT];
    mote_posix_source_t *files[COMPOSED_PART_COUNT];
    int fds[COMPOSED_PART_COUNT];
    size_t file_count;
    mote_field_t fields[LIST_COUNT];
    mote_name_addr_t from;
    mote_name_addr_t *people; /* To, Cc, Bcc: the envelope's recipients */
    size_t people_count;
    char *type_table;
    char thread[300];
    uint8_t room[COMPOSED_ROOM_BYTES];
} composed_t;

/* Whether anything was said that a message is to be made of. */
bool composed_is_wanted(const composed_options_t *options);

/* "Pump 7 <pump@example.net>" in two, or an address alone. */
mote_name_addr_t composed_split(const char *text);

/* Opens the files, checks everything, and scans the texts. Says on stderr what is wrong. Returns EX_OK or the exit code. */
int composed_open(composed_t *composed, const composed_options_t *options, const char *from, char **to, size_t to_count);
void composed_close(composed_t *composed);

/* Date, where the clock is set, and the seed of the Message-ID. Returns EX_OK or the exit code. */
int composed_set_moment(mote_message_t *message);

/* Writes the message to stdout, as it would travel. */
int composed_print(mote_source_t *source);

#endif
