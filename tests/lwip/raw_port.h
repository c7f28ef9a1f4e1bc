/* The least port.h over lwIP's raw API: enough to find out whether the table suits a stack that pushes. It is a test's,
   not yet the port: no IPv6, no TLS, one datagram kept a slot. */
#ifndef RAW_PORT_H
#define RAW_PORT_H

#include <mailmote/port.h>

#include "lwip/tcp.h"
#include "lwip/udp.h"

typedef struct raw_port {
    struct tcp_pcb *pcb;
    struct pbuf *received;
    bool is_connecting;
    bool is_connected;
    bool has_ended;
    mote_status_t failure;
    struct udp_pcb *slots[2];
    struct pbuf *datagrams[2];
    mote_endpoint_t from[2];
} raw_port_t;

extern const mote_port_t raw_port_table;

#endif
