/* lwIP's memory: counted, and made to fail at the n-th use. */
#ifndef HEAP_H
#define HEAP_H

#include <stddef.h>

void *heap_malloc(size_t size);
void *heap_calloc(size_t count, size_t size);
void heap_free(void *memory);

/* How many blocks are in use. */
size_t heap_count(void);
/* The n-th allocation from now fails, once; 0: none does. Timers are left alone: a device has as many as it needs. */
void heap_fail_at(unsigned nth);
/* Whether that has happened. */
int heap_has_failed(void);

#endif
