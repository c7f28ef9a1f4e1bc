#include <mailmote/mx.h>

static bool is_before(const mote_mx_rank_t *a, const mote_mx_rank_t *b)
{
    return a->preference < b->preference || (a->preference == b->preference && a->tie < b->tie);
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

/* Ourselves in the list: that preference and all worse ones are out. Also tells whether any exchange is not ".". */
static void find_limit(mote_dns_answer_t answer, const mote_span_t *own_names, size_t own_name_count, uint32_t *limit,
                       bool *is_null)
{
    mote_dns_record_t record;

    *is_null = true;
    while (mote_dns_next(&answer, &record)) {
        *is_null &= mote_dns_name_is_root(&record.exchange);
        if (record.preference < *limit && is_own_name(&record.exchange, own_names, own_name_count)) {
            *limit = record.preference;
        }
    }
}

mote_status_t mote_mx_next(const mote_dns_answer_t *answer, uint32_t seed, const mote_span_t *own_names,
                           size_t own_name_count, mote_mx_rank_t *rank, uint32_t *limit, mote_dns_name_t *host)
{
    mote_dns_answer_t walk = *answer;
    mote_mx_rank_t best = { UINT32_MAX, UINT32_MAX };
    mote_dns_record_t record;
    bool was_limited = false;
    bool is_null;

    find_limit(*answer, own_names, own_name_count, limit, &is_null);
    if (is_null) {
        return MOTE_ERR_NULL_MX; /* RFC 7505 3 */
    }
    while (mote_dns_next(&walk, &record)) {
        mote_mx_rank_t candidate = { record.preference + UINT32_C(1), 0 };

        if (!mote_dns_name_is_host(&record.exchange)) {
            continue;
        }
        if (record.preference >= *limit) {
            was_limited = true;
            continue;
        }
        candidate.tie = mote_dns_name_hash(&record.exchange, seed);
        if (is_before(rank, &candidate) && is_before(&candidate, &best)) {
            best = candidate;
            *host = record.exchange;
        }
    }
    if (best.preference == UINT32_MAX) {
        return was_limited && rank->preference == 0 ? MOTE_ERR_OURSELVES : MOTE_ERR_NO_DATA;
    }
    *rank = best;
    return MOTE_OK;
}
