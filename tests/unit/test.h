/* What every unit test needs: cmocka, and tables of cases whose name is told when one fails. */
#ifndef TEST_H
#define TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mailmote/mailmote.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* A span over a string literal, NULs inside included. */
#define TEXT(literal) mote_span((literal), sizeof(literal) - 1)

/* Fails with the name of the row. */
#define CHECK(condition, name)                                                                                \
    do {                                                                                                      \
        if (!(condition)) {                                                                                   \
            fail_msg("%s: %s", (name), #condition);                                                           \
        }                                                                                                     \
    } while (0)

/* A copy of the bytes that ends exactly where its memory ends, so that a sanitizer sees a read behind it. */
static inline mote_span_t exact_copy(mote_span_t bytes)
{
    uint8_t *copy = malloc(bytes.size > 0 ? bytes.size : 1);

    assert_non_null(copy);
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return mote_span(copy, bytes.size);
}

static inline void free_copy(mote_span_t bytes)
{
    free((void *)bytes.data);
}

#endif
