/* The parts of the firmware to each other. */
#ifndef FIRMWARE_H
#define FIRMWARE_H

#include "settings.h"

#include <mailmote/lwip.h>

#include <stdint.h>

/* start.c */
unsigned stack_used(void);
unsigned stack_size(void);
unsigned static_bytes(void);
uint32_t microseconds(void); /* since reset, wraps */
uint32_t uptime_s(void);     /* since reset */
void firmware_assert(void);

/* semihosting.c: what a debugger or QEMU gives, where a product has parts of its own */
__attribute__((noreturn)) void firmware_exit(int code);
mote_status_t host_random(void *self, uint8_t *bytes, size_t size);
size_t host_read(const char *path, uint8_t *room, size_t capacity);
size_t host_arguments(char *room, size_t capacity);

/* clock.c */
void clock_start(const mote_ip_t *server); /* asks it, again and again; the network is up */
bool clock_is_asked(void);
void clock_set(uint32_t seconds); /* since 1970: lwIP's SNTP calls this */
uint32_t clock_now(void); /* seconds since 1970, or 0: not set */

/* memory.c: mbedTLS's arena, clock and random source */
void memory_start(unsigned limit); /* of the arena, in bytes; 0: all of it */
unsigned arena_peak(void);
unsigned arena_used(void);
unsigned arena_size(void);

/* tls.c, or no_tls.c where the build leaves TLS out (then the arena is nothing) */
void tls_start(const settings_t *settings);
void tls_wrap(mote_lwip_run_t *run); /* lays TLS over a run that has been set up */

/* main.c */
int firmware_run(void); /* returns the exit code */
void breathe(void);     /* at least this often, the device is alive */

#endif
