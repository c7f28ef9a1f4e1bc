#define _POSIX_C_SOURCE 200809L
#include "signer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef MAILMOTE_HAS_TLS

#include <mailmote/base64.h>
#include <mailmote/mbedtls.h>

#include <mbedtls/pk.h>
#include <mbedtls/psa_util.h>

enum { KEY_FILE_BYTES = 8192, KEY_BITS = 2048 };

static int say(const config_t *config, const char *why)
{
    fprintf(stderr, "mailmote: dkim_key_file: '%s': %s\n", config->dkim_key_file, why);
    return EX_CONFIG;
}

/* Reads the file, with a NUL behind it as mbedTLS wants it of PEM. */
static int read_key(const config_t *config, uint8_t *text, size_t *size)
{
    int fd = open(config->dkim_key_file, O_RDONLY | O_CLOEXEC);
    struct stat info;
    ssize_t got;

    if (fd < 0) {
        return say(config, strerror(errno));
    }
    got = read(fd, text, KEY_FILE_BYTES - 1);
    if (fstat(fd, &info) != 0 || (info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        (void)close(fd);
        return say(config, "a private key that is open to more than its owner: chmod 600 it");
    }
    (void)close(fd);
    if (got <= 0 || got == KEY_FILE_BYTES - 1) {
        return say(config, "no key can be read");
    }
    text[got] = '\0';
    *size = (size_t)got + 1;
    return EX_OK;
}

static int init_key(signer_t *signer, const config_t *config)
{
    uint8_t text[KEY_FILE_BYTES];
    size_t size = 0;
    mote_status_t status;
    int code = read_key(config, text, &size);

    if (code != EX_OK) {
        mote_wipe(text, sizeof text); /* a key that others can read is read before it is refused */
        return code;
    }
    status = mote_mbedtls_dkim_init(&signer->key, mote_span(text, size));
    mote_wipe(text, sizeof text);
    if (status == MOTE_ERR_ARGUMENT) {
        return say(config, "no RSA key of 1024 to 4096 bits, or one with a passphrase");
    }
    if (status == MOTE_OK && signer->key.signature_size < 256) {
        fprintf(stderr, "mailmote: dkim_key_file: fewer than 2048 bits: some verifiers refuse it\n");
    }
    return status == MOTE_OK ? EX_OK : say(config, mote_status_text(status));
}

int signer_sign(signer_t *signer, const config_t *config, mote_source_t **source)
{
    time_t now = time(NULL);
    mote_status_t status;
    int code;

    if (config->dkim_key_file == NULL) {
        return EX_OK;
    }
    code = init_key(signer, config);
    if (code != EX_OK) {
        return code;
    }
    signer->settings.domain = mote_span_text(config->dkim_domain);
    signer->settings.selector = mote_span_text(config->dkim_selector);
    signer->settings.date_s = now > 0 && (uint64_t)now < UINT32_MAX ? (uint32_t)now : 0;
    signer->settings.crypto = &mote_mbedtls_dkim_crypto;
    signer->settings.crypto_self = &signer->key;
    status = mote_dkim_start(&signer->dkim, &signer->settings, *source, signer->signature, signer->key.signature_size);
    if (status == MOTE_OK) {
        status = mote_dkim_sign(&signer->dkim);
    }
    if (status == MOTE_ERR_CONTENT) {
        fprintf(stderr, "mailmote: the message cannot be signed: it has no From\n");
        return EX_DATAERR;
    }
    if (status != MOTE_OK) {
        fprintf(stderr, "mailmote: signing: %s\n", mote_status_text(status));
        return status == MOTE_ERR_ARGUMENT ? EX_CONFIG : EX_IOERR;
    }
    *source = &signer->dkim.source;
    return EX_OK;
}

void signer_free(signer_t *signer)
{
    mote_mbedtls_dkim_free(&signer->key);
}

/* ---- mailmote dkim-key ---------------------------------------------------------------------------------- */

#if defined(MBEDTLS_GENPRIME) && defined(MBEDTLS_PEM_WRITE_C)
static bool generate(mbedtls_pk_context *pk)
{
    return mbedtls_pk_setup(pk, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA)) == 0 &&
           mbedtls_rsa_gen_key(mbedtls_pk_rsa(*pk), mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE, KEY_BITS, 65537) == 0;
}

/* A new file that only its owner can read, synced before its record is printed. */
static int make_key(const config_t *config, mbedtls_pk_context *pk)
{
    unsigned char text[KEY_FILE_BYTES] = { 0 };
    int fd;
    int code = EX_OK;

    if (!generate(pk) || mbedtls_pk_write_key_pem(pk, text, sizeof text) != 0) {
        return say(config, "a key cannot be made");
    }
    fd = open(config->dkim_key_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0) {
        code = say(config, strerror(errno));
    } else {
        size_t size = strlen((char *)text);

        errno = ENOSPC; /* what a part written means */
        if (write(fd, text, size) != (ssize_t)size || fsync(fd) != 0) {
            code = say(config, strerror(errno));
            (void)unlink(config->dkim_key_file); /* a part of a key would be taken for one the next time */
        }
        (void)close(fd);
    }
    mote_wipe(text, sizeof text);
    return code;
}
#else
static int make_key(const config_t *config, mbedtls_pk_context *pk)
{
    (void)pk;
    return say(config, "it is not there, and this mbedTLS was built without making keys: openssl genrsa -out FILE 2048");
}
#endif

/* A TXT record of strings of at most 255 octets (RFC 6376 3.6.2.2), as zone files have it. */
static int print_record(const config_t *config, mbedtls_pk_context *pk)
{
    enum { STRING_BYTES = 200 };
    unsigned char der[2048];
    uint8_t text[3000];
    int size = mbedtls_pk_write_pubkey_der(pk, der, sizeof der);
    mote_writer_t out = mote_writer(text, sizeof text);
    mote_base64_encoder_t encoder = mote_base64_encoder(&out);

    if (size <= 0 || mbedtls_pk_get_type(pk) != MBEDTLS_PK_RSA) {
        return say(config, "no RSA key");
    }
    mote_write_text(&out, "v=DKIM1; k=rsa; p=");
    mote_base64_put(&encoder, mote_span(der + sizeof der - (size_t)size, (size_t)size));
    mote_base64_finish(&encoder);
    printf("%s._domainkey.%s. IN TXT (", config->dkim_selector, config->dkim_domain);
    for (size_t at = 0; at < out.size; at += STRING_BYTES) {
        mote_span_t piece = mote_span_slice(mote_span(text, out.size), at, STRING_BYTES);

        printf("\n    \"%.*s\"", (int)piece.size, (const char *)piece.data);
    }
    printf(" )\n");
    return EX_OK;
}

static int load_key(const config_t *config, mbedtls_pk_context *pk)
{
    uint8_t text[KEY_FILE_BYTES];
    size_t size = 0;
    int code = read_key(config, text, &size);

    if (code == EX_OK &&
        mbedtls_pk_parse_key(pk, text, size, NULL, 0, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE) != 0) {
        code = say(config, "no key can be read");
    }
    mote_wipe(text, sizeof text);
    return code;
}

int signer_print_record(const config_t *config)
{
    mbedtls_pk_context pk;
    int code;

    if (config->dkim_key_file == NULL) {
        fprintf(stderr, "mailmote: dkim-key: dkim_domain, dkim_selector and dkim_key_file say what to make, and where\n");
        return EX_USAGE;
    }
    if (mote_psa_acquire() != MOTE_OK) {
        return say(config, "no random bytes");
    }
    mbedtls_pk_init(&pk);
    code = access(config->dkim_key_file, F_OK) == 0 ? load_key(config, &pk) : make_key(config, &pk);
    if (code == EX_OK) {
        code = print_record(config, &pk);
    }
    mbedtls_pk_free(&pk);
    mote_psa_release();
    return code;
}

#else

static int refuse(void)
{
    fprintf(stderr, "mailmote: this program was built without mbedTLS, which DKIM needs\n");
    return EX_CONFIG;
}

int signer_sign(signer_t *signer, const config_t *config, mote_source_t **source)
{
    (void)signer;
    (void)source;
    return config->dkim_key_file != NULL ? refuse() : EX_OK;
}

void signer_free(signer_t *signer)
{
    (void)signer;
}

int signer_print_record(const config_t *config)
{
    (void)config;
    return refuse();
}

#endif
