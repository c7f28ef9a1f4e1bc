/*
 * Plays questions and answers of the resolver from files that a postmaster could read.
 *
 *     # what it is about, and the rows of the conformance list that it shows
 *     ! server 192.0.2.53                      one more name server
 *     ! set mixes-case | asks-local | no-tcp | tcp 512 | udp 512 | wait 2000 | total 60
 *     ! ask example.net MX                     or: mx.example.net A AAAA; "fails NO_NAME" may follow
 *     ? 0 example.net MX -> 192.0.2.53         the resolver sends this question from slot 0; "plain" at the end: no EDNS0;
 *                                              "afresh": with another ID, from another port
 *     < 0 192.0.2.53 NOERROR | @ MX 10 mx.@    a datagram comes to slot 0 (see dns_answer.h); "x9 " before it: nine times
 *     ~ 0 192.0.2.53 refused                   an error of the slot's socket; of sending it: "~ 0 send refused"
 *     ? connect 192.0.2.53                     a stream is wanted
 *     ~ stream connected                       or refused, reset, closed
 *     ? stream example.net MX                  the question on the stream
 *     < stream NOERROR | @ MX 10 mx.@          the answer; "<< stream 0005" gives octets as they are, in hexadecimal
 *     + 3000 ms                                time passes, and nothing is wanted before it is over
 *     = 0 OK 10 mx.example.net                 how the slot stands, and the records of its answer
 *     = name example.net                       whose records are looked for
 *
 * What is not written does not happen: before anything comes in, everything that the resolver wants to say must have
 * been said. Each file is played with the clock at 0 and shortly before its wrap; with every datagram preceded by all its
 * truncations, which must be dropped; with streams octet by octet; and with every stream cut after every octet, after
 * which no server answers any more, and no cut may end in an answer.
 */
#include "../dns_answer.h"

#include <stdarg.h>

enum { LINE_COUNT = 200, SERVER_COUNT = MOTE_RESOLVER_SERVER_COUNT, TEXT_BYTES = 512, ROUND_LIMIT = 200 };

typedef struct line {
    int number;
    char text[1024];
} line_t;

typedef struct mode {
    const char *name;
    uint32_t start_ms;
    bool is_octets;    /* streams octet by octet */
    size_t cut_answer; /* which answer on a stream is cut, from 1; 0 none */
    size_t cut_size;   /* after so many octets */
} run_mode_t;

typedef struct world {
    mote_resolver_t resolver;
    mote_question_t question;
    mote_endpoint_t servers[SERVER_COUNT];
    mote_dns_settings_t settings;
    uint8_t tcp_buffer[65535];
    uint32_t now_ms;
    uint32_t random;
    uint16_t ids[MOTE_RESOLVER_SLOT_COUNT];       /* of the question asked last */
    char names[MOTE_RESOLVER_SLOT_COUNT][256];    /* and its name */
    char results[MOTE_RESOLVER_SLOT_COUNT][TEXT_BYTES];
    dns_message_t asked[MOTE_RESOLVER_SLOT_COUNT]; /* the question asked last by datagram */
    dns_message_t streamed;                        /* and on the stream */
    unsigned stream_slot;
    bool is_connecting;
    size_t stream_answer_count;
    size_t cut_total; /* octets of the answer that was to be cut */
} world_t;

static line_t lines[LINE_COUNT];
static size_t line_count;
static const char *file_name;
static const run_mode_t *mode;
static const line_t *at;
static world_t world;
static dns_message_t message;

static void complain(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "%s:%d: (%s", file_name, at != NULL ? at->number : 0, mode->name);
    if (mode->cut_answer > 0) {
        fprintf(stderr, ", answer %lu after %lu octets", (unsigned long)mode->cut_answer, (unsigned long)mode->cut_size);
    }
    fprintf(stderr, ") ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

static mote_status_t fill_random(void *self, uint8_t *bytes, size_t size)
{
    (void)self;
    for (size_t i = 0; i < size; i++) {
        world.random = world.random * 1664525U + 1013904223U;
        bytes[i] = (uint8_t)(world.random >> 24);
    }
    return MOTE_OK;
}

static const mote_random_t randomness = { fill_random, NULL };

/* ---- words ---- */

static const struct {
    const char *text;
    mote_status_t status;
} statuses[] = {
    { "OK", MOTE_OK },
    { "PENDING", MOTE_PENDING },
    { "NO_NAME", MOTE_ERR_NO_NAME },
    { "NO_DATA", MOTE_ERR_NO_DATA },
    { "DNS", MOTE_ERR_DNS },
    { "DNS_LOOP", MOTE_ERR_DNS_LOOP },
    { "DNS_SPACE", MOTE_ERR_DNS_SPACE },
    { "ADDRESS", MOTE_ERR_ADDRESS },
    { "connected", MOTE_OK },
    { "refused", MOTE_ERR_REFUSED },
    { "unreachable", MOTE_ERR_UNREACHABLE },
    { "reset", MOTE_ERR_RESET },
    { "closed", MOTE_CLOSED },
};

static mote_status_t status_of(const char *text)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (strcmp(text, statuses[i].text) == 0) {
            return statuses[i].status;
        }
    }
    complain("no such status: %s", text);
    return MOTE_OK;
}

static const char *text_of(mote_status_t status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (statuses[i].status == status) {
            return statuses[i].text;
        }
    }
    return mote_status_text(status);
}

static mote_endpoint_t endpoint_of(const char *text)
{
    mote_endpoint_t endpoint = { { 0 }, 53, 0 };

    if (mote_ip_parse(mote_span_text(text), &endpoint.ip) != MOTE_OK) {
        complain("not an address: %s", text);
    }
    return endpoint;
}

static void write_name(const mote_dns_name_t *name, char *text, size_t capacity)
{
    mote_writer_t out = mote_writer((uint8_t *)text, capacity - 1);

    mote_dns_name_write(&out, name);
    text[mote_writer_stored(&out)] = '\0';
}

static void note_answer(unsigned slot, mote_dns_answer_t *answer)
{
    char *text = world.results[slot];
    mote_writer_t out = mote_writer((uint8_t *)text, TEXT_BYTES - 1);
    mote_dns_record_t record;

    while (mote_dns_next(answer, &record)) {
        mote_write_text(&out, out.size > 0 ? ", " : "");
        if (answer->type == MOTE_DNS_MX) {
            mote_write_decimal(&out, record.preference);
            mote_write_u8(&out, ' ');
            mote_dns_name_write(&out, &record.exchange);
        } else {
            mote_ip_write(&out, &record.ip);
        }
    }
    text[mote_writer_stored(&out)] = '\0';
}

/* ---- what the resolver says ---- */

static void check_quiet(void)
{
    mote_span_t bytes;
    const mote_endpoint_t *server;

    for (unsigned slot = 0; slot < MOTE_RESOLVER_SLOT_COUNT; slot++) {
        if (mote_resolver_output(&world.resolver, slot, &bytes, &server) == MOTE_RESOLVER_WANTS_SEND) {
            complain("slot %u wants to send", slot);
        }
    }
    switch (mote_resolver_stream(&world.resolver, &bytes, &server)) {
    case MOTE_RESOLVER_STREAM_CONNECT:
        if (!world.is_connecting) {
            complain("a stream is wanted");
        }
        break;
    case MOTE_RESOLVER_STREAM_SEND:
        complain("the stream wants to send");
        break;
    case MOTE_RESOLVER_STREAM_IDLE:
    case MOTE_RESOLVER_STREAM_RECEIVE:
        break;
    }
}

/* Octet by octet: header, question, and OPT or not. */
static void check_query(unsigned slot, mote_span_t query, const char *name, const char *type, bool is_plain)
{
    static dns_message_t expected;
    uint16_t id = (uint16_t)(query.data[0] << 8 | query.data[1]);
    mote_span_t sent_name;
    mote_span_t expected_name;
    size_t name_size;

    message_ask(&expected, id, name, type);
    name_size = expected.size - MOTE_DNS_HEADER_BYTES - 4;
    if (!is_plain) {
        message_opt(&expected, 0);
        message_patch_u16(&expected, expected.size - 8, world.settings.udp_bytes != 0 ? world.settings.udp_bytes : 1232);
        message_patch_u16(&expected, expected.size - 6, 0);
        message_patch_u16(&expected, expected.size - 4, 0);
    }
    sent_name = mote_span_slice(query, MOTE_DNS_HEADER_BYTES, name_size);
    expected_name = mote_span_slice(message_span(&expected), MOTE_DNS_HEADER_BYTES, name_size);
    if (world.settings.mixes_case && mote_span_equals_ignoring_case(sent_name, expected_name)) {
        memcpy(expected.bytes + MOTE_DNS_HEADER_BYTES, sent_name.data, sent_name.size);
    }
    if (!mote_span_equals(query, message_span(&expected))) {
        for (size_t i = 0; i < query.size; i++) {
            fprintf(stderr, "%02x%s", query.data[i], i + 1 < query.size ? " " : "\n");
        }
        complain("another question is sent: not %s %s%s", name, type, is_plain ? " plain" : "");
    }
    /* One question has one ID, whoever is asked and however often; another question has another. */
    if ((strcmp(world.names[slot], name) == 0) != (world.ids[slot] == id)) {
        complain("the ID %s", world.ids[slot] == id ? "is that of the last question" : "has changed");
    }
    world.ids[slot] = id;
    (void)snprintf(world.names[slot], sizeof world.names[slot], "%s", name);
}

static void hear_question(char **words, unsigned count)
{
    unsigned slot = (unsigned)(words[0][0] - '0');
    mote_endpoint_t expected;
    const mote_endpoint_t *server;
    mote_span_t query;

    if (count < 5 || slot >= MOTE_RESOLVER_SLOT_COUNT) {
        complain("? SLOT NAME TYPE -> SERVER [plain|afresh]");
    }
    expected = endpoint_of(words[4]);
    if (count > 5 && strcmp(words[5], "afresh") == 0) {
        world.names[slot][0] = '\0';
        if (!mote_resolver_is_new(&world.resolver, slot)) {
            complain("slot %u keeps its socket", slot);
        }
    }
    if (mote_resolver_output(&world.resolver, slot, &query, &server) != MOTE_RESOLVER_WANTS_SEND) {
        complain("slot %u wants to send nothing", slot);
    }
    if (!mote_ip_equals(&server->ip, &expected.ip)) {
        complain("another server is asked");
    }
    check_query(slot, query, words[1], words[2], count > 5 && strcmp(words[5], "plain") == 0);
    world.asked[slot].size = query.size;
    memcpy(world.asked[slot].bytes, query.data, query.size);
    if (at + 1 < lines + line_count && strncmp(at[1].text, "~ 0 send", 8) == 0) {
        return;
    }
    mote_resolver_sent(&world.resolver, slot, MOTE_OK);
}

static void hear_connect(const char *server_text)
{
    mote_endpoint_t expected = endpoint_of(server_text);
    const mote_endpoint_t *server;
    mote_span_t bytes;

    (void)mote_resolver_tick(&world.resolver, world.now_ms);
    if (mote_resolver_stream(&world.resolver, &bytes, &server) != MOTE_RESOLVER_STREAM_CONNECT ||
        !mote_ip_equals(&server->ip, &expected.ip)) {
        complain("no stream to %s is wanted", server_text);
    }
    world.is_connecting = true;
}

/* Takes the question off the stream, in two parts, whose length octets lead (DNS-37). */
static void hear_stream_question(char **words, unsigned count)
{
    const mote_endpoint_t *server;
    mote_span_t bytes;
    dns_message_t *streamed = &world.streamed;

    if (count < 3 || mote_resolver_stream(&world.resolver, &bytes, &server) != MOTE_RESOLVER_STREAM_SEND) {
        complain("nothing is sent on the stream");
    }
    streamed->size = 0;
    for (unsigned part = 0; part < 2; part++) {
        if (mote_resolver_stream(&world.resolver, &bytes, &server) != MOTE_RESOLVER_STREAM_SEND) {
            complain("the second half of the question is not sent");
        }
        bytes = part == 0 && mode->is_octets ? mote_span_slice(bytes, 0, 1) : bytes;
        memcpy(streamed->bytes + streamed->size, bytes.data, bytes.size);
        streamed->size += bytes.size;
        mote_resolver_stream_sent(&world.resolver, bytes.size);
        part += !mode->is_octets;
    }
    if (message_peek_u16(streamed, 0) != streamed->size - 2) {
        complain("the length on the stream is wrong");
    }
    streamed->size -= 2;
    memmove(streamed->bytes, streamed->bytes + 2, streamed->size);
    world.stream_slot = message_type(words[2]) == MOTE_DNS_AAAA ? 1 : 0;
    check_query(world.stream_slot, message_span(streamed), words[1], words[2],
                count > 3 && strcmp(words[3], "plain") == 0);
}

/* ---- what comes ---- */

static mote_status_t put_datagram(unsigned slot, const mote_endpoint_t *from, mote_span_t datagram)
{
    uint8_t *copy = malloc(datagram.size > 0 ? datagram.size : 1);
    mote_dns_answer_t answer;
    mote_status_t status;

    if (datagram.size > 0) {
        memcpy(copy, datagram.data, datagram.size);
    }
    status = mote_resolver_input(&world.resolver, slot, MOTE_OK, from, mote_span(copy, datagram.size), &answer);
    if (status == MOTE_OK) {
        note_answer(slot, &answer);
    }
    free(copy);
    return status;
}

/* An answer by datagram, and before it all its beginnings: none of them is an answer, nor a forgery. */
static void put_answer(unsigned slot, const char *text)
{
    char from_text[64];
    mote_endpoint_t from;
    mote_status_t before = mote_resolver_status(&world.resolver, slot);
    bool is_truncated;

    (void)sscanf(text, "%63s", from_text);
    from = endpoint_of(strcmp(from_text, "192.0.2.53:54") == 0 ? "192.0.2.53" : from_text);
    from.port = strcmp(from_text, "192.0.2.53:54") == 0 ? 54 : 53;
    message.size = world.asked[slot].size;
    memcpy(message.bytes, world.asked[slot].bytes, message.size);
    message_answer(&message, text + strlen(from_text));
    is_truncated = (message.bytes[2] & 0x02) != 0;
    for (size_t size = 0; size < message.size && !is_truncated; size++) {
        if (before == MOTE_PENDING && put_datagram(slot, &from, mote_span(message.bytes, size)) != MOTE_PENDING) {
            complain("a datagram cut to %lu octets was taken", (unsigned long)size);
        }
    }
    (void)put_datagram(slot, &from, message_span(&message));
}

/* No server answers any more, no stream comes up: the end that must come is no answer. */
static void abandon(void)
{
    mote_span_t bytes;
    const mote_endpoint_t *server;

    for (unsigned i = 0; i < ROUND_LIMIT; i++) {
        uint32_t wait_ms = mote_resolver_tick(&world.resolver, world.now_ms);

        for (unsigned slot = 0; slot < MOTE_RESOLVER_SLOT_COUNT; slot++) {
            if (mote_resolver_output(&world.resolver, slot, &bytes, &server) == MOTE_RESOLVER_WANTS_SEND) {
                mote_resolver_sent(&world.resolver, slot, MOTE_OK);
                wait_ms = 0;
            }
        }
        if (mote_resolver_stream(&world.resolver, &bytes, &server) == MOTE_RESOLVER_STREAM_CONNECT) {
            mote_resolver_stream_event(&world.resolver, MOTE_ERR_REFUSED);
            wait_ms = 0;
        }
        if (wait_ms == UINT32_MAX) {
            return;
        }
        world.now_ms += wait_ms;
    }
    complain("the question does not end");
}

/* Octets on the stream, in the mode's pieces. True when they were cut and the question has ended. */
static bool put_octets(mote_span_t bytes)
{
    unsigned asked_slot = world.resolver.stream_slot;
    bool is_cut = ++world.stream_answer_count == mode->cut_answer;
    mote_dns_answer_t answer;

    if (is_cut) {
        world.cut_total = bytes.size;
        bytes = mote_span_slice(bytes, 0, mode->cut_size);
    }
    while (bytes.size > 0) {
        mote_span_t piece = mode->is_octets ? mote_span_slice(bytes, 0, 1) : bytes;
        uint8_t *copy = malloc(piece.size);
        size_t used = 0;
        mote_status_t status;

        memcpy(copy, piece.data, piece.size);
        status = mote_resolver_stream_input(&world.resolver, mote_span(copy, piece.size), &used, &answer);
        free(copy); /* the answer lives in the buffer for TCP */
        if (status == MOTE_OK) {
            note_answer(asked_slot, &answer);
        }
        if (used == 0 || used > piece.size) {
            complain("%lu octets of %lu were taken", (unsigned long)used, (unsigned long)piece.size);
        }
        bytes = mote_span_slice(bytes, used, bytes.size);
    }
    if (is_cut) {
        mote_resolver_stream_event(&world.resolver, MOTE_CLOSED);
        abandon();
        if (mode->cut_size < world.cut_total && mote_resolver_status(&world.resolver, asked_slot) != MOTE_ERR_DNS &&
            mote_resolver_status(&world.resolver, asked_slot) != MOTE_ERR_DNS_SPACE) {
            complain("the cut ended in %s", text_of(mote_resolver_status(&world.resolver, asked_slot)));
        }
    }
    return is_cut;
}

static bool put_stream_answer(const char *text)
{
    static dns_message_t framed;

    message.size = world.streamed.size;
    memcpy(message.bytes, world.streamed.bytes, message.size);
    message_answer(&message, text);
    framed.size = 0;
    message_u16(&framed, (unsigned)message.size);
    memcpy(framed.bytes + 2, message.bytes, message.size);
    framed.size += message.size;
    return put_octets(message_span(&framed));
}

/* Time passes; nothing may be wanted before it is over. */
static void pass(uint32_t passed_ms)
{
    uint32_t end_ms = world.now_ms + passed_ms;

    while (world.now_ms != end_ms) {
        uint32_t wait_ms = mote_resolver_tick(&world.resolver, world.now_ms);

        check_quiet();
        if (wait_ms == 0) {
            complain("the resolver is impatient");
        }
        world.now_ms += wait_ms < end_ms - world.now_ms ? wait_ms : end_ms - world.now_ms;
    }
    (void)mote_resolver_tick(&world.resolver, world.now_ms);
}

/* ---- lines ---- */

static void set_up(char **words, unsigned count)
{
    unsigned number = count > 2 ? (unsigned)strtoul(words[2], NULL, 10) : 0;

    if (strcmp(words[0], "server") == 0) {
        world.servers[world.settings.server_count++] = endpoint_of(words[1]);
    } else if (strcmp(words[1], "mixes-case") == 0) {
        world.settings.mixes_case = true;
    } else if (strcmp(words[1], "asks-local") == 0) {
        world.settings.asks_local = true;
    } else if (strcmp(words[1], "no-tcp") == 0) {
        world.settings.tcp_buffer = NULL;
    } else if (strcmp(words[1], "tcp") == 0) {
        world.settings.tcp_capacity = (uint16_t)number;
    } else if (strcmp(words[1], "udp") == 0) {
        world.settings.udp_bytes = (uint16_t)number;
    } else if (strcmp(words[1], "wait") == 0) {
        world.settings.first_wait_ms = (uint16_t)number;
    } else if (strcmp(words[1], "total") == 0) {
        world.settings.total_s = (uint16_t)number;
    } else {
        complain("no such setting: %s", words[1]);
    }
}

static void start(char **words, unsigned count)
{
    mote_status_t expected = MOTE_OK;
    unsigned what = MOTE_RESOLVER_ADDRESSES;
    unsigned families = 0;
    mote_status_t status;

    memset(world.ids, 0, sizeof world.ids);
    memset(world.names, 0, sizeof world.names);
    for (unsigned i = 1; i < count; i++) {
        if (strcmp(words[i], "MX") == 0) {
            what = MOTE_RESOLVER_MX;
        } else if (strcmp(words[i], "fails") == 0) {
            expected = status_of(words[++i]);
        } else {
            families |= strcmp(words[i], "A") == 0 ? MOTE_FAMILY_IPV4 : MOTE_FAMILY_IPV6;
        }
    }
    memset(&world.resolver, 0xA5, sizeof world.resolver); /* start leaves nothing to chance */
    world.resolver.question = &world.question;
    status = mote_resolver_start(&world.resolver, &world.settings, &randomness, mote_span_text(words[0]), what, families,
                                 world.now_ms);
    if (status != expected) {
        complain("the start gives %s", text_of(status));
    }
}

static void check_state(const char *text)
{
    char words[2][64];
    char rest[TEXT_BYTES] = "";
    unsigned slot;
    mote_status_t status;

    if (sscanf(text, "%63s %63s %500[^\n]", words[0], words[1], rest) < 2) {
        complain("= SLOT STATUS [RECORDS]");
    }
    if (strcmp(words[0], "name") == 0) {
        mote_dns_name_t name = mote_question_name(&world.question);
        char name_text[256];

        write_name(&name, name_text, sizeof name_text);
        if (strcmp(name_text, words[1]) != 0) {
            complain("the name is %s", name_text);
        }
        return;
    }
    slot = (unsigned)(words[0][0] - '0');
    status = mote_resolver_status(&world.resolver, slot);
    if (status != status_of(words[1])) {
        complain("slot %u is %s", slot, text_of(status));
    }
    if (status == MOTE_OK && strcmp(world.results[slot], rest) != 0) {
        complain("slot %u has %s", slot, world.results[slot]);
    }
}

/* Plays one line; true when the play is over before its end, by a cut. */
static bool play_line(const line_t *line)
{
    char copy[sizeof line->text];
    const char *body = line->text + 1;
    char *words[8] = { 0 };
    unsigned count;
    unsigned times = 1;
    int skipped = 0;

    while (*body == ' ' || *body == '<') {
        body++;
    }
    (void)snprintf(copy, sizeof copy, "%s", body);
    count = message_split(copy, words, 8);
    if (count == 0) {
        complain("an empty line");
    }
    switch (line->text[0]) {
    case '!':
        strcmp(words[0], "ask") == 0 ? start(words + 1, count - 1) : set_up(words, count);
        return false;
    case '?':
        if (strcmp(words[0], "connect") == 0) {
            hear_connect(words[1]);
        } else if (strcmp(words[0], "stream") == 0) {
            hear_stream_question(words, count);
        } else {
            hear_question(words, count);
        }
        return false;
    case '=':
        (void)mote_resolver_tick(&world.resolver, world.now_ms);
        check_quiet();
        check_state(body);
        return false;
    case '+':
        pass((uint32_t)strtoul(words[0], NULL, 10));
        return false;
    case '~':
        if (strcmp(words[0], "stream") == 0) {
            world.is_connecting = false;
            mote_resolver_stream_event(&world.resolver, status_of(words[1]));
        } else if (strcmp(words[1], "send") == 0) {
            mote_resolver_sent(&world.resolver, (unsigned)(words[0][0] - '0'), status_of(words[2]));
        } else {
            mote_endpoint_t from = strcmp(words[1], "any") == 0 ? world.servers[0] : endpoint_of(words[1]);
            mote_dns_answer_t answer;

            check_quiet();
            (void)mote_resolver_input(&world.resolver, (unsigned)(words[0][0] - '0'), status_of(words[2]),
                                      strcmp(words[1], "any") == 0 ? NULL : &from, mote_span(NULL, 0), &answer);
        }
        return false;
    case '<':
        check_quiet();
        if (strncmp(line->text, "<< stream", 9) == 0) {
            message.size = 0;
            message_hex(&message, words[1]);
            return put_octets(message_span(&message));
        }
        if (strncmp(body, "stream ", 7) == 0) {
            return put_stream_answer(body + 7);
        }
        if (sscanf(body, "x%u %n", &times, &skipped) == 1) {
            body += skipped;
        }
        for (unsigned i = 0; i < times; i++) {
            put_answer((unsigned)(body[0] - '0'), body + 2);
        }
        return false;
    default:
        complain("not a line of a dialogue: %s", line->text);
        return false;
    }
}

static void play(const run_mode_t *run_mode)
{
    mode = run_mode;
    memset(&world, 0, sizeof world);
    world.random = 42;
    world.now_ms = mode->start_ms;
    world.settings.servers = world.servers;
    world.settings.tcp_buffer = world.tcp_buffer;
    world.settings.tcp_capacity = 4096;
    for (size_t i = 0; i < line_count; i++) {
        at = &lines[i];
        if (play_line(at)) {
            return;
        }
    }
    at = &lines[line_count - 1];
    for (unsigned slot = 0; slot < MOTE_RESOLVER_SLOT_COUNT; slot++) {
        if (mote_resolver_status(&world.resolver, slot) == MOTE_PENDING) {
            complain("the dialogue ends, but slot %u waits", slot);
        }
    }
}

static void read_lines(void)
{
    FILE *file = fopen(file_name, "r");
    char text[sizeof lines[0].text];
    int number = 0;

    if (file == NULL) {
        perror(file_name);
        exit(1);
    }
    line_count = 0;
    while (fgets(text, sizeof text, file) != NULL) {
        size_t size = strcspn(text, "\r\n");

        number++;
        text[size] = '\0';
        if (text[0] == ' ' && line_count > 0) { /* a long line goes on */
            char *end = lines[line_count - 1].text;

            (void)snprintf(end + strlen(end), sizeof lines[0].text - strlen(end), " %s", text);
        } else if (text[0] != '#' && text[0] != '\0' && line_count < LINE_COUNT) {
            lines[line_count].number = number;
            memcpy(lines[line_count++].text, text, size + 1);
        }
    }
    fclose(file);
}

int main(int argc, char **argv)
{
    unsigned long play_count = 0;

    for (int i = 1; i < argc; i++) {
        run_mode_t run_mode = { "whole", 0, false, 0, 0 };
        size_t answer_count;

        file_name = argv[i];
        read_lines();
        play(&run_mode);
        answer_count = world.stream_answer_count;
        run_mode.start_ms = UINT32_MAX - 3500; /* the clock wraps in the midst */
        run_mode.name = "clock wrapping";
        play(&run_mode);
        play_count += 2;
        for (unsigned k = 0; k < 2 && answer_count > 0; k++) {
            run_mode.is_octets = k == 0;
            run_mode.name = k == 0 ? "octet by octet" : "cut";
            run_mode.cut_answer = 0;
            play(&run_mode);
            play_count++;
            for (run_mode.cut_answer = 1; run_mode.cut_answer <= answer_count; run_mode.cut_answer++) {
                run_mode.cut_size = 0;
                do {
                    play(&run_mode);
                    play_count++;
                    run_mode.cut_size++;
                } while (run_mode.cut_size <= world.cut_total);
            }
        }
    }
    printf("%d dialogues, played %lu times\n", argc - 1, play_count);
    return 0;
}
