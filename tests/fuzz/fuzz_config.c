#define _POSIX_C_SOURCE 200809L
#include "config.h"
#include "fuzz.h"

#include <unistd.h>

/* The configuration of the command-line program: any bytes as a file. What it says of them goes to /dev/null. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[64];
    static FILE *file;
    config_t config;
    option_list_t options = { { NULL }, 0 };
    int code;

    if (file == NULL) {
        (void)snprintf(path, sizeof path, "/tmp/mailmote-fuzz.%ld", (long)getpid());
        file = fopen(path, "w+b");
        stderr = fopen("/dev/null", "w"); /* of this program; the fuzzer speaks by its own descriptor */
        REQUIRE(file != NULL && stderr != NULL);
    }
    rewind(file);
    REQUIRE(ftruncate(fileno(file), 0) == 0 && fwrite(data, 1, size, file) == size && fflush(file) == 0);
    code = config_read(&config, path, &options);
    REQUIRE(code == EX_OK || code == EX_CONFIG);
    config_free(&config);
    return 0;
}
