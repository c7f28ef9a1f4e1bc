/* mbedTLS for a small device: an arena instead of a heap, and what memory.c gives. */
#ifndef TLS_CONFIG_H
#define TLS_CONFIG_H

#define MBEDTLS_HAVE_ASM
#define MBEDTLS_NO_UDBL_DIVISION /* else the compiler's 64-bit division comes along */
#define MBEDTLS_HAVE_TIME
#define MBEDTLS_HAVE_TIME_DATE
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_PLATFORM_NO_STD_FUNCTIONS
#define MBEDTLS_PLATFORM_TIME_ALT
#define MBEDTLS_PLATFORM_GMTIME_R_ALT
#define MBEDTLS_PLATFORM_MS_TIME_ALT
#define MBEDTLS_PLATFORM_EXIT_MACRO(status)
#define MBEDTLS_PLATFORM_FPRINTF_MACRO(...) ((void)0)
#define MBEDTLS_PLATFORM_PRINTF_MACRO(...)  ((void)0)
#define MBEDTLS_PLATFORM_SNPRINTF_MACRO(...) (-1)
#define MBEDTLS_MEMORY_BUFFER_ALLOC_C
#define MBEDTLS_MEMORY_DEBUG /* for the peak of the arena */
#define MBEDTLS_NO_PLATFORM_ENTROPY
#define MBEDTLS_PSA_CRYPTO_C
#define MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG

#include "tls_features.h"
#undef MBEDTLS_SSL_MAX_FRAGMENT_LENGTH /* this firmware does not ask for it */

#endif
