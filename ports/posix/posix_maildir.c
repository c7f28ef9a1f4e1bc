#define _GNU_SOURCE /* O_PATH; everything else is POSIX.1-2008 */
#include <mailmote/posix.h>
#include <mailmote/posix_maildir.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* To pass through a folder one need not be allowed to list it. */
#if defined(O_PATH)
#define PASSING O_PATH
#elif defined(O_SEARCH)
#define PASSING O_SEARCH
#else
#define PASSING O_RDONLY
#endif

enum { PATH_BYTES = 1024, HOST_BYTES = 65, NAME_TRY_COUNT = 10 };

/* The header filter: lines of the header are looked at until the empty line. */
enum { AT_LINE_START, IN_LINE, IN_RETURN_PATH, AFTER_RETURN_PATH, IN_BODY };

/* ---- who ------------------------------------------------------------------------------------------------- */

/* LOCAL-6: nothing in a local part can lead out of the mail root. */
static bool is_safe(mote_span_t local_part)
{
    for (size_t i = 0; i < local_part.size; i++) {
        uint8_t lower = mote_lower(local_part.data[i]);
        bool is_letter = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9');

        if (!is_letter && (lower == '\0' || strchr("-_+=.", lower) == NULL)) {
            return false;
        }
    }
    return local_part.size > 0 && local_part.size <= MOTE_LOCAL_PART_BYTES && local_part.data[0] != '.';
}

static void write_lower(mote_writer_t *out, mote_span_t text)
{
    for (size_t i = 0; i < text.size; i++) {
        mote_write_u8(out, mote_lower(text.data[i]));
    }
}

static bool is_postmaster(mote_span_t local_part)
{
    return mote_span_equals_ignoring_case(local_part, mote_span_text("postmaster")); /* RFC 5321 4.5.1 */
}

static mote_span_t without_quotes(mote_span_t local_part)
{
    bool is_quoted = local_part.size > 1 && local_part.data[0] == '"';

    return is_quoted ? mote_span_slice(local_part, 1, local_part.size - 2) : local_part;
}

/* Puts the recipient into the pattern. False: such a user cannot exist here. */
static bool write_path(const mote_maildir_t *maildir, const mote_address_t *recipient, char path[PATH_BYTES])
{
    mote_span_t local_part = without_quotes(recipient->local_part);
    mote_span_t domain = recipient->domain;
    bool is_literal = recipient->kind == MOTE_ADDRESS_LITERAL;
    mote_writer_t out = mote_writer((uint8_t *)path, PATH_BYTES - 1);

    if (is_postmaster(local_part) && maildir->postmaster.local_part.size > 0) {
        local_part = without_quotes(maildir->postmaster.local_part);
        domain = maildir->postmaster.domain;
        is_literal = false;
    } else if (is_postmaster(local_part)) {
        local_part = mote_span_text("postmaster"); /* in any case */
    }
    if (!is_safe(local_part) || is_literal) {
        return false;
    }
    for (size_t i = 0; i < maildir->pattern.size; i++) {
        uint8_t octet = maildir->pattern.data[i];

        if (octet != '%') {
            mote_write_u8(&out, octet);
        } else if (maildir->pattern.data[++i] == 'u') {
            mote_write(&out, local_part);
        } else if (domain.size > 0) {
            write_lower(&out, domain);
        } else {
            return false; /* <postmaster> without a domain, and nobody said whose that is */
        }
    }
    path[out.size < PATH_BYTES ? out.size : 0] = '\0';
    return !mote_writer_overflowed(&out);
}

/* ---- errors ---------------------------------------------------------------------------------------------- */

static mote_status_t status_of(mote_maildir_t *maildir, int error)
{
    maildir->error = error;
    switch (error) {
    case EDQUOT:
        return MOTE_ERR_QUOTA;
    case EFBIG:
        return MOTE_ERR_TOO_LARGE;
    default:
        return MOTE_ERR_STORAGE;
    }
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* ---- writing --------------------------------------------------------------------------------------------- */

static mote_status_t flush(mote_maildir_t *maildir)
{
    size_t done = 0;

    if (maildir->error != 0) {
        return status_of(maildir, maildir->error); /* a mail with a hole is never stored */
    }
    while (done < maildir->size) {
        ssize_t count = write(maildir->file_fd, maildir->buffer + done, maildir->size - done);

        if (count < 0 && errno != EINTR) {
            return status_of(maildir, errno);
        }
        done += count > 0 ? (size_t)count : 0U;
    }
    maildir->size = 0;
    return MOTE_OK;
}

static mote_status_t write_octet(mote_maildir_t *maildir, uint8_t octet)
{
    if (octet == '\r') {
        return MOTE_OK; /* canonical content: an LF follows, and that is this platform's line end */
    }
    if (maildir->size == sizeof maildir->buffer) {
        mote_status_t status = flush(maildir);

        if (status != MOTE_OK) {
            return status;
        }
    }
    maildir->buffer[maildir->size++] = octet;
    return MOTE_OK;
}

static mote_status_t write_span(mote_maildir_t *maildir, mote_span_t bytes)
{
    mote_status_t status = MOTE_OK;

    for (size_t i = 0; i < bytes.size && status == MOTE_OK; i++) {
        status = write_octet(maildir, bytes.data[i]);
    }
    return status;
}

static mote_status_t release_held(mote_maildir_t *maildir)
{
    mote_span_t held = mote_span(maildir->held, maildir->held_size);

    maildir->held_size = 0;
    return write_span(maildir, held);
}

/* At the start of a header line: is it a Return-Path? Its octets are held until that is known. A blank before the
   colon is obsolete syntax for the same field (RFC 5322 4.5). */
static mote_status_t match_field(mote_maildir_t *maildir, uint8_t octet)
{
    static const char field[] = "return-path";
    uint8_t position = maildir->held_size;

    if (position == sizeof field - 1 && (octet == ':' || octet == ' ' || octet == '\t')) {
        maildir->held_size = 0;
        maildir->state = IN_RETURN_PATH;
        return MOTE_OK;
    }
    maildir->held[maildir->held_size++] = octet;
    if (position < sizeof field - 1 && mote_lower(octet) == (uint8_t)field[position]) {
        return MOTE_OK;
    }
    maildir->state = position == 0 && octet == '\r' ? IN_BODY : octet == '\n' ? AT_LINE_START : IN_LINE;
    return release_held(maildir);
}

static mote_status_t filter_octet(mote_maildir_t *maildir, uint8_t octet)
{
    switch (maildir->state) {
    case AFTER_RETURN_PATH: /* a folded field goes on */
        if (octet == ' ' || octet == '\t') {
            maildir->state = IN_RETURN_PATH;
            return MOTE_OK;
        }
        maildir->state = AT_LINE_START;
        return match_field(maildir, octet);
    case AT_LINE_START:
        return match_field(maildir, octet);
    case IN_RETURN_PATH:
        maildir->state = octet == '\n' ? AFTER_RETURN_PATH : IN_RETURN_PATH;
        return MOTE_OK;
    case IN_LINE:
        maildir->state = octet == '\n' ? AT_LINE_START : IN_LINE;
        return write_octet(maildir, octet);
    default:
        return write_octet(maildir, octet);
    }
}

/* ---- the mailbox ----------------------------------------------------------------------------------------- */

static void abort_mail(void *self)
{
    mote_maildir_t *maildir = self;

    if (maildir->file_fd >= 0) {
        int folder = openat(maildir->folder_fd, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (folder >= 0) {
            (void)unlinkat(folder, maildir->name, 0);
            close(folder);
        }
    }
    close_fd(&maildir->file_fd);
    close_fd(&maildir->folder_fd);
    maildir->size = 0;
}

static void read_host(char host[HOST_BYTES])
{
    if (gethostname(host, HOST_BYTES) != 0 || host[0] == '\0') {
        memcpy(host, "localhost", sizeof "localhost");
    }
    host[HOST_BYTES - 1] = '\0';
}

/* time.RrandomMmicrosPprocessQcount.host, '/' and ':' of the host as octal (LOCAL-2). The random part serves devices
   whose clock and process numbers begin anew at each start. */
static void write_name(mote_maildir_t *maildir)
{
    struct timespec now;
    uint32_t salt = 0;
    char host[HOST_BYTES];
    size_t size;
    mote_writer_t out;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)mote_posix_random(NULL, (uint8_t *)&salt, sizeof salt); /* without it: as unique as the rest makes it */
    read_host(host);
    maildir->counter++;
    (void)snprintf(maildir->name, sizeof maildir->name, "%lld.R%08lxM%06ldP%ldQ%lu.", (long long)now.tv_sec,
                   (unsigned long)salt, now.tv_nsec / 1000, (long)getpid(), (unsigned long)maildir->counter);
    size = strlen(maildir->name);
    out = mote_writer((uint8_t *)maildir->name + size, sizeof maildir->name - 1 - size);
    for (const char *at = host; *at != '\0'; at++) {
        if (*at == '/' || *at == ':') {
            mote_write_text(&out, *at == '/' ? "\\057" : "\\072");
        } else {
            mote_write_u8(&out, (uint8_t)*at);
        }
    }
    maildir->name[size + mote_writer_stored(&out)] = '\0'; /* of a very long host name the beginning does */
}

/* A folder of the Maildir; one that is missing is made. */
static int open_folder(const mote_maildir_t *maildir, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(maildir->folder_fd, name, flags);

    if (fd < 0 && errno == ENOENT && mkdirat(maildir->folder_fd, name, 0700) == 0) {
        fd = openat(maildir->folder_fd, name, flags);
    }
    return fd;
}

static mote_status_t open_file(mote_maildir_t *maildir)
{
    int folder = open_folder(maildir, "tmp");

    if (folder < 0) {
        return status_of(maildir, errno);
    }
    for (unsigned i = 0; i < NAME_TRY_COUNT && maildir->file_fd < 0; i++) {
        write_name(maildir);
        maildir->file_fd = openat(folder, maildir->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (maildir->file_fd < 0 && errno != EEXIST) {
            break;
        }
    }
    if (maildir->file_fd < 0) {
        (void)status_of(maildir, errno);
    }
    close(folder);
    return maildir->file_fd >= 0 ? MOTE_OK : status_of(maildir, maildir->error);
}

/* One folder further down, never through a symbolic link. Closes the one above. */
static int step_into(int parent, const char *name, bool is_last)
{
    int fd = openat(parent, name, (is_last ? O_RDONLY : PASSING) | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int error = errno;

    close(parent);
    errno = error;
    return fd;
}

/* The folder of a path. What stands in the pattern before the name with the first % is the administrator's and may be
   a symbolic link; from there on nothing may lead elsewhere. *has_root: the administrator's part is there. */
static int open_path(const mote_maildir_t *maildir, char *path, bool *has_root)
{
    size_t given = mote_span_find(maildir->pattern, '%');
    char *name;
    char kept;
    int fd;

    while (path[given - 1] != '/') { /* a pattern begins with one */
        given--;
    }
    name = path + given;
    kept = *name;
    *name = '\0';
    fd = open(path, (kept == '\0' ? O_RDONLY : PASSING) | O_DIRECTORY | O_CLOEXEC);
    *name = kept;
    *has_root = fd >= 0;
    while (fd >= 0 && *name != '\0') {
        char *end = name + strcspn(name, "/");
        char *next = end + strspn(end, "/");

        *end = '\0';
        fd = step_into(fd, name, *next == '\0');
        name = next;
    }
    return fd;
}

/* RFC 5321 4.4: who took the mail, and when. In UTC and by tables of our own: no locale gets into a mail. */
static mote_status_t write_received(mote_maildir_t *maildir, const mote_address_t *recipient)
{
    static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t now = maildir->now_s != NULL ? (time_t)maildir->now_s() : 0;
    char host[HOST_BYTES];
    char date[64];
    uint8_t text[512];
    mote_writer_t out = mote_writer(text, sizeof text);
    struct tm utc;

    if (now <= 0 || gmtime_r(&now, &utc) == NULL) {
        return MOTE_OK;
    }
    read_host(host);
    if (host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")] != '\0') {
        memcpy(host, "localhost", sizeof "localhost");
    }
    (void)snprintf(date, sizeof date, "; %s, %02d %s %d %02d:%02d:%02d +0000\n", days[utc.tm_wday], utc.tm_mday,
                   months[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
    mote_write_text(&out, "Received: by ");
    mote_write_text(&out, host);
    mote_write_text(&out, " (mailmote)");
    if (recipient->domain.size > 0) {
        mote_write_text(&out, "\n\tfor <");
        mote_write(&out, recipient->local_part);
        mote_write_u8(&out, '@');
        mote_write(&out, recipient->domain);
        mote_write_u8(&out, '>');
    }
    mote_write_text(&out, date);
    return write_span(maildir, mote_span(text, mote_writer_stored(&out)));
}

static mote_status_t write_trace(mote_maildir_t *maildir, mote_span_t reverse_path, const mote_address_t *recipient)
{
    mote_status_t status = write_span(maildir, mote_span_text("Return-Path: <"));

    if (status == MOTE_OK) {
        status = write_span(maildir, reverse_path);
    }
    if (status == MOTE_OK) {
        status = write_span(maildir, mote_span_text(">\n"));
    }
    return status == MOTE_OK ? write_received(maildir, recipient) : status;
}

static mote_status_t begin(void *self, mote_span_t reverse_path, const mote_address_t *recipient, int32_t size)
{
    mote_maildir_t *maildir = self;
    char path[PATH_BYTES];
    bool has_root;
    mote_status_t status;

    (void)size;
    maildir->error = 0;
    maildir->size = 0;
    maildir->held_size = 0;
    maildir->state = AT_LINE_START;
    if (!write_path(maildir, recipient, path)) {
        return MOTE_ERR_NO_MAILBOX;
    }
    maildir->folder_fd = open_path(maildir, path, &has_root);
    if (maildir->folder_fd < 0) { /* a root that is not there (not mounted) says nothing of who lives below it */
        bool is_nobody = errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENAMETOOLONG;

        (void)status_of(maildir, errno);
        return has_root && is_nobody ? MOTE_ERR_NO_MAILBOX : MOTE_ERR_STORAGE;
    }
    status = open_file(maildir);
    if (status == MOTE_OK) {
        status = write_trace(maildir, reverse_path, recipient);
    }
    if (status != MOTE_OK) {
        abort_mail(maildir);
    }
    return status;
}

static mote_status_t put(void *self, mote_span_t bytes)
{
    mote_maildir_t *maildir = self;
    mote_status_t status = MOTE_OK;

    for (size_t i = 0; i < bytes.size && status == MOTE_OK; i++) {
        status = filter_octet(maildir, bytes.data[i]);
    }
    return status;
}

/* Into new, and the folder synced: a loss of power keeps it, or it was never accepted. */
static mote_status_t publish(mote_maildir_t *maildir)
{
    int from = open_folder(maildir, "tmp");
    int to = open_folder(maildir, "new");
    mote_status_t status = MOTE_OK;

    if (from < 0 || to < 0 || renameat(from, maildir->name, to, maildir->name) != 0) {
        status = status_of(maildir, errno);
    } else if (fsync(to) != 0) {
        status = status_of(maildir, errno);
        (void)unlinkat(to, maildir->name, 0); /* it will be delivered again: not twice */
    }
    close_fd(&from);
    close_fd(&to);
    return status;
}

static mote_status_t commit(void *self)
{
    mote_maildir_t *maildir = self;
    mote_status_t status = release_held(maildir);

    if (status == MOTE_OK) {
        status = flush(maildir);
    }
    if (status == MOTE_OK && fsync(maildir->file_fd) != 0) {
        status = status_of(maildir, errno);
    }
    if (status == MOTE_OK) {
        status = publish(maildir);
    }
    if (status == MOTE_OK) {
        close_fd(&maildir->file_fd);
        close_fd(&maildir->folder_fd);
    }
    return status;
}

static int64_t now_s(void)
{
    return (int64_t)time(NULL);
}

mote_status_t mote_maildir_init(mote_maildir_t *maildir, mote_span_t pattern)
{
    memset(maildir, 0, sizeof *maildir);
    maildir->mailbox.begin = begin;
    maildir->mailbox.put = put;
    maildir->mailbox.commit = commit;
    maildir->mailbox.abort = abort_mail;
    maildir->mailbox.self = maildir;
    maildir->now_s = now_s;
    maildir->pattern = pattern;
    maildir->folder_fd = -1;
    maildir->file_fd = -1;
    if (pattern.size == 0 || pattern.data[0] != '/' || mote_span_find(pattern, 0) < pattern.size) {
        return MOTE_ERR_ARGUMENT;
    }
    for (size_t i = 0; i < pattern.size; i++) {
        if (pattern.data[i] == '%' && (i + 1 == pattern.size || (pattern.data[i + 1] != 'u' && pattern.data[i + 1] != 'd'))) {
            return MOTE_ERR_ARGUMENT;
        }
        i += pattern.data[i] == '%' ? 1U : 0U;
    }
    return MOTE_OK;
}

mote_status_t mote_maildir_set_postmaster(mote_maildir_t *maildir, mote_span_t address)
{
    mote_address_t postmaster;

    if (mote_address_parse(address, &postmaster) != MOTE_OK || postmaster.kind != MOTE_ADDRESS_DOMAIN ||
        !is_safe(without_quotes(postmaster.local_part))) {
        return MOTE_ERR_ADDRESS;
    }
    maildir->postmaster = postmaster;
    return MOTE_OK;
}

int mote_maildir_errno(const mote_maildir_t *maildir)
{
    return maildir->error;
}
