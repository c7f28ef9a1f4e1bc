/* The time of day: by SNTP (RFC 4330), and between its answers by the seconds since reset, since the milliseconds wrap. Nobody signs
   those answers: who owns the network can turn the clock. A product that fears this has a clock chip. */
#include "firmware.h"

#include "lwip/apps/sntp.h"

static uint32_t started_s; /* seconds since 1970 at reset; 0: the clock is not set */

void clock_start(const mote_ip_t *server)
{
    ip_addr_t address;

    IP_ADDR4(&address, server->bytes[0], server->bytes[1], server->bytes[2], server->bytes[3]);
    sntp_setserver(0, &address);
    sntp_init();
}

bool clock_is_asked(void)
{
    return sntp_enabled() != 0;
}

void clock_set(uint32_t seconds)
{
    started_s = seconds - uptime_s();
}

uint32_t clock_now(void)
{
    return started_s != 0 ? started_s + uptime_s() : 0;
}
