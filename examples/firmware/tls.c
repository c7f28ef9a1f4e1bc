/* TLS: the trusted CA, the one session that the arena has room for, and what is kept of it for the next mail. */
#include "firmware.h"

#include "board.h"

#include <mailmote/mbedtls.h>

static mote_mbedtls_shared_t trust;
static mote_mbedtls_t tls;
static uint8_t input[512];

#if defined(MBEDTLS_SSL_SESSION_TICKETS)
static uint8_t kept[MOTE_MBEDTLS_SESSION_BYTES];

static void keep_session(void)
{
    mote_mbedtls_keep_session(&tls, kept, sizeof kept);
}
#else
static void keep_session(void)
{
}
#endif

static void turn(void *ethernet)
{
    breathe();
    board_poll(ethernet);
}

void tls_start(const settings_t *settings)
{
    memory_start(settings->arena);
    mote_mbedtls_shared_init(&trust);
    trust.session_limit = 1;
    trust.between_steps = turn; /* a handshake takes seconds on a small device: frames are taken in between */
    trust.context = netif_default;
    if (settings->ca.size > 0) {
        (void)mote_mbedtls_add_ca_in_place(&trust, settings->ca);
    }
}

void tls_wrap(mote_lwip_run_t *run)
{
    mote_mbedtls_init(&tls, &trust, &mote_lwip_port, &run->lwip, input, sizeof input);
    keep_session();
    run->port = &mote_mbedtls_port;
    run->self = &tls;
}
