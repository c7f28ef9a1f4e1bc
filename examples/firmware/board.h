/* What a board gives to the firmware: each has one board.c. */
#ifndef BOARD_H
#define BOARD_H

#include "lwip/netif.h"

extern const char board_name[];

/** Clocks and the console; called first. */
void board_start(void);
/** One character to the console. */
void board_put(char character);
/** Ethernet: sets the interface's address and output, as netif_add wants it. */
err_t board_ethernet(struct netif *netif);
/** Hands frames that came to lwIP, until there are no more. */
void board_poll(struct netif *netif);
/** Sleeps until an interrupt: a frame, or the millisecond. */
void board_sleep(void);
/** The Ethernet interrupt: quiets it until board_poll. */
void board_interrupt(void);

/** Core clock, for the millisecond. */
extern const unsigned board_clock_hz;

#endif
