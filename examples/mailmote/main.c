#define _POSIX_C_SOURCE 200809L
#include "addresses.h"
#include "composed.h"
#include "config.h"
#include "idn.h"
#include "message.h"
#include "report.h"
#include "resolve.h"
#include "setup.h"
#include "signer.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: mailmote send [-C FILE] [-o KEY=VALUE]... [-f SENDER] [-v] [-q] [--json] [--] RECIPIENT... < message\n"
    "       mailmote send [...] -t [--] [RECIPIENT]... < message\n"
    "       mailmote send [...] COMPOSING... [--] RECIPIENT...\n"
    "       mailmote compose [-C FILE] [-o KEY=VALUE]... [-f SENDER] COMPOSING... [--] RECIPIENT...\n"
    "       mailmote check [-C FILE] [-o KEY=VALUE]... [-f SENDER] [-v] [--json] [--all] [--] ADDRESS\n"
    "       mailmote resolve [-C FILE] [-o KEY=VALUE]... DOMAIN\n"
    "       mailmote dkim-key [-C FILE] [-o KEY=VALUE]...\n"
    "       mailmote --version | --help\n"
    "\n"
    "  send      delivers the message on standard input; one line a recipient tells what became of it\n"
    "  compose   prints the message that send would make of the same options\n"
    "  check     walks the way a mail to ADDRESS would go, up to RCPT, and prints each step; sends nothing\n"
    "  resolve   prints the mail exchangers of DOMAIN in order, with their addresses\n"
    "  dkim-key  makes the key dkim_key_file, unless it is there, and prints the DNS record to publish\n"
    "\n"
    "  -C, --config FILE      configuration; else $MAILMOTE_CONFIG, ~/.config/mailmote.conf, /etc/mailmote.conf\n"
    "  -o, --set KEY=VALUE    one setting; replaces all values of its key from the file\n"
    "  -f, --from SENDER      envelope sender; '' is the null sender, and what check takes without -f\n"
    "  -v, --verbose          shows the dialogue on standard error; secrets are replaced\n"
    "  -q, --quiet            send: says nothing of accepted recipients\n"
    "  -t, --read-recipients  send: recipients are those of the message's To, Cc and Bcc, and those given here; Bcc fields\n"
    "                         are taken out of what leaves\n"
    "      --complete         send: puts Date, From and Message-ID in front of a message that lacks them\n"
    "      --json             one JSON object a recipient\n"
    "      --all              check: tries every host, not only the first that answers\n"
    "\n"
    "Composing; people are ADDRESS or 'NAME <ADDRESS>', text is UTF-8:\n"
    "      --subject SUBJECT\n"
    "      --text TEXT|-      the words, or standard input\n"
    "      --html FILE        the same words as HTML\n"
    "      --inline FILE      an image shown within the HTML, as cid:NAME OF THE FILE; may be repeated\n"
    "      --attach FILE      may be repeated\n"
    "      --cc, --bcc PERSON may be repeated; recipients given as operands stand in To\n"
    "      --header 'N: V'    a further field; may be repeated. 'Auto-Submitted: no' says that a person writes\n"
    "      --thread ID        all messages with this ID make one thread\n"
    "\n"
    "Exit codes: 0 all accepted; 64 usage; 65 bad address or message; 66 no such file to attach; 67 no such user;\n"
    "68 no such domain or host; 69 refused otherwise; 74 reading or writing failed; 75 try again later;\n"
    "77 held: wrong credentials or policy; 78 configuration.\n"
    "The keys of the configuration: mailmote(1) and README.md.\n";

/* A long option without a letter of its own. */
enum {
    OPTION_JSON = 256,
    OPTION_ALL,
    OPTION_HELP,
    OPTION_SUBJECT,
    OPTION_TEXT,
    OPTION_HTML,
    OPTION_THREAD,
    OPTION_ATTACH,
    OPTION_INLINE,
    OPTION_CC,
    OPTION_BCC,
    OPTION_HEADER,
    OPTION_COMPLETE
};

typedef struct arguments {
    const char *config;
    const char *from;
    option_list_t options;
    composed_options_t composed;
    report_t report;
    bool is_verbose;
    bool tries_all;
    bool reads_recipients;
    bool completes;
    bool wants_help;
    char **operands;
    size_t operand_count;
    char **converted; /* of the addresses and domains given */
    size_t converted_count;
} arguments_t;

enum { TEXT_BYTES = 512, HOST_BYTES = 256, PROGRESS_BYTES = 1000000 };

static int complain(const char *what, const char *which)
{
    fprintf(stderr, "mailmote: %s%s%s\ntry 'mailmote --help'\n", what, which != NULL ? ": " : "", which != NULL ? which : "");
    return EX_USAGE;
}

static int add_to_list(option_list_t *list, const char *option)
{
    if (list->count == LIST_COUNT) {
        return complain("too many of one option", option);
    }
    list->items[list->count++] = optarg;
    return EX_OK;
}

/* The options a message is composed of. Returns EX_USAGE for any other. */
static int read_composing(int letter, composed_options_t *composed)
{
    switch (letter) {
    case OPTION_SUBJECT:
        composed->subject = optarg;
        return EX_OK;
    case OPTION_TEXT:
        composed->text = optarg;
        return EX_OK;
    case OPTION_HTML:
        composed->html = optarg;
        return EX_OK;
    case OPTION_THREAD:
        composed->thread = optarg;
        return EX_OK;
    case OPTION_ATTACH:
        return add_to_list(&composed->attachments, "--attach");
    case OPTION_INLINE:
        return add_to_list(&composed->inlines, "--inline");
    case OPTION_CC:
        return add_to_list(&composed->cc, "--cc");
    case OPTION_BCC:
        return add_to_list(&composed->bcc, "--bcc");
    case OPTION_HEADER:
        return add_to_list(&composed->fields, "--header");
    default:
        fprintf(stderr, "try 'mailmote --help'\n"); /* getopt has said what is wrong */
        return EX_USAGE;
    }
}

static int read_arguments(int argc, char **argv, arguments_t *arguments)
{
    static const struct option words[] = {
        { "config", required_argument, NULL, 'C' }, { "set", required_argument, NULL, 'o' },
        { "from", required_argument, NULL, 'f' },   { "verbose", no_argument, NULL, 'v' },
        { "quiet", no_argument, NULL, 'q' },        { "json", no_argument, NULL, OPTION_JSON },
        { "all", no_argument, NULL, OPTION_ALL },   { "help", no_argument, NULL, OPTION_HELP },
        { "subject", required_argument, NULL, OPTION_SUBJECT }, { "text", required_argument, NULL, OPTION_TEXT },
        { "html", required_argument, NULL, OPTION_HTML },       { "thread", required_argument, NULL, OPTION_THREAD },
        { "attach", required_argument, NULL, OPTION_ATTACH },   { "inline", required_argument, NULL, OPTION_INLINE },
        { "cc", required_argument, NULL, OPTION_CC },           { "bcc", required_argument, NULL, OPTION_BCC },
        { "header", required_argument, NULL, OPTION_HEADER },   { "read-recipients", no_argument, NULL, 't' },
        { "complete", no_argument, NULL, OPTION_COMPLETE },
        { NULL, 0, NULL, 0 },
    };
    int letter;

    memset(arguments, 0, sizeof *arguments);
    while ((letter = getopt_long(argc, argv, "C:o:f:vqt", words, NULL)) != -1) {
        switch (letter) {
        case 'C':
            arguments->config = optarg;
            break;
        case 'o':
            if (arguments->options.count == LIST_COUNT) {
                return complain("too many -o options", NULL);
            }
            arguments->options.items[arguments->options.count++] = optarg;
            break;
        case 'f':
            arguments->from = optarg;
            break;
        case 'v':
            arguments->is_verbose = true;
            break;
        case 'q':
            arguments->report.is_quiet = true;
            break;
        case 't':
            arguments->reads_recipients = true;
            break;
        case OPTION_COMPLETE:
            arguments->completes = true;
            break;
        case OPTION_JSON:
            arguments->report.is_json = true;
            break;
        case OPTION_ALL:
            arguments->tries_all = true;
            break;
        case OPTION_HELP:
            arguments->wants_help = true;
            break;
        default:
            if (read_composing(letter, &arguments->composed) != EX_OK) {
                return EX_USAGE;
            }
            break;
        }
    }
    arguments->operands = argv + optind;
    arguments->operand_count = (size_t)(argc - optind);
    return EX_OK;
}

static void convert(arguments_t *arguments, const char **text)
{
    char *made = *text != NULL ? idn_convert(*text) : NULL;

    if (made != NULL) {
        arguments->converted[arguments->converted_count++] = made;
        *text = made;
    }
}

/* Domains in other scripts become what mail has for them. */
static int convert_domains(arguments_t *arguments)
{
    option_list_t *cc = &arguments->composed.cc;
    option_list_t *bcc = &arguments->composed.bcc;

    arguments->converted = calloc(arguments->operand_count + cc->count + bcc->count + 1, sizeof *arguments->converted);
    if (arguments->converted == NULL) {
        fprintf(stderr, "mailmote: out of memory\n");
        return EX_OSERR;
    }
    convert(arguments, &arguments->from);
    for (size_t i = 0; i < arguments->operand_count; i++) {
        convert(arguments, (const char **)&arguments->operands[i]);
    }
    for (size_t i = 0; i < cc->count; i++) {
        convert(arguments, &cc->items[i]);
    }
    for (size_t i = 0; i < bcc->count; i++) {
        convert(arguments, &bcc->items[i]);
    }
    return EX_OK;
}

static void free_arguments(arguments_t *arguments)
{
    for (size_t i = 0; i < arguments->converted_count; i++) {
        free(arguments->converted[i]);
    }
    free(arguments->converted);
}

/* ---- a mail and its room -------------------------------------------------------------------------------- */

typedef struct job {
    config_t config;
    setup_t setup;
    mote_mail_t mail;
    watch_t watch;
    signer_t signer;
    composed_t *composed; /* a message that is made here, or NULL */
    message_t *message;   /* one that is given whole, or NULL */
    uint32_t *verdict_ms;
    uint8_t *texts;
} job_t;

static int out_of_memory(void)
{
    fprintf(stderr, "mailmote: out of memory\n");
    return EX_OSERR;
}

/* Those given as operands come before those that the message names. */
static mote_span_t recipient_address(const job_t *job, const arguments_t *arguments, size_t index)
{
    if (job->composed != NULL) {
        return job->composed->people[index].address;
    }
    return index < arguments->operand_count ? mote_span_text(arguments->operands[index])
                                            : job->message->recipients[index - arguments->operand_count];
}

static int make_recipients(job_t *job, const arguments_t *arguments)
{
    size_t count = job->composed != NULL ? job->composed->people_count
                                         : arguments->operand_count + (job->message != NULL ? job->message->recipient_count : 0);

    if (count == 0) {
        fprintf(stderr, "mailmote: message: no recipient: To, Cc and Bcc name nobody\n");
        return EX_DATAERR;
    }
    if (count > UINT16_MAX) {
        return complain("too many recipients", NULL);
    }
    job->mail.recipients = calloc(count, sizeof *job->mail.recipients);
    job->verdict_ms = calloc(count, sizeof *job->verdict_ms);
    job->texts = calloc(count, TEXT_BYTES + HOST_BYTES);
    if (job->mail.recipients == NULL || job->verdict_ms == NULL || job->texts == NULL) {
        return out_of_memory();
    }
    job->mail.recipient_count = (uint16_t)count;
    for (size_t i = 0; i < count; i++) {
        mote_recipient_t *recipient = &job->mail.recipients[i];

        recipient->address = recipient_address(job, arguments, i);
        recipient->text.data = job->texts + i * (TEXT_BYTES + HOST_BYTES);
        recipient->text.capacity = TEXT_BYTES;
        recipient->host.data = recipient->text.data + TEXT_BYTES;
        recipient->host.capacity = HOST_BYTES;
    }
    return EX_OK;
}

static void free_job(job_t *job)
{
    signer_free(&job->signer);
    free(job->mail.recipients);
    free(job->verdict_ms);
    free(job->texts);
    if (job->composed != NULL) {
        composed_close(job->composed);
        free(job->composed);
    }
    if (job->message != NULL) {
        message_close(job->message);
        free(job->message);
    }
    config_free(&job->config);
    free(job);
}

static int check_address(mote_span_t text, bool is_sender)
{
    const char *fault = address_fault(text, is_sender);

    if (fault == NULL) {
        return EX_OK;
    }
    fprintf(stderr, "mailmote: %s '", is_sender ? "sender" : "recipient");
    report_clean(stderr, text);
    fprintf(stderr, "': %s\n", fault);
    return EX_DATAERR;
}

/* All of them, before the message is read: each wrong one is named. */
static int check_addresses(const mote_mail_t *mail)
{
    int code = mail->reverse_path.size > 0 ? check_address(mail->reverse_path, true) : EX_OK;

    for (size_t i = 0; i < mail->recipient_count; i++) {
        if (check_address(mail->recipients[i].address, false) != EX_OK) {
            code = EX_DATAERR;
        }
    }
    return code;
}

static int deliver(job_t *job, const arguments_t *arguments)
{
    setup_t *setup = &job->setup;
    mote_posix_loop_t loop = { NULL, 0 };
    mote_status_t status;

    (void)signal(SIGPIPE, SIG_IGN); /* whoever reads the results may go; the mail goes on */
    watch_init(&job->watch, &job->mail, job->verdict_ms, mote_posix_now_ms());
    job->watch.shows_dialogue = arguments->is_verbose;
    job->watch.shows_steps = setup->settings.smtp.is_probe && !arguments->report.is_json;
    job->watch.maildir = setup->settings.mailbox != NULL ? &setup->maildir : NULL;
    job->watch.total_size = job->mail.source->wire_size;
    job->watch.shows_progress = !arguments->is_verbose && !arguments->report.is_quiet &&
                                job->watch.total_size > PROGRESS_BYTES && isatty(STDERR_FILENO) != 0;
    setup->settings.smtp.observer = &job->watch.observer;
    status = mote_posix_loop_add(&loop, &setup->run, &setup->settings, &setup->dns, &job->mail);
    if (status != MOTE_OK) {
        fprintf(stderr, "mailmote: cannot start: %s\n", mote_status_text(status));
        return status == MOTE_ERR_ARGUMENT ? EX_CONFIG : EX_TEMPFAIL;
    }
    while (mote_posix_loop_step(&loop, UINT32_MAX) > 0) {
    }
    watch_end(&job->watch);
    for (size_t i = 0; i < job->mail.recipient_count; i++) {
        report_recipient(&arguments->report, &job->mail.recipients[i], job->verdict_ms[i]);
    }
    return report_exit_code(job->mail.recipients, job->mail.recipient_count);
}

/* ---- the commands --------------------------------------------------------------------------------------- */

static int open_message(job_t *job, const arguments_t *arguments)
{
    message_options_t options = { arguments->reads_recipients, arguments->completes, { { NULL, 0 }, { NULL, 0 } } };

    options.from = composed_split(arguments->from != NULL ? arguments->from : job->config.from);
    message_greet_terminal();
    job->message = malloc(sizeof *job->message);
    return job->message != NULL ? message_open(job->message, STDIN_FILENO, &options) : out_of_memory();
}

static int send_mail(job_t *job, const arguments_t *arguments)
{
    int code;

    job->mail.source = job->composed != NULL ? &job->composed->compose.source : job->message->source;
    code = signer_sign(&job->signer, &job->config, &job->mail.source);
    return code == EX_OK ? deliver(job, arguments) : code;
}

static int walk(job_t *job, const arguments_t *arguments)
{
    mote_memory_source_t nothing;

    mote_memory_source_init(&nothing, mote_span(NULL, 0));
    nothing.source.is_8bit = MOTE_NO;
    job->mail.source = &nothing.source;
    job->setup.settings.smtp.is_probe = true;
    job->setup.settings.tries_all_hosts = arguments->tries_all;
    return deliver(job, arguments);
}

static int print_composed(job_t *job)
{
    int code;

    job->mail.source = &job->composed->compose.source;
    code = signer_sign(&job->signer, &job->config, &job->mail.source);
    return code == EX_OK ? composed_print(job->mail.source) : code;
}

typedef enum command { COMMAND_SEND, COMMAND_CHECK, COMMAND_RESOLVE, COMMAND_COMPOSE, COMMAND_DKIM_KEY } command_t;

static int find_command(const char *word, command_t *command)
{
    static const char *const words[] = { "send", "check", "resolve", "compose", "dkim-key" };

    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(word, words[i]) == 0) {
            *command = (command_t)i;
            return EX_OK;
        }
    }
    return complain("no such command", word);
}

/* What a command has no use for is refused, not passed over: its user meant something by it. */
static int check_options(command_t command, const arguments_t *arguments)
{
    const struct {
        bool is_given;
        bool is_taken;
        const char *name;
    } options[] = {
        { arguments->from != NULL, command != COMMAND_RESOLVE && command != COMMAND_DKIM_KEY, "-f, --from" },
        { arguments->is_verbose, command == COMMAND_SEND || command == COMMAND_CHECK, "-v, --verbose" },
        { arguments->report.is_json, command == COMMAND_SEND || command == COMMAND_CHECK, "--json" },
        { arguments->report.is_quiet, command == COMMAND_SEND, "-q, --quiet" },
        { arguments->tries_all, command == COMMAND_CHECK, "--all" },
        { arguments->reads_recipients, command == COMMAND_SEND, "-t, --read-recipients" },
        { arguments->completes, command == COMMAND_SEND, "--complete" },
        { composed_is_wanted(&arguments->composed), command == COMMAND_SEND || command == COMMAND_COMPOSE,
          "--subject and what else composes a message" },
    };

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (options[i].is_given && !options[i].is_taken) {
            return complain("this command has no such option", options[i].name);
        }
    }
    if (composed_is_wanted(&arguments->composed) && (arguments->reads_recipients || arguments->completes)) {
        return complain("-t and --complete are for a message given whole; one that is composed has all it needs, and its "
                        "recipients are the operands, --cc and --bcc",
                        NULL);
    }
    return EX_OK;
}

static int check_operands(command_t command, const arguments_t *arguments)
{
    size_t copies = arguments->composed.cc.count + arguments->composed.bcc.count;

    if ((command == COMMAND_SEND || command == COMMAND_COMPOSE) && arguments->operand_count + copies == 0 &&
        !arguments->reads_recipients) {
        return complain("no recipient", NULL);
    }
    if (command == COMMAND_CHECK && arguments->operand_count != 1) {
        return complain("check: one address, please", NULL);
    }
    if (command == COMMAND_RESOLVE && arguments->operand_count != 1) {
        return complain("resolve: one domain, please", NULL);
    }
    if (command == COMMAND_DKIM_KEY && arguments->operand_count != 0) {
        return complain("dkim-key: takes nothing but -C and -o", NULL);
    }
    return EX_OK;
}

static int choose_sender(job_t *job, command_t command, const arguments_t *arguments)
{
    bool needs_sender = command == COMMAND_SEND || command == COMMAND_COMPOSE;
    const char *sender = arguments->from;

    if (sender == NULL && needs_sender) {
        sender = job->config.from;
    }
    if (sender == NULL && needs_sender) {
        return complain("no sender: give -f SENDER, or 'from' in the configuration; '' is the null sender", NULL);
    }
    job->mail.reverse_path = arguments->completes ? composed_split(sender).address : mote_span_text(sender);
    if (command != COMMAND_COMPOSE && !composed_is_wanted(&arguments->composed)) {
        return EX_OK;
    }
    job->mail.reverse_path = composed_split(sender).address;
    job->composed = calloc(1, sizeof *job->composed);
    if (job->composed == NULL) {
        return out_of_memory();
    }
    return composed_open(job->composed, &arguments->composed, sender, arguments->operands, arguments->operand_count);
}

/* Recipients and message. A message is not waited for where the operands are wrong already. */
static int make_mail(job_t *job, command_t command, const arguments_t *arguments)
{
    bool is_whole = command == COMMAND_SEND && job->composed == NULL;
    int code = is_whole && arguments->reads_recipients ? open_message(job, arguments) : EX_OK;

    if (code == EX_OK) {
        code = make_recipients(job, arguments);
    }
    if (code == EX_OK) {
        code = check_addresses(&job->mail);
    }
    return code == EX_OK && is_whole && job->message == NULL ? open_message(job, arguments) : code;
}

static int run(command_t command, job_t *job, const arguments_t *arguments)
{
    int code = config_read(&job->config, arguments->config, &arguments->options);

    if (code == EX_OK) {
        code = choose_sender(job, command, arguments);
    }
    if (code == EX_OK && command == COMMAND_COMPOSE) {
        return print_composed(job);
    }
    if (code == EX_OK && command == COMMAND_DKIM_KEY) {
        return signer_print_record(&job->config);
    }
    if (code != EX_OK) {
        return code;
    }
    code = setup_init(&job->setup, &job->config);
    if (code == EX_OK && command == COMMAND_RESOLVE) {
        code = resolve(&job->setup, arguments->operands[0]);
    } else if (code == EX_OK) {
        code = make_mail(job, command, arguments);
        if (code == EX_OK) {
            code = command == COMMAND_SEND ? send_mail(job, arguments) : walk(job, arguments);
        }
    }
    setup_free(&job->setup);
    return code;
}

/* Started without stdin, stdout or stderr, the next socket would take that number, and what is told there would go to a
   server. What holds the place can neither be read nor written, as before. */
static bool hold_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) {
            return false;
        }
    }
    return true;
}

/* Whether what was printed is where it should be. Of a mail the exit code is what is left to tell its verdicts, and a
   repeated mail is worse. */
static int end_output(bool is_mail, int code)
{
    errno = 0;
    if ((fflush(stdout) == 0 && ferror(stdout) == 0) || code == EX_IOERR) { /* which has been told */
        return code;
    }
    fprintf(stderr, "mailmote: writing the result: %s\n", strerror(errno != 0 ? errno : EIO));
    return is_mail ? code : EX_IOERR;
}

int main(int argc, char **argv)
{
    command_t command;
    arguments_t arguments;
    job_t *job;
    int code;

    if (!hold_standard_streams()) {
        return EX_OSERR;
    }
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        printf("mailmote %s (%s; %s)\n", MOTE_VERSION_TEXT,
#ifdef MAILMOTE_HAS_TLS
               "TLS by Mbed TLS " MBEDTLS_VERSION_STRING,
#else
               "without TLS",
#endif
               idn_version());
        return end_output(false, EX_OK);
    }
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return end_output(false, EX_OK);
    }
    if (argc < 2) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    code = find_command(argv[1], &command);
    if (code == EX_OK) {
        argv[1] = argv[0]; /* what getopt says begins with the program's name */
        code = read_arguments(argc - 1, argv + 1, &arguments);
    }
    if (code == EX_OK && arguments.wants_help) {
        fputs(usage, stdout);
        return end_output(false, EX_OK);
    }
    if (code == EX_OK) {
        code = check_options(command, &arguments);
    }
    if (code == EX_OK) {
        code = check_operands(command, &arguments);
    }
    if (code == EX_OK) {
        code = convert_domains(&arguments);
    }
    if (code != EX_OK) {
        return code;
    }
    job = calloc(1, sizeof *job);
    if (job == NULL) {
        free_arguments(&arguments);
        return out_of_memory();
    }
    code = end_output(command == COMMAND_SEND, run(command, job, &arguments));
    free_job(job);
    free_arguments(&arguments);
    return code;
}
