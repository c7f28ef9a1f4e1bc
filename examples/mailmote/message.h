/* The message on standard input: opened, looked through before anybody is bothered with it, and changed only on request. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "addresses.h"

#include <mailmote/header.h>
#include <mailmote/posix.h>

typedef struct message {
    mote_source_t *source;   /* what is sent */
    mote_span_t *recipients; /* named in To, Cc and Bcc */
    size_t recipient_count;

    mote_posix_source_t file; /* private */
    mote_source_t edited;     /* a header of ours, and then the file's body */
    mote_span_t header;
    size_t body_offset;
    size_t offset; /* octets of the file passed over */
    bool has_lent_header;
    char *header_text;
    char from[ADDRESS_ROOM_BYTES];
    size_t from_size;
    char *addresses;
    size_t addresses_size;
} message_t;

typedef struct message_options {
    bool reads_recipients; /* -t: recipients are those of To, Cc and Bcc, and Bcc does not leave */
    bool completes;        /* Date, Message-ID and From are put in front where they are missing */
    mote_name_addr_t from;
} message_options_t;

/* Whoever sits before a terminal as standard input is told that something is waited for. */
void message_greet_terminal(void);

/* Opens, scans and prepares the message. Says on stderr what is wrong. Returns EX_OK or the exit code. */
int message_open(message_t *message, int fd, const message_options_t *options);
void message_close(message_t *message);

#endif
