/* From the configuration to what the library takes: routes, hops, name servers, TLS, the mailbox. */
#ifndef SETUP_H
#define SETUP_H

#include "config.h"

#ifdef MAILMOTE_HAS_TLS
#include <mailmote/mbedtls.h>
#endif

enum { ROOM_BYTES = 16384, TCP_BYTES = 16384 };

typedef struct setup {
    mote_settings_t settings;
    mote_timeouts_t timeouts;
    mote_dns_settings_t dns;
    mote_endpoint_t servers[MOTE_POSIX_SERVER_COUNT];
    mote_route_t routes[LIST_COUNT + 1];
    mote_hop_t hop;
    mote_span_t own_names[LIST_COUNT];
    mote_maildir_t maildir;
    mote_posix_run_t run;
    char hello_name[256];
    const config_t *config;
    uint8_t room[ROOM_BYTES];
    uint8_t tcp[TCP_BYTES];
#ifdef MAILMOTE_HAS_TLS
    mote_mbedtls_shared_t trust;
    mote_mbedtls_t tls;
    uint8_t tls_input[4096];
#endif
} setup_t;

/* Borrows the configuration. Says on stderr what is wrong. Returns EX_OK or the exit code. */
int setup_init(setup_t *setup, const config_t *config);
void setup_free(setup_t *setup);

#endif
