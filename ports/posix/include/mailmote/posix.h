/**
 * @file
 * mailmote on POSIX: sockets, name servers, sources over files, and loops.
 *
 * Everything is non-blocking. One mote_posix_t serves one delivery at a time. Three ways to use it:
 *
 *   mote_posix_deliver    blocks until the mail has its verdicts: the simplest
 *   mote_posix_loop_...   many deliveries in one poll() loop
 *   your own event loop   mote_posix_poll_fds and what mote_delivery_step returns
 */
#ifndef MAILMOTE_POSIX_H
#define MAILMOTE_POSIX_H

#include <mailmote/delivery.h>

#include <poll.h>

MOTE_BEGIN_DECLS

enum {
    MOTE_POSIX_RECEIVE_BYTES = 960,   /* of the stream: replies are short */
    MOTE_POSIX_DATAGRAM_BYTES = 1232, /* what we offer by EDNS0 (udp_bytes 0) */
    MOTE_POSIX_FD_COUNT = 5,         /* the stream, and two sockets (IPv4, IPv6) for each of two slots */
    MOTE_POSIX_SERVER_COUNT = MOTE_RESOLVER_SERVER_COUNT
};

/** The port's memory for one delivery. mote_posix_init first: zeroed it would close descriptor 0. */
typedef struct mote_posix {
    int stream_fd; /* private; -1: none */
    int slot_fds[2][2];
    bool is_connected;
    bool has_ended;      /* the peer's FIN was seen */
    bool allows_loopback_source; /* addresses of the loopback interface count as ours: for tests on one machine */
    bool wants_write;
    int error; /* errno of the last failure */
    uint16_t size; /* bytes in receive, from start on */
    uint16_t start;
    uint8_t receive[MOTE_POSIX_RECEIVE_BYTES];
    uint8_t datagram[MOTE_POSIX_DATAGRAM_BYTES];
} mote_posix_t;

/** The table for mote_delivery_start; its self is a mote_posix_t. No TLS: wrap it with ports/mbedtls. */
extern const mote_port_t mote_posix_port;

void mote_posix_init(mote_posix_t *posix);
/** Closes whatever is open, at once. */
void mote_posix_close(mote_posix_t *posix);
/** errno of the last failure, for a log; 0 if there was none. */
int mote_posix_errno(const mote_posix_t *posix);

/** Milliseconds of CLOCK_MONOTONIC; wraps every 49 days, as the core expects. */
uint32_t mote_posix_now_ms(void);
/** getrandom(2), or /dev/urandom: MOTE_OK or MOTE_ERR_RANDOM. */
mote_status_t mote_posix_random(void *self, uint8_t *bytes, size_t size);

/** What to poll for: fills at most MOTE_POSIX_FD_COUNT entries and returns how many. */
size_t mote_posix_poll_fds(const mote_posix_t *posix, struct pollfd *fds, size_t capacity);

/* ---- name servers and names ---- */

/**
 * Reads the text of a resolv.conf: its "nameserver" lines, IPv6 zones (fe80::1%eth0, fe80::1%2) included.
 *
 * @return how many servers were found, at most capacity; other lines and bad addresses are passed over
 */
size_t mote_posix_read_resolv_conf(mote_span_t text, mote_endpoint_t *servers, size_t capacity);

/** The servers of a file (NULL: /etc/resolv.conf); none: 127.0.0.1, as the C library does. Returns how many. */
size_t mote_posix_dns_servers(const char *path, mote_endpoint_t *servers, size_t capacity);

/**
 * This host's fully qualified name, if it has one that may be said in EHLO: its length, or 0. A host whose own name is a
 * single label is looked up by the C library, which may take as long as the system's name servers are patient.
 */
size_t mote_posix_hello_name(char *name, size_t capacity);

/* ---- sources ---- */

/**
 * A source over a file descriptor.
 *
 * A regular file is read with pread(2), piece by piece, so that a file cut short meanwhile is a failure of the
 * source and not of the process. Anything else (a pipe, a terminal) is first copied into an unlinked temporary
 * file, since a delivery may read it more than once.
 */
typedef struct mote_posix_source {
    mote_source_t source;
    int fd; /* private */
    bool owns_fd;
    int64_t offset;
    int64_t size;
    uint8_t piece[16384];
} mote_posix_source_t;

/**
 * Opens a source. The descriptor is borrowed until close. has_lf_lines is set: this is text of this
 * platform. A file is checked anew as it leaves, for others may write to it (is_canonical MOTE_NO); other traits are unknown.
 *
 * @return MOTE_OK, MOTE_ERR_SOURCE (see errno)
 */
mote_status_t mote_posix_source_open(mote_posix_source_t *source, int fd);
void mote_posix_source_close(mote_posix_source_t *source);

/**
 * A regular file mapped into memory: large pieces, nothing copied here. Only for files that nobody cuts short while the
 * delivery runs: a read behind their end is a SIGBUS. The descriptor may be closed afterwards. has_lf_lines and
 * is_stable are set, is_canonical is MOTE_NO as above, other traits are unknown.
 *
 * @return MOTE_OK, MOTE_ERR_SOURCE (see errno; EINVAL: not a regular file)
 */
mote_status_t mote_posix_map(mote_memory_source_t *memory, int fd);
void mote_posix_unmap(mote_memory_source_t *memory);

/* ---- running ---- */

/**
 * Delivers one mail and blocks until every recipient has a verdict and the stream is closed.
 *
 * What is not given is found: the name for EHLO by mote_posix_hello_name, the name servers (dns NULL) in
 * /etc/resolv.conf, with TCP and mixed case.
 *
 * @return as mote_delivery_start, or MOTE_ERR_MEMORY; verdicts are in the mail
 */
mote_status_t mote_posix_deliver(const mote_settings_t *settings, const mote_dns_settings_t *dns, mote_mail_t *mail);

/** A delivery under way, in a loop or on its own. port and self may be a wrapper (TLS) around posix. */
typedef struct mote_posix_run {
    mote_delivery_t delivery;
    mote_posix_t posix;
    const mote_port_t *port;
    void *self;
    mote_buffer_t room; /**< for outgoing commands: the 1024 bytes below, or the caller's larger ones */
    uint8_t small_room[1024];
    uint32_t due_ms;             /* private */
    struct mote_posix_run *next; /* private */
    /** Called when the delivery has ended and is out of the loop; may add this run or others again, or free it.
     *  May be NULL. */
    void (*ended)(struct mote_posix_run *run);
} mote_posix_run_t;

/**
 * Many deliveries in one thread. Zero it. A delivery ended by mote_delivery_stop leaves the loop in its next round; a
 * kept stream (keeps_stream) is the caller's to close: by its port's close, or mote_posix_close.
 */
typedef struct mote_posix_loop {
    mote_posix_run_t *first;
    size_t count;
} mote_posix_loop_t;

/** Sets up a run on the plain port. Set port, self and room afterwards for others. */
void mote_posix_run_init(mote_posix_run_t *run);
/** Starts a delivery and adds it. Returns as mote_delivery_start; on failure nothing was added. */
mote_status_t mote_posix_loop_add(mote_posix_loop_t *loop, mote_posix_run_t *run, const mote_settings_t *settings,
                                  const mote_dns_settings_t *dns, mote_mail_t *mail);
/**
 * Gives a run that has ended another mail, on the stream it kept if the way is the same (keeps_stream), and adds it
 * again. Returns as mote_delivery_next; on failure nothing was added.
 */
mote_status_t mote_posix_loop_next(mote_posix_loop_t *loop, mote_posix_run_t *run, mote_mail_t *mail);
/** One round: steps what is due, then waits at most limit_ms for something to move. Returns how many are left. */
size_t mote_posix_loop_step(mote_posix_loop_t *loop, uint32_t limit_ms);

MOTE_END_DECLS

#endif
