#define _POSIX_C_SOURCE 200809L
#include <mailmote/posix.h>

#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DNS_PORT = 53, RESOLV_CONF_BYTES = 16384, ZONE_BYTES = 32 };

static bool is_blank(uint8_t octet)
{
    return octet == ' ' || octet == '\t' || octet == '\r';
}

/* The next word of a line; the line shrinks to what is behind it. */
static mote_span_t next_word(mote_span_t *line)
{
    size_t start = 0;
    size_t end;
    mote_span_t word;

    while (start < line->size && is_blank(line->data[start])) {
        start++;
    }
    end = start;
    while (end < line->size && !is_blank(line->data[end])) {
        end++;
    }
    word = mote_span_slice(*line, start, end - start);
    *line = mote_span_slice(*line, end, line->size);
    return word;
}

/* The interface that a zone names, by name or by number (RFC 4007 11.2); 0: none. */
static unsigned read_zone(mote_span_t zone)
{
    char name[ZONE_BYTES];
    unsigned index = 0;

    if (zone.size == 0 || zone.size >= sizeof name) {
        return 0;
    }
    memcpy(name, zone.data, zone.size);
    name[zone.size] = '\0';
    for (size_t i = 0; i < zone.size && zone.data[i] >= '0' && zone.data[i] <= '9' && index <= UINT8_MAX; i++) {
        index = index * 10 + (zone.data[i] - (unsigned)'0');
        if (i + 1 == zone.size) {
            return index;
        }
    }
    return if_nametoindex(name);
}

/* fe80::1%eth0: the zone is the interface that a link-local server is reached by (RFC 4007 11). */
static bool read_server(mote_span_t word, mote_endpoint_t *server)
{
    size_t percent = mote_span_find(word, '%');
    unsigned index;

    memset(server, 0, sizeof *server);
    server->port = DNS_PORT;
    if (mote_ip_parse(mote_span_slice(word, 0, percent), &server->ip) != MOTE_OK) {
        return false;
    }
    if (percent == word.size) {
        return true;
    }
    index = read_zone(mote_span_slice(word, percent + 1, word.size));
    server->scope = (uint8_t)index;
    return server->ip.family == MOTE_FAMILY_IPV6 && index > 0 && index <= UINT8_MAX;
}

size_t mote_posix_read_resolv_conf(mote_span_t text, mote_endpoint_t *servers, size_t capacity)
{
    static const mote_span_t nameserver = MOTE_SPAN("nameserver");
    size_t count = 0;

    while (text.size > 0 && count < capacity) {
        size_t size = mote_span_find(text, '\n');
        mote_span_t line = mote_span_slice(text, 0, size);

        text = mote_span_slice(text, size + 1, text.size);
        if (mote_span_equals(next_word(&line), nameserver) && read_server(next_word(&line), &servers[count])) {
            count++;
        }
    }
    return count;
}

size_t mote_posix_dns_servers(const char *path, mote_endpoint_t *servers, size_t capacity)
{
    static const mote_span_t here = MOTE_SPAN("nameserver 127.0.0.1");
    int fd = open(path != NULL ? path : "/etc/resolv.conf", O_RDONLY | O_CLOEXEC);
    uint8_t *text = malloc(RESOLV_CONF_BYTES);
    size_t size = 0;
    size_t count;

    while (fd >= 0 && text != NULL && size < RESOLV_CONF_BYTES) {
        ssize_t got = read(fd, text + size, RESOLV_CONF_BYTES - size);

        if (got <= 0) {
            break;
        }
        size += (size_t)got;
    }
    if (size == RESOLV_CONF_BYTES) {
        while (size > 0 && text[size - 1] != '\n') {
            size--; /* there may be more of the last line: half an address is none */
        }
    }
    count = mote_posix_read_resolv_conf(mote_span(text, size), servers, capacity);
    if (count == 0) {
        count = mote_posix_read_resolv_conf(here, servers, capacity);
    }
    free(text);
    if (fd >= 0) {
        close(fd);
    }
    return count;
}

size_t mote_posix_hello_name(char *name, size_t capacity)
{
    char host[256];
    struct addrinfo hints;
    struct addrinfo *list = NULL;
    const char *found = host;
    size_t size;

    memset(&hints, 0, sizeof hints);
    hints.ai_flags = AI_CANONNAME;
    hints.ai_socktype = SOCK_STREAM;
    if (gethostname(host, sizeof host) != 0) {
        return 0;
    }
    host[sizeof host - 1] = '\0';
    if (!mote_domain_is_valid(mote_span_text(host)) && getaddrinfo(host, NULL, &hints, &list) == 0 && list != NULL &&
        list->ai_canonname != NULL) {
        found = list->ai_canonname;
    }
    size = strlen(found);
    if (!mote_domain_is_valid(mote_span_text(found)) || size >= capacity) {
        size = 0; /* no name to be proud of: the address serves as a literal (RFC 5321 4.1.4) */
    } else {
        memcpy(name, found, size + 1);
    }
    if (list != NULL) {
        freeaddrinfo(list);
    }
    return size;
}
