#include "heap.h"

#include "lwip/mem.h"
#include "lwip/timeouts.h"

#include <stdlib.h>

static size_t count;
static unsigned left;
static int has_failed;

void *heap_malloc(size_t size)
{
    void *memory;

    if (left > 0 && size != LWIP_MEM_ALIGN_SIZE(sizeof(struct sys_timeo)) && --left == 0) {
        has_failed = 1;
        return NULL;
    }
    memory = malloc(size);
    count += memory != NULL;
    return memory;
}

void *heap_calloc(size_t number, size_t size)
{
    void *memory = heap_malloc(number * size);

    for (size_t i = 0; memory != NULL && i < number * size; i++) {
        ((char *)memory)[i] = 0;
    }
    return memory;
}

void heap_free(void *memory)
{
    count -= memory != NULL;
    free(memory);
}

size_t heap_count(void)
{
    return count;
}

void heap_fail_at(unsigned nth)
{
    left = nth;
    has_failed = 0;
}

int heap_has_failed(void)
{
    return has_failed;
}
