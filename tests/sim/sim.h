/*
 * A whole world from one seed: devices that send mail, a network, name servers and mail servers around the public
 * API and the port table, in which everything that can go wrong does. Nothing here uses the library's own parsers:
 * what a server hears, what a reply means and what a command may look like is written down a second time.
 *
 *     world.c    the clock, the events, chance; what a world is made of
 *     network.c  the port: streams and datagrams, and how they fail
 *     names.c    name servers
 *     server.c   mail servers, and the ledger of what they took
 *     device.c   devices, their mails and mailboxes
 *     witness.c  stands between device and network and says what must hold
 *     small.c    small worlds with every fault at every place
 *     main.c     seeds, the summary, shrinking
 */
#ifndef SIM_H
#define SIM_H

#include <mailmote/mailmote.h>
#include <stdio.h>

/* ---- faults ------------------------------------------------------------------------------------------- */

/* Each kind: how it is printed, and how often at most it strikes, in parts of 65536 for each occasion. */
#define FAULTS(X)                                                                                            \
    X(DATAGRAM_LOST, "datagram lost", 20000)                                                                 \
    X(DATAGRAM_LATE, "datagram late", 10000)                                                                 \
    X(DATAGRAM_TWICE, "datagram twice", 10000)                                                               \
    X(DATAGRAM_FORGED, "datagram forged", 10000)                                                             \
    X(NAMES_REFUSED, "name server: port closed", 6000)                                                       \
    X(NAMES_SERVFAIL, "name server: SERVFAIL", 10000)                                                        \
    X(NAMES_FORMERR, "name server: FORMERR", 10000)                                                          \
    X(NAMES_REFERRAL, "name server: referral", 6000)                                                         \
    X(NAMES_TRUNCATED, "name server: truncated", 10000)                                                      \
    X(NAMES_GARBAGE, "name server: garbage", 6000)                                                           \
    X(NAMES_NXDOMAIN, "name server: denies a name", 3000)                                                    \
    X(NAMES_EMPTY, "name server: denies records", 3000)                                                      \
    X(NAMES_LOOP, "name server: alias loop", 3000)                                                           \
    X(NAMES_STREAM_CUT, "name server: TCP cut", 10000)                                                       \
    X(CONNECT_REFUSED, "connect: refused", 12000)                                                            \
    X(CONNECT_UNREACHABLE, "connect: unreachable", 8000)                                                     \
    X(CONNECT_SILENT, "connect: no answer", 12000)                                                           \
    X(FAMILY_DEAD, "address family dead", 8000)                                                              \
    X(PARTITION, "network away for a time", 2000)                                                            \
    X(LINK_FIN, "link ends by FIN", 8000)                                                                    \
    X(LINK_RST, "link ends by RST", 8000)                                                                    \
    X(LINK_SILENT, "link half open", 6000)                                                                   \
    X(STREAM_STALL, "stream stalls", 2000)                                                                   \
    X(STREAM_SPLIT, "bytes split", 30000)                                                                    \
    X(REPLY_LATE, "reply late", 1500)                                                                        \
    X(REPLY_TWICE, "reply twice", 1500)                                                                      \
    X(REPLY_LINES, "reply in lines", 20000)                                                                  \
    X(REPLY_NONSENSE, "reply nonsense", 2500)                                                                \
    X(REPLY_ENDLESS, "reply endless", 600)                                                                   \
    X(REPLY_3YZ, "reply 3yz", 1200)                                                                          \
    X(REPLY_4YZ, "reply 4yz", 4000)                                                                          \
    X(REPLY_5YZ, "reply 5yz", 4000)                                                                          \
    X(REPLY_421, "reply 421", 3000)                                                                          \
    X(REPLY_SPECIAL, "reply with a code that asks for more", 4000)                                           \
    X(REPLY_UNASKED, "421 unasked", 1500)                                                                    \
    X(REFUSED_EARLY, "content refused while it comes", 4000)                                                 \
    X(DATA_TO_NOBODY, "354 though nobody was accepted", 30000)                                               \
    X(CRASH_BEFORE, "server gone before it acts", 2000)                                                      \
    X(CRASH_AFTER, "server gone after it acted", 2000)                                                       \
    X(TLS_FAILS, "TLS fails", 12000)                                                                         \
    X(TLS_UNTRUSTED, "TLS certificate wrong", 12000)                                                         \
    X(TLS_SILENT, "TLS handshake hangs", 6000)                                                               \
    X(TLS_INJECTED, "words behind the 220", 6000)                                                            \
    X(PORT_RANDOM, "port: random fails", 800)                                                                \
    X(PORT_FAMILIES, "port: no address yet", 3000)                                                           \
    X(PORT_OWN_ADDRESS, "port: own_address fails", 4000)                                                     \
    X(PORT_QUERY, "port: a datagram call fails", 1500)                                                       \
    X(PORT_CONNECT, "port: no memory to connect", 3000)                                                      \
    X(PORT_SEND, "port: send fails", 800)                                                                    \
    X(PORT_LEND, "port: lend fails", 400)                                                                    \
    X(PORT_NOTHING, "port: nothing now", 8000)                                                               \
    X(PORT_PARTIAL, "port: takes less", 20000)                                                               \
    X(SOURCE_FAILS, "source fails", 1500)                                                                    \
    X(SOURCE_WAITS, "source waits", 5000)                                                                    \
    X(CONTENT_BAD, "content that may not travel", 3000)                                                      \
    X(MAILBOX_FAILS, "mailbox fails", 6000)                                                                  \
    X(MAILBOX_WAITS, "mailbox waits", 8000)                                                                  \
    X(CREDENTIALS_FAIL, "credentials missing", 2000)                                                         \
    X(STOPPED, "application stops", 2500)                                                                    \
    X(STEPPED_LATE, "stepped late", 12000)                                                                   \
    X(STEPPED_OFTEN, "stepped for nothing", 8000)

#define FAULT_ENUM(name, words, most) FAULT_##name,
typedef enum fault { FAULTS(FAULT_ENUM) FAULT_COUNT } fault_t;
#undef FAULT_ENUM

/* ---- sizes -------------------------------------------------------------------------------------------- */

enum {
    HOST_COUNT = 10, /* the last two are relays */
    RELAY_COUNT = 2,
    DOMAIN_COUNT = 16,
    NAME_SERVER_COUNT = 3,
    ADDRESS_COUNT = 3, /* of a host, in each family */
    RECIPIENT_COUNT = 8,
    ADDRESS_BYTES = 160,
    ATTEMPT_COUNT = 3, /* so often a mail is sent, while it is transient */
    WIRE_BYTES = 16384,
    OUT_BYTES = 4096,
    IN_BYTES = 8192,
    PIECE_BYTES = 512,
    DATAGRAM_BYTES = 1232,
    DATAGRAM_COUNT = 6,
    LINE_BYTES = 1200,
    COMMAND_COUNT = 64,
    GUARD_BYTES = 32,
    IMPLICIT_PORT = 465,
    CALL_COUNT = 20000 /* port calls in one step: more is a loop */
};

/* ---- a world ------------------------------------------------------------------------------------------ */

typedef struct rng {
    uint64_t state;
} rng_t;

/* What one run is told. */
typedef struct options {
    uint64_t seed;
    uint32_t device_count; /* 0: drawn */
    uint32_t hours;        /* 0: drawn */
    uint64_t faults;       /* a bit each: those that may strike */
    int32_t only_device;   /* -1: all */
    uint32_t first_mail;
    uint32_t last_mail;
    uint32_t recipient_count; /* at most so many */
    uint32_t line_count;      /* at most so many lines */
    uint8_t small;            /* a small world of that shape + 1 */
    bool is_told;             /* print what the one device does */
} options_t;

typedef enum domain_kind {
    DOMAIN_EXCHANGERS, /* as it should be */
    DOMAIN_IMPLICIT,   /* no MX records, an address */
    DOMAIN_EMPTY,      /* neither */
    DOMAIN_MISSING,    /* does not exist */
    DOMAIN_NULL,       /* takes no mail */
    DOMAIN_ALIAS,      /* is another one */
    DOMAIN_LOOP,       /* is itself, by way of another */
    DOMAIN_OURSELVES,  /* its exchanger is our own name */
    DOMAIN_FORBIDDEN,  /* its exchanger is a loopback or multicast address */
    DOMAIN_HOSTLESS,   /* its exchangers do not exist */
    DOMAIN_BROKEN,     /* SERVFAIL for ever */
    DOMAIN_KIND_COUNT
} domain_kind_t;

/* Where a recipient goes: a domain of the world by its index, or one of these. */
enum {
    TO_LOCAL = DOMAIN_COUNT, /* the mailbox here */
    TO_RELAY,
    TO_DEFAULT_RELAY, /* everything goes there */
    TO_UNASKED,       /* names that are never asked for: one each */
    UNASKED_COUNT = 4,
    TO_LITERAL = TO_UNASKED + UNASKED_COUNT, /* addresses: of each host, one of each family; then those of nobody's */
    LITERAL_HOST_COUNT = 2 * (HOST_COUNT - RELAY_COUNT),
    TO_FORBIDDEN = TO_LITERAL + LITERAL_HOST_COUNT,
    FORBIDDEN_COUNT = 3,
    TO_OURSELVES = TO_FORBIDDEN + FORBIDDEN_COUNT, /* our own address */
    TO_COUNT
};

typedef struct domain {
    char name[80];
    uint8_t kind; /* domain_kind_t */
    uint8_t host_count;
    uint8_t hosts[4];
    uint16_t preferences[4];
    uint8_t copies; /* how often each is listed */
    uint8_t alias;  /* which domain it is */
} domain_t;

enum { OFFERS_PIPELINING = 1, OFFERS_8BITMIME = 2, OFFERS_STARTTLS = 4, OFFERS_SIZE = 8, OFFERS_PLAIN = 16, OFFERS_LOGIN = 32 };

typedef struct host {
    char name[80];
    uint8_t count4;
    uint8_t count6;
    uint8_t offers;
    uint8_t rcpt_limit; /* recipients in one transaction; then 452 */
    bool has_helo_only;
    bool is_greylisting;
    uint32_t size_limit;
} host_t;

typedef enum event_kind { EVENT_WAKE, EVENT_START, EVENT_TO_SERVER, EVENT_TO_CLIENT, EVENT_CONNECT, EVENT_DATAGRAM, EVENT_POKE, EVENT_ENDLESS } event_kind_t;

typedef struct event {
    uint64_t at_ms;
    uint32_t order; /* among equals, as they were made */
    uint32_t generation;
    uint16_t device;
    uint16_t size;
    uint8_t kind;
    uint8_t slot;
} event_t;

struct device;

typedef struct world {
    options_t options;
    uint64_t now_ms;
    uint64_t end_ms;
    rng_t rng;
    uint32_t rates[FAULT_COUNT];
    domain_t domains[DOMAIN_COUNT];
    host_t hosts[HOST_COUNT];
    uint32_t device_count;
    uint32_t mail_count; /* of each device */
    struct device *devices;
    struct device *device; /* whose event it is */
    event_t *events;
    size_t event_count;
    size_t event_capacity;
    uint32_t order;
} world_t;

/* ---- the stream and the datagrams of one device -------------------------------------------------------- */

enum { STREAM_NONE, STREAM_CONNECTING, STREAM_OPEN };
enum { END_NONE, END_FIN, END_RST, END_SILENT };
enum { PEER_SMTP, PEER_NAMES };

typedef struct stream {
    uint32_t generation; /* events of an earlier stream are nobody's */
    uint8_t state;
    uint8_t peer_kind;
    mote_endpoint_t peer;
    uint8_t host;
    mote_status_t connect_status;
    bool is_answered;     /* connect_status is known to the client */
    uint64_t connect_ms;  /* since */
    uint8_t out[OUT_BYTES]; /* on the way to the server */
    uint16_t out_size;
    uint8_t in[IN_BYTES]; /* on the way to the client, or arrived */
    uint16_t in_read;     /* taken by the client */
    uint16_t in_arrived;
    uint16_t in_size;
    uint16_t in_lent;
    uint64_t out_ms; /* when the last of them arrives */
    uint64_t in_ms;
    uint32_t sent; /* octets in all */
    uint32_t heard;
    uint32_t cut_out; /* the link ends behind so many octets */
    uint32_t cut_in;
    uint8_t cut_kind;
    uint8_t end; /* what the client will see behind the last octet */
    bool has_ended; /* and that it is there to be seen */
    uint64_t stalled_ms; /* until then */
    bool is_secure;
    bool is_securing;
    uint64_t secure_ms; /* when the handshake is through */
    mote_status_t secure_status;
    uint8_t protection;
} stream_t;

typedef struct datagram {
    bool is_used;
    bool has_arrived;
    uint32_t order;
    mote_status_t status;
    mote_endpoint_t from;
    uint16_t size;
    uint8_t bytes[DATAGRAM_BYTES];
} datagram_t;

typedef struct slot {
    uint32_t generation;
    bool is_open;
    int8_t lent; /* which datagram, -1: none */
    datagram_t datagrams[DATAGRAM_COUNT];
} slot_t;

/* ---- what a mail server remembers of a connection ------------------------------------------------------- */

typedef struct session {
    uint8_t host;
    bool has_ehlo; /* EHLO or HELO was said */
    bool has_mail;
    bool is_secure;
    bool expects_tls; /* the 220 is said */
    bool has_auth;
    uint8_t auth_step; /* 1: PLAIN's answer, 2: LOGIN's user, 3: its password */
    uint16_t accepted; /* recipients of the transaction, a bit each */
    uint16_t offered;
    bool is_data;
    bool is_deaf; /* it reads no more */
    bool is_right; /* the content is what it should be, so far */
    bool is_endless;
    bool has_doubled; /* a reply was said twice: it is out of step */
    uint8_t dot_state;
    uint32_t at; /* octets of the content compared */
    uint16_t line_size;
    char line[LINE_BYTES];
} session_t;

/* ---- the witness ----------------------------------------------------------------------------------------- */

/* Verdicts as bits of a set; OPEN: goes on to another host. */
enum { MAY_ACCEPT = 1, MAY_TRANSIENT = 2, MAY_PERMANENT = 4, MAY_DOUBT = 8, MAY_STAY_OPEN = 16, MAY_BE_ANYTHING = 31 };

typedef enum command {
    SAID_NOTHING,
    SAID_GREETING, /* nothing was said: the greeting is owed */
    SAID_EHLO,
    SAID_HELO,
    SAID_STARTTLS,
    SAID_AUTH,
    SAID_ANSWER,
    SAID_MAIL,
    SAID_RCPT,
    SAID_DATA,
    SAID_DOT,
    SAID_RSET,
    SAID_QUIT,
    COMMAND_KIND_COUNT
} command_t;

typedef struct said {
    uint8_t command;
    uint8_t recipient;
    bool has_size; /* MAIL with SIZE= */
} said_t;

typedef struct witness {
    /* of one delivery */
    uint8_t verdicts[RECIPIENT_COUNT]; /* as given by the library */
    uint8_t may[RECIPIENT_COUNT];      /* what they may be */
    uint8_t took[RECIPIENT_COUNT];     /* the ledger: how often a server took it */
    uint8_t stored[RECIPIENT_COUNT];   /* and the mailbox */
    bool took_wrong;                   /* and not what it was */
    uint32_t fault_count;
    uint32_t names_fault_count;
    bool has_soft;      /* something temporary happened to this next hop */
    bool has_denial;    /* a name server denied something, or gave addresses that may not be used */
    bool has_empty_mx;  /* it said there are no MX records */
    bool has_garbage;   /* it said anything: addresses too */
    bool was_stopped;
    bool has_timed_out; /* the whole delivery's time is over */
    bool is_over;
    uint8_t lead;
    uint8_t host;           /* of the session at hand or the last one */
    uint32_t hop_addresses; /* tried for this next hop */
    uint32_t hop_sessions;
    uint64_t tried;         /* which of them, a bit each */
    uint16_t excused_hosts; /* something was wrong with the questions for their addresses */
    bool is_all_excused;    /* or with one for all of them */
    bool was_vague;         /* some session of this next hop */
    uint64_t start_ms;
    uint64_t lookup_ms;
    /* of one session */
    bool is_session;
    bool is_reused;    /* it carries a further mail: its end says nothing of the host */
    bool is_lost;      /* the client has been told of the end */
    bool is_broken;    /* it heard what cannot stand there */
    bool has_given_up; /* some other reason to cut */
    bool is_vague;     /* bytes of half a command were answered: whatever the client makes of it */
    bool was_greeted;
    bool is_secure; /* verified */
    bool is_encrypted;
    bool has_auth;
    bool is_drained; /* AUTH or MAIL was refused */
    bool auth_failed;
    bool needs_reset;
    bool is_content;
    bool is_cr;
    bool is_8bit_declared;
    bool may_secure; /* 220 was heard, and nothing behind it */
    bool was_unasked; /* it began while nothing waited for one */
    bool was_half;    /* and half a command had left */
    bool was_early;  /* the reply at hand began before the end of data had left */
    uint8_t hello;   /* SAID_EHLO or SAID_HELO, once answered with 2yz */
    uint8_t offers;
    uint32_t size_limit;
    uint16_t chosen;   /* recipients of this next hop, a bit each */
    uint16_t accepted; /* answered with 2yz in this transaction */
    uint64_t since_ms; /* when the last reply was complete, or content moved */
    said_t queue[COMMAND_COUNT]; /* said and not answered */
    uint8_t queue_size;
    uint16_t line_size;
    char line[LINE_BYTES];
    uint32_t content_at;
    bool is_line_start;
    bool has_dot; /* the line's first octet was a dot */
    uint16_t reply_size;
    uint16_t reply_line; /* octets of its line so far */
    uint16_t reply_lines;
    uint32_t reply_octets;
    char reply[8]; /* the first octets of its line */
    char words[128];
    uint16_t words_size;
    int reply_code;
    bool is_reply_cr;
} witness_t;

/* ---- a device -------------------------------------------------------------------------------------------- */

typedef struct guarded {
    uint8_t before[GUARD_BYTES];
    mote_delivery_t delivery;
    uint8_t between[GUARD_BYTES];
    uint8_t room[640];
    uint8_t after[GUARD_BYTES];
} guarded_t;

typedef struct device {
    world_t *world;
    uint16_t index;
    rng_t rng;
    uint32_t clock_offset; /* its clock starts anywhere */
    uint32_t latency_ms;
    uint32_t mail_index;
    uint32_t attempt; /* of the mail at hand, from 0 */
    uint8_t slot;     /* of mails, where it stands */
    int16_t asked;    /* whose addresses are asked for just now: a host; -1: something else */
    bool is_running;
    bool was_started;
    uint64_t wake_ms; /* when it wants to be woken */
    uint64_t queued_ms; /* when an event to that end stands */
    uint64_t stop_ms;
    uint64_t partition_ms;
    uint32_t step_calls;
    bool is_inside; /* a call of the library is under way */
    bool is_done;
    uint32_t small_sent; /* octets of the last stream, for small worlds */
    uint32_t small_heard;
    /* settings */
    unsigned families;
    mote_settings_t settings;
    mote_dns_settings_t dns;
    mote_endpoint_t name_servers[NAME_SERVER_COUNT];
    mote_timeouts_t timeouts;
    mote_observer_t observer;
    mote_route_t routes[4];
    mote_hop_t hops[3];
    mote_span_t own_names[1];
    mote_ip_t own_address;
    mote_mailbox_t mailbox;
    mote_port_t port;
    char user[16];
    char password[480];
    char auth_plain[720]; /* what a server must hear */
    char auth_user[32];
    char auth_password[680];
    /* the mail at hand, and the one before: it is borrowed until the call that begins the next */
    struct {
        mote_mail_t mail;
        mote_recipient_t recipients[RECIPIENT_COUNT];
        char addresses[RECIPIENT_COUNT][ADDRESS_BYTES];
    } mails[2];
    mote_mail_t mail; /* a copy of the one at hand, for what it counts */
    mote_recipient_t *recipients;
    char (*addresses)[ADDRESS_BYTES];
    mote_source_t source;
    uint8_t domains[RECIPIENT_COUNT];   /* of the world, or TO_... */
    uint8_t duplicates[RECIPIENT_COUNT]; /* the index of the first of its kind */
    char texts[RECIPIENT_COUNT][64];
    char hosts[RECIPIENT_COUNT][48];
    char reverse_path[ADDRESS_BYTES];
    uint8_t text[WIRE_BYTES + WIRE_BYTES / 16]; /* as the source has it */
    uint32_t text_size;
    uint8_t wire[WIRE_BYTES]; /* as it has to arrive */
    uint32_t wire_size;
    bool is_bad;      /* it may not travel */
    bool has_8bit;
    uint32_t source_at;
    uint8_t piece[PIECE_BYTES]; /* lent to the library, and spoilt at the next call: nobody may look back */
    /* the mailbox */
    uint8_t mailbox_step;
    uint32_t mailbox_at;
    bool is_mailbox_right;
    uint8_t mailbox_recipient;
    /* the world's end of it */
    guarded_t *guarded;
    uint8_t tcp_buffer[4096 + GUARD_BYTES];
    stream_t stream;
    slot_t slots[2];
    session_t session;
    uint8_t names_in[600]; /* a question over TCP */
    uint16_t names_size;
    witness_t witness;
} device_t;

/* ---- a scripted fault, for small worlds ------------------------------------------------------------------ */

enum { PLAN_NONE, PLAN_CUT_OUT, PLAN_CUT_IN, PLAN_CALL, PLAN_REPLY };

typedef struct plan {
    uint8_t kind;
    uint8_t how;  /* END_ of a cut; which bad reply */
    uint16_t at;  /* octets; the n-th call; the n-th reply */
} plan_t;

extern plan_t plans[2];
extern uint32_t plan_calls;   /* counted since the delivery began */
extern uint32_t plan_replies;
bool plan_fails_call(void);
extern const char *const bad_replies[];
extern const size_t bad_reply_count;

/* ---- the counts of a run ---------------------------------------------------------------------------------- */

enum { HEARD_2YZ, HEARD_3YZ, HEARD_4YZ, HEARD_421, HEARD_5YZ, HEARD_MALFORMED, HEARD_END, HEARD_TIMEOUT, HEARD_COUNT };
enum { ROW_COUNT = 20, STATE_COUNT = 20 };

typedef struct counts {
    uint64_t worlds;
    uint64_t virtual_ms;
    uint64_t mails;      /* deliveries */
    uint64_t recipients;
    uint64_t verdicts[5];
    uint64_t faults[FAULT_COUNT];
    uint64_t states[STATE_COUNT][HEARD_COUNT];
    uint64_t rows[ROW_COUNT][2]; /* of conformance 2: MX, addresses */
    uint64_t vague;
    uint64_t reused;
    uint64_t retries;
    uint64_t probes;
    uint64_t all_tried; /* left for later, every host having been tried */
    uint64_t literals; /* recipients at an address */
    uint64_t steps;
} counts_t;

extern counts_t counts;

/* States of conformance 7, as the coverage prints them. */
enum { S_CONNECT, S_IMPLICIT_TLS, S_UNTRUSTED, S_GREETING, S_EHLO, S_HELO, S_STARTTLS, S_HANDSHAKE, S_EHLO_TLS, S_AUTH, S_MAIL, S_RCPT, S_DATA, S_DATA_NOBODY, S_DATA_AUTH, S_CONTENT, S_FINAL, S_RSET, S_QUIT, S_IDLE };
/* Rows of conformance 2. */
enum { ROW_DATA, ROW_NULL_MX, ROW_UNUSABLE, ROW_NODATA, ROW_NXDOMAIN, ROW_CNAME, ROW_CNAME_LOOP, ROW_SERVFAIL, ROW_REFUSED, ROW_FORMERR, ROW_TIMEOUT, ROW_TRUNCATED, ROW_TOO_LARGE, ROW_MISMATCH, ROW_MALFORMED, ROW_REFERRAL, ROW_NO_SERVERS };

/* ---- world.c ---- */
uint64_t mix(uint64_t a, uint64_t b);
uint64_t draw(rng_t *rng);
uint32_t below(rng_t *rng, uint32_t count);
bool chance(rng_t *rng, uint32_t of_65536);
bool fault(device_t *device, fault_t kind); /* does it strike now? */
bool may_fault(const world_t *world, fault_t kind);
void note_fault(device_t *device, fault_t kind);
void add_event(world_t *world, uint64_t at_ms, event_kind_t kind, const device_t *device, uint32_t generation, unsigned slot, size_t size);
void poke(device_t *device, uint64_t at_ms); /* step it then */
void run_world(world_t *world, const options_t *options);
uint32_t clock_of(const device_t *device);

/* ---- network.c ---- */
void init_port(device_t *device);
void on_network(device_t *device, const event_t *event);
void server_says(device_t *device, const void *bytes, size_t size, uint32_t delay_ms); /* on the stream */
void server_ends(device_t *device, unsigned end, uint32_t delay_ms);
bool add_datagram(device_t *device, unsigned slot, mote_status_t status, const mote_endpoint_t *from, const uint8_t *bytes, size_t size, uint32_t delay_ms);

/* ---- names.c ---- */
void names_hear(device_t *device, unsigned slot, const mote_endpoint_t *server, mote_span_t question);
void names_hear_stream(device_t *device, const uint8_t *bytes, size_t size);
int16_t names_asked(const device_t *device, mote_span_t question); /* the host whose addresses it asks for, or -1 */

/* ---- server.c ---- */
void server_accepts(device_t *device);
void server_greets(device_t *device);
void server_hears(device_t *device, const uint8_t *bytes, size_t size);
void server_goes_on(device_t *device); /* with an endless reply */
void write_base64(char *out, const char *bytes, size_t size);

/* ---- device.c ---- */
void init_device(world_t *world, device_t *device, uint16_t index);
void on_start(device_t *device);
void step_device(device_t *device);
uint8_t hop_of_recipient(const device_t *device, unsigned recipient);
bool is_refused(const device_t *device, unsigned recipient); /* by what it is, without anybody being asked */
bool literal_ip(const device_t *device, unsigned to, mote_ip_t *ip);

/* ---- witness.c ---- */
#if defined(__GNUC__)
__attribute__((noreturn, format(printf, 2, 3)))
#endif
void violate(device_t *device, const char *format, ...);
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void tell(const device_t *device, const char *format, ...);
void tell_bytes(const device_t *device, const char *who, const uint8_t *bytes, size_t size);
bool is_told(const device_t *device);
void witness_begins(device_t *device);
void witness_connects(device_t *device);
void witness_connected(device_t *device);
void witness_sent(device_t *device, const uint8_t *bytes, size_t size);
void witness_heard(device_t *device, const uint8_t *bytes, size_t size);
void witness_lost(device_t *device);
void witness_secures(device_t *device);
void witness_secured(device_t *device, mote_status_t status, unsigned protection);
void witness_leaves(device_t *device, bool is_cut);
void witness_stepped(device_t *device, uint32_t wait_ms);
void witness_ends(device_t *device);
void witness_took(device_t *device, uint16_t recipients, bool is_right);
void witness_asks(device_t *device);
void witness_excuses(device_t *device); /* the names at hand may be lost */
void witness_hop(device_t *device); /* something is done for the next hop at hand */

/* ---- main.c ---- */
#if defined(__GNUC__)
__attribute__((noreturn))
#endif
void fail_world(device_t *device, const char *invariant, const char *words);
bool try_world(const options_t *options); /* true: nothing was broken */
const char *failure_words(void);

/* ---- small.c ---- */
void make_small(world_t *world, unsigned shape);
int run_small(world_t *world, bool is_quick);

#endif
