#include <mailmote/mx.h>

/* a's preference is no worse than b's. */
static bool is_before(const mote_mx_rank_t *a, const mote_mx_rank_t *b)
{
    return a->preference != b->preference || a->tie < b->tie;
}

static bool is_own_name(const mote_dns_name_t *host, const mote_span_t *own_names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (mote_dns_name_equals_text(host, own_names[i])) {
            return true;
        }
    }
    return false;
}

mote_status_t mote_mx_next(const mote_dns_answer_t *answer, uint32_t seed, const mote_span_t *own_names,
                           size_t own_name_count, mote_mx_rank_t *rank, uint32_t *limit, mote_dns_name_t *host)
{
    mote_dns_answer_t walk = *answer;
    mote_mx_rank_t best = { UINT32_MAX, 0 };
    mote_dns_record_t record;
    bool is_null = true;

    while (mote_dns_next(&walk, &record)) {
        const mote_dns_name_t *exchange = &record.exchange;
        mote_mx_rank_t candidate = { record.preference + UINT32_C(1), 0 };

        is_null = is_null && mote_dns_name_is_root(exchange);
        if (record.preference < *limit && is_own_name(exchange, own_names, own_name_count)) {
            *limit = record.preference;
        }
        if (candidate.preference <= best.preference && candidate.preference >= rank->preference &&
            mote_dns_name_is_host(exchange)) {
            candidate.tie = mote_dns_name_hash(exchange, seed);
            if (is_before(rank, &candidate) && is_before(&candidate, &best)) {
                best = candidate;
                *host = *exchange;
            }
        }
    }
    if (is_null) {
        return MOTE_ERR_NULL_MX; /* RFC 7505 3 */
    }
    /* The best of all that are left is ourselves or no better than we are: then so are the others. */
    if (best.preference > *limit) {
        return *limit < MOTE_MX_NO_LIMIT && rank->preference == 0 ? MOTE_ERR_OURSELVES : MOTE_ERR_NO_DATA;
    }
    *rank = best;
    return MOTE_OK;
}
