#include <mailmote/ip.h>

bool mote_ip_equals(const mote_ip_t *a, const mote_ip_t *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == MOTE_FAMILY_IPV4 ? 4 : MOTE_IP_BYTES) == 0;
}

bool mote_ip_is_spelled(mote_span_t text)
{
    bool is_numeric = text.size > 0;

    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == ':') {
            return true;
        }
        is_numeric &= (text.data[i] >= '0' && text.data[i] <= '9') || text.data[i] == '.';
    }
    return is_numeric;
}

/* ---- reading --------------------------------------------------------------------------------------- */

/* Four numbers of one to three digits without a leading zero, at most 255. */
static bool read_ipv4(mote_span_t text, uint8_t *bytes)
{
    unsigned value = 0;
    unsigned digits = 0; /* of the number at hand */
    unsigned count = 0;

    for (size_t i = 0; i <= text.size; i++) {
        unsigned octet = i < text.size ? text.data[i] : '.'; /* as if one more followed */

        if (octet == '.') {
            if (digits == 0 || count == 4) {
                return false;
            }
            bytes[count++] = (uint8_t)value;
            value = 0;
            digits = 0;
        } else {
            if (octet < '0' || octet > '9' || (digits > 0 && value == 0)) {
                return false;
            }
            value = value * 10 + octet - '0';
            digits++;
            if (value > 255) {
                return false;
            }
        }
    }
    return count == 4;
}

#if MOTE_FEATURE_IPV6
static int hex_value(uint8_t letter)
{
    uint8_t lower = mote_lower(letter);

    if (letter >= '0' && letter <= '9') {
        return letter - '0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* One to four hexadecimal digits; how many, or 0 if there are none or more. */
static unsigned read_hex(mote_span_t text, size_t offset, uint16_t *value)
{
    unsigned digits = 0;

    *value = 0;
    while (offset + digits < text.size && hex_value(text.data[offset + digits]) >= 0) {
        if (digits == 4) {
            return 0;
        }
        *value = (uint16_t)(*value << 4 | hex_value(text.data[offset + digits]));
        digits++;
    }
    return digits;
}

/* RFC 4291 2.2: groups of 16 bits; one "::" stands for one or more zero groups; the last two may be IPv4. */
static bool read_ipv6(mote_span_t text, uint8_t bytes[16])
{
    size_t offset = 0;
    unsigned size = 0;
    unsigned gap = 16; /* where the "::" is; 16: nowhere */

    if (text.size >= 2 && text.data[0] == ':' && text.data[1] == ':') {
        gap = 0;
        offset = 2;
    }
    while (offset < text.size) {
        uint16_t group;
        unsigned digits = read_hex(text, offset, &group);

        if (size <= 12 && read_ipv4(mote_span_slice(text, offset, text.size), bytes + size)) {
            size += 4;
            break;
        }
        if (digits == 0 || size == 16) {
            return false;
        }
        bytes[size++] = (uint8_t)(group >> 8);
        bytes[size++] = (uint8_t)group;
        offset += digits;
        if (offset == text.size) {
            break;
        }
        if (text.data[offset++] != ':' || offset == text.size) {
            return false;
        }
        if (text.data[offset] == ':') {
            if (gap != 16) {
                return false;
            }
            gap = size;
            offset++;
        }
    }
    if (gap == 16 || size == 16) {
        return gap == 16 && size == 16;
    }
    memmove(bytes + 16 - (size - gap), bytes + gap, size - gap);
    memset(bytes + gap, 0, 16 - size);
    return true;
}
#endif

mote_status_t mote_ip_parse(mote_span_t text, mote_ip_t *ip)
{
    memset(ip, 0, sizeof *ip);
#if MOTE_FEATURE_IPV4
    if (read_ipv4(text, ip->bytes)) {
        ip->family = MOTE_FAMILY_IPV4;
        return MOTE_OK;
    }
#endif
#if MOTE_FEATURE_IPV6
    if (read_ipv6(text, ip->bytes)) {
        ip->family = MOTE_FAMILY_IPV6;
        return MOTE_OK;
    }
#endif
    return MOTE_ERR_ADDRESS;
}

mote_status_t mote_ip_parse_literal(mote_span_t literal, mote_ip_t *ip)
{
    static const mote_span_t tag = MOTE_SPAN("[IPv6:");
    bool is_tagged = mote_span_equals_ignoring_case(mote_span_slice(literal, 0, tag.size), tag);
    size_t start = is_tagged ? tag.size : 1;

    if (literal.size <= start || literal.data[0] != '[' || literal.data[literal.size - 1] != ']') {
        return MOTE_ERR_ADDRESS;
    }
    if (mote_ip_parse(mote_span_slice(literal, start, literal.size - 1 - start), ip) != MOTE_OK ||
        (ip->family == MOTE_FAMILY_IPV6) != is_tagged) {
        return MOTE_ERR_ADDRESS;
    }
    return MOTE_OK;
}

/* ---- writing --------------------------------------------------------------------------------------- */

static void write_ipv4(mote_writer_t *out, const uint8_t *bytes)
{
    for (unsigned i = 0; i < 4; i++) {
        if (i > 0) {
            mote_write_u8(out, '.');
        }
        mote_write_decimal(out, bytes[i]);
    }
}

#if MOTE_FEATURE_IPV6
static unsigned group_of(const mote_ip_t *ip, unsigned index)
{
    return (unsigned)ip->bytes[2 * index] << 8 | ip->bytes[2 * index + 1];
}

/* The first of the longest runs of two or more zero groups (RFC 5952 4.2); *count 0: none. */
static unsigned find_zeros(const mote_ip_t *ip, unsigned *count)
{
    unsigned best = 0;
    unsigned run = 0;

    *count = 1;
    for (unsigned i = 0; i < 8; i++) {
        run = group_of(ip, i) == 0 ? run + 1 : 0;
        if (run > *count) {
            *count = run;
            best = i + 1 - run;
        }
    }
    *count = *count > 1 ? *count : 0;
    return best;
}

static void write_hex(mote_writer_t *out, unsigned value)
{
    bool has_digit = false;

    for (unsigned shift = 16; shift > 0;) {
        unsigned digit;

        shift -= 4;
        digit = value >> shift & 15;
        has_digit |= digit != 0 || shift == 0;
        if (has_digit) {
            mote_write_u8(out, (uint8_t)(digit < 10 ? '0' + digit : 'a' + digit - 10));
        }
    }
}

static void write_ipv6(mote_writer_t *out, const mote_ip_t *ip)
{
    unsigned count;
    unsigned zeros = find_zeros(ip, &count);

    for (unsigned i = 0; i < 8; i++) {
        if (count > 0 && i == zeros) {
            mote_write_text(out, "::");
            i += count - 1;
        } else {
            if (i > 0 && (count == 0 || i != zeros + count)) {
                mote_write_u8(out, ':');
            }
            write_hex(out, group_of(ip, i));
        }
    }
}
#endif

void mote_ip_write(mote_writer_t *out, const mote_ip_t *ip)
{
    if (ip->family == MOTE_FAMILY_IPV4) {
        write_ipv4(out, ip->bytes);
    }
#if MOTE_FEATURE_IPV6
    if (ip->family == MOTE_FAMILY_IPV6) {
        write_ipv6(out, ip);
    }
#endif
}

void mote_ip_write_literal(mote_writer_t *out, const mote_ip_t *ip)
{
    mote_write_text(out, ip->family == MOTE_FAMILY_IPV6 ? "[IPv6:" : "[");
    mote_ip_write(out, ip);
    mote_write_u8(out, ']');
}

/* ---- reach ----------------------------------------------------------------------------------------- */

static mote_reach_t reach_of_ipv4(const uint8_t *bytes)
{
    uint8_t first = bytes[0];
    uint8_t second = bytes[1];

    if (first == 127) {
        return MOTE_REACH_LOOPBACK;
    }
    if (first == 0 || first >= 224 || (first == 169 && second == 254)) {
        return MOTE_REACH_NEVER; /* this network, multicast, class E and broadcast, link-local */
    }
    if (first == 10 || (first == 172 && (second & 0xF0) == 16) || (first == 192 && second == 168) ||
        (first == 100 && (second & 0xC0) == 64)) {
        return MOTE_REACH_PRIVATE;
    }
    return MOTE_REACH_GLOBAL;
}

#if MOTE_FEATURE_IPV6
static mote_reach_t reach_of_ipv6(const uint8_t *bytes)
{
    static const uint8_t loopback[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF };
    static const uint8_t translated[12] = { 0, 0x64, 0xFF, 0x9B };
    static const uint8_t translated_here[6] = { 0, 0x64, 0xFF, 0x9B, 0, 1 }; /* RFC 8215: a site's own translator */

    if (memcmp(bytes, translated, sizeof translated) == 0) {
        /* RFC 6052 3.1: what must not stand behind the prefix would lead through the translator into the site. */
        return reach_of_ipv4(bytes + 12);
    }
    if (memcmp(bytes, loopback, 12) == 0 || memcmp(bytes, mapped, sizeof mapped) == 0) {
        /* The rest is nobody's: unspecified, the old IPv4-compatible form, and IPv4-mapped, which never stands on the wire
           (RFC 6890 2.2.3) and would hide an own IPv4 address from the comparison. */
        return memcmp(bytes, loopback, sizeof loopback) == 0 ? MOTE_REACH_LOOPBACK : MOTE_REACH_NEVER;
    }
    if (bytes[0] == 0xFF || (bytes[0] == 0xFE && (bytes[1] & 0x80) == 0x80)) {
        return MOTE_REACH_NEVER; /* multicast, link-local, and site-local, which is no more (RFC 3879) */
    }
    return (bytes[0] & 0xFE) == 0xFC || memcmp(bytes, translated_here, sizeof translated_here) == 0 ? MOTE_REACH_PRIVATE
                                                                                                     : MOTE_REACH_GLOBAL;
}
#endif

mote_reach_t mote_ip_reach(const mote_ip_t *ip)
{
    if (ip->family == MOTE_FAMILY_IPV4) {
        return reach_of_ipv4(ip->bytes);
    }
#if MOTE_FEATURE_IPV6
    if (ip->family == MOTE_FAMILY_IPV6) {
        return reach_of_ipv6(ip->bytes);
    }
#endif
    return MOTE_REACH_NEVER;
}
