/**
 * @file
 * DKIM: a signature over the message as it leaves, in two passes and constant memory (RFC 6376, RFC 8301).
 *
 *     mote_dkim_start(&dkim, &settings, &compose.source, room, key_bytes);
 *     mote_dkim_sign(&dkim);                   reads the message: once for its body, and its header some times more
 *     mail.source = &dkim.source;              the signature, and then the message
 *
 * rsa-sha256 and relaxed/relaxed, nothing else. Every field that says who wrote what to whom, when and how is signed;
 * those whose second copy could mislead are signed once more than they are there, so that none can be added. No l=.
 *
 * What is signed is what is sent: the octets behind mote_body (line ends made right), before dots are doubled. A
 * message with octets from 0x80 on can break on its way where a hop takes 7 bits alone; compose makes none.
 */
#ifndef MAILMOTE_DKIM_H
#define MAILMOTE_DKIM_H

#include <mailmote/body.h>

MOTE_BEGIN_DECLS

enum { MOTE_SHA256_BYTES = 32, MOTE_DKIM_FIELD_COUNT = 17, MOTE_DKIM_NAME_BYTES = 28 };

/** The cryptography, by the port. One hash at a time. Each gives MOTE_OK or an error, which ends the signing. */
typedef struct mote_dkim_crypto {
    mote_status_t (*hash_start)(void *self);
    mote_status_t (*hash_add)(void *self, mote_span_t octets);
    mote_status_t (*hash_end)(void *self, uint8_t digest[MOTE_SHA256_BYTES]);
    /** RSASSA-PKCS1-v1_5 with SHA-256 over a digest; size is the key's. May take seconds on a small device. */
    mote_status_t (*sign)(void *self, const uint8_t digest[MOTE_SHA256_BYTES], uint8_t *signature, size_t size);
} mote_dkim_crypto_t;

typedef struct mote_dkim_settings {
    mote_span_t domain;   /**< d=: the domain of From, or one above it, so that DMARC is content */
    mote_span_t selector; /**< s=: the key's record is SELECTOR._domainkey.DOMAIN */
    uint32_t date_s;      /**< t=: seconds since 1970; 0: the clock is not set */
    const mote_dkim_crypto_t *crypto;
    void *crypto_self;
} mote_dkim_settings_t;

/** A message being signed. */
typedef struct mote_dkim {
    mote_source_t source; /**< for mote_mail_t, after mote_dkim_sign */

    const mote_dkim_settings_t *settings; /* private */
    mote_source_t *message;
    uint8_t *signature;
    size_t signature_size;
    mote_body_t body;
    uint32_t line_count; /* line ends of the body that were not hashed yet */
    uint32_t offset;     /* octets of the signature's field that were lent */
    uint8_t step;
    uint8_t place;     /* in the header */
    uint8_t field;     /* whose turn it is */
    uint8_t instance;  /* of it, from the top */
    uint8_t seen;      /* of it, in this pass */
    bool is_selected;  /* the field being read is hashed */
    bool has_text;     /* of the value, or of the body */
    bool has_space;    /* white space that was not hashed yet */
    uint8_t name_size;
    uint8_t name[MOTE_DKIM_NAME_BYTES];
    uint8_t counts[MOTE_DKIM_FIELD_COUNT];
    uint8_t body_hash[MOTE_SHA256_BYTES];
    uint8_t room[80];
    uint8_t block_size;
    uint8_t block[64]; /* collected for hash_add */
} mote_dkim_t;

/**
 * @param[in] settings        borrowed
 * @param[in] message         the source to be signed
 * @param[in] signature       room for the signature, kept as long as the message is read
 * @param[in] signature_size  exactly the key's size: 256 for RSA-2048; 128 at least (RFC 8301 3.2)
 * @return MOTE_OK, MOTE_ERR_ARGUMENT (domain, selector or size)
 */
mote_status_t mote_dkim_start(mote_dkim_t *dkim, const mote_dkim_settings_t *settings, mote_source_t *message,
                              uint8_t *signature, size_t signature_size);

/**
 * Reads the message and signs it; once is enough, the source can then be read any number of times.
 *
 * @return MOTE_OK
 *         MOTE_PENDING       the message's source has nothing yet: call again
 *         MOTE_ERR_SOURCE    it failed
 *         MOTE_ERR_CONTENT   it cannot travel, or has no From
 *         or what the crypto said
 */
mote_status_t mote_dkim_sign(mote_dkim_t *dkim);

MOTE_END_DECLS

#endif
