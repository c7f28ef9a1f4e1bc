#include "fuzz.h"

/*
 * A session against a peer that says anything, at any moment, while the caller does anything it may. The first octets
 * set it up; then each round is one octet that says what happens, and what it takes.
 *
 * SEC-3, SEC-17, SMTP-45, SMTP-56: octets lent stay in place; nobody is accepted without a 2yz that came after the end of
 * data; nobody is in doubt before it; after it, whoever was received is; every end gives a verdict or names the next host.
 */
enum { RECIPIENT_COUNT = 5, ROUND_COUNT = 4000 };

typedef struct input {
    const uint8_t *data;
    size_t size;
} input_t;

typedef struct world {
    mote_smtp_t smtp;
    mote_smtp_settings_t settings;
    mote_hop_t hop;
    mote_mail_t mail;
    mote_recipient_t recipients[RECIPIENT_COUNT];
    uint8_t texts[RECIPIENT_COUNT][24];
    mote_memory_source_t memory;
    mote_source_t source;
    mote_ip_t ip;
    uint8_t *room;
    unsigned source_ways; /* PENDING, FAILED at times */
    unsigned source_count;
    uint32_t now_ms;
    bool is_content;    /* the octets that leave now are the message's */
    uint8_t tail[3];    /* the last ones of them */
    bool is_dot_open;   /* the end of data has left unanswered */
    bool has_dot;       /* it has left, answered or not */
    bool has_2yz;       /* a complete 2yz came after it */
    mote_reply_t reply; /* the onlooker's own reading */
    bool is_reply_late; /* it began after the end of data */
} world_t;

static uint8_t take(input_t *in)
{
    if (in->size == 0) {
        return 0;
    }
    in->size--;
    return *in->data++;
}

static mote_status_t rewind_source(void *self)
{
    world_t *world = self;

    return world->memory.source.rewind(world->memory.source.self);
}

static mote_status_t next_of_source(void *self, mote_span_t *piece)
{
    world_t *world = self;

    world->source_count++;
    if ((world->source_ways & 1) != 0 && (world->source_count & 1) != 0) {
        return MOTE_PENDING;
    }
    if ((world->source_ways & 2) != 0 && world->source_count > 2) {
        return MOTE_ERR_SOURCE;
    }
    return world->memory.source.next(world->memory.source.self, piece);
}

static mote_status_t give_credentials(void *self, const mote_hop_t *hop, mote_credentials_t *credentials)
{
    static uint8_t secret[600];
    const world_t *world = self;

    REQUIRE(hop == &world->hop);
    REQUIRE(hop->allows_plaintext_auth || world->smtp.protection == MOTE_PROTECTION_VERIFIED);
    memset(secret, 's', sizeof secret);
    credentials->user = mote_span_text("joe");
    credentials->password = mote_span(secret, (size_t)(hop->port & 1) != 0 ? 6 : sizeof secret);
    return (hop->port & 2) != 0 ? MOTE_ERR_AUTH : MOTE_OK;
}

static void observe(void *self, mote_event_t event, mote_span_t bytes, uint32_t now_ms)
{
    const world_t *world = self;

    REQUIRE(now_ms == world->now_ms && event <= MOTE_EVENT_VERDICT);
    for (size_t i = 0; event == MOTE_EVENT_SAID && i + 4 <= bytes.size; i++) {
        REQUIRE(memcmp(bytes.data + i, "c3Nz", 4) != 0); /* the secret in base64 */
    }
}

static const mote_observer_t *observer_of(world_t *world)
{
    static mote_observer_t observer;

    observer.tell = observe;
    observer.self = world;
    return &observer;
}

static void set_up_mail(world_t *world, unsigned way)
{
    static const char long_address[] =
        "a-very-long-local-part-that-fills-much-of-a-small-room-by-itself@a-very-long-label-indeed-it-is.a-very-long-label-"
        "indeed-it-is.a-very-long-label-indeed-it-is.a-very-long-label-indeed-it-is.example.net";
    static const char *const addresses[RECIPIENT_COUNT] = { "ops@example.net", "boss@example.net", long_address,
                                                            "\"quoted.one\"@example.net", "postmaster" };

    world->mail.reverse_path = mote_span_text((way & 1) != 0 ? "" : "sensor@example.org");
    world->mail.recipients = world->recipients;
    world->mail.recipient_count = (uint16_t)(1 + (way >> 1) % RECIPIENT_COUNT);
    world->mail.source = &world->source;
    memset(world->recipients, 0, sizeof world->recipients);
    for (uint16_t i = 0; i < RECIPIENT_COUNT; i++) {
        world->recipients[i].address = mote_span_text(addresses[i]);
        world->recipients[i].text.data = world->texts[i];
        world->recipients[i].text.capacity = sizeof world->texts[i];
        world->recipients[i].phase = MOTE_PHASE_CHOSEN;
    }
    world->has_dot = false;
    world->has_2yz = false;
}

static void set_up(world_t *world, input_t *in)
{
    static const char long_line[] =
        "a line that is longer than half a small room, so that it is lent and not copied: "
        "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789\r\n.\r\n";
    static const char *const messages[] = { "Subject: alarm\r\n\r\nHot.\r\n", ".\r\n..\r\nx", "", "bare\nlf\r\n",
                                            "\xc3\xa4\r\n", long_line };
    uint8_t way = take(in);
    size_t room_bytes = 128U + take(in);
    mote_buffer_t room;

    memset(world, 0, sizeof *world);
    world->now_ms = UINT32_MAX - 5000;
    world->settings.hello_name = mote_span_text((way & 1) != 0 ? "device.example.org" : "");
    world->settings.is_probe = (way & 6) == 6;
    world->settings.keeps_stream = (way & 8) != 0;
    world->settings.observer = observer_of(world);
    world->ip.family = MOTE_FAMILY_IPV4;
    world->hop.host = mote_span_text((way & 16) != 0 ? "smtp.example.net" : "");
    world->hop.tls = (uint8_t)(way >> 5 & 3);
    way = take(in);
    world->hop.port = (uint16_t)(way & 3);
    world->hop.mechanisms = (uint8_t)(way >> 2 & 3);
    world->hop.credentials = give_credentials;
    world->hop.credentials_self = world;
    world->hop.allows_plaintext_auth = (way & 16) != 0;
    world->source_ways = way >> 5 & 3;
    way = take(in);
    mote_memory_source_init(&world->memory, mote_span_text(messages[(way & 7) % 6]));
    world->source = world->memory.source;
    world->source.rewind = rewind_source;
    world->source.next = next_of_source;
    world->source.self = world;
    world->source.is_8bit = (uint8_t)((way >> 3 & 3) % 3);
    world->source.wire_size = (way & 32) != 0 ? 24 : MOTE_SIZE_UNKNOWN;
    world->source.has_lf_lines = (way & 64) != 0;
    set_up_mail(world, take(in));
    world->room = malloc(room_bytes);
    REQUIRE(world->room != NULL);
    room.data = world->room;
    room.capacity = (uint16_t)room_bytes;
    room.size = 0;
    mote_smtp_start(&world->smtp, &world->settings, &world->hop, &world->mail, &world->ip, room,
                    (mote_protection_t)((way >> 7) * 2), (way & 8) != 0, world->now_ms);
}

/* The onlooker: follows the content as it leaves, by what the session says of it, and the replies as they come. */
static void see_left(world_t *world, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!world->is_content) {
            return;
        }
        if (bytes[i] == '\n' && world->tail[2] == '\r' && world->tail[1] == '.' && world->tail[0] == '\n') {
            world->is_content = false;
            world->is_dot_open = true;
            world->has_dot = true;
        }
        memmove(world->tail, world->tail + 1, 2);
        world->tail[2] = bytes[i];
    }
}

static void see_came(world_t *world, uint8_t octet)
{
    mote_reply_event_t event;

    if (world->reply.size == 0) {
        world->is_reply_late = world->is_dot_open;
    }
    event = mote_reply_octet(&world->reply, octet);
    if (event == MOTE_REPLY_DONE) {
        if (world->is_dot_open) {
            world->has_2yz |= world->is_reply_late && world->reply.code < 300;
            world->is_dot_open = false;
        } else if (world->reply.code == 354 && world->smtp.state == MOTE_SMTP_AWAIT_DATA) {
            world->is_content = true;
            memset(world->tail, '\n', sizeof world->tail); /* the content begins at the start of a line */
        }
        memset(&world->reply, 0, sizeof world->reply);
    }
}

static void let_leave(world_t *world, size_t limit)
{
    mote_span_t bytes;
    mote_span_t again;
    unsigned flags;
    size_t size;

    if (mote_smtp_output(&world->smtp, world->now_ms, &bytes, &flags) != MOTE_OK) {
        return;
    }
    REQUIRE(bytes.size > 0);
    size = bytes.size < limit ? bytes.size : limit;
    see_left(world, bytes.data, size);
    mote_smtp_sent(&world->smtp, size, world->now_ms);
    if (size < bytes.size && mote_smtp_state(&world->smtp) != MOTE_SMTP_ENDED) {
        REQUIRE(mote_smtp_output(&world->smtp, world->now_ms, &again, &flags) == MOTE_OK);
        REQUIRE(again.data == bytes.data + size && again.size >= bytes.size - size);
    }
}

static void let_come(world_t *world, const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    size_t used = 0;

    REQUIRE(copy != NULL);
    memcpy(copy, bytes, size);
    for (size_t i = 0; i < size && mote_smtp_state(&world->smtp) != MOTE_SMTP_ENDED; i += used) {
        if (mote_smtp_state(&world->smtp) != MOTE_SMTP_AWAIT_SECURE) {
            see_came(world, copy[i]);
        }
        used = mote_smtp_input(&world->smtp, mote_span(copy + i, 1), world->now_ms);
        REQUIRE(used == 1 || mote_smtp_state(&world->smtp) == MOTE_SMTP_ENDED);
    }
    free(copy);
}

static void say(world_t *world, const char *text)
{
    let_come(world, (const uint8_t *)text, strlen(text));
}

static void happen(world_t *world, input_t *in)
{
    static const char *const replies[] = {
        "220 mx\r\n", "250 ok\r\n", "250-mx\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n",
        "354 go\r\n", "334 VXNl\r\n", "235 ok\r\n", "550 5.1.1 no\r\n", "452 4.5.3 too many\r\n", "421 bye\r\n", "503 no\r\n",
        "501 no\r\n", "504 no\r\n", "530 no\r\n", "250-mx\r\n250-PIPELINING\r\n250-SIZE 20\r\n250 AUTH LOGIN\r\n", "2", "5 x\r\n"
    };
    uint8_t what = take(in);
    size_t size;

    switch (what >> 4) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        say(world, replies[what & 15]);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        let_leave(world, what & 1 ? SIZE_MAX : 1U + (what & 63));
        break;
    case 9: /* octets as they come */
        size = (what & 15U) < in->size ? (what & 15U) : in->size;
        let_come(world, in->data, size);
        in->data += size;
        in->size -= size;
        break;
    case 10:
        world->now_ms += 1000U << (what & 15);
        (void)mote_smtp_tick(&world->smtp, world->now_ms);
        break;
    case 11:
        if (mote_smtp_state(&world->smtp) == MOTE_SMTP_AWAIT_SECURE) {
            mote_smtp_secured(&world->smtp, what & 8 ? MOTE_OK : MOTE_ERR_TLS, (mote_protection_t)((what & 3) % 3), world->now_ms);
        }
        break;
    case 12:
        if (mote_smtp_state(&world->smtp) == MOTE_SMTP_AWAIT_MORE) {
            if ((what & 8) != 0) {
                mote_smtp_quit(&world->smtp, world->now_ms);
            } else {
                set_up_mail(world, what);
                mote_smtp_next(&world->smtp, &world->mail, world->now_ms);
            }
        }
        break;
    case 13:
        if (what == 0xd0) {
            mote_smtp_lost(&world->smtp, MOTE_CLOSED, world->now_ms);
        } else if (what == 0xd1) {
            mote_smtp_stop(&world->smtp, MOTE_ERR_STOPPED, world->now_ms);
        } else {
            let_leave(world, SIZE_MAX);
        }
        break;
    default:
        let_leave(world, SIZE_MAX);
        say(world, replies[what & 15]);
        break;
    }
}

static void check(const world_t *world, const world_t *before)
{
    bool has_ended = mote_smtp_state(&world->smtp) == MOTE_SMTP_ENDED;
    mote_smtp_end_t end = mote_smtp_end(&world->smtp);

    REQUIRE(!has_ended || end != MOTE_SMTP_RUNNING);
    for (uint16_t i = 0; i < world->mail.recipient_count; i++) {
        const mote_recipient_t *recipient = &world->recipients[i];
        bool was_pending = before->recipients[i].verdict == MOTE_VERDICT_PENDING;

        REQUIRE(recipient->text.size <= recipient->text.capacity);
        REQUIRE(recipient->verdict != MOTE_VERDICT_ACCEPTED || world->settings.is_probe || world->has_2yz);
        REQUIRE((recipient->verdict == MOTE_VERDICT_PENDING) == (recipient->phase != MOTE_PHASE_SETTLED));
        REQUIRE(recipient->verdict != MOTE_VERDICT_IN_DOUBT || !was_pending || world->has_dot);
        REQUIRE(!has_ended || recipient->verdict != MOTE_VERDICT_PENDING || end != MOTE_SMTP_DONE);
        REQUIRE(!has_ended || recipient->verdict != MOTE_VERDICT_PENDING || recipient->report.stage != MOTE_STAGE_NONE);
        if (has_ended && before->is_dot_open && world->is_dot_open && was_pending &&
            before->recipients[i].phase == MOTE_PHASE_RECEIVED) {
            REQUIRE(recipient->verdict == MOTE_VERDICT_IN_DOUBT);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input_t in = { data, size };
    world_t world;
    world_t before;

    set_up(&world, &in);
    for (int round = 0; round < ROUND_COUNT && in.size > 0; round++) {
        before = world;
        happen(&world, &in);
        if ((world.smtp.state == MOTE_SMTP_AWAIT_MORE) == (before.smtp.state == MOTE_SMTP_AWAIT_MORE)) {
            check(&world, &before);
        }
        if (mote_smtp_state(&world.smtp) == MOTE_SMTP_ENDED) {
            break;
        }
    }
    if (mote_smtp_state(&world.smtp) != MOTE_SMTP_ENDED) { /* the device is switched off */
        before = world;
        mote_smtp_stop(&world.smtp, MOTE_ERR_STOPPED, world.now_ms);
        check(&world, &before);
        for (uint16_t i = 0; i < world.mail.recipient_count; i++) {
            REQUIRE(world.recipients[i].verdict != MOTE_VERDICT_PENDING);
        }
    }
    free(world.room);
    return 0;
}
