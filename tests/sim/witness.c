#include "sim.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

/*
 * The witness stands at the port: it reads every octet the library sends and hears, knows the RFCs' rules by its own
 * means, and says what must hold. Conformance section 7 stands here a second time, as what a verdict may be.
 */

bool is_told(const device_t *device)
{
    return device->world->options.is_told;
}

void tell(const device_t *device, const char *format, ...)
{
    va_list arguments;

    if (is_told(device)) {
        printf("%10.3f  ", (double)device->world->now_ms / 1000);
        va_start(arguments, format);
        (void)vprintf(format, arguments);
        va_end(arguments);
        printf("\n");
    }
}

void tell_bytes(const device_t *device, const char *who, const uint8_t *bytes, size_t size)
{
    if (is_told(device)) {
        printf("%10.3f  %s", (double)device->world->now_ms / 1000, who);
        for (size_t i = 0; i < size; i++) {
            if (bytes[i] == '\r' || bytes[i] == '\n') {
                printf("%s", bytes[i] == '\r' ? "\\r" : "\\n");
            } else {
                printf(bytes[i] < ' ' || bytes[i] > '~' ? "\\x%02x" : "%c", bytes[i]);
            }
        }
        printf("\n");
    }
}

void violate(device_t *device, const char *format, ...)
{
    char words[400];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    fail_world(device, format, words);
}

/* ---- who is concerned ------------------------------------------------------------------------------------------ */

static bool is_bit(uint16_t set, unsigned index)
{
    return ((unsigned)set >> index & 1U) != 0;
}

static bool is_first(const device_t *device, unsigned index)
{
    return device->duplicates[index] == index;
}

/* Nothing decisive has happened to this recipient. */
static bool is_open(const witness_t *witness, unsigned index)
{
    return (witness->may[index] & MAY_STAY_OPEN) != 0;
}

/* From here on, of the recipients in the set, those nothing was decided for may be only this. */
static void decide(device_t *device, uint16_t set, unsigned may)
{
    witness_t *witness = &device->witness;

    may = witness->is_vague ? MAY_BE_ANYTHING : may;
    for (unsigned i = 0; i < device->mail.recipient_count; i++) {
        if (is_bit(set, i) && is_open(witness, i)) {
            witness->may[i] = (uint8_t)may;
        }
    }
}

/* A reply came to half a command, of a server out of step: the client may take it for an answer or for nonsense. Of
   this session only the ledger is asked. */
static void get_vague(device_t *device)
{
    witness_t *witness = &device->witness;

    counts.vague += witness->is_vague ? 0 : 1;
    witness->is_vague = true;
    witness->was_vague = true;
    decide(device, witness->chosen, MAY_BE_ANYTHING);
}

static void check_verdicts(device_t *device);

/* The first recipient without a verdict that goes that way (-1: any). */
static unsigned find_pending(const device_t *device, int hop)
{
    unsigned index = 0;

    while (index < device->mail.recipient_count &&
           (device->recipients[index].verdict != MOTE_VERDICT_PENDING || !is_first(device, index) ||
            (hop >= 0 && hop_of_recipient(device, index) != hop))) {
        index++;
    }
    return index;
}

/* A probe of all hosts goes on after the verdicts: to one next hop, for the sim draws no other. */
static bool is_everywhere(const device_t *device)
{
    return device->settings.smtp.is_probe && device->settings.tries_all_hosts;
}

/* Whose turn it is: those of the next hop at hand, then the first without a verdict and all that go its way. */
void witness_hop(device_t *device)
{
    witness_t *witness = &device->witness;
    unsigned lead = find_pending(device, witness->lead == UINT8_MAX ? -1 : hop_of_recipient(device, witness->lead));
    unsigned hop;

    if (is_everywhere(device)) {
        lead = 0;
    }
    if (lead == device->mail.recipient_count) {
        lead = find_pending(device, -1);
    }
    if (lead == device->mail.recipient_count) {
        violate(device, "something is done though every recipient has its verdict");
    }
    hop = hop_of_recipient(device, lead);
    if (witness->lead == UINT8_MAX || hop_of_recipient(device, witness->lead) != hop) {
        check_verdicts(device); /* those of the hop before */
        witness->has_soft = false;
        witness->has_denial = false;
        witness->has_empty_mx = false;
        witness->has_garbage = false;
        witness->hop_addresses = 0;
        witness->hop_sessions = 0;
        witness->tried = 0;
        witness->excused_hosts = 0;
        witness->is_all_excused = false;
        witness->was_vague = false;
    }
    witness->lead = (uint8_t)lead;
    witness->chosen = 0;
    for (unsigned i = 0; i < device->mail.recipient_count; i++) {
        if (is_first(device, i) && hop_of_recipient(device, i) == hop &&
            (is_everywhere(device) ||
             (is_open(witness, i) && device->recipients[i].verdict == MOTE_VERDICT_PENDING))) {
            witness->chosen |= (uint16_t)(1U << i);
        }
    }
}

static const mote_hop_t *hop_at_hand(const device_t *device)
{
    unsigned hop = hop_of_recipient(device, device->witness.lead);

    if (hop != TO_RELAY && hop != TO_DEFAULT_RELAY) {
        return &device->hops[2];
    }
    return &device->hops[device->witness.host == HOST_COUNT - RELAY_COUNT ? 0 : 1];
}

/* ---- the state, for coverage and for what an end means ------------------------------------------------------------ */

static unsigned head_of(const witness_t *witness)
{
    return witness->queue_size > 0 ? witness->queue[0].command : SAID_NOTHING;
}

static unsigned state_of(const device_t *device)
{
    const witness_t *witness = &device->witness;

    if (witness->is_content) {
        return witness->accepted != 0 ? S_CONTENT : S_FINAL; /* a lone dot is due */
    }
    if (device->stream.is_securing && !device->stream.is_secure) {
        return device->stream.peer.port == IMPLICIT_PORT ? S_IMPLICIT_TLS : S_HANDSHAKE;
    }
    switch ((command_t)head_of(witness)) {
    case SAID_GREETING:
        return S_GREETING;
    case SAID_EHLO:
        return witness->is_encrypted ? S_EHLO_TLS : S_EHLO;
    case SAID_HELO:
        return S_HELO;
    case SAID_STARTTLS:
        return S_STARTTLS;
    case SAID_AUTH:
    case SAID_ANSWER:
        return S_AUTH;
    case SAID_MAIL:
        return S_MAIL;
    case SAID_RCPT:
        return S_RCPT;
    case SAID_DATA:
        return witness->auth_failed ? S_DATA_AUTH : witness->accepted == 0 ? S_DATA_NOBODY : S_DATA;
    case SAID_DOT:
        return S_FINAL;
    case SAID_RSET:
        return S_RSET;
    case SAID_QUIT:
        return S_QUIT;
    case SAID_NOTHING:
    case COMMAND_KIND_COUNT:
        break;
    }
    return S_IDLE;
}

static void count_event(const device_t *device, unsigned heard)
{
    counts.states[state_of(device)][heard]++;
}

/* What the end of the link, of patience or of sense means for those concerned (conformance 7). */
static void decide_by_state(device_t *device, bool is_nonsense)
{
    witness_t *witness = &device->witness;
    unsigned head = head_of(witness);

    witness->has_soft = true;
    if (witness->is_drained) {
        decide(device, witness->chosen, MAY_TRANSIENT | MAY_STAY_OPEN);
    } else if (witness->is_content) {
        decide(device, witness->accepted, MAY_TRANSIENT);
    } else if (head == SAID_DOT) {
        decide(device, witness->accepted, MAY_DOUBT);
    } else if (head == SAID_DATA) {
        decide(device, witness->accepted, MAY_TRANSIENT);
    } else if (head == SAID_RCPT) {
        decide(device, witness->chosen, MAY_TRANSIENT);
    } else if (head == SAID_MAIL && is_nonsense) {
        decide(device, witness->chosen, MAY_TRANSIENT);
    } else if (head == SAID_MAIL) {
        return; /* the next host, within the limits */
    } else if (head == SAID_NOTHING && witness->hello != 0) {
        decide(device, witness->chosen, MAY_TRANSIENT | MAY_STAY_OPEN); /* between two commands of a transaction */
    }
}

/* ---- the grammar of commands, written down a second time (RFC 5321 4.1.1) ------------------------------------------- */

static bool is_atom_octet(int octet)
{
    return isalnum(octet) || (octet != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", octet) != NULL);
}

static bool is_domain_text(const char *text, size_t size)
{
    size_t label = 0;

    for (size_t i = 0; i < size; i++) {
        if (text[i] == '.') {
            if (label == 0 || text[i - 1] == '-') {
                return false;
            }
            label = 0;
        } else if (!isalnum((unsigned char)text[i]) && (text[i] != '-' || label == 0)) {
            return false;
        } else if (++label > 63) {
            return false;
        }
    }
    return label > 0 && size <= 255;
}

/* Local part "@" domain; returns its size up to '>', 0: it is none. */
static size_t measure_path(const char *text)
{
    size_t at = 0;

    if (text[0] == '"') {
        for (at = 1; text[at] != '"'; at++) {
            if (text[at] == '\\') {
                at++;
            }
            if (text[at] < ' ' || text[at] > '~') {
                return 0;
            }
        }
        at++;
    } else {
        while (is_atom_octet((unsigned char)text[at]) || (text[at] == '.' && at > 0 && text[at - 1] != '.')) {
            at++;
        }
        if (at == 0 || text[at - 1] == '.') {
            return 0;
        }
    }
    if (strncmp(text, "Postmaster>", 11) == 0) {
        return at; /* 4.1.1.3 */
    }
    if (text[at] != '@' || at > 64) {
        return 0;
    }
    if (text[at + 1] == '[') { /* 4.1.3 */
        size_t size = strspn(text + at + 2, "0123456789abcdefABCDEF:.IPv");

        return text[at + 2 + size] == ']' ? at + 3 + size : 0;
    }
    return is_domain_text(text + at + 1, strcspn(text + at + 1, ">")) ? at + 1 + strcspn(text + at + 1, ">") : 0;
}

static bool is_base64_text(const char *text)
{
    size_t size = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    size_t pad = strspn(text + size, "=");

    return pad <= 2 && (size + pad) % 4 == 0 && text[size + pad] == '\0';
}

static void expect_hello(device_t *device, const char *line)
{
    char wanted[64];
    mote_span_t name = device->settings.smtp.hello_name;

    if (name.size > 0) {
        (void)snprintf(wanted, sizeof wanted, "%.*s", (int)name.size, (const char *)name.data);
    } else if (device->own_address.family == MOTE_FAMILY_IPV4) {
        (void)snprintf(wanted, sizeof wanted, "[198.0.0.7]");
    } else {
        (void)snprintf(wanted, sizeof wanted, "[IPv6:2a00:7::]");
    }
    if (strcmp(line + 5, wanted) != 0) {
        violate(device, "EHLO names '%s', not '%s'", line + 5, wanted);
    }
}

static void expect_mail(device_t *device, const char *line, said_t *said)
{
    witness_t *witness = &device->witness;
    size_t size = strlen(device->reverse_path);
    char wanted[128];

    if (strncmp(line, "MAIL FROM:<", 11) != 0 || strncmp(line + 11, device->reverse_path, size) != 0 || line[11 + size] != '>' ||
        (size > 0 && measure_path(line + 11) != size)) {
        violate(device, "not the reverse-path: %s", line);
    }
    line += 12 + size;
    if (strncmp(line, " SIZE=", 6) == 0) {
        int used = snprintf(wanted, sizeof wanted, " SIZE=%u", (unsigned)device->wire_size);

        if ((witness->offers & OFFERS_SIZE) == 0 || strncmp(line, wanted, (size_t)used) != 0) {
            violate(device, "SIZE that was not offered, or is wrong:%s", line);
        }
        said->has_size = true;
        line += used;
    }
    witness->is_8bit_declared = false;
    if (strcmp(line, " BODY=8BITMIME") == 0) {
        witness->is_8bit_declared = true;
        line += 14;
        if ((witness->offers & OFFERS_8BITMIME) == 0) {
            violate(device, "BODY that was not offered");
        }
    }
    if (*line != '\0') {
        violate(device, "MAIL with%s", line);
    }
    if (witness->needs_reset) {
        violate(device, "MAIL before RSET, after a transaction that failed");
    }
}

static unsigned expect_rcpt(device_t *device, const char *line)
{
    witness_t *witness = &device->witness;

    for (unsigned i = 0; i < device->mail.recipient_count; i++) {
        size_t size = strlen(device->addresses[i]);

        if (is_first(device, i) && strncmp(line, "RCPT TO:<", 9) == 0 && strncmp(line + 9, device->addresses[i], size) == 0 &&
            strcmp(line + 9 + size, ">") == 0 && measure_path(line + 9) == size) {
            if (!is_bit(witness->chosen, i)) {
                violate(device, "a recipient that goes another way: %s", line);
            }
            if (!is_open(witness, i) && !witness->is_drained && !is_everywhere(device)) {
                violate(device, "a recipient that has its verdict: %s", line);
            }
            return i;
        }
    }
    violate(device, "not a recipient: %s", line);
}

/* TLS-2, AUTH-2: what may be said on this stream as it is. */
static void expect_protection(device_t *device, command_t command)
{
    const witness_t *witness = &device->witness;
    const mote_hop_t *hop = hop_at_hand(device);
    bool is_enough = hop->tls == MOTE_TLS_VERIFIED ? witness->is_secure : hop->tls != MOTE_TLS_REQUIRED || witness->is_encrypted;

    if (witness->has_garbage) {
        return; /* a name may have led anywhere: which of the relays was meant is not to be seen */
    }
    if ((command == SAID_AUTH || command == SAID_ANSWER) && !witness->is_secure && !hop->allows_plaintext_auth) {
        violate(device, "AUTH outside verified TLS");
    }
    if (!is_enough && command != SAID_EHLO && command != SAID_STARTTLS && command != SAID_QUIT) {
        violate(device, "said without the TLS that is wanted: %s", witness->line);
    }
}

static command_t read_command(device_t *device, const char *line)
{
    static const struct {
        const char *word;
        command_t command;
        bool has_more;
    } words[] = {
        { "EHLO ", SAID_EHLO, true },  { "HELO ", SAID_HELO, true },  { "STARTTLS", SAID_STARTTLS, false },
        { "AUTH ", SAID_AUTH, true },  { "MAIL FROM:", SAID_MAIL, true }, { "RCPT TO:", SAID_RCPT, true },
        { "DATA", SAID_DATA, false },  { "RSET", SAID_RSET, false },  { "QUIT", SAID_QUIT, false },
    };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t size = strlen(words[i].word);

        if (strncmp(line, words[i].word, size) == 0 && (words[i].has_more || line[size] == '\0')) {
            return words[i].command;
        }
    }
    if (device->witness.auth_failed || (!is_base64_text(line) && strcmp(line, "*") != 0)) {
        violate(device, "not a command: %s", line);
    }
    return SAID_ANSWER;
}

static void on_command(device_t *device)
{
    witness_t *witness = &device->witness;
    const char *line = witness->line;
    command_t command = read_command(device, line);
    said_t said = { (uint8_t)command, 0, false };
    size_t limit = 510;

    if (witness->is_vague) { /* whose turn it is nobody knows; what may not be said at all still may not */
        expect_protection(device, command);
        return;
    }
    switch (command) {
    case SAID_EHLO:
    case SAID_HELO:
        if ((command == SAID_HELO && device->settings.smtp.hello_name.size == 0) || witness->hello != 0) {
            violate(device, "not the time for %s", line);
        }
        expect_hello(device, line);
        break;
    case SAID_STARTTLS:
        if (witness->is_encrypted || (witness->offers & OFFERS_STARTTLS) == 0) {
            violate(device, "STARTTLS within TLS, or not offered");
        }
        break;
    case SAID_AUTH:
        if (witness->has_auth || witness->accepted != 0) {
            violate(device, "AUTH once more, or within a transaction");
        }
        witness->auth_failed = false;
        witness->is_drained = false;
        break;
    case SAID_MAIL:
        limit = 510 + 26 + 16;
        expect_mail(device, line, &said);
        if (!witness->auth_failed && /* else it stood in the port already */
            (witness->queue_size == 0 || witness->queue[witness->queue_size - 1].command != SAID_AUTH)) {
            witness->is_drained = false;
        }
        break;
    case SAID_RCPT:
        said.recipient = (uint8_t)expect_rcpt(device, line);
        break;
    case SAID_ANSWER:
        limit = 12286;
        break;
    case SAID_DATA:
        if (device->settings.smtp.is_probe) {
            violate(device, "DATA in a probe");
        }
        if (witness->accepted == 0 && (witness->offers & OFFERS_PIPELINING) == 0) {
            violate(device, "DATA for nobody");
        }
        break;
    case SAID_RSET:
    case SAID_QUIT:
    case SAID_NOTHING:
    case SAID_GREETING:
    case SAID_DOT:
    case COMMAND_KIND_COUNT:
        break;
    }
    expect_protection(device, command);
    if (strlen(line) > limit || (command != SAID_EHLO && command != SAID_QUIT && command != SAID_HELO && witness->hello == 0)) {
        violate(device, "a command too long, or before EHLO: %s", line);
    }
    if (witness->queue_size == COMMAND_COUNT) {
        violate(device, "too many commands at once");
    }
    witness->queue[witness->queue_size++] = said;
}

/* The first octet of a line: may anything be said now? */
static void expect_turn(device_t *device)
{
    const witness_t *witness = &device->witness;
    unsigned last = witness->queue_size > 0 ? witness->queue[witness->queue_size - 1].command : SAID_NOTHING;

    if (!witness->was_greeted) {
        violate(device, "a byte before the greeting");
    }
    if (device->stream.is_securing != device->stream.is_secure || witness->may_secure) {
        violate(device, "a byte between STARTTLS and TLS");
    }
    if (witness->is_vague) {
        return;
    }
    if (last != SAID_NOTHING && (witness->offers & OFFERS_PIPELINING) == 0) {
        violate(device, "a command before the reply to the last one, without PIPELINING");
    }
    if (last != SAID_NOTHING && last != SAID_MAIL && last != SAID_RCPT && last != SAID_AUTH && last != SAID_DOT) {
        violate(device, "a command behind one that ends a group");
    }
}

/* Content that leaves is progress. A lone dot is a command like the others: its time runs from the reply before it. */
static void restart_content_timer(device_t *device)
{
    if (device->witness.accepted != 0) {
        device->witness.since_ms = device->world->now_ms;
    }
}

/* ---- content ----------------------------------------------------------------------------------------------------- */

static void on_end_of_data(device_t *device)
{
    witness_t *witness = &device->witness;
    said_t said = { SAID_DOT, 0, false };

    if (witness->accepted != 0 && (device->is_bad || witness->content_at != device->wire_size)) {
        violate(device, "the end of data behind content that is not whole");
    }
    witness->is_content = false;
    witness->was_early = witness->reply_octets > 0;
    restart_content_timer(device);
    witness->queue[witness->queue_size++] = said;
    tell(device, "C: .");
}

/* One octet on the wire between 354 and the end of data. */
static void on_content(device_t *device, uint8_t octet)
{
    witness_t *witness = &device->witness;

    restart_content_timer(device);
    if (witness->is_line_start && octet == '.' && !witness->has_dot) {
        witness->has_dot = true;
        return;
    }
    if (witness->is_line_start && witness->has_dot && (octet == '\r' || (witness->is_cr && octet == '\n'))) {
        if (octet == '\n') {
            witness->is_cr = witness->has_dot = false;
            on_end_of_data(device);
            return;
        }
        witness->is_cr = true;
        return;
    }
    if (witness->accepted == 0) {
        violate(device, "content though nobody was accepted");
    }
    if (witness->is_line_start && witness->has_dot && octet != '.') {
        violate(device, "a dot that was not doubled");
    }
    if (witness->content_at >= device->wire_size || device->wire[witness->content_at] != octet) {
        if (!device->is_bad) {
            violate(device, "content that is not the message, at octet %u", (unsigned)witness->content_at);
        }
        if (octet == 0 || (witness->is_cr && octet != '\n') || (!witness->is_cr && octet == '\n')) {
            violate(device, "content that may not travel");
        }
    }
    if (octet >= 0x80 && !witness->is_8bit_declared) {
        violate(device, "eight bits that were not declared");
    }
    witness->content_at++;
    witness->is_line_start = witness->is_cr && octet == '\n';
    witness->has_dot = false;
    witness->is_cr = octet == '\r';
}

void witness_sent(device_t *device, const uint8_t *bytes, size_t size)
{
    witness_t *witness = &device->witness;

    if (device->stream.peer_kind != PEER_SMTP) {
        return;
    }
    if (witness->chosen == 0) {
        witness_hop(device); /* a stream that was kept carries a new mail */
    }
    for (size_t i = 0; i < size; i++) {
        if (witness->is_content) {
            on_content(device, bytes[i]);
            continue;
        }
        if (witness->line_size == 0) {
            expect_turn(device);
        }
        if (witness->line_size + 1 == LINE_BYTES || bytes[i] == 0) {
            violate(device, "a command without end");
        }
        witness->line[witness->line_size++] = (char)bytes[i];
        if (bytes[i] == '\n') {
            if (witness->line_size < 2 || witness->line[witness->line_size - 2] != '\r') {
                violate(device, "a bare LF in a command");
            }
            witness->line[witness->line_size - 2] = '\0';
            witness->line_size = 0;
            tell(device, "C: %s", witness->line);
            on_command(device);
        } else if (witness->line_size > 1 && witness->line[witness->line_size - 2] == '\r') {
            violate(device, "a bare CR in a command");
        }
    }
}

/* ---- replies ------------------------------------------------------------------------------------------------------- */

static void forget_reply(witness_t *witness)
{
    witness->reply_line = 0;
    witness->reply_lines = 0;
    witness->reply_octets = 0;
    witness->reply_code = 0;
    witness->words_size = 0;
    witness->is_reply_cr = false;
}

static void on_malformed(device_t *device)
{
    witness_t *witness = &device->witness;

    count_event(device, HEARD_MALFORMED);
    if (witness->queue_size == 0 && !witness->is_content && witness->line_size > 0) {
        get_vague(device);
    }
    decide_by_state(device, true);
    witness->is_broken = true;
    witness->may_secure = false;
}

/* A word of an EHLO line, behind the first line (RFC 5321 4.1.1.1). */
static void on_keywords(device_t *device)
{
    static const struct {
        const char *word;
        uint8_t offer;
    } keywords[] = {
        { "PIPELINING", OFFERS_PIPELINING }, { "8BITMIME", OFFERS_8BITMIME }, { "STARTTLS", OFFERS_STARTTLS }, { "SIZE", OFFERS_SIZE },
    };
    witness_t *witness = &device->witness;
    size_t size;

    witness->words[witness->words_size] = '\0';
    size = strcspn(witness->words, " ");
    if (head_of(witness) != SAID_EHLO || witness->reply_lines == 0) {
        return;
    }
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        size_t same = 0;

        while (same < size && toupper((unsigned char)witness->words[same]) == keywords[i].word[same]) {
            same++;
        }
        if (same == size && keywords[i].word[same] == '\0') {
            witness->offers |= keywords[i].offer;
            if (keywords[i].offer == OFFERS_SIZE && witness->words[size] == ' ') {
                unsigned limit = 0;

                (void)sscanf(witness->words + size + 1, "%u", &limit);
                witness->size_limit = limit;
            }
        }
    }
}

static unsigned verdict_of_digit(int code)
{
    return code / 100 == 4 ? MAY_TRANSIENT : code / 100 == 5 ? MAY_PERMANENT : MAY_ACCEPT;
}

static void on_hello_reply(device_t *device, said_t said, int code)
{
    witness_t *witness = &device->witness;

    if (code / 100 == 3) {
        witness->is_broken = true;
    } else if (code / 100 == 2) {
        witness->hello = said.command;
        if (hop_at_hand(device)->mechanisms != 0) { /* no way to authenticate here is a fault of the settings: HELD */
            decide(device, witness->chosen, MAY_TRANSIENT | MAY_STAY_OPEN);
        }
        if (said.command == SAID_HELO) {
            witness->offers = 0;
        }
    }
}

static void on_auth_reply(device_t *device, int code)
{
    witness_t *witness = &device->witness;

    if (code / 100 == 2) {
        witness->has_auth = true;
    } else if (code != 334) {
        witness->auth_failed = true;
        witness->is_drained = true;
        decide(device, witness->chosen, MAY_TRANSIENT | MAY_STAY_OPEN);
        witness->is_broken |= code / 100 == 3;
    } else if (witness->queue_size > 0 || witness->line_size > 0) {
        witness->auth_failed = true; /* the group is taken for the answer */
        witness->is_drained = true;
        witness->is_broken = true;
        decide(device, witness->chosen, MAY_TRANSIENT | MAY_STAY_OPEN);
    }
}

static void on_mail_reply(device_t *device, said_t said, int code)
{
    witness_t *witness = &device->witness;
    bool is_retry = code == 503 || (said.has_size && (code == 455 || code == 501 || code == 504 || code == 555));

    witness->is_broken |= code / 100 == 3;
    if (code / 100 == 2 || witness->is_drained) {
        witness->needs_reset |= witness->is_drained;
        return;
    }
    witness->needs_reset = true;
    witness->is_drained = true;
    if (code / 100 == 3) {
        decide(device, witness->chosen, MAY_TRANSIENT);
    } else if (is_retry) {
        decide(device, witness->chosen, MAY_TRANSIENT | MAY_STAY_OPEN); /* once more, or that was the once more */
    } else {
        decide(device, witness->chosen, code == 530 ? MAY_TRANSIENT : verdict_of_digit(code));
    }
}

static void on_rcpt_reply(device_t *device, said_t said, int code)
{
    witness_t *witness = &device->witness;
    uint16_t bit = (uint16_t)(1U << said.recipient);

    if (code / 100 == 3) {
        witness->is_broken = true;
        decide(device, witness->chosen, witness->is_drained ? MAY_TRANSIENT | MAY_STAY_OPEN : MAY_TRANSIENT);
    } else if (code / 100 == 2) {
        witness->accepted |= bit;
        if (device->settings.smtp.is_probe && !witness->is_drained) {
            decide(device, bit, MAY_ACCEPT);
        }
    } else if (!witness->is_drained && (witness->accepted == 0 || device->settings.smtp.is_probe || (code != 452 && code != 552))) {
        decide(device, bit, code == 530 ? MAY_TRANSIENT : verdict_of_digit(code));
    }
    witness->needs_reset = true;
}

static void on_data_reply(device_t *device, int code)
{
    witness_t *witness = &device->witness;

    if (code == 354) {
        if (witness->is_drained && (witness->accepted != 0 || witness->auth_failed)) {
            witness->is_broken = true; /* AUTH-26: even a lone dot would send something */
            return;
        }
        witness->is_content = true;
        witness->content_at = 0;
        witness->is_line_start = true;
        witness->has_dot = false;
        witness->is_cr = false;
        return;
    }
    if (code / 100 == 2 || code / 100 == 3) {
        witness->is_broken = true;
        decide(device, witness->accepted, witness->is_drained ? MAY_TRANSIENT | MAY_STAY_OPEN : MAY_TRANSIENT);
    } else if (!witness->is_drained) {
        decide(device, witness->accepted, code == 530 ? MAY_TRANSIENT : verdict_of_digit(code));
        if (code == 530) { /* AUTH-15: the route is held */
            decide(device, witness->chosen, MAY_TRANSIENT);
        }
    }
    witness->accepted = 0;
}

static void on_final_reply(device_t *device, int code)
{
    witness_t *witness = &device->witness;
    unsigned may = code / 100 == 3 ? MAY_DOUBT : verdict_of_digit(code);

    if (witness->was_early && code / 100 < 4) {
        may = MAY_DOUBT; /* it began before the end of data had left: no answer to it */
        witness->is_broken = true;
    }
    witness->is_broken |= code / 100 == 3;
    witness->has_given_up |= witness->was_early;
    decide(device, witness->accepted, may);
    witness->accepted = 0;
    witness->needs_reset = false;
}

static void on_421(device_t *device)
{
    witness_t *witness = &device->witness;

    witness->has_given_up = true;
    witness->has_soft = true;
    if (head_of(witness) == SAID_DOT) {
        decide(device, witness->accepted, MAY_TRANSIENT);
    } else {
        decide_by_state(device, false);
    }
}

/* Nothing was said that this could answer. */
static void on_unasked(device_t *device)
{
    witness_t *witness = &device->witness;

    /* Of commands that leave in one piece some may have left: then it is taken for an answer to the next. */
    if (!witness->is_broken && (witness->line_size > 0 || witness->was_half || (witness->offers & OFFERS_PIPELINING) != 0)) {
        get_vague(device);
    }
    witness->is_broken = true;
    decide_by_state(device, true);
}

static void on_content_reply(device_t *device, int code)
{
    witness_t *witness = &device->witness;

    unsigned may = code / 100 == 5 ? MAY_PERMANENT : MAY_TRANSIENT;

    witness->is_broken = true;
    decide(device, witness->accepted, may);
    for (unsigned i = 0; i < device->mail.recipient_count && witness->is_lost; i++) {
        if (is_bit(witness->accepted, i)) {
            witness->may[i] |= (uint8_t)may; /* sending failed, but the reply had come before: either may decide */
        }
    }
}

static void on_reply(device_t *device, int code)
{
    witness_t *witness = &device->witness;
    said_t said;

    tell(device, "S: %d", code);
    count_event(device, code == 421 ? HEARD_421
                        : code / 100 == 2 ? HEARD_2YZ
                        : code / 100 == 3 ? HEARD_3YZ
                        : code / 100 == 4 ? HEARD_4YZ
                                          : HEARD_5YZ);
    if (witness->is_content) {
        on_content_reply(device, code);
        return;
    }
    if (code == 421) {
        on_421(device);
        return;
    }
    if (witness->queue_size == 0 || witness->was_unasked) {
        on_unasked(device);
        return;
    }
    said = witness->queue[0];
    witness->queue_size--;
    memmove(witness->queue, witness->queue + 1, witness->queue_size * sizeof witness->queue[0]);
    witness->has_soft |= code / 100 >= 4 && said.command <= SAID_ANSWER;
    switch ((command_t)said.command) {
    case SAID_GREETING:
        witness->was_greeted = true;
        witness->is_broken |= code / 100 == 3;
        witness->hop_sessions += code / 100 == 2 ? 1 : 0;
        break;
    case SAID_EHLO:
    case SAID_HELO:
        on_hello_reply(device, said, code);
        break;
    case SAID_STARTTLS:
        witness->may_secure = code == 220;
        witness->is_broken |= code / 100 == 3 || (code / 100 == 2 && code != 220);
        break;
    case SAID_AUTH:
    case SAID_ANSWER:
        on_auth_reply(device, code);
        break;
    case SAID_MAIL:
        on_mail_reply(device, said, code);
        break;
    case SAID_RCPT:
        on_rcpt_reply(device, said, code);
        break;
    case SAID_DATA:
        on_data_reply(device, code);
        break;
    case SAID_DOT:
        on_final_reply(device, code);
        break;
    case SAID_RSET:
        witness->needs_reset = code / 100 != 2;
        witness->is_drained = false;
        witness->accepted = 0;
        break;
    case SAID_QUIT:
    case SAID_NOTHING:
    case COMMAND_KIND_COUNT:
        break;
    }
    witness->was_early = false;
}

/* One octet of a reply (RFC 5321 4.2): true when it has ended one way or the other. */
static bool on_reply_octet(device_t *device, uint8_t octet)
{
    witness_t *witness = &device->witness;
    unsigned at = witness->reply_line++;
    int code;

    if (witness->reply_octets++ == 0) {
        witness->was_unasked = witness->queue_size == 0 && !witness->is_content;
        witness->was_half = witness->line_size > 0;
    }
    if (at < 3) {
        witness->reply[at] = (char)octet;
        if (octet < '0' || octet > '9' || (at == 0 && (octet < '2' || octet > '5'))) {
            on_malformed(device);
            return true;
        }
        if (at == 2) {
            code = (witness->reply[0] - '0') * 100 + (witness->reply[1] - '0') * 10 + (witness->reply[2] - '0');
            if (witness->reply_lines > 0 && code != witness->reply_code) {
                on_malformed(device);
                return true;
            }
            witness->reply_code = code;
            if (witness->reply_lines == 0 && head_of(witness) == SAID_EHLO) {
                witness->offers = 0;
                witness->size_limit = 0;
            }
        }
        return false;
    }
    if (at == 3) {
        witness->reply[3] = (char)octet;
        witness->words_size = 0;
        witness->is_reply_cr = octet == '\r';
        if (octet != ' ' && octet != '-' && octet != '\r') {
            on_malformed(device);
            return true;
        }
        return false;
    }
    if (witness->is_reply_cr != (octet == '\n') || octet == 0 || at > 4096 || witness->reply_octets > 32768) {
        on_malformed(device);
        return true;
    }
    if (octet != '\n') {
        witness->is_reply_cr = octet == '\r';
        if (octet != '\r' && witness->words_size + 1U < sizeof witness->words) {
            witness->words[witness->words_size++] = (char)octet;
        }
        return false;
    }
    on_keywords(device);
    witness->is_reply_cr = false;
    witness->reply_line = 0;
    witness->reply_lines++;
    if (witness->reply[3] != '-') {
        on_reply(device, witness->reply_code);
        return true;
    }
    if (witness->reply_lines >= 128) {
        on_malformed(device);
        return true;
    }
    return false;
}

void witness_heard(device_t *device, const uint8_t *bytes, size_t size)
{
    witness_t *witness = &device->witness;

    tell_bytes(device, "S> ", bytes, size);
    for (size_t i = 0; i < size; i++) {
        if (witness->may_secure) {
            witness->is_broken = true; /* RFC 3207 4.2: nobody may say anything here */
            witness->may_secure = false;
        }
        if (on_reply_octet(device, bytes[i])) {
            forget_reply(witness);
            witness->since_ms = device->world->now_ms;
        }
    }
}

/* ---- the stream ------------------------------------------------------------------------------------------------------ */

void witness_begins(device_t *device)
{
    witness_t *witness = &device->witness;

    witness->took_wrong = false;
    witness->is_reused = device->stream.state == STREAM_OPEN;
    if (device->stream.state == STREAM_NONE) { /* else what went wrong on the stream may still */
        witness->fault_count = 0;
        witness->names_fault_count = 0;
    }
    witness->was_stopped = false;
    witness->has_timed_out = false;
    witness->is_over = false;
    witness->lead = UINT8_MAX;
    witness->chosen = 0;
    witness->accepted = 0;
    witness->has_given_up = false;
    witness->start_ms = device->world->now_ms;
    witness->since_ms = device->world->now_ms;
    for (unsigned i = 0; i < RECIPIENT_COUNT; i++) {
        witness->verdicts[i] = MOTE_VERDICT_PENDING;
        witness->may[i] = MAY_STAY_OPEN;
        witness->took[i] = 0;
        witness->stored[i] = 0;
    }
}

void witness_asks(device_t *device)
{
    witness_t *witness = &device->witness;

    unsigned hop;

    witness_hop(device);
    hop = hop_of_recipient(device, witness->lead);
    if (hop == TO_LOCAL || hop >= TO_UNASKED) {
        violate(device, "asks for a name where there is none to ask for: %s", device->addresses[witness->lead]);
    }
    if (!device->slots[0].is_open && !device->slots[1].is_open && device->stream.state == STREAM_NONE) {
        witness->lookup_ms = device->world->now_ms;
    }
}

void witness_excuses(device_t *device)
{
    witness_t *witness = &device->witness;

    if (device->asked >= 0) {
        witness->excused_hosts |= (uint16_t)(1U << device->asked);
    } else {
        witness->is_all_excused = true;
    }
}

/* ---- which hosts, and in which order (conformance 3) ----------------------------------------------------------------- */

enum { BITS_PER_HOST = 2 * ADDRESS_COUNT, BIT_OWN = HOST_COUNT * BITS_PER_HOST };

static uint64_t bit_of_address(const mote_ip_t *ip)
{
    bool is_ipv4 = ip->family == MOTE_FAMILY_IPV4;
    unsigned host = is_ipv4 ? ip->bytes[1] : ip->bytes[5];
    unsigned which = is_ipv4 ? ip->bytes[2] : ADDRESS_COUNT + ip->bytes[15] - 1U;

    if (is_ipv4 ? ip->bytes[0] != 93 : ip->bytes[0] != 0x20) {
        return is_ipv4 && ip->bytes[0] == 94 ? UINT64_C(1) << BIT_OWN : 0;
    }
    return host < HOST_COUNT && which < BITS_PER_HOST ? UINT64_C(1) << (host * BITS_PER_HOST + which) : 0;
}

/* The addresses of a host that have to be tried: as many as the library keeps, in the families there are. */
static uint64_t addresses_of(const device_t *device, unsigned index)
{
    const host_t *host = &device->world->hosts[index];
    uint64_t bits = 0;

    for (unsigned i = 0; i < MOTE_HOST_ADDRESS_COUNT && i < ADDRESS_COUNT; i++) {
        if (i < host->count4 && (device->families & MOTE_FAMILY_IPV4) != 0) {
            bits |= UINT64_C(1) << (index * BITS_PER_HOST + i);
        }
        if (i < host->count6 && (device->families & MOTE_FAMILY_IPV6) != 0) {
            bits |= UINT64_C(1) << (index * BITS_PER_HOST + ADDRESS_COUNT + i);
        }
    }
    return bits;
}

/* The same of a mail exchanger or relay, if its name was answered as it should be. */
static uint64_t due_of(const device_t *device, unsigned index)
{
    return (device->witness.excused_hosts >> index & 1U) != 0 ? 0 : addresses_of(device, index);
}

static uint64_t due_of_relays(const device_t *device)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < device->routes[1].hop_count; i++) {
        unsigned host = HOST_COUNT - RELAY_COUNT + i;

        bits |= device->hops[i].host.data[0] == '9' ? UINT64_C(1) << (host * BITS_PER_HOST) : due_of(device, host);
    }
    return bits;
}

/* All that has to be tried before a next hop is left for later. */
static uint64_t due_of_hop(const device_t *device, unsigned hop)
{
    uint64_t bits = 0;
    mote_ip_t ip;

    if (hop == TO_RELAY || hop == TO_DEFAULT_RELAY) {
        return due_of_relays(device);
    }
    if (literal_ip(device, hop, &ip)) {
        return bit_of_address(&ip);
    }
    if (hop < DOMAIN_COUNT && device->world->domains[hop].kind == DOMAIN_IMPLICIT && (device->families & MOTE_FAMILY_IPV4) != 0) {
        return UINT64_C(1) << BIT_OWN;
    }
    if (hop < DOMAIN_COUNT && device->world->domains[hop].kind == DOMAIN_EXCHANGERS) {
        for (unsigned i = 0; i < device->world->domains[hop].host_count; i++) {
            bits |= due_of(device, device->world->domains[hop].hosts[i]);
        }
    }
    return bits;
}

/* The lowest preference at which the domain lists the host. */
static unsigned preference_of(const domain_t *domain, unsigned host)
{
    unsigned lowest = UINT16_MAX;

    for (unsigned i = 0; i < domain->host_count; i++) {
        if (domain->hosts[i] == host && domain->preferences[i] < lowest) {
            lowest = domain->preferences[i];
        }
    }
    return lowest;
}

/* A small world fails a call, which nobody tells the name servers. */
static bool is_excused(const witness_t *witness)
{
    return witness->is_all_excused || plans[0].kind == PLAN_CALL || plans[1].kind == PLAN_CALL;
}

/* MX-10, MX-14, MX-15: what is better has been tried, and not more than may be. */
static void expect_order(device_t *device)
{
    witness_t *witness = &device->witness;
    unsigned hop = hop_of_recipient(device, witness->lead);
    uint64_t before = witness->tried;
    unsigned count = 0;

    witness->tried |= bit_of_address(&device->stream.peer.ip);
    for (uint64_t bits = witness->tried; bits != 0; bits &= bits - 1) {
        count++;
    }
    if (count > MOTE_ATTEMPT_ADDRESS_COUNT && !device->settings.tries_all_hosts) {
        violate(device, "more addresses are tried than an attempt may");
    }
    if (hop >= DOMAIN_COUNT || device->world->domains[hop].kind != DOMAIN_EXCHANGERS || is_excused(witness) ||
        device->stream.host >= HOST_COUNT) {
        return;
    }
    for (unsigned i = 0; i < device->world->domains[hop].host_count; i++) {
        const domain_t *domain = &device->world->domains[hop];

        if (domain->preferences[i] < preference_of(domain, device->stream.host) && (due_of(device, domain->hosts[i]) & ~before) != 0) {
            violate(device, "%s is tried before all of %s was", device->world->hosts[device->stream.host].name,
                    device->world->hosts[domain->hosts[i]].name);
        }
    }
}

/* MX-14, MX-16, MX-17: nobody is left for later while a host or address has not been tried. */
static void expect_all_tried(device_t *device, unsigned index)
{
    const witness_t *witness = &device->witness;
    unsigned hop = hop_of_recipient(device, index);
    bool is_at_hand = witness->lead != UINT8_MAX && hop == hop_of_recipient(device, witness->lead);
    bool is_limited = !device->settings.tries_all_hosts && (witness->hop_addresses >= MOTE_ATTEMPT_ADDRESS_COUNT ||
                                                            witness->hop_sessions >= MOTE_ATTEMPT_SESSION_COUNT);

    if (witness->may[index] != MAY_STAY_OPEN || device->recipients[index].verdict != MOTE_VERDICT_TRANSIENT || is_limited ||
        is_excused(witness) || witness->was_vague || witness->was_stopped || witness->has_timed_out || !is_at_hand ||
        (witness->is_reused && hop_at_hand(device)->mechanisms != 0)) { /* no way to authenticate: HELD */
        return;
    }
    counts.all_tried++;
    if ((due_of_hop(device, hop) & ~witness->tried) != 0) {
        violate(device, "%s is left for later, and not all hosts were tried (%llx of %llx)", device->addresses[index],
                (unsigned long long)witness->tried, (unsigned long long)due_of_hop(device, hop));
    }
}

/* Never to where DNS may not lead, nor to the domain's own address while it has exchangers (MX-7, MX-22). */
static void expect_address(device_t *device, const mote_ip_t *ip)
{
    const witness_t *witness = &device->witness;

    mote_ip_t literal;
    unsigned hop = hop_of_recipient(device, witness->lead);

    if (literal_ip(device, hop, &literal) && memcmp(&literal, ip, sizeof literal) != 0) {
        violate(device, "connects to an address that is not the one given: %s", device->addresses[witness->lead]);
    }
    if (is_refused(device, witness->lead)) {
        violate(device, "connects for an address that leads nowhere: %s", device->addresses[witness->lead]);
    }
    if (witness->has_garbage) {
        return;
    }
    if (ip->family == MOTE_FAMILY_IPV4 && (ip->bytes[0] == 127 || ip->bytes[0] >= 224)) {
        violate(device, "connects to an address that no name may lead to");
    }
    if (ip->family == MOTE_FAMILY_IPV4 && ip->bytes[0] == 94 && !witness->has_empty_mx) {
        violate(device, "connects to the domain's own address though nobody said it has no exchangers");
    }
}

void witness_connects(device_t *device)
{
    witness_t *witness = &device->witness;
    uint64_t since_ms = device->world->now_ms;

    if (device->stream.peer_kind == PEER_NAMES) {
        return;
    }
    witness_hop(device);
    witness->host = device->stream.host;
    expect_address(device, &device->stream.peer.ip);
    expect_order(device);
    check_verdicts(device); /* what the session before decided, while it is known how it stood */
    witness->hop_addresses++;
    memset((uint8_t *)witness + offsetof(witness_t, is_session), 0, offsetof(witness_t, chosen) - offsetof(witness_t, is_session));
    witness->accepted = 0;
    witness->queue_size = 0;
    witness->line_size = 0;
    witness->since_ms = since_ms;
    forget_reply(witness);
    tell(device, "        connect to %u.%u.%u.%u port %u", device->stream.peer.ip.bytes[0], device->stream.peer.ip.bytes[1],
         device->stream.peer.ip.bytes[2], device->stream.peer.ip.bytes[3], device->stream.peer.port);
}

void witness_connected(device_t *device)
{
    witness_t *witness = &device->witness;
    said_t said = { SAID_GREETING, 0, false };

    if (device->stream.peer_kind == PEER_NAMES) {
        return;
    }
    counts.states[S_CONNECT][HEARD_2YZ]++;
    witness->is_session = true;
    witness->since_ms = device->world->now_ms;
    witness->queue[0] = said;
    witness->queue_size = 1;
}

void witness_lost(device_t *device)
{
    witness_t *witness = &device->witness;

    if (device->stream.peer_kind == PEER_SMTP && witness->is_session && !witness->is_lost) {
        count_event(device, HEARD_END);
        witness->is_lost = true;
        decide_by_state(device, false);
    }
}

void witness_secures(device_t *device)
{
    witness_t *witness = &device->witness;
    bool is_implicit = device->stream.peer.port == IMPLICIT_PORT;

    if (is_implicit ? device->stream.sent != 0 : !witness->may_secure) {
        violate(device, "TLS begins though no 220 to STARTTLS stands last");
    }
    witness->may_secure = false;
    witness->since_ms = device->world->now_ms;
}

void witness_secured(device_t *device, mote_status_t status, unsigned protection)
{
    witness_t *witness = &device->witness;

    if (status != MOTE_OK) {
        counts.states[status == MOTE_ERR_TLS_UNTRUSTED ? S_UNTRUSTED : state_of(device)]
                     [status == MOTE_ERR_LINK_LOST || status == MOTE_ERR_RESET ? HEARD_END : HEARD_MALFORMED]++;
        witness->has_given_up = true;
        witness->has_soft = true;
        return;
    }
    counts.states[device->stream.peer.port == IMPLICIT_PORT ? S_IMPLICIT_TLS : S_HANDSHAKE][HEARD_2YZ]++;
    witness->is_encrypted = true;
    witness->is_secure = protection == MOTE_PROTECTION_VERIFIED;
    witness->hello = 0;
    witness->offers = 0;
    witness->since_ms = device->world->now_ms;
}

/* How long the state at hand may last. */
static uint32_t limit_ms(const device_t *device, unsigned state)
{
    const mote_timeouts_t *set = &device->timeouts;
    const uint16_t pairs[STATE_COUNT][2] = {
        [S_CONNECT] = { set->connect_s, 30 },    [S_IMPLICIT_TLS] = { set->starttls_s, 120 }, [S_UNTRUSTED] = { set->starttls_s, 120 },
        [S_GREETING] = { set->greeting_s, 300 }, [S_EHLO] = { set->ehlo_s, 300 },             [S_HELO] = { set->ehlo_s, 300 },
        [S_STARTTLS] = { set->starttls_s, 120 }, [S_HANDSHAKE] = { set->starttls_s, 120 },    [S_EHLO_TLS] = { set->ehlo_s, 300 },
        [S_AUTH] = { set->auth_s, 120 },         [S_MAIL] = { set->mail_s, 300 },             [S_RCPT] = { set->rcpt_s, 300 },
        [S_DATA] = { set->data_s, 120 },         [S_DATA_NOBODY] = { set->data_s, 120 },      [S_DATA_AUTH] = { set->data_s, 120 },
        [S_CONTENT] = { set->block_s, 180 },     [S_FINAL] = { set->final_s, 600 },           [S_RSET] = { set->reset_s, 20 },
        [S_QUIT] = { set->quit_s, 5 },
    };

    return (pairs[state][0] != 0 ? pairs[state][0] : pairs[state][1]) * UINT32_C(1000);
}

static uint32_t total_limit_ms(const device_t *device)
{
    uint32_t total_s = device->timeouts.total_s;

    if (total_s == 0) {
        total_s = 3600 + 60 * (uint32_t)device->mail.recipient_count;
    }
    return total_s * 1000;
}

/* The client leaves the stream: it must have had a reason. */
void witness_leaves(device_t *device, bool is_cut)
{
    witness_t *witness = &device->witness;
    uint64_t waited_ms = device->world->now_ms - witness->since_ms;
    unsigned state = state_of(device);
    bool is_known = state != S_IDLE && witness->is_session;
    bool is_total = device->world->now_ms - witness->start_ms >= total_limit_ms(device);
    bool is_sound = !witness->is_lost && !witness->is_broken;
    bool is_late = is_known && waited_ms >= limit_ms(device, state) && is_sound;
    bool may_be_refused = witness->is_content && is_sound && /* also at the last moment */
                          (device->is_bad || (device->has_8bit && !witness->is_8bit_declared));

    if (!witness->is_session) { /* it was never connected */
        witness->has_soft = true;
        counts.states[S_CONNECT][waited_ms >= 8000 ? HEARD_TIMEOUT : HEARD_END]++;
        if (is_cut && waited_ms < (device->timeouts.connect_s != 0 && device->timeouts.connect_s < 8 ? device->timeouts.connect_s * 1000U : 8000U) &&
            !witness->was_stopped && !is_total && device->stream.connect_status == MOTE_PENDING) {
            violate(device, "a connect given up after %u ms", (unsigned)waited_ms);
        }
        return;
    }
    if (is_late) {
        count_event(device, HEARD_TIMEOUT);
        witness->has_given_up = true;
    }
    if (may_be_refused) {
        witness->has_given_up = true;
        decide(device, witness->accepted, MAY_PERMANENT | MAY_TRANSIENT);
        decide(device, witness->chosen, MAY_PERMANENT | MAY_TRANSIENT | (is_late ? MAY_STAY_OPEN : 0));
    }
    if (is_cut && is_known && is_sound && !witness->has_given_up && !witness->was_stopped &&
        !is_total && !witness->is_vague) {
        violate(device, "a stream cut without a reason, %u ms after the last reply", (unsigned)waited_ms);
    }
    if (is_total || witness->was_stopped) {
        decide(device, witness->accepted, head_of(witness) == SAID_DOT ? MAY_DOUBT : MAY_TRANSIENT);
    }
    if (state != S_QUIT) {
        decide_by_state(device, false);
    }
    if (witness->is_content && !may_be_refused) { /* the link failed: whom it concerns is decided */
        decide(device, witness->chosen, MAY_TRANSIENT | MAY_STAY_OPEN);
    }
    witness->has_soft = witness->has_soft && !witness->is_reused;
    witness->is_session = false;
    witness->is_content = false;
    witness->queue_size = 0;
}

/* ---- the ledger and the verdicts -------------------------------------------------------------------------------------- */

void witness_took(device_t *device, uint16_t recipients, bool is_right)
{
    witness_t *witness = &device->witness;

    tell(device, "        the server takes it");
    witness->took_wrong |= !is_right;
    for (unsigned i = 0; i < device->mail.recipient_count; i++) {
        witness->took[i] = (uint8_t)(witness->took[i] + (is_bit(recipients, i) ? 1 : 0));
    }
}

static unsigned bit_of(unsigned verdict)
{
    static const uint8_t bits[] = { 0, MAY_ACCEPT, MAY_TRANSIENT, MAY_PERMANENT, MAY_DOUBT };

    return bits[verdict];
}

/* The host at hand cannot take this mail (RFC 6152 3, RFC 1870 6.1). */
static bool lacks_something(const device_t *device)
{
    const witness_t *witness = &device->witness;
    const mote_source_t *source = &device->source;

    return witness->hello != 0 &&
           ((device->has_8bit && source->is_8bit != MOTE_NO && (witness->offers & OFFERS_8BITMIME) == 0) ||
            (source->wire_size >= 0 && witness->size_limit != 0 && device->wire_size > witness->size_limit));
}

/* What the verdict may be, seen from all that happened. */
static unsigned allowed(const device_t *device, unsigned index)
{
    const witness_t *witness = &device->witness;
    unsigned may = witness->may[index];

    if (is_refused(device, index)) {
        return witness->was_stopped || witness->has_timed_out ? MAY_TRANSIENT | MAY_PERMANENT : MAY_PERMANENT;
    }
    if ((may & MAY_STAY_OPEN) != 0) {
        may |= MAY_TRANSIENT;
        may |= (witness->has_denial && !witness->has_soft) || lacks_something(device) || device->is_bad ? MAY_PERMANENT : 0U;
    }
    return may;
}

/* What the servers say: accepted is what was taken, and nothing that was taken is called lost. */
static void check_ledger(device_t *device, unsigned index)
{
    const witness_t *witness = &device->witness;
    unsigned verdict = device->recipients[index].verdict;

    if (device->settings.smtp.is_probe) {
        if (witness->took[index] + witness->stored[index] != 0) {
            violate(device, "a probe, and %s was sent to", device->addresses[index]);
        }
        return;
    }
    if (verdict == MOTE_VERDICT_ACCEPTED && (witness->took[index] + witness->stored[index] != 1 || witness->took_wrong)) {
        violate(device, "%s is accepted, and taken %u times%s", device->addresses[index], witness->took[index],
                witness->took_wrong ? ", not as it was" : "");
    }
    if ((verdict == MOTE_VERDICT_TRANSIENT || verdict == MOTE_VERDICT_PERMANENT) && witness->took[index] != 0) {
        violate(device, "%s is %s, and the server took it", device->addresses[index], mote_verdict_text((mote_verdict_t)verdict));
    }
}

static void check_verdict(device_t *device, unsigned index)
{
    const mote_recipient_t *recipient = &device->recipients[index];
    unsigned verdict = recipient->verdict;
    unsigned may = allowed(device, index);

    if ((bit_of(verdict) & may) == 0) {
        violate(device, "%s is %s (%s, %u, %s); it may be:%s%s%s%s", device->addresses[index],
                mote_verdict_text((mote_verdict_t)verdict), mote_stage_text((mote_stage_t)recipient->report.stage),
                recipient->report.code, mote_status_text((mote_status_t)recipient->report.status),
                (may & MAY_ACCEPT) != 0 ? " accepted" : "", (may & MAY_TRANSIENT) != 0 ? " transient" : "",
                (may & MAY_PERMANENT) != 0 ? " permanent" : "", (may & MAY_DOUBT) != 0 ? " in doubt" : "");
    }
    check_ledger(device, index);
    expect_all_tried(device, index);
}

static void check_verdicts(device_t *device)
{
    witness_t *witness = &device->witness;

    for (unsigned i = 0; i < device->mail.recipient_count; i++) {
        unsigned verdict = device->recipients[i].verdict;

        if (witness->verdicts[i] == verdict) {
            continue;
        }
        if (witness->verdicts[i] != MOTE_VERDICT_PENDING) {
            violate(device, "the verdict of %s has changed", device->addresses[i]);
        }
        witness->verdicts[i] = (uint8_t)verdict;
        tell(device, "=  %s %s", device->addresses[i], mote_verdict_text((mote_verdict_t)verdict));
        if (is_first(device, i)) {
            check_verdict(device, i);
        }
    }
}

/* Nothing waits longer than it may, and the library wants to be called again in time. */
static void check_deadlines(device_t *device, uint32_t wait_ms)
{
    const witness_t *witness = &device->witness;
    uint64_t now_ms = device->world->now_ms;
    uint64_t passed_ms = now_ms - witness->start_ms;
    unsigned state = witness->is_session ? state_of(device) : S_CONNECT;
    uint64_t waited_ms = now_ms - witness->since_ms;
    uint32_t most_ms;

    if (passed_ms >= total_limit_ms(device)) {
        violate(device, "the delivery goes on after its time");
    }
    if (wait_ms > total_limit_ms(device) - passed_ms) {
        violate(device, "wants to be called after the delivery's time");
    }
    if (device->stream.state != STREAM_NONE && device->stream.peer_kind == PEER_SMTP) {
        most_ms = limit_ms(device, state);
        if (state == S_IDLE) {
            most_ms = 300000; /* what it will say next has stalled: its reply's time runs */
        }
        if (witness->is_vague) {
            return;
        }
        if (waited_ms >= most_ms) {
            violate(device, "a deadline was missed: state %u, %u ms", state, (unsigned)waited_ms);
        }
        if (wait_ms > most_ms - waited_ms) {
            violate(device, "wants to be called %u ms after a deadline: state %u", (unsigned)(wait_ms - (most_ms - waited_ms)), state);
        }
    } else if (device->slots[0].is_open || device->slots[1].is_open || device->stream.state != STREAM_NONE) {
        if (now_ms - witness->lookup_ms >= 20000 || wait_ms > 20000 - (now_ms - witness->lookup_ms)) {
            violate(device, "a question is open for too long");
        }
    }
}

void witness_stepped(device_t *device, uint32_t wait_ms)
{
    device->witness.has_timed_out |= device->world->now_ms - device->witness.start_ms >= total_limit_ms(device);
    check_verdicts(device);
    if (!mote_delivery_has_ended(&device->guarded->delivery)) {
        check_deadlines(device, wait_ms);
    }
}

/* Where nothing went wrong, a mail to a domain that should take it is taken, and one to a domain that does not is not. */
static void check_calm(device_t *device, unsigned index)
{
    const witness_t *witness = &device->witness;
    const world_t *world = device->world;
    unsigned hop = hop_of_recipient(device, index);
    unsigned verdict = device->recipients[index].verdict;
    const domain_t *domain = &world->domains[hop < DOMAIN_COUNT ? hop : 0];

    if (witness->fault_count + witness->names_fault_count > 0 || device->is_bad || witness->was_stopped || hop >= DOMAIN_COUNT || plans[0].kind != PLAN_NONE ||
        device->latency_ms > 80 || (device->timeouts.total_s != 0 && device->timeouts.total_s < 100)) {
        return;
    }
    if (domain->kind >= DOMAIN_OURSELVES && domain->kind <= DOMAIN_HOSTLESS && verdict != MOTE_VERDICT_PERMANENT &&
        domain->kind != DOMAIN_OURSELVES) {
        violate(device, "%s is %s, though its domain can never take it", device->addresses[index],
                mote_verdict_text((mote_verdict_t)verdict));
    }
    if ((domain->kind == DOMAIN_MISSING || domain->kind == DOMAIN_NULL || domain->kind == DOMAIN_EMPTY) &&
        verdict != MOTE_VERDICT_PERMANENT) {
        violate(device, "%s is %s, though its domain takes no mail", device->addresses[index],
                mote_verdict_text((mote_verdict_t)verdict));
    }
    if ((domain->kind == DOMAIN_EXCHANGERS || (domain->kind == DOMAIN_IMPLICIT && (device->families & MOTE_FAMILY_IPV4) != 0)) &&
        !device->has_8bit && device->hops[2].tls >= MOTE_TLS_OPPORTUNISTIC && strncmp(device->addresses[index], "nobody", 6) != 0 &&
        device->families == (MOTE_FAMILY_IPV4 | MOTE_FAMILY_IPV6) && verdict != MOTE_VERDICT_ACCEPTED) {
        for (unsigned i = 0; i < domain->host_count; i++) {
            const host_t *host = &world->hosts[domain->hosts[i]];

            if ((host->is_greylisting && device->attempt == 0) || host->size_limit != 0 ||
                (device->settings.smtp.is_probe && host->rcpt_limit < RECIPIENT_COUNT) ||
                (host->has_helo_only && device->settings.smtp.hello_name.size == 0)) {
                return;
            }
        }
        violate(device, "%s is %s, though nothing went wrong", device->addresses[index], mote_verdict_text((mote_verdict_t)verdict));
    }
}

void witness_ends(device_t *device)
{
    witness_t *witness = &device->witness;

    check_verdicts(device);
    witness->is_over = true;
    for (unsigned i = 0; i < device->mail.recipient_count; i++) {
        unsigned verdict = device->recipients[i].verdict;

        if (verdict == MOTE_VERDICT_PENDING) {
            violate(device, "%s has no verdict", device->addresses[i]);
        }
        if (device->recipients[device->duplicates[i]].verdict != verdict) {
            violate(device, "%s stands twice and has two verdicts", device->addresses[i]);
        }
        if (witness->took[i] + witness->stored[i] > 1) {
            violate(device, "%s was taken more than once", device->addresses[i]);
        }
        counts.verdicts[verdict]++;
        if (is_first(device, i)) {
            check_ledger(device, i);
            check_calm(device, i);
        }
    }
    if (device->stream.state != STREAM_NONE && (!device->settings.smtp.keeps_stream || device->stream.state != STREAM_OPEN)) {
        violate(device, "the delivery has ended and its stream has not");
    }
    if (device->slots[0].is_open || device->slots[1].is_open) {
        violate(device, "the delivery has ended and a slot is open");
    }
    witness->chosen = 0;
}
