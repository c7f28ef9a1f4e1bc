/* Semihosting: QEMU, or a debugger, lends its random source and a file. For tests: a product has a
   random generator, and its settings in flash; without them it must not be built (FIRMWARE_SEMIHOSTING 0). */
#include "firmware.h"

#include <string.h>

#ifndef FIRMWARE_SEMIHOSTING
#define FIRMWARE_SEMIHOSTING 1
#endif
#if !FIRMWARE_SEMIHOSTING
#error "give your board host_random and host_read of its own: a true random source, settings"
#endif

enum { SYS_OPEN = 0x01, SYS_CLOSE = 0x02, SYS_READ = 0x06, SYS_GET_CMDLINE = 0x15, SYS_EXIT_EXTENDED = 0x20 };
enum { OPEN_BINARY = 1, STOPPED_APPLICATION = 0x20026 };

static int call(int operation, const void *block)
{
    register int r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = block;

    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void firmware_exit(int code)
{
    const int block[] = { STOPPED_APPLICATION, code };

    (void)call(SYS_EXIT_EXTENDED, block);
    for (;;) {
    }
}

size_t host_arguments(char *room, size_t capacity)
{
    struct {
        char *room;
        int size;
    } block = { room, (int)capacity };

    return call(SYS_GET_CMDLINE, &block) == 0 ? strlen(room) : 0;
}

size_t host_read(const char *path, uint8_t *room, size_t capacity)
{
    const struct {
        const char *path;
        int mode;
        int size;
    } open = { path, OPEN_BINARY, (int)strlen(path) };
    int file = call(SYS_OPEN, &open);
    int left = (int)capacity;

    if (file >= 0) {
        struct {
            int file;
            uint8_t *room;
            int size;
        } read = { file, room, (int)capacity };

        left = call(SYS_READ, &read);
        (void)call(SYS_CLOSE, &read.file);
    }
    return left >= 0 && (size_t)left <= capacity ? capacity - (size_t)left : 0;
}

mote_status_t host_random(void *self, uint8_t *bytes, size_t size)
{
    (void)self;
    return host_read("/dev/urandom", bytes, size) == size ? MOTE_OK : MOTE_ERR_RANDOM;
}
