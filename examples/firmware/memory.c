/* What mbedTLS wants from a platform: memory out of an arena, the time, random bytes. */
#include "firmware.h"

#include <mbedtls/memory_buffer_alloc.h>
#include <mbedtls/platform.h>
#include <mbedtls/platform_util.h>
#include <psa/crypto.h>

#include <string.h>
#include <time.h>

static unsigned char arena[ARENA_BYTES] __attribute__((aligned(8)));
static mbedtls_time_t now(mbedtls_time_t *time)
{
    mbedtls_time_t seconds = (mbedtls_time_t)clock_now();

    if (time != NULL) {
        *time = seconds;
    }
    return seconds;
}

/* For the age of a kept session: it must go on past the wrap of sys_now, and over a restart where the room survives one. */
mbedtls_ms_time_t mbedtls_ms_time(void)
{
    return (mbedtls_ms_time_t)clock_now() * 1000;
}

struct tm *mbedtls_platform_gmtime_r(const mbedtls_time_t *time, struct tm *room)
{
    static const uint8_t month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    uint32_t seconds = (uint32_t)*time; /* until 2106; the C library's own brings 64-bit division, a kilobyte */
    uint32_t days = seconds / 86400;
    uint32_t year_days = 365;
    uint32_t this_month_days = 31;

    memset(room, 0, sizeof *room);
    room->tm_hour = (int)(seconds % 86400 / 3600);
    room->tm_min = (int)(seconds % 3600 / 60);
    room->tm_sec = (int)(seconds % 60);
    for (room->tm_year = 70; days >= year_days; room->tm_year++) {
        days -= year_days;
        year_days = (room->tm_year + 1) % 4 == 0 && room->tm_year + 1 != 200 ? 366 : 365; /* 2100 is no leap year */
    }
    for (; days >= this_month_days; room->tm_mon++) {
        days -= this_month_days;
        this_month_days = month_days[room->tm_mon + 1] + (room->tm_mon + 1 == 1 && year_days == 366 ? 1U : 0U);
    }
    room->tm_mday = (int)days + 1;
    return room;
}

psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context, uint8_t *output, size_t size,
                                             size_t *length)
{
    (void)context;
    *length = size;
    return host_random(NULL, output, size) == MOTE_OK ? PSA_SUCCESS : PSA_ERROR_INSUFFICIENT_ENTROPY;
}

static size_t arena_limit;

void memory_start(unsigned limit)
{
    arena_limit = limit > 0 && limit < sizeof arena ? limit : sizeof arena;
    mbedtls_memory_buffer_alloc_init(arena, arena_limit);
    mbedtls_platform_set_time(now);
}

unsigned arena_peak(void)
{
    size_t bytes;
    size_t blocks;

    mbedtls_memory_buffer_alloc_max_get(&bytes, &blocks);
    return (unsigned)bytes;
}

unsigned arena_used(void)
{
    size_t bytes;
    size_t blocks;

    mbedtls_memory_buffer_alloc_cur_get(&bytes, &blocks);
    return (unsigned)bytes;
}

unsigned arena_size(void)
{
    return (unsigned)arena_limit;
}
