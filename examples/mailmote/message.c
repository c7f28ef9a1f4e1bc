#include "message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static int complain(void)
{
    fprintf(stderr, "mailmote: reading the message: %s\n",
            errno != 0 ? strerror(errno) : "it is shorter than it was a moment ago");
    return EX_IOERR;
}

int message_open(mote_posix_source_t *source, int fd)
{
    return mote_posix_source_open(source, fd) == MOTE_OK ? EX_OK : complain();
}

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

int message_scan(mote_posix_source_t *source)
{
    mote_body_t body;
    uint32_t line = 0;
    mote_status_t status;

    memset(&body, 0, sizeof body);
    errno = 0;
    status = mote_body_scan(&body, &source->source, &line);
    if (status == MOTE_ERR_CONTENT) {
        fprintf(stderr, "mailmote: message, line %lu: it %s\n", (unsigned long)line, fault_of_line(&source->source, line));
        return EX_DATAERR;
    }
    if (!source->owns_fd && source->source.is_canonical == MOTE_YES) {
        source->source.is_canonical = MOTE_UNKNOWN; /* others may write to the file: it is looked at again, and as what it */
        source->source.has_lf_lines = false;        /* was, lines that end with CRLF */
    }
    return status == MOTE_OK ? EX_OK : complain();
}
