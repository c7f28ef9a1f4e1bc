#include "sim.h"

#include <stdlib.h>
#include <string.h>

/* A mail server: it reads lines, answers, and remembers in the witness's ledger what it took. */

const char *const bad_replies[] = {
    "25 ok\r\n",      "2500 ok\r\n",         "SSH-2.0-x\r\n",     "250\r",         "999 what\r\n",
    "150 wait\r\n",   "250-a\r\n550 b\r\n",  "250 a\nb\r\n",      "\xff\xfe\r\n",  "HTTP/1.1 400 Bad\r\n",
    "\r\n",           "421 away\r\n",        "450 later\r\n",     "550 never\r\n", "354 go on\r\n",
    "220-\r\n220\r\n", "452 4.5.3 full\r\n", "503 5.5.1 again\r\n", "530 5.7.0 who\r\n", "334 \r\n", "250 ok\r\n250 ok\r\n",
};
const size_t bad_reply_count = sizeof bad_replies / sizeof bad_replies[0];
enum { NONSENSE_COUNT = 11 }; /* the first of them are no replies at all */

void write_base64(char *out, const char *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < size; i += 3) {
        uint32_t word = (uint32_t)(uint8_t)bytes[i] << 16;

        word |= i + 1 < size ? (uint32_t)(uint8_t)bytes[i + 1] << 8 : 0;
        word |= i + 2 < size ? (uint32_t)(uint8_t)bytes[i + 2] : 0;
        *out++ = digits[word >> 18 & 63];
        *out++ = digits[word >> 12 & 63];
        *out++ = i + 1 < size ? digits[word >> 6 & 63] : '=';
        *out++ = i + 2 < size ? digits[word & 63] : '=';
    }
    *out = '\0';
}

static const host_t *host_of(const device_t *device)
{
    return &device->world->hosts[device->session.host];
}

/* ---- saying ----------------------------------------------------------------------------------------------- */

static void say_text(device_t *device, const char *text)
{
    uint32_t delay_ms = below(&device->rng, 40);

    if (fault(device, FAULT_REPLY_LATE)) {
        delay_ms += below(&device->rng, 700000);
    }
    server_says(device, text, strlen(text), delay_ms);
    if (fault(device, FAULT_REPLY_TWICE)) {
        device->session.has_doubled = true;
        server_says(device, text, strlen(text), 0);
    }
}

/* What a small world wants said in place of the next reply; NULL: nothing. */
static const char *planned(void)
{
    for (unsigned i = 0; i < 2; i++) {
        if (plans[i].kind == PLAN_REPLY && plans[i].at == plan_replies + 1) {
            return bad_replies[plans[i].how];
        }
    }
    return NULL;
}

static bool says_planned(device_t *device)
{
    const char *bad = planned();

    plan_replies++;
    if (bad != NULL) {
        server_says(device, bad, strlen(bad), 0);
    }
    return bad != NULL;
}

/* A reply of one or several lines. */
static void say(device_t *device, int code, const char *words)
{
    char text[400];
    size_t size = 0;

    if (says_planned(device)) {
        return;
    }
    if (fault(device, FAULT_REPLY_ENDLESS)) {
        device->session.is_endless = true;
        device->session.is_deaf = true;
        server_goes_on(device);
        return;
    }
    if (fault(device, FAULT_REPLY_NONSENSE)) {
        say_text(device, bad_replies[below(&device->rng, NONSENSE_COUNT)]);
        return;
    }
    if (fault(device, FAULT_REPLY_LINES)) {
        for (uint32_t i = 0; i < 1 + below(&device->rng, 4); i++) {
            size += (size_t)snprintf(text + size, sizeof text - size, "%d-%s\r\n", code, i % 2 == 0 ? "there is more" : "");
        }
    }
    (void)snprintf(text + size, sizeof text - size, "%d%s%s\r\n", code, *words != '\0' ? " " : "", words);
    say_text(device, text);
}

void server_goes_on(device_t *device)
{
    if (device->session.is_endless && device->stream.end == END_NONE) {
        server_says(device, "250-and on\r\n", 12, 0);
        add_event(device->world, device->world->now_ms + 1, EVENT_ENDLESS, device, device->stream.generation, 0, 0);
    }
}

static void crash(device_t *device)
{
    server_ends(device, draw(&device->rng) % 2 == 0 ? END_FIN : END_RST, below(&device->rng, 20));
}

/* A refusal out of thin air; 0: none. */
static int draw_refusal(device_t *device, command_t command)
{
    static const int specials[] = { 452, 552, 503, 530, 455, 501, 504, 534, 500, 251, 252, 555 };

    if (fault(device, FAULT_REPLY_421)) {
        return 421;
    }
    if (fault(device, FAULT_REPLY_4YZ)) {
        return command == SAID_AUTH || command == SAID_ANSWER ? 454 : 450 + (int)below(&device->rng, 3);
    }
    if (fault(device, FAULT_REPLY_5YZ)) {
        return command == SAID_AUTH || command == SAID_ANSWER ? 535 : 550 + (int)below(&device->rng, 5);
    }
    if (fault(device, FAULT_REPLY_3YZ)) {
        /* A 354 to the wrong command behind a reply said twice is a dialogue in step to whoever hears it: nobody could tell. */
        return below(&device->rng, 2) == 0 || device->session.has_doubled ? 350 : 354;
    }
    return fault(device, FAULT_REPLY_SPECIAL) ? specials[below(&device->rng, 12)] : 0;
}

/* ---- hearing ----------------------------------------------------------------------------------------------- */

typedef struct outcome {
    int code;
    const char *words;
} outcome_t;

static outcome_t reply_of(int code, const char *words)
{
    outcome_t outcome = { code, words };

    return outcome;
}

static void say_ehlo(device_t *device)
{
    const host_t *host = host_of(device);
    char text[400];
    size_t size;

    size = (size_t)snprintf(text, sizeof text, "250-%s STARTTLS\r\n250-XNOTHING SIZE 7\r\n", host->name);
    if ((host->offers & OFFERS_PIPELINING) != 0) {
        size += (size_t)snprintf(text + size, sizeof text - size, "250-PIPELINING\r\n");
    }
    if ((host->offers & OFFERS_8BITMIME) != 0) {
        size += (size_t)snprintf(text + size, sizeof text - size, "250-8bitmime\r\n");
    }
    if ((host->offers & OFFERS_SIZE) != 0) {
        size += (size_t)snprintf(text + size, sizeof text - size, "250-SIZE %u\r\n", (unsigned)host->size_limit);
    }
    if ((host->offers & OFFERS_STARTTLS) != 0 && !device->session.is_secure) {
        size += (size_t)snprintf(text + size, sizeof text - size, "250-STARTTLS\r\n");
    }
    if ((host->offers & (OFFERS_PLAIN | OFFERS_LOGIN)) != 0) {
        size += (size_t)snprintf(text + size, sizeof text - size, "250-AUTH%s%s X-OTHER\r\n",
                                 (host->offers & OFFERS_LOGIN) != 0 ? " LOGIN" : "",
                                 (host->offers & OFFERS_PLAIN) != 0 ? " PLAIN" : "");
    }
    (void)snprintf(text + size, sizeof text - size, "250 HELP\r\n");
    if (!says_planned(device)) {
        say_text(device, text);
    }
}

static void forget_mail(session_t *session)
{
    session->has_mail = false;
    session->accepted = 0;
    session->offered = 0;
}

static outcome_t hear_mail(device_t *device, const char *line)
{
    session_t *session = &device->session;
    const host_t *host = host_of(device);
    const char *size = strstr(line, " SIZE=");

    if (!session->has_ehlo || session->has_mail) {
        return reply_of(503, "5.5.1 not now");
    }
    if (size != NULL && host->size_limit != 0 && strtoul(size + 6, NULL, 10) > host->size_limit) {
        return reply_of(552, "5.3.4 too large");
    }
    return reply_of(250, "2.1.0 ok");
}

/* The index of the recipient this command names, or -1. */
static int find_recipient(const device_t *device, const char *line)
{
    for (int i = 0; i < device->mail.recipient_count; i++) {
        size_t size = strlen(device->addresses[i]);

        if (device->duplicates[i] == i && strncmp(line, "RCPT TO:<", 9) == 0 && strncmp(line + 9, device->addresses[i], size) == 0 &&
            strcmp(line + 9 + size, ">") == 0) {
            return i;
        }
    }
    return -1;
}

static outcome_t hear_rcpt(device_t *device, const char *line)
{
    session_t *session = &device->session;
    int index = find_recipient(device, line);
    unsigned accepted = 0;

    for (unsigned i = 0; i < RECIPIENT_COUNT; i++) {
        accepted += (unsigned)session->accepted >> i & 1U;
    }
    if (!session->has_mail) {
        return reply_of(503, "5.5.1 MAIL first");
    }
    if (index < 0) {
        return reply_of(501, "5.1.3 who is that");
    }
    if (strstr(line, "<nobody") != NULL) {
        return reply_of(550, "5.1.1 no such user");
    }
    if (accepted >= host_of(device)->rcpt_limit) {
        return reply_of(452, "4.5.3 too many");
    }
    if (host_of(device)->is_greylisting && device->attempt == 0 && draw(&device->rng) % 4 == 0) { /* a second try is welcome */
        return reply_of(451, "4.7.1 come again");
    }
    return reply_of(250, "2.1.5 ok");
}

static outcome_t hear_auth(device_t *device, const char *line)
{
    session_t *session = &device->session;
    bool is_plain = strncmp(line, "AUTH PLAIN", 10) == 0;

    if (session->has_auth || session->has_mail || (!is_plain && strcmp(line, "AUTH LOGIN") != 0)) {
        return reply_of(503, "5.5.1 no");
    }
    if (is_plain && line[10] == ' ') {
        return strcmp(line + 11, device->auth_plain) == 0 ? reply_of(235, "2.7.0 ok") : reply_of(535, "5.7.8 wrong");
    }
    session->auth_step = is_plain ? 1 : 2;
    return reply_of(334, is_plain ? "" : "VXNlcm5hbWU6");
}

static outcome_t hear_answer(device_t *device, const char *line)
{
    session_t *session = &device->session;
    unsigned step = session->auth_step;
    const char *wanted = step == 1 ? device->auth_plain : step == 2 ? device->auth_user : device->auth_password;

    session->auth_step = 0;
    if (strcmp(line, wanted) != 0) {
        return reply_of(strcmp(line, "*") == 0 ? 501 : 535, "5.7.8 wrong");
    }
    if (step == 2) {
        session->auth_step = 3;
        return reply_of(334, "UGFzc3dvcmQ6");
    }
    return reply_of(235, "2.7.0 ok");
}

static outcome_t hear_command(device_t *device, command_t command, const char *line)
{
    session_t *session = &device->session;
    const host_t *host = host_of(device);

    switch (command) {
    case SAID_EHLO:
        return host->has_helo_only ? reply_of(502, "5.5.1 what") : reply_of(250, "");
    case SAID_HELO:
        return reply_of(250, host->name);
    case SAID_STARTTLS:
        return (host->offers & OFFERS_STARTTLS) != 0 && !session->is_secure ? reply_of(220, "go") : reply_of(502, "5.5.1 what");
    case SAID_AUTH:
        return hear_auth(device, line);
    case SAID_ANSWER:
        return hear_answer(device, line);
    case SAID_MAIL:
        return hear_mail(device, line);
    case SAID_RCPT:
        return hear_rcpt(device, line);
    case SAID_DATA:
        if (session->accepted == 0 && !(session->has_mail && fault(device, FAULT_DATA_TO_NOBODY))) {
            return reply_of(session->has_mail ? 554 : 503, "5.5.1 nobody");
        }
        return reply_of(354, "go on");
    case SAID_RSET:
        return reply_of(250, "");
    case SAID_QUIT:
        return reply_of(221, "bye");
    case SAID_NOTHING:
    case SAID_GREETING:
    case SAID_DOT:
    case COMMAND_KIND_COUNT:
        break;
    }
    return reply_of(500, "5.5.2 what");
}

/* What a reply, once said, does to the server. */
static void commit(device_t *device, command_t command, const char *line, int code)
{
    session_t *session = &device->session;
    int index;

    if (code / 100 != 2 && code != 354) {
        return;
    }
    switch (command) {
    case SAID_EHLO:
    case SAID_HELO:
        session->has_ehlo = true;
        forget_mail(session);
        break;
    case SAID_STARTTLS:
        session->expects_tls = code == 220;
        break;
    case SAID_AUTH:
    case SAID_ANSWER:
        session->has_auth = code == 235;
        break;
    case SAID_MAIL:
        session->has_mail = true;
        break;
    case SAID_RCPT:
        index = find_recipient(device, line);
        session->accepted |= (uint16_t)(index >= 0 ? 1U << index : 0);
        break;
    case SAID_DATA:
        session->is_data = code == 354;
        session->is_right = true;
        session->at = 0;
        session->dot_state = 0;
        break;
    case SAID_RSET:
        forget_mail(session);
        break;
    case SAID_QUIT:
        server_ends(device, END_FIN, 0);
        break;
    case SAID_NOTHING:
    case SAID_GREETING:
    case SAID_DOT:
    case COMMAND_KIND_COUNT:
        break;
    }
}

static command_t read_command(const session_t *session, const char *line)
{
    static const struct {
        const char *word;
        command_t command;
    } words[] = {
        { "EHLO ", SAID_EHLO }, { "HELO ", SAID_HELO }, { "STARTTLS", SAID_STARTTLS }, { "AUTH ", SAID_AUTH },
        { "MAIL FROM:", SAID_MAIL }, { "RCPT TO:", SAID_RCPT }, { "DATA", SAID_DATA }, { "RSET", SAID_RSET }, { "QUIT", SAID_QUIT },
    };

    if (session->auth_step != 0) {
        return SAID_ANSWER;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strncmp(line, words[i].word, strlen(words[i].word)) == 0) {
            return words[i].command;
        }
    }
    return SAID_NOTHING;
}

static void hear_line(device_t *device, const char *line)
{
    session_t *session = &device->session;
    command_t command = read_command(session, line);
    outcome_t outcome;
    int refusal;

    if (fault(device, FAULT_CRASH_BEFORE)) {
        crash(device);
        return;
    }
    if (command != SAID_QUIT && fault(device, FAULT_REPLY_UNASKED)) {
        say(device, 421, "4.3.2 closing");
        server_ends(device, END_FIN, 0);
        return;
    }
    outcome = hear_command(device, command, line);
    refusal = draw_refusal(device, command);
    if (refusal != 0 && command != SAID_QUIT) {
        outcome = reply_of(refusal, refusal % 2 == 0 ? "because" : "");
        session->auth_step = 0;
    }
    if (planned() != NULL && (planned()[0] == '4' || planned()[0] == '5')) {
        outcome = reply_of(550, ""); /* who refuses does not act */
        session->auth_step = 0;
    }
    if (outcome.code == 250 && command == SAID_EHLO) {
        commit(device, command, line, 250);
        say_ehlo(device);
        return;
    }
    if (command == SAID_QUIT) {
        say(device, outcome.code, outcome.words);
        commit(device, command, line, outcome.code);
        return;
    }
    commit(device, command, line, outcome.code);
    if (fault(device, FAULT_CRASH_AFTER)) {
        crash(device);
        return;
    }
    say(device, outcome.code, outcome.words);
    if (outcome.code == 421) {
        server_ends(device, END_FIN, 0);
    } else if (outcome.code == 220 && fault(device, FAULT_TLS_INJECTED)) {
        server_says(device, "250 injected\r\n", 14, 0);
    }
}

/* The end of data: taken, if the reply says so and is one. */
static void hear_end_of_data(device_t *device)
{
    session_t *session = &device->session;
    uint16_t accepted = session->accepted;
    bool is_whole = session->is_right && session->at == device->wire_size;
    int refusal;

    session->is_data = false;
    forget_mail(session);
    if (fault(device, FAULT_CRASH_BEFORE)) {
        crash(device);
        return;
    }
    refusal = accepted == 0 ? 554 : draw_refusal(device, SAID_DOT);
    if (planned() != NULL && (planned()[0] == '4' || planned()[0] == '5')) {
        refusal = 554; /* who refuses has not taken it */
    }
    if (refusal != 0 && refusal / 100 != 2) {
        say(device, refusal, "not this one");
        if (refusal == 421) {
            server_ends(device, END_FIN, 0);
        }
        return;
    }
    witness_took(device, accepted, is_whole);
    if (fault(device, FAULT_CRASH_AFTER)) {
        crash(device);
        return;
    }
    say(device, refusal != 0 ? refusal : 250, "2.0.0 queued");
}

/* One octet of content, its dots taken out (RFC 5321 4.5.2), against what it should be. */
static void compare(device_t *device, uint8_t octet)
{
    session_t *session = &device->session;

    if (session->at >= device->wire_size || device->wire[session->at] != octet) {
        session->is_right = false;
    }
    session->at++;
}

enum { DOT_AT_START, DOT_WITHIN, DOT_CR, DOT_DOT, DOT_DOT_CR };

static void hear_content(device_t *device, uint8_t octet)
{
    session_t *session = &device->session;

    switch (session->dot_state) {
    case DOT_AT_START:
        if (octet == '.') {
            session->dot_state = DOT_DOT;
            return;
        }
        break;
    case DOT_DOT:
        if (octet == '\r') {
            session->dot_state = DOT_DOT_CR;
            return;
        }
        break; /* the dot in front was added: what follows is the line */
    case DOT_DOT_CR:
        if (octet == '\n') {
            session->dot_state = DOT_AT_START;
            hear_end_of_data(device);
            return;
        }
        compare(device, '\r');
        break;
    default:
        break;
    }
    compare(device, octet);
    session->dot_state = octet == '\r' ? DOT_CR : octet == '\n' && session->dot_state == DOT_CR ? DOT_AT_START : DOT_WITHIN;
}

void server_hears(device_t *device, const uint8_t *bytes, size_t size)
{
    session_t *session = &device->session;

    if (session->is_data && fault(device, FAULT_REFUSED_EARLY)) {
        static const int codes[] = { 552, 450, 421 };

        say(device, codes[below(&device->rng, 3)], "that is enough");
        session->is_deaf = true; /* and it throws away what still comes */
    }
    for (size_t i = 0; i < size && !session->is_deaf; i++) {
        if (session->is_data) {
            hear_content(device, bytes[i]);
        } else if (bytes[i] == '\n' && session->line_size > 0 && session->line[session->line_size - 1] == '\r') {
            session->line[session->line_size - 1] = '\0';
            session->line_size = 0;
            hear_line(device, session->line);
        } else if (session->line_size + 1 < LINE_BYTES) {
            session->line[session->line_size++] = (char)bytes[i];
        }
    }
}

void server_greets(device_t *device)
{
    int refusal;

    if (fault(device, FAULT_CRASH_BEFORE)) {
        crash(device);
        return;
    }
    refusal = draw_refusal(device, SAID_GREETING);
    say(device, refusal != 0 && refusal / 100 != 2 ? refusal : 220, "here");
    if (refusal == 421) {
        server_ends(device, END_FIN, 0);
    }
}

void server_accepts(device_t *device)
{
    session_t *session = &device->session;

    memset(session, 0, offsetof(session_t, line));
    session->host = device->stream.host;
    session->expects_tls = device->stream.peer.port == IMPLICIT_PORT; /* then the greeting comes inside */
    if (!session->expects_tls) {
        server_greets(device);
    }
}
