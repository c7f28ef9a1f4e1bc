/* DKIM for what is sent, by the keys dkim_domain, dkim_selector and dkim_key_file. */
#ifndef SIGNER_H
#define SIGNER_H

#include "config.h"

#ifdef MAILMOTE_HAS_TLS
#include <mailmote/mbedtls_dkim.h>

typedef struct signer {
    mote_mbedtls_dkim_t key;
    mote_dkim_settings_t settings;
    mote_dkim_t dkim;
    uint8_t signature[512];
} signer_t;
#else
typedef struct signer {
    char unused;
} signer_t;
#endif

/* Signs the message if the configuration says so: *source is then the signed one. Returns EX_OK or the exit code. */
int signer_sign(signer_t *signer, const config_t *config, mote_source_t **source);
void signer_free(signer_t *signer);

/* mailmote dkim-key: makes the key unless its file is there, and prints the record to publish. */
int signer_print_record(const config_t *config);

#endif
