/* The configuration of the command-line program: files and -o options into what the library takes. */
#ifndef CONFIG_H
#define CONFIG_H

#include <mailmote/posix.h>
#include <mailmote/posix_maildir.h>

#include <sysexits.h>

enum { LIST_COUNT = 64 };

/* Values of a key that may be given more than once. */
typedef struct list {
    char *items[LIST_COUNT];
    size_t count;
} list_t;

typedef struct config {
    char *from;
    char *hello_name;
    char *relay_host;
    char *relay_user;
    char *relay_password;
    char *maildir;
    char *ca_file;
    char *ca_file_place; /* FILE:LINE or -o */
    char *dkim_domain;
    char *dkim_selector;
    char *dkim_key_file;
    list_t local_domains;
    list_t own_names;
    mote_endpoint_t dns_servers[MOTE_POSIX_SERVER_COUNT];
    size_t dns_server_count;
    mote_ip_t own_addresses[LIST_COUNT];
    size_t own_address_count;
    unsigned relay_port; /* 0: by relay_tls */
    int relay_tls;       /* -1: by relay_port */
    bool relay_tls_verify;
    unsigned relay_mechanisms;
    bool allow_plaintext_auth;
    unsigned mx_port;
    unsigned mx_tls;
    bool refuse_private;
    bool allow_loopback;
    unsigned connect_timeout;
    unsigned command_timeout;
    unsigned total_timeout;
} config_t;

/* Values of relay_tls and mx_tls. */
enum { TLS_STARTTLS, TLS_IMPLICIT, TLS_OPPORTUNISTIC, TLS_NONE, TLS_REQUIRED };

/* One -o KEY=VALUE. */
typedef struct option_list {
    const char *items[LIST_COUNT];
    size_t count;
} option_list_t;

/*
 * Reads the file (path, or the first default file that exists) and the options over it. What is wrong is said on
 * stderr with file, line and key. Returns EX_OK or the exit code.
 */
int config_read(config_t *config, const char *path, const option_list_t *options);
void config_free(config_t *config);

#endif
