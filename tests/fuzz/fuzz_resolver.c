/*
 * The resolver among name servers, sockets and streams that do anything in any order. Each input is a list of events:
 * a kind, a few octets of what the kind needs, and for messages a length and so many octets. Messages are put behind the
 * ID and the question that were asked, or the fuzzer would never get past them; two kinds leave them as they are.
 */
#include "fuzz.h"

enum { SERVER_COUNT = 3, TCP_BYTES = 512, STEP_COUNT = 400 };

typedef struct events {
    mote_reader_t in;
    mote_random_t random;
} events_t;

static mote_resolver_t resolver;
static mote_question_t question;
static uint8_t tcp_buffer[TCP_BYTES];
static mote_endpoint_t servers[SERVER_COUNT];
static uint8_t queries[MOTE_RESOLVER_SLOT_COUNT][MOTE_DNS_QUERY_BYTES];
static size_t query_sizes[MOTE_RESOLVER_SLOT_COUNT];
static uint32_t now_ms;
static uint32_t random_state;

static mote_status_t fill_random(void *self, uint8_t *bytes, size_t size)
{
    (void)self;
    for (size_t i = 0; i < size; i++) {
        random_state = random_state * 1664525U + 1013904223U;
        bytes[i] = (uint8_t)(random_state >> 24);
    }
    return random_state >> 24 == 77 ? MOTE_ERR_RANDOM : MOTE_OK; /* now and then there is none */
}

static const mote_random_t randomness = { fill_random, NULL };

/* An answer handed out lies inside the bytes it came in. */
static void look_at(mote_dns_answer_t answer, mote_span_t bytes)
{
    mote_dns_record_t record;
    unsigned count = 0;

    REQUIRE(answer.owner.message.data == bytes.data && answer.owner.message.size == bytes.size);
    while (mote_dns_next(&answer, &record)) {
        count++;
    }
    REQUIRE(count > 0);
}

/* Lets the resolver say what it wants to. Streams are only asked for; events decide what becomes of them. */
static void speak(bool sending_works)
{
    mote_span_t bytes;
    const mote_endpoint_t *server = NULL;

    for (unsigned slot = 0; slot < MOTE_RESOLVER_SLOT_COUNT; slot++) {
        for (unsigned i = 0; mote_resolver_output(&resolver, slot, &bytes, &server) == MOTE_RESOLVER_WANTS_SEND; i++) {
            REQUIRE(i < SERVER_COUNT);
            REQUIRE(server >= servers && server < servers + SERVER_COUNT);
            REQUIRE(bytes.size >= 12 + 1 + 4 && bytes.size <= sizeof queries[slot]);
            memcpy(queries[slot], bytes.data, bytes.size);
            query_sizes[slot] = bytes.size;
            mote_resolver_sent(&resolver, slot, sending_works ? MOTE_OK : MOTE_ERR_UNREACHABLE);
        }
    }
    if (mote_resolver_stream(&resolver, &bytes, &server) == MOTE_RESOLVER_STREAM_SEND) {
        REQUIRE(bytes.size > 0 && bytes.size <= 2 + MOTE_DNS_QUERY_BYTES);
        if (bytes.size > 2) {
            unsigned slot = resolver.stream_slot;

            query_sizes[slot] = resolver.stream_done == 0 ? bytes.size - 2 : query_sizes[slot];
            memcpy(queries[slot], bytes.data + bytes.size - query_sizes[slot], query_sizes[slot]);
        }
        mote_resolver_stream_sent(&resolver, sending_works ? bytes.size : 1);
    }
}

enum { IS_RAW = 1, HAS_OTHER_ID = 0x20, HAS_OTHER_CASE = 0x80 };

/* A message of the input: flags, counts and all behind the question; or whole as it is. */
static size_t read_message(mote_reader_t *in, unsigned slot, unsigned kind, uint8_t *message, size_t capacity)
{
    size_t size = 0;
    mote_span_t bytes;
    size_t query_size = query_sizes[slot];

    if ((kind & IS_RAW) == 0 && query_size > 12) {
        size = 12;
        while (size < query_size && queries[slot][size] != 0) { /* the question has no OPT behind it */
            size += 1U + queries[slot][size];
        }
        size += 5;
        memcpy(message, queries[slot], size);
        message[0] ^= (kind & HAS_OTHER_ID) != 0;
        message[13] ^= (kind & HAS_OTHER_CASE) != 0 ? 0x20 : 0;
        bytes = mote_read_span(in, 2);
        message[2] = bytes.size == 2 ? bytes.data[0] | 0x80 : 0x81;
        message[3] = bytes.size == 2 ? bytes.data[1] : 0x80;
        for (unsigned i = 0; i < 3; i++) {
            message[6 + 2 * i] = 0;
            message[7 + 2 * i] = mote_read_u8(in) & 7;
        }
    }
    bytes = mote_read_span(in, mote_read_u8(in));
    if (bytes.size > 0 && bytes.size <= capacity - size) {
        memcpy(message + size, bytes.data, bytes.size);
        size += bytes.size;
    }
    return size;
}

static void put_datagram(mote_reader_t *in, unsigned slot, unsigned kind)
{
    uint8_t room[1024];
    mote_endpoint_t from = servers[mote_read_u8(in) & 1];
    size_t size = read_message(in, slot, kind, room, sizeof room);
    uint8_t *bytes = malloc(size + (size == 0)); /* exactly as long */
    mote_status_t before = mote_resolver_status(&resolver, slot);
    mote_dns_answer_t answer;
    mote_status_t status;

    memcpy(bytes, room, size);
    status = mote_resolver_input(&resolver, slot, MOTE_OK, &from, mote_span(bytes, size), &answer);
    REQUIRE(status == MOTE_PENDING || status == mote_resolver_status(&resolver, slot));
    REQUIRE(before == MOTE_PENDING || mote_resolver_status(&resolver, slot) == before); /* an end is an end */
    if (status == MOTE_OK) {
        REQUIRE(before == MOTE_PENDING);
        look_at(answer, mote_span(bytes, size));
    }
    free(bytes);
}

static void put_stream(mote_reader_t *in, unsigned kind)
{
    uint8_t room[1024];
    unsigned slot = resolver.stream_state == MOTE_RESOLVER_STREAM_IDLE ? 0 : resolver.stream_slot;
    size_t size = read_message(in, slot, kind, room + 2, sizeof room - 2);
    mote_span_t bytes;

    room[0] = (uint8_t)(size >> 8);
    room[1] = (uint8_t)size;
    bytes = (kind & IS_RAW) != 0 ? mote_span(room + 2, size) : mote_span(room, size + 2);
    while (bytes.size > 0) {
        mote_dns_answer_t answer;
        size_t used = 0;
        mote_status_t status = mote_resolver_stream_input(&resolver, bytes, &used, &answer);

        REQUIRE(used > 0 && used <= bytes.size);
        REQUIRE(status == MOTE_PENDING || status == mote_resolver_status(&resolver, slot));
        if (status == MOTE_OK) {
            REQUIRE(answer.owner.message.data == tcp_buffer && answer.owner.message.size <= TCP_BYTES);
            look_at(answer, answer.owner.message);
        }
        bytes = mote_span_slice(bytes, used, bytes.size);
    }
}

/* Nothing comes any more: it ends within its time, and not with an answer. */
static void wait_for_the_end(uint32_t start_ms)
{
    bool was_ok[MOTE_RESOLVER_SLOT_COUNT];
    uint32_t wait_ms = 0;

    for (unsigned slot = 0; slot < MOTE_RESOLVER_SLOT_COUNT; slot++) {
        was_ok[slot] = mote_resolver_status(&resolver, slot) == MOTE_OK;
    }
    for (unsigned i = 0; wait_ms != UINT32_MAX; i++) {
        REQUIRE(i < 200);
        speak(true);
        wait_ms = mote_resolver_tick(&resolver, now_ms);
        now_ms += wait_ms != UINT32_MAX ? wait_ms : 0;
    }
    REQUIRE(now_ms - start_ms <= 20000);
    for (unsigned slot = 0; slot < MOTE_RESOLVER_SLOT_COUNT; slot++) {
        REQUIRE(mote_resolver_status(&resolver, slot) != MOTE_PENDING);
        REQUIRE(was_ok[slot] == (mote_resolver_status(&resolver, slot) == MOTE_OK));
    }
}

static void handle(mote_reader_t *in, unsigned kind)
{
    unsigned slot = kind >> 4 & 1;
    mote_dns_answer_t answer;

    switch (kind & 7) {
    case 0:
    case 1:
        put_datagram(in, slot, kind);
        break;
    case 2:
    case 3:
        put_stream(in, kind);
        break;
    case 4:
        mote_resolver_stream_event(&resolver, (kind & 8) != 0 ? MOTE_OK : MOTE_CLOSED);
        break;
    case 5:
        (void)mote_resolver_input(&resolver, slot, MOTE_ERR_REFUSED, (kind & 8) != 0 ? NULL : &servers[kind >> 5 & 1],
                                  mote_span(NULL, 0), &answer);
        break;
    default:
        break;
    }
    speak((kind & 0x40) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mote_reader_t in = mote_reader(mote_span(data, size));
    unsigned options = mote_read_u8(&in);
    mote_dns_settings_t settings = { .servers = servers, .server_count = (uint8_t)(1 + (options & 1)),
                                     .mixes_case = (options & 2) != 0,
                                     .tcp_buffer = (options & 4) != 0 ? NULL : tcp_buffer, .tcp_capacity = TCP_BYTES };
    uint32_t start_ms = UINT32_MAX - 8000;

    for (unsigned i = 0; i < SERVER_COUNT; i++) {
        servers[i].ip.family = MOTE_FAMILY_IPV4;
        servers[i].ip.bytes[3] = (uint8_t)(i + 1);
        servers[i].port = 53;
    }
    random_state = options;
    now_ms = start_ms;
    memset(query_sizes, 0, sizeof query_sizes);
    mote_resolver_init(&resolver, &question);
    if (mote_resolver_start(&resolver, &settings, &randomness, mote_span_text("mx.example.net"),
                            (options & 8) != 0 ? MOTE_RESOLVER_MX : MOTE_RESOLVER_ADDRESSES, 3, now_ms) != MOTE_OK) {
        return 0;
    }
    speak(true);
    for (unsigned i = 0; i < STEP_COUNT && mote_reader_left(&in) > 0 && now_ms - start_ms < 20000; i++) {
        unsigned kind = mote_read_u8(&in);

        if ((kind & 7) >= 6) {
            uint32_t wait_ms = mote_resolver_tick(&resolver, now_ms);
            uint32_t passed_ms = (kind & 7) == 6 ? mote_read_u8(&in) : wait_ms;

            passed_ms = passed_ms < 20000 - (now_ms - start_ms) ? passed_ms : 20000 - (now_ms - start_ms);
            now_ms += passed_ms;
            (void)mote_resolver_tick(&resolver, now_ms);
        }
        handle(&in, kind);
    }
    wait_for_the_end(start_ms);
    return 0;
}
