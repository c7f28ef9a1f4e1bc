#include "addresses.h"
#include "fuzz.h"

/* ADDR-12: an address list gives addresses or a fault and always ends; no address holds more than was written. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    address_list_t list = { mote_span(data, size), NULL, false, false };
    char room[ADDRESS_ROOM_BYTES];
    size_t address_size = 0;
    size_t all = 0;

    while (address_list_next(&list, room, &address_size)) {
        mote_address_t address;
        size_t before = list.rest.size;

        REQUIRE(list.fault == NULL && address_size <= sizeof room);
        all += address_size;
        REQUIRE(all + before <= size);
        if (address_fault(mote_span(room, address_size), false) == NULL) {
            REQUIRE(mote_address_parse(mote_span(room, address_size), &address) == MOTE_OK);
        }
    }
    REQUIRE(list.fault != NULL || (list.rest.size == 0 && !list.is_in_group));
    return 0;
}
