/* From reset to main: vectors, memory, the millisecond, and what happens when something goes wrong. */
#include "board.h"
#include "console.h"
#include "firmware.h"

#include <stdint.h>

#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010)
#define SYSTICK_RELOAD  (*(volatile uint32_t *)0xE000E014)
#define SYSTICK_VALUE   (*(volatile uint32_t *)0xE000E018) /* counts down */
#define FAULT_STATUS    (*(volatile uint32_t *)0xE000ED28)

enum { INTERRUPT_COUNT = 48, PAINT = 0x5AFEC0DE };

extern uint32_t stack_bottom[], stack_top[], data_start[], data_end[], data_source[], bss_start[], bss_end[];

void reset(void);
static void fault(void);
static void unexpected(void);
static void tick(void);
static void ethernet(void);

/* The stack, the core's own exceptions, then the board's: the one that either board uses is its Ethernet's. */
__attribute__((section(".vectors"), used)) static void (*const vectors[16 + INTERRUPT_COUNT])(void) = {
    (void (*)(void))stack_top, reset, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault,
    fault, tick,
    [16 ... 16 + 12] = unexpected,
    [16 + 13] = ethernet,
    [16 + 14 ... 16 + 41] = unexpected,
    [16 + 42] = ethernet,
    [16 + 43 ... 16 + INTERRUPT_COUNT - 1] = unexpected,
};

/* The counter wraps after 49 days, and three seconds after each start too: what cannot bear it shows at the desk. */
static volatile uint32_t milliseconds = 0U - 3000;
static volatile uint32_t seconds;

u32_t sys_now(void)
{
    return milliseconds;
}

uint32_t uptime_s(void)
{
    return seconds;
}

static void tick(void)
{
    static unsigned left_ms = 1000;

    milliseconds++;
    if (--left_ms == 0) {
        left_ms = 1000;
        seconds++;
    }
}

static void ethernet(void)
{
    board_interrupt();
}

static void fault(void)
{
    uint32_t *frame;

    __asm volatile("mrs %0, msp" : "=r"(frame));
    console_line("fault, status ", FAULT_STATUS, "");
    console_line("  at ", frame[8], " (or near it: see the map)");
    firmware_exit(99);
}

static void unexpected(void)
{
    console_text("unexpected interrupt\n");
    firmware_exit(98);
}

void firmware_assert(void)
{
    console_line("lwIP: assertion before ", (uint32_t)__builtin_return_address(0), " (see the map)");
    firmware_exit(97);
}

/* What is left of the paint tells how deep the stack has been. */
unsigned stack_used(void)
{
    const uint32_t *at = stack_bottom;

    while (at < stack_top && *at == PAINT) {
        at++;
    }
    return (unsigned)((stack_top - at) * sizeof *at);
}

unsigned stack_size(void)
{
    return (unsigned)((stack_top - stack_bottom) * sizeof *stack_bottom);
}

unsigned static_bytes(void)
{
    return (unsigned)((bss_end - data_start) * sizeof *bss_end);
}

uint32_t microseconds(void)
{
    uint32_t ms;
    uint32_t ticks;

    do {
        ms = sys_now();
        ticks = SYSTICK_RELOAD - SYSTICK_VALUE;
    } while (ms != sys_now());
    return ms * 1000 + ticks * 1000 / (SYSTICK_RELOAD + 1);
}

void reset(void)
{
    uint32_t *here;

    __asm volatile("mov %0, sp" : "=r"(here));
    for (uint32_t *at = stack_bottom; at < here; at++) {
        *at = PAINT;
    }
    for (uint32_t *to = data_start, *from = data_source; to < data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *at = bss_start; at < bss_end;) {
        *at++ = 0;
    }
    board_start();
    SYSTICK_RELOAD = board_clock_hz / 1000 - 1;
    SYSTICK_CONTROL = 7;
    firmware_exit(firmware_run());
}
