#include "mote_tls_name.h"

enum { LABEL_BYTES = 63, NAME_BYTES = 253 }; /* RFC 1035 2.3.4, without the length octets and the root */

mote_span_t mote_tls_name_bare(mote_span_t name)
{
    if (name.size > 1 && name.data[name.size - 1] == '.') {
        name.size--;
    }
    return name;
}

static bool is_label_octet(uint8_t octet)
{
    uint8_t lower = mote_lower(octet);

    return (lower >= 'a' && lower <= 'z') || (octet >= '0' && octet <= '9') || octet == '-' || octet == '_';
}

bool mote_tls_name_is_host(mote_span_t name)
{
    size_t label_size = 0;
    size_t i;

    if (name.size > NAME_BYTES) {
        return false;
    }
    for (i = 0; i < name.size; i++) {
        if (is_label_octet(name.data[i]) && label_size < LABEL_BYTES) {
            label_size++;
        } else if (name.data[i] == '.' && label_size > 0) {
            label_size = 0;
        } else {
            return false; /* NUL among them: the octets after it are part of the name (CVE-2009-2408) */
        }
    }
    return label_size > 0;
}

static bool is_wildcard(mote_span_t presented)
{
    return presented.size > 2 && presented.data[0] == '*' && presented.data[1] == '.';
}

bool mote_tls_name_matches(mote_span_t presented, mote_span_t name)
{
    size_t dot;

    if (!mote_tls_name_is_host(name)) {
        return false;
    }
    if (is_wildcard(presented)) {
        /* RFC 9525 6.3: the star is the whole left-most label and stands for exactly one. A star right below
           a top-level domain would speak for all who live there: refused, as OpenSSL does. */
        dot = mote_span_find(name, '.');
        presented = mote_span_slice(presented, 2, presented.size);
        name = mote_span_slice(name, dot + 1, name.size);
        if (mote_span_find(name, '.') == name.size) {
            return false;
        }
    }
    return mote_tls_name_is_host(presented) && mote_span_equals_ignoring_case(presented, name);
}

bool mote_tls_name_matches_ip(mote_span_t presented, const mote_ip_t *ip)
{
    size_t size = ip->family == MOTE_FAMILY_IPV4 ? 4 : 16;

    return presented.size == size && size <= sizeof ip->bytes && memcmp(presented.data, ip->bytes, size) == 0;
}
