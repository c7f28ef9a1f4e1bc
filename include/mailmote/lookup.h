/**
 * @file
 * A resolver on a port: moves the bytes between the two, so that whoever needs an answer only reads it.
 */
#ifndef MAILMOTE_LOOKUP_H
#define MAILMOTE_LOOKUP_H

#include <mailmote/port.h>
#include <mailmote/resolver.h>

MOTE_BEGIN_DECLS

/** Placed by the caller; start the resolver in it, then step. */
typedef struct mote_lookup {
    bool is_connected; /* private */
    uint8_t open_slots; /* a bit each */
    uint8_t lent_slot;  /* whose datagram is lent: slot + 1, 0 none */
    const mote_endpoint_t *stream_server; /* where the port's stream leads; NULL: none of ours */
    const mote_port_t *port;
    void *self;
    mote_random_t random; /* the port's */
    mote_resolver_t resolver;
} mote_lookup_t;

/** Once, before the first question. What is given is borrowed until the last one has ended. */
void mote_lookup_init(mote_lookup_t *lookup, mote_question_t *question, const mote_port_t *port, void *self);

/**
 * Moves what can be moved now. Call it again at once after MOTE_OK; after MOTE_PENDING when bytes may have moved
 * or *wait_ms have passed.
 *
 * @param[out] answer  with MOTE_OK, its type says to which question; it lives until the next call here
 * @return MOTE_OK an answer; MOTE_PENDING; MOTE_CLOSED every slot has ended (ask mote_resolver_status), and all
 *         sockets of the lookup are closed
 */
mote_status_t mote_lookup_step(mote_lookup_t *lookup, uint32_t now_ms, uint32_t *wait_ms, mote_dns_answer_t *answer);

/** Gives up: closes what is open. Harmless at any moment after init. */
void mote_lookup_stop(mote_lookup_t *lookup);

MOTE_END_DECLS

#endif
