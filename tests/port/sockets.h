/* The other end of a bench, by sockets on loopback. */
#ifndef PORT_SOCKETS_H
#define PORT_SOCKETS_H

#include "conformance.h"

/* A bench with that other end; port and self are the caller's to set. */
void sockets_set_up(port_bench_t *bench);
void sockets_tear_down(void);
/* The connection at hand, or -1. */
int sockets_stream(void);

#endif
