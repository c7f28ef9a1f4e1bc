/**
 * @file
 * DKIM's cryptography by mbedTLS (PSA): SHA-256 and RSA.
 *
 * ed25519-sha256 (RFC 8463) is not here: mbedTLS 3.6 has no Ed25519.
 */
#ifndef MAILMOTE_MBEDTLS_DKIM_H
#define MAILMOTE_MBEDTLS_DKIM_H

#include <mailmote/dkim.h>

#include <psa/crypto.h>

MOTE_BEGIN_DECLS

/** A key, and the hash at hand: the self of mote_mbedtls_dkim_crypto. */
typedef struct mote_mbedtls_dkim {
    uint16_t signature_size; /**< for mote_dkim_start: the key's size in octets */
    psa_key_id_t key;        /* private */
    psa_hash_operation_t hash;
} mote_mbedtls_dkim_t;

extern const mote_dkim_crypto_t mote_mbedtls_dkim_crypto;

/**
 * Takes an RSA key: DER, or PEM with its terminating NUL counted in the size.
 *
 * @return MOTE_OK
 *         MOTE_ERR_ARGUMENT  no RSA key, encrypted, or fewer than 1024 bits (RFC 8301 3.2) or more than 4096
 *         MOTE_ERR_MEMORY, MOTE_ERR_RANDOM  PSA Crypto could not be started
 */
mote_status_t mote_mbedtls_dkim_init(mote_mbedtls_dkim_t *self, mote_span_t key);
/** Forgets the key. */
void mote_mbedtls_dkim_free(mote_mbedtls_dkim_t *self);

MOTE_END_DECLS

#endif
