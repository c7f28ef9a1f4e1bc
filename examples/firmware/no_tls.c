/* In place of tls.c and memory.c: everything goes in the clear. */
#include "firmware.h"

void tls_start(const settings_t *settings)
{
    (void)settings;
}

void tls_wrap(mote_lwip_run_t *run)
{
    (void)run;
}

unsigned arena_peak(void)
{
    return 0;
}

unsigned arena_used(void)
{
    return 0;
}

unsigned arena_size(void)
{
    return 0;
}
