#include "resolve.h"

#include "report.h"

typedef struct question {
    mote_lookup_t lookup;
    mote_question_t name;
    setup_t *setup;
} question_t;

/* Blocks until an answer is there (OK), or the question is over (CLOSED). */
static mote_status_t await_answer(question_t *question, mote_dns_answer_t *answer)
{
    mote_posix_run_t *run = &question->setup->run;
    mote_status_t status;

    for (;;) {
        struct pollfd fds[MOTE_POSIX_FD_COUNT];
        uint32_t wait_ms = 0;

        status = mote_lookup_step(&question->lookup, mote_posix_now_ms(), &wait_ms, answer);
        if (status != MOTE_PENDING) {
            return status;
        }
        (void)poll(fds, (nfds_t)mote_posix_poll_fds(&run->posix, fds, MOTE_POSIX_FD_COUNT),
                   wait_ms < 60000 ? (int)wait_ms : 60000);
    }
}

static int say(const char *name, mote_status_t status)
{
    fprintf(stderr, "mailmote: %s: %s\n", name, mote_status_text(status));
    return status == MOTE_ERR_NO_NAME || status == MOTE_ERR_NO_DATA || status == MOTE_ERR_NULL_MX ||
                   status == MOTE_ERR_OURSELVES
               ? EX_NOHOST
               : EX_TEMPFAIL;
}

/* Prints a host and its addresses. Returns the worst status of the two questions. */
static mote_status_t print_host(question_t *question, const mote_dns_name_t *host, unsigned preference)
{
    uint8_t text[256];
    mote_writer_t out = mote_writer(text, sizeof text);
    mote_dns_answer_t answer;
    mote_status_t status;
    bool has_address = false;

    mote_dns_name_write(&out, host);
    status = mote_resolver_start_name(&question->lookup.resolver, &question->setup->dns, &question->lookup.random, host,
                                      MOTE_RESOLVER_ADDRESSES, MOTE_FAMILY_IPV4 | MOTE_FAMILY_IPV6, mote_posix_now_ms());
    printf("%u ", preference);
    report_clean(stdout, mote_span(text, mote_writer_stored(&out)));
    while (status == MOTE_OK && await_answer(question, &answer) == MOTE_OK) {
        mote_dns_record_t record;

        while (mote_dns_next(&answer, &record)) {
            mote_writer_t ip = mote_writer(text, sizeof text);

            mote_ip_write(&ip, &record.ip);
            printf(" ");
            report_clean(stdout, mote_span(text, mote_writer_stored(&ip)));
            has_address = true;
        }
    }
    for (unsigned slot = 0; slot < MOTE_RESOLVER_SLOT_COUNT && !has_address; slot++) {
        status = mote_resolver_status(&question->lookup.resolver, slot);
        if (status == MOTE_ERR_DNS) {
            break;
        }
    }
    printf("%s%s%s\n", has_address ? "" : " (", has_address ? "" : mote_status_text(status), has_address ? "" : ")");
    return has_address ? MOTE_OK : status;
}

/* Asks for the MX set and picks the host after *rank. NO_DATA with rank 0: there are no MX records. */
static mote_status_t next_host(question_t *question, mote_span_t domain, uint32_t seed, mote_mx_rank_t *rank,
                               mote_dns_answer_t *answer, mote_dns_name_t *host)
{
    uint32_t limit = MOTE_MX_NO_LIMIT;
    mote_status_t status = mote_resolver_start(&question->lookup.resolver, &question->setup->dns, &question->lookup.random,
                                               domain, MOTE_RESOLVER_MX, 0, mote_posix_now_ms());

    if (status == MOTE_OK && await_answer(question, answer) != MOTE_OK) {
        status = mote_resolver_status(&question->lookup.resolver, 0);
        *host = mote_question_name(&question->name);
        return status;
    }
    return status == MOTE_OK ? mote_mx_next(answer, seed, question->setup->settings.own_names,
                                            question->setup->settings.own_name_count, rank, &limit, host)
                             : status;
}

/* Hosts printed: name servers that always know one more keep nobody for ever. */
enum { HOST_COUNT = 100 };

int resolve(setup_t *setup, const char *domain)
{
    question_t question = { .setup = setup };
    mote_mx_rank_t rank = { 0, 0 };
    mote_dns_answer_t answer;
    mote_dns_name_t host;
    uint32_t seed;
    mote_status_t status = MOTE_OK;
    mote_status_t host_status = MOTE_OK;
    unsigned host_count = 0;

    if (!mote_domain_is_valid(mote_span_text(domain))) {
        fprintf(stderr, "mailmote: resolve: '");
        report_clean(stderr, mote_span_text(domain));
        fprintf(stderr, "': no full domain name, as example.net\n");
        return EX_DATAERR;
    }
    if (mote_posix_random(NULL, (uint8_t *)&seed, sizeof seed) != MOTE_OK) {
        return say(domain, MOTE_ERR_RANDOM);
    }
    mote_lookup_init(&question.lookup, &question.name, setup->run.port, setup->run.self);
    while (host_count < HOST_COUNT &&
           (status = next_host(&question, mote_span_text(domain), seed, &rank, &answer, &host)) == MOTE_OK) {
        mote_status_t one;

        one = print_host(&question, &host, (unsigned)(rank.preference - 1));
        host_status = host_count == 0 || one == MOTE_OK ? one : host_status;
        host_count++;
        mote_lookup_stop(&question.lookup);
    }
    if (host_count == HOST_COUNT) {
        fprintf(stderr, "mailmote: %s: more than %d mail exchangers; the rest is left out\n", domain, HOST_COUNT);
    }
    if (status == MOTE_ERR_NO_DATA && host_count == 0 && rank.preference == 0 &&
        mote_resolver_status(&question.lookup.resolver, 0) == MOTE_ERR_NO_DATA) {
        fprintf(stderr, "mailmote: %s: no MX records; the domain itself is the host (RFC 5321 5.1)\n", domain);
        host_status = print_host(&question, &host, 0);
        host_count++;
    }
    mote_lookup_stop(&question.lookup);
    if (host_count > 0) {
        return host_status == MOTE_OK ? EX_OK : say(domain, host_status);
    }
    return say(domain, status);
}
