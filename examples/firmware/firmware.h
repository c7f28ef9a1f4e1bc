/* The parts of the firmware to each other. */
#ifndef FIRMWARE_H
#define FIRMWARE_H

#include <mailmote/resolver.h>

#include <stdint.h>

/* start.c */
unsigned stack_used(void);
unsigned stack_size(void);
unsigned static_bytes(void);
void firmware_assert(const char *what);

/* semihosting.c: what a debugger or QEMU gives, where a product has parts of its own */
__attribute__((noreturn)) void firmware_exit(int code);
mote_status_t host_random(void *self, uint8_t *bytes, size_t size);
uint32_t host_time(void);
size_t host_read(const char *path, uint8_t *room, size_t capacity);
size_t host_arguments(char *room, size_t capacity);

/* memory.c: mbedTLS's arena, clock and random source */
void memory_start(unsigned limit); /* of the arena, in bytes; 0: all of it */
void memory_set_clock(bool is_set);
uint32_t memory_clock(void); /* seconds since 1970, or 0: not set */
unsigned arena_peak(void);
unsigned arena_used(void);
unsigned arena_size(void);

/* main.c: returns the exit code */
int firmware_run(void);

#endif
