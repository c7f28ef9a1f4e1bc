/* What the device is told: lines `key value` of a file that semihosting lends. A product keeps them in flash. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <mailmote/ip.h>

typedef struct settings {
    mote_span_t from, to;          /* of every alert */
    mote_span_t relay;             /* host: a second alert goes through it, with STARTTLS or (implicit) TLS */
    mote_span_t user, password;    /* for the relay; no user: it wants none */
    mote_ip_t name_server;         /* family 0: those that DHCP names */
    mote_ip_t time_server;         /* asked by SNTP; IPv4. Family 0: the clock is never set */
    mote_span_t ca;                /* the trusted CA, DER */
    uint16_t relay_port;
    bool is_implicit;
    bool has_mx;                   /* the first alert goes by MX; else there is none */
    uint16_t arena;                /* bytes of mbedTLS's arena to use; 0: all */
    uint16_t rounds;               /* how often all of it is done */
    uint16_t pause_ms;             /* before each round */
    uint16_t patience_s;           /* for an address, and for each mail; 0: the usual */
} settings_t;

/** Reads the file that the command line names, else the defaults, which name nobody. False: it makes no sense. */
bool settings_read(settings_t *settings);

#endif
