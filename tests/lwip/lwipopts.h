/* lwIP on the desk, as it would be on a small device: no system, no sockets, fixed pools. */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#define NO_SYS                 1
#define SYS_LIGHTWEIGHT_PROT   0
#define LWIP_NETCONN           0
#define LWIP_SOCKET            0
#define MEM_ALIGNMENT          8
#define MEM_SIZE               16384
#define MEMP_NUM_TCP_SEG       16
#define PBUF_POOL_SIZE         16
#define TCP_MSS                536
#define TCP_WND                (4 * TCP_MSS)
#define TCP_SND_BUF            (4 * TCP_MSS)
#define TCP_SND_QUEUELEN       12
#define TCP_QUEUE_OOSEQ        1
#define LWIP_ARP               0
#define LWIP_ETHERNET          0
#define LWIP_DHCP              0
#define LWIP_DNS               0
#define LWIP_IPV6              0
#define LWIP_NETIF_LOOPBACK    0
#define LWIP_HAVE_LOOPIF       0
#define LWIP_STATS             1
#define LWIP_STATS_DISPLAY     0
#define LWIP_RAND()            ((u32_t)rand())

#endif
