#include <mailmote/address.h>

static bool is_letter_or_digit(uint8_t octet)
{
    uint8_t lower = mote_lower(octet);

    return (lower >= 'a' && lower <= 'z') || (octet >= '0' && octet <= '9');
}

/* RFC 5322 3.2.3. */
static bool is_atext(uint8_t octet)
{
    static const uint8_t specials[] = "!#$%&'*+-/=?^_`{|}~";

    return octet != 0 && (is_letter_or_digit(octet) || memchr(specials, octet, sizeof specials - 1) != NULL);
}

/* ---- domains --------------------------------------------------------------------------------------- */

bool mote_label_is_host(mote_span_t label, bool *is_numeric)
{
    *is_numeric = true;
    for (size_t i = 0; i < label.size; i++) {
        uint8_t octet = label.data[i];
        bool is_inner = i > 0 && i + 1 < label.size;

        if (!is_letter_or_digit(octet) && !(octet == '-' && is_inner)) {
            return false;
        }
        *is_numeric &= octet <= '9' && octet != '-';
    }
    return label.size >= 1 && label.size <= 63;
}

unsigned mote_domain_label_count(mote_span_t text)
{
    bool is_numeric = true;
    unsigned count = 0;
    size_t left = text.size + 1; /* a name ends without a dot */

    while (left > 0) {
        mote_span_t label;

        mote_span_cut(&text, '.', &label);
        if (!mote_label_is_host(label, &is_numeric)) {
            return 0;
        }
        left -= label.size + 1;
        count++;
    }
    /* An all-numeric last label is an address in some spelling (RFC 1123 2.1, RFC 3696 2). */
    return is_numeric ? 0 : count;
}

bool mote_domain_is_valid(mote_span_t text)
{
    return text.size <= 253 && mote_domain_label_count(text) >= 2;
}

/* ---- local parts ----------------------------------------------------------------------------------- */

/* How many octets a dot-string takes at the start of the text; 0 if there is none. */
static size_t measure_dot_string(mote_span_t text)
{
    size_t size = 0;
    bool is_after_atom = false;

    while (size < text.size && (is_atext(text.data[size]) || (text.data[size] == '.' && is_after_atom))) {
        is_after_atom = text.data[size] != '.';
        size++;
    }
    return is_after_atom ? size : 0;
}

/* The same for a quoted-string, quotes included: qtextSMTP and quoted-pairSMTP are 32 to 126. */
static size_t measure_quoted_string(mote_span_t text)
{
    size_t i = 1;

    while (i < text.size && text.data[i] != '"') {
        i += text.data[i] == '\\' ? 1U : 0U;
        if (i >= text.size || text.data[i] < 32 || text.data[i] > 126) {
            return 0;
        }
        i++;
    }
    return i < text.size ? i + 1 : 0;
}

static bool is_quoted(mote_span_t local_part)
{
    return local_part.size > 0 && local_part.data[0] == '"';
}

/* The next octet of a local part without its quoting; false at its end. */
static bool next_octet(mote_span_t local_part, size_t *offset, uint8_t *octet)
{
    size_t end = local_part.size - (is_quoted(local_part) ? 1U : 0U);

    if (*offset == 0 && is_quoted(local_part)) {
        *offset = 1;
    }
    if (*offset >= end) {
        return false;
    }
    *offset += is_quoted(local_part) && local_part.data[*offset] == '\\' ? 1U : 0U;
    *octet = local_part.data[(*offset)++];
    return true;
}

static bool are_same_local_parts(mote_span_t a, mote_span_t b)
{
    size_t i = 0;
    size_t j = 0;
    uint8_t left = 0;
    uint8_t right = 0;

    for (;;) {
        bool has_left = next_octet(a, &i, &left);
        bool has_right = next_octet(b, &j, &right);

        if (!has_left || !has_right) {
            return has_left == has_right;
        }
        if (left != right) {
            return false;
        }
    }
}

/* ---- addresses ------------------------------------------------------------------------------------- */

mote_status_t mote_address_parse(mote_span_t text, mote_address_t *address)
{
    static const mote_span_t postmaster = MOTE_SPAN("postmaster");
    size_t size;

    memset(address, 0, sizeof *address);
    if (mote_span_equals_ignoring_case(text, postmaster)) {
        address->local_part = text;
        address->kind = MOTE_ADDRESS_POSTMASTER;
        return MOTE_OK;
    }
    size = is_quoted(text) ? measure_quoted_string(text) : measure_dot_string(text);
    if (size == 0 || size >= text.size || text.data[size] != '@') {
        return MOTE_ERR_ADDRESS;
    }
    address->local_part = mote_span(text.data, size);
    address->domain = text;
    mote_span_skip(&address->domain, size + 1);
    if (size > MOTE_LOCAL_PART_BYTES || text.size > MOTE_ADDRESS_BYTES) {
        return MOTE_ERR_SPACE;
    }
    if (address->domain.size > 0 && address->domain.data[0] == '[') {
        address->kind = MOTE_ADDRESS_LITERAL;
        return mote_ip_parse_literal(address->domain, &address->ip);
    }
    return mote_domain_is_valid(address->domain) ? MOTE_OK : MOTE_ERR_ADDRESS;
}

bool mote_address_equals(const mote_address_t *a, const mote_address_t *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    if (a->kind == MOTE_ADDRESS_POSTMASTER) {
        return true;
    }
    if (a->kind == MOTE_ADDRESS_LITERAL ? !mote_ip_equals(&a->ip, &b->ip)
                                        : !mote_span_equals_ignoring_case(a->domain, b->domain)) {
        return false;
    }
    return are_same_local_parts(a->local_part, b->local_part);
}

/* Whether the quotes can go: what is between them is a dot-string without them. */
static bool is_quoted_in_vain(mote_span_t local_part)
{
    mote_span_t inside = mote_span_slice(local_part, 1, local_part.size - 2);

    return is_quoted(local_part) && inside.size > 0 && measure_dot_string(inside) == inside.size;
}

void mote_address_write(mote_writer_t *out, const mote_address_t *address)
{
    mote_span_t local_part = address->local_part;

    if (is_quoted_in_vain(local_part)) {
        local_part = mote_span_slice(local_part, 1, local_part.size - 2);
    }
    mote_write(out, local_part);
    if (address->kind != MOTE_ADDRESS_POSTMASTER) {
        mote_write_u8(out, '@');
        mote_write(out, address->domain);
    }
}
