#include "fuzz.h"

/* ADDR-2: whatever is taken for a Mailbox can be said in a command line, and says the same mailbox again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mote_address_t address;
    mote_address_t again;
    uint8_t line[300];
    mote_writer_t out = mote_writer(line, sizeof line);

    (void)mote_domain_is_valid(mote_span(data, size));
    if (mote_address_parse(mote_span(data, size), &address) != MOTE_OK) {
        return 0;
    }
    mote_address_write(&out, &address);
    REQUIRE(!mote_writer_overflowed(&out) && out.size <= size && out.size <= MOTE_ADDRESS_BYTES);
    for (size_t i = 0; i < out.size; i++) {
        REQUIRE(line[i] >= ' ' && line[i] <= '~');
    }
    REQUIRE(mote_address_parse(mote_span(line, out.size), &again) == MOTE_OK);
    REQUIRE(mote_address_equals(&address, &again));
    return 0;
}
