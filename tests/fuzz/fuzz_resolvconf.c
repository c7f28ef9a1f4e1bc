#include "fuzz.h"

#include <mailmote/posix.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mote_endpoint_t servers[3];
    size_t count = mote_posix_read_resolv_conf(mote_span(data, size), servers, 3);

    REQUIRE(count <= 3);
    for (size_t i = 0; i < count; i++) {
        REQUIRE(servers[i].port == 53 && servers[i].ip.family != 0);
    }
    return 0;
}
