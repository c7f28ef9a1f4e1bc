/* The time of day: from the debugger once, then by the seconds since reset, since the milliseconds wrap. A product asks SNTP or
   a clock chip. */
#include "firmware.h"

static uint32_t started_s; /* seconds since 1970 at reset; 0: the clock is not set */

void clock_set(bool is_set)
{
    started_s = is_set ? host_time() - uptime_s() : 0;
}

uint32_t clock_now(void)
{
    return started_s != 0 ? started_s + uptime_s() : 0;
}
