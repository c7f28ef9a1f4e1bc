#include <mailmote/route.h>

/* Whether domain lies below suffix, which begins with a dot: a.example.net below .example.net. */
static bool is_below(mote_span_t domain, mote_span_t suffix)
{
    return domain.size > suffix.size &&
           mote_span_equals_ignoring_case(mote_span_slice(domain, domain.size - suffix.size, suffix.size), suffix);
}

const mote_route_t *mote_route_find(const mote_route_t *routes, size_t count, mote_span_t domain)
{
    const mote_route_t *suffix = NULL;
    const mote_route_t *fallback = NULL;

    for (size_t i = 0; i < count; i++) {
        mote_span_t pattern = routes[i].domain;

        if (pattern.size == 0) {
            fallback = fallback != NULL ? fallback : &routes[i];
        } else if (pattern.data[0] == '.') {
            suffix = suffix == NULL && is_below(domain, pattern) ? &routes[i] : suffix;
        } else if (mote_span_equals_ignoring_case(domain, pattern)) {
            return &routes[i];
        }
    }
    return suffix != NULL ? suffix : fallback;
}

static bool is_hop(const mote_hop_t *hop, bool is_relay)
{
    mote_ip_t ip;

    if (hop->tls > MOTE_TLS_NONE || hop->port == 0 || (hop->implicit && hop->tls >= MOTE_TLS_OPPORTUNISTIC)) {
        return false; /* unknown values fail closed; TLS from the first octet cannot be a mere try */
    }
    if (!is_relay) {
        /* No name of a mail exchanger can be verified: it came from DNS (RFC 7817 3). */
        return hop->host.size == 0 && !hop->implicit && hop->tls != MOTE_TLS_VERIFIED && hop->mechanisms == 0;
    }
    return mote_domain_is_valid(hop->host) || mote_ip_parse(hop->host, &ip) == MOTE_OK;
}

static bool is_route(const mote_route_t *route)
{
    bool is_relay = route->kind == MOTE_ROUTE_RELAY;
    bool is_counted = is_relay ? route->hop_count >= 1 : route->hop_count == (route->kind == MOTE_ROUTE_MX ? 1 : 0);

    if (route->kind > MOTE_ROUTE_MX || !is_counted) {
        return false;
    }
    if ((route->kind == MOTE_ROUTE_MX && !MOTE_FEATURE_MX) || (route->kind == MOTE_ROUTE_LOCAL && !MOTE_FEATURE_LOCAL)) {
        return false;
    }
    for (size_t i = 0; i < route->hop_count; i++) {
        if (!is_hop(&route->hops[i], is_relay)) {
            return false;
        }
    }
    return true;
}

mote_status_t mote_route_check(const mote_route_t *routes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_route(&routes[i])) {
            return MOTE_ERR_ARGUMENT;
        }
    }
    return count > 0 ? MOTE_OK : MOTE_ERR_ARGUMENT;
}
