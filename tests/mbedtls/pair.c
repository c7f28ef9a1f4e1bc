#include "pair.h"

#include <stdio.h>

/* Enough for any handshake octet by octet with every other call pending, and an end all the same. */
enum { TRIES = 60000 };

void pair_start_with(pair_t *pair, const peer_certificate_t *certificate, int least, int most,
                     const char *suites)
{
    memset(pair, 0, sizeof *pair);
    peer_start(&pair->peer, certificate, least, most, suites);
    mote_mbedtls_shared_init(&pair->shared);
    (void)mote_mbedtls_add_ca_in_place(&pair->shared, peer_root(certificate->key));
    mote_mbedtls_init(&pair->tls, &pair->shared, &peer_port, &pair->peer, pair->room, sizeof pair->room);
    pair->policy.name = mote_span_text(PAIR_NAME);
    pair->policy.verifies = true;
}

void pair_start(pair_t *pair, int version)
{
    static const peer_certificate_t certificate = { .san = "DNS:" PAIR_NAME };

    pair_start_with(pair, &certificate, version, version, NULL);
}

void pair_stop(pair_t *pair)
{
    mote_mbedtls_port.abort(&pair->tls);
    mote_mbedtls_shared_free(&pair->shared);
    peer_stop(&pair->peer);
}

mote_status_t pair_secure(pair_t *pair)
{
    mote_status_t status = MOTE_PENDING;
    unsigned i;

    for (i = 0; i < TRIES && status == MOTE_PENDING; i++) {
        status = mote_mbedtls_port.secure(&pair->tls, &pair->policy, &pair->result);
    }
    snprintf(pair->words, sizeof pair->words, "%.*s", (int)pair->result.words.size,
             (const char *)pair->result.words.data);
    return status;
}

mote_status_t pair_send(pair_t *pair, const void *bytes, size_t size, unsigned flags)
{
    mote_span_t rest = mote_span(bytes, size);
    mote_status_t status = MOTE_OK;
    size_t taken;
    unsigned i;

    for (i = 0; i < TRIES && rest.size > 0 && (status == MOTE_OK || status == MOTE_PENDING); i++) {
        status = mote_mbedtls_port.send(&pair->tls, rest, flags, &taken);
        rest = mote_span_slice(rest, taken, rest.size);
    }
    return status;
}

mote_status_t pair_hear(pair_t *pair, size_t size)
{
    mote_status_t status = MOTE_PENDING;
    mote_span_t bytes;
    unsigned i;

    for (i = 0; i < TRIES && pair->heard_size < size && (status == MOTE_OK || status == MOTE_PENDING); i++) {
        status = mote_mbedtls_port.lend(&pair->tls, &bytes);
        if (status == MOTE_OK) {
            bytes =
                mote_span_slice(bytes, 0, bytes.size > 7 ? bytes.size / 2 : bytes.size); /* not all at once */
            memcpy(pair->heard + pair->heard_size, bytes.data, bytes.size);
            pair->heard_size += bytes.size;
            mote_mbedtls_port.taken(&pair->tls, bytes.size);
        }
    }
    return status;
}

#define GREETING "220 " PAIR_NAME " ESMTP\r\n"
#define HELLO    "EHLO device.example.net\r\n"
#define OFFER    "250-" PAIR_NAME "\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 10240000\r\n"
#define LEAVE    "QUIT\r\n"

/* One command and its reply. What is pending leaves while we listen. */
static mote_status_t exchange(pair_t *pair, const char *command, const char *reply)
{
    size_t until = pair->peer.heard_size + strlen(command);
    mote_status_t status = pair_send(pair, command, strlen(command), 0);
    mote_span_t bytes;
    unsigned i;

    for (i = 0; i < TRIES && status == MOTE_OK && pair->peer.heard_size < until; i++) {
        status = mote_mbedtls_port.lend(&pair->tls, &bytes);
        if (status == MOTE_OK) {
            return MOTE_ERR_CONTENT; /* nothing was said */
        }
        status = status == MOTE_PENDING ? MOTE_OK : status;
        peer_work(&pair->peer);
    }
    if (status != MOTE_OK) {
        return status;
    }
    peer_say(&pair->peer, reply);
    return pair_hear(pair, pair->heard_size + strlen(reply));
}

mote_status_t pair_talk(pair_t *pair)
{
    static const char all[] = GREETING OFFER "221 bye\r\n";
    mote_status_t status;

    peer_work(&pair->peer);
    peer_say(&pair->peer, GREETING);
    status = pair_hear(pair, sizeof GREETING - 1);
    if (status == MOTE_OK) {
        status = exchange(pair, HELLO, OFFER);
    }
    if (status == MOTE_OK) {
        status = exchange(pair, LEAVE, "221 bye\r\n");
    }
    if (status == MOTE_OK &&
        (pair->heard_size != sizeof all - 1 || memcmp(pair->heard, all, sizeof all - 1) != 0)) {
        status = MOTE_ERR_CONTENT;
    }
    return status;
}

mote_status_t pair_converse(pair_t *pair)
{
    mote_status_t status = pair_secure(pair);

    return status == MOTE_OK ? pair_talk(pair) : status;
}
