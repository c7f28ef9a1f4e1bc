#include <mailmote/mbedtls.h>
#include <mailmote/mbedtls_dkim.h>

#include <mbedtls/pk.h>
#include <mbedtls/psa_util.h>

/* RFC 8301 3.2; more is refused by some verifiers and does not fit a DNS record well. */
enum { LEAST_BITS = 1024, MOST_BITS = 4096 };

static mote_status_t status_of(psa_status_t status)
{
    return status == PSA_SUCCESS ? MOTE_OK : status == PSA_ERROR_INSUFFICIENT_MEMORY ? MOTE_ERR_MEMORY : MOTE_ERR_SOURCE;
}

static mote_status_t start_hash(void *self)
{
    mote_mbedtls_dkim_t *dkim = self;

    (void)psa_hash_abort(&dkim->hash);
    return status_of(psa_hash_setup(&dkim->hash, PSA_ALG_SHA_256));
}

static mote_status_t add_to_hash(void *self, mote_span_t octets)
{
    mote_mbedtls_dkim_t *dkim = self;

    return status_of(psa_hash_update(&dkim->hash, octets.data, octets.size));
}

static mote_status_t end_hash(void *self, uint8_t digest[MOTE_SHA256_BYTES])
{
    mote_mbedtls_dkim_t *dkim = self;
    size_t size;

    return status_of(psa_hash_finish(&dkim->hash, digest, MOTE_SHA256_BYTES, &size));
}

static mote_status_t sign(void *self, const uint8_t digest[MOTE_SHA256_BYTES], uint8_t *signature, size_t size)
{
    mote_mbedtls_dkim_t *dkim = self;
    size_t written = 0;
    psa_status_t status = psa_sign_hash(dkim->key, PSA_ALG_RSA_PKCS1V15_SIGN(PSA_ALG_SHA_256), digest, MOTE_SHA256_BYTES,
                                        signature, size, &written);

    return status == PSA_SUCCESS && written != size ? MOTE_ERR_SPACE : status_of(status);
}

const mote_dkim_crypto_t mote_mbedtls_dkim_crypto = { start_hash, add_to_hash, end_hash, sign };

static mote_status_t import_key(mote_mbedtls_dkim_t *self, const mbedtls_pk_context *pk)
{
    psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
    size_t bits = mbedtls_pk_get_bitlen(pk);
    mote_status_t status = MOTE_ERR_ARGUMENT;

    if (mbedtls_pk_get_type(pk) == MBEDTLS_PK_RSA && bits >= LEAST_BITS && bits <= MOST_BITS &&
        mbedtls_pk_get_psa_attributes(pk, PSA_KEY_USAGE_SIGN_HASH, &attributes) == 0) {
        psa_set_key_algorithm(&attributes, PSA_ALG_RSA_PKCS1V15_SIGN(PSA_ALG_SHA_256));
        status = mbedtls_pk_import_into_psa(pk, &attributes, &self->key) == 0 ? MOTE_OK : MOTE_ERR_MEMORY;
        self->signature_size = (uint16_t)((bits + 7) / 8);
    }
    psa_reset_key_attributes(&attributes);
    return status;
}

mote_status_t mote_mbedtls_dkim_init(mote_mbedtls_dkim_t *self, mote_span_t key)
{
    mbedtls_pk_context pk;
    mote_status_t status = mote_psa_acquire();

    memset(self, 0, sizeof *self);
    if (status != MOTE_OK) {
        return status;
    }
    mbedtls_pk_init(&pk);
    status = mbedtls_pk_parse_key(&pk, key.data, key.size, NULL, 0, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE) == 0
                 ? import_key(self, &pk)
                 : MOTE_ERR_ARGUMENT;
    mbedtls_pk_free(&pk);
    if (status != MOTE_OK) {
        mote_psa_release();
    }
    return status;
}

void mote_mbedtls_dkim_free(mote_mbedtls_dkim_t *self)
{
    if (self->signature_size == 0) {
        return;
    }
    (void)psa_hash_abort(&self->hash);
    (void)psa_destroy_key(self->key);
    memset(self, 0, sizeof *self);
    mote_psa_release();
}
