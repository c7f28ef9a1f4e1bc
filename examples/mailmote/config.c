#define _POSIX_C_SOURCE 200809L
#include "config.h"

#include "idn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES = 1 << 20, DNS_PORT = 53, MX_PORT = 25 };

/* Where a value comes from, for what is said about it. */
typedef struct place {
    const char *file; /* NULL: the command line */
    unsigned line;
    const char *key;
} place_t;

static int complain(const place_t *place, const char *value, const char *what)
{
    if (place->file != NULL) {
        fprintf(stderr, "mailmote: %s:%u: ", place->file, place->line);
    } else {
        fprintf(stderr, "mailmote: -o: ");
    }
    if (value != NULL) {
        fprintf(stderr, "%s: '%s' %s\n", place->key, value, what);
    } else {
        fprintf(stderr, "%s: %s\n", place->key, what);
    }
    return EX_CONFIG;
}

/* ---- kinds of values ------------------------------------------------------------------------------------ */

static int set_text(char **field, const char *value)
{
    free(*field);
    *field = strdup(value);
    return *field != NULL ? EX_OK : EX_OSERR;
}

static int set_yes_no(bool *field, const char *value, const place_t *place)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0) {
        return complain(place, value, "is neither yes nor no");
    }
    *field = value[0] == 'y';
    return EX_OK;
}

static bool read_number(const char *text, unsigned limit, unsigned *number)
{
    unsigned value = 0;

    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(*text - '0');
        if (value > limit) {
            return false;
        }
    }
    *number = value;
    return value > 0;
}

static int set_seconds(unsigned *field, const char *value, const place_t *place)
{
    return read_number(value, 65535, field) ? EX_OK : complain(place, value, "is no number of seconds from 1 to 65535");
}

static int set_port(unsigned *field, const char *value, const place_t *place)
{
    return read_number(value, 65535, field) ? EX_OK : complain(place, value, "is no port from 1 to 65535");
}

/* The value with its domain in ASCII; the caller frees it. */
static char *in_ascii(const char *value)
{
    char *made = idn_convert(value);

    return made != NULL ? made : strdup(value);
}

static int set_domain(char **field, const char *value, const place_t *place)
{
    char *domain = in_ascii(value);
    bool is_valid = domain != NULL && mote_domain_is_valid(mote_span_text(domain));
    int code = is_valid ? set_text(field, domain) : complain(place, value, "is no full domain name, as host.example.net");

    free(domain);
    return code;
}

static int add_domain(list_t *list, const char *value, const place_t *place)
{
    if (list->count == LIST_COUNT) {
        return complain(place, value, "is one too many");
    }
    list->items[list->count] = NULL;
    return set_domain(&list->items[list->count++], value, place);
}

/* RFC 6376 3.1: labels with dots between. Checked here, since dkim-key prints it. */
static int set_selector(char **field, const char *value, const place_t *place)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t size = strlen(value);
    bool is_valid = size >= 1 && size <= 63 && strspn(value, allowed) == size && value[0] != '.' && value[size - 1] != '.' &&
                    strstr(value, "..") == NULL;

    return is_valid ? set_text(field, value) : complain(place, value, "is no selector: letters, digits, - and _, single dots within, 63 at most");
}

typedef struct word {
    const char *text;
    int value;
} word_t;

static int set_word(int *field, const word_t *words, size_t count, const char *value, const place_t *place)
{
    char all[128] = { 0 };
    mote_writer_t out = mote_writer((uint8_t *)all, sizeof all - 1);

    mote_write_text(&out, "is none of");
    for (size_t i = 0; i < count; i++) {
        if (strcmp(value, words[i].text) == 0) {
            *field = words[i].value;
            return EX_OK;
        }
        mote_write_text(&out, i == 0 ? " " : ", ");
        mote_write_text(&out, words[i].text);
    }
    return complain(place, value, all);
}

/* Splits HOST[:PORT]; an IPv6 address with a port stands in brackets. *host points into text, which is cut. */
static bool split_host(char *text, char **host, unsigned *port)
{
    char *colon;

    *host = text;
    if (text[0] == '[') {
        char *end = strchr(text, ']');

        if (end == NULL || (end[1] != '\0' && end[1] != ':')) {
            return false;
        }
        *host = text + 1;
        colon = end[1] == ':' ? end + 1 : NULL;
        *end = '\0';
    } else {
        colon = strchr(text, ':');
        if (colon != NULL && strchr(colon + 1, ':') != NULL) {
            return false;
        }
    }
    if (colon == NULL) {
        return true;
    }
    *colon = '\0';
    return read_number(colon + 1, 65535, port);
}

static int set_relay(config_t *config, const char *value, const place_t *place)
{
    char *text = strdup(value);
    char *host = NULL;
    char *ascii = NULL;
    mote_ip_t ip;
    int code = EX_OK;

    config->relay_port = 0;
    if (text == NULL) {
        return EX_OSERR;
    }
    if (!split_host(text, &host, &config->relay_port)) {
        code = complain(place, value, "is not HOST[:PORT]; an IPv6 address stands in brackets: [2001:db8::1]:587");
    } else if ((ascii = in_ascii(host)) == NULL) {
        code = EX_OSERR;
    } else if (!mote_domain_is_valid(mote_span_text(ascii)) && mote_ip_parse(mote_span_text(ascii), &ip) != MOTE_OK) {
        code = complain(place, value, "names neither a full host name nor an address");
    } else {
        code = set_text(&config->relay_host, ascii);
    }
    free(ascii);
    free(text);
    return code;
}

static int add_dns_server(config_t *config, const char *value, const place_t *place)
{
    char *text = strdup(value);
    char *host = NULL;
    unsigned port = DNS_PORT;
    mote_ip_t ip;
    int code = EX_OK;

    if (text == NULL) {
        return EX_OSERR;
    }
    if (config->dns_server_count == MOTE_POSIX_SERVER_COUNT) {
        code = complain(place, value, "is one too many: eight servers at most");
    } else if (mote_ip_parse(mote_span_text(value), &ip) != MOTE_OK &&
               (!split_host(text, &host, &port) || mote_ip_parse(mote_span_text(host), &ip) != MOTE_OK)) {
        code = complain(place, value, "is not ADDRESS[:PORT]; an IPv6 address with a port stands in brackets");
    } else {
        mote_endpoint_t *server = &config->dns_servers[config->dns_server_count++];

        memset(server, 0, sizeof *server);
        server->ip = ip;
        server->port = (uint16_t)port;
    }
    free(text);
    return code;
}

static int add_own_address(config_t *config, const char *value, const place_t *place)
{
    if (config->own_address_count == LIST_COUNT) {
        return complain(place, value, "is one too many");
    }
    if (mote_ip_parse(mote_span_text(value), &config->own_addresses[config->own_address_count]) != MOTE_OK) {
        return complain(place, value, "is no IP address");
    }
    config->own_address_count++;
    return EX_OK;
}

/* A user name or a password: any octets but those that SASL has no way to carry. */
static int set_credential(char **field, const char *value, const place_t *place)
{
    if (value[0] == '\0' || strchr(value, '\r') != NULL) {
        return complain(place, NULL, value[0] == '\0' ? "it is empty" : "it holds a CR");
    }
    return set_text(field, value);
}

static int set_password(config_t *config, const char *value, const place_t *place)
{
    if (place->file == NULL) {
        return complain(place, NULL, "a password on the command line can be read by everybody here; use a file");
    }
    return set_credential(&config->relay_password, value, place);
}

/* Whether anybody in the set (S_IRWXG, S_IRWXO) may read or change the file. */
static bool is_open_to(int fd, mode_t whom)
{
    struct stat info;

    return fstat(fd, &info) != 0 || (info.st_mode & whom & ~(mode_t)(S_IXGRP | S_IXOTH)) != 0;
}

/* The configuration itself, once it holds a password. */
static int refuse_readable(int fd, const place_t *place)
{
    if (is_open_to(fd, S_IRWXG | S_IRWXO)) {
        return complain(place, NULL, "this file holds a password and is open to more than its owner: chmod 600 it, or put "
                                     "the password into a file of its own (relay_password_file)");
    }
    return EX_OK;
}

/* What is wrong with the first line of a file, of which size bytes are in text, or NULL. Ends the line with a NUL. */
static const char *cut_first_line(char *text, size_t size, size_t capacity)
{
    size_t end = strcspn(text, "\r\n");

    if (end + 1 >= capacity) {
        return "has a first line too long for a password";
    }
    if (end < size && (text[end] == '\0' || (text[end] == '\r' && text[end + 1] != '\n'))) {
        return "holds a NUL or a lone CR in its first line";
    }
    text[end] = '\0';
    return end > 0 ? NULL : "has an empty first line";
}

static int read_password_file(config_t *config, const char *value, const place_t *place)
{
    char line[1024];
    int fd = open(value, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, line, sizeof line - 1) : -1;
    const char *fault = size < 0 ? strerror(errno) : NULL;
    int code;

    if (fault == NULL) {
        line[size] = '\0';
        fault = is_open_to(fd, S_IRWXO) ? "is open to everybody here: chmod o= it"
                                        : cut_first_line(line, (size_t)size, sizeof line - 1);
    }
    code = fault != NULL ? complain(place, value, fault) : set_text(&config->relay_password, line);
    mote_wipe(line, sizeof line);
    if (fd >= 0) {
        close(fd);
    }
    return code;
}

/* What is in it is found out later; then this says where it was named. */
static int set_ca_file(config_t *config, const char *value, const place_t *place)
{
    size_t size = place->file != NULL ? strlen(place->file) + 16 : 16;
    char *where = malloc(size);

    if (where == NULL) {
        return EX_OSERR;
    }
    if (place->file != NULL) {
        (void)snprintf(where, size, "%s:%u", place->file, place->line);
    } else {
        (void)snprintf(where, size, "-o");
    }
    free(config->ca_file_place);
    config->ca_file_place = where;
    return access(value, R_OK) == 0 ? set_text(&config->ca_file, value) : complain(place, value, strerror(errno));
}

static int set_maildir(config_t *config, const char *value, const place_t *place)
{
    mote_maildir_t *maildir = malloc(sizeof *maildir);
    int code = EX_OK;

    if (maildir == NULL) {
        return EX_OSERR;
    }
    if (mote_maildir_init(maildir, mote_span_text(value)) != MOTE_OK) {
        code = complain(place, value, "is no absolute path with %u and %d");
    }
    free(maildir);
    return code == EX_OK ? set_text(&config->maildir, value) : code;
}

static int set_from(config_t *config, const char *value, const place_t *place)
{
    mote_address_t address;
    char *from = in_ascii(value);
    bool is_valid = from != NULL && (from[0] == '\0' || mote_address_parse(mote_span_text(from), &address) == MOTE_OK);
    int code = is_valid ? set_text(&config->from, from) : complain(place, value, "is no mail address");

    free(from);
    return code;
}

/* ---- the keys ------------------------------------------------------------------------------------------- */

enum key {
    KEY_FROM,
    KEY_HELLO_NAME,
    KEY_DNS_SERVER,
    KEY_RELAY,
    KEY_RELAY_TLS,
    KEY_RELAY_TLS_VERIFY,
    KEY_RELAY_USER,
    KEY_RELAY_PASSWORD,
    KEY_RELAY_PASSWORD_FILE,
    KEY_RELAY_AUTH,
    KEY_ALLOW_PLAINTEXT_AUTH,
    KEY_LOCAL_DOMAIN,
    KEY_MAILDIR,
    KEY_MX_PORT,
    KEY_MX_TLS,
    KEY_OWN_NAME,
    KEY_OWN_ADDRESS,
    KEY_REFUSE_PRIVATE,
    KEY_CA_FILE,
    KEY_ALLOW_LOOPBACK,
    KEY_CONNECT_TIMEOUT,
    KEY_COMMAND_TIMEOUT,
    KEY_TOTAL_TIMEOUT,
    KEY_DKIM_DOMAIN,
    KEY_DKIM_SELECTOR,
    KEY_DKIM_KEY_FILE,
    KEY_COUNT
};

static const struct {
    const char *name;
    bool is_repeatable;
} keys[KEY_COUNT] = {
    [KEY_FROM] = { "from", false },
    [KEY_HELLO_NAME] = { "hello_name", false },
    [KEY_DNS_SERVER] = { "dns_server", true },
    [KEY_RELAY] = { "relay", false },
    [KEY_RELAY_TLS] = { "relay_tls", false },
    [KEY_RELAY_TLS_VERIFY] = { "relay_tls_verify", false },
    [KEY_RELAY_USER] = { "relay_user", false },
    [KEY_RELAY_PASSWORD] = { "relay_password", false },
    [KEY_RELAY_PASSWORD_FILE] = { "relay_password_file", false },
    [KEY_RELAY_AUTH] = { "relay_auth", false },
    [KEY_ALLOW_PLAINTEXT_AUTH] = { "allow_plaintext_auth", false },
    [KEY_LOCAL_DOMAIN] = { "local_domain", true },
    [KEY_MAILDIR] = { "maildir", false },
    [KEY_MX_PORT] = { "mx_port", false },
    [KEY_MX_TLS] = { "mx_tls", false },
    [KEY_OWN_NAME] = { "own_name", true },
    [KEY_OWN_ADDRESS] = { "own_address", true },
    [KEY_REFUSE_PRIVATE] = { "refuse_private", false },
    [KEY_CA_FILE] = { "ca_file", false },
    [KEY_ALLOW_LOOPBACK] = { "allow_loopback", false },
    [KEY_CONNECT_TIMEOUT] = { "connect_timeout", false },
    [KEY_COMMAND_TIMEOUT] = { "command_timeout", false },
    [KEY_TOTAL_TIMEOUT] = { "total_timeout", false },
    [KEY_DKIM_DOMAIN] = { "dkim_domain", false },
    [KEY_DKIM_SELECTOR] = { "dkim_selector", false },
    [KEY_DKIM_KEY_FILE] = { "dkim_key_file", false },
};

static enum key find_key(const char *name)
{
    unsigned key = 0;

    while (key < KEY_COUNT && strcmp(keys[key].name, name) != 0) {
        key++;
    }
    return (enum key)key;
}

static int set_value(config_t *config, enum key key, const char *value, const place_t *place)
{
    static const word_t relay_tls[] = { { "starttls", TLS_STARTTLS },
                                        { "implicit", TLS_IMPLICIT },
                                        { "opportunistic", TLS_OPPORTUNISTIC },
                                        { "none", TLS_NONE } };
    static const word_t mx_tls[] = { { "opportunistic", TLS_OPPORTUNISTIC },
                                     { "required", TLS_REQUIRED },
                                     { "none", TLS_NONE } };
    static const word_t relay_auth[] = { { "auto", MOTE_AUTH_PLAIN | MOTE_AUTH_LOGIN },
                                         { "plain", MOTE_AUTH_PLAIN },
                                         { "login", MOTE_AUTH_LOGIN } };
    int word = 0;
    int code;

    switch (key) {
    case KEY_FROM:
        return set_from(config, value, place);
    case KEY_HELLO_NAME:
        return set_domain(&config->hello_name, value, place);
    case KEY_DNS_SERVER:
        return add_dns_server(config, value, place);
    case KEY_RELAY:
        return set_relay(config, value, place);
    case KEY_RELAY_TLS:
        return set_word(&config->relay_tls, relay_tls, sizeof relay_tls / sizeof relay_tls[0], value, place);
    case KEY_RELAY_TLS_VERIFY:
        return set_yes_no(&config->relay_tls_verify, value, place);
    case KEY_RELAY_USER:
        return set_credential(&config->relay_user, value, place);
    case KEY_RELAY_PASSWORD:
        return set_password(config, value, place);
    case KEY_RELAY_PASSWORD_FILE:
        return read_password_file(config, value, place);
    case KEY_RELAY_AUTH:
        code = set_word(&word, relay_auth, sizeof relay_auth / sizeof relay_auth[0], value, place);
        config->relay_mechanisms = (unsigned)word;
        return code;
    case KEY_ALLOW_PLAINTEXT_AUTH:
        return set_yes_no(&config->allow_plaintext_auth, value, place);
    case KEY_LOCAL_DOMAIN:
        return add_domain(&config->local_domains, value, place);
    case KEY_MAILDIR:
        return set_maildir(config, value, place);
    case KEY_MX_PORT:
        return set_port(&config->mx_port, value, place);
    case KEY_MX_TLS:
        code = set_word(&word, mx_tls, sizeof mx_tls / sizeof mx_tls[0], value, place);
        config->mx_tls = (unsigned)word;
        return code;
    case KEY_OWN_NAME:
        return add_domain(&config->own_names, value, place);
    case KEY_OWN_ADDRESS:
        return add_own_address(config, value, place);
    case KEY_REFUSE_PRIVATE:
        return set_yes_no(&config->refuse_private, value, place);
    case KEY_CA_FILE:
        return set_ca_file(config, value, place);
    case KEY_ALLOW_LOOPBACK:
        return set_yes_no(&config->allow_loopback, value, place);
    case KEY_CONNECT_TIMEOUT:
        return set_seconds(&config->connect_timeout, value, place);
    case KEY_COMMAND_TIMEOUT:
        return set_seconds(&config->command_timeout, value, place);
    case KEY_TOTAL_TIMEOUT:
        return set_seconds(&config->total_timeout, value, place);
    case KEY_DKIM_DOMAIN:
        return set_domain(&config->dkim_domain, value, place);
    case KEY_DKIM_SELECTOR:
        return set_selector(&config->dkim_selector, value, place);
    case KEY_DKIM_KEY_FILE:
        return set_text(&config->dkim_key_file, value);
    case KEY_COUNT:
        break;
    }
    return complain(place, NULL, "there is no such key");
}

/* ---- files and options ---------------------------------------------------------------------------------- */

static char *trim(char *text)
{
    char *end;

    text += strspn(text, " \t\r");
    end = text + strlen(text);
    while (end > text && strchr(" \t\r", end[-1]) != NULL) {
        end--;
    }
    *end = '\0';
    return text;
}

/* Cuts "key = value" in two. */
static bool split(char *line, char **key, char **value)
{
    char *equals = strchr(line, '=');

    if (equals == NULL) {
        return false;
    }
    *equals = '\0';
    *key = trim(line);
    *value = trim(equals + 1);
    return true;
}

static int read_line(config_t *config, char *line, const char *file, unsigned number, const bool *overridden, int fd,
                     unsigned *seen)
{
    place_t place = { file, number, "line" };
    char *name = NULL;
    char *value = NULL;
    enum key key;

    if (line[0] == '#' || *trim(line) == '\0') {
        return EX_OK;
    }
    if (!split(line, &name, &value)) {
        return complain(&place, NULL, "it is neither 'key = value' nor a comment");
    }
    place.key = name;
    key = find_key(name);
    if (key == KEY_COUNT) {
        return complain(&place, NULL, "there is no such key");
    }
    if (seen[key] != 0 && !keys[key].is_repeatable) {
        fprintf(stderr, "mailmote: %s:%u: %s: given before, in line %u\n", file, number, name, seen[key]);
        return EX_CONFIG;
    }
    seen[key] = number;
    if (key == KEY_RELAY_PASSWORD && refuse_readable(fd, &place) != EX_OK) {
        return EX_CONFIG;
    }
    return overridden[key] ? EX_OK : set_value(config, key, value, &place);
}

static int read_text(config_t *config, char *text, size_t size, const char *file, const bool *overridden, int fd)
{
    unsigned seen[KEY_COUNT] = { 0 };
    unsigned number = 0;
    int code = EX_OK;

    if (memchr(text, 0, size) != NULL) {
        fprintf(stderr, "mailmote: %s: holds a NUL: not a text file\n", file);
        return EX_CONFIG;
    }
    while (text != NULL && *text != '\0' && code == EX_OK) {
        char *end = strchr(text, '\n');

        if (end != NULL) {
            *end = '\0';
        }
        code = read_line(config, text, file, ++number, overridden, fd, seen);
        text = end != NULL ? end + 1 : NULL;
    }
    return code;
}

static int read_file(config_t *config, const char *file, int fd, const bool *overridden)
{
    char *text = malloc(FILE_BYTES + 1);
    size_t size = 0;
    ssize_t got = 1;
    int code;

    while (text != NULL && got > 0 && size < FILE_BYTES) {
        got = read(fd, text + size, FILE_BYTES - size);
        size += got > 0 ? (size_t)got : 0U;
    }
    if (text == NULL || got < 0 || size == FILE_BYTES) {
        fprintf(stderr, "mailmote: %s: %s\n", file, got < 0 ? strerror(errno) : "too large");
        code = EX_CONFIG;
    } else {
        text[size] = '\0';
        code = read_text(config, text, size, file, overridden, fd);
    }
    if (text != NULL) {
        mote_wipe(text, size);
    }
    free(text);
    return code;
}

/* The first file there is: -C, $MAILMOTE_CONFIG, the user's, the system's. The first two must exist. */
static int open_file(const char *given, char *path, size_t capacity, int *fd)
{
    const char *variable = getenv("MAILMOTE_CONFIG");
    const char *named = given != NULL || variable == NULL || variable[0] == '\0' ? given : variable;
    const char *home = getenv("HOME");
    const struct {
        const char *folder;
        const char *name;
        bool may_be_missing;
    } places[] = { { named, "", false },
                   { named == NULL ? home : NULL, "/.config/mailmote.conf", true },
                   { named == NULL ? "" : NULL, "/etc/mailmote.conf", true } };

    *fd = -1;
    for (size_t i = 0; i < sizeof places / sizeof places[0] && *fd < 0; i++) {
        if (places[i].folder == NULL) {
            continue;
        }
        errno = ENAMETOOLONG;
        if ((size_t)snprintf(path, capacity, "%s%s", places[i].folder, places[i].name) < capacity) {
            *fd = open(path, O_RDONLY | O_CLOEXEC);
        }
        if (*fd < 0 && !(places[i].may_be_missing && (errno == ENOENT || errno == ENOTDIR))) {
            fprintf(stderr, "mailmote: %s: %s\n", path, strerror(errno));
            return EX_CONFIG;
        }
    }
    return EX_OK;
}

/* Applies the options (config given), or only marks whose values the file's are replaced by. */
static int read_options(config_t *config, const option_list_t *options, bool *overridden)
{
    for (size_t i = 0; i < options->count; i++) {
        char *text = strdup(options->items[i]);
        place_t place = { NULL, 0, options->items[i] };
        char *name = NULL;
        char *value = NULL;
        int code = EX_OK;

        if (text == NULL || !split(text, &name, &value)) {
            code = complain(&place, NULL, "it is not KEY=VALUE");
        } else {
            enum key key = find_key(name);

            place.key = name;
            if (key == KEY_COUNT) {
                code = complain(&place, NULL, "there is no such key");
            } else if (config != NULL) {
                code = set_value(config, key, value, &place);
            } else {
                overridden[key] = true;
            }
        }
        free(text);
        if (code != EX_OK) {
            return code;
        }
    }
    return EX_OK;
}

/* ---- what fits together --------------------------------------------------------------------------------- */

static int say(const char *what)
{
    fprintf(stderr, "mailmote: %s\n", what);
    return EX_CONFIG;
}

static void choose_relay_defaults(config_t *config)
{
    static const unsigned ports[] = {
        [TLS_STARTTLS] = 587, [TLS_IMPLICIT] = 465, [TLS_OPPORTUNISTIC] = 25, [TLS_NONE] = 25
    };

    if (config->relay_tls < 0) {
        config->relay_tls = config->relay_port == 0 || config->relay_port == 465 ? TLS_IMPLICIT : TLS_STARTTLS;
    }
    if (config->relay_port == 0) {
        config->relay_port = ports[config->relay_tls];
    }
}

static int check_whole(config_t *config)
{
    bool is_verified;

    choose_relay_defaults(config);
    is_verified = config->relay_tls_verify && (config->relay_tls == TLS_STARTTLS || config->relay_tls == TLS_IMPLICIT);
    if ((config->dkim_domain != NULL) != (config->dkim_key_file != NULL) ||
        (config->dkim_selector != NULL) != (config->dkim_key_file != NULL)) {
        return say("dkim_domain, dkim_selector and dkim_key_file: all three or none");
    }
    if (config->local_domains.count > 0 && config->maildir == NULL) {
        return say("local_domain: needs maildir, the place its mail goes to");
    }
    if (config->relay_user != NULL && config->relay_password == NULL) {
        return say("relay_user: needs relay_password or relay_password_file");
    }
    if (config->relay_user == NULL && config->relay_password != NULL) {
        return say("relay_password: needs relay_user");
    }
    if (config->relay_user != NULL && config->relay_host == NULL) {
        return say("relay_user: needs relay, the server it is known to");
    }
    if (config->relay_user != NULL && !is_verified && !config->allow_plaintext_auth) {
        return say("relay_user: the password would travel outside verified TLS. Use relay_tls = starttls or implicit with "
                   "relay_tls_verify = yes; or, knowing what it means, allow_plaintext_auth = yes");
    }
    return EX_OK;
}

int config_read(config_t *config, const char *path, const option_list_t *options)
{
    bool overridden[KEY_COUNT] = { false };
    char file[4096];
    int fd = -1;
    int code;

    memset(config, 0, sizeof *config);
    config->relay_tls = -1;
    config->relay_tls_verify = true;
    config->relay_mechanisms = MOTE_AUTH_PLAIN | MOTE_AUTH_LOGIN;
    config->mx_port = MX_PORT;
    config->mx_tls = TLS_OPPORTUNISTIC;
    code = read_options(NULL, options, overridden);
    if (code == EX_OK) {
        code = open_file(path, file, sizeof file, &fd);
    }
    if (code == EX_OK && fd >= 0) {
        code = read_file(config, file, fd, overridden);
        close(fd);
    }
    if (code == EX_OK) {
        code = read_options(config, options, overridden);
    }
    return code == EX_OK ? check_whole(config) : code;
}

static void free_list(list_t *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
}

void config_free(config_t *config)
{
    if (config->relay_password != NULL) {
        mote_wipe(config->relay_password, strlen(config->relay_password));
    }
    free(config->from);
    free(config->hello_name);
    free(config->relay_host);
    free(config->relay_user);
    free(config->relay_password);
    free(config->dkim_domain);
    free(config->dkim_selector);
    free(config->dkim_key_file);
    free(config->maildir);
    free(config->ca_file);
    free(config->ca_file_place);
    free_list(&config->local_domains);
    free_list(&config->own_names);
}
