#define _DEFAULT_SOURCE
#include "composed.h"

#include "addresses.h"
#include "message.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int say(int code, const char *what, const char *which, const char *why)
{
    fprintf(stderr, "mailmote: %s", what);
    if (which != NULL) {
        fputs(" '", stderr);
        report_clean(stderr, mote_span_text(which));
        fputc('\'', stderr);
    }
    fprintf(stderr, ": %s\n", why);
    return code;
}

bool composed_is_wanted(const composed_options_t *options)
{
    return options->subject != NULL || options->text != NULL || options->html != NULL || options->thread != NULL ||
           options->attachments.count > 0 || options->inlines.count > 0 || options->cc.count > 0 || options->bcc.count > 0 ||
           options->fields.count > 0;
}

/* ---- people -------------------------------------------------------------------------------------------- */

static mote_span_t trim(mote_span_t text)
{
    while (text.size > 0 && text.data[0] == ' ') {
        text = mote_span_slice(text, 1, text.size);
    }
    while (text.size > 0 && text.data[text.size - 1] == ' ') {
        text.size--;
    }
    return text;
}

mote_name_addr_t composed_split(const char *text)
{
    mote_name_addr_t item = { { NULL, 0 }, mote_span_text(text) };
    size_t size = item.address.size;
    const char *open = strrchr(text, '<');

    if (open == NULL || open == text || text[size - 1] != '>') {
        return item;
    }
    item.name = trim(mote_span(text, (size_t)(open - text)));
    item.address = mote_span(open + 1, (size_t)(text + size - 1 - (open + 1)));
    if (item.name.size >= 2 && item.name.data[0] == '"' && item.name.data[item.name.size - 1] == '"') {
        item.name = mote_span_slice(item.name, 1, item.name.size - 2); /* the shell's user quoted it as mail would */
    }
    return item;
}

static int set_people(composed_t *composed, const composed_options_t *options, const char *from, char **to, size_t to_count)
{
    mote_message_t *message = &composed->message;
    mote_name_addr_t *person;

    composed->people_count = to_count + options->cc.count + options->bcc.count;
    composed->people = calloc(composed->people_count + 1, sizeof *composed->people);
    if (composed->people == NULL) {
        return say(EX_OSERR, "composing", NULL, "out of memory");
    }
    person = composed->people;
    message->to.items = person;
    message->to.count = to_count;
    for (size_t i = 0; i < to_count; i++) {
        *person++ = composed_split(to[i]);
    }
    message->cc.items = person;
    message->cc.count = options->cc.count;
    for (size_t i = 0; i < options->cc.count; i++) {
        *person++ = composed_split(options->cc.items[i]);
    }
    for (size_t i = 0; i < options->bcc.count; i++) {
        *person++ = composed_split(options->bcc.items[i]);
    }
    composed->from = composed_split(from);
    message->from.items = &composed->from;
    message->from.count = 1;
    return EX_OK;
}

static int check_person(const char *field, mote_span_t address, bool is_sender)
{
    const char *fault = address_fault(address, is_sender);

    if (fault == NULL) {
        return EX_OK;
    }
    fprintf(stderr, "mailmote: %s: '", field);
    report_clean(stderr, address);
    fprintf(stderr, "': %s\n", fault);
    return EX_DATAERR;
}

/* All of them, so that each wrong one is named. */
static int check_people(const composed_t *composed)
{
    size_t to_end = composed->message.to.count;
    size_t cc_end = to_end + composed->message.cc.count;
    int code = check_person("From", composed->from.address, true);

    for (size_t i = 0; i < composed->people_count; i++) {
        code |= check_person(i < to_end ? "To" : i < cc_end ? "Cc" : "Bcc", composed->people[i].address, i < cc_end);
    }
    return code;
}

/* ---- fields -------------------------------------------------------------------------------------------- */

/* --header 'Name: value'. Auto-Submitted is ours to write: 'no' is what a person says with it. */
static int set_fields(composed_t *composed, const composed_options_t *options)
{
    static const mote_span_t auto_submitted = MOTE_SPAN("Auto-Submitted");
    static const mote_span_t no = MOTE_SPAN("no");
    static const mote_span_t replied = MOTE_SPAN("auto-replied");
    mote_message_t *message = &composed->message;

    message->fields = composed->fields;
    for (size_t i = 0; i < options->fields.count; i++) {
        const char *colon = strchr(options->fields.items[i], ':');
        mote_field_t field;

        if (colon == NULL) {
            return say(EX_USAGE, "--header", options->fields.items[i], "it is not 'Name: value'");
        }
        field.name = mote_span(options->fields.items[i], (size_t)(colon - options->fields.items[i]));
        field.value = trim(mote_span_text(colon + 1));
        if (mote_span_equals_ignoring_case(field.name, auto_submitted) &&
            (mote_span_equals(field.value, no) || mote_span_equals(field.value, replied))) {
            message->auto_submitted = mote_span_equals(field.value, no) ? MOTE_AUTO_NO : MOTE_AUTO_REPLIED;
        } else {
            composed->fields[message->field_count++] = field;
        }
    }
    return EX_OK;
}

/* Any word makes a thread: <word@domain of the sender>, unless it is a Message-ID already. */
static int set_thread(composed_t *composed, const char *thread)
{
    mote_address_t from;
    int size;

    if (thread == NULL) {
        return EX_OK;
    }
    (void)mote_address_parse(composed->from.address, &from);
    if (strchr(thread, '@') != NULL) {
        bool has_brackets = thread[0] == '<';

        size = snprintf(composed->thread, sizeof composed->thread, "%s%s%s", has_brackets ? "" : "<", thread,
                        has_brackets ? "" : ">");
    } else {
        size = snprintf(composed->thread, sizeof composed->thread, "<%s@%.*s>", thread, (int)from.domain.size,
                        (const char *)from.domain.data);
    }
    if (size < 0 || (size_t)size >= sizeof composed->thread) {
        return say(EX_DATAERR, "--thread", thread, "too long");
    }
    composed->message.in_reply_to = mote_span_text(composed->thread);
    if (mote_header_check_ids(composed->message.in_reply_to) != MOTE_OK) {
        return say(EX_DATAERR, "--thread", thread, "not one word of ASCII, or a Message-ID");
    }
    composed->message.references = composed->message.in_reply_to;
    return EX_OK;
}

int composed_set_moment(mote_message_t *message)
{
    time_t now = time(NULL);
    struct tm local;

    if (now > 0 && (uint64_t)now <= UINT32_MAX && localtime_r(&now, &local) != NULL &&
        mote_header_check_date((uint32_t)now, 0) == MOTE_OK) { /* else the clock is not set: no Date */
        message->date_s = (uint32_t)now;
        message->zone_minutes = (int16_t)(local.tm_gmtoff / 60);
    }
    if (mote_posix_random(NULL, message->seed, sizeof message->seed) != MOTE_OK) {
        return say(EX_TEMPFAIL, "composing", NULL, "no random bytes");
    }
    return EX_OK;
}

/* ---- parts --------------------------------------------------------------------------------------------- */

/* The system's table of content types (Debian: media-types), a type and its endings on a line. */
static void read_type_table(composed_t *composed)
{
    enum { TABLE_BYTES = 1 << 20 };
    FILE *file = fopen("/etc/mime.types", "re");

    if (file == NULL) {
        return;
    }
    composed->type_table = malloc(TABLE_BYTES);
    if (composed->type_table != NULL) {
        composed->type_table[fread(composed->type_table, 1, TABLE_BYTES - 1, file)] = '\0';
    }
    (void)fclose(file);
}

/* The type by the name's ending; empty where the table knows none that a part can have. */
static mote_span_t find_type(composed_t *composed, const char *name)
{
    const char *dot = strrchr(name, '.');
    const char *line = composed->type_table;
    mote_span_t ending = mote_span_text(dot != NULL ? dot + 1 : "");

    while (line != NULL && *line != '\0' && ending.size > 0) {
        size_t size = strcspn(line, "\n");
        size_t type_size = strcspn(line, " \t\n");
        size_t at = type_size;

        while (line[0] != '#' && at < size) {
            size_t word;

            at += strspn(line + at, " \t");
            word = strcspn(line + at, " \t\n");
            if (word > 0 && mote_span_equals_ignoring_case(mote_span(line + at, word), ending)) {
                bool is_part = strncmp(line, "message/", 8) != 0 && strncmp(line, "multipart/", 10) != 0;

                return is_part ? mote_span(line, type_size) : mote_span(NULL, 0);
            }
            at += word;
        }
        line += size + (line[size] == '\n' ? 1U : 0U);
    }
    return mote_span(NULL, 0);
}

/* As compose wants it. */
static bool is_content_id(mote_span_t name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] <= ' ' || name.data[i] > '~' || name.data[i] == '<' || name.data[i] == '>') {
            return false;
        }
    }
    return name.size <= 127;
}

static int add_file(composed_t *composed, uint8_t role, const char *path, int fd)
{
    mote_part_t *part = &composed->parts[composed->message.part_count++];
    mote_posix_source_t *file = malloc(sizeof *file);
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    struct stat info = { 0 };

    if (file == NULL) {
        return say(EX_OSERR, "composing", NULL, "out of memory");
    }
    composed->files[composed->file_count] = file;
    composed->fds[composed->file_count++] = fd;
    errno = 0;
    memset(file, 0, sizeof *file);
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        return say(EX_NOINPUT, "file", path, strerror(EISDIR));
    }
    if (mote_posix_source_open(file, fd) != MOTE_OK || file->size > UINT32_MAX) {
        return say(EX_NOINPUT, S_ISREG(info.st_mode) ? "file" : "file, or its copy in $TMPDIR (else /tmp),", path,
                   errno != 0 ? strerror(errno) : "too large");
    }
    part->role = role;
    part->source = &file->source;
    part->source_size = (uint32_t)file->size;
    if (role >= MOTE_PART_INLINE) {
        part->name = mote_span_text(name);
        if (mote_header_check_text(part->name) != MOTE_OK) {
            return say(EX_DATAERR, "file", path, "its name holds a control character, or is not UTF-8");
        }
        if (role == MOTE_PART_INLINE && !is_content_id(part->name)) {
            return say(EX_DATAERR, "--inline", path, "HTML cannot call it cid: by its name, which is to be ASCII without spaces or < >");
        }
        part->type = find_type(composed, name);
        part->content_id = role == MOTE_PART_INLINE ? part->name : mote_span(NULL, 0);
    }
    return EX_OK;
}

static int add_path(composed_t *composed, uint8_t role, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd >= 0 ? add_file(composed, role, path, fd) : say(EX_NOINPUT, "file", path, strerror(errno));
}

static int add_paths(composed_t *composed, uint8_t role, const option_list_t *paths)
{
    int code = EX_OK;

    for (size_t i = 0; i < paths->count && code == EX_OK; i++) {
        code = add_path(composed, role, paths->items[i]);
    }
    return code;
}

static int add_parts(composed_t *composed, const composed_options_t *options)
{
    int code = EX_OK;

    composed->message.parts = composed->parts;
    read_type_table(composed);
    if (options->text != NULL && strcmp(options->text, "-") == 0) {
        message_greet_terminal();
        code = add_file(composed, MOTE_PART_TEXT, "standard input", dup(STDIN_FILENO));
    } else if (options->text != NULL) {
        composed->parts[composed->message.part_count++].content = mote_span_text(options->text);
    }
    if (code == EX_OK && options->html != NULL) {
        code = add_path(composed, MOTE_PART_HTML, options->html);
    }
    if (code == EX_OK) {
        code = add_paths(composed, MOTE_PART_INLINE, &options->inlines);
    }
    return code == EX_OK ? add_paths(composed, MOTE_PART_ATTACHMENT, &options->attachments) : code;
}

/* ---- the message --------------------------------------------------------------------------------------- */

/* Names the further field that is refused, which compose does not. EX_OK: none of them. */
static int explain_field(composed_t *composed)
{
    int code = EX_OK;

    for (size_t i = 0; i < composed->message.field_count && code == EX_OK; i++) {
        mote_message_t alone = composed->message;
        mote_status_t status;

        alone.fields = &composed->fields[i];
        alone.field_count = 1;
        status = mote_compose_start(&composed->compose, &alone, composed->room, sizeof composed->room);
        if (status != MOTE_OK) {
            code = say(EX_DATAERR, "--header", (const char *)composed->fields[i].name.data,
                       status == MOTE_ERR_CONTENT ? "it holds a control character, or is not UTF-8"
                                                  : "no name of a field, or that of one which is made here or by servers alone");
        }
    }
    return code;
}

static int explain(const composed_t *composed, mote_status_t status)
{
    const char *why = status == MOTE_ERR_CONTENT   ? "it holds a control character, or is not UTF-8"
                      : status == MOTE_ERR_ADDRESS ? "there is no address here that mail has (RFC 5321 4.1.2)"
                      : status == MOTE_ERR_SOURCE  ? "it cannot be read, or changed meanwhile"
                                                   : "it cannot be so in a message";

    fprintf(stderr, "mailmote: %s: %s\n", composed->compose.fault != NULL ? composed->compose.fault : "message", why);
    return status == MOTE_ERR_SOURCE ? EX_IOERR : EX_DATAERR;
}

static int start(composed_t *composed)
{
    mote_status_t status = mote_compose_start(&composed->compose, &composed->message, composed->room, sizeof composed->room);

    if (status == MOTE_OK) {
        status = mote_compose_scan(&composed->compose);
    } else if (strcmp(composed->compose.fault, "a further field") == 0) {
        return explain_field(composed);
    }
    return status == MOTE_OK ? EX_OK : explain(composed, status);
}

int composed_open(composed_t *composed, const composed_options_t *options, const char *from, char **to, size_t to_count)
{
    int code;

    memset(composed, 0, sizeof *composed);
    if (options->text == NULL && options->html == NULL && options->attachments.count == 0 && options->inlines.count == 0) {
        fprintf(stderr, "mailmote: nothing is said: give --text TEXT (or - for standard input), --html, --attach or --inline\n");
        return EX_USAGE;
    }
    code = set_people(composed, options, from, to, to_count);
    if (code == EX_OK) {
        code = check_people(composed);
    }
    if (code == EX_OK) {
        code = set_fields(composed, options);
    }
    if (code == EX_OK) {
        code = set_thread(composed, options->thread);
    }
    if (code == EX_OK) {
        code = composed_set_moment(&composed->message);
    }
    if (code == EX_OK) {
        composed->message.subject = mote_span_text(options->subject);
        code = add_parts(composed, options);
    }
    return code == EX_OK ? start(composed) : code;
}

void composed_close(composed_t *composed)
{
    for (size_t i = 0; i < composed->file_count; i++) {
        mote_posix_source_close(composed->files[i]);
        free(composed->files[i]);
        (void)close(composed->fds[i]);
    }
    free(composed->people);
    free(composed->type_table);
}

int composed_print(mote_source_t *source)
{
    mote_span_t piece;
    mote_status_t status = source->rewind(source->self);

    while (status == MOTE_OK) {
        status = source->next(source->self, &piece);
        if (status == MOTE_OK && fwrite(piece.data, 1, piece.size, stdout) != piece.size) {
            return say(EX_IOERR, "writing the result", NULL, strerror(errno));
        }
    }
    return status == MOTE_CLOSED ? EX_OK : say(EX_IOERR, "the message", NULL, "a file cannot be read, or changed");
}
