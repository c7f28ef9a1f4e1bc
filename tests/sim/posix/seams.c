#define _DEFAULT_SOURCE
#include <mailmote/posix.h>
#include <mailmote/posix_maildir.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * The POSIX port when the system fails it: one mail by name server and relay and into a Maildir, again and again, and
 * each time the next call of connect, send, recv, poll, getrandom, open, fsync, rename and their kin fails, by seams
 * that the linker puts in (-Wl,--wrap). A server of a process of its own keeps the ledger.
 */

enum { KIND_COUNT = 3, RUN_COUNT = 2000 };

static unsigned calls;
static unsigned fails_at; /* 0: never */
static int fails_with;
static const char *failed_call;
static char storing[64]; /* of the mail here: w for each write, f fsync, r renameat */

static void note_storing(const char *name)
{
    size_t size = strlen(storing);

    if (size + 1 < sizeof storing && (strcmp(name, "write") == 0 || strcmp(name, "fsync") == 0 || strcmp(name, "renameat") == 0)) {
        storing[size] = name[0];
    }
}

static bool fails(const char *name, int hard, int soft, unsigned kind)
{
    note_storing(name);
    if (fails_at == 0 || ++calls != fails_at) {
        return false;
    }
    failed_call = name;
    fails_with = kind == 0 ? hard : kind == 1 ? EINTR : soft;
    errno = fails_with;
    return true;
}

static unsigned kind_at_hand;

#define SEAM(type, name, parameters, arguments, hard, soft)                                                  \
    type __real_##name parameters;                                                                           \
    type __wrap_##name parameters;                                                                           \
    type __wrap_##name parameters                                                                            \
    {                                                                                                        \
        return fails(#name, hard, soft, kind_at_hand) ? (type)-1 : __real_##name arguments;                  \
    }

SEAM(int, socket, (int a, int b, int c), (a, b, c), EMFILE, ENOBUFS)
SEAM(int, connect, (int a, const struct sockaddr *b, socklen_t c), (a, b, c), ECONNREFUSED, ENETUNREACH)
SEAM(int, bind, (int a, const struct sockaddr *b, socklen_t c), (a, b, c), EADDRINUSE, EACCES)
SEAM(ssize_t, send, (int a, const void *b, size_t c, int d), (a, b, c, d), ECONNRESET, EAGAIN)
SEAM(ssize_t, sendto, (int a, const void *b, size_t c, int d, const struct sockaddr *e, socklen_t f), (a, b, c, d, e, f), EPERM, EAGAIN)
SEAM(ssize_t, recv, (int a, void *b, size_t c, int d), (a, b, c, d), ECONNRESET, EAGAIN)
SEAM(ssize_t, recvfrom, (int a, void *b, size_t c, int d, struct sockaddr *e, socklen_t *f), (a, b, c, d, e, f), ECONNREFUSED, EAGAIN)
SEAM(ssize_t, recvmsg, (int a, struct msghdr *b, int c), (a, b, c), ECONNREFUSED, EAGAIN)
SEAM(int, poll, (struct pollfd *a, nfds_t b, int c), (a, b, c), ENOMEM, EAGAIN)
SEAM(ssize_t, getrandom, (void *a, size_t b, unsigned c), (a, b, c), EIO, ENOSYS)
SEAM(ssize_t, write, (int a, const void *b, size_t c), (a, b, c), ENOSPC, EDQUOT)
SEAM(ssize_t, read, (int a, void *b, size_t c), (a, b, c), EIO, EIO)
SEAM(int, fsync, (int a), (a), EIO, ENOSPC)
SEAM(int, renameat, (int a, const char *b, int c, const char *d), (a, b, c, d), EIO, ENOSPC)
SEAM(int, mkdirat, (int a, const char *b, mode_t c), (a, b, c), EACCES, ENOSPC)
SEAM(int, fstat, (int a, struct stat *b), (a, b), EIO, EIO)
SEAM(int, getsockopt, (int a, int b, int c, void *d, socklen_t *e), (a, b, c, d, e), ENOBUFS, ENOBUFS)
SEAM(int, getsockname, (int a, struct sockaddr *b, socklen_t *c), (a, b, c), ENOBUFS, ENOBUFS)

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    return fails("open", EMFILE, EACCES, kind_at_hand) ? -1 : __real_open(path, flags, 0600);
}

int __real_openat(int folder, const char *path, int flags, ...);
int __wrap_openat(int folder, const char *path, int flags, ...);
int __wrap_openat(int folder, const char *path, int flags, ...)
{
    return fails("openat", EMFILE, ENOSPC, kind_at_hand) ? -1 : __real_openat(folder, path, flags, 0600);
}

/* ---- the other side: a name server that knows one address, and a mail server ------------------------------------ */

static unsigned *ledger; /* shared: how many mails were taken whole */
static uint16_t mail_port;
static uint16_t names_port;
static char folder[] = "/tmp/mailmote-seams-XXXXXX";
static pid_t server_id; /* 0: none */

static void die(const char *words)
{
    (void)printf("FAILED: call %u (%s, %s): %s\n", fails_at, failed_call != NULL ? failed_call : "none", strerror(fails_with), words);
    if (server_id > 0) {
        (void)kill(server_id, SIGKILL);
    }
    exit(1);
}

static int open_here(int type, uint16_t *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, type, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || (type == SOCK_STREAM && listen(fd, 16) != 0) ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        die("no server on loopback");
    }
    *port = ntohs(address.sin_port);
    return fd;
}

static void serve_name(int fd)
{
    static const uint8_t record[] = { 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1 };
    uint8_t bytes[600];
    struct sockaddr_in from;
    socklen_t from_size = sizeof from;
    ssize_t size = recvfrom(fd, bytes, 512, 0, (struct sockaddr *)&from, &from_size);
    size_t end = 12;

    while (size > 17 && end < (size_t)size && bytes[end] != 0) {
        end += bytes[end] + 1U;
    }
    end += 5;
    if (size < (ssize_t)end) {
        return;
    }
    bytes[2] = 0x81;
    bytes[3] = 0x80;
    bytes[7] = bytes[end - 3] == 1 ? 1 : 0;
    bytes[11] = 0;
    memcpy(bytes + end, record, sizeof record);
    end += bytes[7] != 0 ? sizeof record : 0;
    (void)sendto(fd, bytes, end, 0, (struct sockaddr *)&from, from_size);
}

static void serve_mail(int listener)
{
    int fd = accept(listener, NULL, NULL);
    FILE *in = fdopen(fd, "r");
    char line[1100];
    bool is_data = false;

    (void)write(fd, "220 here\r\n", 10);
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        if (is_data && strcmp(line, ".\r\n") != 0) {
            continue;
        }
        if (is_data) {
            is_data = false;
            ++*ledger;
            (void)write(fd, "250 taken\r\n", 11);
        } else if (strncmp(line, "DATA", 4) == 0) {
            is_data = true;
            (void)write(fd, "354 go\r\n", 8);
        } else if (strncmp(line, "QUIT", 4) == 0) {
            (void)write(fd, "221 bye\r\n", 9);
            break;
        } else {
            (void)write(fd, "250 ok\r\n", 8);
        }
    }
    if (in != NULL) {
        (void)fclose(in);
    }
}

static pid_t serve(void)
{
    int mail = open_here(SOCK_STREAM, &mail_port);
    int names = open_here(SOCK_DGRAM, &names_port);
    pid_t child = fork();

    if (child == 0) {
        (void)signal(SIGPIPE, SIG_IGN);
        for (;;) {
            struct pollfd fds[2] = { { mail, POLLIN, 0 }, { names, POLLIN, 0 } };

            if (poll(fds, 2, -1) > 0) {
                if (fds[1].revents != 0) {
                    serve_name(names);
                }
                if (fds[0].revents != 0) {
                    serve_mail(mail);
                }
            }
        }
    }
    (void)close(mail);
    (void)close(names);
    return child;
}

/* ---- one mail ------------------------------------------------------------------------------------------------------- */

static unsigned count_fds(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 64; fd++) {
        count += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    }
    return count;
}

/* Files in a folder of the Maildir, which go. */
static unsigned empty_folder(const char *name)
{
    char path[300];
    DIR *dir;
    struct dirent *entry;
    unsigned count = 0;

    (void)snprintf(path, sizeof path, "%s/box/%s", folder, name);
    dir = opendir(path);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            count++;
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return count;
}

static void check(const mote_recipient_t *recipient, unsigned taken, const char *whose)
{
    char words[200];
    bool is_lost = recipient->verdict == MOTE_VERDICT_TRANSIENT || recipient->verdict == MOTE_VERDICT_PERMANENT;

    (void)snprintf(words, sizeof words, "%s: %s, and taken %u times", whose, mote_verdict_text((mote_verdict_t)recipient->verdict), taken);
    if (recipient->verdict == MOTE_VERDICT_PENDING || taken > 1 || (recipient->verdict == MOTE_VERDICT_ACCEPTED && taken != 1) ||
        (is_lost && taken != 0)) {
        die(words);
    }
}

static void run_once(void)
{
    static const mote_timeouts_t timeouts = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 10 };
    static char pattern[200];
    static mote_posix_run_t run;
    static mote_maildir_t maildir;
    mote_posix_loop_t loop = { NULL, 0 };
    mote_hop_t hop = { .host = mote_span_text("relay.example.net"), .port = mail_port, .tls = MOTE_TLS_NONE };
    mote_route_t routes[2] = { { .domain = mote_span_text("here.example"), .kind = MOTE_ROUTE_LOCAL },
                               { .kind = MOTE_ROUTE_RELAY, .hop_count = 1, .hops = &hop } };
    mote_endpoint_t server = { { MOTE_FAMILY_IPV4, { 127, 0, 0, 1 } }, names_port, 0 };
    mote_dns_settings_t dns = { .servers = &server, .server_count = 1, .first_wait_ms = 60, .total_s = 1 };
    mote_memory_source_t source;
    mote_recipient_t recipients[2];
    mote_mail_t mail = { mote_span_text("me@example.net"), recipients, 2, &source.source };
    mote_settings_t settings;
    mote_status_t status;
    unsigned fds = count_fds();

    memset(&settings, 0, sizeof settings);
    memset(recipients, 0, sizeof recipients);
    (void)snprintf(pattern, sizeof pattern, "%s/box", folder);
    mote_memory_source_init(&source, mote_span_text("Subject: x\r\n\r\n.dot\r\n"));
    recipients[0].address = mote_span_text("ops@example.net");
    recipients[1].address = mote_span_text("ops@here.example");
    settings.smtp.hello_name = mote_span_text("me.example.net");
    settings.smtp.timeouts = &timeouts;
    settings.routes = routes;
    settings.route_count = 2;
    calls = 0;
    memset(storing, 0, sizeof storing);
    *ledger = 0;
    mote_posix_run_init(&run);
    run.posix.allows_loopback_source = true;
    if (mote_maildir_init(&maildir, mote_span_text(pattern)) != MOTE_OK) {
        die("no Maildir");
    }
    settings.mailbox = &maildir.mailbox;
    status = mote_posix_loop_add(&loop, &run, &settings, &dns, &mail);
    for (unsigned round = 0; status == MOTE_OK && mote_posix_loop_step(&loop, 1000) > 0; round++) {
        if (round > 20000) {
            die("a loop that does not end");
        }
    }
    if (status == MOTE_OK) {
        unsigned at_hand = fails_at;

        fails_at = 0;
        (void)usleep(2000); /* what was handed over may be on its way to the ledger */
        fails_at = at_hand;
        check(&recipients[0], *ledger, "the relay's");
        check(&recipients[1], empty_folder("new"), "the Maildir's");
        if (recipients[1].verdict == MOTE_VERDICT_ACCEPTED && (strlen(storing) < 4 || strcmp(storing + strlen(storing) - 4, "wfrf") != 0)) {
            die("a mail here is accepted that was not written, synced, moved and its folder synced, in that order"); /* LOCAL-1 */
        }
        if (failed_call != NULL && strcmp(failed_call, "write") == 0 && fails_with == EDQUOT && recipients[1].report.status != MOTE_ERR_QUOTA) {
            die("a quota that is not told as one"); /* LOCAL-8 */
        }
    } else if (status != MOTE_ERR_RANDOM) {
        die(mote_status_text(status));
    }
    if (empty_folder("tmp") != 0 && recipients[1].verdict != MOTE_VERDICT_PENDING) {
        die("a file is left in tmp");
    }
    if (count_fds() != fds) {
        die("a descriptor is left open");
    }
}

int main(void)
{
    unsigned runs = 0;

    ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ledger == MAP_FAILED || mkdtemp(folder) == NULL) {
        die("no memory or folder");
    }
    {
        char box[200];

        (void)snprintf(box, sizeof box, "%s/box", folder);
        (void)mkdir(box, 0700);
    }
    server_id = serve();
    for (kind_at_hand = 0; kind_at_hand < KIND_COUNT; kind_at_hand++) {
        unsigned limit = RUN_COUNT;

        for (unsigned n = 1; n <= limit; n++) {
            fails_at = n;
            failed_call = NULL;
            run_once();
            runs++;
            if (failed_call == NULL) {
                break; /* it got through: no call is left to fail */
            }
        }
        printf("%s: every call up to number %u failed once\n", kind_at_hand == 0 ? "hard errors" : kind_at_hand == 1 ? "EINTR" : "EAGAIN and the like",
               fails_at - 1);
    }
    fails_at = 0;
    (void)kill(server_id, SIGKILL);
    (void)waitpid(server_id, NULL, 0);
    {
        char command[300];

        (void)snprintf(command, sizeof command, "rm -rf %s", folder);
        runs += system(command) == 0 ? 0 : 0;
    }
    printf("%u deliveries, 0 failures\n", runs);
    return 0;
}
