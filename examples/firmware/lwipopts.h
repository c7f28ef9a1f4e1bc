/* lwIP for a board with 64 KiB of RAM: a super-loop, fixed pools. */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#define NO_SYS                    1
#define SYS_LIGHTWEIGHT_PROT      0 /* interrupts do not call lwIP */
#define LWIP_SINGLE_NETIF         1
#define LWIP_NETCONN              0
#define LWIP_SOCKET               0
#define MEM_ALIGNMENT             4
#define MEM_SIZE                  4096
#define MEMP_NUM_TCP_PCB          4
#define MEMP_NUM_TCP_PCB_LISTEN   1
#define MEMP_NUM_UDP_PCB          5 /* DHCP, SNTP, and two questions */
#define MEMP_NUM_TCP_SEG          12
#define MEMP_NUM_SYS_TIMEOUT      (LWIP_NUM_SYS_TIMEOUT_INTERNAL + 2) /* SNTP, and a delivery */
#define PBUF_POOL_SIZE            8
#define PBUF_POOL_BUFSIZE         592
#define TCP_MSS                   536
#define TCP_WND                   (4 * TCP_MSS)
#define TCP_SND_BUF               (4 * TCP_MSS)
#define TCP_SND_QUEUELEN          8
#define TCP_QUEUE_OOSEQ           0
#define IP_REASSEMBLY             0
#define IP_FRAG                   0
#define ETH_PAD_SIZE              2
#define ARP_TABLE_SIZE            4
#define LWIP_DHCP                 1
#define LWIP_DHCP_DOES_ACD_CHECK  0
#define LWIP_ACD                  0
#define LWIP_DNS                  1 /* only for the servers that DHCP names */
#define DNS_TABLE_SIZE            1
#define LWIP_NETIF_HOSTNAME       0
#define LWIP_STATS                1
#define LWIP_STATS_DISPLAY        0

#include <stdint.h>
uint32_t firmware_random(void);
#define LWIP_RAND() firmware_random()

/* The time stamp of an SNTP question is random: who answers must have seen it. */
void clock_set(uint32_t seconds);
#define SNTP_SET_SYSTEM_TIME(seconds)          clock_set(seconds)
#define SNTP_GET_SYSTEM_TIME_NTP(seconds, part) ((seconds) = (s32_t)firmware_random(), (part) = firmware_random())
#define SNTP_CHECK_RESPONSE                    2
#define SNTP_STARTUP_DELAY                     0
#define SNTP_MONITOR_SERVER_REACHABILITY       0

#endif
