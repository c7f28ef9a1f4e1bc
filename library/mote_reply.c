#include <mailmote/reply.h>

/* Where in a line the next octet stands. */
enum { AT_CODE_1, AT_CODE_2, AT_CODE_3, AT_SEPARATOR, AT_TEXT, AT_LF, IS_MALFORMED };

/* How much of an enhanced code the line's text has shown. */
enum { SHOWS_CLASS, SHOWS_DOT_1, SHOWS_SUBJECT, SHOWS_DETAIL, SHOWS_NONE };

static mote_reply_event_t fail(mote_reply_t *reply)
{
    reply->state = IS_MALFORMED;
    return MOTE_REPLY_MALFORMED;
}

static bool is_digit(uint8_t octet)
{
    return octet >= '0' && octet <= '9';
}

/* RFC 3463 2: subject and detail have one to three digits. False: this is no enhanced code. */
static bool add_digit(uint16_t *number, uint8_t octet)
{
    if (!is_digit(octet) || *number > 99) {
        return false;
    }
    *number = (uint16_t)(*number * 10 + (octet - '0'));
    return true;
}

/* RFC 2034 4: class "." subject "." detail, first in the text, the class equal to the code's first digit. */
static bool read_enhanced(mote_reply_t *reply, uint8_t octet)
{
    mote_enhanced_t *candidate = &reply->candidate;

    switch (reply->shown) {
    case SHOWS_CLASS:
        candidate->klass = (uint8_t)(octet - '0');
        candidate->subject = 0;
        candidate->detail = 0;
        reply->shown = octet == reply->first_digit && octet != '3' ? SHOWS_DOT_1 : SHOWS_NONE;
        break;
    case SHOWS_DOT_1:
        reply->shown = octet == '.' ? SHOWS_SUBJECT : SHOWS_NONE;
        reply->has_digit = false;
        break;
    case SHOWS_SUBJECT:
        if (octet == '.' && reply->has_digit) {
            reply->shown = SHOWS_DETAIL;
            reply->has_digit = false;
        } else {
            reply->shown = add_digit(&candidate->subject, octet) ? SHOWS_SUBJECT : SHOWS_NONE;
            reply->has_digit = true;
        }
        break;
    case SHOWS_DETAIL:
        if ((octet == ' ' || octet == '\r') && reply->has_digit) {
            reply->shown = SHOWS_NONE;
            reply->enhanced = reply->enhanced.klass == 0 ? *candidate : reply->enhanced;
            return true;
        } else {
            reply->shown = add_digit(&candidate->detail, octet) ? SHOWS_DETAIL : SHOWS_NONE;
            reply->has_digit = true;
        }
        break;
    default:
        break;
    }
    return false;
}

static mote_reply_event_t begin_line(mote_reply_t *reply, uint8_t octet)
{
    if (octet < '2' || octet > '5') {
        return fail(reply);
    }
    reply->first_digit = octet;
    reply->line_code = (uint16_t)(octet - '0');
    reply->line_size = 1;
    reply->shown = SHOWS_CLASS;
    reply->state = AT_CODE_2;
    return MOTE_REPLY_NOTHING;
}

static mote_reply_event_t read_code(mote_reply_t *reply, uint8_t octet)
{
    if (!is_digit(octet)) {
        return fail(reply);
    }
    reply->line_code = (uint16_t)(reply->line_code * 10 + (octet - '0'));
    reply->state++;
    if (reply->state == AT_SEPARATOR) {
        reply->code = reply->line_count == 0 ? reply->line_code : reply->code;
        if (reply->code != reply->line_code) {
            return fail(reply); /* RFC 5321 4.2.1: the same code on every line */
        }
    }
    return MOTE_REPLY_NOTHING;
}

static mote_reply_event_t read_separator(mote_reply_t *reply, uint8_t octet)
{
    reply->is_last_line = octet != '-';
    reply->state = octet == '\r' ? AT_LF : AT_TEXT;
    return octet == '-' || octet == ' ' || octet == '\r' ? MOTE_REPLY_NOTHING : fail(reply);
}

static mote_reply_event_t read_text(mote_reply_t *reply, uint8_t octet)
{
    bool ends_enhanced = read_enhanced(reply, octet);

    if (octet == '\n' || octet == 0) {
        return fail(reply); /* RFC 5321 2.3.8 */
    }
    reply->state = octet == '\r' ? AT_LF : AT_TEXT;
    if (ends_enhanced) {
        return MOTE_REPLY_ENHANCED;
    }
    return octet == '\r' ? MOTE_REPLY_NOTHING : MOTE_REPLY_TEXT;
}

static mote_reply_event_t end_line(mote_reply_t *reply)
{
    reply->state = AT_CODE_1;
    reply->line_count++;
    if (reply->is_last_line) {
        return MOTE_REPLY_DONE;
    }
    return reply->line_count < MOTE_REPLY_LINE_COUNT ? MOTE_REPLY_LINE_END : fail(reply);
}

mote_reply_event_t mote_reply_octet(mote_reply_t *reply, uint8_t octet)
{
    if (reply->state == IS_MALFORMED || ++reply->size > MOTE_REPLY_BYTES || ++reply->line_size > MOTE_REPLY_LINE_BYTES) {
        return fail(reply);
    }
    switch (reply->state) {
    case AT_CODE_1:
        return begin_line(reply, octet);
    case AT_CODE_2:
    case AT_CODE_3:
        return read_code(reply, octet);
    case AT_SEPARATOR:
        return read_separator(reply, octet);
    case AT_TEXT:
        return read_text(reply, octet);
    default:
        return octet == '\n' ? end_line(reply) : fail(reply); /* a bare CR ends nothing */
    }
}
