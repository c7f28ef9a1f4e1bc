/**
 * @file
 * The stub resolver: one name, asked until it is answered (RFC 1035 7, RFC 5452, RFC 7766).
 *
 * A question is one name and up to two record types, asked side by side in two slots: MX alone, or A and
 * AAAA. The engine is pure: it lends datagrams to send and says to whom, takes datagrams that came, and
 * tells by when it wants to be called again. Who calls it moves the bytes (delivery.h does).
 *
 * The same question goes to each name server once before any is asked again. Within a slot all
 * transmissions carry the same unpredictable ID from the same unpredictable port, so an answer to any of
 * them is good, and no two different questions for one name are ever open to be guessed (RFC 5452 5).
 * An answer counts only if server, ID, name, type and class are those asked; anything else is dropped and
 * the wait goes on. After a truncated answer, or many forgeries, the question goes over TCP.
 *
 * Answers are not stored: input() hands out an answer that lives as long as the bytes it was given.
 */
#ifndef MAILMOTE_RESOLVER_H
#define MAILMOTE_RESOLVER_H

#include <mailmote/dns.h>

MOTE_BEGIN_DECLS

enum { MOTE_RESOLVER_SLOT_COUNT = 2, MOTE_RESOLVER_SERVER_COUNT = 8 };

/** Fills bytes with unpredictable ones: MOTE_OK or MOTE_ERR_RANDOM, never a weak substitute. */
typedef struct mote_random {
    mote_status_t (*fill)(void *self, uint8_t *bytes, size_t size);
    void *self;
} mote_random_t;

/** Who is asked, and how patiently. Borrowed; must not change while a question is open. */
typedef struct mote_dns_settings {
    const mote_endpoint_t *servers; /**< in order of preference */
    uint8_t server_count;           /**< 1 to MOTE_RESOLVER_SERVER_COUNT; 0 fails every question (MOTE_ERR_DNS) */
    bool asks_local;                /**< .local names go to these servers too (RFC 6762 3 says they should not) */
    bool mixes_case;                /**< 0x20: the name's letter case is drawn and must come back (off by default) */
    uint16_t udp_bytes;             /**< largest datagram the port can take: offered by EDNS0; 0 means 1232 */
    uint16_t first_wait_ms;         /**< before the first retransmission, doubling each round; 0 means 3000 */
    uint16_t total_s;               /**< for the whole question; 0 means 20 */
    uint8_t *tcp_buffer;            /**< the caller's room for an answer over TCP; NULL: no TCP */
    uint16_t tcp_capacity;          /**< 512 to 65535; 4096 holds any sane MX set */
} mote_dns_settings_t;

/** What a slot wants done next. */
typedef enum mote_resolver_want {
    MOTE_RESOLVER_WANTS_NOTHING,  /**< not in use, answered, or waiting for its turn */
    MOTE_RESOLVER_WANTS_DATAGRAM, /**< wait for a datagram on the slot's socket */
    MOTE_RESOLVER_WANTS_SEND,     /**< send the lent message as one datagram, opening the slot's socket if needed */
    MOTE_RESOLVER_WANTS_STREAM    /**< see mote_resolver_stream: the slot goes on over TCP */
} mote_resolver_want_t;

/** One slot: a record type and how far its answer is. */
typedef struct mote_resolver_slot {
    uint16_t type; /* private: 0 when unused */
    uint16_t id;
    uint8_t state;
    uint8_t status;         /* mote_status_t: PENDING until it has ended */
    uint8_t server_index;   /* who is asked now */
    uint8_t round;          /* how often all have been asked before: doubles the wait */
    uint8_t failed_servers; /* a bit each: those that gave no usable answer and are not asked again */
    uint8_t asked_servers;  /* a bit each: whose datagrams may answer */
    uint8_t mismatch_count;
    uint32_t sent_ms;
} mote_resolver_slot_t;

/**
 * What is asked. It stands apart from the resolver, whose memory may serve something else once the question is answered:
 * the name stays.
 */
typedef struct mote_question {
    uint16_t name_size;                       /* private: of the name in the query */
    uint8_t query[2 + MOTE_DNS_QUERY_BYTES]; /* length octets for TCP, then the message; holds the name */
} mote_question_t;

/** The engine's memory: placed by the caller, private except through the calls below. */
typedef struct mote_resolver {
    mote_question_t *question;
    const mote_dns_settings_t *settings;
    const mote_random_t *random;
    uint32_t start_ms;
    uint32_t now_ms; /* as told last */
    uint8_t alias_count;
    uint8_t plain_servers; /* a bit each: those that do not know EDNS0 */
    bool ignores_case;     /* a server gave the name back in another case: asked without 0x20 */
#if MOTE_FEATURE_DNS_TCP
    uint8_t stream_state;
    uint8_t stream_slot;   /* whose question the stream carries */
    uint8_t stream_server; /* index of the server it leads to */
    bool stream_is_reused; /* it has carried an answer before: the server may have closed it since */
    uint16_t stream_size;  /* of the answer, as its length octets say */
    uint32_t stream_done;  /* bytes of the question sent, or of the answer received, length octets included */
    uint32_t stream_ms;
#endif
    mote_resolver_slot_t slots[MOTE_RESOLVER_SLOT_COUNT];
} mote_resolver_t;

/** Once, before the first start. The question is the caller's memory, borrowed until the last question has ended. */
void mote_resolver_init(mote_resolver_t *resolver, mote_question_t *question);

/** The record types a question can ask for, as sets for start. */
enum { MOTE_RESOLVER_MX = 1, MOTE_RESOLVER_ADDRESSES = 2 /* A and AAAA as far as families says */ };

/**
 * Starts a question for a name in letters and dots.
 *
 * @param[in] random    borrowed until the question has ended
 * @param[in] what      MOTE_RESOLVER_MX or MOTE_RESOLVER_ADDRESSES
 * @param[in] families  for addresses: the set of MOTE_FAMILY_ to ask for, at least one
 * @return MOTE_OK; MOTE_ERR_ADDRESS not a host name; MOTE_ERR_RANDOM; MOTE_ERR_DNS no servers; MOTE_ERR_NO_NAME for
 *         localhost, invalid, onion and local names, which are never asked (RFC 6761, RFC 7686, RFC 6762; nor are they
 *         when an alias leads to them). After an error nothing is sent, and the slots have ended with it.
 */
mote_status_t mote_resolver_start(mote_resolver_t *resolver, const mote_dns_settings_t *settings,
                                  const mote_random_t *random, mote_span_t name, unsigned what,
                                  unsigned families, uint32_t now_ms);

/** The same for a name inside an answer: an MX exchange. It is copied; the answer may go afterwards. */
mote_status_t mote_resolver_start_name(mote_resolver_t *resolver, const mote_dns_settings_t *settings,
                                       const mote_random_t *random, const mote_dns_name_t *name,
                                       unsigned what, unsigned families, uint32_t now_ms);

/**
 * What the slot wants. With WANTS_SEND, message and server are set; the message stays in place until the
 * next call of any function of this resolver.
 */
mote_resolver_want_t mote_resolver_output(mote_resolver_t *resolver, unsigned slot, mote_span_t *message,
                                          const mote_endpoint_t **server);

/**
 * Whether the question is new and nobody has been asked it: then the slot's socket must be a new one as well, from
 * another port (RFC 5452 9.2). So it is at the start, when an alias led to another name, and without 0x20.
 */
bool mote_resolver_is_new(const mote_resolver_t *resolver, unsigned slot);

/**
 * Says how sending went: MOTE_OK, or the error the port gave (then the next server is asked). Not called
 * for MOTE_PENDING: the slot goes on wanting to send.
 */
void mote_resolver_sent(mote_resolver_t *resolver, unsigned slot, mote_status_t status);

/**
 * Takes one datagram, or an error of the slot's socket (status other than MOTE_OK; from is then the server
 * concerned, or NULL for the one asked last).
 *
 * @return MOTE_PENDING  the slot goes on waiting (or asking)
 *         MOTE_OK       answered: answer walks its records while the datagram's bytes live
 *         otherwise     how the slot ended, as mote_resolver_status
 */
mote_status_t mote_resolver_input(mote_resolver_t *resolver, unsigned slot, mote_status_t status,
                                  const mote_endpoint_t *from, mote_span_t datagram,
                                  mote_dns_answer_t *answer);

/** Tells the time, before anything else is told. Returns by when to be called again, in ms from now; 0 when something
 *  is to be sent. */
uint32_t mote_resolver_tick(mote_resolver_t *resolver, uint32_t now_ms);

/**
 * How a slot stands: PENDING; OK; NO_NAME; NO_DATA; DNS (temporary); DNS_LOOP; DNS_SPACE; RANDOM. A slot that
 * is not in use is NO_DATA.
 */
mote_status_t mote_resolver_status(const mote_resolver_t *resolver, unsigned slot);

/** The name as it was asked last: the one started with, or the end of the aliases followed since. */
mote_dns_name_t mote_question_name(const mote_question_t *question);

#if MOTE_FEATURE_DNS_TCP
/* ---- over TCP: one stream, both slots through it ---- */

/** What the stream is to do. */
typedef enum mote_resolver_stream {
    MOTE_RESOLVER_STREAM_IDLE,    /**< not needed (an open one may be closed) */
    MOTE_RESOLVER_STREAM_CONNECT, /**< close any stream and connect to *server */
    MOTE_RESOLVER_STREAM_SEND,    /**< send message (length octets included, RFC 7766 8) */
    MOTE_RESOLVER_STREAM_RECEIVE  /**< wait for bytes */
} mote_resolver_stream_t;

mote_resolver_stream_t mote_resolver_stream(mote_resolver_t *resolver, mote_span_t *message,
                                            const mote_endpoint_t **server);
/** The stream is up (MOTE_OK) or has ended or failed (anything else). */
void mote_resolver_stream_event(mote_resolver_t *resolver, mote_status_t status);
/** So many bytes of the lent message were taken by the port. No timer moves: the stream has its time as a whole. */
void mote_resolver_stream_sent(mote_resolver_t *resolver, size_t size);
/**
 * Takes bytes that came; *used says how many (the rest is to be given again: one answer at a time).
 *
 * @return as mote_resolver_input, of the slot that the stream is for; the answer lives in the caller's TCP buffer until the next call
 */
mote_status_t mote_resolver_stream_input(mote_resolver_t *resolver, mote_span_t bytes, size_t *used,
                                         mote_dns_answer_t *answer);
#endif

MOTE_END_DECLS

#endif
