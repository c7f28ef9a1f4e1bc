/* Runs a fuzz target without a fuzzer: every file of its corpus, each also cut short and with octets changed. */
#define _POSIX_C_SOURCE 200809L
#include "fuzz.h"

#include <dirent.h>

enum { INPUT_BYTES = 1 << 16, CHANGE_COUNT = 400 };

static uint32_t draw(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1); /* ends where its memory ends */

    REQUIRE(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static unsigned run_all(uint8_t *input, size_t size)
{
    uint32_t state = 2463534242U;
    unsigned count = 0;

    for (size_t cut = 0; cut <= size && cut < 300; cut++, count++) {
        run(input, size - cut);
    }
    for (unsigned i = 0; i < CHANGE_COUNT && size > 0; i++, count++) {
        size_t at = draw(&state) % size;
        uint8_t before = input[at];

        input[at] = (uint8_t)draw(&state);
        run(input, size);
        if (draw(&state) % 4 != 0) {
            input[at] = before; /* the others stay: changes add up */
        }
    }
    return count;
}

int main(int argc, char **argv)
{
    static uint8_t input[INPUT_BYTES];
    unsigned count = 0;
    const struct dirent *entry;
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;

    if (folder == NULL) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 64;
    }
    while ((entry = readdir(folder)) != NULL) {
        char path[4096];
        FILE *file;

        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        file = fopen(path, "rb");
        REQUIRE(file != NULL);
        count += run_all(input, fread(input, 1, sizeof input, file));
        fclose(file);
    }
    closedir(folder);
    printf("%u inputs\n", count);
    return count > 0 ? 0 : 1;
}
