/**
 * @file
 * The observer: what a delivery does, told as it happens. For a log, a dialogue on a screen, a test.
 *
 * It is told, never asked: it cannot change the delivery. Bytes from the network are data: they may hold
 * anything. Secrets are never told; the session, which alone knows them, says "***" in their place.
 */
#ifndef MAILMOTE_OBSERVER_H
#define MAILMOTE_OBSERVER_H

#include <mailmote/span.h>

MOTE_BEGIN_DECLS

typedef enum mote_event {
    MOTE_EVENT_ROUTE,      /**< a next hop's turn: the domain or the relay's name */
    MOTE_EVENT_ASKING_MX,  /**< the domain whose MX records are asked for */
    MOTE_EVENT_HOST,       /**< the host whose turn it is */
    MOTE_EVENT_CONNECTING, /**< the address, as text */
    MOTE_EVENT_CONNECTED,  /**< the address, as text */
    MOTE_EVENT_SECURED,    /**< in words: version, suite, what was verified */
    MOTE_EVENT_SAID,       /**< a command as sent, without CRLF; secrets replaced; one longer than the room in pieces */
    MOTE_EVENT_HEARD,      /**< bytes of replies as they came: lines may be split and joined */
    MOTE_EVENT_CONTENT,    /**< octets of the message that the port took */
    MOTE_EVENT_FAILED,     /**< this host or address is given up. The words, if there are any; the cause stands in the
                                reports of the recipients concerned */
    MOTE_EVENT_WARNING,    /**< something an administrator should know, in words */
    MOTE_EVENT_VERDICT     /**< a recipient has its verdict: the address as the caller gave it */
} mote_event_t;

typedef struct mote_observer {
    void (*tell)(void *self, mote_event_t event, mote_span_t bytes, uint32_t now_ms);
    void *self;
} mote_observer_t;

MOTE_END_DECLS

#endif
