#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mote_ip_t ip;
    mote_ip_t again;
    uint8_t text[39];
    mote_writer_t out = mote_writer(text, sizeof text);

    if (mote_ip_parse(mote_span(data, size), &ip) != MOTE_OK) {
        return 0;
    }
    (void)mote_ip_reach(&ip);
    mote_ip_write(&out, &ip);
    REQUIRE(!mote_writer_overflowed(&out));
    REQUIRE(mote_ip_parse(mote_span(text, out.size), &again) == MOTE_OK && mote_ip_equals(&ip, &again));
    return 0;
}
