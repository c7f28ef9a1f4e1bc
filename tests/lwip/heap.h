/* lwIP's memory: counted, and made to fail as told. */
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
/* As heap_fail_at, but all later ones fail too. */
void heap_fail_from(unsigned nth);
/* No more than so many bytes in all, as with MEM_SIZE; 0: any number. */
void heap_limit_bytes(size_t bytes);
/* No more than so many blocks of this size, as in a pool of that many elements; size 0: any number. */
void heap_limit_blocks(size_t size, unsigned count);
/* Whether an allocation has failed since one of these was called. */
int heap_has_failed(void);

#endif
