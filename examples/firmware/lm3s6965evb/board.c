/* The Stellaris LM3S6965 evaluation board: Cortex-M3, 256 KiB of flash, 64 KiB of RAM, an Ethernet MAC and PHY on the chip. */
#include "board.h"

#include "lwip/etharp.h"
#include "lwip/pbuf.h"

#include <stdint.h>
#include <string.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define RCGC1     REGISTER(0x400FE104)
#define RCGC2     REGISTER(0x400FE108)
#define USER_REG0 REGISTER(0x400FE1E0)
#define USER_REG1 REGISTER(0x400FE1E4)

#define UART_DATA    REGISTER(0x4000C000)
#define UART_FLAGS   REGISTER(0x4000C018)
#define UART_CONTROL REGISTER(0x4000C030)

#define MAC_STATUS      REGISTER(0x40048000)
#define MAC_MASK        REGISTER(0x40048004)
#define MAC_RECEIVE     REGISTER(0x40048008)
#define MAC_TRANSMIT    REGISTER(0x4004800C)
#define MAC_DATA        REGISTER(0x40048010)
#define MAC_ADDRESS_LOW REGISTER(0x40048014)
#define MAC_ADDRESS_TOP REGISTER(0x40048018)
#define MAC_WAITING     REGISTER(0x40048034)
#define MAC_START       REGISTER(0x40048038)

#define NVIC_ENABLE1 REGISTER(0xE000E104)

enum { TX_FULL = 0x20, RX_INTERRUPT = 1, MAC_IRQ = 42, FRAME_BYTES = 1518, LENGTH_BYTES = 2, FCS_BYTES = 4 };

const char board_name[] = "lm3s6965evb";
const unsigned board_clock_hz = 12500000;

void board_start(void)
{
    RCGC1 |= 1;                  /* UART0 */
    RCGC2 |= 1U << 28 | 1U << 30; /* MAC and PHY */
    UART_CONTROL = 0x301;
}

void board_put(char character)
{
    while ((UART_FLAGS & TX_FULL) != 0) {
    }
    UART_DATA = (uint8_t)character;
}

/* ---- Ethernet ---- */

void board_interrupt(void)
{
    MAC_MASK = 0;
}

void board_sleep(void)
{
    MAC_MASK = RX_INTERRUPT;
    if (MAC_WAITING == 0) {
        __asm volatile("wfi");
    }
}

/* The FIFO is words, the first of them begins with the length: with ETH_PAD_SIZE 2 that is how a pbuf lies in memory. A
   chain's parts need not end at words. */
static err_t send_frame(struct netif *netif, struct pbuf *frame)
{
    uint32_t word = (uint32_t)(frame->tot_len - ETH_PAD_SIZE - 14);
    unsigned at = LENGTH_BYTES;
    unsigned skip = ETH_PAD_SIZE;

    (void)netif;
    while ((MAC_START & 1) != 0) {
    }
    for (const struct pbuf *part = frame; part != NULL; part = part->next) {
        const uint8_t *bytes = part->payload;

        for (unsigned i = skip; i < part->len; i++) {
            word |= (uint32_t)bytes[i] << (at * 8);
            if (++at == 4) {
                MAC_DATA = word;
                word = 0;
                at = 0;
            }
        }
        skip = 0;
    }
    if (at > 0) {
        MAC_DATA = word;
    }
    MAC_START = 1;
    return ERR_OK;
}

/* Reads a frame whole, whether there is a pbuf for it or not: the FIFO would be out of step otherwise. */
static struct pbuf *read_frame(void)
{
    static uint32_t words[(LENGTH_BYTES + FRAME_BYTES + 3) / 4];
    uint32_t first = MAC_DATA;
    unsigned size = first & 0xFFFF;
    unsigned count = (size + 3) / 4;
    struct pbuf *frame = NULL;

    for (unsigned i = 0; i < count; i++) {
        uint32_t word = i == 0 ? first : MAC_DATA;

        if (i < sizeof words / sizeof words[0]) {
            words[i] = word;
        }
    }
    if (size >= LENGTH_BYTES + FCS_BYTES + 14 && size <= sizeof words) {
        frame = pbuf_alloc(PBUF_RAW, (u16_t)(size - FCS_BYTES), PBUF_POOL);
    }
    if (frame != NULL) {
        (void)pbuf_take(frame, words, (u16_t)(size - FCS_BYTES));
    }
    return frame;
}

void board_poll(struct netif *netif)
{
    while (MAC_WAITING > 0) {
        struct pbuf *frame = read_frame();

        if (frame != NULL && netif->input(frame, netif) != ERR_OK) {
            pbuf_free(frame);
        }
    }
    MAC_STATUS = 0x7F;
}

err_t board_ethernet(struct netif *netif)
{
    uint32_t low = USER_REG0;
    uint32_t top = USER_REG1;

    for (unsigned i = 0; i < 3; i++) {
        netif->hwaddr[i] = (u8_t)(low >> (i * 8));
        netif->hwaddr[3 + i] = (u8_t)(top >> (i * 8));
    }
    netif->hwaddr_len = 6;
    netif->mtu = 1500;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    netif->output = etharp_output;
    netif->linkoutput = send_frame;
    memcpy((void *)&low, netif->hwaddr, 4);
    MAC_ADDRESS_LOW = low;
    MAC_ADDRESS_TOP = netif->hwaddr[4] | (uint32_t)netif->hwaddr[5] << 8;
    MAC_RECEIVE = 0x10 | 8 | 1;     /* reset the FIFO, no bad checksums, on */
    MAC_TRANSMIT = 0x10 | 4 | 2 | 1; /* duplex, checksum, padding, on */
    NVIC_ENABLE1 = 1U << (MAC_IRQ - 32);
    return ERR_OK;
}
