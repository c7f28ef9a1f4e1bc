#include <mailmote/body.h>

/* Where the filter is. */
enum {
    AT_REWIND, /* nothing read yet */
    AT_START,  /* at the start of a line */
    AT_MIDDLE, /* within a line */
    AT_CR,     /* a piece ended in CR: held back until its LF is seen */
    AT_LF,     /* a lone LF comes next: it leaves as CRLF */
    AT_END,    /* all is lent */
    HAS_FAILED_SOURCE,
    HAS_FAILED_CONTENT
};

enum { HAS_LONE_LF = 128 }; /* among the flags: the scan has met one */

/* Octets checked at once, before any of them is lent. */
enum { WINDOW_BYTES = 4096 };

static const mote_span_t crlf = MOTE_SPAN("\r\n");
static const mote_span_t dot = MOTE_SPAN(".");

void mote_body_start(mote_body_t *body, mote_source_t *source, unsigned flags)
{
    memset(body, 0, sizeof *body);
    body->source = source;
    body->flags = (uint8_t)flags;
}

static mote_status_t fail(mote_body_t *body, mote_status_t status)
{
    body->state = status == MOTE_ERR_CONTENT ? HAS_FAILED_CONTENT : HAS_FAILED_SOURCE;
    return status;
}

/* Gets the next piece. CLOSED: there is none. */
static mote_status_t read_piece(mote_body_t *body)
{
    mote_status_t status = MOTE_OK;

    if (body->state == AT_REWIND) {
        status = body->source->rewind(body->source->self);
        body->state = status == MOTE_OK ? AT_START : AT_REWIND;
    }
    if (status == MOTE_OK && body->piece.size == 0) {
        status = body->source->next(body->source->self, &body->piece);
        body->clean_size = 0;
    }
    if (status == MOTE_OK && body->piece.size > 0) {
        return MOTE_OK;
    }
    body->piece = mote_span(NULL, 0);
    return status == MOTE_PENDING || status == MOTE_CLOSED ? status : fail(body, MOTE_ERR_SOURCE);
}

/* ---- the checks ---------------------------------------------------------------------------------------- */

/* Whether any octet is 0x80 or more: a word at a time, eight words a round. */
static bool has_8bit(mote_span_t span)
{
    static const size_t high_bits = ~(size_t)0 / 255 * 128;
    size_t words[8];
    size_t high = 0;
    size_t i = 0;

    for (; i + sizeof words <= span.size; i += sizeof words) {
        memcpy(words, span.data + i, sizeof words);
        high |= words[0] | words[1] | words[2] | words[3] | words[4] | words[5] | words[6] | words[7];
    }
    for (; i < span.size; i++) {
        high |= span.data[i]; /* the lowest octet's high bit is among high_bits */
    }
    return (high & high_bits) != 0;
}

/* One line of text_size octets before its LF, or before the window's end. False: it may not travel so. */
static bool check_line(mote_body_t *body, const uint8_t *text, size_t text_size, bool has_lf, uint32_t *lone_lf_count)
{
    const uint8_t *cr = text_size > 0 ? memchr(text, '\r', text_size) : NULL;

    if ((body->is_after_cr && text_size > 0) || (cr != NULL && cr != text + text_size - 1)) {
        return false; /* a CR that no LF follows */
    }
    if (has_lf && cr == NULL && !body->is_after_cr) {
        ++*lone_lf_count;
        if (!body->source->has_lf_lines) {
            return false;
        }
    }
    text_size -= cr != NULL ? 1U : 0U;
    if (text_size > (size_t)(MOTE_LINE_BYTES - body->line_size)) {
        return false;
    }
    body->line_size = (uint16_t)(has_lf ? 0 : body->line_size + text_size);
    body->line += has_lf ? 1U : 0U;
    body->is_after_cr = cr != NULL && !has_lf;
    return true;
}

/* RFC 5321 2.3.8, 4.5.3.1.6: every octet, before it is lent. Counts the lone LFs. */
static bool check(mote_body_t *body, mote_span_t window, uint32_t *lone_lf_count)
{
    size_t size = mote_span_find(window, 0); /* a NUL: the lines before it are only counted */
    const uint8_t *at = window.data;
    const uint8_t *end = window.data + size;

    while (at != end) {
        const uint8_t *lf = memchr(at, '\n', (size_t)(end - at));
        const uint8_t *line_end = lf != NULL ? lf : end;

        if (!check_line(body, at, (size_t)(line_end - at), lf != NULL, lone_lf_count)) {
            return false;
        }
        at = lf != NULL ? lf + 1 : end;
    }
    return size == window.size;
}

/* Makes sure that the front of the piece has been checked. */
static bool check_piece(mote_body_t *body)
{
    mote_span_t window = mote_span_slice(body->piece, 0, WINDOW_BYTES);
    bool refuses_8bit = (body->flags & MOTE_BODY_REFUSES_8BIT) != 0;
    uint32_t lone_lf_count = 0;

    if (body->clean_size > 0) {
        return true;
    }
    if (body->source->is_canonical == MOTE_YES) {
        body->clean_size = body->piece.size;
        return !refuses_8bit || body->source->is_8bit == MOTE_NO || !has_8bit(body->piece);
    }
    if (window.size > 1 && window.size < body->piece.size && window.data[window.size - 1] == '\r') {
        window.size--; /* a CR is checked together with its LF */
    }
    body->clean_size = window.size;
    return !(refuses_8bit && has_8bit(window)) && check(body, window, &lone_lf_count);
}

/* ---- the stretches ------------------------------------------------------------------------------------- */

static void pass_over(mote_body_t *body, size_t size)
{
    mote_span_skip(&body->piece, size);
    body->clean_size -= size;
}

/* Lends the first size octets of the piece. */
static void lend(mote_body_t *body, size_t size, mote_span_t *stretch)
{
    *stretch = mote_span(body->piece.data, size);
    pass_over(body, size);
}

/* Offset of the next dot that starts a line, behind the first octet; memchr passes over the rest at its speed. */
static size_t find_dot(mote_span_t span)
{
    size_t at = 0;

    do {
        at++;
        at += mote_span_find(mote_span_slice(span, at, span.size), '.');
    } while (at < span.size && span.data[at - 1] != '\n');
    return at < span.size ? at : span.size;
}

/* Lends lines whose ends are right as they are. */
static void pass_lines(mote_body_t *body, mote_span_t *stretch)
{
    mote_span_t clean = mote_span(body->piece.data, body->clean_size);
    size_t size = (body->flags & MOTE_BODY_STUFFS_DOTS) != 0 ? find_dot(clean) : clean.size;
    uint8_t last = clean.data[size - 1]; /* clean_size is not 0 here. NOLINT(clang-analyzer-core.NullDereference) */

    body->state = last == '\n' ? AT_START : AT_MIDDLE;
    if (last == '\r' && size == body->piece.size) {
        body->state = AT_CR; /* it leaves with its LF, or not at all */
        size--;
    }
    lend(body, size, stretch);
    if (body->state == AT_CR) {
        pass_over(body, 1);
    }
}

/* Lends one line of this platform's text, up to its end. */
static void pass_line(mote_body_t *body, mote_span_t *stretch)
{
    mote_span_t clean = mote_span(body->piece.data, body->clean_size);
    size_t lf = mote_span_find(clean, '\n');
    bool has_cr = lf > 0 && clean.data[lf - 1] == '\r'; /* NOLINT(clang-analyzer-core.NullDereference): as above */

    body->state = AT_MIDDLE;
    if (lf < clean.size || has_cr) {
        body->state = lf < clean.size ? AT_LF : AT_CR;
    }
    lend(body, lf - (has_cr ? 1U : 0U), stretch);
    if (has_cr) {
        pass_over(body, 1);
    }
}

/* The end of a line, as it must be; the LF of the source is passed over. */
static void lend_line_end(mote_body_t *body, mote_span_t *stretch)
{
    *stretch = crlf;
    body->state = AT_START;
    pass_over(body, 1);
}

static mote_status_t end_message(mote_body_t *body, mote_span_t *stretch)
{
    bool is_open = body->state == AT_MIDDLE;

    if (body->state == AT_CR) {
        return fail(body, MOTE_ERR_CONTENT);
    }
    body->state = AT_END;
    if (!is_open) {
        return MOTE_CLOSED;
    }
    *stretch = crlf; /* RFC 5321 4.1.1.4: a last line without an end gets one */
    return MOTE_OK;
}

mote_status_t mote_body_next(mote_body_t *body, mote_span_t *stretch, bool *is_stable)
{
    mote_status_t status;

    *is_stable = true;
    if (body->state >= AT_END) {
        return body->state == AT_END ? MOTE_CLOSED
                                     : body->state == HAS_FAILED_CONTENT ? MOTE_ERR_CONTENT : MOTE_ERR_SOURCE;
    }
    do {
        status = read_piece(body);
        if (status == MOTE_CLOSED) {
            return end_message(body, stretch);
        }
        if (status != MOTE_OK) {
            return status;
        }
        if (!check_piece(body)) {
            return fail(body, MOTE_ERR_CONTENT);
        }
        if (body->state == AT_CR || body->state == AT_LF) {
            lend_line_end(body, stretch);
            return MOTE_OK;
        }
        if (body->state == AT_START && (body->flags & MOTE_BODY_STUFFS_DOTS) != 0 && body->piece.data[0] == '.') {
            body->state = AT_MIDDLE; /* RFC 5321 4.5.2: the line's own dot follows */
            *stretch = dot;
            return MOTE_OK;
        }
        if (body->source->has_lf_lines && body->source->is_canonical != MOTE_YES) {
            pass_line(body, stretch);
        } else {
            pass_lines(body, stretch);
        }
    } while (stretch->size == 0); /* an empty line: its end comes next */
    *is_stable = body->source->is_stable;
    return MOTE_OK;
}

/* ---- the scan ------------------------------------------------------------------------------------------ */

static mote_status_t end_scan(mote_body_t *body)
{
    mote_source_t *source = body->source;
    bool is_whole = body->line_size == 0;

    if (body->is_after_cr) {
        return MOTE_ERR_CONTENT;
    }
    if ((body->flags & HAS_LONE_LF) == 0) {
        source->has_lf_lines = false;
    }
    if (!is_whole) {
        source->is_canonical = MOTE_NO;
        source->wire_size += source->wire_size >= 0 ? (int32_t)crlf.size : 0;
    }
    return MOTE_OK;
}

static void count(mote_source_t *source, uint32_t size)
{
    if (source->wire_size >= 0 && size <= (uint32_t)(INT32_MAX - 2 - source->wire_size)) {
        source->wire_size += (int32_t)size;
    } else {
        source->wire_size = MOTE_SIZE_UNKNOWN;
    }
}

mote_status_t mote_body_scan(mote_body_t *body, mote_source_t *source, uint32_t *line)
{
    mote_status_t status;

    if (body->source == NULL) {
        mote_body_start(body, source, 0);
        source->wire_size = 0;
        source->is_8bit = MOTE_NO;
        source->is_canonical = source->is_canonical == MOTE_NO ? MOTE_NO : MOTE_YES;
    }
    while ((status = read_piece(body)) == MOTE_OK) {
        mote_span_t window = mote_span_slice(body->piece, 0, WINDOW_BYTES);
        uint32_t lone_lf_count = 0;
        bool is_right = check(body, window, &lone_lf_count);

        if (!is_right) {
            status = MOTE_ERR_CONTENT;
            break;
        }
        source->is_8bit = source->is_8bit == MOTE_YES || has_8bit(window) ? MOTE_YES : MOTE_NO;
        if (lone_lf_count > 0) {
            source->is_canonical = MOTE_NO;
            body->flags |= HAS_LONE_LF;
        }
        count(source, (uint32_t)window.size + lone_lf_count);
        mote_span_skip(&body->piece, window.size);
    }
    if (status == MOTE_CLOSED) {
        status = end_scan(body);
    }
    if (status == MOTE_ERR_CONTENT && line != NULL) {
        *line = body->line + 1;
    }
    return status;
}
