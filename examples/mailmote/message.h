/* The message on standard input: opened, and looked through before anybody is bothered with it. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <mailmote/posix.h>

/* Both say on stderr what is wrong, and return EX_OK or the exit code. */
int message_open(mote_posix_source_t *source, int fd);
int message_scan(mote_posix_source_t *source);

#endif
