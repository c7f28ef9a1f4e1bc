/* Whole sessions are in tests/dialogues; here is what a dialogue cannot show. */
#include "test.h"

typedef struct world {
    mote_smtp_t smtp;
    mote_smtp_settings_t settings;
    mote_timeouts_t timeouts;
    mote_hop_t hop;
    mote_mail_t mail;
    mote_recipient_t recipients[2];
    uint8_t texts[2][16];
    mote_source_t source;
    mote_ip_t ip;
    uint8_t room[300];
    uint32_t now_ms;
    const mote_span_t *pieces; /* of the message; an empty one is PENDING */
    size_t piece_index;
    char said[2000]; /* what the observer was told, in order */
} world_t;

static mote_status_t rewind_world(void *self)
{
    ((world_t *)self)->piece_index = 0;
    return MOTE_OK;
}

static mote_status_t next_piece(void *self, mote_span_t *piece)
{
    world_t *world = self;

    if (world->pieces[world->piece_index].data == NULL) {
        return MOTE_CLOSED;
    }
    *piece = world->pieces[world->piece_index++];
    return piece->size > 0 ? MOTE_OK : MOTE_PENDING;
}

static void take_down(void *self, mote_event_t event, mote_span_t bytes, uint32_t now_ms)
{
    static const char signs[] = { [MOTE_EVENT_SAID] = '>', [MOTE_EVENT_HEARD] = '<', [MOTE_EVENT_VERDICT] = '=' };
    world_t *world = self;

    assert_int_equal(now_ms, world->now_ms);
    assert_true(event == MOTE_EVENT_SAID || event == MOTE_EVENT_HEARD || event == MOTE_EVENT_VERDICT);
    sprintf(world->said + strlen(world->said), "%c%.*s\n", signs[event], (int)bytes.size, (const char *)bytes.data);
}

static const mote_observer_t *observer_of(world_t *world)
{
    static mote_observer_t observer;

    observer.tell = take_down;
    observer.self = world;
    return &observer;
}

static void set_up(world_t *world)
{
    static const mote_span_t message[] = { MOTE_SPAN("Subject: alarm\r\n\r\nHot.\r\n"), { NULL, 0 } };

    memset(world, 0, sizeof *world);
    world->settings.hello_name = TEXT("device.example.org");
    world->hop.port = 25;
    world->hop.tls = MOTE_TLS_NONE;
    world->mail.reverse_path = TEXT("sensor@example.org");
    world->mail.recipients = world->recipients;
    world->mail.recipient_count = 1;
    world->mail.source = &world->source;
    world->recipients[0].address = TEXT("ops@example.net");
    world->recipients[1].address = TEXT("boss@example.net");
    for (int i = 0; i < 2; i++) {
        world->recipients[i].text.data = world->texts[i];
        world->recipients[i].text.capacity = sizeof world->texts[i];
        world->recipients[i].phase = MOTE_PHASE_CHOSEN;
    }
    world->source.rewind = rewind_world;
    world->source.next = next_piece;
    world->source.self = world;
    world->source.wire_size = MOTE_SIZE_UNKNOWN;
    world->pieces = message;
}

static void start(world_t *world)
{
    mote_buffer_t room = { world->room, sizeof world->room, 0 };

    mote_smtp_start(&world->smtp, &world->settings, &world->hop, &world->mail, &world->ip, room, MOTE_PROTECTION_NONE, false,
                    world->now_ms);
}

static void hear(world_t *world, const char *text)
{
    assert_int_equal(mote_smtp_input(&world->smtp, mote_span_text(text), world->now_ms), strlen(text));
}

/* Lets the session say all it has to say now, and returns the flags of the last that it lent. */
static unsigned speak(world_t *world)
{
    mote_span_t bytes;
    unsigned flags;
    unsigned last_flags = 0;

    while (mote_smtp_output(&world->smtp, world->now_ms, &bytes, &flags) == MOTE_OK) {
        last_flags = flags;
        mote_smtp_sent(&world->smtp, bytes.size, world->now_ms);
    }
    return last_flags;
}

/* Says and hears, one line of the script each, until the script ends. */
static void talk(world_t *world, const char *const *script)
{
    for (; *script != NULL; script++) {
        hear(world, *script);
        (void)speak(world);
    }
}

static const char *const up_to_mail[] = { "220 mx\r\n", "250 mx\r\n", NULL };
static const char *const up_to_data[] = { "220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "250 ok\r\n", NULL };
static const char *const up_to_final[] = { "220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", NULL };

/* SMTP-58, PORT-4: every state has its time, by default and by the caller's word, also across the clock's wrap. */
static void timers(void **state)
{
    static const struct {
        const char *name;
        const char *const *script; /* what the server says, each answered */
        size_t count;
        mote_smtp_state_t state;
        uint32_t default_s;
        size_t offset;
    } cases[] = {
        { "greeting", up_to_final, 0, MOTE_SMTP_AWAIT_GREETING, 300, offsetof(mote_timeouts_t, greeting_s) },
        { "ehlo", up_to_final, 1, MOTE_SMTP_AWAIT_EHLO, 300, offsetof(mote_timeouts_t, ehlo_s) },
        { "mail", up_to_final, 2, MOTE_SMTP_AWAIT_MAIL, 300, offsetof(mote_timeouts_t, mail_s) },
        { "rcpt", up_to_final, 3, MOTE_SMTP_AWAIT_RCPT, 300, offsetof(mote_timeouts_t, rcpt_s) },
        { "data", up_to_final, 4, MOTE_SMTP_AWAIT_DATA, 120, offsetof(mote_timeouts_t, data_s) },
        { "final", up_to_final, 5, MOTE_SMTP_AWAIT_FINAL, 600, offsetof(mote_timeouts_t, final_s) },
    };
    static const uint32_t starts[] = { 0, UINT32_MAX, UINT32_MAX - 1000, 0x80000000U };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases) * COUNT_OF(starts) * 2; i++) {
        const char *name = cases[i % COUNT_OF(cases)].name;
        size_t which = i % COUNT_OF(cases);
        bool is_set = (i / COUNT_OF(cases)) % 2 == 1;
        uint32_t limit_ms = (is_set ? 7 : cases[which].default_s) * 1000;
        world_t world;
        uint16_t seconds = 7;

        set_up(&world);
        world.now_ms = starts[i / COUNT_OF(cases) / 2];
        world.settings.timeouts = &world.timeouts;
        if (is_set) {
            memcpy((uint8_t *)&world.timeouts + cases[which].offset, &seconds, sizeof seconds);
        }
        start(&world);
        for (size_t line = 0; line < cases[which].count; line++) {
            const char *const one[] = { cases[which].script[line], NULL };

            talk(&world, one);
        }
        CHECK(mote_smtp_state(&world.smtp) == cases[which].state, name);
        CHECK(mote_smtp_tick(&world.smtp, world.now_ms) == limit_ms, name);
        world.now_ms += limit_ms - 1;
        CHECK(mote_smtp_tick(&world.smtp, world.now_ms) == 1, name);
        world.now_ms++;
        (void)mote_smtp_tick(&world.smtp, world.now_ms);
        CHECK(mote_smtp_state(&world.smtp) == MOTE_SMTP_ENDED, name);
        CHECK(world.recipients[0].report.status == MOTE_ERR_TIMEOUT, name);
        CHECK(mote_smtp_tick(&world.smtp, world.now_ms) == UINT32_MAX, name);
    }
}

/* SMTP-60: a call that says that nothing left is no progress. */
static void no_progress(void **state)
{
    world_t world;
    mote_span_t bytes;
    unsigned flags;

    (void)state;
    set_up(&world);
    start(&world);
    talk(&world, up_to_data);
    hear(&world, "354 go\r\n");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(mote_smtp_output(&world.smtp, world.now_ms, &bytes, &flags), MOTE_OK);
        mote_smtp_sent(&world.smtp, 0, world.now_ms);
        world.now_ms += 60000;
    }
    (void)mote_smtp_tick(&world.smtp, world.now_ms);
    assert_int_equal(mote_smtp_state(&world.smtp), MOTE_SMTP_ENDED);
}

/* What the observer is told: each command, each reply before what it leads to, each verdict. */
static void observed(void **state)
{
    world_t world;

    (void)state;
    set_up(&world);
    world.settings.observer = observer_of(&world);
    start(&world);
    hear(&world, "22");
    hear(&world, "0 mx\r\n");
    (void)speak(&world);
    hear(&world, "250-mx\r\n250 PIPELINING\r\n");
    (void)speak(&world);
    hear(&world, "250 a\r\n250 b\r\n354 c\r\n");
    (void)speak(&world);
    hear(&world, "250 d\r\n221 e\r\n");
    assert_string_equal(world.said, "<22\n<0 mx\r\n\n>EHLO device.example.org\n<250-mx\r\n250 PIPELINING\r\n\n"
                                    ">MAIL FROM:<sensor@example.org>\n>RCPT TO:<ops@example.net>\n>DATA\n"
                                    "<250 a\r\n\n<250 b\r\n\n<354 c\r\n\n>.\n>QUIT\n"
                                    "<250 d\r\n\n=ops@example.net\n<221 e\r\n\n");
}

static mote_status_t give(void *self, const mote_hop_t *hop, mote_credentials_t *credentials)
{
    (void)self, (void)hop;
    credentials->user = TEXT("joe");
    credentials->password = TEXT("secret");
    return MOTE_OK;
}

/* SEC-8: secrets are not told and do not stay in the room. */
static void secrets(void **state)
{
    static const struct {
        const char *name;
        uint8_t mechanism;
        const char *script[6];
        const char *said;
    } cases[] = {
        { "LOGIN",
          MOTE_AUTH_LOGIN,
          { "220 mx\r\n", "250-mx\r\n250 AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n", "235 ok\r\n" },
          "\n>AUTH LOGIN\n<334 VXNlcm5hbWU6\r\n\n>***\n<334 UGFzc3dvcmQ6\r\n\n>***\n<235" },
        { "PLAIN", MOTE_AUTH_PLAIN, { "220 mx\r\n", "250-mx\r\n250 AUTH PLAIN\r\n" }, "\n>AUTH PLAIN ***\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        world_t world;

        set_up(&world);
        world.settings.observer = observer_of(&world);
        world.hop.mechanisms = cases[i].mechanism;
        world.hop.credentials = give;
        world.hop.allows_plaintext_auth = true;
        start(&world);
        talk(&world, cases[i].script);
        CHECK(strstr(world.said, cases[i].said) != NULL, cases[i].name);
        CHECK(strstr(world.said, "am9l") == NULL && strstr(world.said, "c2VjcmV0") == NULL, cases[i].name);
        CHECK(strstr(world.said, "AGpvZQ") == NULL, cases[i].name);
        for (size_t at = 0; at + 4 <= sizeof world.room; at++) {
            CHECK(memcmp(world.room + at, "c2Vj", 4) != 0 && memcmp(world.room + at, "AGpv", 4) != 0, cases[i].name);
        }
    }
}

/* There while the mechanism was chosen, gone when the line is written. */
static mote_status_t give_once(void *self, const mote_hop_t *hop, mote_credentials_t *credentials)
{
    unsigned *count = self;

    (void)give(NULL, hop, credentials);
    return (*count)++ == 0 ? MOTE_OK : MOTE_ERR_AUTH;
}

/* AUTH-3: then nothing is said in its place, and no mail goes without. */
static void secrets_gone(void **state)
{
    static const char *const script[] = { "220 mx\r\n", "250-mx\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n", NULL };
    unsigned count = 0;
    world_t world;

    (void)state;
    set_up(&world);
    world.settings.observer = observer_of(&world);
    world.hop.mechanisms = MOTE_AUTH_PLAIN;
    world.hop.credentials = give_once;
    world.hop.credentials_self = &count;
    world.hop.allows_plaintext_auth = true;
    start(&world);
    talk(&world, script);
    assert_true(strstr(world.said, ">EHLO device.example.org") != NULL);
    assert_null(strstr(strchr(world.said, '>') + 1, "\n>"));
    assert_int_equal(mote_smtp_state(&world.smtp), MOTE_SMTP_ENDED);
    assert_true(mote_smtp_is_cut(&world.smtp));
    assert_int_equal(world.recipients[0].verdict, MOTE_VERDICT_TRANSIENT);
    assert_true(world.recipients[0].report.held);
}

/* AUTH-2, AUTH-3: credentials that cannot be said hold the route; without anybody to ask, there is no AUTH. */
static mote_status_t give_nobody(void *self, const mote_hop_t *hop, mote_credentials_t *credentials)
{
    (void)self, (void)hop;
    credentials->user = TEXT("");
    credentials->password = TEXT("secret");
    return MOTE_OK;
}

static void secrets_unusable(void **state)
{
    static const char *const script[] = { "220 mx\r\n", "250-mx\r\n250 AUTH PLAIN\r\n", NULL };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        world_t world;

        set_up(&world);
        world.settings.observer = observer_of(&world);
        world.hop.mechanisms = MOTE_AUTH_PLAIN;
        world.hop.credentials = i == 0 ? give_nobody : NULL;
        world.hop.allows_plaintext_auth = true;
        start(&world);
        talk(&world, script);
        assert_null(strstr(world.said, ">AUTH"));
        assert_int_equal(mote_smtp_state(&world.smtp), i == 0 ? MOTE_SMTP_AWAIT_QUIT : MOTE_SMTP_AWAIT_MAIL);
        assert_int_equal(world.recipients[0].verdict, i == 0 ? MOTE_VERDICT_TRANSIENT : MOTE_VERDICT_PENDING);
        assert_int_equal(world.recipients[0].report.held, i == 0);
    }
}

/* TLS that protects nothing is none. */
static void secured_by_nothing(void **state)
{
    static const char *const script[] = { "220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", NULL };
    world_t world;

    (void)state;
    set_up(&world);
    world.hop.tls = MOTE_TLS_REQUIRED;
    start(&world);
    talk(&world, script);
    hear(&world, "220 go\r\n");
    assert_int_equal(mote_smtp_state(&world.smtp), MOTE_SMTP_AWAIT_SECURE);
    mote_smtp_secured(&world.smtp, MOTE_OK, MOTE_PROTECTION_NONE, 0);
    assert_int_equal(mote_smtp_state(&world.smtp), MOTE_SMTP_ENDED);
    assert_true(mote_smtp_is_cut(&world.smtp));
    assert_int_equal(mote_smtp_end(&world.smtp), MOTE_SMTP_NEXT_HOST);
    assert_int_equal(world.recipients[0].report.status, MOTE_ERR_TLS_UNTRUSTED);
}

/* MAIL is refused while a RCPT longer than the room is half said: it is said to its end, and offers nobody. */
static void refused_in_mid_command(void **state)
{
    static const char *const refusals[] = { "550 no\r\n", "503 not now\r\n" }; /* the second one may be asked again */
    mote_span_t bytes;
    unsigned flags;

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(refusals); i++) {
        world_t world;

        set_up(&world);
        world.mail.reverse_path = TEXT("");
        world.recipients[0].address = TEXT("somebody-with-a-longer-name@example.net");
        start(&world);
        world.smtp.room.capacity = 32;
        hear(&world, "220 mx\r\n");
        (void)speak(&world);
        hear(&world, "250-mx\r\n250 PIPELINING\r\n");
        assert_int_equal(mote_smtp_output(&world.smtp, 0, &bytes, &flags), MOTE_OK);
        assert_true(mote_span_equals(bytes, TEXT("MAIL FROM:<>\r\n")));
        mote_smtp_sent(&world.smtp, bytes.size, 0);
        assert_int_equal(mote_smtp_output(&world.smtp, 0, &bytes, &flags), MOTE_OK);
        assert_int_equal(bytes.size, 32);
        mote_smtp_sent(&world.smtp, bytes.size, 0);
        hear(&world, refusals[i]);
        assert_int_equal(mote_smtp_output(&world.smtp, 0, &bytes, &flags), MOTE_OK);
        assert_memory_equal(bytes.data + bytes.size - 2, "\r\n", 2);
        (void)speak(&world);
        assert_int_equal(world.recipients[0].phase, i == 0 ? MOTE_PHASE_SETTLED : MOTE_PHASE_CHOSEN);
        hear(&world, "503 MAIL first\r\n");
        assert_int_equal(mote_smtp_output(&world.smtp, 0, &bytes, &flags), MOTE_OK);
        assert_true(mote_span_equals(bytes, i == 0 ? TEXT("QUIT\r\n") : TEXT("RSET\r\n")));
        assert_int_equal(world.recipients[0].verdict, i == 0 ? MOTE_VERDICT_PERMANENT : MOTE_VERDICT_PENDING);
        assert_int_equal(world.recipients[0].report.code, i == 0 ? 550 : 503);
    }
}

/* SMTP-29, SMTP-21, SEC-7: the words kept are bounded by the caller's room, or not kept at all. */
static void words(void **state)
{
    static const struct {
        const char *name;
        const char *reply;
        uint16_t capacity;
        const char *words;
    } cases[] = {
        { "fits", "550 5.1.1 no\r\n", 16, "no" },
        { "fits exactly", "550 5.1.1 sixteen octets!!\r\n", 16, "sixteen octets!!" },
        { "is cut", "550 5.1.1 seventeen octets!\r\n", 16, "seventeen octets" },
        { "lines are joined", "550-5.1.1 one\r\n550-5.1.1 two\r\n550 5.1.1 three\r\n", 16, "one two three" },
        { "a code where the room ends", "550-5.1.1 twelve octet\r\n550 5.1.1 x\r\n", 16, "twelve octet 5.1" },
        { "controls", "550 a\x1b[2J\x7f\x80z\r\n", 16, "a?[2J??z" },
        { "not kept", "550 5.1.1 no\r\n", 0, "" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        world_t world;

        set_up(&world);
        world.recipients[0].text.capacity = cases[i].capacity;
        start(&world);
        talk(&world, up_to_mail);
        hear(&world, "250 ok\r\n");
        (void)speak(&world);
        hear(&world, cases[i].reply);
        CHECK(world.recipients[0].verdict == MOTE_VERDICT_PERMANENT, cases[i].name);
        CHECK(mote_span_equals(mote_buffer_span(&world.recipients[0].text), mote_span_text(cases[i].words)), cases[i].name);
    }
}

/* A reply that began before the command had left, and whose enhanced code ends behind it: nobody's words are cut for it. */
static void words_begun_early(void **state)
{
    world_t world;

    (void)state;
    set_up(&world);
    start(&world);
    talk(&world, up_to_mail);
    hear(&world, "250 ok\r\n250 2.1.");
    (void)speak(&world);
    hear(&world, "5 ");
    assert_true(mote_span_equals(mote_buffer_span(&world.recipients[0].text), TEXT("ok5"))); /* MAIL's, and this */
    hear(&world, "ok\r\n");
    assert_int_equal(mote_smtp_state(&world.smtp), MOTE_SMTP_ENDED);
    assert_true(mote_smtp_is_cut(&world.smtp)); /* out of step */
    assert_true(world.recipients[0].text.size <= world.recipients[0].text.capacity);
    assert_int_equal(world.recipients[0].verdict, MOTE_VERDICT_TRANSIENT);
}

/* A source that has nothing for now: what is there leaves, without a promise that more follows at once. */
static void source_waits(void **state)
{
    static const mote_span_t message[] = { MOTE_SPAN("one\r\n"), { (const uint8_t *)"", 0 }, { (const uint8_t *)"", 0 },
                                           MOTE_SPAN("two\r\n"), { NULL, 0 } };
    world_t world;
    mote_span_t bytes;
    unsigned flags;

    (void)state;
    set_up(&world);
    world.pieces = message;
    start(&world);
    talk(&world, up_to_data);
    hear(&world, "354 go\r\n");
    assert_int_equal(mote_smtp_output(&world.smtp, 0, &bytes, &flags), MOTE_OK);
    assert_true(mote_span_equals(bytes, TEXT("one\r\n")));
    assert_int_equal(flags, MOTE_OUTPUT_CONTENT);
    mote_smtp_sent(&world.smtp, bytes.size, 0);
    assert_int_equal(mote_smtp_output(&world.smtp, 0, &bytes, &flags), MOTE_PENDING);
    assert_int_equal(mote_smtp_output(&world.smtp, 0, &bytes, &flags), MOTE_OK);
    assert_true(mote_span_equals(bytes, TEXT("two\r\n.\r\n")));
    assert_int_equal(flags & MOTE_OUTPUT_MORE, 0);
}

/* Long stretches of content are lent where they are, short ones gathered; the dot rides with the last ones. */
static void stretches(void **state)
{
    static uint8_t lines[1000];
    mote_span_t message[] = { MOTE_SPAN("Subject: a\r\n\r\n"), { lines, sizeof lines }, MOTE_SPAN("end\r\n"), { NULL, 0 } };
    world_t world;
    mote_span_t bytes;
    unsigned flags;

    (void)state;
    for (int is_stable = 0; is_stable < 2; is_stable++) {
        memset(lines, 'x', sizeof lines);
        memcpy(lines + 498, "\r\n", 2);
        memcpy(lines + 998, "\r\n", 2);
        set_up(&world);
        world.pieces = message;
        world.source.is_stable = is_stable != 0;
        start(&world);
        talk(&world, up_to_data);
        hear(&world, "354 go\r\n");
        assert_int_equal(mote_smtp_output(&world.smtp, 0, &bytes, &flags), MOTE_OK);
        assert_int_equal(bytes.size, 14);
        assert_int_equal(flags, MOTE_OUTPUT_CONTENT | MOTE_OUTPUT_MORE);
        mote_smtp_sent(&world.smtp, bytes.size, 0);
        assert_int_equal(mote_smtp_output(&world.smtp, 0, &bytes, &flags), MOTE_OK);
        assert_ptr_equal(bytes.data, lines);
        assert_int_equal(bytes.size, 1000);
        assert_int_equal(flags, MOTE_OUTPUT_CONTENT | MOTE_OUTPUT_MORE | (is_stable != 0 ? MOTE_OUTPUT_STABLE : 0));
        mote_smtp_sent(&world.smtp, 999, 0);
        assert_int_equal(mote_smtp_output(&world.smtp, 0, &bytes, &flags), MOTE_OK);
        assert_ptr_equal(bytes.data, lines + 999); /* what is left of it, however little, stays where it is */
        mote_smtp_sent(&world.smtp, 1, 0);
        assert_int_equal(mote_smtp_output(&world.smtp, 0, &bytes, &flags), MOTE_OK);
        assert_true(mote_span_equals(bytes, TEXT("end\r\n.\r\n")));
        assert_int_equal(flags, MOTE_OUTPUT_CONTENT);
        assert_int_equal(mote_smtp_state(&world.smtp), MOTE_SMTP_AWAIT_CONTENT);
        mote_smtp_sent(&world.smtp, bytes.size - 1, 0);
        assert_int_equal(mote_smtp_state(&world.smtp), MOTE_SMTP_AWAIT_CONTENT);
        mote_smtp_sent(&world.smtp, 1, 0);
        assert_int_equal(mote_smtp_state(&world.smtp), MOTE_SMTP_AWAIT_FINAL); /* SMTP-45: from here on in doubt */
    }
}

/* RFC 5321 4.5.3.1.8: more recipients than a transaction takes get a second one, and only then may QUIT ride along. */
static void probe_of_many(void **state)
{
    static mote_recipient_t recipients[MOTE_TRANSACTION_RECIPIENT_COUNT + 1];
    world_t world;

    (void)state;
    set_up(&world);
    memset(recipients, 0, sizeof recipients);
    for (size_t i = 0; i < COUNT_OF(recipients); i++) {
        recipients[i].address = TEXT("ops@example.net");
        recipients[i].phase = MOTE_PHASE_CHOSEN;
    }
    world.mail.recipients = recipients;
    world.mail.recipient_count = COUNT_OF(recipients);
    world.settings.is_probe = true;
    start(&world);
    talk(&world, (const char *const[]){ "220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n", NULL });
    world.settings.observer = observer_of(&world);
    hear(&world, "250 MAIL\r\n");
    for (size_t i = 0; i < MOTE_TRANSACTION_RECIPIENT_COUNT; i++) {
        assert_int_equal(recipients[i].verdict, MOTE_VERDICT_PENDING);
        world.said[0] = '\0';
        hear(&world, "250 RCPT\r\n");
        assert_int_equal(recipients[i].verdict, MOTE_VERDICT_ACCEPTED);
    }
    assert_int_equal(recipients[MOTE_TRANSACTION_RECIPIENT_COUNT].verdict, MOTE_VERDICT_PENDING);
    world.said[0] = '\0';
    (void)speak(&world);
    assert_string_equal(world.said, ">RSET\n");
    hear(&world, "250 ok\r\n");
    world.said[0] = '\0';
    (void)speak(&world);
    assert_string_equal(world.said, ">MAIL FROM:<sensor@example.org>\n>RCPT TO:<ops@example.net>\n>QUIT\n");
    hear(&world, "250 ok\r\n550 no\r\n");
    assert_int_equal(recipients[MOTE_TRANSACTION_RECIPIENT_COUNT].verdict, MOTE_VERDICT_PERMANENT);
}

/* Recipients that are not this session's, or have their verdict, are left alone. */
static void others(void **state)
{
    world_t world;

    (void)state;
    set_up(&world);
    world.mail.recipient_count = 2;
    world.recipients[0].phase = MOTE_PHASE_WAITING;
    start(&world);
    talk(&world, up_to_final);
    hear(&world, "250 ok\r\n");
    assert_int_equal(world.recipients[0].verdict, MOTE_VERDICT_PENDING);
    assert_int_equal(world.recipients[0].phase, MOTE_PHASE_WAITING);
    assert_int_equal(world.recipients[1].verdict, MOTE_VERDICT_ACCEPTED);
    assert_int_equal(mote_smtp_end(&world.smtp), MOTE_SMTP_DONE);
}

/* A test walks the table of states for holes. */
static void states(void **state)
{
    (void)state;
    for (int i = 0; i <= MOTE_SMTP_ENDED; i++) {
        const char *name = mote_smtp_state_text((mote_smtp_state_t)i);

        assert_true(i == MOTE_SMTP_ENDED ? strcmp(name, "ended") == 0 : strncmp(name, "await-", 6) == 0);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(name, mote_smtp_state_text((mote_smtp_state_t)j));
        }
    }
    assert_string_equal(mote_smtp_state_text((mote_smtp_state_t)(MOTE_SMTP_ENDED + 1)), "unknown");
}

/* Whether a greeting was taken: that counts as a session of the attempt. */
static void greeted(void **state)
{
    world_t world;

    (void)state;
    set_up(&world);
    start(&world);
    assert_false(mote_smtp_was_greeted(&world.smtp));
    hear(&world, "554 no\r\n");
    assert_false(mote_smtp_was_greeted(&world.smtp));
    start(&world);
    hear(&world, "220 yes\r\n");
    assert_true(mote_smtp_was_greeted(&world.smtp));
}

/* A 220 before STARTTLS has left whole is no reply to it: the rest would be taken for the handshake. */
static void secure_half_said(void **state)
{
    world_t world;
    mote_span_t bytes;
    unsigned flags;

    (void)state;
    for (size_t taken = 0; taken <= 10; taken++) {
        set_up(&world);
        world.hop.tls = MOTE_TLS_REQUIRED;
        start(&world);
        hear(&world, "220 mx\r\n");
        (void)speak(&world);
        hear(&world, "250-mx\r\n250 STARTTLS\r\n");
        assert_int_equal(mote_smtp_output(&world.smtp, 0, &bytes, &flags), MOTE_OK);
        assert_int_equal(bytes.size, 10);
        mote_smtp_sent(&world.smtp, taken, 0);
        hear(&world, "220 go\r\n");
        assert_int_equal(mote_smtp_state(&world.smtp), taken == 10 ? MOTE_SMTP_AWAIT_SECURE : MOTE_SMTP_ENDED);
    }
}

/* What is no address puts no line into the dialogue, not even where no delivery has looked at it. */
static void no_address(void **state)
{
    world_t world;

    (void)state;
    set_up(&world);
    world.recipients[0].address = TEXT("ops@example.net>\r\nDATA");
    world.settings.observer = observer_of(&world);
    start(&world);
    talk(&world, up_to_data);
    assert_non_null(strstr(world.said, ">RCPT TO:<>\n"));
    assert_null(strstr(world.said, "\r\nDATA"));
}

/* PORT-13: after its end a session neither takes nor says anything, whatever is called. */
static void ended(void **state)
{
    world_t world;
    world_t before;
    mote_span_t bytes;
    unsigned flags;

    (void)state;
    set_up(&world);
    start(&world);
    mote_smtp_stop(&world.smtp, MOTE_ERR_STOPPED, 0);
    assert_int_equal(world.recipients[0].verdict, MOTE_VERDICT_TRANSIENT);
    before = world;
    mote_smtp_stop(&world.smtp, MOTE_ERR_STOPPED, 0);
    mote_smtp_lost(&world.smtp, MOTE_ERR_RESET, 0);
    mote_smtp_sent(&world.smtp, 5, 0);
    mote_smtp_quit(&world.smtp, 0);
    assert_int_equal(mote_smtp_input(&world.smtp, TEXT("220 mx\r\n"), 0), 0);
    assert_int_equal(mote_smtp_output(&world.smtp, 0, &bytes, &flags), MOTE_PENDING);
    assert_int_equal(mote_smtp_tick(&world.smtp, 1000000), UINT32_MAX);
    assert_int_equal(world.smtp.state, before.smtp.state);
    assert_int_equal(world.smtp.end, before.smtp.end);
    assert_memory_equal(world.recipients, before.recipients, sizeof world.recipients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers),       cmocka_unit_test(no_progress), cmocka_unit_test(observed), cmocka_unit_test(secrets),
        cmocka_unit_test(secrets_gone), cmocka_unit_test(secrets_unusable), cmocka_unit_test(secured_by_nothing), cmocka_unit_test(words_begun_early),
        cmocka_unit_test(refused_in_mid_command),
        cmocka_unit_test(words),        cmocka_unit_test(source_waits), cmocka_unit_test(stretches), cmocka_unit_test(probe_of_many), cmocka_unit_test(others),
        cmocka_unit_test(states),       cmocka_unit_test(greeted),     cmocka_unit_test(ended),
        cmocka_unit_test(secure_half_said), cmocka_unit_test(no_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
