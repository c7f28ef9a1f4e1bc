#define _DEFAULT_SOURCE
#include "message.h"

#include "addresses.h"
#include "composed.h"
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum { HEADER_BYTES = 1 << 20, ADDED_BYTES = 2048 };

static int complain(void)
{
    fprintf(stderr, "mailmote: reading the message: %s\n",
            errno != 0 ? strerror(errno) : "it is shorter than it was a moment ago");
    return EX_IOERR;
}

/* What is no file is copied into one, and errno may be of either. */
static int complain_of_opening(int fd)
{
    int error = errno;
    struct stat info;
    bool is_copied = fstat(fd, &info) == 0 && !S_ISREG(info.st_mode) && error != EISDIR && error != EBADF;

    errno = error;
    if (!is_copied) {
        return complain();
    }
    fprintf(stderr, "mailmote: reading the message, or keeping a copy of it in $TMPDIR (else /tmp): %s\n", strerror(error));
    return EX_IOERR;
}

static int out_of_memory(void)
{
    fprintf(stderr, "mailmote: out of memory\n");
    return EX_OSERR;
}

/* ---- what may not travel ------------------------------------------------------------------------------- */

/* One octet of the line at fault. size: octets so far. Returns what is wrong, or NULL while nothing is. */
static const char *fault_of_octet(uint8_t octet, size_t size, bool is_after_cr)
{
    if (is_after_cr) {
        return "holds a CR without its LF; lines end with LF or CRLF";
    }
    if (octet == 0) {
        return "holds a NUL; binary data must be encoded (base64)";
    }
    return octet != '\r' && size == MOTE_LINE_BYTES
               ? "has more than 998 octets; it must be encoded (quoted-printable or base64)"
               : NULL;
}

/* The scan says which line cannot travel; this reads up to it once more and says why. */
static const char *fault_of_line(mote_source_t *source, uint32_t line)
{
    const char *fault = NULL;
    bool is_after_cr = false;
    uint32_t at = 1;
    size_t size = 0;
    mote_span_t piece;

    (void)source->rewind(source->self);
    while (fault == NULL && at <= line && source->next(source->self, &piece) == MOTE_OK) {
        for (size_t i = 0; i < piece.size && fault == NULL && at <= line; i++) {
            if (piece.data[i] == '\n') {
                at++;
                is_after_cr = false;
            } else if (at == line) {
                fault = fault_of_octet(piece.data[i], size++, is_after_cr);
                is_after_cr = piece.data[i] == '\r';
            }
        }
    }
    return fault != NULL ? fault : fault_of_octet('\n', 0, true); /* its last octet is a CR */
}

/* Looks through what stands in the source. Only what nobody else can write to is believed from then on. */
static int scan(mote_source_t *source)
{
    mote_body_t body;
    uint32_t line = 0;
    mote_status_t status;

    memset(&body, 0, sizeof body);
    errno = 0;
    status = mote_body_scan(&body, source, &line);
    if (status == MOTE_ERR_CONTENT) {
        fprintf(stderr, "mailmote: message, line %lu: it %s\n", (unsigned long)line, fault_of_line(source, line));
        return EX_DATAERR;
    }
    return status == MOTE_OK ? EX_OK : complain();
}

/* ---- the header, field by field (RFC 5322 2.2, 3.6) ---------------------------------------------------- */

/* What is looked for. Those before BCC may stand there once. */
typedef enum known {
    DATE,
    FROM,
    SENDER,
    REPLY_TO,
    TO,
    CC,
    MESSAGE_ID,
    IN_REPLY_TO,
    REFERENCES,
    SUBJECT,
    MIME_VERSION,
    BCC,
    RESENT_TO,
    RESENT_CC,
    RESENT_BCC,
    RETURN_PATH,
    KNOWN_COUNT
} known_t;

static const char *const names[KNOWN_COUNT] = {
    [DATE] = "Date",
    [FROM] = "From",
    [SENDER] = "Sender",
    [REPLY_TO] = "Reply-To",
    [TO] = "To",
    [CC] = "Cc",
    [MESSAGE_ID] = "Message-ID",
    [IN_REPLY_TO] = "In-Reply-To",
    [REFERENCES] = "References",
    [SUBJECT] = "Subject",
    [MIME_VERSION] = "MIME-Version",
    [BCC] = "Bcc",
    [RESENT_TO] = "Resent-To",
    [RESENT_CC] = "Resent-Cc",
    [RESENT_BCC] = "Resent-Bcc",
    [RETURN_PATH] = "Return-Path",
};

/* A field with its folds; size counts its last line end. */
typedef struct field {
    mote_span_t whole;
    mote_span_t value;
    known_t known; /* KNOWN_COUNT: any other */
    unsigned line;
    unsigned line_count;
} field_t;

/* name may be NULL: the line as such. */
static int refuse(unsigned line, const char *name, const char *what)
{
    fprintf(stderr, "mailmote: message, line %u: %s%s%s\n", line, name != NULL ? name : "", name != NULL ? ": " : "", what);
    return EX_DATAERR;
}

static bool is_space(uint8_t octet)
{
    return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
}

/* Octets of the line at the front, its end included. */
static size_t measure_line(mote_span_t text)
{
    size_t size = mote_span_find(text, '\n');

    return size < text.size ? size + 1 : size;
}

/* Whether it is the empty line behind the header. */
static bool is_empty_line(mote_span_t line)
{
    return line.data[0] == '\n' || (line.data[0] == '\r' && line.size == 2);
}

static int check_line(mote_span_t line, unsigned number)
{
    bool is_blank = true;

    for (size_t i = 0; i < line.size; i++) {
        is_blank &= is_space(line.data[i]);
        if (line.data[i] >= 0x80) {
            return refuse(number, NULL, "octets beyond ASCII in the header; they must be encoded (RFC 2047)");
        }
        if ((line.data[i] < ' ' && !is_space(line.data[i])) || line.data[i] == 0x7F) {
            return refuse(number, NULL, "a control character in the header");
        }
    }
    return is_blank ? refuse(number, NULL, "white space alone: neither a field nor the end of the header") : EX_OK;
}

/* The field at the front of the header. EX_DATAERR: there is something else. */
static int read_field(mote_span_t header, unsigned line, field_t *field)
{
    size_t name_size = 0;
    size_t size = 0;
    unsigned known = 0;

    while (name_size < header.size && header.data[name_size] > ' ' && header.data[name_size] < 0x7F &&
           header.data[name_size] != ':') {
        name_size++;
    }
    if (name_size == 0 || name_size == header.size || header.data[name_size] != ':') {
        int code = check_line(mote_span_slice(header, 0, measure_line(header)), line);

        return code != EX_OK ? code
                             : refuse(line, NULL, line > 1 ? "no field, and no empty line, which ends the header"
                                                           : "no field, as 'Subject: no flow', and no empty line, which ends the "
                                                             "header. To send words alone: --subject ... --text -");
    }
    field->line = line;
    field->line_count = 0;
    do {
        size_t line_size = measure_line(mote_span_slice(header, size, header.size));
        int code = check_line(mote_span_slice(header, size, line_size), line + field->line_count++);

        if (code != EX_OK) {
            return code;
        }
        size += line_size;
    } while (size < header.size && (header.data[size] == ' ' || header.data[size] == '\t'));
    field->whole = mote_span(header.data, size);
    field->value = mote_span_slice(field->whole, name_size + 1, size);
    while (known < KNOWN_COUNT &&
           !mote_span_equals_ignoring_case(mote_span_slice(header, 0, name_size), mote_span_text(names[known]))) {
        known++;
    }
    field->known = (known_t)known;
    return EX_OK;
}

/* ---- recipients ---------------------------------------------------------------------------------------- */

static int add_recipient(message_t *message, const field_t *field, mote_span_t address)
{
    const char *fault = address_fault(address, false);

    if (fault != NULL) {
        fprintf(stderr, "mailmote: message, line %u: %s: '", field->line, names[field->known]);
        report_clean(stderr, address);
        fprintf(stderr, "': %s\n", fault);
        return EX_DATAERR;
    }
    if (message->recipient_count == UINT16_MAX) {
        return refuse(field->line, names[field->known], "too many recipients");
    }
    message->recipients[message->recipient_count++] =
        mote_span(message->addresses + message->addresses_size, address.size);
    memcpy(message->addresses + message->addresses_size, address.data, address.size);
    message->addresses_size += address.size;
    return EX_OK;
}

/* All of them, so that each wrong one is named. */
static int add_recipients(message_t *message, const field_t *field)
{
    address_list_t list = { field->value, NULL, false, false };
    char room[ADDRESS_ROOM_BYTES];
    size_t size = 0;
    int code = EX_OK;

    while (address_list_next(&list, room, &size)) {
        code |= add_recipient(message, field, mote_span(room, size));
    }
    return list.fault != NULL ? refuse(field->line, names[field->known], list.fault) : code;
}

/* ---- what the header must and must not have ------------------------------------------------------------ */

/* Fields that servers refuse twice, or that are not the sender's to write. lines: where each was seen first. */
static int check_field(message_t *message, const message_options_t *options, const field_t *field, unsigned *lines)
{
    address_list_t from = { field->value, NULL, false, false };
    unsigned before = lines[field->known];

    lines[field->known] = before == 0 ? field->line : before;
    if (field->known < BCC && before != 0) {
        fprintf(stderr, "mailmote: message, line %u: a second %s; the first stands in line %u (RFC 5322 3.6)\n", field->line,
                names[field->known], before);
        return EX_DATAERR;
    }
    if (field->known == RETURN_PATH) {
        return refuse(field->line, names[RETURN_PATH], "the last server's to write (RFC 5321 4.4): take it out");
    }
    if ((field->known == BCC || field->known == RESENT_BCC) && !options->reads_recipients) {
        return refuse(field->line, names[field->known], "everybody would see it: take it out, or use -t, which does");
    }
    if (field->known >= RESENT_TO && field->known <= RESENT_BCC && options->reads_recipients) {
        return refuse(field->line, names[field->known],
                      "whom -t means in a message sent once more is not clear: name the recipients instead");
    }
    if (field->known == FROM) {
        (void)address_list_next(&from, message->from, &message->from_size);
    }
    if (field->known == TO || field->known == CC || field->known == BCC) {
        return options->reads_recipients ? add_recipients(message, field) : EX_OK;
    }
    return EX_OK;
}

/* Walks the header to the empty line behind it; Bcc is cut out. */
static int read_header(message_t *message, const message_options_t *options, unsigned *lines)
{
    char *end = message->header_text + ADDED_BYTES;
    mote_span_t rest = message->header;
    unsigned line = 1;
    field_t field = { .line_count = 0 };
    int all = EX_OK;

    for (; rest.size > 0 && !is_empty_line(mote_span_slice(rest, 0, measure_line(rest))); line += field.line_count) {
        int code = read_field(rest, line, &field);

        if (code != EX_OK) {
            return code;
        }
        code = check_field(message, options, &field, lines);
        if (code != EX_OK) {
            all = code;
        }
        mote_span_skip(&rest, field.whole.size);
        if (field.known != BCC) {
            memmove(end, field.whole.data, field.whole.size);
            end += field.whole.size;
        }
    }
    message->body_offset = message->header.size - rest.size; /* the empty line is the body's */
    if (rest.size == 0 && message->header.size == HEADER_BYTES) {
        return refuse(line, NULL, "the header has more than a million octets");
    }
    message->header = mote_span(message->header_text + ADDED_BYTES, (size_t)(end - message->header_text) - ADDED_BYTES);
    return all;
}

static bool has_header_end(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n' && ((i + 1 < size && text[i + 1] == '\n') || (i + 2 < size && text[i + 1] == '\r'))) {
            return true;
        }
    }
    return false;
}

/* Reads what may be a header; there is room in front of it for what it lacks. */
static int load_header(message_t *message)
{
    mote_source_t *source = &message->file.source;
    mote_status_t status = source->rewind(source->self);
    mote_span_t piece;
    size_t size = 0;

    message->header_text = malloc(ADDED_BYTES + HEADER_BYTES);
    message->addresses = malloc(HEADER_BYTES);
    message->recipients = malloc(UINT16_MAX * sizeof *message->recipients);
    if (message->header_text == NULL || message->addresses == NULL || message->recipients == NULL) {
        return out_of_memory();
    }
    while (status == MOTE_OK && size < HEADER_BYTES && !has_header_end(message->header_text + ADDED_BYTES, size)) {
        status = source->next(source->self, &piece);
        if (status == MOTE_OK) {
            size_t part = piece.size < HEADER_BYTES - size ? piece.size : HEADER_BYTES - size;

            memcpy(message->header_text + ADDED_BYTES + size, piece.data, part);
            size += part;
        }
    }
    message->header = mote_span(message->header_text + ADDED_BYTES, size);
    return status == MOTE_OK || status == MOTE_CLOSED ? EX_OK : complain();
}

/* ---- what the header lacks ----------------------------------------------------------------------------- */

static int complain_of_completing(int code, const char *why)
{
    fprintf(stderr, "mailmote: --complete: %s\n", why);
    return code;
}

/* From is the sender given; the Message-ID is of the domain of From. */
static int write_missing(mote_writer_t *out, const message_t *message, const message_options_t *options, const unsigned *lines)
{
    mote_name_addr_t from = options->from;
    const mote_name_addrs_t people = { &from, 1 };
    mote_message_t made;

    memset(&made, 0, sizeof made);
    made.from = people;
    if (lines[FROM] != 0) {
        from.address = mote_span(message->from, message->from_size);
    }
    if (mote_header_check_name_addr(&from) != MOTE_OK) {
        return complain_of_completing(EX_DATAERR, lines[FROM] == 0 ? "the message has no From, and the sender cannot be it"
                                                                   : "there is no address in From");
    }
    if (composed_set_moment(&made) != EX_OK) {
        return EX_TEMPFAIL;
    }
    if (lines[DATE] == 0 && made.date_s == 0) {
        return complain_of_completing(EX_TEMPFAIL, "the message has no Date, and the clock is not set");
    }
    if (lines[DATE] == 0) {
        mote_header_write_date(out, made.date_s, made.zone_minutes);
    }
    if (lines[FROM] == 0) {
        mote_header_write_addresses(out, mote_span_text(names[FROM]), &people);
    }
    if (lines[MESSAGE_ID] == 0) {
        mote_write_text(out, "Message-ID: ");
        mote_compose_write_id(out, &made);
        mote_write_text(out, "\r\n");
    }
    return mote_writer_overflowed(out) ? complain_of_completing(EX_DATAERR, "the sender's name is too long") : EX_OK;
}

/* ---- the source: a header of ours, and the rest of the file -------------------------------------------- */

static mote_status_t rewind_edited(void *self)
{
    message_t *message = self;

    message->has_lent_header = message->header.size == 0;
    message->offset = 0;
    return message->file.source.rewind(message->file.source.self);
}

static mote_status_t next_of_edited(void *self, mote_span_t *piece)
{
    message_t *message = self;
    mote_status_t status;

    if (!message->has_lent_header) {
        message->has_lent_header = true;
        *piece = message->header;
        return MOTE_OK;
    }
    do {
        size_t skip = message->body_offset - message->offset;

        status = message->file.source.next(message->file.source.self, piece);
        if (status != MOTE_OK) {
            return status;
        }
        skip = skip < piece->size ? skip : piece->size;
        mote_span_skip(piece, skip);
        message->offset += skip;
    } while (piece->size == 0);
    return MOTE_OK;
}

static int edit(message_t *message, const message_options_t *options, const unsigned *lines)
{
    uint8_t added[ADDED_BYTES];
    mote_writer_t out = mote_writer(added, sizeof added);
    int code = options->completes ? write_missing(&out, message, options, lines) : EX_OK;

    if (code != EX_OK || (out.size == 0 && lines[BCC] == 0)) {
        return code;
    }
    message->header = mote_span(message->header.data - out.size, message->header.size + out.size);
    memcpy(message->header_text + ADDED_BYTES - out.size, added, out.size);
    message->edited.rewind = rewind_edited;
    message->edited.next = next_of_edited;
    message->edited.self = message;
    message->edited.wire_size = MOTE_SIZE_UNKNOWN;
    message->edited.has_lf_lines = true;
    message->edited.is_canonical = message->file.source.is_canonical; /* MOTE_NO: others may write to it */
    message->source = &message->edited;
    return scan(&message->edited);
}

void message_greet_terminal(void)
{
    if (isatty(STDIN_FILENO) != 0 && isatty(STDERR_FILENO) != 0) {
        fprintf(stderr, "mailmote: reading from this terminal, until a line that is Ctrl-D alone\n");
    }
}

int message_open(message_t *message, int fd, const message_options_t *options)
{
    unsigned lines[KNOWN_COUNT + 1] = { 0 };
    int code;

    memset(message, 0, sizeof *message);
    message->source = &message->file.source;
    errno = 0;
    code = mote_posix_source_open(&message->file, fd) == MOTE_OK ? EX_OK : complain_of_opening(fd);
    if (code == EX_OK) {
        code = scan(&message->file.source);
    }
    if (code == EX_OK) {
        code = load_header(message);
    }
    if (code == EX_OK) {
        code = read_header(message, options, lines);
    }
    return code == EX_OK ? edit(message, options, lines) : code;
}

void message_close(message_t *message)
{
    mote_posix_source_close(&message->file);
    free(message->header_text);
    free(message->addresses);
    free(message->recipients);
}
