/**
 * @file
 * Every switch and size of the core, with its reason beside it.
 *
 * A product overrides them with a file of its own: -DMOTE_CONFIG_FILE='"my_config.h"'. Features are
 * always defined, as 0 or 1, and tested with #if, so that a misspelt one fails under -Wundef. What is
 * left out leaves nothing. Sizes of what the caller places (recipients, buffers) are chosen when running
 * and do not stand here.
 *
 * A switch that changes a struct is part of a link symbol (MOTE_ABI below): a library and an application
 * built with different switches do not link.
 */
#ifndef MAILMOTE_CONFIG_H
#define MAILMOTE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef MOTE_CONFIG_FILE
#include MOTE_CONFIG_FILE
#endif

/** The version of the headers: major * 10000 + minor * 100 + patch. */
#define MOTE_VERSION 100
#define MOTE_VERSION_TEXT "0.1.0"

#ifdef __cplusplus
#define MOTE_BEGIN_DECLS extern "C" {
#define MOTE_END_DECLS }
#else
#define MOTE_BEGIN_DECLS
#define MOTE_END_DECLS
#endif

#define MOTE_JOIN_(a, b) a##b
#define MOTE_JOIN(a, b) MOTE_JOIN_(a, b)

/** Fails to compile, naming the sentence that does not hold. */
#define MOTE_STATIC_ASSERT(condition, sentence)                                                              \
    typedef char MOTE_JOIN(mote_assert_##sentence##_, __LINE__)[(condition) ? 1 : -1]

/** For our own mistakes and the caller's, never for what a peer sends. Off unless a product defines it. */
#ifndef MOTE_ASSERT
#define MOTE_ASSERT(condition) ((void)0)
#endif

/** For functions whose locals should not lie on the stack of what else their only caller calls. */
#if defined(__GNUC__)
#define MOTE_NOINLINE __attribute__((noinline))
#else
#define MOTE_NOINLINE
#endif

/* ---- features ------------------------------------------------------------------------------------- */

/** IPv4: A records, address literals, endpoints. */
#ifndef MOTE_FEATURE_IPV4
#define MOTE_FEATURE_IPV4 1
#endif

/** IPv6: AAAA records, address literals, endpoints. */
#ifndef MOTE_FEATURE_IPV6
#define MOTE_FEATURE_IPV6 1
#endif
MOTE_STATIC_ASSERT(MOTE_FEATURE_IPV4 || MOTE_FEATURE_IPV6, at_least_one_address_family);

/** Direct delivery by the MX records of a recipient's domain (RFC 5321 5.1). Without it: relay and local. */
#ifndef MOTE_FEATURE_MX
#define MOTE_FEATURE_MX 1
#endif

/** DNS over TCP after a truncated answer (RFC 7766). Without it a truncated answer is a temporary failure. */
#ifndef MOTE_FEATURE_DNS_TCP
#define MOTE_FEATURE_DNS_TCP 1
#endif

/** Commands travel in groups when the server offers it (RFC 2920). */
#ifndef MOTE_FEATURE_PIPELINING
#define MOTE_FEATURE_PIPELINING 1
#endif

/** STARTTLS and implicit TLS, done by the port (RFC 3207, RFC 8314). */
#ifndef MOTE_FEATURE_TLS
#define MOTE_FEATURE_TLS 1
#endif

/** AUTH (RFC 4954) with PLAIN (RFC 4616) and LOGIN. */
#ifndef MOTE_FEATURE_AUTH
#define MOTE_FEATURE_AUTH 1
#endif

/** Local domains: the table of mailbox.h. */
#ifndef MOTE_FEATURE_LOCAL
#define MOTE_FEATURE_LOCAL 1
#endif

/** The observer: the dialogue and each step, told as they happen. */
#ifndef MOTE_FEATURE_OBSERVER
#define MOTE_FEATURE_OBSERVER 1
#endif

/* ---- sizes ---------------------------------------------------------------------------------------- */

/** Addresses of one host kept, in each family. Two attempts in each family reach any host that is up. */
#ifndef MOTE_HOST_ADDRESS_COUNT
#define MOTE_HOST_ADDRESS_COUNT 2
#endif
MOTE_STATIC_ASSERT(MOTE_HOST_ADDRESS_COUNT >= 1 && MOTE_HOST_ADDRESS_COUNT <= 8, addresses_per_family_1_to_8);

/** Addresses tried in one delivery to one next hop (Postfix: 5). A device that tried five tries later. */
#ifndef MOTE_ATTEMPT_ADDRESS_COUNT
#define MOTE_ATTEMPT_ADDRESS_COUNT 5
#endif

/** Sessions (greeting heard) in one delivery to one next hop before it is left for later (Postfix: 2). */
#ifndef MOTE_ATTEMPT_SESSION_COUNT
#define MOTE_ATTEMPT_SESSION_COUNT 2
#endif

/** Recipients in one transaction (RFC 5321 4.5.3.1.8: a server must take 100). */
#ifndef MOTE_TRANSACTION_RECIPIENT_COUNT
#define MOTE_TRANSACTION_RECIPIENT_COUNT 100
#endif

/* ---- what the switches do to structs ---------------------------------------------------------------- */

/** Appended to the name of the calls that take a struct the switches change. */
#define MOTE_ABI_(name, v4, v6, mx, tcp, pipe, tls, auth, local, obs, addr)                                  \
    name##_abi_##v4##v6##mx##tcp##pipe##tls##auth##local##obs##_##addr
#define MOTE_ABI_EXPAND(name, v4, v6, mx, tcp, pipe, tls, auth, local, obs, addr)                            \
    MOTE_ABI_(name, v4, v6, mx, tcp, pipe, tls, auth, local, obs, addr)
#define MOTE_ABI(name)                                                                                       \
    MOTE_ABI_EXPAND(name, MOTE_FEATURE_IPV4, MOTE_FEATURE_IPV6, MOTE_FEATURE_MX, MOTE_FEATURE_DNS_TCP,       \
                    MOTE_FEATURE_PIPELINING, MOTE_FEATURE_TLS, MOTE_FEATURE_AUTH, MOTE_FEATURE_LOCAL,        \
                    MOTE_FEATURE_OBSERVER, MOTE_HOST_ADDRESS_COUNT)

#endif
