/* lwIP on the desk in a thread of its own (NO_SYS 0), by lwIP's own port for Unix. Every call of the core asserts that its
   caller holds the lock. */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#define NO_SYS                     0
#define LWIP_TCPIP_CORE_LOCKING    1
void sys_check_core_locking(void);
#define LWIP_ASSERT_CORE_LOCKED()  sys_check_core_locking()
#define LWIP_NETCONN               0
#define LWIP_SOCKET                0
#define MEM_LIBC_MALLOC            1
#define MEMP_MEM_MALLOC            1
#define MEM_ALIGNMENT              8
#define TCPIP_MBOX_SIZE            128
#define TCP_MSS                    536
#define LWIP_ARP                   0
#define LWIP_ETHERNET              0
#define LWIP_DHCP                  0
#define LWIP_DNS                   0
#define LWIP_IPV6                  0
#define LWIP_STATS                 0

#endif
