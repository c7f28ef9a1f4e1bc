/**
 * @file
 * The port under test and the server, joined by the link: what each test starts from.
 */
#ifndef PAIR_H
#define PAIR_H

#include "peer.h"

#define PAIR_NAME "smtp.example.net"

typedef struct pair {
    peer_t peer;
    mote_mbedtls_shared_t shared;
    mote_mbedtls_t tls;
    uint8_t room[300];
    mote_tls_policy_t policy;
    mote_tls_result_t result;
    char words[MOTE_MBEDTLS_WORDS_BYTES + 1]; /* of the result */
    char heard[70000];                        /* what the server said inside TLS */
    size_t heard_size;
} pair_t;

/** A server for PAIR_NAME with a P-256 certificate, its root trusted, the policy to verify. Not secured yet. */
void pair_start(pair_t *pair, int version);
/** As pair_start, with everything said. */
void pair_start_with(pair_t *pair, const peer_certificate_t *certificate, int least, int most,
                     const char *suites);
void pair_stop(pair_t *pair);

/** Calls secure until it has decided. */
mote_status_t pair_secure(pair_t *pair);
/** Sends all of it. */
mote_status_t pair_send(pair_t *pair, const void *bytes, size_t size, unsigned flags);
/** Receives until so many bytes in all have been heard, or the stream has nothing more or ends. */
mote_status_t pair_hear(pair_t *pair, size_t size);

/** A dialogue of a greeting, commands and replies. MOTE_OK when all was heard as it was said, else what came first. */
mote_status_t pair_talk(pair_t *pair);
/** Both: pair_secure and pair_talk. */
mote_status_t pair_converse(pair_t *pair);

#endif
