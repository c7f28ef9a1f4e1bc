#ifndef ARCH_CC_H
#define ARCH_CC_H

#include <stdio.h>
#include <stdlib.h>

#define LWIP_PLATFORM_DIAG(x)
#define LWIP_PLATFORM_ASSERT(x)                                                                               \
    do {                                                                                                      \
        fprintf(stderr, "lwIP: %s\n", x);                                                                     \
        abort();                                                                                              \
    } while (0)

#endif
