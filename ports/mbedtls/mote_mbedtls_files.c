/* Trusted CAs from files, where there are files. */

#include "mote_mbedtls_inside.h"

#if !defined(MBEDTLS_FS_IO)
#error "this mbedTLS was built without MBEDTLS_FS_IO: leave mote_mbedtls_files.c out"
#endif

mote_status_t mote_mbedtls_add_ca_file(mote_mbedtls_shared_t *shared, const char *path)
{
    return mote_mbedtls_anchored(shared, mbedtls_x509_crt_parse_file(&shared->anchors, path));
}

mote_status_t mote_mbedtls_add_ca_directory(mote_mbedtls_shared_t *shared, const char *path)
{
    return mote_mbedtls_anchored(shared, mbedtls_x509_crt_parse_path(&shared->anchors, path));
}

mote_status_t mote_mbedtls_add_system_ca(mote_mbedtls_shared_t *shared, const char **path)
{
    static const char *const bundles[] = {
        "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Arch, Gentoo */
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora, RHEL */
        "/etc/pki/tls/certs/ca-bundle.crt",                  /* older ones of them */
        "/etc/ssl/ca-bundle.pem",                            /* openSUSE */
        "/etc/ssl/cert.pem",                                 /* Alpine, OpenBSD, macOS */
        "/usr/local/share/certs/ca-root-nss.crt",            /* FreeBSD */
        "/etc/openssl/certs/ca-certificates.crt",            /* NetBSD */
    };
    mote_status_t status = MOTE_ERR_SOURCE;
    size_t i;

    for (i = 0; i < sizeof bundles / sizeof bundles[0] && status == MOTE_ERR_SOURCE; i++) {
        status = mote_mbedtls_add_ca_file(shared, bundles[i]);
    }
    if (path != NULL) {
        *path = status == MOTE_ERR_SOURCE ? NULL : bundles[i - 1];
    }
    return status;
}
