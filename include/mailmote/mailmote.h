/**
 * @file
 * All of mailmote's core. Start reading at delivery.h; it says what it needs from the others.
 */
#ifndef MAILMOTE_MAILMOTE_H
#define MAILMOTE_MAILMOTE_H

#include <mailmote/delivery.h>

#endif
