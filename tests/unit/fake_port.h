/* A port without a network: a zone of names, servers that behave as told, a clock that is moved by hand. */
#ifndef FAKE_PORT_H
#define FAKE_PORT_H

#include "dns_message.h"

enum { FAKE_SERVER_COUNT = 8, FAKE_LINE_BYTES = 600, FAKE_OUT_BYTES = 4096 };

/* What a host at an address does. NULL replies are the usual ones. */
typedef struct fake_server {
    const char *ip;
    mote_status_t connects; /* OK, REFUSED, ...; PENDING: never */
    const char *greeting;
    const char *ehlo;
    const char *auth;
    const char *mail;
    const char *rcpt;
    const char *final;
    const char *quit;
    mote_status_t secures; /* what secure answers */
    mote_protection_t protection;
    bool takes_and_closes; /* at the end of data */
    bool closes_when_idle; /* after a mail */
    /* what came of it */
    unsigned connections;
    unsigned mails;
    unsigned recipients;
    unsigned quits;
} fake_server_t;

typedef struct fake_port {
    const char *zone; /* lines: NAME TYPE DATA; TYPE X: NXDOMAIN, F: SERVFAIL, T: never answered; F/A: for A alone */
    fake_server_t *servers;
    size_t server_count;
    unsigned families;
    const char *own_ip;
    /* the stream */
    fake_server_t *server;
    bool is_connected;
    bool has_closed;
    bool is_data;
    char line[FAKE_LINE_BYTES];
    size_t line_size;
    char out[FAKE_OUT_BYTES];
    size_t out_size;
    size_t rcpts;
    /* datagrams */
    message_t query[2];
    bool has_query[2];
    message_t answer;
    unsigned question_count;
    /* faults */
    unsigned calls;
    unsigned fails_at; /* the n-th call that can fail does; 0: none */
    bool stalls;       /* every second call says PENDING first */
    unsigned stall_count;
    bool is_over; /* no call may come any more */
    bool by_octet;   /* takes and lends one at a time */
    bool hears_late; /* lends nothing until a send has failed */
    char secured_name[64];
    char content[FAKE_OUT_BYTES];
    size_t content_size;
    char connect_order[256];
} fake_port_t;

static inline bool fake_fails(fake_port_t *fake)
{
    assert_false(fake->is_over);
    return ++fake->calls == fake->fails_at;
}

static inline bool fake_stalls(fake_port_t *fake)
{
    return fake->stalls && ++fake->stall_count % 2 == 1;
}

static mote_status_t fake_random(void *self, uint8_t *bytes, size_t size)
{
    fake_port_t *fake = self;

    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(fake->calls * 7 + i * 13 + 1);
    }
    return fake_fails(fake) ? MOTE_ERR_RANDOM : MOTE_OK;
}

static unsigned fake_families(void *self)
{
    return ((fake_port_t *)self)->families;
}

static mote_status_t fake_own_address(void *self, mote_ip_t *ip)
{
    fake_port_t *fake = self;

    (void)mote_ip_parse(mote_span_text(fake->own_ip), ip);
    return fake_fails(fake) ? MOTE_ERR_NO_ADDRESS : MOTE_OK;
}

/* ---- names ---- */

/* The next line of the zone that speaks of name and type; data is what stands behind them. */
static inline const char *fake_find(const char *zone, const char *name, const char *type, char *data)
{
    char owner[128];
    char kind[8];
    int read = 0;

    while (*zone != '\0') {
        if (sscanf(zone, "%127s %7s %127[^\n]%n", owner, kind, data, &read) != 3) {
            fail_msg("zone: %s", zone);
        }
        zone += read;
        zone += *zone == '\n' ? 1 : 0;
        if (strcmp(owner, name) == 0 && (strcmp(kind, type) == 0 || kind[1] == '\0' || (kind[1] == '/' && strcmp(kind + 2, type) == 0))) {
            if (strcmp(kind, type) == 0 || (strchr("XFT", kind[0]) != NULL)) {
                data[127] = strcmp(kind, type) == 0 ? '\0' : kind[0];
                return zone;
            }
        }
    }
    return NULL;
}

static inline bool fake_answer(fake_port_t *fake, unsigned slot)
{
    const message_t *query = &fake->query[slot];
    mote_dns_name_t name = { { query->bytes, query->size }, 12 };
    uint8_t text[256] = { 0 };
    mote_writer_t out = mote_writer(text, sizeof text - 1);
    const char *zone = fake->zone;
    char data[128] = { 0 };
    size_t end = 12;
    unsigned type;
    unsigned count = 0;
    const char *word;

    while (query->bytes[end] != 0) {
        end += query->bytes[end] + 1U;
    }
    type = query->bytes[end + 2];
    word = type == MOTE_DNS_MX ? "MX" : type == MOTE_DNS_A ? "A" : "AAAA";
    mote_dns_name_write(&out, &name);
    put_header(&fake->answer, (unsigned)query->bytes[0] << 8 | query->bytes[1], 0x8180, 0, 0, 0);
    put_question(&fake->answer, (const char *)text, type);
    while ((zone = fake_find(zone, (const char *)text, word, data)) != NULL) {
        if (data[127] == 'T') {
            return false;
        }
        if (data[127] != '\0') {
            fake->answer.bytes[3] = data[127] == 'X' ? 0x83 : 0x82;
            continue;
        }
        if (type == MOTE_DNS_MX) {
            char *target = strchr(data, ' ');

            put_mx(&fake->answer, "@12", (unsigned)atoi(data), target[1] == '.' ? "" : target + 1);
        } else {
            put_a(&fake->answer, "@12", data);
        }
        count++;
    }
    fake->answer.bytes[6] = (uint8_t)(count >> 8);
    fake->answer.bytes[7] = (uint8_t)count;
    return true;
}

static mote_status_t fake_query_open(void *self, unsigned slot)
{
    fake_port_t *fake = self;

    fake->has_query[slot] = false;
    return fake_fails(fake) ? MOTE_ERR_MEMORY : MOTE_OK;
}

static mote_status_t fake_query_send(void *self, unsigned slot, const mote_endpoint_t *server, mote_span_t datagram)
{
    fake_port_t *fake = self;

    assert_int_equal(server->port, 53);
    if (fake_stalls(fake)) {
        return MOTE_PENDING;
    }
    if (fake_fails(fake)) {
        return MOTE_ERR_UNREACHABLE;
    }
    memcpy(fake->query[slot].bytes, datagram.data, datagram.size);
    fake->query[slot].size = datagram.size;
    fake->question_count++;
    fake->has_query[slot] = true;
    return MOTE_OK;
}

static mote_status_t fake_query_lend(void *self, unsigned slot, mote_endpoint_t *from, mote_span_t *datagram)
{
    fake_port_t *fake = self;

    memset(from, 0, sizeof *from);
    if (!fake->has_query[slot] || !fake_answer(fake, slot) || fake_stalls(fake)) {
        assert_false(fake->is_over);
        return MOTE_PENDING;
    }
    if (fake_fails(fake)) {
        return MOTE_ERR_REFUSED;
    }
    fake->has_query[slot] = false;
    (void)mote_ip_parse(TEXT("192.0.2.53"), &from->ip);
    from->port = 53;
    *datagram = bytes_of(&fake->answer);
    return MOTE_OK;
}

static void fake_query_taken(void *self, unsigned slot)
{
    (void)self, (void)slot;
}

static void fake_query_close(void *self, unsigned slot)
{
    fake_port_t *fake = self;

    assert_false(fake->is_over);
    fake->has_query[slot] = false;
}

/* ---- the stream ---- */

static inline void fake_say(fake_port_t *fake, const char *reply)
{
    size_t size = strlen(reply);

    assert_true(fake->out_size + size + 2 < FAKE_OUT_BYTES);
    memcpy(fake->out + fake->out_size, reply, size);
    memcpy(fake->out + fake->out_size + size, "\r\n", 2);
    fake->out_size += size + 2;
    if (strncmp(reply, "421", 3) == 0 || strncmp(reply, "221", 3) == 0) {
        fake->has_closed = true;
    }
}

static inline void fake_hear_line(fake_port_t *fake)
{
    fake_server_t *server = fake->server;
    const char *line = fake->line;

    if (fake->has_closed) {
        return; /* nobody listens any more */
    }
    if (fake->is_data) {
        if (strcmp(line, ".") != 0) {
            size_t size = strlen(line);

            memcpy(fake->content + fake->content_size, line, size);
            memcpy(fake->content + fake->content_size + size, "\n", 2);
            fake->content_size += size + 1;
            return;
        }
        fake->is_data = false;
        server->mails++;
        server->recipients += (unsigned)fake->rcpts;
        fake->has_closed = server->takes_and_closes;
        if (!server->takes_and_closes) {
            fake_say(fake, server->final != NULL ? server->final : "250 2.0.0 queued");
        }
        if (server->closes_when_idle) {
            fake->has_closed = true;
        }
    } else if (strncmp(line, "EHLO ", 5) == 0) {
        fake_say(fake, server->ehlo != NULL ? server->ehlo : "250-fake\r\n250-PIPELINING\r\n250 8BITMIME");
    } else if (strncmp(line, "AUTH", 4) == 0) {
        fake_say(fake, server->auth != NULL ? server->auth : "235 ok");
    } else if (strncmp(line, "MAIL ", 5) == 0) {
        fake->rcpts = 0;
        fake_say(fake, server->mail != NULL ? server->mail : "250 ok");
    } else if (strncmp(line, "RCPT ", 5) == 0) {
        const char *reply = server->rcpt != NULL ? server->rcpt : "250 ok";

        fake->rcpts += reply[0] == '2' ? 1 : 0;
        fake_say(fake, reply);
    } else if (strcmp(line, "DATA") == 0) {
        fake->is_data = fake->rcpts > 0;
        fake_say(fake, fake->rcpts > 0 ? "354 go" : "503 no");
    } else if (strcmp(line, "QUIT") == 0) {
        server->quits++;
        fake_say(fake, server->quit != NULL ? server->quit : "221 bye");
    } else {
        fake_say(fake, strcmp(line, "STARTTLS") == 0 ? "220 go" : "250 ok");
    }
}

static void fake_end_stream(void *self)
{
    fake_port_t *fake = self;

    assert_false(fake->is_over);
    fake->server = NULL;
    fake->is_connected = false;
    fake->out_size = 0;
}

static mote_status_t fake_connect(void *self, const mote_endpoint_t *peer)
{
    fake_port_t *fake = self;

    assert_int_equal(peer->port, 25);
    if (fake->server == NULL) {
        uint8_t text[40] = { 0 };
        mote_writer_t out = mote_writer(text, sizeof text - 1);

        mote_ip_write(&out, &peer->ip);
        (void)snprintf(fake->connect_order + strlen(fake->connect_order),
                       sizeof fake->connect_order - strlen(fake->connect_order), "%s ", (char *)text);
        for (size_t i = 0; i < fake->server_count; i++) {
            if (strcmp(fake->servers[i].ip, (char *)text) == 0) {
                fake->server = &fake->servers[i];
            }
        }
        if (fake->server == NULL) {
            return MOTE_ERR_UNREACHABLE;
        }
        fake->out_size = 0;
        fake->line_size = 0;
        fake->has_closed = false;
        fake->is_data = false;
    }
    if (fake_stalls(fake)) {
        return MOTE_PENDING;
    }
    if (fake->server->connects != MOTE_OK || fake_fails(fake)) {
        mote_status_t status = fake->server->connects != MOTE_OK ? fake->server->connects : MOTE_ERR_REFUSED;

        fake->server = status == MOTE_PENDING ? fake->server : NULL;
        return status;
    }
    fake->is_connected = true;
    fake->server->connections++;
    fake_say(fake, fake->server->greeting != NULL ? fake->server->greeting : "220 fake");
    return MOTE_OK;
}

static mote_status_t fake_send(void *self, mote_span_t bytes, unsigned flags, size_t *taken)
{
    fake_port_t *fake = self;
    size_t size = fake->stalls || fake->by_octet ? 1 : bytes.size;

    (void)flags;
    *taken = 0;
    assert_true(fake->is_connected);
    if (fake_stalls(fake)) {
        return MOTE_PENDING;
    }
    if (fake_fails(fake) || fake->has_closed) {
        fake->hears_late = false;
        return MOTE_ERR_RESET;
    }
    for (size_t i = 0; i < size; i++) {
        fake->line[fake->line_size++] = (char)bytes.data[i];
        assert_true(fake->line_size < FAKE_LINE_BYTES);
        if (bytes.data[i] == '\n') {
            fake->line[fake->line_size - 2] = '\0';
            fake->line_size = 0;
            fake_hear_line(fake);
        }
    }
    *taken = size;
    return MOTE_OK;
}

static mote_status_t fake_lend(void *self, mote_span_t *bytes)
{
    fake_port_t *fake = self;

    assert_false(fake->is_over);
    if (fake->out_size > 0 && (fake_stalls(fake) || (fake->hears_late && fake->has_closed))) {
        return MOTE_PENDING;
    }
    if (fake->out_size == 0) {
        return !fake->is_connected || fake->has_closed ? MOTE_CLOSED : MOTE_PENDING;
    }
    if (fake_fails(fake)) {
        fake->has_closed = true;
        fake->out_size = 0;
        return MOTE_ERR_RESET;
    }
    *bytes = mote_span(fake->out, fake->stalls || fake->by_octet ? 1 : fake->out_size);
    return MOTE_OK;
}

static void fake_taken(void *self, size_t size)
{
    fake_port_t *fake = self;

    assert_true(size <= fake->out_size);
    memmove(fake->out, fake->out + size, fake->out_size - size);
    fake->out_size -= size;
}

static mote_status_t fake_secure(void *self, const mote_tls_policy_t *policy, mote_tls_result_t *result)
{
    fake_port_t *fake = self;

    (void)snprintf(fake->secured_name, sizeof fake->secured_name, "%.*s", (int)policy->name.size, (const char *)policy->name.data);
    if (fake_stalls(fake)) {
        return MOTE_PENDING;
    }
    result->protection = (uint8_t)fake->server->protection;
    result->words = TEXT("in words");
    return fake_fails(fake) ? MOTE_ERR_TLS : fake->server->secures;
}

static unsigned fake_wants(void *self)
{
    (void)self;
    return MOTE_WANTS_READ;
}

static const mote_port_t fake_table = {
    fake_random,     fake_families,    fake_own_address, fake_query_open, fake_query_send, fake_query_lend,
    fake_query_taken, fake_query_close, fake_connect,     fake_send,       fake_lend,       fake_taken,
    fake_secure,     fake_wants,       fake_end_stream,  fake_end_stream,
};

#endif
