#include "sim.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Worlds by their seeds: one, or one after the other until the time is up. */

enum { DEVICE_COUNT = 16, WORLD_SECONDS = 30, LARGE_WORLD_SECONDS = 600, SHRINK_SECONDS = 40, SHRINK_WORLD_SECONDS = 4, PROGRESS_SECONDS = 300 };

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static world_t world;
static unsigned world_seconds = WORLD_SECONDS; /* a world that takes longer does not return */
static sigjmp_buf failure;
static struct {
    uint16_t device;
    uint32_t mail;
    const char *invariant; /* its words without what differs from world to world */
    char words[400];
} failed;

void fail_world(device_t *device, const char *invariant, const char *words)
{
    failed.device = device->index;
    failed.mail = device->mail_index;
    failed.invariant = invariant;
    (void)snprintf(failed.words, sizeof failed.words, "%s", words);
    siglongjmp(failure, 1);
}

const char *failure_words(void)
{
    return failed.words;
}

void sim_asserts(const char *condition)
{
    char words[200];

    (void)snprintf(words, sizeof words, "an assertion of the core: %s", condition);
    fail_world(world.device, condition, words);
}

static void *make(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (memory == NULL) {
        (void)fprintf(stderr, "sim: no memory\n");
        exit(2);
    }
    return memory;
}

static void make_devices(uint32_t count)
{
    world.devices = make(count, sizeof *world.devices);
    for (uint32_t i = 0; i < count; i++) {
        world.devices[i].guarded = make(1, sizeof *world.devices[i].guarded);
    }
}

bool try_world(const options_t *options)
{
    if (sigsetjmp(failure, 1) != 0) {
        return false;
    }
    world.device = &world.devices[0];
    if (options->small == 0) {
        (void)alarm(options->device_count > 100 ? LARGE_WORLD_SECONDS : world_seconds);
    }
    run_world(&world, options);
    return true;
}

/* A crash, or a call that does not return, is a failure like another. */
static void on_signal(int number)
{
    const char *words = number == SIGALRM ? "a call does not return" : "the core crashes";

    fail_world(world.device, words, words);
}

static void catch_signals(void)
{
    static const int numbers[] = { SIGSEGV, SIGBUS, SIGFPE, SIGALRM };
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        (void)sigaction(numbers[i], &action, NULL);
    }
}

/* ---- what the run was ------------------------------------------------------------------------------------------ */

static const char *const fault_words[] = {
#define FAULT_WORDS(name, words, most) words,
    FAULTS(FAULT_WORDS)
#undef FAULT_WORDS
};

/* What docs/testing.md calls impossible cannot be met. */
static bool can_meet(unsigned state, unsigned event)
{
    switch (state) {
    case S_CONNECT:
        return event == HEARD_2YZ || event == HEARD_END || event == HEARD_TIMEOUT;
    case S_IMPLICIT_TLS:
    case S_HANDSHAKE:
        return event == HEARD_2YZ || event >= HEARD_MALFORMED;
    case S_UNTRUSTED:
        return event == HEARD_MALFORMED;
    case S_CONTENT:
        return event != HEARD_2YZ;
    case S_IDLE:
        return event != HEARD_TIMEOUT;
    default:
        return true;
    }
}

static void print_table(void)
{
    static const char *const heard[] = { "2yz", "3yz", "4yz", "421", "5yz", "malformed", "end", "timeout" };
    unsigned unmet = 0;
    static const char *const states[] = {
        "S1 connect", "S2 implicit TLS", "S2v, S7v untrusted", "S3 greeting", "S4 EHLO", "S5 HELO", "S6 STARTTLS", "S7 handshake",
        "S8 EHLO in TLS", "S9 AUTH", "S10 MAIL", "S11 RCPT", "S12 DATA", "S12e DATA, nobody", "S12a DATA, no AUTH", "S13 content",
        "S14 final dot", "S16 RSET", "S17 QUIT", "S18 between",
    };
    static const char *const rows[] = {
        "data", "null MX", "none usable", "no data", "no such name", "alias", "alias loop", "SERVFAIL", "REFUSED", "FORMERR, NOTIMP",
        "lost (timeout)", "truncated", "too large over TCP", "forged", "malformed", "referral",
    };

    printf("\n%-20s", "state");
    for (unsigned j = 0; j < HEARD_COUNT; j++) {
        printf("%10s", heard[j]);
    }
    printf("\n");
    for (unsigned i = 0; i < COUNT_OF(states); i++) {
        printf("%-20s", states[i]);
        for (unsigned j = 0; j < HEARD_COUNT; j++) {
            printf("%10llu", (unsigned long long)counts.states[i][j]);
        }
        printf("\n");
    }
    printf("\n%-20s%10s%10s\n", "name server", "MX", "address");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        printf("%-20s%10llu%10llu\n", rows[i], (unsigned long long)counts.rows[i][0], (unsigned long long)counts.rows[i][1]);
    }
    printf("\n%-45s%12s\n", "fault", "times");
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        printf("%-45s%12llu\n", fault_words[i], (unsigned long long)counts.faults[i]);
    }
    printf("\nnot met:");
    for (unsigned i = 0; i < COUNT_OF(states); i++) {
        for (unsigned j = 0; j < HEARD_COUNT; j++) {
            if (can_meet(i, j) && counts.states[i][j] == 0) {
                unmet += (unsigned)printf(" %s x %s;", states[i], heard[j]);
            }
        }
    }
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        for (unsigned j = 0; j < 2; j++) {
            if (counts.rows[i][j] == 0 && (j == 0 || (i != ROW_NULL_MX && i != ROW_TOO_LARGE))) {
                unmet += (unsigned)printf(" %s x %s;", rows[i], j == 0 ? "MX" : "address");
            }
        }
    }
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        if (counts.faults[i] == 0) {
            unmet += (unsigned)printf(" %s;", fault_words[i]);
        }
    }
    printf("%s\n", unmet == 0 ? " nothing" : "");
}

static void print_sum(unsigned failures, double seconds)
{
    uint64_t faults = 0;

    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        faults += counts.faults[i];
    }
    printf("%llu worlds, %.0f virtual hours, %llu mails (%llu of them again, %llu probes) to %llu recipients (%llu at an address): "
           "%llu accepted, %llu transient (%llu with every host tried), %llu permanent, %llu in doubt; %llu faults; %.0f s; %u failures\n",
           (unsigned long long)counts.worlds, (double)counts.virtual_ms / 3600000, (unsigned long long)counts.mails,
           (unsigned long long)counts.retries, (unsigned long long)counts.probes, (unsigned long long)counts.recipients,
           (unsigned long long)counts.literals, (unsigned long long)counts.verdicts[MOTE_VERDICT_ACCEPTED],
           (unsigned long long)counts.verdicts[MOTE_VERDICT_TRANSIENT], (unsigned long long)counts.all_tried, (unsigned long long)counts.verdicts[MOTE_VERDICT_PERMANENT],
           (unsigned long long)counts.verdicts[MOTE_VERDICT_IN_DOUBT], (unsigned long long)faults, seconds, failures);
}

/* ---- a failure ---------------------------------------------------------------------------------------------------- */

static void print_options(const options_t *options)
{
    printf("    replay: scripts/sim --seed %llu", (unsigned long long)options->seed);
    if (options->device_count != 0) {
        printf(" --devices %u", (unsigned)options->device_count);
    }
    if (options->hours != 0) {
        printf(" --hours %u", (unsigned)options->hours);
    }
    if (options->only_device >= 0) {
        printf(" --only %d", (int)options->only_device);
    }
    if (options->first_mail != 0 || options->last_mail != UINT32_MAX) {
        printf(" --mails %u-%u", (unsigned)options->first_mail, (unsigned)options->last_mail);
    }
    if (options->recipient_count != RECIPIENT_COUNT) {
        printf(" --recipients %u", (unsigned)options->recipient_count);
    }
    if (options->line_count != UINT32_MAX) {
        printf(" --lines %u", (unsigned)options->line_count);
    }
    if (options->faults != UINT64_MAX) {
        printf(" --faults %llx", (unsigned long long)options->faults);
    }
    printf("\n");
}

/* Plays the world again, telling what its device did with that mail. */
static void replay(const options_t *options)
{
    options_t told = *options;

    told.is_told = true;
    told.only_device = failed.device;
    printf("\nFAILED, seed %llu, device %u, mail %u: %s\n", (unsigned long long)options->seed, (unsigned)failed.device,
           (unsigned)failed.mail, failed.words);
    print_options(options);
    if (try_world(&told)) {
        printf("(the device alone does not fail: its world is told whole)\n");
        told.only_device = options->only_device;
        (void)try_world(&told);
    }
    printf("            %s\n", failed.words);
}

/* Whether that world breaks the same invariant, in a process of its own: it may end badly. */
static bool fails_too(const options_t *options)
{
    const char *invariant = failed.invariant;
    int status = 0;
    pid_t child;

    (void)fflush(stdout);
    child = fork();
    if (child == 0) {
        _exit(try_world(options) || failed.invariant != invariant ? 0 : 1);
    }
    (void)waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static time_t shrink_until;

static void take_if(options_t *best, const options_t *smaller)
{
    if (time(NULL) < shrink_until && memcmp(best, smaller, sizeof *best) != 0 && fails_too(smaller)) {
        *best = *smaller;
    }
}

/* One thing after the other is left out, as long as the world still breaks the same invariant. */
static options_t shrink(const options_t *options)
{
    options_t best = *options;

    shrink_until = time(NULL) + SHRINK_SECONDS;
    for (unsigned round = 0; round < 2; round++) {
        options_t smaller = best;

        smaller.only_device = failed.device;
        take_if(&best, &smaller);
        smaller = best;
        smaller.last_mail = failed.mail;
        take_if(&best, &smaller);
        for (uint32_t first = failed.mail; first > best.first_mail && first + 4 > failed.mail; first--) {
            smaller = best;
            smaller.first_mail = first;
            take_if(&best, &smaller);
        }
        for (uint32_t count = 1; count < best.recipient_count; count++) {
            smaller = best;
            smaller.recipient_count = count;
            take_if(&best, &smaller);
        }
        for (uint32_t count = 0; count < 8 && count < best.line_count; count++) {
            smaller = best;
            smaller.line_count = count;
            take_if(&best, &smaller);
        }
        for (unsigned kind = 0; kind < FAULT_COUNT; kind++) {
            smaller = best;
            smaller.faults &= ~(UINT64_C(1) << kind);
            smaller.faults &= (UINT64_C(1) << FAULT_COUNT) - 1;
            take_if(&best, &smaller);
        }
    }
    return best;
}

/* ---- the command line ------------------------------------------------------------------------------------------------ */

typedef struct arguments {
    options_t options;
    uint32_t seconds;
    uint64_t world_count;
    bool shrinks;
    bool is_small;
    bool is_quick;
    bool is_quiet;
    const char *seeds; /* a file of options, one world a line */
} arguments_t;

static int usage(void)
{
    (void)fprintf(stderr, "usage: sim [--seed N] [--devices D] [--hours H] [--seconds S | --worlds W] [--shrink]\n"
                          "           [--only D] [--mails FIRST-LAST] [--recipients N] [--lines N] [--faults HEX]\n"
                          "       sim --seeds FILE\n"
                          "       sim --small [--quick]\n");
    return 2;
}

static bool read_argument(arguments_t *arguments, const char *name, const char *value)
{
    options_t *options = &arguments->options;

    if (value == NULL) {
        return false;
    }
    if (strcmp(name, "--seed") == 0) {
        options->seed = strtoull(value, NULL, 10);
    } else if (strcmp(name, "--devices") == 0) {
        options->device_count = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(name, "--hours") == 0) {
        options->hours = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(name, "--seconds") == 0) {
        arguments->seconds = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(name, "--worlds") == 0) {
        arguments->world_count = strtoull(value, NULL, 10);
    } else if (strcmp(name, "--only") == 0) {
        options->only_device = atoi(value);
    } else if (strcmp(name, "--mails") == 0) {
        unsigned first = 0;
        unsigned last = 0;

        if (sscanf(value, "%u-%u", &first, &last) != 2) {
            return false;
        }
        options->first_mail = first;
        options->last_mail = last;
    } else if (strcmp(name, "--recipients") == 0) {
        options->recipient_count = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(name, "--lines") == 0) {
        options->line_count = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(name, "--faults") == 0) {
        options->faults = strtoull(value, NULL, 16);
    } else if (strcmp(name, "--seeds") == 0) {
        arguments->seeds = value;
    } else {
        return false;
    }
    return true;
}

static bool read_arguments(arguments_t *arguments, int count, char **values)
{
    memset(arguments, 0, sizeof *arguments);
    arguments->options.faults = UINT64_MAX;
    arguments->options.only_device = -1;
    arguments->options.last_mail = UINT32_MAX;
    arguments->options.recipient_count = RECIPIENT_COUNT;
    arguments->options.line_count = UINT32_MAX;
    arguments->world_count = 1;
    for (int i = 0; i < count; i++) {
        if (strcmp(values[i], "--shrink") == 0) {
            arguments->shrinks = true;
        } else if (strcmp(values[i], "--small") == 0) {
            arguments->is_small = true;
        } else if (strcmp(values[i], "--quick") == 0) {
            arguments->is_quick = true;
        } else if (strcmp(values[i], "--tell") == 0) {
            arguments->options.is_told = true;
        } else if (!read_argument(arguments, values[i], i + 1 < count ? values[i + 1] : NULL)) {
            return false;
        } else {
            i++;
        }
    }
    return true;
}

static int fail(const arguments_t *arguments, options_t options)
{
    if (arguments->shrinks) {
        options = shrink(&options);
        (void)try_world(&options);
    }
    replay(&options);
    return 1;
}

static int run_fresh(const arguments_t *arguments)
{
    options_t options = arguments->options;
    time_t start = time(NULL);
    time_t next = start + PROGRESS_SECONDS;
    int result = 0;

    for (uint64_t i = 0; result == 0 && (arguments->seconds != 0 ? time(NULL) - start < (time_t)arguments->seconds
                                                                  : i < arguments->world_count);
         i++) {
        options.seed = arguments->options.seed + i;
        if (!try_world(&options)) {
            result = fail(arguments, options);
        }
        if (time(NULL) >= next) {
            next += PROGRESS_SECONDS;
            printf("%.0f s: %llu worlds, %llu mails\n", (double)(time(NULL) - start), (unsigned long long)counts.worlds,
                   (unsigned long long)counts.mails);
            (void)fflush(stdout);
        }
    }
    if (result == 0 && (arguments->seconds != 0 || arguments->world_count > 1)) {
        print_table();
    }
    printf("from seed %llu: ", (unsigned long long)arguments->options.seed);
    print_sum(result != 0 ? 1 : 0, (double)(time(NULL) - start));
    return result;
}

/* Every world that ever failed: a line each, options as a failure prints them, # begins a comment. */
static int run_seeds(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[256];
    int result = 0;
    unsigned count = 0;

    if (file == NULL) {
        perror(path);
        return 2;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        char *words[24];
        int word_count = 0;
        arguments_t arguments;

        line[strcspn(line, "#\n")] = '\0';
        for (char *word = strtok(line, " "); word != NULL && word_count < 24; word = strtok(NULL, " ")) {
            words[word_count++] = word;
        }
        if (word_count > 0 && read_arguments(&arguments, word_count, words)) {
            count++;
            if (!try_world(&arguments.options)) {
                replay(&arguments.options);
                result = 1;
            }
        }
    }
    (void)fclose(file);
    printf("%u kept seeds: ", count);
    print_sum(result != 0 ? 1 : 0, 0);
    return result;
}

int main(int count, char **values)
{
    arguments_t arguments;

    if (!read_arguments(&arguments, count - 1, values + 1)) {
        return usage();
    }
    catch_signals();
    world_seconds = arguments.shrinks ? SHRINK_WORLD_SECONDS : WORLD_SECONDS;
    make_devices(arguments.options.device_count > DEVICE_COUNT ? arguments.options.device_count : DEVICE_COUNT);
    if (arguments.is_small) {
        return run_small(&world, arguments.is_quick);
    }
    return arguments.seeds != NULL ? run_seeds(arguments.seeds) : run_fresh(&arguments);
}
