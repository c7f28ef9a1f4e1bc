#ifndef ARCH_CC_H
#define ARCH_CC_H

/* The words of lwIP's assertions would take 6 KB of flash: the address tells as much. */
void firmware_assert(void);
#define LWIP_PLATFORM_DIAG(x)
#define LWIP_PLATFORM_ASSERT(x) firmware_assert()

#endif
