#define _XOPEN_SOURCE 700
#include "test.h"

#include <mailmote/posix.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static void resolv_conf(void **state)
{
    static const struct {
        const char *name;
        const char *text;
        unsigned count;
        const char *first;
    } cases[] = {
        { "usual", "# generated\nsearch example.net\nnameserver 192.0.2.1\nnameserver 2001:db8::1\noptions edns0\n", 2, "192.0.2.1" },
        { "tabs and blanks", "\t nameserver\t192.0.2.2 \r\n", 1, "192.0.2.2" },
        { "no line end", "nameserver ::1", 1, "::1" },
        { "bad ones are passed over", "nameserver x\nnameserver 1.2\nnameserver\nNameserver 192.0.2.9\nnameserver 192.0.2.3\n", 1, "192.0.2.3" },
        { "commented out", "#nameserver 192.0.2.1\n;nameserver 192.0.2.1\n", 0, NULL },
        { "empty", "", 0, NULL },
        { "no more than there is room for", "nameserver ::1\nnameserver ::2\nnameserver ::3\nnameserver ::4\n", 3, "::1" },
        { "unknown zone", "nameserver fe80::1%nosuchlink\nnameserver fe80::1%\n", 0, NULL },
        { "a zone", "nameserver fe80::1%lo\n", 1, "fe80::1" },
        { "a zone by number", "nameserver fe80::1%1\n", 1, "fe80::1" },
        { "no zone is that large, and IPv4 has none", "nameserver fe80::1%256\nnameserver 192.0.2.1%lo\n", 0, NULL },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        mote_span_t text = exact_copy(mote_span_text(cases[i].text));
        mote_endpoint_t servers[3];
        mote_ip_t ip;

        CHECK(mote_posix_read_resolv_conf(text, servers, 3) == cases[i].count, cases[i].name);
        if (cases[i].first != NULL) {
            CHECK(mote_ip_parse(mote_span_text(cases[i].first), &ip) == MOTE_OK, cases[i].name);
            CHECK(mote_ip_equals(&ip, &servers[0].ip) && servers[0].port == 53, cases[i].name);
        }
        free_copy(text);
    }
    {
        mote_endpoint_t servers[3];

        assert_int_equal(mote_posix_dns_servers("/nonexistent", servers, 3), 1); /* 127.0.0.1, as libc */
        assert_int_equal(mote_ip_reach(&servers[0].ip), MOTE_REACH_LOOPBACK);
    }
}

/* ---- a listener on loopback ---- */

static int listener;
static mote_endpoint_t peer;

static void listen_here(int type)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, type, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_true(type == SOCK_DGRAM || listen(listener, 1) == 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    memset(&peer, 0, sizeof peer);
    (void)mote_ip_parse(TEXT("127.0.0.1"), &peer.ip);
    peer.port = ntohs(address.sin_port);
}

static mote_posix_t posix;
static const mote_port_t *port = &mote_posix_port;

/* Calls again until it is no longer pending, for at most two seconds. */
#define SOON(call, status)                                                                                    \
    do {                                                                                                      \
        uint32_t begun_ms = mote_posix_now_ms();                                                              \
        do {                                                                                                  \
            (status) = (call);                                                                                \
        } while ((status) == MOTE_PENDING && mote_posix_now_ms() - begun_ms < 2000);                          \
    } while (0)

static int connect_here(void)
{
    mote_status_t status;

    mote_posix_init(&posix);
    SOON(port->connect(&posix, &peer), status);
    assert_int_equal(status, MOTE_OK);
    return accept(listener, NULL, NULL);
}

static void streams(void **state) /* PORT-7 */
{
    int other;
    mote_ip_t own;
    mote_span_t bytes;
    mote_status_t status;
    size_t taken;
    size_t sent = 0;
    static uint8_t block[100000];

    (void)state;
    listen_here(SOCK_STREAM);
    other = connect_here();
    assert_int_equal(fcntl(posix.stream_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(port->own_address(&posix, &own), MOTE_OK);
    assert_int_equal(mote_ip_reach(&own), MOTE_REACH_LOOPBACK);
    assert_int_equal(port->lend(&posix, &bytes), MOTE_PENDING);
    assert_int_equal(write(other, "hello", 5), 5);
    SOON(port->lend(&posix, &bytes), status);
    assert_int_equal(status, MOTE_OK);
    assert_int_equal(bytes.size, 5);
    port->taken(&posix, 2);
    assert_int_equal(port->lend(&posix, &bytes), MOTE_OK);
    assert_true(mote_span_equals(bytes, TEXT("llo")));
    port->taken(&posix, 3);
    /* a peer that does not read: short writes, then none */
    while ((status = port->send(&posix, mote_span(block, sizeof block), 0, &taken)) == MOTE_OK) {
        sent += taken;
        assert_true(taken > 0 && sent < 100000000);
    }
    assert_int_equal(status, MOTE_PENDING);
    assert_int_equal(taken, 0);
    assert_int_equal(port->wants(&posix), MOTE_WANTS_READ | MOTE_WANTS_WRITE);
    close(other);
    SOON(port->send(&posix, mote_span(block, 1), 0, &taken), status); /* no SIGPIPE */
    assert_int_equal(status, MOTE_ERR_RESET);
    assert_true(mote_posix_errno(&posix) == ECONNRESET || mote_posix_errno(&posix) == EPIPE);
    port->abort(&posix);
    port->abort(&posix); /* harmless */
    port->close(&posix);
    close(listener);
}

static void ends(void **state)
{
    int other;
    mote_span_t bytes;
    mote_status_t status;
    char text[16];
    size_t taken;

    (void)state;
    listen_here(SOCK_STREAM);
    other = connect_here();
    assert_int_equal(write(other, "bye", 3), 3);
    close(other);
    SOON(port->lend(&posix, &bytes), status); /* bytes before the end */
    assert_int_equal(status, MOTE_OK);
    port->taken(&posix, bytes.size);
    SOON(port->lend(&posix, &bytes), status);
    assert_int_equal(status, MOTE_CLOSED);
    assert_int_equal(port->lend(&posix, &bytes), MOTE_CLOSED);
    port->close(&posix);
    /* close: what was taken still arrives, though something unread lies in the socket */
    other = connect_here();
    assert_int_equal(write(other, "unread", 6), 6);
    (void)poll(NULL, 0, 20);
    assert_int_equal(port->send(&posix, TEXT("QUIT\r\n"), 0, &taken), MOTE_OK);
    port->close(&posix);
    assert_int_equal(read(other, text, sizeof text), 6);
    assert_int_equal(read(other, text, sizeof text), 0);
    close(other);
    /* abort: the peer sees a reset */
    other = connect_here();
    port->abort(&posix);
    assert_int_equal(read(other, text, sizeof text), -1);
    assert_int_equal(errno, ECONNRESET);
    close(other);
    close(listener);
    /* nobody there */
    mote_posix_init(&posix);
    SOON(port->connect(&posix, &peer), status);
    assert_int_equal(status, MOTE_ERR_REFUSED);
}

static void datagrams(void **state)
{
    struct sockaddr_in sender;
    socklen_t size = sizeof sender;
    mote_endpoint_t from;
    mote_span_t datagram;
    mote_status_t status;
    uint8_t text[2000];
    unsigned ports[16];

    (void)state;
    memset(text, 'x', sizeof text);
    listen_here(SOCK_DGRAM);
    mote_posix_init(&posix);
    for (unsigned i = 0; i < 16; i++) { /* DNS-3: a port of its own for each question */
        assert_int_equal(port->query_open(&posix, 0), MOTE_OK);
        assert_int_equal(port->query_send(&posix, 0, &peer, TEXT("question")), MOTE_OK);
        assert_int_equal(recvfrom(listener, text, sizeof text, 0, (struct sockaddr *)&sender, &size), 8);
        ports[i] = ntohs(sender.sin_port);
        for (unsigned j = 0; j < i; j++) {
            assert_true(ports[i] != ports[j] || i > 8);
        }
    }
    assert_int_equal(port->query_lend(&posix, 0, &from, &datagram), MOTE_PENDING);
    assert_int_equal(sendto(listener, "answer", 6, 0, (struct sockaddr *)&sender, size), 6);
    SOON(port->query_lend(&posix, 0, &from, &datagram), status);
    assert_int_equal(status, MOTE_OK);
    assert_true(mote_span_equals(datagram, TEXT("answer")));
    assert_true(from.port == peer.port && mote_ip_equals(&from.ip, &peer.ip));
    port->query_taken(&posix, 0);
    assert_int_equal(sendto(listener, text, sizeof text, 0, (struct sockaddr *)&sender, size), sizeof text);
    (void)poll(NULL, 0, 50);
    assert_int_equal(port->query_lend(&posix, 0, &from, &datagram), MOTE_PENDING); /* longer than we said we take */
    assert_int_equal(sendto(listener, "after", 5, 0, (struct sockaddr *)&sender, size), 5);
    SOON(port->query_lend(&posix, 0, &from, &datagram), status);
    assert_true(status == MOTE_OK && mote_span_equals(datagram, TEXT("after")));
    close(listener);
    /* DNS-41: nobody there is told, with the server concerned */
    assert_int_equal(port->query_send(&posix, 0, &peer, TEXT("question")), MOTE_OK);
    SOON(port->query_lend(&posix, 0, &from, &datagram), status);
    assert_int_equal(status, MOTE_ERR_REFUSED);
    assert_true(from.ip.family == 0 || from.port == peer.port);
    port->query_close(&posix, 0);
    port->query_close(&posix, 0);
    mote_posix_close(&posix);
}

/* The kernel tells an ICMP error to whichever call comes first, and that may be the sending to the next server. It must
   still be told, once: what stayed in the queue would wake poll() for ever. */
static void refusal_of_the_server_before(void **state) /* DNS-41 */
{
    mote_endpoint_t dead;
    mote_endpoint_t from;
    mote_span_t datagram;
    struct pollfd fds[MOTE_POSIX_FD_COUNT];
    mote_status_t status;

    (void)state;
    listen_here(SOCK_DGRAM);
    dead = peer;
    close(listener);
    listen_here(SOCK_DGRAM);
    mote_posix_init(&posix);
    assert_int_equal(port->query_open(&posix, 0), MOTE_OK);
    assert_int_equal(port->query_send(&posix, 0, &dead, TEXT("question")), MOTE_OK);
    (void)poll(NULL, 0, 50); /* the refusal has come */
    assert_int_equal(port->query_send(&posix, 0, &peer, TEXT("question")), MOTE_OK);
    SOON(port->query_lend(&posix, 0, &from, &datagram), status);
    assert_int_equal(status, MOTE_ERR_REFUSED);
    assert_true(from.ip.family == 0 || from.port == dead.port);
    assert_int_equal(port->query_lend(&posix, 0, &from, &datagram), MOTE_PENDING);
    assert_int_equal(poll(fds, (nfds_t)mote_posix_poll_fds(&posix, fds, COUNT_OF(fds)), 0), 0); /* and all is quiet */
    mote_posix_close(&posix);
    close(listener);
}

/* ---- sources ---- */

static void read_all(mote_source_t *source, const char *expected, const char *name)
{
    char text[256] = { 0 };
    size_t size = 0;
    mote_span_t piece;
    mote_status_t status;

    CHECK(source->rewind(source->self) == MOTE_OK, name);
    while ((status = source->next(source->self, &piece)) == MOTE_OK) {
        memcpy(text + size, piece.data, piece.size);
        size += piece.size;
    }
    CHECK(status == MOTE_CLOSED && strcmp(text, expected) == 0, name);
}

static void sources(void **state)
{
    static mote_posix_source_t source;
    char path[] = "/tmp/mailmote-source-XXXXXX";
    int fd = mkstemp(path);
    int ends_of_pipe[2];
    mote_span_t piece;

    (void)state;
    assert_int_equal(write(fd, "one\ntwo\n", 8), 8);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(mote_posix_source_open(&source, fd), MOTE_OK);
    read_all(&source.source, "one\ntwo\n", "file");
    read_all(&source.source, "one\ntwo\n", "file again");
    assert_int_equal(write(fd, "", 0), 0);
    assert_int_equal(pwrite(fd, "more", 4, 8), 4);
    read_all(&source.source, "one\ntwo\n", "grown meanwhile: the mail is what it was");
    assert_int_equal(ftruncate(fd, 3), 0);
    assert_int_equal(source.source.rewind(&source), MOTE_OK);
    assert_int_equal(source.source.next(&source, &piece), MOTE_OK);
    assert_int_equal(source.source.next(&source, &piece), MOTE_ERR_SOURCE); /* never a shortened mail */
    mote_posix_source_close(&source);
    close(fd);
    unlink(path);
    assert_int_equal(pipe(ends_of_pipe), 0);
    assert_int_equal(write(ends_of_pipe[1], "piped\n", 6), 6);
    close(ends_of_pipe[1]);
    assert_int_equal(mote_posix_source_open(&source, ends_of_pipe[0]), MOTE_OK);
    read_all(&source.source, "piped\n", "pipe");
    read_all(&source.source, "piped\n", "pipe again");
    mote_posix_source_close(&source);
    close(ends_of_pipe[0]);
    assert_int_equal(mote_posix_source_open(&source, -1), MOTE_ERR_SOURCE);
}

/* A file that is written to between the scan and the sending does not leave unchecked. */
static void file_changed_since(void **state)
{
    static mote_posix_source_t source;
    char path[] = "/tmp/mailmote-source-XXXXXX";
    int fd = mkstemp(path);
    mote_body_t body;
    mote_span_t stretch;
    bool is_stable;

    (void)state;
    unlink(path);
    assert_int_equal(write(fd, "one\r\ntwo\r\n", 10), 10);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(mote_posix_source_open(&source, fd), MOTE_OK);
    memset(&body, 0, sizeof body);
    assert_int_equal(mote_body_scan(&body, &source.source, NULL), MOTE_OK);
    assert_int_equal(pwrite(fd, "x", 1, 3), 1);
    mote_body_start(&body, &source.source, MOTE_BODY_STUFFS_DOTS);
    assert_int_equal(mote_body_next(&body, &stretch, &is_stable), MOTE_ERR_CONTENT);
    mote_posix_source_close(&source);
    close(fd);
}

static void maps(void **state)
{
    static mote_memory_source_t memory;
    char path[] = "/tmp/mailmote-map-XXXXXX";
    int fd = mkstemp(path);
    int ends_of_pipe[2];

    (void)state;
    unlink(path);
    assert_int_equal(mote_posix_map(&memory, fd), MOTE_OK);
    read_all(&memory.source, "", "empty");
    mote_posix_unmap(&memory);
    assert_int_equal(write(fd, "one\ntwo\n", 8), 8);
    assert_int_equal(mote_posix_map(&memory, fd), MOTE_OK);
    close(fd);
    assert_true(memory.source.has_lf_lines && memory.source.is_stable);
    read_all(&memory.source, "one\ntwo\n", "mapped");
    read_all(&memory.source, "one\ntwo\n", "mapped again");
    mote_posix_unmap(&memory);
    mote_posix_unmap(&memory);
    assert_int_equal(pipe(ends_of_pipe), 0);
    assert_int_equal(mote_posix_map(&memory, ends_of_pipe[0]), MOTE_ERR_SOURCE);
    assert_int_equal(errno, EINVAL);
    close(ends_of_pipe[0]);
    close(ends_of_pipe[1]);
    assert_int_equal(mote_posix_map(&memory, -1), MOTE_ERR_SOURCE);
}

/* ---- many deliveries in one loop, against one child that serves them in turn ---- */

enum { RUN_COUNT = 50 };

static void serve_one(int fd)
{
    static const char banner[] = "220 child\r\n";
    char line[2000];
    FILE *in = fdopen(fd, "r+");
    bool is_data = false;

    setvbuf(in, NULL, _IONBF, 0);
    (void)!write(fd, banner, sizeof banner - 1);
    while (fgets(line, sizeof line, in) != NULL) {
        const char *reply = "250 ok\r\n";

        if (is_data && strcmp(line, ".\r\n") != 0) {
            continue;
        }
        is_data = strncmp(line, "DATA", 4) == 0;
        reply = is_data ? "354 go\r\n" : strncmp(line, "QUIT", 4) == 0 ? "221 bye\r\n" : reply;
        (void)!write(fd, reply, strlen(reply));
    }
    fclose(in);
}

static void many_in_one_loop(void **state)
{
    static mote_posix_run_t runs[RUN_COUNT];
    static mote_recipient_t recipients[RUN_COUNT];
    static mote_memory_source_t messages[RUN_COUNT];
    static mote_mail_t mails[RUN_COUNT];
    mote_hop_t hop = { .host = TEXT("127.0.0.1"), .tls = MOTE_TLS_NONE };
    mote_route_t route = { .kind = MOTE_ROUTE_RELAY, .hops = &hop, .hop_count = 1 };
    mote_settings_t settings = { .routes = &route, .route_count = 1 };
    mote_posix_loop_t loop = { NULL, 0 };
    pid_t child;

    (void)state;
    listen_here(SOCK_STREAM);
    assert_int_equal(listen(listener, RUN_COUNT), 0);
    hop.port = peer.port;
    child = fork();
    if (child == 0) {
        for (unsigned i = 0; i < RUN_COUNT; i++) {
            int fd = accept(listener, NULL, NULL);

            if (fork() == 0) {
                serve_one(fd);
                _exit(0);
            }
            close(fd);
        }
        _exit(0);
    }
    for (unsigned i = 0; i < RUN_COUNT; i++) {
        recipients[i].address = TEXT("ops@a.example");
        mote_memory_source_init(&messages[i], TEXT("Subject: x\r\n\r\nhello\r\n"));
        mails[i].recipients = &recipients[i];
        mails[i].recipient_count = 1;
        mails[i].source = &messages[i].source;
        mote_posix_run_init(&runs[i]);
        assert_int_equal(mote_posix_loop_add(&loop, &runs[i], &settings, NULL, &mails[i]), MOTE_OK);
    }
    while (mote_posix_loop_step(&loop, 5000) > 0) {
    }
    for (unsigned i = 0; i < RUN_COUNT; i++) {
        assert_int_equal(recipients[i].verdict, MOTE_VERDICT_ACCEPTED);
        mote_posix_close(&runs[i].posix);
    }
    close(listener);
    print_message("one delivery in flight: %u bytes\n", (unsigned)sizeof(mote_posix_run_t));
    assert_true(sizeof(mote_posix_run_t) <= 4096);
}

/* Two mails over one connection: the child takes no second one. */
static void a_next_mail(void **state)
{
    static mote_posix_run_t run;
    mote_hop_t hop = { .host = TEXT("127.0.0.1"), .tls = MOTE_TLS_NONE };
    mote_route_t route = { .kind = MOTE_ROUTE_RELAY, .hops = &hop, .hop_count = 1 };
    mote_settings_t settings = { .routes = &route, .route_count = 1, .smtp = { .keeps_stream = true } };
    mote_posix_loop_t loop = { NULL, 0 };
    mote_recipient_t recipient = { .address = TEXT("ops@a.example") };
    mote_memory_source_t message;
    mote_mail_t mail = { .recipients = &recipient, .recipient_count = 1, .source = &message.source };

    (void)state;
    listen_here(SOCK_STREAM);
    assert_int_equal(listen(listener, 1), 0);
    hop.port = peer.port;
    if (fork() == 0) {
        int fd = accept(listener, NULL, NULL);

        close(listener);
        serve_one(fd);
        _exit(0);
    }
    close(listener);
    mote_memory_source_init(&message, TEXT("Subject: x\r\n\r\nhello\r\n"));
    mote_posix_run_init(&run);
    assert_int_equal(mote_posix_loop_add(&loop, &run, &settings, NULL, &mail), MOTE_OK);
    for (unsigned i = 0; i < 2; i++) {
        while (mote_posix_loop_step(&loop, 5000) > 0) {
        }
        assert_int_equal(recipient.verdict, MOTE_VERDICT_ACCEPTED);
        recipient.verdict = MOTE_VERDICT_PENDING;
        assert_int_equal(i == 0 ? mote_posix_loop_next(&loop, &run, &mail) : MOTE_OK, MOTE_OK);
    }
    mote_posix_close(&run.posix);
}

static void randomness(void **state) /* DNS-2, SEC-10 */
{
    unsigned seen[256] = { 0 };
    uint8_t bytes[65536];

    (void)state;
    assert_int_equal(mote_posix_random(NULL, bytes, sizeof bytes), MOTE_OK);
    for (size_t i = 0; i < sizeof bytes; i++) {
        seen[bytes[i]]++;
    }
    for (unsigned i = 0; i < 256; i++) {
        assert_in_range(seen[i], 150, 370); /* 256 +- 7 standard deviations */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolv_conf), cmocka_unit_test(streams),          cmocka_unit_test(ends),
        cmocka_unit_test(datagrams),   cmocka_unit_test(sources),          cmocka_unit_test(many_in_one_loop),
        cmocka_unit_test(randomness),  cmocka_unit_test(refusal_of_the_server_before), cmocka_unit_test(file_changed_since), cmocka_unit_test(maps),
        cmocka_unit_test(a_next_mail),
    };
    (void)signal(SIGCHLD, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
