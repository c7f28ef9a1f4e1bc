/* lwIP on the desk: no system, no sockets, IPv4 and IPv6. All memory comes from heap.c, which counts it and can fail, so
   the sanitizers see each use of what was freed. */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#include "heap.h"

#define NO_SYS                         1
#define SYS_LIGHTWEIGHT_PROT           0
#define LWIP_NETCONN                   0
#define LWIP_SOCKET                    0
#define MEM_ALIGNMENT                  8
#define MEMP_MEM_MALLOC                1
#define MEM_CUSTOM_ALLOCATOR           1
#define MEM_CUSTOM_MALLOC              heap_malloc
#define MEM_CUSTOM_CALLOC              heap_calloc
#define MEM_CUSTOM_FREE                heap_free
#define TCP_MSS                        536
#define TCP_WND                        (4 * TCP_MSS)
#define TCP_SND_BUF                    (4 * TCP_MSS)
#define TCP_SND_QUEUELEN               12
#define TCP_QUEUE_OOSEQ                1
#define LWIP_ARP                       0
#define LWIP_ETHERNET                  0
#define LWIP_DHCP                      0
#define LWIP_DNS                       0
#define LWIP_IPV6                      1
#define LWIP_IPV6_SEND_ROUTER_SOLICIT  0
#define LWIP_IPV6_AUTOCONFIG           0
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS  0
#define LWIP_IPV6_MLD                  0
#define LWIP_IPV6_FRAG                  0
#define LWIP_IPV6_REASS                 0
#define LWIP_NETIF_LOOPBACK            0
#define LWIP_HAVE_LOOPIF               0
#define LWIP_STATS                     0
#define LWIP_DEBUG_TIMERNAMES          1 /* so that heap.c knows a timer by its size: else it is as large as a segment */
#define LWIP_RAND()                    ((u32_t)rand())

#endif
