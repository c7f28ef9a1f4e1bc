/**
 * @file
 * mbedTLS as a small device builds it: an arena instead of malloc, a random source of its own, records of 4 KiB at most.
 */
#ifndef SMALL_CONFIG_H
#define SMALL_CONFIG_H

#define MBEDTLS_HAVE_ASM
#define MBEDTLS_HAVE_TIME
#define MBEDTLS_HAVE_TIME_DATE
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_MEMORY_BUFFER_ALLOC_C
#define MBEDTLS_MEMORY_DEBUG /* for the figures */
#define MBEDTLS_MEMORY_ALIGN_MULTIPLE 8 /* its 4 is for 32-bit machines */

#define MBEDTLS_PSA_CRYPTO_C
#define MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG

#include "../../examples/firmware/tls_features.h"

#endif
