#define _XOPEN_SOURCE 700
#include "test.h"

#include <mailmote/posix_maildir.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];
static mote_maildir_t maildir;

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/mailmote-maildir-XXXXXX");
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static char *path_of(const char *name)
{
    static char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

/* How many files a folder holds; the name of the last one in last. */
static unsigned count_files(const char *name, char *last)
{
    DIR *folder = opendir(path_of(name));
    const struct dirent *entry;
    unsigned count = 0;

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.') {
            count++;
            if (last != NULL) {
                (void)snprintf(last, 300, "%s/%s", name, entry->d_name);
            }
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return count;
}

static void set_pattern(const char *end)
{
    static char pattern[128];

    (void)snprintf(pattern, sizeof pattern, "%s%s", root, end);
    assert_int_equal(mote_maildir_init(&maildir, mote_span_text(pattern)), MOTE_OK);
    maildir.now_s = NULL; /* no Received field but where a test wants one */
}

static mote_status_t begin(const char *sender, const char *recipient)
{
    mote_address_t address;

    assert_int_equal(mote_address_parse(mote_span_text(recipient), &address), MOTE_OK);
    return maildir.mailbox.begin(&maildir, mote_span_text(sender), &address, MOTE_SIZE_UNKNOWN);
}

static mote_status_t store(const char *sender, const char *recipient, mote_span_t message)
{
    mote_status_t status = begin(sender, recipient);

    for (size_t i = 0; i < message.size && status == MOTE_OK; i++) { /* octet by octet: the hardest way */
        status = maildir.mailbox.put(&maildir, mote_span_slice(message, i, 1));
    }
    return status == MOTE_OK ? maildir.mailbox.commit(&maildir) : status;
}

static void check_stored(const char *folder, const char *expected, const char *name)
{
    char last[300];
    char text[512] = { 0 };
    int fd;
    ssize_t size;

    CHECK(count_files(folder, last) == 1, name);
    fd = open(path_of(last), O_RDONLY);
    size = read(fd, text, sizeof text - 1);
    close(fd);
    CHECK(size >= 0 && strcmp(text, expected) == 0, name);
    unlink(path_of(last));
}

static void contents(void **state) /* LOCAL-3, LOCAL-5, LOCAL-11 */
{
    static const struct {
        const char *name;
        const char *sender;
        const char *message;
        const char *stored;
    } cases[] = {
        { "plain", "a@example.net", "Subject: x\r\n\r\nhello\r\n", "Return-Path: <a@example.net>\nSubject: x\n\nhello\n" },
        { "null sender", "", "\r\n", "Return-Path: <>\n\n" },
        { "dots and From", "a@b.example", "\r\n.\r\n..\r\nFrom me\r\n", "Return-Path: <a@b.example>\n\n.\n..\nFrom me\n" },
        { "one is replaced", "a@b.example", "Return-Path: <x@y.example>\r\nA: b\r\n\r\n", "Return-Path: <a@b.example>\nA: b\n\n" },
        { "further down, folded, in any case", "a@b.example", "A: b\r\nRETURN-path: <x\r\n @y.example>\r\nC: d\r\n\r\n",
          "Return-Path: <a@b.example>\nA: b\nC: d\n\n" },
        { "two of them", "a@b.example", "Return-Path:<x>\r\nReturn-Path:<y>\r\n\r\n", "Return-Path: <a@b.example>\n\n" },
        { "nearly one", "a@b.example", "Return-Pat: x\r\nReturn-Paths: y\r\nR\r\n\r\n", "Return-Path: <a@b.example>\nReturn-Pat: x\nReturn-Paths: y\nR\n\n" },
        { "in the body it stays", "a@b.example", "A: b\r\n\r\nReturn-Path: <x>\r\n", "Return-Path: <a@b.example>\nA: b\n\nReturn-Path: <x>\n" },
        { "a blank before the colon", "a@b.example", "Return-Path : <x>\r\nA: b\r\n\r\n", "Return-Path: <a@b.example>\nA: b\n\n" },
        { "cut within a match", "a@b.example", "Return-Pa", "Return-Path: <a@b.example>\nReturn-Pa" },
        { "empty", "a@b.example", "", "Return-Path: <a@b.example>\n" },
    };
    (void)state;
    mkdir(path_of("ops"), 0700);
    set_pattern("/%u");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK(store(cases[i].sender, "ops@a.example", mote_span_text(cases[i].message)) == MOTE_OK, cases[i].name);
        check_stored("ops/new", cases[i].stored, cases[i].name);
        CHECK(count_files("ops/tmp", NULL) == 0, cases[i].name);
    }
}

static int64_t a_second(void)
{
    return 1795521600; /* Tue, 24 Nov 2026 12:00:00 +0000 */
}

static void received_field(void **state) /* LOCAL-4 */
{
    char expected[400];
    char host[65];

    (void)state;
    assert_int_equal(gethostname(host, sizeof host), 0);
    mkdir(path_of("taker"), 0700);
    set_pattern("/%u");
    maildir.now_s = a_second;
    (void)snprintf(expected, sizeof expected,
                   "Return-Path: <a@b.example>\nReceived: by %s (mailmote)\n\tfor <taker@A.Example>; "
                   "Tue, 24 Nov 2026 12:00:00 +0000\nA: b\n\n", host);
    assert_int_equal(store("a@b.example", "taker@A.Example", mote_span_text("A: b\r\n\r\n")), MOTE_OK);
    check_stored("taker/new", expected, "with a clock");
}

static void postmaster(void **state) /* LOCAL-7 */
{
    (void)state;
    mkdir(path_of("keeper"), 0700);
    set_pattern("/%u");
    assert_int_equal(begin("", "postmaster@c.example"), MOTE_ERR_NO_MAILBOX);
    assert_int_equal(mote_maildir_set_postmaster(&maildir, mote_span_text("no address")), MOTE_ERR_ADDRESS);
    assert_int_equal(mote_maildir_set_postmaster(&maildir, mote_span_text("keeper@a.example")), MOTE_OK);
    assert_int_equal(store("", "PostMaster@c.example", mote_span_text("\r\n")), MOTE_OK);
    assert_int_equal(store("", "postmaster", mote_span_text("\r\n")), MOTE_OK);
    assert_int_equal(count_files("keeper/new", NULL), 2);
}

static void users(void **state) /* LOCAL-6, LOCAL-7, LOCAL-8 */
{
    static const struct {
        const char *address;
        mote_status_t status;
    } cases[] = {
        { "ops@A.Example", MOTE_OK },
        { "\"ops\"@a.example", MOTE_OK },
        { "PostMaster@a.example", MOTE_OK },
        { "postmaster@a.example", MOTE_OK },
        { "OPS@a.example", MOTE_ERR_NO_MAILBOX },
        { "nobody@a.example", MOTE_ERR_NO_MAILBOX },
        { "ops@b.example", MOTE_ERR_NO_MAILBOX },
        { "a/ops@a.example", MOTE_ERR_NO_MAILBOX },
        { "\"../a.example/ops\"@a.example", MOTE_ERR_NO_MAILBOX },
        { "\"a/../ops\"@a.example", MOTE_ERR_NO_MAILBOX },
        { "\"..\"@a.example", MOTE_ERR_NO_MAILBOX },
        { "\".ops\"@a.example", MOTE_ERR_NO_MAILBOX },
        { "\"ops \"@a.example", MOTE_ERR_NO_MAILBOX },
        { "\"o\\ps\"@a.example", MOTE_ERR_NO_MAILBOX },
        { "\"\"@a.example", MOTE_ERR_NO_MAILBOX },
        { "ops%a@a.example", MOTE_ERR_NO_MAILBOX },
        { "ops@[192.0.2.1]", MOTE_ERR_NO_MAILBOX },
        { "file@a.example", MOTE_ERR_NO_MAILBOX },
        { "link@a.example", MOTE_ERR_NO_MAILBOX },
    };
    (void)state;
    mkdir(path_of("a.example"), 0700);
    mkdir(path_of("a.example/ops"), 0700);
    mkdir(path_of("a.example/postmaster"), 0700);
    mkdir(path_of("a.example/a"), 0700);
    mkdir(path_of("a.example/a/ops"), 0700); /* the folder is there: it is the name that cannot be */
    close(open(path_of("a.example/file"), O_CREAT | O_WRONLY, 0600));
    assert_int_equal(symlink("ops", path_of("a.example/link")), 0);
    set_pattern("/%d/%u");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK(begin("", cases[i].address) == cases[i].status, cases[i].address);
        maildir.mailbox.abort(&maildir);
    }
    set_pattern("/not-mounted/%u");
    assert_int_equal(begin("", "ops@a.example"), MOTE_ERR_STORAGE); /* that the place is not there does not make users strangers */
    assert_int_equal(mote_maildir_errno(&maildir), ENOENT);
    assert_int_equal(count_files("a.example/ops/tmp", NULL), 0); /* LOCAL-9: abort leaves nothing */
    assert_int_equal(count_files("a.example/ops/new", NULL), 0);
}

static void ten_thousand_names(void **state) /* LOCAL-2 */
{
    struct stat info;
    char last[300];

    (void)state;
    mkdir(path_of("many"), 0700);
    set_pattern("/%u");
    for (unsigned i = 0; i < 10000; i++) { /* without the price of syncing each */
        assert_int_equal(begin("", "many@a.example"), MOTE_OK);
        close(maildir.file_fd);
        close(maildir.folder_fd);
        maildir.file_fd = -1;
        maildir.folder_fd = -1;
    }
    assert_int_equal(count_files("many/tmp", last), 10000);
    assert_int_equal(stat(path_of(last), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_null(strchr(strrchr(last, '/') + 1, ':'));
}

static void no_room(void **state) /* LOCAL-8 */
{
    struct rlimit old;
    struct rlimit small = { 2000, 2000 };
    uint8_t text[5000];

    (void)state;
    mkdir(path_of("full"), 0700);
    set_pattern("/%u");
    memset(text, 'x', sizeof text);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(begin("", "full@a.example"), MOTE_OK);
    assert_int_equal(maildir.mailbox.put(&maildir, mote_span(text, sizeof text)), MOTE_ERR_TOO_LARGE);
    assert_int_equal(mote_maildir_errno(&maildir), EFBIG);
    maildir.mailbox.abort(&maildir);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(count_files("full/tmp", NULL), 0);
    assert_int_equal(count_files("full/new", NULL), 0);
}

static void linked_folders_are_refused(void **state)
{
    (void)state;
    mkdir(path_of("trap"), 0700);
    assert_int_equal(symlink("/tmp", path_of("trap/tmp")), 0);
    set_pattern("/%u");
    assert_int_equal(begin("", "trap@a.example"), MOTE_ERR_STORAGE);
}

/* What was not written is never made up for: a mail with a hole is not stored. */
static void a_failure_stays(void **state) /* LOCAL-8 */
{
    int kept;

    (void)state;
    mkdir(path_of("torn"), 0700);
    set_pattern("/%u");
    assert_int_equal(begin("", "torn@a.example"), MOTE_OK);
    kept = maildir.file_fd;
    maildir.file_fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    for (unsigned i = 0; i < 2000; i++) {
        (void)maildir.mailbox.put(&maildir, mote_span_text("a line\r\n"));
    }
    close(maildir.file_fd);
    maildir.file_fd = kept; /* the disk has room again */
    assert_int_equal(maildir.mailbox.commit(&maildir), MOTE_ERR_STORAGE);
    assert_int_equal(mote_maildir_errno(&maildir), ENOSPC);
    maildir.mailbox.abort(&maildir);
    assert_int_equal(count_files("torn/new", NULL) + count_files("torn/tmp", NULL), 0);
}

static void patterns(void **state)
{
    static const struct {
        const char *pattern;
        mote_status_t status;
    } cases[] = {
        { "/var/mail/%d/%u", MOTE_OK }, { "/m", MOTE_OK },           { "m/%u", MOTE_ERR_ARGUMENT }, { "", MOTE_ERR_ARGUMENT },
        { "/m/%", MOTE_ERR_ARGUMENT },  { "/m/%x", MOTE_ERR_ARGUMENT }, { "/m/%%", MOTE_ERR_ARGUMENT },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK(mote_maildir_init(&maildir, mote_span_text(cases[i].pattern)) == cases[i].status, cases[i].pattern);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents),          cmocka_unit_test(received_field),
        cmocka_unit_test(postmaster),        cmocka_unit_test(users),
        cmocka_unit_test(ten_thousand_names), cmocka_unit_test(no_room),
        cmocka_unit_test(a_failure_stays),   cmocka_unit_test(linked_folders_are_refused),
        cmocka_unit_test(patterns),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
