/*
 * Plays whole SMTP sessions from files that a postmaster could read aloud.
 *
 *     # what it is about, and the rows of the conformance list that it shows
 *     ! recipient ops@example.net         setting up; see set_up() below
 *     S: 220 mx.example.net               the server says a line; "S| a\r\n" says octets as written
 *     C: EHLO device.example.org          the client says a line, and nothing else before the server speaks
 *     ...                                 the client would have more to say here, but is interrupted
 *     ~ secured verified                  TLS: verified, encrypted, failed, untrusted
 *     + 301 s                             time passes
 *     ! close | reset | stop | next | quit | size-is N (of the next mail)  | poll | peek (the client has
 *                                         nothing to say; something, that does not leave yet)
 *     = ops@example.net accepted 250 2.0.0 "queued"      held, and @stage may follow
 *     = end done, closed
 *
 * Each file is replayed whole and octet by octet, in both directions, with a large room and a small one. Octet by octet,
 * the session is also killed after every octet ("! long": after some), in each way there is: reset, close, time-out, stop, nonsense, 421. No
 * end may claim more, or less, than what the wire shows.
 */
#include <mailmote/smtp.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_COUNT = 1000, LINE_BYTES = 8192, RECIPIENT_COUNT = 128, ROOM_BYTES = 4096, TEXT_BYTES = 64, WORD_BYTES = 512, MESSAGE_BYTES = 65536 };

typedef struct line {
    int number;
    char kind; /* S, C, and ~ + ! = . as in the file */
    char text[LINE_BYTES];
    size_t size;
} line_t;

/* What an onlooker of the wire knows, and nothing else. */
typedef struct onlooker {
    char said[16]; /* the beginning of the client's line at hand */
    size_t said_size;
    char heard[5];
    size_t heard_size;   /* octets of the server's line at hand */
    bool is_reply_open;  /* a reply has begun and not ended */
    int data_count;    /* DATA commands not answered yet */
    bool is_content;   /* between 354 and the end of data */
    bool is_dot_open; /* the end of data has left and no reply to it came */
    bool is_accepted; /* a 2yz came to an end of data */
    bool is_early;    /* the reply at hand began before the end of data had left */
} onlooker_t;

typedef struct source {
    mote_source_t source;
    size_t offset;
    size_t piece_bytes;
    size_t fail_offset;
    bool waits;    /* says PENDING before each piece */
    bool has_waited;
} source_t;

/* Everything that changes in a session, in one place: a copy of it is a moment to come back to. */
typedef struct world {
    mote_smtp_t smtp;
    mote_mail_t mail;
    source_t source;
    onlooker_t onlooker;
    uint32_t now_ms;
    const uint8_t *lent; /* octets lent and not taken yet */
    size_t lent_size;
    size_t line_index;
    int flight_count;
    int lend_count;
    mote_recipient_t recipients[RECIPIENT_COUNT]; /* from here on, only what is used is copied */
    uint8_t texts[RECIPIENT_COUNT][TEXT_BYTES];
    uint8_t room[ROOM_BYTES];
} world_t;

typedef struct mode {
    const char *name;
    size_t room_bytes;
    bool is_octets_in;
    bool is_octets_out;
    bool is_killed;
} mode_t_;

static struct script {
    const char *path;
    line_t lines[LINE_COUNT];
    size_t line_count;
    mote_smtp_settings_t settings;
    mote_timeouts_t timeouts;
    mote_observer_t observer;
    mote_hop_t hop;
    mote_ip_t own_ip;
    mote_protection_t protection;
    bool in_clear;
    char words[8][WORD_BYTES]; /* what settings borrow */
    char addresses[RECIPIENT_COUNT][300];
    uint16_t recipient_count;
    char reverse_path[300];
    char message[MESSAGE_BYTES];
    size_t message_size;
    mote_credentials_t credentials;
    uint8_t secret[WORD_BYTES * 2];
    size_t secret_size;
    size_t room_bytes;
    int flight_count;
    bool is_long;
} script;

static world_t world;
static world_t moment;
static const mode_t_ *mode;

static void fail(const char *format, ...)
{
    va_list arguments;
    int number = world.line_index < script.line_count ? script.lines[world.line_index].number : 0;

    fprintf(stderr, "%s:%d: (%s) ", script.path, number, mode != NULL ? mode->name : "reading");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    exit(1);
}

/* ---- reading a file --------------------------------------------------------------------------------- */

/* \{abc*3} is abcabcabc. */
static void expand(char *text)
{
    static char plain[LINE_BYTES];
    size_t size = 0;

    for (const char *from = text; *from != '\0' && size < sizeof plain - 1; from++) {
        if (from[0] == '\\' && from[1] == '{') {
            size_t part = strcspn(from + 2, "*");

            for (long count = strtol(from + 2 + part + 1, NULL, 10); count > 0 && size + part < sizeof plain; count--) {
                memcpy(plain + size, from + 2, part);
                size += part;
            }
            from += strcspn(from, "}");
        } else {
            plain[size++] = *from;
        }
    }
    memcpy(text, plain, size);
    text[size] = '\0';
}

/* Takes \r \n \t \0 \xHH and \\ for what they mean; returns the size. */
static size_t unescape(char *text)
{
    char *to = text;

    expand(text);
    for (const char *from = text; *from != '\0'; from++) {
        char octet = *from;

        if (octet == '\\' && from[1] != '\0') {
            char name = *++from;

            octet = name == 'r' ? '\r' : name == 'n' ? '\n' : name == 't' ? '\t' : name == '0' ? '\0' : name;
            if (name == 'x') {
                char digits[3] = { from[1], from[2], '\0' };

                octet = (char)strtoul(digits, NULL, 16);
                from += 2;
            }
        }
        *to++ = octet;
    }
    *to = '\0';
    return (size_t)(to - text);
}

/* Removes quotes at both ends, if there are any. */
static char *unquote(char *text)
{
    size_t size = strlen(text);

    if (size >= 2 && text[0] == '"' && text[size - 1] == '"') {
        text[size - 1] = '\0';
        return text + 1;
    }
    return text;
}

static bool begins(const char *text, const char *word, char **rest)
{
    size_t size = strlen(word);

    if (strncmp(text, word, size) != 0 || (text[size] != '\0' && text[size] != ' ')) {
        return false;
    }
    *rest = (char *)text + size + (text[size] == ' ' ? 1 : 0);
    return true;
}

static const char *keep(int slot, const char *text)
{
    snprintf(script.words[slot], sizeof script.words[slot], "%s", text);
    return script.words[slot];
}

static void add_recipient(const char *address)
{
    if (script.recipient_count == RECIPIENT_COUNT) {
        fail("too many recipients");
    }
    snprintf(script.addresses[script.recipient_count++], sizeof script.addresses[0], "%s", address);
}

static int choose(const char *word, const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(word, words[i]) == 0) {
            return i;
        }
    }
    fail("\"%s\" is none of the words known here", word);
    return 0;
}

static mote_status_t give_credentials(void *self, const mote_hop_t *hop, mote_credentials_t *credentials)
{
    (void)self;
    if (hop != &script.hop) {
        fail("credentials asked for another hop");
    }
    *credentials = script.credentials;
    return MOTE_OK;
}

static mote_status_t refuse_credentials(void *self, const mote_hop_t *hop, mote_credentials_t *credentials)
{
    (void)self, (void)hop, (void)credentials;
    return MOTE_ERR_AUTH;
}

static void set_up_auth(char *rest)
{
    char user[WORD_BYTES] = "", password[WORD_BYTES] = "", mechanisms[32] = "plain,login";
    uint8_t plain[WORD_BYTES * 2] = { 0 };
    mote_writer_t out = mote_writer(script.secret, sizeof script.secret);
    mote_base64_encoder_t encoder = mote_base64_encoder(&out);
    size_t size = 1;

    (void)sscanf(rest, "%511s %511s %31s", user, password, mechanisms);
    if (strncmp(password, "x*", 2) == 0) { /* a long one */
        size_t count = (size_t)atoi(password + 2);

        memset(password, 'x', count);
        password[count] = '\0';
    }
    script.credentials.user = mote_span_text(keep(2, user));
    script.credentials.password = mote_span_text(keep(3, password));
    script.hop.credentials = give_credentials;
    script.hop.mechanisms = (uint8_t)((strstr(mechanisms, "plain") != NULL ? MOTE_AUTH_PLAIN : 0) |
                                      (strstr(mechanisms, "login") != NULL ? MOTE_AUTH_LOGIN : 0));
    memcpy(plain + size, user, strlen(user));
    size += strlen(user) + 1;
    memcpy(plain + size, password, strlen(password));
    size += strlen(password);
    mote_base64_put(&encoder, mote_span(plain, size));
    mote_base64_finish(&encoder);
    script.secret_size = out.size;
}

static void set_timeout(const char *rest)
{
    static const char *const names[] = { "connect", "greeting", "ehlo",  "starttls", "auth",  "mail", "rcpt",
                                         "data",    "block",    "final", "reset",    "quit",  NULL };
    char name[32];
    unsigned seconds;

    if (sscanf(rest, "%31s %u", name, &seconds) != 2) {
        fail("! timeout NAME SECONDS");
    }
    ((uint16_t *)&script.timeouts)[choose(name, names)] = (uint16_t)seconds;
    script.settings.timeouts = &script.timeouts;
}

static void set_message(char *rest)
{
    static char word[LINE_BYTES];
    unsigned count = 1;
    size_t size;

    if (sscanf(rest, "%u times \"", &count) == 1) {
        rest = strchr(rest, '"');
        script.is_long = true;
    }
    snprintf(word, sizeof word, "%s", rest);
    rest = unquote(word);
    size = unescape(rest);
    for (script.message_size = 0; count > 0; count--, script.message_size += size) {
        if (script.message_size + size > sizeof script.message) {
            fail("message too long");
        }
        memcpy(script.message + script.message_size, rest, size);
    }
}

/* Lines that begin with "!" and set something up. False: it is something that happens. */
static bool set_up(char *text)
{
    static const char *const tls[] = { "verified", "required", "opportunistic", "none", NULL };
    static const char *const known[] = { "unknown", "no", "yes", NULL };
    static const char *const protections[] = { "none", "encrypted", "verified", NULL };
    mote_source_t *source = &world.source.source;
    char *rest;

    if (begins(text, "recipient", &rest)) {
        add_recipient(rest);
    } else if (begins(text, "recipients", &rest)) {
        for (int i = 1; i <= atoi(rest); i++) {
            char address[40];

            snprintf(address, sizeof address, "r%d@example.net", i);
            add_recipient(address);
        }
    } else if (begins(text, "sender", &rest)) {
        snprintf(script.reverse_path, sizeof script.reverse_path, "%s", strcmp(rest, "<>") == 0 ? "" : rest);
    } else if (begins(text, "message", &rest)) {
        set_message(rest);
    } else if (begins(text, "size", &rest)) {
        source->wire_size = atoi(rest);
    } else if (begins(text, "8bit", &rest)) {
        source->is_8bit = (uint8_t)choose(rest, known);
    } else if (begins(text, "lf-lines", &rest)) {
        source->has_lf_lines = true;
    } else if (begins(text, "pieces", &rest)) {
        world.source.piece_bytes = (size_t)atoi(rest);
    } else if (begins(text, "waits", &rest)) {
        world.source.waits = true;
    } else if (begins(text, "source-fails", &rest)) {
        world.source.fail_offset = (size_t)atoi(rest);
    } else if (begins(text, "hello", &rest)) {
        script.settings.hello_name = mote_span_text(keep(0, rest));
    } else if (begins(text, "address", &rest)) {
        script.settings.hello_name = mote_span(NULL, 0);
        if (mote_ip_parse(mote_span_text(rest), &script.own_ip) != MOTE_OK) {
            fail("not an address");
        }
    } else if (begins(text, "relay", &rest)) {
        script.hop.host = mote_span_text(keep(1, rest));
    } else if (begins(text, "tls", &rest)) {
        script.hop.tls = (uint8_t)choose(rest, tls);
    } else if (begins(text, "implicit", &rest)) {
        script.hop.implicit = true;
        script.protection = (mote_protection_t)choose(rest, protections);
    } else if (begins(text, "in-clear", &rest)) {
        script.in_clear = true;
    } else if (begins(text, "auth", &rest)) {
        set_up_auth(rest);
    } else if (begins(text, "no-credentials", &rest)) {
        script.hop.credentials = refuse_credentials;
    } else if (begins(text, "plaintext-auth", &rest)) {
        script.hop.allows_plaintext_auth = true;
    } else if (begins(text, "probe", &rest)) {
        script.settings.is_probe = true;
    } else if (begins(text, "keep", &rest)) {
        script.settings.keeps_stream = true;
    } else if (begins(text, "timeout", &rest)) {
        set_timeout(rest);
    } else if (begins(text, "room", &rest)) {
        script.room_bytes = (size_t)atoi(rest);
    } else if (begins(text, "long", &rest)) {
        script.is_long = true;
    } else if (begins(text, "flights", &rest)) {
        script.flight_count = atoi(rest);
    } else {
        return false;
    }
    return true;
}

static void add_line(int number, char kind, const char *text, size_t size)
{
    line_t *line = &script.lines[script.line_count];

    if (script.line_count == LINE_COUNT || size >= sizeof line->text) {
        fail("too long");
    }
    line->number = number;
    line->kind = kind;
    line->size = size;
    memcpy(line->text, text, size);
    line->text[size] = '\0';
    script.line_count++;
}

static void read_line(int number, char *text)
{
    size_t size = strcspn(text, "\n");

    text[size] = '\0';
    world.line_index = script.line_count;
    if (size == 0 || text[0] == '#') {
        return;
    }
    if ((text[0] == 'S' || text[0] == 'C') && text[1] == ':') {
        size_t start = text[2] == ' ' ? 3 : 2;

        memcpy(text + size, "\r\n", 3);
        add_line(number, text[0], text + start, size - start + 2);
    } else if ((text[0] == 'S' || text[0] == 'C') && text[1] == '|') {
        size = unescape(text + 3);
        add_line(number, text[0], text + 3, size);
    } else if (strcmp(text, "...") == 0) {
        add_line(number, '.', text, size);
    } else if (strchr("~+=", text[0]) != NULL && text[1] == ' ') {
        add_line(number, text[0], text + 2, size - 2);
    } else if (text[0] == '!' && text[1] == ' ') {
        if (!set_up(text + 2)) {
            add_line(number, '!', text + 2, size - 2);
        }
    } else {
        fprintf(stderr, "%s:%d: not a line of a dialogue\n", script.path, number);
        exit(1);
    }
}

static void watch(void *self, mote_event_t event, mote_span_t bytes, uint32_t now_ms);

static void read_script(const char *path)
{
    FILE *file = fopen(path, "r");
    static char text[LINE_BYTES]; /* a line, and room for its CRLF or for what it repeats */
    int number = 0;

    memset(&script, 0, sizeof script);
    memset(&world, 0, sizeof world);
    script.path = path;
    script.settings.hello_name = mote_span_text(keep(0, "device.example.org"));
    script.observer.tell = watch;
    script.settings.observer = &script.observer;
    script.hop.port = 25;
    script.hop.tls = MOTE_TLS_NONE;
    snprintf(script.reverse_path, sizeof script.reverse_path, "sensor@example.org");
    world.source.source.wire_size = MOTE_SIZE_UNKNOWN;
    world.source.fail_offset = SIZE_MAX;
    world.source.piece_bytes = SIZE_MAX;
    script.message_size = sizeof "Subject: alarm\r\n\r\nHot.\r\n" - 1;
    memcpy(script.message, "Subject: alarm\r\n\r\nHot.\r\n", script.message_size);
    if (file == NULL) {
        fail("cannot be read");
    }
    while (fgets(text, sizeof text - 2, file) != NULL) {
        read_line(++number, text);
    }
    fclose(file);
    if (script.recipient_count == 0) {
        add_recipient("ops@example.net");
    }
}

/* ---- the wire, as an onlooker sees it ---------------------------------------------------------------- */

static void see_said(const uint8_t *bytes, size_t size)
{
    onlooker_t *onlooker = &world.onlooker;

    for (size_t i = 0; i < size; i++) {
        if (onlooker->said_size < sizeof onlooker->said - 1) {
            onlooker->said[onlooker->said_size] = (char)bytes[i];
        }
        onlooker->said_size++;
        if (bytes[i] != '\n') {
            continue;
        }
        onlooker->said[sizeof onlooker->said - 1] = '\0';
        if (onlooker->is_content && onlooker->said_size == 3 && onlooker->said[0] == '.') {
            onlooker->is_content = false;
            onlooker->is_dot_open = true;
        } else if (!onlooker->is_content && memcmp(onlooker->said, "DATA\r\n", 6) == 0) {
            onlooker->data_count++;
        }
        onlooker->said_size = 0;
    }
}

static void see_heard(uint8_t octet)
{
    onlooker_t *onlooker = &world.onlooker;

    if (onlooker->heard_size < 4) {
        onlooker->heard[onlooker->heard_size] = (char)octet;
    }
    if (!onlooker->is_reply_open) {
        onlooker->is_early = !onlooker->is_dot_open;
        onlooker->is_reply_open = true;
    }
    onlooker->heard_size++;
    if (octet != '\n') {
        return;
    }
    onlooker->heard_size = 0;
    if (onlooker->heard[3] == '-') {
        return;
    }
    onlooker->is_reply_open = false;
    if (onlooker->is_dot_open) {
        onlooker->is_accepted |= onlooker->heard[0] == '2' && !onlooker->is_early;
        onlooker->is_dot_open = false;
    } else if (memcmp(onlooker->heard, "354", 3) == 0 && onlooker->data_count > 0) {
        onlooker->data_count = 0;
        onlooker->is_content = true;
    }
}

/* Whether bytes stand in a text. */
static bool holds(const uint8_t *text, size_t text_size, const void *bytes, size_t size)
{
    const uint8_t *end = text + text_size;

    while (size > 0 && (size_t)(end - text) >= size) {
        text = memchr(text, *(const uint8_t *)bytes, (size_t)(end - text) - size + 1);
        if (text == NULL) {
            return false;
        }
        if (memcmp(text, bytes, size) == 0) {
            return true;
        }
        text++;
    }
    return false;
}

/* The observer: secrets are never told. */
static void watch(void *self, mote_event_t event, mote_span_t bytes, uint32_t now_ms)
{
    const mote_span_t *password = &script.credentials.password;
    size_t part = script.secret_size > 24 ? 24 : script.secret_size;

    (void)self, (void)event;
    if (now_ms != world.now_ms) {
        fail("an event at another time");
    }
    if (holds(bytes.data, bytes.size, script.secret + (script.secret_size - part), part) ||
        holds(bytes.data, bytes.size, password->data, password->size)) {
        fail("the observer was told a secret");
    }
}

/* ---- what must be true at any moment ------------------------------------------------------------------ */

static void check_claims(void)
{
    for (uint16_t i = 0; i < world.mail.recipient_count; i++) {
        const mote_recipient_t *recipient = &world.recipients[i];

        if (recipient->verdict == MOTE_VERDICT_ACCEPTED && !script.settings.is_probe && !world.onlooker.is_accepted) {
            fail("%s is called accepted without a 2yz to the end of data", script.addresses[i]);
        }
        if (recipient->text.size > TEXT_BYTES) {
            fail("a text grew beyond its room");
        }
        for (size_t at = 0; at < recipient->text.size; at++) {
            if (recipient->text.data[at] < ' ' || recipient->text.data[at] > '~') {
                fail("a text holds an octet that is not printable");
            }
        }
    }
}

static void check_end(void)
{
    mote_smtp_end_t end = mote_smtp_end(&world.smtp);

    if (mote_smtp_state(&world.smtp) != MOTE_SMTP_ENDED) {
        fail("the session goes on");
    }
    for (uint16_t i = 0; i < world.mail.recipient_count; i++) {
        if (world.recipients[i].verdict == MOTE_VERDICT_PENDING && end != MOTE_SMTP_NEXT_HOST && end != MOTE_SMTP_IN_CLEAR) {
            fail("%s has no verdict", script.addresses[i]);
        }
        if (world.recipients[i].verdict == MOTE_VERDICT_PENDING && world.recipients[i].report.stage == MOTE_STAGE_NONE) {
            fail("%s has no report", script.addresses[i]);
        }
        if (world.recipients[i].verdict == MOTE_VERDICT_IN_DOUBT && moment.recipients[i].verdict != MOTE_VERDICT_IN_DOUBT &&
            !moment.onlooker.is_dot_open) {
            fail("%s is in doubt without an end of data", script.addresses[i]);
        }
    }
    if (end == MOTE_SMTP_RUNNING) {
        fail("ended without an end");
    }
    if (script.secret_size >= 16 && holds(world.room, mode->room_bytes, script.secret, 16)) {
        fail("ended, and the room still holds a secret");
    }
    check_claims();
}

/* The end of data has left unanswered: whoever was received is in doubt, whatever killed the session. */
static void check_doubt(void)
{
    for (uint16_t i = 0; i < world.mail.recipient_count; i++) {
        if (moment.onlooker.is_dot_open && moment.recipients[i].phase == MOTE_PHASE_RECEIVED &&
            moment.recipients[i].verdict == MOTE_VERDICT_PENDING &&
            world.recipients[i].verdict != MOTE_VERDICT_IN_DOUBT) {
            fail("%s is called %s with the end of data unanswered", script.addresses[i],
                 mote_verdict_text((mote_verdict_t)world.recipients[i].verdict));
        }
    }
}

static void say_to_client(const char *text)
{
    (void)mote_smtp_input(&world.smtp, mote_span_text(text), world.now_ms);
}

static void die_by(int way)
{
    bool is_secure = mote_smtp_state(&world.smtp) == MOTE_SMTP_AWAIT_SECURE;
    bool is_content = world.onlooker.is_content;
    mote_recipient_t before;

    switch (way) {
    case 0:
        mote_smtp_lost(&world.smtp, MOTE_ERR_RESET, world.now_ms);
        break;
    case 1:
        mote_smtp_lost(&world.smtp, MOTE_CLOSED, world.now_ms);
        break;
    case 2:
        mote_smtp_stop(&world.smtp, MOTE_ERR_STOPPED, world.now_ms);
        for (uint16_t i = 0; i < world.mail.recipient_count; i++) {
            if (world.recipients[i].verdict == MOTE_VERDICT_PENDING) {
                fail("stopped, and %s has no verdict", script.addresses[i]);
            }
        }
        break;
    case 3:
        if (mote_smtp_state(&world.smtp) == MOTE_SMTP_AWAIT_MORE) {
            return;
        }
        world.now_ms += mote_smtp_tick(&world.smtp, world.now_ms);
        (void)mote_smtp_tick(&world.smtp, world.now_ms);
        break;
    case 4:
        if (world.onlooker.is_reply_open) {
            return; /* nonsense within a reply may be its text */
        }
        say_to_client("SSH-2.0-nonsense\r\n");
        break;
    default: /* SMTP-23: a 421 in any state */
        if (world.onlooker.is_reply_open || is_secure) {
            return;
        }
        before = world.recipients[0];
        say_to_client("421 4.3.2 closing\r\n");
        for (uint16_t i = 0; i < world.mail.recipient_count; i++) {
            if (world.recipients[i].verdict == MOTE_VERDICT_IN_DOUBT || world.recipients[i].verdict == MOTE_VERDICT_PERMANENT) {
                if (moment.recipients[i].verdict == MOTE_VERDICT_PENDING) {
                    fail("a 421 makes %s %s", script.addresses[i],
                         mote_verdict_text((mote_verdict_t)world.recipients[i].verdict));
                }
            }
        }
        if (before.verdict == MOTE_VERDICT_PENDING && before.report.held && !world.recipients[0].report.held) {
            fail("held no more");
        }
        if (mote_smtp_is_cut(&world.smtp) && !is_content) {
            fail("a 421 cuts the session");
        }
        check_end();
        return;
    }
    check_end();
    check_doubt();
}

static void copy_world(world_t *to, const world_t *from)
{
    memcpy(to, from, offsetof(world_t, recipients));
    memcpy(to->recipients, from->recipients, script.recipient_count * sizeof from->recipients[0]);
    memcpy(to->texts, from->texts, script.recipient_count * sizeof from->texts[0]);
    memcpy(to->room, from->room, mode->room_bytes);
}

/* Kills the session in each way there is, and comes back to this moment. In long dialogues not at every octet. */
static void die_here(void)
{
    static unsigned count;

    if (!mode->is_killed || mote_smtp_state(&world.smtp) == MOTE_SMTP_ENDED || (script.is_long && ++count % 31 != 0)) {
        return;
    }
    copy_world(&moment, &world);
    for (int way = 0; way < 6; way++) {
        die_by(way);
        copy_world(&world, &moment);
    }
}

static void look(void)
{
    uint32_t wait_ms = mote_smtp_tick(&world.smtp, world.now_ms);

    if (wait_ms == 0 && mote_smtp_state(&world.smtp) != MOTE_SMTP_ENDED) {
        fail("a deadline has come though no time has passed");
    }
    check_claims();
}

/* ---- playing ------------------------------------------------------------------------------------------- */

static mote_status_t rewind_source(void *self)
{
    source_t *source = self;

    source->offset = 0;
    return MOTE_OK;
}

static mote_status_t next_of_source(void *self, mote_span_t *piece)
{
    source_t *source = self;
    size_t size = script.message_size - source->offset;

    if (source->waits && !source->has_waited) {
        source->has_waited = true;
        return MOTE_PENDING;
    }
    source->has_waited = false;
    if (source->offset >= source->fail_offset) {
        return MOTE_ERR_SOURCE;
    }
    if (size == 0) {
        return MOTE_CLOSED;
    }
    size = size < source->piece_bytes ? size : source->piece_bytes;
    size = size < source->fail_offset - source->offset ? size : source->fail_offset - source->offset;
    *piece = mote_span(script.message + source->offset, size);
    source->offset += size;
    return MOTE_OK;
}

static void set_up_mail(void)
{
    world.mail.reverse_path = mote_span_text(script.reverse_path);
    world.mail.recipients = world.recipients;
    world.mail.recipient_count = script.recipient_count;
    world.mail.source = &world.source.source;
    world.source.source.rewind = rewind_source;
    world.source.source.next = next_of_source;
    world.source.source.self = &world.source;
    memset(world.recipients, 0, sizeof world.recipients);
    for (uint16_t i = 0; i < script.recipient_count; i++) {
        world.recipients[i].address = mote_span_text(script.addresses[i]);
        world.recipients[i].text.data = world.texts[i];
        world.recipients[i].text.capacity = TEXT_BYTES;
        world.recipients[i].phase = MOTE_PHASE_CHOSEN;
    }
}

/* What is lent stays where it is, and may only grow. */
static void check_lent(mote_span_t bytes)
{
    if (world.lent_size > 0 && (bytes.data != world.lent || bytes.size < world.lent_size)) {
        fail("octets lent have moved");
    }
    world.lent = bytes.data;
    world.lent_size = bytes.size;
}

/* The client says what this line expects; then the next one. Returns false when it has nothing to say. */
static void expect_said(const line_t *line)
{
    size_t done = 0;
    int wait_count = 0;

    while (done < line->size) {
        mote_span_t bytes;
        unsigned flags;
        size_t size;

        if (mote_smtp_output(&world.smtp, world.now_ms, &bytes, &flags) != MOTE_OK) {
            if (world.source.waits && wait_count++ < 1000) {
                continue;
            }
            fail("the client is silent (%s); expected %s", mote_smtp_state_text(mote_smtp_state(&world.smtp)), line->text);
        }
        world.lend_count += world.lent_size == 0 ? 1 : 0;
        check_lent(bytes);
        size = bytes.size < line->size - done ? bytes.size : line->size - done;
        size = mode->is_octets_out ? 1 : size;
        if (memcmp(bytes.data, line->text + done, size) != 0) {
            fail("the client says \"%.*s\"; expected \"%s\"", (int)bytes.size, (const char *)bytes.data, line->text + done);
        }
        see_said(bytes.data, size);
        mote_smtp_sent(&world.smtp, size, world.now_ms);
        world.lent += size;
        world.lent_size -= size;
        done += size;
        if (world.lent_size == 0 && !world.source.waits) { /* MORE says whether another lend follows at once */
            mote_span_t next;
            unsigned next_flags;
            bool has_more = mote_smtp_output(&world.smtp, world.now_ms, &next, &next_flags) == MOTE_OK;

            if (mote_smtp_state(&world.smtp) != MOTE_SMTP_ENDED && has_more != ((flags & MOTE_OUTPUT_MORE) != 0)) {
                fail("MORE is %s", has_more ? "missing" : "said for nothing");
            }
        }
        look();
        die_here();
    }
}

/* The client is about to say something; not an octet of it leaves yet. */
static void peek(void)
{
    mote_span_t bytes;
    unsigned flags;

    if (mote_smtp_output(&world.smtp, world.now_ms, &bytes, &flags) != MOTE_OK) {
        fail("the client has nothing to say");
    }
}

/* The client has said all it wants to say now. */
static void expect_silence(void)
{
    mote_span_t bytes;
    unsigned flags;

    if (mote_smtp_output(&world.smtp, world.now_ms, &bytes, &flags) == MOTE_OK) {
        fail("the client says \"%.*s\" here", (int)bytes.size, (const char *)bytes.data);
    }
}

static void check_flight(void)
{
    if (world.lend_count > 1 && mode->room_bytes == ROOM_BYTES && !script.is_long && !world.source.waits) {
        fail("a flight left in %d pieces", world.lend_count); /* PERF-2, PERF-3 */
    }
    world.lend_count = 0;
    if (script.secret_size >= 16 && world.smtp.saying == 0 && holds(world.room, mode->room_bytes, script.secret, 16)) {
        fail("the room still holds a secret");
    }
}

/* The server says all lines in a row that it has to say. */
static void let_hear(size_t *index)
{
    static char bytes[65536];
    size_t size = 0;

    while (*index < script.line_count && script.lines[*index].kind == 'S') {
        if (size + script.lines[*index].size > sizeof bytes) {
            fail("too much at once");
        }
        memcpy(bytes + size, script.lines[*index].text, script.lines[*index].size);
        size += script.lines[*index].size;
        ++*index;
    }
    for (size_t at = 0; at < size && mote_smtp_state(&world.smtp) != MOTE_SMTP_ENDED;) {
        size_t part = mode->is_octets_in ? 1 : size - at;
        size_t used;

        for (size_t i = 0; i < part; i++) {
            see_heard((uint8_t)bytes[at + i]);
        }
        used = mote_smtp_input(&world.smtp, mote_span(bytes + at, part), world.now_ms);
        if (used != part && mote_smtp_state(&world.smtp) != MOTE_SMTP_ENDED) {
            fail("octets were left over");
        }
        at += part;
        look();
        die_here();
    }
}

static void secure(const char *how)
{
    static const char *const words[] = { "verified", "encrypted", "failed", "untrusted", NULL };
    static const mote_status_t statuses[] = { MOTE_OK, MOTE_OK, MOTE_ERR_TLS, MOTE_ERR_TLS_UNTRUSTED };
    int which;
    char *rest;

    if (!begins(how, "secured", &rest)) {
        fail("~ secured HOW");
    }
    which = choose(rest, words);
    if (mote_smtp_state(&world.smtp) != MOTE_SMTP_AWAIT_SECURE) {
        fail("the client does not wait for TLS but is in %s", mote_smtp_state_text(mote_smtp_state(&world.smtp)));
    }
    mote_smtp_secured(&world.smtp, statuses[which], which == 0 ? MOTE_PROTECTION_VERIFIED : MOTE_PROTECTION_ENCRYPTED,
                      world.now_ms);
}

static void pass_time(const char *text)
{
    unsigned long amount = strtoul(text, NULL, 10);
    bool is_ms = strstr(text, "ms") != NULL;

    world.now_ms += (uint32_t)(amount * (is_ms ? 1 : 1000));
    (void)mote_smtp_tick(&world.smtp, world.now_ms);
}

static void let_happen(const char *text)
{
    if (strcmp(text, "close") == 0) {
        mote_smtp_lost(&world.smtp, MOTE_CLOSED, world.now_ms);
    } else if (strcmp(text, "reset") == 0) {
        mote_smtp_lost(&world.smtp, MOTE_ERR_RESET, world.now_ms);
    } else if (strcmp(text, "stop") == 0) {
        mote_smtp_stop(&world.smtp, MOTE_ERR_STOPPED, world.now_ms);
    } else if (strcmp(text, "quit") == 0) {
        mote_smtp_quit(&world.smtp, world.now_ms);
    } else if (strcmp(text, "poll") == 0) {
        expect_silence();
    } else if (strcmp(text, "peek") == 0) {
        peek();
    } else if (strncmp(text, "size-is ", 8) == 0) {
        world.source.source.wire_size = atoi(text + 8);
    } else if (strcmp(text, "next") == 0) {
        set_up_mail();
        world.onlooker.is_accepted = false;
        mote_smtp_next(&world.smtp, &world.mail, world.now_ms);
    } else {
        fail("! %s is not known", text);
    }
}

static void check_session_end(const char *rest)
{
    static const char *const ends[] = { "running", "done", "next-host", "in-clear", NULL };
    char end[32] = "", how[32] = "";

    if (sscanf(rest, "%31[^,], %31s", end, how) < 1) {
        fail("= end HOW, closed|cut");
    }
    if (mote_smtp_end(&world.smtp) != (mote_smtp_end_t)choose(end, ends)) {
        fail("the end is %s", ends[mote_smtp_end(&world.smtp)]);
    }
    if (how[0] != '\0') {
        bool is_cut = strcmp(how, "cut") == 0;

        if (mote_smtp_state(&world.smtp) != MOTE_SMTP_ENDED) {
            fail("the session is in %s", mote_smtp_state_text(mote_smtp_state(&world.smtp)));
        }
        if (mote_smtp_is_cut(&world.smtp) != is_cut) {
            fail("the stream is %s", is_cut ? "closed" : "cut");
        }
    }
}

static mote_stage_t find_stage(const char *word)
{
    for (unsigned i = 0; i < MOTE_STAGE_COUNT; i++) {
        if (strcmp(mote_stage_text((mote_stage_t)i), word) == 0) {
            return (mote_stage_t)i;
        }
    }
    fail("@%s is no stage", word);
    return MOTE_STAGE_NONE;
}

static void check_recipient(uint16_t index, char *rest)
{
    static const char *const verdicts[] = { "pending", "accepted", "transient", "permanent", "in-doubt", NULL };
    const mote_recipient_t *recipient = &world.recipients[index];
    const mote_report_t *report = &recipient->report;
    char *word = strtok(rest, " ");
    unsigned code = 0;
    bool is_held = false;

    if (word == NULL || recipient->verdict != choose(word, verdicts)) {
        fail("%s is %s, code %u, stage %s, status %s", script.addresses[index], verdicts[recipient->verdict], report->code,
             mote_stage_text((mote_stage_t)report->stage), mote_status_text((mote_status_t)report->status));
    }
    while ((word = strtok(NULL, " ")) != NULL) {
        unsigned klass, subject, detail;

        if (strcmp(word, "held") == 0) {
            is_held = true;
        } else if (word[0] == '@') {
            if (find_stage(word + 1) != report->stage) {
                fail("%s is at stage %s", script.addresses[index], mote_stage_text((mote_stage_t)report->stage));
            }
        } else if (sscanf(word, "%u.%u.%u", &klass, &subject, &detail) == 3) {
            if (report->enhanced.klass != klass || report->enhanced.subject != subject || report->enhanced.detail != detail) {
                fail("%s has %u.%u.%u", script.addresses[index], report->enhanced.klass, report->enhanced.subject,
                     report->enhanced.detail);
            }
        } else {
            code = (unsigned)strtoul(word, NULL, 10);
        }
    }
    if (report->code != code || report->held != is_held) {
        fail("%s has code %u%s", script.addresses[index], report->code, report->held ? " and is held" : "");
    }
}

/* = address verdict [code] [enhanced] [held] [@stage] ["words"] */
static void check_result(const line_t *line)
{
    static char text[LINE_BYTES];
    char *quote;
    char *rest;

    memcpy(text, line->text, line->size + 1);
    if (begins(text, "end", &rest)) {
        check_session_end(rest);
        return;
    }
    quote = strchr(text, '"');
    if (quote != NULL) {
        *quote = '\0';
    }
    rest = strchr(text, ' ');
    for (uint16_t i = 0; rest != NULL && i < script.recipient_count; i++) {
        const mote_buffer_t *words = &world.recipients[i].text;

        if (strncmp(script.addresses[i], text, (size_t)(rest - text)) != 0 ||
            script.addresses[i][rest - text] != '\0') {
            continue;
        }
        check_recipient(i, rest + 1);
        if (quote != NULL) {
            size_t size = strcspn(quote + 1, "\"");

            if (words->size != size || memcmp(words->data, quote + 1, size) != 0) {
                fail("the words are \"%.*s\"", (int)words->size, (const char *)words->data);
            }
        }
        return;
    }
    fail("%s is no recipient", text);
}

static void play(const mode_t_ *how)
{
    mote_buffer_t room = { world.room, (uint16_t)how->room_bytes, 0 };
    static source_t source;
    bool is_client = false;
    bool is_interrupted = false;

    if (mode == NULL) {
        source = world.source; /* as it was set up */
    }
    memset(&world, 0, sizeof world);
    world.source = source;
    mode = how;
    world.now_ms = UINT32_MAX - 1000; /* time wraps while we look on */
    set_up_mail();
    mote_smtp_start(&world.smtp, &script.settings, &script.hop, &world.mail, &script.own_ip, room, script.protection,
                    script.in_clear, world.now_ms);
    die_here();
    for (size_t i = 0; i < script.line_count;) {
        const line_t *line = &script.lines[i];

        world.line_index = i;
        if (line->kind == 'C') {
            world.flight_count += is_client ? 0 : 1;
            is_client = true;
            is_interrupted = false;
            expect_said(line);
            i++;
            continue;
        }
        if (line->kind == '=' || line->kind == '.') {
            if (line->kind == '=') {
                check_result(line);
            }
            is_interrupted |= line->kind == '.';
            i++;
            continue;
        }
        if (!is_interrupted && strcmp(line->text, "peek") != 0) {
            expect_silence();
        }
        if (is_client && !is_interrupted) {
            check_flight();
        }
        is_client = false;
        if (line->kind == 'S') {
            let_hear(&i);
            continue;
        }
        if (line->kind == '~') {
            secure(line->text);
        } else if (line->kind == '+') {
            pass_time(line->text);
        } else if (line->kind == '!') {
            let_happen(line->text);
        }
        is_interrupted |= strcmp(line->text, "peek") == 0;
        die_here();
        i++;
    }
    check_claims();
    if (script.flight_count != 0 && world.flight_count != script.flight_count) {
        fail("%d flights", world.flight_count);
    }
}

int main(int argc, char **argv)
{
    static const mode_t_ modes[] = {
        { "whole", ROOM_BYTES, false, false, false },
        { "octets in", ROOM_BYTES, true, false, false },
        { "octets out", ROOM_BYTES, false, true, true },
        { "octets", ROOM_BYTES, true, true, true },
        { "small room", 128, false, false, false },
        { "small room, octets in", 128, true, false, true },
        { "small room, octets", 128, true, true, true },
    };
    int count = 0;

    for (int i = 1; i < argc; i++) {
        mode = NULL;
        read_script(argv[i]);
        for (size_t which = 0; which < sizeof modes / sizeof modes[0]; which++) {
            if (script.room_bytes == 0 || script.room_bytes == modes[which].room_bytes) {
                play(&modes[which]);
            }
        }
        count++;
    }
    printf("%d dialogues\n", count);
    return count > 0 ? 0 : 1;
}
