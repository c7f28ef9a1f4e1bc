/* What a fuzz target needs. */
#ifndef FUZZ_H
#define FUZZ_H

#include <mailmote/mailmote.h>

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert: it holds in every build. */
#define REQUIRE(condition)                                                                                    \
    do {                                                                                                      \
        if (!(condition)) {                                                                                   \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                   \
            abort();                                                                                          \
        }                                                                                                     \
    } while (0)

#endif
