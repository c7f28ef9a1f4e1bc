#include <mailmote/base64.h>
#include <mailmote/header.h>

/* RFC 5322 2.1.1: a line should not be longer; RFC 2047 2: a line with an encoded-word must not be. */
enum { LINE_GOAL = 78, ENCODED_LINE_BYTES = 76 };

/* A word that is longer is encoded, and so cut in pieces that fit a line. */
enum { WORD_BYTES = 70 };

/* RFC 2047 2: an encoded-word has at most 75 characters, 12 of them around the text. */
enum { AROUND_BYTES = 12, ENCODED_BYTES = 75 - AROUND_BYTES };

/* A character in an encoded-word: four octets as =XX. */
enum { CHARACTER_BYTES = 12 };

/* A line as it grows: where folding is decided. */
typedef struct line {
    mote_writer_t *out;
    size_t column;
} line_t;

static const mote_span_t crlf = MOTE_SPAN("\r\n");

/* ---- UTF-8 --------------------------------------------------------------------------------------------- */

bool mote_utf8_take(mote_utf8_t *utf8, uint8_t octet)
{
    if (utf8->left > 0) {
        bool is_right = octet >= utf8->low && octet <= utf8->high;

        utf8->left--;
        utf8->low = 0x80;
        utf8->high = 0xBF;
        return is_right;
    }
    if (octet < 0x80) {
        return true;
    }
    utf8->left = octet >= 0xF0 ? 3 : octet >= 0xE0 ? 2 : 1;
    utf8->low = octet == 0xE0 ? 0xA0 : octet == 0xF0 ? 0x90 : 0x80;  /* nothing longer than it need be */
    utf8->high = octet == 0xED ? 0x9F : octet == 0xF4 ? 0x8F : 0xBF; /* no surrogates, nothing beyond U+10FFFF */
    return octet >= 0xC2 && octet <= 0xF4;
}

/* Octets of the character that begins with lead, in valid UTF-8. */
static size_t character_size(uint8_t lead)
{
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* ---- the checks ---------------------------------------------------------------------------------------- */

mote_status_t mote_header_check_text(mote_span_t text)
{
    mote_utf8_t utf8 = { 0, 0, 0 };

    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < ' ' || text.data[i] == 0x7F || !mote_utf8_take(&utf8, text.data[i])) {
            return MOTE_ERR_CONTENT;
        }
    }
    return utf8.left == 0 ? MOTE_OK : MOTE_ERR_CONTENT;
}

mote_status_t mote_header_check_name_addr(const mote_name_addr_t *item)
{
    mote_address_t address;

    if (mote_address_parse(item->address, &address) != MOTE_OK || address.kind == MOTE_ADDRESS_POSTMASTER) {
        return MOTE_ERR_ADDRESS; /* RFC 5322 3.4.1: an addr-spec has a domain */
    }
    return mote_header_check_text(item->name);
}

mote_status_t mote_header_check_field(const mote_field_t *field)
{
    if (field->name.size < 1 || field->name.size > 60) {
        return MOTE_ERR_ARGUMENT;
    }
    for (size_t i = 0; i < field->name.size; i++) { /* RFC 5322 2.2 */
        if (field->name.data[i] < 33 || field->name.data[i] > 126 || field->name.data[i] == ':') {
            return MOTE_ERR_ARGUMENT;
        }
    }
    return mote_header_check_text(field->value);
}

/* Printable ASCII without any of these, and not empty. */
static bool is_plain(mote_span_t text, const char *specials)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] <= ' ' || text.data[i] > 126 || memchr(specials, text.data[i], strlen(specials)) != NULL) {
            return false;
        }
    }
    return text.size > 0;
}

/* RFC 5322 3.6.4, without comments and quoted parts: <left@right>, the right half perhaps an address in brackets. */
static bool is_id(mote_span_t id)
{
    static const char specials[] = "<>()[]:;@\\,\"";
    mote_span_t right = mote_span_slice(id, 1, id.size - 2);
    mote_span_t left;
    bool has_brackets;

    if (id.size < 5 || id.size > 250 || id.data[0] != '<' || id.data[id.size - 1] != '>') {
        return false;
    }
    mote_span_cut(&right, '@', &left);
    has_brackets = right.size > 2 && right.data[0] == '[' && right.data[right.size - 1] == ']';
    return is_plain(left, specials) &&
           (has_brackets ? is_plain(mote_span_slice(right, 1, right.size - 2), "<>[]\\") : is_plain(right, specials));
}

mote_status_t mote_header_check_ids(mote_span_t ids)
{
    size_t size;

    do {
        size = mote_span_find(ids, ' ');
        if (!is_id(mote_span_slice(ids, 0, size))) {
            return MOTE_ERR_CONTENT;
        }
        ids = mote_span_slice(ids, size + 1, ids.size);
    } while (ids.size > 0);
    return MOTE_OK;
}

mote_status_t mote_header_check_date(uint32_t date_s, int16_t zone_minutes)
{
    static const uint32_t year_2000 = 946684800;
    static const uint32_t year_2105 = 4260211200U;
    bool has_zone = zone_minutes != MOTE_ZONE_UNKNOWN;

    /* A clock that was never set tells 1970, or the day the firmware was built. */
    return date_s >= year_2000 && date_s < year_2105 && (!has_zone || (zone_minutes > -1440 && zone_minutes < 1440))
               ? MOTE_OK
               : MOTE_ERR_ARGUMENT;
}

/* ---- lines --------------------------------------------------------------------------------------------- */

static void put(line_t *line, mote_span_t text)
{
    mote_write(line->out, text);
    line->column += text.size;
}

static void put_octet(line_t *line, uint8_t octet)
{
    mote_write_u8(line->out, octet);
    line->column++;
}

static void fold(line_t *line)
{
    mote_write(line->out, crlf);
    line->column = 0;
}

static line_t begin_field(mote_writer_t *out, mote_span_t name)
{
    line_t line = { out, 0 };

    put(&line, name);
    put_octet(&line, ':');
    return line;
}

/* The space in front of what has this width, on this line or the next. */
static void put_space(line_t *line, size_t width)
{
    if (line->column + 1 + width > LINE_GOAL) {
        fold(line);
    }
    put_octet(line, ' ');
}

/* RFC 5322 3.2.4: these are escaped within quotes. */
static bool is_escaped(uint8_t octet)
{
    return octet == '"' || octet == '\\';
}

/* How wide the text is within quotes, up to its first space. */
static size_t word_width(mote_span_t text)
{
    size_t width = 0;

    for (size_t i = 0; i < text.size && text.data[i] != ' '; i++) {
        width += is_escaped(text.data[i]) ? 2U : 1U;
    }
    return width;
}

static size_t count_spaces(mote_span_t text)
{
    size_t count = 0;

    while (count < text.size && text.data[count] == ' ') {
        count++;
    }
    return count;
}

/* Words with the spaces between them, folded in front of spaces. The first stands at this column. */
static void put_words(line_t *line, mote_span_t words, bool is_quoted)
{
    while (words.size > 0) {
        size_t space_count = count_spaces(words);
        mote_span_t word = mote_span_slice(words, space_count, words.size);

        word = mote_span_slice(word, 0, mote_span_find(word, ' '));
        if (space_count > 0 && line->column + space_count + word_width(word) > LINE_GOAL) {
            fold(line);
        }
        put(line, mote_span_slice(words, 0, space_count));
        for (size_t i = 0; i < word.size; i++) {
            if (is_quoted && is_escaped(word.data[i])) {
                put_octet(line, '\\');
            }
            put_octet(line, word.data[i]);
        }
        words = mote_span_slice(words, space_count + word.size, words.size);
    }
}

/* ---- encoded-words (RFC 2047) -------------------------------------------------------------------------- */

static bool is_letter_or_digit(uint8_t octet)
{
    uint8_t lower = mote_lower(octet);

    return (lower >= 'a' && lower <= 'z') || (octet >= '0' && octet <= '9');
}

/* Whether the text holds "=?", and so looks like an encoded-word (RFC 2047 7). */
static bool looks_encoded(mote_span_t text)
{
    for (size_t i = 1; i < text.size; i++) {
        if (text.data[i - 1] == '=' && text.data[i] == '?') {
            return true;
        }
    }
    return false;
}

/* Whether the text would not come through as it is: not ASCII, too long to fold, spaces that a reader drops. */
static bool needs_encoding(mote_span_t text)
{
    size_t size = 0; /* of the word at hand, with the spaces in front of it */

    if (text.size == 0) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        size = i > 0 && text.data[i] == ' ' && text.data[i - 1] != ' ' ? 0 : size;
        size += is_escaped(text.data[i]) ? 2U : 1U;
        if (text.data[i] >= 0x80 || size > WORD_BYTES) {
            return true;
        }
    }
    return text.data[0] == ' ' || text.data[text.size - 1] == ' ' || looks_encoded(text);
}

/* RFC 2047 5 (3): what may stand for itself even in a phrase. */
static bool is_plain_in_q(uint8_t octet)
{
    return is_letter_or_digit(octet) || octet == '!' || octet == '*' || octet == '+' || octet == '-' || octet == '/';
}

static size_t q_width(uint8_t octet)
{
    return is_plain_in_q(octet) || octet == ' ' ? 1 : 3;
}

/* Q stays legible; but where most octets are encoded it takes twice the room. */
static bool prefers_base64(mote_span_t text)
{
    size_t width = 0;

    for (size_t i = 0; i < text.size; i++) {
        width += q_width(text.data[i]);
    }
    return width > 2 * text.size;
}

/* How many octets of the text fit into an encoded-word of that room, whole characters only. */
static size_t fitting_q(mote_span_t text, size_t room)
{
    size_t width = 0;
    size_t size = 0;

    while (size < text.size) {
        size_t next = character_size(text.data[size]);

        for (size_t i = size; i < size + next; i++) {
            width += q_width(text.data[i]);
        }
        if (width > room) {
            break;
        }
        size += next;
    }
    return size;
}

/* The same in base64; where more follows, without padding if that can be: readers that join the words before they
   decode them would stop there. */
static size_t fitting_base64(mote_span_t text, size_t room)
{
    size_t octets = (room >> 2) * 3;
    size_t whole_groups = 0;
    size_t size = 0;
    unsigned rest = 0; /* of the last group */

    while (size < text.size) {
        size_t next = character_size(text.data[size]);

        if (size + next > octets) {
            return whole_groups > 0 ? whole_groups : size;
        }
        size += next;
        rest += (unsigned)next;
        rest -= rest >= 6 ? 6U : rest >= 3 ? 3U : 0U;
        whole_groups = rest == 0 ? size : whole_groups;
    }
    return size;
}

static void put_hex(line_t *line, uint8_t mark, uint8_t octet)
{
    static const uint8_t digits[16] = { "0123456789ABCDEF" };

    put_octet(line, mark);
    put_octet(line, digits[octet >> 4]);
    put_octet(line, digits[octet & 15]);
}

static void put_q(line_t *line, mote_span_t text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (is_plain_in_q(text.data[i])) {
            put_octet(line, text.data[i]);
        } else if (text.data[i] == ' ') {
            put_octet(line, '_');
        } else {
            put_hex(line, '=', text.data[i]);
        }
    }
}

static void put_base64(line_t *line, mote_span_t text)
{
    mote_base64_encoder_t encoder = mote_base64_encoder(line->out);
    size_t before = line->out->size;

    mote_base64_put(&encoder, text);
    mote_base64_finish(&encoder);
    line->column += line->out->size - before;
}

/* The text as encoded-words: the first at this column, each further one on a line of its own (a reader drops the
   spaces between them, RFC 2047 6.2). */
static void put_encoded(line_t *line, mote_span_t text)
{
    static const mote_span_t q = MOTE_SPAN("=?utf-8?Q?");
    static const mote_span_t b = MOTE_SPAN("=?utf-8?B?");
    static const mote_span_t end = MOTE_SPAN("?=");
    bool is_base64 = prefers_base64(text);

    for (;;) {
        size_t left = ENCODED_LINE_BYTES - AROUND_BYTES - line->column;
        size_t room = left < ENCODED_BYTES ? left : ENCODED_BYTES;
        size_t size = is_base64 ? fitting_base64(text, room) : fitting_q(text, room);

        put(line, is_base64 ? b : q);
        if (is_base64) {
            put_base64(line, mote_span_slice(text, 0, size));
        } else {
            put_q(line, mote_span_slice(text, 0, size));
        }
        put(line, end);
        text = mote_span_slice(text, size, text.size);
        if (text.size == 0) {
            break;
        }
        fold(line);
        put_octet(line, ' ');
    }
}

void mote_header_write_text(mote_writer_t *out, mote_span_t name, mote_span_t text)
{
    line_t line = begin_field(out, name);
    bool is_encoded = needs_encoding(text) || line.column + 1 + word_width(text) > LINE_GOAL;

    if (text.size > 0) { /* on this line: some readers take a fold behind the colon for a space of the text */
        put_space(&line, is_encoded ? AROUND_BYTES + CHARACTER_BYTES + 2 : word_width(text));
    }
    if (is_encoded) {
        put_encoded(&line, text);
    } else {
        put_words(&line, text, false);
    }
    fold(&line);
}

void mote_header_write_words(mote_writer_t *out, mote_span_t name, mote_span_t words)
{
    line_t line = begin_field(out, name);

    put_space(&line, word_width(words));
    put_words(&line, words, false);
    fold(&line);
}

/* ---- addresses ----------------------------------------------------------------------------------------- */

/* RFC 5322 3.2.3: words of these need no quotes. */
static bool is_phrase_of_atoms(mote_span_t name)
{
    static const uint8_t specials[] = "!#$%&'*+-/=?^_`{|}~ ";

    for (size_t i = 0; i < name.size; i++) {
        if (!is_letter_or_digit(name.data[i]) && memchr(specials, name.data[i], sizeof specials - 1) == NULL) {
            return false;
        }
        if (name.data[i] == ' ' && i + 1 < name.size && name.data[i + 1] == ' ') {
            return false; /* two spaces stay two within quotes only */
        }
    }
    return true;
}

static void put_name(line_t *line, mote_span_t name)
{
    if (needs_encoding(name)) {
        put_encoded(line, name);
    } else if (is_phrase_of_atoms(name)) {
        put_words(line, name, false);
    } else {
        put_octet(line, '"');
        put_words(line, name, true);
        put_octet(line, '"');
    }
}

static void put_name_addr(line_t *line, const mote_name_addr_t *item)
{
    if (item->name.size == 0) {
        put(line, item->address);
        return;
    }
    put_name(line, item->name);
    put_space(line, item->address.size + 3); /* with its brackets and a comma */
    put_octet(line, '<');
    put(line, item->address);
    put_octet(line, '>');
}

/* How wide it is on a line of its own; what needs more than one line begins where a longest word fits. */
static size_t name_addr_width(const mote_name_addr_t *item)
{
    mote_writer_t counter = mote_writer(NULL, 0);
    line_t line = { &counter, 0 };

    put_name_addr(&line, item);
    return counter.size < LINE_GOAL ? counter.size : WORD_BYTES;
}

void mote_header_write_addresses(mote_writer_t *out, mote_span_t name, const mote_name_addrs_t *list)
{
    line_t line = begin_field(out, name);

    for (size_t i = 0; i < list->count; i++) {
        if (i > 0) {
            put_octet(&line, ',');
        }
        put_space(&line, name_addr_width(&list->items[i]) + 1); /* and its comma */
        put_name_addr(&line, &list->items[i]);
    }
    fold(&line);
}

/* ---- dates --------------------------------------------------------------------------------------------- */

static void write_two_digits(mote_writer_t *out, uint32_t value)
{
    if (value < 10) {
        mote_write_u8(out, '0');
    }
    mote_write_decimal(out, value);
}

static const uint32_t day_s = 86400;

static bool is_leap(uint32_t year)
{
    return (year & 3) == 0 && year != 2100;
}

static uint32_t days_of_month(unsigned month, uint32_t year)
{
    static const uint8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return days[month] + (month == 1 && is_leap(year) ? 1U : 0U);
}

/* How many whole units there are, at most a few dozen: small cores have no division. */
static uint32_t take_units(uint32_t *left, uint32_t unit)
{
    uint32_t count = 0;

    while (*left >= unit) {
        *left -= unit;
        count++;
    }
    return count;
}

static unsigned add_days(unsigned weekday, unsigned days)
{
    weekday += days;
    return weekday >= 7 ? weekday - 7 : weekday;
}

static void write_three(mote_writer_t *out, const char *names, size_t index)
{
    mote_write(out, mote_span(names + 3 * index, 3));
}

static void write_time(mote_writer_t *out, uint32_t left)
{
    write_two_digits(out, take_units(&left, 3600));
    mote_write_u8(out, ':');
    write_two_digits(out, take_units(&left, 60));
    mote_write_u8(out, ':');
    write_two_digits(out, left);
}

static void write_zone(mote_writer_t *out, int16_t zone_minutes)
{
    bool is_west = zone_minutes < 0; /* RFC 5322 3.3: -0000 if it is not known */
    uint32_t left = zone_minutes == MOTE_ZONE_UNKNOWN ? 0 : (uint32_t)(is_west ? -zone_minutes : zone_minutes);

    mote_write_text(out, is_west ? " -" : " +");
    write_two_digits(out, take_units(&left, 60));
    write_two_digits(out, left);
}

void mote_header_write_date(mote_writer_t *out, uint32_t date_s, int16_t zone_minutes)
{
    uint32_t left = date_s + (uint32_t)(zone_minutes == MOTE_ZONE_UNKNOWN ? 0 : zone_minutes * 60);
    unsigned weekday = 4; /* 1 January 1970 was a Thursday */
    uint32_t year = 1970;
    unsigned month = 0;
    uint32_t day = 1;

    for (; left >= (is_leap(year) ? 366 : 365) * day_s; year++) {
        left -= (is_leap(year) ? 366 : 365) * day_s;
        weekday = add_days(weekday, is_leap(year) ? 2 : 1);
    }
    for (; left >= days_of_month(month, year) * day_s; month++) {
        left -= days_of_month(month, year) * day_s;
        weekday = add_days(weekday, days_of_month(month, year) - 28);
    }
    for (; left >= day_s; day++) {
        left -= day_s;
        weekday = add_days(weekday, 1);
    }
    mote_write_text(out, "Date: ");
    write_three(out, "SunMonTueWedThuFriSat", weekday);
    mote_write_text(out, ", ");
    write_two_digits(out, day);
    mote_write_u8(out, ' ');
    write_three(out, "JanFebMarAprMayJunJulAugSepOctNovDec", month);
    mote_write_u8(out, ' ');
    mote_write_decimal(out, year);
    mote_write_u8(out, ' ');
    write_time(out, left);
    write_zone(out, zone_minutes);
    mote_write(out, crlf);
}

/* ---- file names (RFC 2183 2.3, RFC 2231) --------------------------------------------------------------- */

/* A parameter on a line of its own, with what stands around it. */
enum { PARAMETER_BYTES = 55 };

/* RFC 2231 7: attribute-char. */
static bool is_plain_in_parameter(uint8_t octet)
{
    static const uint8_t specials[] = "!#$&+-.^_`{|}~";

    return is_letter_or_digit(octet) || (octet < 0x80 && memchr(specials, octet, sizeof specials - 1) != NULL);
}

static size_t percent_width(mote_span_t text)
{
    size_t width = 0;

    for (size_t i = 0; i < text.size; i++) {
        width += is_plain_in_parameter(text.data[i]) ? 1U : 3U;
    }
    return width;
}

/* Whether quotes are enough. */
static bool fits_quoted(mote_span_t name)
{
    size_t width = 0;

    for (size_t i = 0; i < name.size; i++) {
        width += is_escaped(name.data[i]) ? 2U : 1U;
        if (name.data[i] >= 0x80) {
            return false;
        }
    }
    return width <= PARAMETER_BYTES && !looks_encoded(name);
}

/* Octets at the front of the name that one piece holds: whole characters. */
static size_t piece_size(mote_span_t name)
{
    size_t size = 0;

    while (size < name.size) {
        size_t next = size + character_size(name.data[size]);

        if (percent_width(mote_span_slice(name, 0, next)) > PARAMETER_BYTES) {
            break;
        }
        size = next;
    }
    return size;
}

void mote_header_write_file_name(mote_writer_t *out, mote_span_t name)
{
    static const mote_span_t start = MOTE_SPAN(";\r\n filename");
    line_t line = { out, 0 };
    bool has_pieces = percent_width(name) > PARAMETER_BYTES;

    if (fits_quoted(name)) {
        put(&line, start);
        mote_write_text(out, "=\"");
        put_words(&line, name, true);
        put_octet(&line, '"');
        return;
    }
    for (uint32_t index = 0; name.size > 0; index++) {
        size_t size = piece_size(name);

        put(&line, start);
        if (has_pieces) { /* RFC 2231 4.1: filename*0*=utf-8''..., filename*1*=... */
            put_octet(&line, '*');
            mote_write_decimal(out, index);
        }
        mote_write_text(out, index == 0 ? "*=utf-8''" : "*=");
        for (size_t i = 0; i < size; i++) {
            if (is_plain_in_parameter(name.data[i])) {
                put_octet(&line, name.data[i]);
            } else {
                put_hex(&line, '%', name.data[i]);
            }
        }
        name = mote_span_slice(name, size, name.size);
    }
}
