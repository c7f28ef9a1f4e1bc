#include "heap.h"

#include "lwip/mem.h"
#include "lwip/timeouts.h"

#include <stdlib.h>

enum { SIZE_COUNT = 4096 };

/* The size lies before each block; what is in use, by size. */
typedef union head {
    size_t size;
    long double alignment;
    void *also;
} head_t;

static size_t in_use[SIZE_COUNT];
static size_t count;
static size_t bytes;
static unsigned left;
static int fails_on;
static size_t most_bytes;
static size_t pool_size;
static unsigned pool_count;
static int has_failed;

static int is_refused(size_t size)
{
    if (size == LWIP_MEM_ALIGN_SIZE(sizeof(struct sys_timeo))) {
        return 0;
    }
    if (left == 1) {
        left = fails_on ? 1 : 0;
        return 1;
    }
    left -= left > 0;
    return (most_bytes > 0 && bytes + size > most_bytes) || (pool_size > 0 && size == pool_size && in_use[size] >= pool_count);
}

void *heap_malloc(size_t size)
{
    head_t *head;

    if (is_refused(size)) {
        has_failed = 1;
        return NULL;
    }
    head = malloc(sizeof *head + size);
    if (head == NULL) {
        return NULL;
    }
    head->size = size;
    count++;
    bytes += size;
    in_use[size % SIZE_COUNT]++;
    return head + 1;
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
    head_t *head = memory;

    if (head != NULL) {
        head--;
        count--;
        bytes -= head->size;
        in_use[head->size % SIZE_COUNT]--;
        free(head);
    }
}

size_t heap_count(void)
{
    return count;
}

void heap_fail_at(unsigned nth)
{
    left = nth;
    fails_on = 0;
    most_bytes = 0;
    pool_size = 0;
    has_failed = 0;
}

void heap_fail_from(unsigned nth)
{
    heap_fail_at(nth);
    fails_on = 1;
}

void heap_limit_bytes(size_t limit)
{
    heap_fail_at(0);
    most_bytes = limit;
}

void heap_limit_blocks(size_t size, unsigned limit)
{
    heap_fail_at(0);
    pool_size = size;
    pool_count = limit;
}

int heap_has_failed(void)
{
    return has_failed;
}
