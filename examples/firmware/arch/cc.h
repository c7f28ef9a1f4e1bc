#ifndef ARCH_CC_H
#define ARCH_CC_H

void firmware_assert(const char *what);
#define LWIP_PLATFORM_DIAG(x)
#define LWIP_PLATFORM_ASSERT(x) firmware_assert(x)

#endif
