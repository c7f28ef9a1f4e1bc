/* A message as it comes from a name server. DNS-11 to DNS-20, DNS-23 */
#include "fuzz.h"

/* What is said of one name by several functions must agree. */
static void look_at(const mote_dns_name_t *name, bool is_checked)
{
    uint8_t wire[MOTE_DNS_NAME_BYTES];
    uint8_t again[MOTE_DNS_NAME_BYTES];
    uint8_t text[MOTE_DNS_NAME_BYTES];
    size_t size = mote_dns_name_copy(name, wire, sizeof wire);
    mote_dns_name_t flat = { { NULL, 0 }, 0 };
    mote_writer_t out = mote_writer(text, sizeof text);

    REQUIRE(size > 0 || !is_checked);
    if (size == 0) {
        REQUIRE(!mote_dns_name_is_host(name) && !mote_dns_name_is_root(name));
        return;
    }
    flat.message = mote_span(wire, size);
    REQUIRE(mote_dns_name_equals(name, &flat) && mote_dns_name_equals(&flat, name));
    REQUIRE(mote_dns_name_copy(&flat, again, sizeof again) == size && memcmp(wire, again, size) == 0);
    REQUIRE(mote_dns_name_hash(name, 1) == mote_dns_name_hash(&flat, 1));
    REQUIRE(mote_dns_name_is_root(name) == (size == 1));
    REQUIRE(mote_dns_name_is_host(name) == mote_dns_name_is_host(&flat));
    mote_dns_name_write(&out, name);
    REQUIRE(out.size == (size > 1 ? size - 2 : 0));
    if (mote_dns_name_is_host(name)) {
        REQUIRE(mote_dns_name_equals_text(name, mote_span(text, out.size)));
        REQUIRE(mote_dns_name_from_text(mote_span(text, out.size), again, sizeof again) == size);
        REQUIRE(mote_span_equals_ignoring_case(mote_span(wire, size), mote_span(again, size)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const mote_span_t own_names[] = { MOTE_SPAN("mx.example.net") };
    mote_span_t message = mote_span(data, size);
    mote_dns_header_t header;
    mote_dns_answer_t answer;
    mote_dns_answer_t walk;
    mote_dns_record_t record;
    mote_dns_name_t name = { message, (uint16_t)(size > 2 ? (unsigned)data[0] << 8 | data[1] : 12U) };
    mote_status_t status;
    size_t count = 0;

    look_at(&name, false);
    if (mote_dns_read(message, &header) != MOTE_OK || header.truncated) {
        return 0;
    }
    status = mote_dns_follow(&header, &answer);
    look_at(&answer.owner, answer.alias_count > 0);
    REQUIRE(status == MOTE_OK || status == MOTE_PENDING || status == MOTE_ERR_NO_NAME || status == MOTE_ERR_NO_DATA ||
            status == MOTE_ERR_DNS || status == MOTE_ERR_DNS_LOOP);
    REQUIRE(status != MOTE_OK || header.rcode == MOTE_DNS_NOERROR);
    if (status != MOTE_OK) {
        return 0;
    }
    walk = answer;
    while (mote_dns_next(&walk, &record)) {
        if (answer.type == MOTE_DNS_MX) {
            look_at(&record.exchange, true);
        }
        count++;
    }
    REQUIRE(count > 0 && count <= size / 11);
    if (answer.type == MOTE_DNS_MX) {
        mote_mx_rank_t rank = { 0, 0 };
        uint32_t limit = MOTE_MX_NO_LIMIT;
        mote_dns_name_t host;
        size_t host_count = 0;

        while (host_count < 100 && mote_mx_next(&answer, 7, own_names, 1, &rank, &limit, &host) == MOTE_OK) {
            REQUIRE(mote_dns_name_is_host(&host) && rank.preference <= limit);
            host_count++;
        }
        REQUIRE(host_count <= count);
    }
    return 0;
}
