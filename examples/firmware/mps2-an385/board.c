/* Arm's MPS2 board with the Cortex-M3 of AN385: 4 MiB for code, 4 MiB of RAM, a LAN9118 for Ethernet. */
#include "board.h"

#include "lwip/etharp.h"
#include "lwip/pbuf.h"

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define UART_DATA    REGISTER(0x40004000)
#define UART_STATE   REGISTER(0x40004004)
#define UART_CONTROL REGISTER(0x40004008)
#define UART_DIVIDER REGISTER(0x40004010)

#define LAN(offset)   REGISTER(0x40200000 + (offset))
#define RX_DATA       LAN(0x00)
#define TX_DATA       LAN(0x20)
#define RX_STATUS     LAN(0x40)
#define TX_STATUS     LAN(0x48)
#define ID_REVISION   LAN(0x50)
#define IRQ_CONFIG    LAN(0x54)
#define INT_STATUS    LAN(0x58)
#define INT_ENABLE    LAN(0x5C)
#define BYTE_TEST     LAN(0x64)
#define FIFO_LEVELS   LAN(0x68)
#define RX_CONFIG     LAN(0x6C)
#define TX_CONFIG     LAN(0x70)
#define HW_CONFIG     LAN(0x74)
#define RX_INFO       LAN(0x7C)
#define TX_INFO       LAN(0x80)
#define MAC_COMMAND   LAN(0xA4)
#define MAC_VALUE     LAN(0xA8)

#define NVIC_ENABLE0 REGISTER(0xE000E100)

enum { TX_FULL = 1, RX_INTERRUPT = 1 << 3, LAN_IRQ = 13, MAC_CONTROL = 1, MAC_HIGH = 2, MAC_LOW = 3, FRAME_BYTES = 1518, FCS_BYTES = 4 };

const char board_name[] = "mps2-an385";
const unsigned board_clock_hz = 25000000;

void board_start(void)
{
    UART_DIVIDER = 16;
    UART_CONTROL = 1;
}

void board_put(char character)
{
    while ((UART_STATE & TX_FULL) != 0) {
    }
    UART_DATA = (uint8_t)character;
}

/* ---- Ethernet ---- */

static uint32_t read_mac(unsigned index)
{
    MAC_COMMAND = 1U << 31 | 1U << 30 | index;
    while ((MAC_COMMAND & 1U << 31) != 0) {
    }
    return MAC_VALUE;
}

static void write_mac(unsigned index, uint32_t value)
{
    MAC_VALUE = value;
    MAC_COMMAND = 1U << 31 | index;
    while ((MAC_COMMAND & 1U << 31) != 0) {
    }
}

void board_interrupt(void)
{
    INT_ENABLE = 0;
}

void board_sleep(void)
{
    INT_ENABLE = RX_INTERRUPT;
    if ((RX_INFO >> 16 & 0xFF) == 0) {
        __asm volatile("wfi");
    }
}

/* Two bytes of padding stand before the frame in both directions (ETH_PAD_SIZE), so words are words of the pbuf. */
static err_t send_frame(struct netif *netif, struct pbuf *frame)
{
    uint32_t size = (uint32_t)frame->tot_len - ETH_PAD_SIZE;
    uint32_t word = 0;
    unsigned at = 0;

    (void)netif;
    while ((TX_INFO >> 16 & 0xFF) > 0) {
        (void)TX_STATUS;
    }
    if ((TX_INFO & 0xFFFF) < frame->tot_len + 11U) { /* two commands, and the rest of a word: lwIP sends it again */
        return ERR_MEM;
    }
    TX_DATA = (uint32_t)ETH_PAD_SIZE << 16 | 0x3000 | size; /* first and last segment */
    TX_DATA = size;
    for (const struct pbuf *part = frame; part != NULL; part = part->next) {
        const uint8_t *bytes = part->payload;

        for (unsigned i = 0; i < part->len; i++) {
            word |= (uint32_t)bytes[i] << (at * 8);
            if (++at == 4) {
                TX_DATA = word;
                word = 0;
                at = 0;
            }
        }
    }
    if (at > 0) {
        TX_DATA = word;
    }
    return ERR_OK;
}

static struct pbuf *read_frame(void)
{
    static uint32_t words[(ETH_PAD_SIZE + FRAME_BYTES + 3) / 4];
    uint32_t status = RX_STATUS;
    unsigned size = (status >> 16 & 0x3FFF) + ETH_PAD_SIZE;
    struct pbuf *frame = NULL;

    for (unsigned i = 0; i < (size + 3) / 4; i++) {
        uint32_t word = RX_DATA;

        if (i < sizeof words / sizeof words[0]) {
            words[i] = word;
        }
    }
    if ((status & 1U << 15) == 0 && size >= ETH_PAD_SIZE + FCS_BYTES + 14 && size <= sizeof words) {
        frame = pbuf_alloc(PBUF_RAW, (u16_t)(size - FCS_BYTES), PBUF_POOL);
    }
    if (frame != NULL) {
        (void)pbuf_take(frame, words, (u16_t)(size - FCS_BYTES));
    }
    return frame;
}

void board_poll(struct netif *netif)
{
    while ((RX_INFO >> 16 & 0xFF) > 0) {
        struct pbuf *frame = read_frame();

        if (frame != NULL && netif->input(frame, netif) != ERR_OK) {
            pbuf_free(frame);
        }
    }
    INT_STATUS = RX_INTERRUPT;
}

static void reset_chip(void)
{
    while (BYTE_TEST != 0x87654321 || ID_REVISION >> 16 != 0x0118) {
    }
    HW_CONFIG = 1;
    while ((HW_CONFIG & 1) != 0) {
    }
    HW_CONFIG = 5U << 16 | 1U << 20; /* 5 KiB to send from, whole frames */
    FIFO_LEVELS = 0;
    IRQ_CONFIG = 0x111;
    RX_CONFIG = (uint32_t)ETH_PAD_SIZE << 8;
    TX_CONFIG = 2;
}

err_t board_ethernet(struct netif *netif)
{
    uint32_t low;
    uint32_t high;

    reset_chip();
    low = read_mac(MAC_LOW);
    high = read_mac(MAC_HIGH);
    for (unsigned i = 0; i < 6; i++) {
        netif->hwaddr[i] = (u8_t)(i < 4 ? low >> (i * 8) : high >> (i * 8 - 32));
    }
    netif->hwaddr_len = 6;
    netif->mtu = 1500;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    netif->output = etharp_output;
    netif->linkoutput = send_frame;
    write_mac(MAC_CONTROL, 1U << 20 | 8 | 4); /* duplex, send, receive */
    NVIC_ENABLE0 = 1U << LAN_IRQ;
    return ERR_OK;
}
