/**
 * @file
 * Which mail exchanger comes next (RFC 5321 5.1, RFC 7505).
 *
 * No list is kept, so none can overflow. Every host has a rank: its preference, then a number drawn from
 * its name and this attempt's seed, which shuffles hosts of equal preference afresh for each attempt. To
 * find the next host the MX set is asked for again and the lowest rank above the last one is taken;
 * duplicates have the same rank and fall together.
 */
#ifndef MAILMOTE_MX_H
#define MAILMOTE_MX_H

#include <mailmote/dns.h>

MOTE_BEGIN_DECLS

/** A place in the order of hosts. {0, 0} comes before every host. */
typedef struct mote_mx_rank {
    uint32_t preference; /**< preference + 1, so that 0 is before all */
    uint32_t tie;
} mote_mx_rank_t;

/** A larger preference than any host has, as the limit below: nobody is left out. */
#define MOTE_MX_NO_LIMIT UINT32_C(0x10000)

/**
 * Picks the host after *rank from an answer to an MX question.
 *
 * Hosts whose name is one of own_names, and all of that preference or worse, are left out: such a host is
 * ourselves (RFC 5321 5.1). *limit takes that preference, for later rounds and for own addresses found
 * when their turn comes. A lone "." with any preference is a null MX; beside others it is left out.
 * Exchanges that are no host names or spell an address are left out.
 *
 * @param[in]     answer  of an MX question; not consumed
 * @param[in]     seed    this attempt's; the same for all rounds of one attempt
 * @param[in,out] rank    the last host tried; on MOTE_OK the host picked
 * @param[in,out] limit   hosts of this preference or worse are not used; starts as MOTE_MX_NO_LIMIT
 * @param[out]    host    the host picked, inside the answer's bytes
 *
 * @return MOTE_OK
 *         MOTE_ERR_NULL_MX    the domain takes no mail
 *         MOTE_ERR_OURSELVES  the limit left none, in the first round (rank {0, 0})
 *         MOTE_ERR_NO_DATA    no usable host (any more)
 */
mote_status_t mote_mx_next(const mote_dns_answer_t *answer, uint32_t seed, const mote_span_t *own_names,
                           size_t own_name_count, mote_mx_rank_t *rank, uint32_t *limit,
                           mote_dns_name_t *host);

MOTE_END_DECLS

#endif
