/* The trusted CAs, and who is using PSA Crypto. */

#include "mote_mbedtls_inside.h"

#include <psa/crypto.h>

/* PSA Crypto is one for the process, so its users are counted. */
static unsigned psa_user_count;

mote_status_t mote_psa_acquire(void)
{
    psa_status_t status = psa_crypto_init();

    if (status == PSA_ERROR_INSUFFICIENT_MEMORY) {
        return MOTE_ERR_MEMORY;
    }
    if (status != PSA_SUCCESS) {
        return MOTE_ERR_RANDOM; /* what starting PSA needs from outside is entropy */
    }
    psa_user_count++;
    return MOTE_OK;
}

void mote_psa_release(void)
{
    MOTE_ASSERT(psa_user_count > 0);
    psa_user_count--;
    if (psa_user_count == 0) {
        mbedtls_psa_crypto_free();
    }
}

void mote_mbedtls_shared_init(mote_mbedtls_shared_t *shared)
{
    memset(shared, 0, sizeof *shared);
    mbedtls_x509_crt_init(&shared->anchors);
}

mote_status_t mote_mbedtls_anchored(const mote_mbedtls_shared_t *shared, int code)
{
    if (mote_mbedtls_is_out_of_memory(code)) {
        return MOTE_ERR_MEMORY;
    }
    if (code == MBEDTLS_ERR_X509_FILE_IO_ERROR || code == MBEDTLS_ERR_PK_FILE_IO_ERROR) {
        return MOTE_ERR_SOURCE;
    }
    return code >= 0 && shared->anchors.version != 0 ? MOTE_OK : MOTE_ERR_ARGUMENT;
}

mote_status_t mote_mbedtls_add_ca(mote_mbedtls_shared_t *shared, mote_span_t certificates)
{
    return mote_mbedtls_anchored(
        shared, mbedtls_x509_crt_parse(&shared->anchors, certificates.data, certificates.size));
}

mote_status_t mote_mbedtls_add_ca_in_place(mote_mbedtls_shared_t *shared, mote_span_t der)
{
    return mote_mbedtls_anchored(shared,
                                 mbedtls_x509_crt_parse_der_nocopy(&shared->anchors, der.data, der.size));
}

void mote_mbedtls_shared_free(mote_mbedtls_shared_t *shared)
{
    mbedtls_x509_crt_free(&shared->anchors);
    if (shared->holds_psa) {
        mote_psa_release();
    }
    mote_mbedtls_shared_init(shared);
}
